package dataflow

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/storage"
)

// TestBackfill creates and drops views over a stream and over views while data
// flows and the runtime stops, crashes and restarts, and holds that every view
// that is running is its query over the prefix that the snapshot names; also
// right in the middle.
func TestBackfill(t *testing.T) {
	var named, attached int64
	for seed := range uint64(25) {
		var b *backfill
		t.Run(fmt.Sprintf("seed%d", seed), func(t *testing.T) {
			b = newBackfill(t, seed, nil)
			b.run()
		})
		named, attached = named+b.named.Load(), attached+b.attached.Load()
	}
	if named == 0 || attached == 0 {
		t.Errorf("%d cuts were named, %d inputs attached", named, attached)
	}
}

// backfill is one random history.
type backfill struct {
	*world
	rng             *rand.Rand
	sources         []*fakeTopic
	next            RelationID
	named, attached atomic.Int64
	armed           atomic.Bool // the next fail point is a crash
}

func newBackfill(t *testing.T, seed uint64, open func() Store) *backfill {
	b := &backfill{rng: rand.New(rand.NewPCG(seed, 1)), next: 10}
	b.world = newWorld(t, Options{
		CutRows: 20 + b.rng.IntN(50), PieceRows: 1 + b.rng.IntN(30), QueueBytes: 3000,
		KeepBytes: []int{1, 2000, 100000}[b.rng.IntN(3)], FailPoint: b.failPoint, Build: buildUnion,
	})
	b.world.open = open
	b.sources = []*fakeTopic{newFakeTopic(seed, 3, 1+b.rng.IntN(20)), newFakeTopic(seed+100, 1, 1+b.rng.IntN(20))}
	return b
}

func (b *backfill) failPoint(name string) {
	switch name {
	case "named":
		b.named.Add(1)
	case "attach":
		b.attached.Add(1)
	}
	if b.armed.CompareAndSwap(true, false) {
		panic(errCrash)
	}
}

func (b *backfill) produce(n int) {
	for range 5 {
		f := b.sources[b.rng.IntN(2)]
		f.produce(b.rng.IntN(len(f.parts)), someRecords(b.rng, n, 20)...)
	}
}

func (b *backfill) create() {
	from := RelationID(1 + b.rng.IntN(2))
	if len(b.views) > 0 && b.rng.IntN(3) == 0 {
		from = b.views[b.rng.IntN(len(b.views))].ID
	}
	arr := storage.Arrangement(b.next) + 20
	switch b.rng.IntN(3) {
	case 0:
		b.mustView(passView(b.next, from, arr))
	case 1:
		other := RelationID(1 + b.rng.IntN(2))
		b.mustView(unionView(b.next, arr, from, other, from))
	default:
		b.mustView(groupView(b.next, from, b.rng.IntN(2), arr))
	}
	b.next++
}

// crash ends the runtime at its next fail point.
func (b *backfill) crash() {
	b.armed.Store(true)
	_, _ = b.rt.Do(context.Background(), Command{}) // whether it happened does not matter
	if err := b.crashed(); err == nil {
		b.t.Fatal("Run returned nil after a crash")
	}
	b.start()
}

func (b *backfill) run() {
	b.world.run()
	b.produce(60)
	b.sources[0].starts[1] = int64(min(5, len(b.sources[0].parts[1]))) // earlier records are gone
	b.stream(1, b.sources[0])
	b.stream(2, b.sources[1])
	for range 25 {
		b.produce(1 + b.rng.IntN(40))
		b.step()
		b.check(nil)
	}
	b.caughtUp()
	if n := b.check(nil); n != len(b.views) {
		b.t.Errorf("%d of %d views compared: %+v", n, len(b.views), b.rt.Views())
	}
	if err := b.stop(); err != nil {
		b.t.Fatal(err)
	}
}

func (b *backfill) step() {
	switch b.rng.IntN(9) {
	case 0, 1, 2, 3:
		b.create()
	case 4:
		b.dropUnread(b.rng)
	case 5:
		if err := b.stop(); err != nil {
			b.t.Fatal(err)
		}
		b.start()
	case 6:
		b.crash()
	case 7:
		b.caughtUp()
	case 8:
		time.Sleep(time.Duration(b.rng.IntN(3)) * time.Millisecond)
	}
}

// dropUnread drops a random view that nothing reads.
func (w *world) dropUnread(rng *rand.Rand) {
	for _, i := range rng.Perm(len(w.views)) {
		id, read := w.views[i].ID, false
		for _, v := range w.views {
			read = read || slices.Contains(v.reads(), id)
		}
		if !read {
			w.drop(id)
			return
		}
	}
}

// TestBackfillOthersDoNotWait holds the private reader of a new view; the view
// that was there goes on.
func TestBackfillOthersDoNotWait(t *testing.T) {
	w := newWorld(t, Options{CutRows: 4})
	w.run()
	topic := newFakeTopic(1, 2, 3)
	rng := rand.New(rand.NewPCG(5, 5))
	topic.produce(0, someRecords(rng, 100, 0)...)
	w.stream(1, topic)
	w.mustView(groupView(2, 1, 0, 20))
	w.caughtUp()
	gate := w.gate(1)
	w.mustView(groupView(3, 1, 1, 21))
	topic.produce(1, someRecords(rng, 100, 0)...)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := w.rt.WaitPositions(ctx, 1, connector.Positions{100, 100}); err != nil {
		t.Fatal(err)
	}
	if st := w.rt.Views()[1]; st.State != StateBackfilling || st.Ready {
		t.Errorf("view: %+v", st)
	}
	var seen []Progress
	wait := make(chan error, 1)
	go func() { wait <- w.rt.WaitReady(ctx, 3, func(p Progress) { seen = append(seen, p) }) }()
	close(gate)
	if err := <-wait; err != nil {
		t.Fatal(err)
	}
	w.caughtUp()
	if n := w.check(nil); n != 2 {
		t.Errorf("%d views compared", n)
	}
	for i, p := range seen {
		if p.Total != 100 || p.Done > p.Total || i > 0 && p.Done < seen[i-1].Done {
			t.Errorf("progress %d: %+v", i, p)
		}
	}
}

func TestDropDuringBackfill(t *testing.T) {
	w := newWorld(t, Options{CutRows: 4})
	w.run()
	topic := newFakeTopic(1, 2, 3)
	rng := rand.New(rand.NewPCG(5, 5))
	topic.produce(0, someRecords(rng, 200, 0)...)
	w.stream(1, topic)
	w.mustView(groupView(2, 1, 0, 20))
	w.caughtUp()
	w.mustView(passView(3, 1, 21))
	w.drop(3)
	w.mustView(passView(4, 1, 22))
	w.mustView(groupView(5, 4, 0, 23))
	// The shared reader's only view goes: one that backfills takes its place.
	w.drop(2)
	topic.produce(1, someRecords(rng, 20, 0)...)
	w.caughtUp()
	if n := w.check(nil); n != 2 {
		t.Errorf("%d views compared: %+v", n, w.rt.Views())
	}
	if w.store.content(21) != "none" || w.store.content(20) != "none" {
		t.Error("arrangements of dropped views are there")
	}
}

// TestDeletedHistory deletes records between CREATE STREAM and a view: the view
// begins with what the topic still holds, beside one that has seen all, and a
// restart in the middle of its backfill does not change where it began.
func TestDeletedHistory(t *testing.T) {
	w := newWorld(t, Options{CutRows: 4, PieceRows: 8})
	w.run()
	topic := newFakeTopic(1, 3, 3)
	rng := rand.New(rand.NewPCG(5, 5))
	topic.produce(0, someRecords(rng, 100, 0)...)
	topic.produce(1, someRecords(rng, 50, 0)...)
	topic.produce(2, someRecords(rng, 20, 0)...)
	w.stream(1, topic)
	w.mustView(passView(2, 1, 20))
	w.caughtUp()
	topic.trim(connector.Positions{60, 50, 0})
	w.mustView(passView(3, 1, 21))
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	w.start()
	topic.produce(0, someRecords(rng, 30, 0)...)
	topic.produce(1, someRecords(rng, 10, 0)...)
	w.caughtUp()
	w.checkFrom(2, connector.Positions{0, 0, 0})
	w.checkFrom(3, connector.Positions{60, 50, 0})

	// Alone, a view begins there, too.
	w.drop(2)
	w.drop(3)
	w.mustView(passView(4, 1, 22))
	w.caughtUp()
	w.checkFrom(4, connector.Positions{60, 50, 0})
}

// checkFrom compares a view of all rows of stream 1 with the topic's records
// from the positions on.
func (w *world) checkFrom(id RelationID, from connector.Positions) {
	w.t.Helper()
	f := w.topics[1]
	f.mu.Lock()
	want := map[string]int64{}
	for p := range f.parts {
		for _, r := range f.parts[p][from.At(int32(p)):] {
			want[fmt.Sprintf("%d,%d", r.k, r.v)]++
		}
	}
	f.mu.Unlock()
	s := w.rt.Snapshot()
	defer s.Release()
	for _, v := range w.views {
		if v.ID == id {
			if got := rows(w.t, s, v.Result); !maps.Equal(got, want) {
				w.t.Errorf("view %d is %v, want %v", id, clip(got), clip(want))
			}
		}
	}
}
