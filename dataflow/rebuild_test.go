package dataflow

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/storage"
)

// damagedStore is a store of which some arrangements cannot be read.
type damagedStore struct {
	*memStore
	mu  sync.Mutex
	bad map[storage.Arrangement]bool
}

func (s *damagedStore) damage(arr storage.Arrangement) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bad[arr] = true
}

func (s *damagedStore) check(arr storage.Arrangement) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bad[arr] {
		return sqlerr.New(sqlerr.DataCorrupted, "arrangement %d is damaged", arr)
	}
	return nil
}

func (s *damagedStore) Fetch(arr storage.Arrangement, keys *zset.List, vals *storage.Values) error {
	if err := s.check(arr); err != nil {
		return err
	}
	return s.memStore.Fetch(arr, keys, vals)
}

func (s *damagedStore) Scan(arr storage.Arrangement, lo, hi []byte, fn func(key, val []byte) bool) error {
	if err := s.check(arr); err != nil {
		return err
	}
	return s.memStore.Scan(arr, lo, hi, fn)
}

// rebuildWorld has a healer: views that are held are built again over arrangements
// of their own.
type rebuildWorld struct {
	*sinkWorld
	damaged *damagedStore
	makers  map[RelationID]func(arr storage.Arrangement) ViewSpec
	begins  map[RelationID]map[RelationID]connector.Positions
	nextArr storage.Arrangement
	rebuilt int
}

func newRebuildWorld(t *testing.T, upsert bool) *rebuildWorld {
	w := &rebuildWorld{sinkWorld: newSinkWorld(t, upsert), makers: map[RelationID]func(storage.Arrangement) ViewSpec{},
		begins: map[RelationID]map[RelationID]connector.Positions{}, nextArr: 1000}
	w.damaged = &damagedStore{memStore: w.store, bad: map[storage.Arrangement]bool{}}
	w.world.open = func() Store { return w.damaged }
	w.world.opts.Build = buildUnion
	return w
}

func (w *rebuildWorld) derived(id RelationID, spec func(arr storage.Arrangement) ViewSpec) {
	w.t.Helper()
	w.makers[id] = func(arr storage.Arrangement) ViewSpec {
		v := spec(arr)
		v.Derived = true
		return v
	}
	w.nextArr++
	v := w.makers[id](w.nextArr)
	cmd := w.createView(v)
	cmd.Prepare = func(_ uint64, c *Command) error {
		w.begins[id] = maps.Clone(c.Begins)
		return nil
	}
	if _, err := w.rt.Do(context.Background(), cmd); err != nil {
		w.t.Fatal(err)
	}
	w.views = append(w.views, v)
}

func (w *rebuildWorld) spec(id RelationID) *ViewSpec {
	for i := range w.views {
		if w.views[i].ID == id {
			return &w.views[i]
		}
	}
	w.t.Fatalf("there is no view %d", id)
	return nil
}

// heal builds all held views again.
func (w *rebuildWorld) heal() {
	w.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Microsecond) {
		held := 0
		for _, v := range w.rt.Views() {
			if !v.Held {
				continue
			}
			held++
			if err := w.rebuildOne(v.ID); err != nil && !errors.Is(err, ErrNotYet) {
				w.t.Fatalf("view %d: %v", v.ID, err)
			}
		}
		if held == 0 {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("not healed: %+v", w.rt.Views())
		}
	}
}

func (w *rebuildWorld) rebuildOne(id RelationID) error {
	w.nextArr++
	v := w.makers[id](w.nextArr)
	_, err := w.rt.Do(context.Background(), Command{Rebuild: &v, Create: createAll(v.Graph), Begins: w.begins[id]})
	if err == nil {
		w.rebuilt++
		*w.spec(id) = v
	}
	return err
}

// onlyCurrent says whether the store has the arrangements of the views, and no
// others.
func (w *rebuildWorld) onlyCurrent() bool {
	want := map[storage.Arrangement]bool{ErrorArrangement: true, BacklogArrangement: true}
	for _, v := range w.views {
		for _, a := range createAll(v.Graph) {
			want[a.Arr] = true
		}
	}
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	for arr := range w.store.arrs {
		if !want[arr] {
			return false
		}
	}
	return len(w.store.arrs) == len(want)
}

// TestRebuildAnywhere damages views or holds them at random moments, through
// restarts: what reads them goes on, a sink writes what has changed and no more, and
// in the end every view is its query.
func TestRebuildAnywhere(t *testing.T) {
	rebuilt := 0
	for seed := range uint64(20) {
		t.Run(fmt.Sprintf("seed%d", seed), func(t *testing.T) { rebuilt += rebuildAnywhere(t, seed) })
	}
	if rebuilt < 100 {
		t.Errorf("%d views were built again", rebuilt)
	}
}

func rebuildAnywhere(t *testing.T, seed uint64) int {
	r := rand.New(rand.NewPCG(seed, 9))
	w := newRebuildWorld(t, true)
	w.world.opts.PieceRows, w.world.opts.CutRows = 1+r.IntN(40), 50
	w.start()
	topic := newFakeTopic(seed, 2, 1+r.IntN(20))
	w.stream(1, topic)
	produce := func(n int) {
		for range n {
			topic.produce(r.IntN(2), record{k: r.Int64N(20), v: r.Int64N(5), bad: r.IntN(10) == 0})
		}
	}
	produce(100)
	w.mustView(keyedTable())
	w.change(r, 30)
	w.derived(2, func(a storage.Arrangement) ViewSpec { return passView(2, 1, a) })
	w.derived(3, func(a storage.Arrangement) ViewSpec { return groupView(3, 2, 0, a) })
	w.derived(4, func(a storage.Arrangement) ViewSpec { return unionView(4, a, 2, 1) })
	w.derived(6, keyedCopy)
	w.mustView(outboxView(6, true, w.committed))
	w.write()
	for range 40 {
		produce(r.IntN(15))
		w.change(r, 1+r.IntN(10))
		switch r.IntN(8) {
		case 0:
			w.damaged.damage(w.spec(RelationID(2 + r.IntN(3))).Result.Arr)
		case 1, 2:
			id := []RelationID{2, 3, 4, 6}[r.IntN(4)]
			if err := w.rt.Hold(context.Background(), id, "the test"); err != nil {
				t.Fatal(err)
			}
		case 3:
			w.again(r.IntN(2) == 0)
		case 4, 5, 6:
			w.heal()
		}
		w.check(nil)
	}
	produce(5)
	w.whole()
	w.caughtUp()
	w.settled()
	if n := w.check(map[RelationID]map[string]int64{sinkTable: w.tableRows()}); n != 5 {
		t.Errorf("%d views compared, want 5: %+v", n, w.rt.Views())
	}
	w.stop()
	if want := w.states[w.lastChange()]; !maps.Equal(w.sink.keyed, want) {
		t.Errorf("the sink holds %v, want %v", w.sink.keyed, want)
	}
	waitFor(t, w.onlyCurrent)
	return w.rebuilt
}

// keyedCopy is view 6: all rows of the table, by its key.
func keyedCopy(arr storage.Arrangement) ViewSpec {
	v := passView(6, sinkTable, arr)
	v.Graph.Nodes[1].Materialize.Key = []int{0}
	v.Result.Keyed, v.Result.Key = true, v.Result.Types[:1]
	return v
}

// whole heals until all views are ready and have read all: a view may be found to be
// damaged only when it gets input, or is compared with what it was.
func (w *rebuildWorld) whole() {
	w.t.Helper()
	waitFor(w.t, func() bool {
		w.heal()
		for _, v := range w.rt.Views() {
			if v.State != StateRunning {
				return false
			}
		}
		for _, s := range w.rt.Sources() {
			topic := w.topics[s.ID]
			topic.mu.Lock()
			ends := topic.ends()
			topic.mu.Unlock()
			if !reached(s.Positions, ends, nil) {
				return false
			}
		}
		return true
	})
}

// tableRows is the table as the model has it.
func (w *rebuildWorld) tableRows() map[string]int64 {
	out := map[string]int64{}
	for k, v := range w.model {
		out[fmt.Sprintf("%d,%d", k, v)]++
	}
	return out
}

// TestRebuildIncomplete: a view is not rebuilt from a topic that has lost records
// since, and is when none are lost that it began with.
func TestRebuildIncomplete(t *testing.T) {
	w := newRebuildWorld(t, true)
	w.start()
	topic := newFakeTopic(1, 2, 10)
	w.stream(1, topic)
	topic.produce(0, record{k: 1}, record{k: 2}, record{k: 3})
	topic.produce(1, record{k: 4})
	w.derived(2, func(a storage.Arrangement) ViewSpec { return passView(2, 1, a) })
	w.caughtUp()
	topic.trim(connector.Positions{2, 0})
	w.derived(3, func(a storage.Arrangement) ViewSpec { return passView(3, 1, a) })
	w.derived(4, func(a storage.Arrangement) ViewSpec { return groupView(4, 2, 0, a) })
	w.caughtUp()
	before := w.store.content(w.spec(3).Result.Arr)
	ctx := context.Background()
	for _, id := range []RelationID{2, 3} {
		if err := w.rt.Hold(ctx, id, "the test"); err != nil {
			t.Fatal(err)
		}
	}
	topic.setDown(true)
	for _, id := range []RelationID{2, 3} {
		if err := w.rebuildOne(id); !errors.Is(err, ErrNotYet) {
			t.Errorf("view %d without a broker: %v", id, err)
		}
	}
	topic.setDown(false)
	waitFor(t, func() bool { return w.rebuildOne(3) == nil })
	if err := w.rebuildOne(2); !errors.Is(err, ErrIncomplete) {
		t.Errorf("view 2: %v", err)
	}
	if s, _ := w.rt.current().view(4); s.State != StateDetached || s.Ready {
		t.Errorf("what reads a held view: %+v", s)
	}
	if err := w.rt.Quarantine(ctx, 2, "records are gone"); err != nil {
		t.Fatal(err)
	}
	for _, id := range []RelationID{2, 4} {
		s, _ := w.rt.current().view(id)
		if s.State != StateQuarantined || s.Held || id == 2 && s.Reason != "the test; records are gone" {
			t.Errorf("view %d: %+v", id, s)
		}
	}
	w.caughtUp()
	if got := w.store.content(w.spec(3).Result.Arr); got != before || got == "none" {
		t.Error("view 3 has other rows than before")
	}
	topic.setCompacts(true)
	if err := w.rt.Rebuildable(ctx, Command{Rebuild: w.spec(3), Begins: w.begins[3]}); !errors.Is(err, ErrIncomplete) {
		t.Errorf("a compacted topic: %v", err)
	}
	topic.setCompacts(false)
	if err := w.rt.Rebuildable(ctx, Command{Rebuild: w.spec(3), Begins: w.begins[3]}); err != nil {
		t.Error(err)
	}
	topic.trim(connector.Positions{3, 0})
	if err := w.rt.Hold(ctx, 3, "the test"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return !errors.Is(w.rebuildOne(3), ErrNotYet) })
	if err := w.rebuildOne(3); !errors.Is(err, ErrIncomplete) {
		t.Errorf("view 3: %v", err)
	}
}

// TestRebuildRefused lets each of the first commits of a rebuild fail, then be durable
// without an answer: the view is there once, and the sink has the table.
func TestRebuildRefused(t *testing.T) {
	for nth := 1; nth <= 6; nth++ {
		for _, outcome := range []commitOutcome{commitRefused, commitBroken} {
			r := rand.New(rand.NewPCG(uint64(nth), 3))
			w := newRebuildWorld(t, true)
			w.start()
			w.mustView(keyedTable())
			w.change(r, 30)
			w.derived(6, keyedCopy)
			w.mustView(outboxView(6, true, w.committed))
			w.caughtUp()
			w.store.failFrom(nth, outcome)
			_ = w.rt.Hold(context.Background(), 6, "the test")
			waitFor(t, func() bool {
				former := *w.spec(6)
				err := w.rebuildOne(6)
				if w.store.disarm() {
					if err != nil && w.store.content(w.makers[6](w.nextArr).Result.Arr) != "none" {
						*w.spec(6) = w.makers[6](w.nextArr) // durable, as the catalog would be
					} else if err != nil {
						*w.spec(6) = former
					}
					w.crashed()
					w.start()
				}
				s, _ := w.rt.current().view(6)
				return !s.Held && s.State == StateRunning
			})
			w.write()
			w.change(r, 5)
			w.caughtUp()
			w.settled()
			w.stop()
			if want := w.states[w.lastChange()]; !maps.Equal(w.sink.keyed, want) {
				t.Fatalf("commit %d, outcome %d: the sink holds %v, want %v", nth, outcome, w.sink.keyed, want)
			}
			waitFor(t, w.onlyCurrent)
			w.world.stop()
		}
	}
}

// TestRebuildAppendSink: a sink that appends writes no row again when the view that
// it reads is rebuilt, and none is lost that came meanwhile.
func TestRebuildAppendSink(t *testing.T) {
	w := newRebuildWorld(t, false)
	w.start()
	topic := newFakeTopic(1, 2, 10)
	w.stream(1, topic)
	w.derived(2, func(a storage.Arrangement) ViewSpec { return passView(2, 1, a) })
	w.mustView(outboxView(2, false, w.committed))
	w.write()
	want := map[string]int64{}
	for i := range int64(100) {
		topic.produce(int(i%2), record{k: i % 7, v: i})
		want[fmt.Sprintf("%d,%d", i%7, i)]++
		switch i % 20 {
		case 10:
			w.caughtUp()
			w.settled()
			if err := w.rt.Hold(context.Background(), 2, "the test"); err != nil {
				t.Fatal(err)
			}
		case 15:
			w.again(i > 50)
			w.heal()
		}
	}
	w.caughtUp()
	w.settled()
	w.stop()
	if !maps.Equal(w.sink.rows, want) {
		t.Errorf("the sink has %v, want %v", w.sink.rows, want)
	}
}
