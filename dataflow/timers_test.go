package dataflow

import (
	"context"
	"fmt"
	"maps"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
)

// timedTypes are a number and a moment.
func timedTypes() []types.Type { return []types.Type{types.Int8, types.Timestamptz} }

// timedTable is a table; timedView has its rows from their moment on for ten
// seconds, and countTimed their number by column 0.
func timedTable() ViewSpec {
	ts := timedTypes()
	return ViewSpec{ID: 1, Name: "timed", Graph: &Graph{Version: GraphVersion, Nodes: []Node{
		{Relation: &RelationInput{Relation: 1, Types: ts}},
		{Inputs: []int{0}, Materialize: &operator.MaterializeSpec{Input: ts, Arr: 20}},
	}}, Result: ResultSpec{Arr: 20, Types: ts, Key: ts}}
}

func timedView() ViewSpec {
	ts := timedTypes()
	return ViewSpec{ID: 2, Name: "window", Graph: &Graph{Version: GraphVersion, Nodes: []Node{
		{Relation: &RelationInput{Relation: 1, Types: ts}},
		{Inputs: []int{0}, Temporal: &operator.TemporalSpec{Input: ts, From: []operator.TimeBound{{Column: 1}},
			Until: []operator.TimeBound{{Column: 1, Shift: 10_000_000}}, Arr: 21}},
		{Inputs: []int{1}, Materialize: &operator.MaterializeSpec{Input: ts, Arr: 22}},
	}}, Result: ResultSpec{Arr: 22, Types: ts, Key: ts}}
}

func countTimed() ViewSpec {
	spec := groupSpec(0, 23)
	spec.Input = timedTypes()
	return ViewSpec{ID: 3, Name: "count", Graph: &Graph{Version: GraphVersion, Nodes: []Node{
		{Relation: &RelationInput{Relation: 2, Types: spec.Input}},
		{Inputs: []int{0}, Aggregate: spec},
	}}, Result: ResultSpec{Arr: 23, Grouped: true, Types: spec.Output(), Key: []types.Type{types.Int8}}}
}

// timedWorld is a world with a clock that the test moves, in seconds since 2000.
type timedWorld struct {
	*world
	clock atomic.Int64
	armed atomic.Bool
}

func newTimedWorld(t *testing.T, failAt string) *timedWorld {
	w := &timedWorld{}
	w.clock.Store(1000)
	w.world = newWorld(t, Options{
		Now: func() time.Time { return time.UnixMicro(w.clock.Load()*1e6 + epoch2000) },
		FailPoint: func(name string) {
			if name == failAt && w.armed.Swap(false) {
				panic("crash at " + name)
			}
		}})
	w.run()
	w.mustView(timedTable())
	w.mustView(timedView())
	w.mustView(countTimed())
	return w
}

// insert adds rows with a number and a moment.
func (w *timedWorld) insert(rows ...[2]int64) {
	w.t.Helper()
	b := zset.NewBatch(timedTypes(), 0)
	for _, r := range rows {
		b.AppendDatums([]types.Datum{{Int: r[0]}, {Int: r[1] * 1e6}}, 1)
	}
	if _, err := w.rt.Do(context.Background(), Command{Rows: []TableDelta{{Relation: 1, Delta: operator.Delta{b}}}}); err != nil {
		w.t.Fatal(err)
	}
}

// expect waits until the view has the rows, and the count agrees in the same
// epoch. Nobody but the loop's own timer starts an epoch meanwhile.
func (w *timedWorld) expect(numbers ...int64) {
	w.t.Helper()
	want, counts := map[string]int64{}, map[string]int64{}
	for _, n := range numbers {
		counts[fmt.Sprintf("%d,1", n)]++
		want[fmt.Sprint(n)]++
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var got, gotCounts map[string]int64
	err := w.rt.await(ctx, func(*published) (bool, error) {
		s := w.rt.store.Pin()
		defer s.Release()
		snap := &Snapshot{StoreSnapshot: s}
		got = map[string]int64{}
		for row, n := range rows(w.t, snap, timedView().Result) {
			var id, at int64
			if _, err := fmt.Sscanf(row, "%d,%d", &id, &at); err != nil {
				return false, err
			}
			got[fmt.Sprint(id)] += n
		}
		gotCounts = rows(w.t, snap, countTimed().Result)
		if len(got) != len(gotCounts) {
			return false, fmt.Errorf("%v rows, but counts %v", got, gotCounts)
		}
		return maps.Equal(got, want) && maps.Equal(gotCounts, counts), nil
	})
	if err != nil {
		w.t.Fatalf("%v: %v and counts %v, want %v", err, got, gotCounts, want)
	}
}

// TestTimersWakeTheLoop holds that rows enter and leave by themselves.
func TestTimersWakeTheLoop(t *testing.T) {
	w := newTimedWorld(t, "")
	w.insert([2]int64{1, 995}, [2]int64{2, 1005}, [2]int64{3, 900})
	w.expect(1)
	w.clock.Store(1005)
	w.expect(2)
	w.clock.Store(1015)
	w.expect()
	timers := 0
	if err := w.rt.store.Scan(21, nil, nil, func([]byte, []byte) bool { timers++; return true }); err != nil || timers > 0 {
		t.Errorf("%d timers remain, %v", timers, err)
	}
	epoch := w.rt.Epoch()
	time.Sleep(5 * time.Millisecond)
	if w.rt.Epoch() != epoch {
		t.Error("epochs go on without a timer")
	}
}

// TestTimersSurviveCrashes ends the process at each point of an epoch that fires
// timers; they fire exactly once.
func TestTimersSurviveCrashes(t *testing.T) {
	for _, point := range []string{"cut", "computed", "before-commit", "after-commit", "published"} {
		t.Run(point, func(t *testing.T) {
			w := newTimedWorld(t, point)
			w.insert([2]int64{1, 995}, [2]int64{2, 1005}, [2]int64{4, 1050})
			w.expect(1)
			w.armed.Store(true)
			w.clock.Store(1006)
			if err := w.crashed(); err == nil {
				t.Fatal("it did not crash")
			}
			w.start()
			w.expect(2)
			w.stop()
			w.clock.Store(1055) // while it is down
			w.start()
			w.expect(4)
		})
	}
}
