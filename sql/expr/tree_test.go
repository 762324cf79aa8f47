package expr

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

func TestJSONRoundTrip(t *testing.T) {
	for _, e := range propertyExprs(t) {
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var back Expr
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		if !Equal(e, &back) {
			t.Errorf("%v became %v by %s", e, &back, b)
		}
	}
}

func TestString(t *testing.T) {
	cases := []struct{ src, want string }{
		{"c0 + c7 * 2", "#0 + (#7 * 2)"},
		{"c0 > 1 and not c3 or c2 is null", "((#0 > 1) AND (NOT #3)) OR (#2 IS NULL)"},
		{"c0::bigint + c1", "#0::bigint + #1"},
		{"c0::text", "#0::text"},
		{"c4::numeric(10,2)", "#4::numeric(10,2)"},
		{"lower(c2) like 'a%'", "lower(#2) ~~ 'a%'"},
		{"case when c3 then 1 else c0 end", "CASE WHEN #3 THEN 1 ELSE #0 END"},
		{"coalesce(c2, 'it''s')", "COALESCE(#2, 'it''s')"},
		{"c0 in (1,2)", "#0 IN (1, 2)"},
		{"-c0", "-#0"},
		{"nullif(c0, 1)", "NULLIF(#0, 1)"},
		{"c1 = 5000000000", "#1 = '5000000000'::bigint"},
		{"c6 - interval '4 seconds'", "#6 - '00:00:04'::interval"},
		{"c0 is distinct from c7", "#0 IS DISTINCT FROM #7"},
	}
	for _, c := range cases {
		e := must(parseSQL(c.src, randomTypes(), nil))
		if got := e.String(); got != c.want {
			t.Errorf("%s: got %s, want %s", c.src, got, c.want)
		}
	}
	e := must(parseSQL("c0 + c7", randomTypes(), nil))
	if got := e.Format(func(i int) string { return fmt.Sprintf("col%d", i) }); got != "col0 + col7" {
		t.Error(got)
	}
}

func TestTreeHelpers(t *testing.T) {
	e := must(parseSQL("c7 + c0 * 2 > c1", randomTypes(), nil))
	if got := Columns(e); !reflect.DeepEqual(got, []int{0, 1, 7}) {
		t.Error(got)
	}
	before := e.String()
	shifted := ShiftColumns(e, 10)
	if got := Columns(shifted); !reflect.DeepEqual(got, []int{10, 11, 17}) || e.String() != before {
		t.Error(got, e)
	}
	if RemapColumns(e, func(i int) int { return i }) != e {
		t.Error("an expression that does not change was copied")
	}
	if e.IsConst() || !must(parseSQL("1 + 2", nil, nil)).IsConst() || must(parseSQL("random() > 1", nil, nil)).IsConst() {
		t.Error("IsConst")
	}
	if ExprVolatility(must(parseSQL("now()", nil, nil))) != Stable || ExprVolatility(must(parseSQL("random()", nil, nil))) != Volatile {
		t.Error("volatility")
	}
	p := &Expr{Op: OpParam, Col: 0, Type: types.Int4}
	sum := must(NewOperator(nil, "+", p, Constant(types.Int4, types.Datum{Int: 2})))
	if _, err := Compile([]*Expr{sum}, nil); sqlerr.Code(err) != sqlerr.UndefinedParameter {
		t.Error(err)
	}
	if d := must(EvalConst(SubstituteParams(sum, []types.Datum{{Int: 40}}), nil)); d.Int != 42 {
		t.Error(d)
	}
}

// TestErrorVector checks the laws of Errors: rows fail by themselves, the first
// failure counts, rows that an arm does not reach do not fail.
func TestErrorVector(t *testing.T) {
	cols := []types.Type{types.Int4}
	b := zset.NewBatch(cols, 4)
	for _, v := range []int64{0, 1, 2, 0} {
		b.AppendDatums([]types.Datum{{Int: v}}, 1)
	}
	b.Sel = []int32{0, 1, 2}
	p := must(Compile([]*Expr{
		must(parseSQL("10 / c0", cols, nil)),
		must(parseSQL("2147483647 + c0", cols, nil)),
		must(parseSQL("case when c0 > 0 then 10 / c0 end", cols, nil)),
	}, cols))
	r := must(p.Eval(b))
	if r.Err.Len() != 3 || r.Err.Has(3) {
		t.Fatalf("%d rows failed", r.Err.Len())
	}
	if got := r.Err.At(0); got.Code != sqlerr.DivisionByZero {
		t.Error(got)
	}
	if got := r.Err.At(1); got.Code != sqlerr.NumericValueOutOfRange {
		t.Error(got)
	}
	if sel := r.Err.Drop([]int32{0, 1, 2}); len(sel) != 0 {
		t.Error(sel)
	}
	b.Sel = []int32{}
	if r := must(p.Eval(b)); r.Err != nil {
		t.Error("an empty selection failed")
	}
	var none *Errors
	if none.Len() != 0 || none.Has(5) || none.At(5) != nil {
		t.Error("nil errors")
	}
}

// TestDetach checks that results that were detached survive the next batch.
func TestDetach(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	es := propertyExprs(t)
	p := must(Compile(es[:60], randomTypes()))
	b := randomBatch(r)
	res := must(p.Eval(b))
	cols := append([]zset.Vector(nil), res.Cols...)
	want := showColumns(b, cols)
	p.Detach()
	for range 3 {
		must(p.Eval(randomBatch(r)))
	}
	if got := showColumns(b, cols); got != want {
		t.Error("a detached result changed")
	}
}

func showColumns(b *zset.Batch, cols []zset.Vector) string {
	out := ""
	for i := range cols {
		for j := range b.Len() {
			out += showDatum(cols[i].Type, cols[i].Datum(b.Row(j))) + "|"
		}
	}
	return out
}

func TestCompileRefusesBrokenTrees(t *testing.T) {
	broken := []*Expr{
		{Op: "nonsense", Type: types.Int4},
		{Op: OpCall, Type: types.Int4, Func: "nothing()"},
		{Op: OpCall, Type: types.Int4, Func: "int4pl(int4,int4)", Args: []*Expr{Column(0, types.Int4)}},
		{Op: OpCall, Type: types.Int4, Func: "int4pl(int4,int4)", Args: []*Expr{Column(0, types.Int4), Constant(types.Text, types.Datum{})}},
		{Op: OpNot, Type: types.Bool, Args: []*Expr{Column(0, types.Int4)}},
		{Op: OpNullIf, Type: types.Int4, Args: []*Expr{Column(0, types.Int4)}},
		{Op: OpCase, Type: types.Int4},
		Column(5, types.Int4),
		Column(0, types.Text),
	}
	for _, e := range broken {
		if _, err := Compile([]*Expr{e}, []types.Type{types.Int4}); err == nil {
			t.Errorf("%s compiles", e.Op)
		}
	}
	p := must(Compile([]*Expr{Column(0, types.Int4)}, []types.Type{types.Int4}))
	if _, err := p.Eval(&zset.Batch{N: 1}); err == nil {
		t.Error("a batch without columns")
	}
}

func TestManyAlternatives(t *testing.T) {
	// Deep trees must neither overflow the stack nor take quadratic time.
	e := Constant(types.Int4, types.Datum{Int: 1})
	for range 5000 {
		e = must(NewOperator(nil, "+", Column(0, types.Int4), e))
	}
	if _, err := Compile([]*Expr{e}, []types.Type{types.Int4}); err != nil {
		t.Fatal(err)
	}
	for range 2 * maxDepth {
		e = must(NewOperator(nil, "-", Column(0, types.Int4), e))
	}
	if _, err := Compile([]*Expr{e}, []types.Type{types.Int4}); sqlerr.Code(err) != sqlerr.StatementTooComplex {
		t.Error(err)
	}
}
