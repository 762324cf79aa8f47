package operator

import (
	"bytes"
	"slices"
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
)

// TestOrderedArrayLaw: array_agg(v ORDER BY o DESC) by k.
func TestOrderedArrayLaw(t *testing.T) {
	ts := []types.Type{types.Int4, types.Text, types.Int4}
	spec := &AggregateSpec{Input: ts, Keys: []int{0}, Arr: 1, Multisets: 2, Calls: []AggregateCall{
		{Func: "array_agg(text)", Args: []int{1}, Filter: -1, Type: types.TextArray, Order: []OrderKey{{Column: 2, Desc: true, NullsFirst: true}}},
	}}
	l := &law{
		name: "ordered array", inputs: [][]types.Type{ts}, seeds: 15,
		make:  func() (Operator, error) { return NewAggregate(spec) },
		naive: func(in []relation) (relation, relation) { return naiveOrdered(ts, in[0]), relation{} },
	}
	l.run(t, ts)
}

func naiveOrdered(ts []types.Type, in relation) relation {
	type element struct {
		order []byte
		value types.Datum
	}
	byKey := map[string][]element{}
	keys := map[string]types.Datum{}
	for row, n := range in {
		b := zset.NewBatch(ts, 1)
		b.AppendDatums(datums(ts, row), 1)
		order := zset.AppendKeyOrdered(nil, &b.Cols[2], 0, true, true)
		order = zset.AppendKeyOrdered(order, &b.Cols[1], 0, false, false)
		k := string(zset.AppendKey(nil, &b.Cols[0], 0))
		keys[k] = b.Cols[0].Datum(0)
		for range n {
			byKey[k] = append(byKey[k], element{order, b.Cols[1].Datum(0)})
		}
	}
	rows := relation{}
	for k, elements := range byKey {
		slices.SortFunc(elements, func(x, y element) int { return bytes.Compare(x.order, y.order) })
		values := make([]types.Datum, len(elements))
		for i, e := range elements {
			values[i] = e.value
		}
		array := types.AppendArray(nil, types.Text, []types.Dim{{Len: int32(len(values)), Lower: 1}}, values)
		rows.add(zset.AppendRowDatums(nil, []types.Type{types.Int4, types.TextArray}, []types.Datum{keys[k], {Bytes: array}}), 1)
	}
	return rows
}
