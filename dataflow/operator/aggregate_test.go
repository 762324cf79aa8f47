package operator

import (
	"bytes"
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// The input of the aggregation tests: two columns to group by, two conditions,
// and one column to aggregate.
const (
	inKey    = 0
	inFilter = 2
	inValue  = 3
)

// naiveGroup is one group of the naive aggregation: its rows with multiplicity.
type naiveGroup struct {
	image []byte // least image of the key columns
	rows  [][]types.Datum
	count []int64
}

// naiveAggregate computes a spec without tail by definition.
func naiveAggregate(spec *AggregateSpec, in relation) (rows, errs relation) {
	groups := map[string]*naiveGroup{}
	if len(spec.Keys) == 0 {
		groups[""] = &naiveGroup{image: zset.AppendRowDatums(nil, nil, nil)}
	}
	for row, n := range in {
		ds := datums(spec.Input, row)
		var key []byte
		var keyTypes []types.Type
		var keyRow []types.Datum
		for _, k := range spec.Keys {
			key = zset.AppendKeyDatum(key, spec.Input[k], ds[k])
			keyTypes, keyRow = append(keyTypes, spec.Input[k]), append(keyRow, ds[k])
		}
		image := zset.AppendRowDatums(nil, keyTypes, keyRow)
		g := groups[string(key)]
		if g == nil {
			g = &naiveGroup{image: image}
			groups[string(key)] = g
		}
		if bytes.Compare(image, g.image) < 0 {
			g.image = image
		}
		g.rows, g.count = append(g.rows, ds), append(g.count, n)
	}
	rows, errs = relation{}, relation{}
	for _, g := range groups {
		g.emit(spec, rows, errs)
	}
	return rows, errs
}

func (g *naiveGroup) emit(spec *AggregateSpec, rows, errs relation) {
	var ts []types.Type
	for _, k := range spec.Keys {
		ts = append(ts, spec.Input[k])
	}
	row := datums(ts, string(g.image))
	var failed *sqlerr.Error
	for i := range spec.Calls {
		c := &spec.Calls[i]
		d, err := g.call(spec, c)
		if err != nil && failed == nil {
			failed = err
		}
		ts, row = append(ts, c.Type), append(row, d)
	}
	if failed == nil {
		rows.add(zset.AppendRowDatums(nil, ts, row), 1)
		return
	}
	pre := zset.NewBatch(ts, 1)
	pre.AppendDatums(row, 1)
	b := zset.NewBatch(ErrorSchema(), 1)
	AppendErrorRow(b, AppendRowText(nil, pre.Cols, 0), failed, 1)
	errs.add(zset.AppendRow(nil, b.Cols, 0), 1)
}

// value is one argument of an aggregate with its multiplicity.
type value struct {
	d types.Datum
	n int64
}

// values returns the arguments that count.
func (g *naiveGroup) values(spec *AggregateSpec, c *AggregateCall) (vs []value) {
	for i, row := range g.rows {
		if c.Filter >= 0 && (row[c.Filter].Null || !row[c.Filter].Bool) {
			continue
		}
		if len(c.Args) == 0 {
			vs = append(vs, value{n: g.count[i]})
		} else if d := row[c.Args[0]]; !d.Null || isArrayAgg(c) {
			vs = append(vs, value{d, g.count[i]})
		}
	}
	if !c.Distinct {
		return vs
	}
	t := spec.Input[c.Args[0]]
	least := map[string]types.Datum{}
	for _, v := range vs {
		k := string(zset.AppendKeyDatum(nil, t, v.d))
		old, ok := least[k]
		if !ok || bytes.Compare(image1(t, v.d), image1(t, old)) < 0 {
			least[k] = v.d
		}
	}
	vs = nil
	for _, d := range least {
		vs = append(vs, value{d, 1})
	}
	return vs
}

func image1(t types.Type, d types.Datum) []byte {
	return zset.AppendRowDatums(nil, []types.Type{t}, []types.Datum{d})
}

func (g *naiveGroup) call(spec *AggregateSpec, c *AggregateCall) (types.Datum, *sqlerr.Error) {
	f, _ := lookupAggregate(c.Func)
	vs := g.values(spec, c)
	total := int64(0)
	for _, v := range vs {
		total += v.n
	}
	if f.kind == aggCount {
		return types.Datum{Int: total}, nil
	}
	if total == 0 {
		return types.NullDatum(), nil
	}
	switch f.kind {
	case aggArray:
		return naiveArray(f, vs, total), nil
	case aggMin, aggMax:
		return naiveExtreme(f, vs), nil
	case aggAnd, aggOr:
		any, all := false, true
		for _, v := range vs {
			any, all = any || v.d.Bool, all && v.d.Bool
		}
		return types.Datum{Bool: f.kind == aggOr && any || f.kind == aggAnd && all}, nil
	}
	switch f.Args[0].Kind() {
	case types.KindFloat64:
		return naiveFloat(f, vs, total)
	case types.KindInterval:
		return naiveInterval(f, vs, total)
	default:
		return naiveNumber(f, vs, total)
	}
}

func isArrayAgg(c *AggregateCall) bool {
	f, _ := lookupAggregate(c.Func)
	return f.kind == aggArray
}

func naiveArray(f AggregateFunc, vs []value, total int64) types.Datum {
	t := f.Args[0]
	var elems []types.Datum
	for _, v := range vs {
		for range v.n {
			elems = append(elems, v.d)
		}
	}
	slices.SortFunc(elems, func(a, b types.Datum) int {
		if c := bytes.Compare(zset.AppendKeyDatum(nil, t, a), zset.AppendKeyDatum(nil, t, b)); c != 0 {
			return c
		}
		return bytes.Compare(image1(t, a), image1(t, b))
	})
	return types.Datum{Bytes: types.AppendArray(nil, t, []types.Dim{{Len: int32(total), Lower: 1}}, elems)}
}

func naiveExtreme(f AggregateFunc, vs []value) types.Datum {
	t := f.Args[0]
	best := vs[0].d
	for _, v := range vs[1:] {
		cmp := bytes.Compare(zset.AppendKeyDatum(nil, t, v.d), zset.AppendKeyDatum(nil, t, best))
		if f.kind == aggMax {
			cmp = -cmp
		}
		if cmp == 0 {
			cmp = bytes.Compare(image1(t, v.d), image1(t, best))
		}
		if cmp < 0 {
			best = v.d
		}
	}
	return best
}

func naiveFloat(f AggregateFunc, vs []value, total int64) (types.Datum, *sqlerr.Error) {
	sum := new(big.Float).SetPrec(4000)
	special := 0.0
	for _, v := range vs {
		if math.IsNaN(v.d.Float) || math.IsInf(v.d.Float, 0) {
			special += v.d.Float
			continue
		}
		n := new(big.Float).SetPrec(4000).SetInt64(v.n)
		sum.Add(sum, n.Mul(n, new(big.Float).SetFloat64(v.d.Float)))
	}
	if special != 0 {
		return types.Datum{Float: special}, nil
	}
	r, _ := sum.Float64()
	if f.kind == aggSum && f.Args[0] == types.Float4 {
		r32, _ := sum.Float32()
		r = float64(r32)
	}
	if math.IsInf(r, 0) {
		return types.NullDatum(), sqlerr.New(sqlerr.NumericValueOutOfRange, "value out of range: overflow")
	}
	if f.kind == aggAvg {
		r /= float64(total)
	}
	if r == 0 {
		r = 0
	}
	return types.Datum{Float: r}, nil
}

func naiveInterval(f AggregateFunc, vs []value, total int64) (types.Datum, *sqlerr.Error) {
	var s types.IntervalValue
	for _, v := range vs {
		s.Months += v.d.Ival.Months * int32(v.n)
		s.Days += v.d.Ival.Days * int32(v.n)
		s.Micros += v.d.Ival.Micros * v.n
	}
	if f.kind == aggAvg {
		q, err := s.Div(float64(total))
		if err != nil {
			return types.NullDatum(), sqlerr.From(err)
		}
		s = q
	}
	return types.Datum{Ival: s}, nil
}

func naiveNumber(f AggregateFunc, vs []value, total int64) (types.Datum, *sqlerr.Error) {
	var sum types.Decimal
	for _, v := range vs {
		d := v.d.Dec
		if f.Args[0].Kind() == types.KindInt64 {
			d = types.DecimalFromInt64(v.d.Int)
		}
		for range v.n {
			sum, _ = sum.Add(d)
		}
	}
	if f.kind == aggAvg {
		q, err := sum.Div(types.DecimalFromInt64(total))
		if err != nil {
			return types.NullDatum(), sqlerr.From(err)
		}
		return types.Datum{Dec: q}, nil
	}
	if f.Ret == types.Int8 {
		n, ok := sum.Int64()
		if !ok {
			return types.NullDatum(), sqlerr.New(sqlerr.NumericValueOutOfRange, "bigint out of range")
		}
		return types.Datum{Int: n}, nil
	}
	return types.Datum{Dec: sum}, nil
}

// callsOf returns every aggregate of a type: plain, with FILTER, DISTINCT.
func callsOf(t types.Type) (calls []AggregateCall) {
	calls = append(calls, AggregateCall{Func: "count(*)", Filter: -1, Type: types.Int8},
		AggregateCall{Func: "count(*)", Filter: inFilter, Type: types.Int8})
	for f := range Aggregates() {
		if len(f.Args) == 0 || f.Args[0] != t && f.Args[0] != AnyType {
			continue
		}
		c := AggregateCall{Func: f.Signature(), Args: []int{inValue}, Filter: -1, Type: f.Ret, ArgTypes: f.Args}
		calls = append(calls, c)
		c.Filter = inFilter
		calls = append(calls, c)
		c.Distinct = true
		calls = append(calls, c)
		c.Filter = -1
		calls = append(calls, c)
	}
	return calls
}

func aggregateLaw(name string, spec *AggregateSpec, seeds int) *law {
	l := &law{
		name:   name,
		inputs: [][]types.Type{spec.Input},
		make:   func() (Operator, error) { return NewAggregate(spec) },
		naive:  func(in []relation) (relation, relation) { return naiveAggregate(spec, in[0]) },
		append: spec.AppendOnly,
		seeds:  seeds,
	}
	if len(spec.Keys) == 0 {
		l.rest = 1
	}
	return l
}

func TestAggregateLaw(t *testing.T) {
	keys := []types.Type{types.Int8, types.Text, types.Numeric, types.Float8}
	for _, value := range []types.Type{
		types.Int2, types.Int4, types.Int8, types.Numeric, types.Float4, types.Float8, types.Interval,
		types.Text, types.Date, types.Timestamp, types.Bool,
	} {
		for _, appendOnly := range []bool{false, true} {
			for k, key := range keys {
				spec := &AggregateSpec{
					Input: []types.Type{key, types.Int4, types.Bool, value},
					Keys:  []int{inKey}, Calls: callsOf(value), AppendOnly: appendOnly, Arr: 1, Multisets: 2,
				}
				switch k {
				case 2:
					spec.Keys = []int{inKey, 1}
				case 3:
					spec.Keys = nil
				}
				name := value.String() + " by " + key.String()
				if appendOnly {
					name += " append-only"
				}
				aggregateLaw(name, spec, 2).run(t, spec.Output())
			}
		}
	}
}

// TestDistinctLaw is SELECT DISTINCT: a group-by without aggregates.
func TestDistinctLaw(t *testing.T) {
	for _, ts := range [][]types.Type{{types.Int8, types.Text}, {types.Float8, types.Numeric, types.Bool}} {
		spec := &AggregateSpec{Input: ts, Arr: 1, Multisets: 2}
		for c := range ts {
			spec.Keys = append(spec.Keys, c)
		}
		aggregateLaw("distinct", spec, 15).run(t, spec.Output())
	}
}

// TestGroupSize: a group of count(*), sum and max over an 8 byte key takes 60
// bytes at the most, key included.
func TestGroupSize(t *testing.T) {
	op, err := NewAggregate(bidSpec())
	if err != nil {
		t.Fatal(err)
	}
	st := NewMemState()
	for range 20 { // prices up to 10 million, ten thousand bids of each of 100 auctions
		b := zset.NewBatch(bidSpec().Input, 0)
		for i := range 100_000 {
			b.AppendDatums([]types.Datum{{Int: 1<<40 + int64(i%100)}, {Int: 9_999_999 - int64(i%7)}}, 1)
		}
		if err := op.Apply([]Delta{{b}}, st, 1, &Output{}); err != nil {
			t.Fatal(err)
		}
		st.Commit()
	}
	_ = st.Scan(1, nil, nil, func(key, val []byte) bool {
		if n := len(key) + len(val); n > 60 {
			t.Fatalf("group takes %d + %d bytes", len(key), len(val))
		}
		return true
	})
}
