package expr

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// reference evaluates an expression for one row by recursion over the tree, as
// the documentation of the operations says. Calls of functions are evaluated by
// the kernels, but one row at a time and with columns as constants.
type reference struct {
	row []types.Datum
	env *Env
}

func (r *reference) eval(e *Expr) (types.Datum, error) {
	switch e.Op {
	case OpColumn:
		return r.row[e.Col], nil
	case OpConst:
		return e.Const, nil
	case OpAnd, OpOr:
		return r.logic(e)
	case OpCase:
		return r.caseOf(e)
	case OpCoalesce:
		for _, a := range e.Args {
			if d, err := r.eval(a); err != nil || !d.Null {
				return d, err
			}
		}
		return types.NullDatum(), nil
	}
	args := make([]types.Datum, len(e.Args))
	for i, a := range e.Args {
		d, err := r.eval(a)
		if err != nil {
			return d, err
		}
		args[i] = d
	}
	return r.strict(e, args)
}

func (r *reference) strict(e *Expr, args []types.Datum) (types.Datum, error) {
	switch e.Op {
	case OpNot:
		return types.Datum{Bool: !args[0].Bool && !args[0].Null, Null: args[0].Null}, nil
	case OpIsNull:
		return types.Datum{Bool: args[0].Null}, nil
	case OpDistinct:
		if args[0].Null || args[1].Null {
			return types.Datum{Bool: args[0].Null != args[1].Null}, nil
		}
		return types.Datum{Bool: !args[2].Bool}, nil
	case OpNullIf:
		if !args[2].Null && args[2].Bool {
			return types.NullDatum(), nil
		}
		return args[0], nil
	case OpIn:
		return r.in(e, args), nil
	case OpGreatest, OpLeast:
		return r.extreme(e, args), nil
	}
	c := *e
	c.Args = make([]*Expr, len(e.Args))
	for i, a := range e.Args {
		c.Args[i] = Constant(a.Type, args[i])
	}
	return EvalConst(&c, r.env)
}

func (r *reference) logic(e *Expr) (types.Datum, error) {
	null := false
	for _, a := range e.Args {
		d, err := r.eval(a)
		if err != nil {
			return d, err
		}
		if !d.Null && d.Bool == (e.Op == OpOr) {
			return types.Datum{Bool: e.Op == OpOr}, nil
		}
		null = null || d.Null
	}
	if null {
		return types.NullDatum(), nil
	}
	return types.Datum{Bool: e.Op == OpAnd}, nil
}

func (r *reference) caseOf(e *Expr) (types.Datum, error) {
	n := len(e.Args)
	for i := 0; i+1 < n; i += 2 {
		d, err := r.eval(e.Args[i])
		if err != nil {
			return d, err
		}
		if !d.Null && d.Bool {
			return r.eval(e.Args[i+1])
		}
	}
	if n%2 == 1 {
		return r.eval(e.Args[n-1])
	}
	return types.NullDatum(), nil
}

func (r *reference) in(e *Expr, args []types.Datum) types.Datum {
	null := false
	for _, k := range args[1:] {
		switch {
		case args[0].Null || k.Null:
			null = true
		case types.Compare(e.Args[0].Type, args[0], k) == 0:
			return types.Datum{Bool: true}
		}
	}
	return types.Datum{Null: null}
}

func (r *reference) extreme(e *Expr, args []types.Datum) types.Datum {
	best := types.NullDatum()
	for _, a := range args {
		if a.Null {
			continue
		}
		c := 0
		if !best.Null {
			c = types.Compare(e.Type, a, best)
		}
		if best.Null || e.Op == OpGreatest && c > 0 || e.Op == OpLeast && c < 0 {
			best = a
		}
	}
	return best
}

// The columns of random batches.
func randomTypes() []types.Type {
	return []types.Type{types.Int4, types.Int8, types.Text, types.Bool, types.Numeric, types.Float8, types.Timestamp, types.Int4, types.Text, types.Interval}
}

func randomDatum(r *rand.Rand, t types.Type) types.Datum {
	pick := func(vs ...int64) int64 { return vs[r.IntN(len(vs))] }
	switch t {
	case types.Int4:
		return types.Datum{Int: pick(0, 1, -1, 2, 3, 7, 123, math.MaxInt32, math.MinInt32, int64(r.IntN(100)))}
	case types.Int8:
		return types.Datum{Int: pick(0, 1, -1, 2, 5, 246, math.MaxInt64, math.MinInt64, 3037000500, int64(r.IntN(100)))}
	case types.Bool:
		return types.Datum{Bool: r.IntN(2) == 0}
	case types.Numeric:
		d, _ := types.ParseDecimal([]byte([]string{"0", "1.0", "1.00", "-2.5", "12345678901234567890.123", "NaN", "0.001", "9223372036854775807", "-9223372036854775808"}[r.IntN(9)]))
		return types.Datum{Dec: d}
	case types.Float8:
		return types.Datum{Float: []float64{0, 1.5, -2, math.NaN(), math.Inf(1), 1e308, 1e-308, math.Copysign(0, -1)}[r.IntN(8)]}
	case types.Timestamp:
		return types.Datum{Int: int64(r.IntN(1000)) * 86_400_000_000 / 7}
	case types.Interval:
		return types.Datum{Ival: types.IntervalValue{Months: int32(r.IntN(3)), Days: int32(r.IntN(60)), Micros: int64(r.IntN(100)) * 1e9}}
	}
	return types.Datum{Bytes: []byte([]string{"", "a", "abc", "ABC", "12", "x%y", "größe", "4294967296", "a_b"}[r.IntN(9)])}
}

// randomBatch has NULLs in some columns and mostly a selection.
func randomBatch(r *rand.Rand) *zset.Batch {
	n := r.IntN(200)
	b := zset.NewBatch(randomTypes(), n)
	nulls := make([]int, len(b.Cols))
	for i := range nulls {
		nulls[i] = []int{0, 10, 50}[r.IntN(3)]
	}
	for range n {
		row := make([]types.Datum, len(b.Cols))
		for i := range row {
			row[i] = randomDatum(r, b.Cols[i].Type)
			if r.IntN(100) < nulls[i] {
				row[i] = types.NullDatum()
			}
		}
		b.AppendDatums(row, 1)
	}
	if keep := r.IntN(4); keep > 0 {
		b.Sel = []int32{}
		for i := range n {
			if r.IntN(4) < keep {
				b.Sel = append(b.Sel, int32(i))
			}
		}
	}
	return b
}

func showDatum(t types.Type, d types.Datum) string {
	if d.Null {
		return "NULL"
	}
	return string(types.AppendText(nil, t, d, nil))
}

// checkBatch compares a program's result with the reference, row by row.
func checkBatch(t *testing.T, b *zset.Batch, es []*Expr, p *Program) {
	t.Helper()
	res, err := p.Eval(b)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.Len() {
		row := b.Row(i)
		ref := reference{row: make([]types.Datum, len(b.Cols))}
		for c := range b.Cols {
			ref.row[c] = b.Cols[c].Datum(row)
		}
		var first error
		want := make([]string, len(es))
		for j, e := range es {
			d, err := ref.eval(e)
			if err != nil {
				first = err
				break
			}
			want[j] = showDatum(e.Type, d)
		}
		if got := res.Err.At(row); (got == nil) != (first == nil) || got != nil && errorText(got) != errorText(first) {
			t.Fatalf("row %d %v of %v: error %v, want %v", row, ref.row, es, got, first)
		}
		if first != nil {
			continue
		}
		for j, e := range es {
			if got := showDatum(e.Type, res.Cols[j].Datum(row)); got != want[j] {
				t.Fatalf("row %d %v of %v: got %s, want %s", row, ref.row, e, got, want[j])
			}
		}
	}
}

// randomExprs are the shapes that the property tests run over.
func randomExprs() string {
	return `
c0 + c7
c0 - c7
c0 * c7
c0 / c7
c0 % c7
c0 + 5
5 - c0
c0 * 100000
c0 / 3
c0 % 123
c0 / 0
7 / c0
c0 % 0
c0 / (-1)
c1 + c1
c1 - 1
1 - c1
c1 * c0
c1 * 2
c1 / c0
c1 % 123 = 0
-c1
abs(c0)
c1 & 255
c0 << 3
c0 > 5
5 > c0
c0 <> c7
c0 <= c1
c2 = 'abc'
c2 <> c8
c2 < c8
c2 >= 'a'
c3 = true
c4 + 1
c4 * c4
c4 / c4
c4 = 1
c4 > c0
c5 + c5
c5 * c5
c5 / c5
c5 - 1
1 - c5
c5 * 2
c5 > 1
c5 = 'NaN'
c5 < c5 + 1
c6 < timestamp '2001-01-01'
c6 = c6
c0::bigint + c1
c1::int
c0::numeric
c5::int
c4::int
c4::float8
c0::text
c2::int
c2::bigint + c0
c1::text = c2
c3::text
c2::varchar(2)
c0 is null
c2 is not null
not c3
c3 and c0 > 1
c3 or c0 > 1
c0 <> 0 and 10 / c0 > 1
c0 = 0 or 10 / c0 > 1
c3 and c0 / c7 > 0 and c1 > 0
c3 or c0 / c7 > 0 or c1 > 0
not (c3 and c0 > c7) or c2 = 'a'
case when c0 = 0 then 0 else 10 / c0 end
case when c3 then c2 when c0 > 3 then c8 end
case when c3 then 'x' else c2 end
case when c0 / c7 = 1 then c2 else c8 end
case when c3 then c4 when c0 > 0 then 1.5 else 2 end
case when c1 > 5 then c1 * 2 when c1 > 0 then c1 * 2 + 1 else c1 - 1 end
coalesce(c0, c7, 3)
coalesce(c2, c8)
coalesce(c2, c8, 'none')
coalesce(c0, 10 / c7)
nullif(c0, 1)
nullif(c2, c8)
c0 is distinct from c7
c2 is not distinct from c8
c0 in (1, 2, 3)
c0 = 1 or c0 = 2 or 7 = c0 or c7 = 1 or c7 = 2 or c2 = 'a' or c2 = 'abc'
c0 in (1, 2) or c0 = 3 or c0 = 5
c1 = 1 or c1 = 246 or 10 / c0 > 1
c0 in (1, null)
c1 in (1, 2, 3, 4, 5, 6, 7, 8, 9, 246)
c2 in ('a', 'abc')
c4 in (1, 2.5)
c5 in (0, 1.5, 'NaN')
greatest(c0, c7)
least(c0, c7, 3)
greatest(c2, c8, 'b')
least(c4, c0)
greatest(c6, c6)
(c0 + 1) * (c0 + 1)
case when c0 + 1 > 0 then (c0 + 1) * 2 else (c0 + 1) * 3 end
case when c3 then c0 / c7 else 0 end + coalesce(c0 / c7, 1)
c3 and (c0 + 1 > 3 or c0 + 1 < 2) and c0 + 1 <> 7
c9 = c9
c6 + interval '1 day 2 hours'
c6 - interval '4 seconds'
c6 - interval '1 month'
c6 + c9
date_bin('15 minutes', c6, timestamp '2001-01-01')
date_bin(c9, c6, timestamp '2001-01-01')
date_trunc('hour', c6)
date_trunc(c2, c6)
extract(minute from c6)
c2 || c0
c2 || c8
lower(c2)
length(c8)
substring(c2, c0, 2)
replace(c2, 'a', c8)
c2 like 'a%'
c2 like c8
c2 ~ '^a'
concat(c2, c0, c3)
concat_ws('-', c2, c8)
c4 + c4
c4 - 1.0
round(c4, 1)
abs(c5)
c9 * 2
c9 + c9
c0::text::jsonb
to_jsonb(c2)
md5(c2)
coalesce(c4, 0.5)
1/0 > c0
case when c3 then 1/0 else 2 end
c0 > 3 and 1/0 = 1
`
}

func propertyExprs(t testing.TB) []*Expr {
	var es []*Expr
	for line := range strings.SplitSeq(strings.TrimSpace(randomExprs()), "\n") {
		e, err := parseSQL(line, randomTypes(), nil)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		es = append(es, e)
	}
	return es
}

func TestEvalAgainstReference(t *testing.T) {
	for _, e := range propertyExprs(t) {
		p, err := Compile([]*Expr{e}, randomTypes())
		if err != nil {
			t.Fatalf("%v: %v", e, err)
		}
		r := rand.New(rand.NewPCG(1, 2))
		for range 30 {
			checkBatch(t, randomBatch(r), []*Expr{e}, p)
		}
	}
}

// TestSharedSubexpressions evaluates several expressions in one program.
func TestSharedSubexpressions(t *testing.T) {
	all := propertyExprs(t)
	r := rand.New(rand.NewPCG(3, 4))
	for range 150 {
		es := make([]*Expr, 1+r.IntN(6))
		for i := range es {
			es[i] = all[r.IntN(len(all))]
		}
		p, err := Compile(es, randomTypes())
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			checkBatch(t, randomBatch(r), es, p)
			p.Detach()
		}
	}
}

func TestFilterAgainstReference(t *testing.T) {
	for _, e := range propertyExprs(t) {
		if e.Type != types.Bool {
			continue
		}
		f, err := CompileFilter(e, randomTypes())
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(5, 6))
		for range 30 {
			checkFilter(t, randomBatch(r), e, f)
		}
	}
}

// checkFilter compares with the reference, for which a condition of WHERE ends
// at the first part that is not true.
func checkFilter(t *testing.T, b *zset.Batch, e *Expr, f *Filter) {
	t.Helper()
	sel, errs, err := f.Select(b)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(sel)
	var want []int32
	for i := range b.Len() {
		row := b.Row(i)
		ref := reference{row: make([]types.Datum, len(b.Cols))}
		for c := range b.Cols {
			ref.row[c] = b.Cols[c].Datum(row)
		}
		all := true
		var failure error
		for _, part := range Conjuncts(e) {
			d, err := ref.eval(part)
			if failure = err; err != nil || d.Null || !d.Bool {
				all = false
				break
			}
		}
		if g := errs.At(row); (g == nil) != (failure == nil) || g != nil && g.Code != sqlerr.Code(failure) {
			t.Fatalf("row %v of %v: error %v, want %v", ref.row, e, g, failure)
		}
		if all {
			want = append(want, int32(row))
		}
	}
	if len(want) == 0 {
		want = []int32{}
	}
	if got != fmt.Sprint(want) {
		t.Fatalf("%v: selected %v, want %v", e, got, want)
	}
}
