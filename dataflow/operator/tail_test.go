package operator

import (
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// call makes a call of a function of the table.
func call(t testing.TB, signature string, args ...*expr.Expr) *expr.Expr {
	t.Helper()
	f, ok := expr.Lookup(signature)
	if !ok {
		t.Fatalf("no function %s", signature)
	}
	return &expr.Expr{Op: expr.OpCall, Func: signature, Type: f.Ret, Args: args}
}

func int4(v int64) *expr.Expr { return expr.Constant(types.Int4, types.Datum{Int: v}) }
func int8(v int64) *expr.Expr { return expr.Constant(types.Int8, types.Datum{Int: v}) }

// divSpec is SELECT 12 / a, a, b WHERE b <> 1: fails for a = 0.
func divSpec(t testing.TB) *MapSpec {
	a, b := expr.Column(0, types.Int4), expr.Column(1, types.Int4)
	return &MapSpec{
		Input:   []types.Type{types.Int4, types.Int4, types.Text},
		Filter:  call(t, "int4ne(int4,int4)", b, int4(1)),
		Project: []*expr.Expr{call(t, "int4div(int4,int4)", int4(12), a), a, expr.Column(2, types.Text)},
	}
}

func naiveDiv(in []relation) (rows, errs relation) {
	rows, errs = relation{}, relation{}
	ts := []types.Type{types.Int4, types.Int4, types.Text}
	for row, n := range in[0] {
		ds := datums(ts, row)
		if ds[1].Null || ds[1].Int == 1 {
			continue
		}
		q := types.NullDatum()
		if !ds[0].Null {
			if ds[0].Int == 0 {
				addError(errs, ts, ds, n)
				continue
			}
			q = types.Datum{Int: 12 / ds[0].Int}
		}
		rows.add(zset.AppendRowDatums(nil, ts, []types.Datum{q, ds[0], ds[2]}), n)
	}
	return rows, errs
}

func addError(errs relation, ts []types.Type, ds []types.Datum, n int64) {
	in := zset.NewBatch(ts, 1)
	in.AppendDatums(ds, 1)
	b := zset.NewBatch(ErrorSchema(), 1)
	AppendErrorRow(b, AppendRowText(nil, in.Cols, 0), sqlerr.New(sqlerr.DivisionByZero, "division by zero"), 1)
	errs.add(zset.AppendRow(nil, b.Cols, 0), n)
}

func TestMapLaw(t *testing.T) {
	spec := divSpec(t)
	l := &law{
		name: "division", inputs: [][]types.Type{spec.Input}, seeds: 30, naive: naiveDiv,
		make: func() (Operator, error) { return NewMap(spec) },
	}
	l.run(t, spec.Output())
}

// TestTailLaw is SELECT 12 / count(v), sum(v), k ... GROUP BY k HAVING sum(v) <> 1
// OR sum(v) IS NULL: a group whose v are all NULL fails.
func TestTailLaw(t *testing.T) {
	pre := []types.Type{types.Text, types.Int8, types.Int8}
	k, n, s := expr.Column(0, types.Text), expr.Column(1, types.Int8), expr.Column(2, types.Int8)
	tail := &MapSpec{
		Input: pre,
		Filter: &expr.Expr{Op: expr.OpOr, Type: types.Bool, Args: []*expr.Expr{
			call(t, "int8ne(int8,int8)", s, int8(1)),
			{Op: expr.OpIsNull, Type: types.Bool, Args: []*expr.Expr{s}},
		}},
		Project: []*expr.Expr{call(t, "int8div(int8,int8)", int8(12), n), s, k},
	}
	for _, keys := range [][]int{{0}, nil} {
		spec := &AggregateSpec{
			Input: []types.Type{types.Text, types.Int4},
			Keys:  keys,
			Calls: []AggregateCall{
				{Func: "count(any)", Args: []int{1}, Filter: -1, Type: types.Int8},
				{Func: "sum(int4)", Args: []int{1}, Filter: -1, Type: types.Int8},
			},
			Tail: tail, Arr: 1, Multisets: 2,
		}
		l := &law{name: "by text", inputs: [][]types.Type{spec.Input}, seeds: 25}
		if keys == nil {
			global := *tail
			global.Input = pre[1:]
			global.Filter = expr.ShiftColumns(tail.Filter, -1)
			global.Project = []*expr.Expr{expr.ShiftColumns(tail.Project[0], -1)}
			spec.Tail = &global
			l.name, l.rest = "global", 1
		}
		l.make = func() (Operator, error) { return NewAggregate(spec) }
		l.naive = func(in []relation) (relation, relation) { return naiveTail(spec, in[0]) }
		l.run(t, spec.Output())
	}
}

func naiveTail(spec *AggregateSpec, in relation) (rows, errs relation) {
	bare := *spec
	bare.Tail = nil
	groups, _ := naiveAggregate(&bare, in)
	rows, errs = relation{}, relation{}
	ts := bare.Output()
	for g := range groups {
		ds := datums(ts, g)
		n, s := ds[len(ds)-2], ds[len(ds)-1]
		if !s.Null && s.Int == 1 {
			continue
		}
		if n.Int == 0 {
			addError(errs, ts, ds, 1)
			continue
		}
		row := []types.Datum{{Int: 12 / n.Int}}
		if len(spec.Keys) > 0 {
			row = append(row, s, ds[0])
		}
		rows.add(zset.AppendRowDatums(nil, spec.Output(), row), 1)
	}
	return rows, errs
}
