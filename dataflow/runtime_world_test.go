package dataflow

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a runtime with its store and topics, and the catalog that a restart
// restores.
type world struct {
	t      *testing.T
	opts   Options
	store  *memStore
	open   func() Store // what a (re)start opens; nil: store
	topics map[RelationID]*fakeTopic

	streams []StreamSpec
	views   []ViewSpec

	rt     *Runtime
	cancel context.CancelFunc
	done   chan error
}

func newWorld(t *testing.T, opts Options) *world {
	if opts.RetryMin == 0 {
		opts.RetryMin, opts.RetryMax = time.Microsecond, time.Millisecond
	}
	w := &world{t: t, opts: opts, store: newMemStore(), topics: map[RelationID]*fakeTopic{}}
	t.Cleanup(func() {
		if w.rt != nil {
			w.stop()
		}
	})
	return w
}

// start runs a runtime over the store and restores the catalog.
func (w *world) start() {
	w.t.Helper()
	w.run()
	if err := w.restore(); err != nil {
		w.t.Fatalf("restore: %v", err)
	}
}

func (w *world) run() {
	w.t.Helper()
	var store Store = w.store
	if w.open != nil {
		store = w.open()
	}
	rt, err := New(store, w.opts)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.rt, w.cancel, w.done = rt, cancel, make(chan error, 1)
	go func() { w.done <- rt.Run(ctx) }()
}

func (w *world) restore() error {
	_, err := w.rt.Do(context.Background(), Command{Restore: true, AddStreams: w.streams, AddViews: w.views})
	return err
}

// stop ends the runtime and returns what Run said.
func (w *world) stop() error {
	w.cancel()
	err := <-w.done
	w.rt = nil
	return err
}

// crashed waits until Run has ended by itself.
func (w *world) crashed() error {
	err := <-w.done
	w.cancel()
	w.rt = nil
	w.store.reopen()
	return err
}

func (w *world) stream(id RelationID, topic *fakeTopic) {
	w.t.Helper()
	w.topics[id] = topic
	spec := StreamSpec{ID: id, Name: fmt.Sprintf("s%d", id), Types: topicTypes(), Source: topic}
	if _, err := w.rt.Do(context.Background(), Command{AddStreams: []StreamSpec{spec}}); err != nil {
		w.t.Fatal(err)
	}
	w.streams = append(w.streams, spec)
}

// gate makes readers of the stream that begin from now on wait until the
// returned channel is closed.
func (w *world) gate(id RelationID) chan struct{} {
	g := &gatedTopic{fakeTopic: w.topics[id], gate: make(chan struct{})}
	w.rt.mu.Lock()
	w.rt.known[id].spec.Source = g
	w.rt.mu.Unlock()
	return g.gate
}

func (w *world) view(v ViewSpec) error {
	w.t.Helper()
	_, err := w.rt.Do(context.Background(), w.createView(v))
	if err == nil {
		w.views = append(w.views, v)
	}
	return err
}

func (w *world) createView(v ViewSpec) Command {
	return Command{AddViews: []ViewSpec{v}, Create: createAll(v.Graph)}
}

func createAll(g *Graph) []storage.NewArrangement {
	var create []storage.NewArrangement
	for i := range g.Nodes {
		for _, a := range g.Nodes[i].Arrangements() {
			create = append(create, storage.NewArrangement{Arr: a, Placement: storage.Result})
		}
	}
	return create
}

func (w *world) mustView(v ViewSpec) {
	w.t.Helper()
	if err := w.view(v); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) drop(id RelationID) {
	w.t.Helper()
	if _, err := w.rt.Do(context.Background(), Command{Drop: []RelationID{id}}); err != nil {
		w.t.Fatal(err)
	}
	w.forget(id)
}

func (w *world) forget(id RelationID) {
	w.views = slices.DeleteFunc(w.views, func(v ViewSpec) bool { return v.ID == id })
	w.streams = slices.DeleteFunc(w.streams, func(s StreamSpec) bool { return s.ID == id })
}

// caughtUp waits until the stream's shared reader has reached the topic's end,
// and the views are ready.
func (w *world) caughtUp(ids ...RelationID) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, v := range w.views {
		if st, _ := w.rt.current().view(v.ID); st.State == StateQuarantined {
			continue
		}
		if err := w.rt.WaitReady(ctx, v.ID, nil); err != nil {
			w.t.Fatalf("view %d: %v %+v", v.ID, err, w.rt.Views())
		}
	}
	for _, s := range w.streams {
		f := w.topics[s.ID]
		f.mu.Lock()
		ends := f.ends()
		f.mu.Unlock()
		if err := w.rt.WaitPositions(ctx, s.ID, ends); err != nil {
			w.t.Fatalf("stream %d: %v %+v", s.ID, err, w.rt.Sources())
		}
	}
	if err := w.attached(ctx); err != nil {
		w.t.Fatalf("%v: %+v", err, w.rt.Views())
	}
}

// attached waits until no backfill is going on, which may be later than when
// the views are ready.
func (w *world) attached(ctx context.Context) error {
	return w.rt.await(ctx, func(p *published) (bool, error) {
		for _, v := range p.views.list {
			if v.State == StateBackfilling || v.State == StateDetached {
				return false, nil
			}
		}
		return true, nil
	})
}

// rows returns a relation's rows in a snapshot, printed, with multiplicities.
func rows(t testing.TB, s *Snapshot, spec ResultSpec) map[string]int64 {
	t.Helper()
	out := map[string]int64{}
	err := ScanResult(s, spec, nil, nil, nil, func(b *zset.Batch) error {
		addRows(out, b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func addRows(out map[string]int64, b *zset.Batch) {
	for i := range b.Len() {
		r := b.Row(i)
		var cols []string
		for c := range b.Cols {
			if b.Cols[c].Null.Get(r) {
				cols = append(cols, "null")
			} else {
				cols = append(cols, fmt.Sprint(b.Cols[c].Int[r]))
			}
		}
		key := strings.Join(cols, ",")
		if out[key] += b.WeightAt(r); out[key] == 0 {
			delete(out, key)
		}
	}
}

// Three kinds of views over (k, v): all rows; count and max(v) by k; and over
// the latter the number of keys by count.
func passView(id, from RelationID, arr storage.Arrangement) ViewSpec {
	ts := topicTypes()
	return ViewSpec{ID: id, Name: fmt.Sprintf("pass%d", id), Graph: &Graph{Version: GraphVersion, Nodes: []Node{
		{Relation: &RelationInput{Relation: from, Types: ts}},
		{Inputs: []int{0}, Materialize: &operator.MaterializeSpec{Input: ts, Arr: arr}},
	}}, Result: ResultSpec{Arr: arr, Types: ts, Key: ts}}
}

func groupSpec(key int, arr storage.Arrangement) *operator.AggregateSpec {
	return &operator.AggregateSpec{
		Input: topicTypes(), Keys: []int{key},
		Calls: []operator.AggregateCall{{Func: "count(*)", Filter: -1, Type: types.Int8}}, Arr: arr,
	}
}

// groupView counts by column key, reading no other column.
func groupView(id, from RelationID, key int, arr storage.Arrangement) ViewSpec {
	spec := groupSpec(key, arr)
	return ViewSpec{ID: id, Name: fmt.Sprintf("group%d", id), Graph: &Graph{Version: GraphVersion, Nodes: []Node{
		{Relation: &RelationInput{Relation: from, Types: topicTypes(), Need: []int{key}}},
		{Inputs: []int{0}, Aggregate: spec},
	}}, Result: ResultSpec{Arr: arr, Grouped: true, Types: spec.Output(), Key: []types.Type{types.Int8}}}
}

// unionView is all rows of several relations: a view with several inputs. Its
// operator is the test's (buildUnion).
func unionView(id RelationID, arr storage.Arrangement, from ...RelationID) ViewSpec {
	v := passView(id, 0, arr)
	v.Name = fmt.Sprintf("union%d", id)
	v.Graph.Nodes = nil
	var ins []int
	for i, rel := range from {
		ins = append(ins, i)
		v.Graph.Nodes = append(v.Graph.Nodes, Node{Relation: &RelationInput{Relation: rel, Types: topicTypes()}})
	}
	n := len(from)
	v.Graph.Nodes = append(v.Graph.Nodes,
		Node{Inputs: ins, Map: &operator.MapSpec{Input: topicTypes()}},
		Node{Inputs: []int{n}, Materialize: &operator.MaterializeSpec{Input: topicTypes(), Arr: arr}})
	return v
}

// union passes on what any input brings.
type union struct{}

func (union) Apply(in []operator.Delta, _ operator.State, _ uint64, out *operator.Output) error {
	for _, d := range in {
		out.Rows = append(out.Rows, d...)
	}
	return nil
}

func buildUnion(n *Node) (operator.Operator, error) {
	if n.Map != nil {
		return union{}, nil
	}
	return BuildOperator(n)
}

// reads returns the relations that a view reads.
func (v *ViewSpec) reads() (out []RelationID) {
	for i := range v.Graph.Nodes {
		if rel := v.Graph.Nodes[i].Relation; rel != nil {
			out = append(out, rel.Relation)
		}
	}
	return out
}

// expected computes a view of the model from the prefix of its topic.
func (w *world) expected(v ViewSpec, positions map[RelationID]connector.Positions, models map[RelationID]map[string]int64) map[string]int64 {
	in := map[string]int64{}
	for _, from := range v.reads() {
		rows := models[from]
		if f := w.topics[from]; f != nil {
			rows = f.prefix(positions[from])
		}
		for row, n := range rows {
			in[row] += n
		}
	}
	return v.over(in)
}

// over computes a view over rows.
func (v *ViewSpec) over(in map[string]int64) map[string]int64 {
	agg := v.Graph.Nodes[len(v.Graph.Nodes)-1].Aggregate
	if agg == nil {
		return in
	}
	counts := map[string]int64{}
	for row, n := range in {
		counts[strings.Split(row, ",")[agg.Keys[0]]] += n
	}
	out := map[string]int64{}
	for k, n := range counts {
		out[fmt.Sprintf("%s,%d", k, n)]++
	}
	return out
}

func (f *fakeTopic) prefix(p connector.Positions) map[string]int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[string]int64{}
	for i := range f.parts {
		from := f.starts.At(int32(i))
		for o := from; o < p.At(int32(i)); o++ {
			if r := f.parts[i][o]; !r.bad {
				out[fmt.Sprintf("%d,%d", r.k, r.v)]++
			}
		}
	}
	return out
}

// check compares every view that is running in one snapshot with its query
// over the prefix of the inputs that the snapshot's positions name.
func (w *world) check(models map[RelationID]map[string]int64) (compared int) {
	w.t.Helper()
	s := w.rt.Snapshot()
	defer s.Release()
	positions := map[RelationID]connector.Positions{}
	for id := range w.topics {
		positions[id] = s.Positions(id)
	}
	known := maps.Clone(models)
	if known == nil {
		known = map[RelationID]map[string]int64{}
	}
	for _, v := range w.views {
		st, ok := s.View(v.ID)
		if !ok || st.State != StateRunning {
			continue
		}
		from := v.reads()[0]
		if slices.ContainsFunc(v.reads(), func(id RelationID) bool { return w.topics[id] == nil && known[id] == nil }) {
			continue
		}
		got := rows(w.t, s, v.Result)
		want := w.expected(v, positions, known)
		if from == v.ID {
			want = models[v.ID]
		}
		known[v.ID] = want
		if !maps.Equal(got, want) {
			w.t.Errorf("epoch %d: view %d is %v, want %v (positions %v)", s.Epoch(), v.ID, clip(got), clip(want), positions)
		}
		compared++
	}
	return compared
}

func clip(m map[string]int64) string {
	s := fmt.Sprint(m)
	if len(s) > 120 {
		s = s[:120] + "..."
	}
	return s
}

// errorCount returns the number of error rows of a relation.
func (w *world) errorCount(id RelationID) (n int64) {
	w.t.Helper()
	s := w.rt.Snapshot()
	defer s.Release()
	err := w.rt.ErrorRows(s, id, func(b *zset.Batch) error {
		for i := range b.Len() {
			n += b.WeightAt(b.Row(i))
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// content returns the stored bytes of an arrangement.
func (m *memStore) content(arr storage.Arrangement) string {
	a := m.arr(arr)
	var b []byte
	if a == nil {
		return "none"
	}
	m.mu.Lock() // the loop may be committing
	defer m.mu.Unlock()
	for _, k := range slices.Sorted(maps.Keys(a.rows)) {
		b = binary.AppendUvarint(b, uint64(len(k)))
		b = append(b, k...)
		b = append(b, a.rows[k]...)
	}
	return string(b)
}
