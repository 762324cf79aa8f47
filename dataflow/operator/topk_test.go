package operator

import (
	"bytes"
	"slices"
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
)

func naiveTopK(spec *TopKSpec, in relation) relation {
	type ranked struct {
		key []byte
		row string
	}
	var all []ranked
	for row := range in {
		ds := datums(spec.Input, row)
		var key []byte
		for _, k := range spec.Order {
			key = zset.AppendKeyDatumOrdered(key, spec.Input[k.Column], ds[k.Column], k.Desc, k.NullsFirst)
		}
		all = append(all, ranked{append(key, row...), row})
	}
	slices.SortFunc(all, func(a, b ranked) int { return bytes.Compare(a.key, b.key) })
	out := relation{}
	at := int64(0)
	for _, r := range all {
		for range in[r.row] {
			if at >= spec.Offset && (spec.Limit < 0 || at < spec.Offset+spec.Limit) {
				out.add([]byte(r.row), 1)
			}
			at++
		}
	}
	return out
}

func TestTopKLaw(t *testing.T) {
	ts := []types.Type{types.Numeric, types.Text, types.Int4}
	for _, appendOnly := range []bool{false, true} {
		for _, spec := range []TopKSpec{
			{Order: []OrderKey{{Column: 0}}, Limit: 3},
			{Order: []OrderKey{{Column: 2, Desc: true, NullsFirst: true}, {Column: 1}}, Limit: 4, Offset: 2},
			{Order: []OrderKey{{Column: 1, Desc: true}}, Limit: -1, Offset: 5},
			{Limit: 2},
			{Limit: 0},
		} {
			spec.Input, spec.AppendOnly, spec.Arr = ts, appendOnly, 1
			l := &law{
				name: "top", inputs: [][]types.Type{ts}, append: appendOnly, seeds: 15,
				make:  func() (Operator, error) { return NewTopK(&spec) },
				naive: func(in []relation) (relation, relation) { return naiveTopK(&spec, in[0]), relation{} },
			}
			l.run(t, ts)
		}
	}
}

// TestTopKForgets: over an input that only appends no more is kept than the
// window needs.
func TestTopKForgets(t *testing.T) {
	ts := []types.Type{types.Int8}
	op, err := NewTopK(&TopKSpec{Input: ts, Order: []OrderKey{{Column: 0}}, Limit: 2, Offset: 1, AppendOnly: true, Arr: 1})
	if err != nil {
		t.Fatal(err)
	}
	st := NewMemState()
	for i := range 50 {
		b := zset.NewBatch(ts, 1)
		b.AppendDatums([]types.Datum{{Int: int64(100 - i)}}, 1)
		if err := op.Apply([]Delta{{b}}, st, uint64(i), &Output{}); err != nil {
			t.Fatal(err)
		}
		st.Commit()
	}
	if n := st.Len(1); n != 3 {
		t.Fatalf("%d rows are kept", n)
	}
}

func TestUnionLaw(t *testing.T) {
	ts := []types.Type{types.Int8, types.Text}
	l := &law{
		name: "three sides", inputs: [][]types.Type{ts, ts, ts}, seeds: 15,
		make: func() (Operator, error) { return NewUnion(&UnionSpec{Input: ts, Sides: 3}) },
		naive: func(in []relation) (rows, errs relation) {
			rows = relation{}
			for _, r := range in {
				for row, n := range r {
					rows.add([]byte(row), n)
				}
			}
			return rows, relation{}
		},
	}
	l.run(t, ts)
}
