package dataflow

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// bidTypes are the columns auction and price.
var bidTypes = []types.Type{types.Int8, types.Int8}

// bidFeed emits rows in batches of size n.
func bidFeed(rows [][2]int64, n int) Feed {
	return func(_ context.Context, _ RelationInput, emit func(*zset.Batch) error) error {
		for chunk := range slices.Chunk(rows, n) {
			b := zset.NewBatch(bidTypes, n)
			for _, r := range chunk {
				b.AppendDatums([]types.Datum{{Int: r[0]}, {Int: r[1]}}, 1)
			}
			if err := emit(b); err != nil {
				return err
			}
		}
		return nil
	}
}

// expensive is WHERE price > 10.
func expensive() *expr.Expr {
	return &expr.Expr{Op: expr.OpCall, Type: types.Bool, Func: "int8gt(int8,int8)", Args: []*expr.Expr{
		expr.Column(1, types.Int8), expr.Constant(types.Int8, types.Datum{Int: 10}),
	}}
}

func bidGraph(nodes ...Node) *Graph {
	g := &Graph{Version: GraphVersion, Nodes: []Node{{Relation: &RelationInput{Relation: 1, Types: bidTypes}}}}
	for i, n := range nodes {
		n.Inputs = []int{i}
		g.Nodes = append(g.Nodes, n)
	}
	return g
}

func filterNode() Node {
	return Node{Map: &operator.MapSpec{Input: bidTypes, Filter: expensive()}}
}

func countNode(keys ...int) Node {
	return Node{Aggregate: &operator.AggregateSpec{
		Input: bidTypes, Keys: keys, AppendOnly: true, Arr: 1, Multisets: 2,
		Calls: []operator.AggregateCall{
			{Func: "count(*)", Filter: -1, Type: types.Int8},
			{Func: "max(int8)", Args: []int{1}, Filter: -1, Type: types.Int8},
			{Func: "count(any)", Args: []int{1}, Distinct: true, Filter: -1, Type: types.Int8},
		},
	}}
}

func deltaText(d operator.Delta) string {
	var out strings.Builder
	for _, b := range d {
		for i := range b.Len() {
			r := b.Row(i)
			fmt.Fprintf(&out, "%+d%s ", b.WeightAt(r), operator.AppendRowText(nil, b.Cols, r))
		}
	}
	return strings.TrimSpace(out.String())
}

func TestExecute(t *testing.T) {
	rows := [][2]int64{{1, 5}, {2, 20}, {1, 30}, {2, 20}, {3, 7}, {1, 11}}
	tests := []struct {
		name  string
		graph *Graph
		want  string
	}{
		{"relation", bidGraph(), "+1(1,5) +1(2,20) +1(1,30) +1(2,20) +1(3,7) +1(1,11)"},
		{"filter", bidGraph(filterNode()), "+1(2,20) +1(1,30) +1(2,20) +1(1,11)"},
		{"group", bidGraph(filterNode(), countNode(0)), "+1(2,2,20,1) +1(1,2,30,2)"},
		{"global", bidGraph(countNode()), "+1(6,30,5)"},
	}
	for _, test := range tests {
		for _, n := range []int{1, 2, 100} {
			got, errs, err := Execute(t.Context(), test.graph, bidFeed(rows, n), ExecuteOptions{})
			if err != nil || errs != nil || deltaText(got) != test.want {
				t.Errorf("%s in batches of %d: %s, %v, %v, want %s", test.name, n, deltaText(got), errs, err, test.want)
			}
		}
	}
	none, _, err := Execute(t.Context(), bidGraph(countNode()), bidFeed(nil, 1), ExecuteOptions{})
	if err != nil || deltaText(none) != "+1(0,,0)" {
		t.Errorf("global aggregate of nothing: %s, %v", deltaText(none), err)
	}
}

func TestExecuteValues(t *testing.T) {
	ts := []types.Type{types.Int8}
	g := &Graph{Version: GraphVersion, Nodes: []Node{{Values: &ValuesInput{Types: ts, Rows: [][]byte{
		zset.AppendRowDatums(nil, ts, []types.Datum{{Int: 4}}),
		zset.AppendRowDatums(nil, ts, []types.Datum{{Null: true}}),
	}}}}}
	if err := g.Validate(); err != nil {
		t.Fatal(err)
	}
	got, _, err := Execute(t.Context(), g, nil, ExecuteOptions{})
	if err != nil || deltaText(got) != "+1(4) +1()" {
		t.Fatalf("%s, %v", deltaText(got), err)
	}
}

func TestExecuteErrorRows(t *testing.T) {
	div := &expr.Expr{Op: expr.OpCall, Type: types.Int8, Func: "int8div(int8,int8)", Args: []*expr.Expr{
		expr.Column(0, types.Int8), expr.Column(1, types.Int8),
	}}
	g := bidGraph(Node{Map: &operator.MapSpec{Input: bidTypes, Project: []*expr.Expr{div}}})
	got, errs, err := Execute(t.Context(), g, bidFeed([][2]int64{{6, 2}, {1, 0}}, 10), ExecuteOptions{})
	if err != nil || deltaText(got) != "+1(3)" || !strings.Contains(deltaText(errs), "22012") {
		t.Fatalf("%s, %s, %v", deltaText(got), deltaText(errs), err)
	}
}

// TestExecuteStreams: rows of a graph without state come before the input ends,
// and an error of Emit stops the feed.
func TestExecuteStreams(t *testing.T) {
	stop := errors.New("enough")
	var fed, seen int
	feed := func(_ context.Context, _ RelationInput, emit func(*zset.Batch) error) error {
		for {
			fed++
			b := zset.NewBatch(bidTypes, 1)
			b.AppendDatums([]types.Datum{{Int: 1}, {Int: 100}}, 1)
			if err := emit(b); err != nil {
				return err
			}
		}
	}
	_, _, err := Execute(t.Context(), bidGraph(filterNode()), feed, ExecuteOptions{Emit: func(*zset.Batch) error {
		if seen++; seen == 3 {
			return stop
		}
		return nil
	}})
	if err != stop || fed != 3 {
		t.Fatalf("%v after %d batches", err, fed)
	}
}

func TestExecuteLimits(t *testing.T) {
	endless := func(_ context.Context, _ RelationInput, emit func(*zset.Batch) error) error {
		for i := int64(0); ; i += 1000 {
			b := zset.NewBatch(bidTypes, 1000)
			for k := range int64(1000) {
				b.AppendDatums([]types.Datum{{Int: i + k}, {Int: 1}}, 1)
			}
			if err := emit(b); err != nil {
				return err
			}
		}
	}
	for _, g := range []*Graph{bidGraph(), bidGraph(countNode(0))} {
		_, _, err := Execute(t.Context(), g, endless, ExecuteOptions{MemoryLimit: 1 << 20})
		if sqlerr.Code(err) != sqlerr.OutOfMemory {
			t.Errorf("over the limit: %v", err)
		}
	}
	cause := errors.New("canceled by a test")
	ctx, cancel := context.WithCancelCause(t.Context())
	_, _, err := Execute(ctx, bidGraph(), func(ctx context.Context, in RelationInput, emit func(*zset.Batch) error) error {
		cancel(cause)
		return endless(ctx, in, emit)
	}, ExecuteOptions{})
	if err != cause {
		t.Errorf("after cancel: %v", err)
	}
}

func TestSortRows(t *testing.T) {
	ts := []types.Type{types.Int8, types.Text}
	r := rand.New(rand.NewPCG(1, 2))
	type row struct {
		n    types.Datum
		s    string
		copy int64
	}
	var rows []row
	var d operator.Delta
	for i := range 5000 {
		n := types.Datum{Int: r.Int64N(50)}
		if r.IntN(20) == 0 {
			n = types.NullDatum()
		}
		rows = append(rows, row{n, fmt.Sprintf("%d-%04d", r.IntN(5), i), 1 + r.Int64N(2)})
	}
	for chunk := range slices.Chunk(rows, 700) {
		b := zset.NewBatch(ts, 0)
		for _, x := range chunk {
			b.AppendDatums([]types.Datum{x.n, {Bytes: []byte(x.s)}}, x.copy)
		}
		d = append(d, b)
	}
	for _, key := range []SortKey{{0, false, false}, {0, true, true}, {0, true, false}, {0, false, true}} {
		want := slices.Clone(rows)
		slices.SortStableFunc(want, func(a, b row) int {
			switch {
			case a.n.Null && b.n.Null:
				return 0
			case a.n.Null != b.n.Null:
				if a.n.Null == key.NullsFirst {
					return -1
				}
				return 1
			case key.Desc:
				return int(b.n.Int - a.n.Int)
			}
			return int(a.n.Int - b.n.Int)
		})
		var all []string
		for _, x := range want {
			for range x.copy {
				all = append(all, x.s)
			}
		}
		for _, cut := range [][2]int64{{-1, 0}, {10, 0}, {1, 3}, {0, 0}, {3000, 100}, {-1, 7400}, {5, 100000}} {
			from := min(int(cut[1]), len(all))
			end := len(all)
			if cut[0] >= 0 {
				end = min(from+int(cut[0]), end)
			}
			var got []string
			for _, b := range SortRows(d, []SortKey{key}, cut[0], cut[1]) {
				for i := range b.N {
					for range b.WeightAt(i) {
						got = append(got, string(b.Cols[1].Bytes(i)))
					}
				}
			}
			if !slices.Equal(got, all[from:end]) {
				t.Fatalf("%+v limit %d offset %d: %d rows, want %d", key, cut[0], cut[1], len(got), end-from)
			}
		}
	}
	s := NewSorter([]SortKey{{Column: 1}}, -1, 0, 1000)
	if err := s.Add(d[0]); sqlerr.Code(err) != sqlerr.OutOfMemory {
		t.Errorf("sort over the limit: %v", err)
	}
}

func BenchmarkSortTop(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	var d operator.Delta
	for range 50 {
		batch := zset.NewBatch(bidTypes, 2000)
		for range 2000 {
			batch.AppendDatums([]types.Datum{{Int: r.Int64()}, {Int: 1}}, 1)
		}
		d = append(d, batch)
	}
	for _, limit := range []int64{10, -1} {
		b.Run(fmt.Sprintf("limit=%d", limit), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				SortRows(d, []SortKey{{Column: 0}}, limit, 0)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*100_000), "ns/row")
		})
	}
}

// TestExecuteJoin runs the operators that wait for all of their inputs.
func TestExecuteJoin(t *testing.T) {
	left := [][2]int64{{1, 5}, {2, 20}, {3, 30}}
	right := [][2]int64{{1, 7}, {1, 8}, {2, 9}}
	feed := func(ctx context.Context, in RelationInput, emit func(*zset.Batch) error) error {
		if in.Relation == 1 {
			return bidFeed(left, 2)(ctx, in, emit)
		}
		return bidFeed(right, 1)(ctx, in, emit)
	}
	graph := func(kind operator.JoinKind, more ...Node) *Graph {
		join := &operator.JoinSpec{Kind: kind, Left: bidTypes, Right: bidTypes, LeftKey: []int{0}, RightKey: []int{0}, LeftArr: 1, RightArr: 2}
		g := &Graph{Version: GraphVersion, Nodes: []Node{
			{Relation: &RelationInput{Relation: 1, Types: bidTypes}},
			{Relation: &RelationInput{Relation: 2, Types: bidTypes}},
			{Inputs: []int{0, 1}, Join: join},
		}}
		g.Nodes = append(g.Nodes, more...)
		return g
	}
	joined := append(bidTypes[:2:2], bidTypes...)
	top := Node{Inputs: []int{2}, TopK: &operator.TopKSpec{
		Input: joined, Order: []operator.OrderKey{{Column: 3, Desc: true}}, Limit: 2, Arr: 3,
	}}
	union := &Graph{Version: GraphVersion, Nodes: []Node{
		{Relation: &RelationInput{Relation: 1, Types: bidTypes}},
		{Relation: &RelationInput{Relation: 2, Types: bidTypes}},
		{Inputs: []int{0, 1}, Union: &operator.UnionSpec{Input: bidTypes, Sides: 2}},
		{Inputs: []int{2}, Aggregate: &operator.AggregateSpec{Input: bidTypes, Arr: 1, Multisets: 2, Calls: []operator.AggregateCall{
			{Func: "min(int8)", Args: []int{1}, Filter: -1, Type: types.Int8},
		}}},
	}}
	for _, test := range []struct {
		name  string
		graph *Graph
		want  string
	}{
		{"inner", graph(operator.InnerJoin), "+1(1,5,1,7) +1(1,5,1,8) +1(2,20,2,9)"},
		{"left", graph(operator.LeftJoin), "+1(1,5,1,7) +1(1,5,1,8) +1(2,20,2,9) +1(3,30,,)"},
		{"semi", graph(operator.SemiJoin), "+1(1,5) +1(2,20)"},
		{"anti", graph(operator.AntiJoin), "+1(3,30)"},
		{"top", graph(operator.InnerJoin, top), "+1(2,20,2,9) +1(1,5,1,8)"},
		{"union", union, "+1(5)"},
	} {
		if err := test.graph.Validate(); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		got, errs, err := Execute(t.Context(), test.graph, feed, ExecuteOptions{MemoryLimit: 1 << 20})
		if err != nil || errs != nil || deltaText(got) != test.want {
			t.Errorf("%s: %s, %v, %v, want %s", test.name, deltaText(got), errs, err, test.want)
		}
	}
}
