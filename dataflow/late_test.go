package dataflow

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// TestLate creates views that leave late rows out, and those that keep these, while
// data flows and the runtime stops, crashes, restarts and detaches some: each is its
// query over the prefix without the rows that are kept as late, and what is before a
// watermark does not change any more.
func TestLate(t *testing.T) {
	var late, detached, compared, final int64
	for seed := range uint64(24) {
		t.Run(fmt.Sprintf("seed%d", seed), func(t *testing.T) {
			l := &lateHistory{backfill: newBackfill(t, seed, nil), time: 1000, ready: map[RelationID]uint64{}, final: map[RelationID]finalRows{}}
			counted := new(int64)
			if seed%2 == 0 {
				newExplosions(seed, 6).options(&l.opts)
				counted = countDetached(&l.opts)
			}
			l.run()
			late, compared, final = late+l.late, compared+l.compared, final+l.finals
			detached += *counted
		})
	}
	if late < 1000 || detached < 50 || compared < 200 || final < 100 {
		t.Errorf("%d late rows, %d detachments, %d comparisons, %d with final rows", late, detached, compared, final)
	}
}

// TestLatenessHorizon: a row is late if any of its windows is closed, and without
// windows if it is before the watermark; grace is given first.
func TestLatenessHorizon(t *testing.T) {
	step := func(seconds int64) operator.StepSpec {
		return operator.StepSpec{Step: types.IntervalValue{Micros: seconds * 1_000_000}}
	}
	for _, c := range []struct {
		spec            Lateness
		watermark, want int64 // seconds
	}{
		{Lateness{}, 75, 75},
		{Lateness{Grace: 20 * seconds}, 75, 55},
		{Lateness{Windows: []operator.StepSpec{step(10)}}, 75, 70},
		{Lateness{Windows: []operator.StepSpec{step(10)}}, 70, 70},
		{Lateness{Windows: []operator.StepSpec{step(60), step(10)}}, 75, 70},
		{Lateness{Windows: []operator.StepSpec{step(60)}, Grace: 20 * seconds}, 75, 0},
	} {
		l, err := newLateness(&c.spec)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.horizon(c.watermark * seconds); got != c.want*seconds {
			t.Errorf("%+v: %d s, want %d", c.spec, got/seconds, c.want)
		}
		if got := l.horizon(noTime); got != noTime {
			t.Errorf("%+v: without watermark %d", c.spec, got)
		}
	}
	if _, err := newLateness(&Lateness{Grace: -1}); err == nil {
		t.Error("a negative grace is accepted")
	}
}

// lateHistory is a random history. Of each id in ids the next one keeps the late
// rows, and the one behind that reads them.
type lateHistory struct {
	*backfill
	time  int64
	ids   []RelationID
	ready map[RelationID]uint64 // the epoch at which it was first seen to be so
	final map[RelationID]finalRows

	late, compared, finals int64
}

// finalRows are the rows of a view from before a watermark.
type finalRows struct {
	before int64
	rows   map[string]int64
}

func (l *lateHistory) run() {
	l.world.run()
	spec := StreamSpec{ID: 1, Name: "s", Types: topicTypes(), Source: l.sources[0], Watermark: &WatermarkSpec{Column: 1, Delay: 5, MaxFuture: 1 << 50}}
	l.topics[1], l.streams = l.sources[0], append(l.streams, spec)
	if _, err := l.rt.Do(context.Background(), Command{AddStreams: []StreamSpec{spec}}); err != nil {
		l.t.Fatal(err)
	}
	for range 40 {
		l.produce(15)
		l.step()
		l.check()
	}
	l.caughtUp()
	before := l.compared
	if l.check(); l.compared-before != int64(len(l.ids)) {
		l.t.Errorf("%d of %d views compared: %+v", l.compared-before, len(l.ids), l.rt.Views())
	}
	l.checkFreed()
	if err := l.stop(); err != nil {
		l.t.Fatal(err)
	}
}

// produce appends records to all partitions, most of them nearly in order.
func (l *lateHistory) produce(n int) {
	for p := range l.sources[0].parts {
		var rs []record
		for range 1 + l.rng.IntN(n) {
			l.time += l.rng.Int64N(3)
			at := l.time - l.rng.Int64N(8)
			if l.rng.IntN(10) == 0 {
				at -= 60
			}
			rs = append(rs, record{k: l.rng.Int64N(4), v: at})
		}
		l.sources[0].produce(p, rs...)
	}
}

func (l *lateHistory) step() {
	switch l.rng.IntN(12) {
	case 0, 1, 2:
		l.create()
	case 3:
		if len(l.ids) > 2 {
			l.drop(l.ids[0])
		}
	case 4:
		if err := l.stop(); err != nil {
			l.t.Fatal(err)
		}
		l.start()
	case 5:
		l.crash()
		clear(l.ready) // that it was ready may not have been committed
	default:
		l.caughtUp()
	}
}

func (l *lateHistory) create() {
	id, arr := l.next, storage.Arrangement(l.next)+20
	l.next += 10
	v := passView(id, 1, arr)
	switch l.rng.IntN(3) {
	case 0:
		v = groupView(id, 1, 0, arr)
		v.Graph.Nodes[0].Relation.Need = nil
	case 1:
		v = closedView(id, 1, arr+5)
	}
	v.Graph.Nodes[0].Relation.Lateness = &Lateness{Grace: l.rng.Int64N(2) * 10}
	kept := passView(id+1, id, arr+1)
	kept.Graph.Nodes[0].Relation.Late = true
	added := []ViewSpec{v, kept, passView(id+2, id+1, arr+2)}
	cmd := Command{AddViews: added} // at once, as the engine does
	for _, v := range added {
		cmd.Create = append(cmd.Create, createAll(v.Graph)...)
	}
	if _, err := l.rt.Do(context.Background(), cmd); err != nil {
		l.t.Fatal(err)
	}
	l.views, l.ids = append(l.views, added...), append(l.ids, id)
}

func (l *lateHistory) drop(id RelationID) {
	if _, err := l.rt.Do(context.Background(), Command{Drop: []RelationID{id + 2, id + 1, id}}); err != nil {
		l.t.Fatal(err)
	}
	for i := range RelationID(3) {
		l.forget(id + i)
	}
	l.ids = slices.DeleteFunc(l.ids, func(other RelationID) bool { return other == id })
}

// closedView counts the rows of each moment, when that is over, and frees what it
// needed for it.
func closedView(id, from RelationID, arr storage.Arrangement) ViewSpec {
	ts := []types.Type{types.Int8, types.Timestamptz}
	spec := groupSpec(1, arr)
	spec.Input, spec.Closes, spec.AppendOnly = ts, &operator.GroupClosing{Shift: 1}, true
	out := spec.Output()
	return ViewSpec{ID: id, Name: fmt.Sprintf("closed%d", id), Graph: &Graph{Version: GraphVersion, Nodes: []Node{
		{Relation: &RelationInput{Relation: from, Types: ts}},
		{Inputs: []int{0}, Aggregate: spec},
		{Inputs: []int{1}, Temporal: &operator.TemporalSpec{Input: out, From: []operator.TimeBound{{Shift: 1}}, Arr: arr + 1}, Watermarks: []RelationID{from}},
		{Inputs: []int{2}, Materialize: &operator.MaterializeSpec{Input: out, Arr: arr + 2}},
	}}, Result: ResultSpec{Arr: arr + 2, Types: out, Key: out}}
}

func (v *ViewSpec) closed() bool { return len(v.Graph.Nodes) == 4 }

// closedGroups is what a closedView has of rows.
func closedGroups(in map[string]int64, mark WatermarkStatus) map[string]int64 {
	counts := map[int64]int64{}
	for row, n := range in {
		counts[timeOfRow(row)] += n
	}
	out := map[string]int64{}
	for at, n := range counts {
		if mark.Known && at+1 <= mark.Watermark {
			out[fmt.Sprintf("%d,%d", at, n)]++
		}
	}
	return out
}

// checkFreed holds that of views that close groups most are freed.
func (l *lateHistory) checkFreed() {
	l.t.Helper()
	for _, v := range l.views {
		if !v.closed() {
			continue
		}
		s := l.rt.Snapshot()
		shown := len(rows(l.t, s, v.Result))
		s.Release()
		if left := l.store.len(v.Graph.Nodes[1].Aggregate.Arr); shown > 100 && left > shown/2 {
			l.t.Errorf("view %d keeps %d groups and has shown %d", v.ID, left, shown)
		}
	}
}

// check holds the law for all views that are running, in one snapshot.
func (l *lateHistory) check() {
	l.t.Helper()
	s := l.rt.Snapshot()
	defer s.Release()
	for _, id := range l.ids {
		st, _ := s.View(id)
		if !st.Ready {
			delete(l.ready, id)
		}
		if !slices.ContainsFunc([]RelationID{id, id + 1, id + 2}, func(id RelationID) bool {
			st, ok := s.View(id)
			return !ok || st.State != StateRunning
		}) {
			l.checkView(s, id, st)
		}
	}
}

func (l *lateHistory) checkView(s *Snapshot, id RelationID, st ViewStatus) {
	l.t.Helper()
	l.compared++
	late, n := rows(l.t, s, l.spec(id+1).Result), int64(0)
	in := l.sources[0].prefix(s.Positions(1))
	mark := s.Watermarks()[0]
	for row, k := range late {
		n += k
		if in[row] -= k; in[row] < 0 || timeOfRow(row) >= mark.Watermark {
			l.t.Errorf("epoch %d: view %d: %d rows %s are late, of %d, and the watermark is %d", s.Epoch(), id, k, row, in[row]+k, mark.Watermark)
		}
		if in[row] == 0 {
			delete(in, row)
		}
	}
	l.late = max(l.late, n)
	v := l.spec(id)
	got, want := rows(l.t, s, v.Result), v.over(in)
	if v.closed() {
		want = closedGroups(in, mark)
	}
	if !maps.Equal(got, want) {
		l.t.Errorf("epoch %d: view %d is %v, want %v without the late rows %v", s.Epoch(), id, clip(got), clip(want), clip(late))
	}
	if reader := rows(l.t, s, l.spec(id+2).Result); !maps.Equal(reader, late) || st.Late != n {
		l.t.Errorf("epoch %d: view %d has %d late rows, %v, and their reader %v", s.Epoch(), id, st.Late, clip(late), clip(reader))
	}
	if v.Graph.Nodes[1].Aggregate == nil { // the rows are those of the stream
		mark.Watermark -= v.Graph.Nodes[0].Relation.Lateness.Grace
		l.checkFinal(s, id, st.Ready, got, mark)
	}
}

// checkFinal compares the rows from before a former watermark.
func (l *lateHistory) checkFinal(s *Snapshot, id RelationID, ready bool, got map[string]int64, mark WatermarkStatus) {
	l.t.Helper()
	if was, ok := l.final[id]; ok {
		l.finals++
		if now := rowsBefore(got, was.before); !maps.Equal(now, was.rows) {
			l.t.Errorf("epoch %d: view %d before %d is %v, was %v", s.Epoch(), id, was.before, clip(now), clip(was.rows))
		}
	}
	if !ready || !mark.Known {
		return
	}
	since, seen := l.ready[id]
	switch {
	case !seen:
		l.ready[id] = s.Epoch()
	case since < s.Epoch():
		l.final[id] = finalRows{mark.Watermark, rowsBefore(got, mark.Watermark)}
	}
}

func (l *lateHistory) spec(id RelationID) *ViewSpec {
	return &l.views[slices.IndexFunc(l.views, func(v ViewSpec) bool { return v.ID == id })]
}

func rowsBefore(rows map[string]int64, before int64) map[string]int64 {
	out := map[string]int64{}
	for row, n := range rows {
		if timeOfRow(row) < before {
			out[row] = n
		}
	}
	return out
}

// timeOfRow is the time of a printed row: its second column.
func timeOfRow(row string) int64 {
	_, at, _ := strings.Cut(row, ",")
	n, _ := strconv.ParseInt(at, 10, 64)
	return n
}
