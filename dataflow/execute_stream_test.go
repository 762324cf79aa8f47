package dataflow

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// manyPairs is a join without key of 1,500 rows with themselves under a
// condition on auction and auction: 2.25 million pairs of a small input.
func manyPairs(on string, more ...Node) (*Graph, Feed) {
	join := &operator.JoinSpec{Kind: operator.InnerJoin, Left: bidTypes, Right: bidTypes, LeftArr: 1, RightArr: 2}
	switch on {
	case "never":
		join.On = call(types.Bool, "int8lt(int8,int8)", expr.Column(1, types.Int8), expr.Column(2, types.Int8))
	case "fails":
		quotient := call(types.Int8, "int8div(int8,int8)", expr.Column(0, types.Int8), expr.Column(1, types.Int8))
		join.On = call(types.Bool, "int8lt(int8,int8)", quotient, expr.Column(2, types.Int8))
	}
	g := &Graph{Version: GraphVersion, Nodes: []Node{
		{Relation: &RelationInput{Relation: 1, Types: bidTypes}},
		{Relation: &RelationInput{Relation: 2, Types: bidTypes}},
		{Inputs: []int{0, 1}, Join: join},
	}}
	for i, n := range more {
		n.Inputs = []int{2 + i}
		g.Nodes = append(g.Nodes, n)
	}
	rows := make([][2]int64, 1500)
	for i := range rows {
		rows[i] = [2]int64{int64(i), 0}
	}
	return g, bidFeed(rows, 500)
}

func call(t types.Type, name string, args ...*expr.Expr) *expr.Expr {
	return &expr.Expr{Op: expr.OpCall, Type: t, Func: name, Args: args}
}

// TestExecuteManyPairs: the result of a join flows on while it is made.
func TestExecuteManyPairs(t *testing.T) {
	limit := ExecuteOptions{MemoryLimit: 2 << 20}
	count := Node{Aggregate: &operator.AggregateSpec{
		Input: append(bidTypes[:2:2], bidTypes...), AppendOnly: true, Arr: 3, Multisets: 4,
		Calls: []operator.AggregateCall{{Func: "count(*)", Filter: -1, Type: types.Int8}},
	}}
	g, feed := manyPairs("", count)
	got, errs, err := Execute(t.Context(), g, feed, limit)
	if err != nil || errs != nil || deltaText(got) != "+1(2250000)" {
		t.Errorf("count of the pairs: %s, %v, %v", deltaText(got), errs, err)
	}

	g, feed = manyPairs("")
	if _, _, err = Execute(t.Context(), g, feed, limit); sqlerr.Code(err) != sqlerr.OutOfMemory {
		t.Errorf("pairs that are kept: %v", err)
	}

	g, feed = manyPairs("fails")
	_, errs, err = Execute(t.Context(), g, feed, limit)
	if err != nil || len(errs) != 1 || errs[0].Len() > 2048 || !strings.Contains(deltaText(errs), "22012") {
		t.Errorf("pairs that fail: %d batches of error rows, %v", len(errs), err)
	}
}

// TestExecuteEndsWithin: the context ends an operator that is at work, whether it
// emits or not.
func TestExecuteEndsWithin(t *testing.T) {
	cause := errors.New("canceled by a test")
	for _, on := range []string{"", "never"} {
		g, feed := manyPairs(on)
		ctx, cancel := context.WithCancelCause(t.Context())
		var relations, seen int
		_, _, err := Execute(ctx, g, func(ctx context.Context, in RelationInput, emit func(*zset.Batch) error) error {
			err := feed(ctx, in, emit)
			if relations++; on == "never" && relations == 2 {
				cancel(cause)
			}
			return err
		}, ExecuteOptions{Emit: func(*zset.Batch) error {
			seen++
			cancel(cause)
			return nil
		}})
		if err != cause || seen > 1 {
			t.Errorf("condition %q: %v after %d batches", on, err, seen)
		}
		cancel(nil)
	}
}

// TestExecuteManyFunctionRows: rows of functions flow on, too.
func TestExecuteManyFunctionRows(t *testing.T) {
	series := Node{TableFunction: &operator.TableFunctionSpec{Input: bidTypes, Calls: []operator.TableCall{{
		Func: "generate_series", Column: types.Int8,
		Args: []*expr.Expr{expr.Constant(types.Int8, types.Datum{Int: 1}), expr.Column(1, types.Int8)},
	}}}}
	var batches, rows int
	_, errs, err := Execute(t.Context(), bidGraph(series), bidFeed([][2]int64{{1, 5000}, {2, 5000}, {3, 1}}, 10),
		ExecuteOptions{MemoryLimit: 1 << 20, Emit: func(b *zset.Batch) error {
			batches++
			rows += b.Len()
			return nil
		}})
	if err != nil || errs != nil || batches != 3 || rows != 10_001 {
		t.Errorf("%d rows in %d batches, %v, %v", rows, batches, errs, err)
	}
}
