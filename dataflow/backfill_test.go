package dataflow

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/storage"
)

// TestBackfill creates and drops views over a stream, over views and over a
// table while data flows and the runtime restarts, and holds that every view
// that is running is its query over the prefix that the snapshot names; also
// right in the middle.
func TestBackfill(t *testing.T) {
	var named, attached atomic.Int64
	for seed := range uint64(25) {
		backfillOnce(t, seed, &named, &attached)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if named.Load() == 0 || attached.Load() == 0 {
		t.Errorf("%d cuts were named, %d inputs attached", named.Load(), attached.Load())
	}
}

func backfillOnce(t *testing.T, seed uint64, named, attached *atomic.Int64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	w := newWorld(t, Options{
		CutRows: 20 + rng.IntN(50), PieceRows: 1 + rng.IntN(30), QueueBytes: 3000,
		KeepBytes: []int{1, 2000, 100000}[rng.IntN(3)],
		FailPoint: func(name string) {
			switch name {
			case "named":
				named.Add(1)
			case "attach":
				attached.Add(1)
			}
		},
	})
	w.run()
	topics := []*fakeTopic{newFakeTopic(seed, 3, 1+rng.IntN(20)), newFakeTopic(seed+100, 1, 1+rng.IntN(20))}
	produce := func(n int) {
		for range 5 {
			f := topics[rng.IntN(2)]
			f.produce(rng.IntN(len(f.parts)), someRecords(rng, n, 20)...)
		}
	}
	produce(60)
	topics[0].starts[1] = int64(min(5, len(topics[0].parts[1]))) // earlier records are gone
	w.stream(1, topics[0])
	w.stream(2, topics[1])
	next := RelationID(10)
	create := func() {
		from := RelationID(1 + rng.IntN(2))
		if len(w.views) > 0 && rng.IntN(3) == 0 {
			from = w.views[rng.IntN(len(w.views))].ID
		}
		arr := storage.Arrangement(next) + 20
		if rng.IntN(2) == 0 {
			w.mustView(passView(next, from, arr))
		} else {
			w.mustView(groupView(next, from, rng.IntN(2), arr))
		}
		next++
	}
	for range 25 {
		produce(1 + rng.IntN(40))
		switch rng.IntN(8) {
		case 0, 1, 2, 3:
			create()
		case 4:
			w.dropUnread(rng)
		case 5:
			if err := w.stop(); err != nil {
				t.Fatal(err)
			}
			w.start()
		case 6:
			w.caughtUp()
		case 7:
			time.Sleep(time.Duration(rng.IntN(3)) * time.Millisecond)
		}
		w.check(nil)
	}
	w.caughtUp()
	if n := w.check(nil); n != len(w.views) {
		t.Errorf("%d of %d views compared: %+v", n, len(w.views), w.rt.Views())
	}
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
}

// dropUnread drops a random view that nothing reads.
func (w *world) dropUnread(rng *rand.Rand) {
	for _, i := range rng.Perm(len(w.views)) {
		id, read := w.views[i].ID, false
		for _, v := range w.views {
			read = read || v.Graph.Nodes[0].Relation.Relation == id
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
