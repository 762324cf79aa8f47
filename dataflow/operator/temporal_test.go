package operator

import (
	"math"
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// temporalNaive is the filter over the sum of the input at a moment.
func temporalNaive(spec *TemporalSpec, now int64, in relation) relation {
	out := relation{}
	for row, n := range in {
		ds := datums(spec.Input, row)
		keep := true
		for _, b := range spec.From {
			d := ds[b.Column]
			keep = keep && !d.Null && (d.Int == types.TimestampNegInf || d.Int != types.TimestampPosInf && now >= d.Int+b.Shift)
		}
		for _, b := range spec.Until {
			d := ds[b.Column]
			keep = keep && !d.Null && (d.Int == types.TimestampPosInf || d.Int != types.TimestampNegInf && now < d.Int+b.Shift)
		}
		if keep {
			out.add([]byte(row), n)
		}
	}
	return out
}

func TestTemporalLaw(t *testing.T) {
	input := []types.Type{types.Text, types.Timestamptz, types.Timestamp}
	specs := map[string]TemporalSpec{
		"from":       {From: []TimeBound{{Column: 1}}},
		"until":      {Until: []TimeBound{{Column: 1, Shift: 2}}},
		"between":    {From: []TimeBound{{Column: 1, Shift: -1}}, Until: []TimeBound{{Column: 2, Shift: 1}}},
		"all bounds": {From: []TimeBound{{Column: 1}, {Column: 2, Shift: -2}}, Until: []TimeBound{{Column: 1, Shift: 3}, {Column: 2, Shift: 4}}},
	}
	for name, spec := range specs {
		spec.Input, spec.Arr = input, 7
		now := new(int64)
		l := law{name: name, inputs: [][]types.Type{input}, seeds: 25, now: now,
			make: func() (Operator, error) { return NewTemporal(&spec) },
			naive: func(in []relation) (relation, relation) {
				return temporalNaive(&spec, *now, in[0]), relation{}
			}}
		l.run(t, input)
	}
}

// TestTemporalTimers follows one row: when it is in, and when the operator wants
// to be applied again.
func TestTemporalTimers(t *testing.T) {
	spec := &TemporalSpec{Input: []types.Type{types.Timestamptz}, From: []TimeBound{{Shift: 0}}, Until: []TimeBound{{Shift: 10}}, Arr: 3}
	op, err := NewTemporal(spec)
	if err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		now, add int64 // add: weight of the row at 100
		out, due int64
		keys     int
	}{
		{now: 50, add: 2, out: 0, due: 100, keys: 1},
		{now: 99, out: 0, due: 100, keys: 1},
		{now: 100, out: 2, due: 110, keys: 1},
		{now: 105, add: -1, out: -1, due: 110, keys: 1},
		{now: 109, add: 3, out: 3, due: 110, keys: 1},
		{now: 110, add: -4, out: -4, due: NoTimer, keys: 0}, // leaves in full, whatever is retracted meanwhile
		{now: 200, add: 1, out: 0, due: NoTimer, keys: 0},
	}
	st := NewMemState()
	for i, s := range steps {
		var in Delta
		if s.add != 0 {
			b := zset.NewBatch(spec.Input, 1)
			b.AppendDatums([]types.Datum{{Int: 100}}, s.add)
			in = Delta{b}
		}
		st.SetNow(s.now)
		var out Output
		if err := op.Apply([]Delta{in}, st, uint64(i+1), &out); err != nil {
			t.Fatal(err)
		}
		st.Commit()
		var n int64
		for _, b := range out.Rows {
			for r := range b.Len() {
				n += b.WeightAt(b.Row(r))
			}
		}
		if n != s.out || out.Due != s.due || st.Len(3) != s.keys {
			t.Errorf("step %d at %d: %d rows, due %d, %d keys; want %+v", i, s.now, n, out.Due, st.Len(3), s)
		}
	}
}

func TestTemporalEnds(t *testing.T) {
	for _, c := range []struct{ ts, by, want int64 }{
		{0, 5, 5}, {math.MaxInt64, -5, math.MaxInt64}, {math.MinInt64, 5, math.MinInt64},
		{math.MaxInt64 - 1, 5, math.MaxInt64}, {math.MinInt64 + 1, -5, math.MinInt64},
	} {
		if got := shifted(c.ts, c.by); got != c.want {
			t.Errorf("%d moved by %d: %d, want %d", c.ts, c.by, got, c.want)
		}
	}
	spec := &TemporalSpec{Input: []types.Type{types.Timestamptz}, Until: []TimeBound{{}}, Arr: 3}
	op, _ := NewTemporal(spec)
	st := NewMemState()
	b := zset.NewBatch(spec.Input, 1)
	b.AppendDatums([]types.Datum{{Int: math.MaxInt64}}, 1) // never leaves
	b.AppendDatums([]types.Datum{{Int: 10}}, -1)           // was never there
	if err := op.Apply([]Delta{{b}}, st, 1, &Output{}); sqlerr.Code(err) != sqlerr.InternalError {
		t.Errorf("a retraction of nothing: %v", err)
	}
}
