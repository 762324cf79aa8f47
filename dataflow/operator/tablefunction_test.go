package operator

import (
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// seriesSpec is SELECT t.*, s.*, u.* FROM t, ROWS FROM (generate_series(1, a %
// 4), generate_series(8, 9)) WITH ORDINALITY; 12 / b makes some rows fail.
func seriesSpec(t testing.TB) *TableFunctionSpec {
	a, b := expr.Column(0, types.Int4), expr.Column(1, types.Int4)
	return &TableFunctionSpec{
		Input: []types.Type{types.Int4, types.Int4},
		Calls: []TableCall{
			{Func: "generate_series", Column: types.Int4, Args: []*expr.Expr{int4(1), call(t, "int4mod(int4,int4)", a, int4(4))}},
			{Func: "generate_series", Column: types.Int4, Args: []*expr.Expr{call(t, "int4div(int4,int4)", int4(0), b), int4(1)}},
		},
		Ordinality: true,
	}
}

func naiveSeries(spec *TableFunctionSpec, in relation) (rows, errs relation) {
	rows, errs = relation{}, relation{}
	null := types.NullDatum()
	for row, n := range in {
		ds := datums(spec.Input, row)
		if !ds[1].Null && ds[1].Int == 0 {
			b := zset.NewBatch(spec.Input, 1)
			b.AppendDatums(ds, 1)
			e := zset.NewBatch(ErrorSchema(), 1)
			AppendErrorRow(e, AppendRowText(nil, b.Cols, 0), sqlerr.New(sqlerr.DivisionByZero, "division by zero"), 1)
			errs.add(zset.AppendRow(nil, e.Cols, 0), n)
			continue
		}
		first, second := int64(0), int64(0)
		if !ds[0].Null {
			first = max(0, ds[0].Int%4)
		}
		if !ds[1].Null {
			second = 2
		}
		for k := range max(first, second) {
			out := []types.Datum{ds[0], ds[1], null, null, {Int: k + 1}}
			if k < first {
				out[2] = types.Datum{Int: k + 1}
			}
			if k < second {
				out[3] = types.Datum{Int: k}
			}
			rows.add(zset.AppendRowDatums(nil, spec.Output(), out), n)
		}
	}
	return rows, errs
}

func TestTableFunctionLaw(t *testing.T) {
	spec := seriesSpec(t)
	l := &law{
		name: "series", inputs: [][]types.Type{spec.Input}, seeds: 15,
		make:  func() (Operator, error) { return NewTableFunction(spec) },
		naive: func(in []relation) (relation, relation) { return naiveSeries(spec, in[0]) },
	}
	l.run(t, spec.Input)
}

// rowsOf runs one function over one row.
func rowsOf(t *testing.T, c TableCall) []string {
	t.Helper()
	op, err := NewTableFunction(&TableFunctionSpec{Calls: []TableCall{c}})
	if err != nil {
		t.Fatal(err)
	}
	in := zset.NewBatch(nil, 1)
	in.AddRow(1)
	var out Output
	if err := op.Apply([]Delta{{in}}, NewMemState(), 1, &out); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range out.Rows {
		for i := range b.Len() {
			d := b.Cols[0].Datum(b.Row(i))
			if d.Null {
				got = append(got, "NULL")
				continue
			}
			got = append(got, string(types.AppendText(nil, c.Column, d, nil)))
		}
	}
	for _, b := range out.Errors {
		got = append(got, string(b.Cols[errorValue+2].Bytes(0)))
	}
	return got
}

func TestTableFunctions(t *testing.T) {
	literal := func(typ types.Type, text string) *expr.Expr {
		d, err := types.ParseText(typ, []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		return expr.Constant(typ, d)
	}
	interval := literal(types.Interval, "1 month")
	for _, test := range []struct {
		c    TableCall
		want []string
	}{
		{TableCall{"generate_series", []*expr.Expr{int4(1), int4(3)}, types.Int4}, []string{"1", "2", "3"}},
		{TableCall{"generate_series", []*expr.Expr{int4(5), int4(1), int4(-2)}, types.Int4}, []string{"5", "3", "1"}},
		{TableCall{"generate_series", []*expr.Expr{int4(1), int4(2), int4(0)}, types.Int4}, []string{"step size cannot equal zero"}},
		{TableCall{"generate_series", []*expr.Expr{int4(1<<31 - 2), int4(1<<31 - 1)}, types.Int4}, []string{"2147483646", "2147483647"}},
		{TableCall{"generate_series", []*expr.Expr{int4(-1 << 31), int4(5), int4(-1)}, types.Int4}, nil},
		{TableCall{"generate_series", []*expr.Expr{int8(1<<63 - 2), int8(1<<63 - 1)}, types.Int8}, []string{"9223372036854775806", "9223372036854775807"}},
		{TableCall{"generate_series", []*expr.Expr{int8(-1 << 62), int8(-1 << 63), int8(-1 << 62)}, types.Int8}, []string{"-4611686018427387904", "-9223372036854775808"}},
		{TableCall{"generate_series", []*expr.Expr{literal(types.Numeric, "1.5"), literal(types.Numeric, "3")}, types.Numeric}, []string{"1.5", "2.5"}},
		{TableCall{"generate_series", []*expr.Expr{literal(types.Timestamp, "2026-01-31"), literal(types.Timestamp, "2026-03-01"), interval},
			types.Timestamp}, []string{"2026-01-31 00:00:00", "2026-02-28 00:00:00"}},
		{TableCall{"unnest", []*expr.Expr{literal(types.TextArray, "{a,NULL,b}")}, types.Text}, []string{"a", "NULL", "b"}},
		{TableCall{"unnest", []*expr.Expr{expr.Constant(types.TextArray, types.NullDatum())}, types.Text}, nil},
		{TableCall{"generate_subscripts", []*expr.Expr{literal(types.TextArray, "[0:1]={a,b}"), int4(1)}, types.Int4}, []string{"0", "1"}},
		{TableCall{"generate_subscripts", []*expr.Expr{literal(types.TextArray, "{a,b}"), int4(2)}, types.Int4}, nil},
	} {
		got := rowsOf(t, test.c)
		if len(got) != len(test.want) {
			t.Errorf("%s%v: %q, want %q", test.c.Func, test.c.Args, got, test.want)
			continue
		}
		for i := range got {
			if got[i] != test.want[i] {
				t.Errorf("%s%v: %q, want %q", test.c.Func, test.c.Args, got, test.want)
				break
			}
		}
	}
}
