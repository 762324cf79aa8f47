package dataflow

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// tableByKey is a table (k, v) with the key k.
func tableByKey(id RelationID, arr storage.Arrangement) ViewSpec {
	v := passView(id, id, arr)
	v.Graph.Nodes[1].Materialize.Key = []int{0}
	v.Result = ResultSpec{Arr: arr, Keyed: true, Types: topicTypes(), Key: []types.Type{types.Int8}}
	return v
}

// lookupView joins the rows (k, v) of a relation with those of another one by
// k = k, or by v = k, whose arrangement it shares.
func lookupView(id, from, with RelationID, by int, shared *operator.SharedSide, arr storage.Arrangement) ViewSpec {
	ts := topicTypes()
	join := &operator.JoinSpec{Kind: operator.InnerJoin, Left: ts, Right: ts, LeftKey: []int{by}, RightKey: []int{0},
		LeftArr: arr, RightShared: shared}
	return ViewSpec{ID: id, Name: fmt.Sprintf("lookup%d", id), Graph: &Graph{Version: GraphVersion, Nodes: []Node{
		{Relation: &RelationInput{Relation: from, Types: ts}},
		{Relation: &RelationInput{Relation: with, Types: ts, Shared: true}},
		{Inputs: []int{0, 1}, Join: join},
		{Inputs: []int{2}, Materialize: &operator.MaterializeSpec{Input: join.Output(), Arr: arr + 1}},
	}}, Result: ResultSpec{Arr: arr + 1, Types: join.Output(), Key: join.Output()}}
}

// sharedWorld has the stream 1, the table 10 by key, and the groups 11 of the
// stream by key.
type sharedWorld struct {
	*world
	rng   *rand.Rand
	topic *fakeTopic
	table map[int64]int64
	next  RelationID
}

// change inserts, replaces and deletes rows of the table.
func (w *sharedWorld) change() {
	var gone, come []record
	for range 1 + w.rng.IntN(4) {
		k := w.rng.Int64N(6)
		if v, ok := w.table[k]; ok {
			gone = append(gone, record{k: k, v: v})
			delete(w.table, k)
		}
		if w.rng.IntN(4) > 0 {
			w.table[k] = w.rng.Int64N(6)
			come = append(come, record{k: k, v: w.table[k]})
		}
	}
	cmd := Command{Rows: []TableDelta{insert(10, -1, gone...), insert(10, 1, come...)}}
	if _, err := w.rt.Do(context.Background(), cmd); err != nil {
		w.t.Fatal(err)
	}
}

// create adds a view: the stream or the table with the table or the groups.
func (w *sharedWorld) create() {
	from, with, shared := RelationID(1), RelationID(10), &operator.SharedSide{Arr: 50, Types: topicTypes()}
	if w.rng.IntN(3) == 0 {
		from = 10 // beside the shared input of the same relation: one that is scanned
	}
	if w.rng.IntN(3) == 0 {
		with, shared = 11, &operator.SharedSide{Arr: 51, Grouped: true, Types: topicTypes()}
	}
	w.mustView(lookupView(w.next, from, with, w.rng.IntN(2), shared, 100+2*storage.Arrangement(w.next)))
	w.next++
}

// compare checks the views that are attached against the relations they read, in
// one snapshot.
func (w *sharedWorld) compare() (compared int) {
	w.t.Helper()
	s := w.rt.Snapshot()
	defer s.Release()
	relations := map[RelationID]map[string]int64{
		1: w.topic.prefix(s.Positions(1)), 10: rows(w.t, s, w.views[0].Result), 11: rows(w.t, s, w.views[1].Result)}
	for _, v := range w.views[2:] {
		if st, _ := s.View(v.ID); st.State != StateRunning {
			continue
		}
		join := v.Graph.Nodes[2].Join
		want := map[string]int64{}
		for l, n := range relations[v.Graph.Nodes[0].Relation.Relation] {
			for r, m := range relations[v.Graph.Nodes[1].Relation.Relation] {
				var lk, rk [2]int64
				fmt.Sscanf(l, "%d,%d", &lk[0], &lk[1])
				fmt.Sscanf(r, "%d,%d", &rk[0], &rk[1])
				if lk[join.LeftKey[0]] == rk[0] {
					want[l+","+r] += n * m
				}
			}
		}
		if got := rows(w.t, s, v.Result); !maps.Equal(got, want) {
			w.t.Fatalf("epoch %d: view %d is %v, want %v", s.Epoch(), v.ID, clip(got), clip(want))
		}
		compared++
	}
	return compared
}

// TestSharedJoins creates, at random moments and beside changes and restarts,
// views that join with the stored rows of a table or of a grouped view: at each
// moment they are the join of their inputs.
func TestSharedJoins(t *testing.T) {
	compared := 0
	for seed := range uint64(25) {
		compared += sharedJoins(t, seed, Options{})
	}
	if compared < 200 {
		t.Errorf("only %d comparisons", compared)
	}
}

// sharedJoins runs one random history and returns how many views it compared.
func sharedJoins(t *testing.T, seed uint64, opts Options) (compared int) {
	rng := rand.New(rand.NewPCG(seed, 11))
	opts.CutRows, opts.PieceRows = 1+rng.IntN(30), 1+rng.IntN(6)
	w := &sharedWorld{world: newWorld(t, opts),
		rng: rng, topic: newFakeTopic(seed, 2, 7), table: map[int64]int64{}, next: 20}
	w.run()
	w.stream(1, w.topic)
	w.mustView(tableByKey(10, 50))
	w.mustView(groupView(11, 1, 0, 51))
	for range 40 {
		switch rng.IntN(6) {
		case 0, 1:
			for range rng.IntN(8) {
				w.topic.produce(rng.IntN(2), record{k: rng.Int64N(6), v: rng.Int64N(6)})
			}
		case 2, 3:
			w.change()
		case 4:
			if w.next < 26 {
				w.create()
			}
		case 5:
			if rng.IntN(3) == 0 {
				w.stop()
				w.start()
			}
		}
		compared += w.compare()
	}
	w.caughtUp()
	if n := w.compare(); n != len(w.views)-2 {
		t.Fatalf("seed %d: %d of %d views compared: %+v", seed, n, len(w.views)-2, w.rt.Views())
	}
	w.stop()
	return compared
}
