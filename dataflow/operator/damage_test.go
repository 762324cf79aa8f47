package operator

import (
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// FuzzStoredImage: whatever bytes are stored under the keys that an operator
// reads, it says so or goes on, and never panics.
func FuzzStoredImage(f *testing.F) {
	ts := []types.Type{types.Int8, types.Numeric, types.Float8, types.Interval, types.Bool}
	row := zset.NewBatch(ts, 1)
	one, _ := types.ParseDecimal([]byte("1.50"))
	row.AppendDatums([]types.Datum{{Int: 1}, {Dec: one}, {Float: 2}, {Ival: types.IntervalValue{Days: 1}}, {Bool: true}}, 1)
	spec := &AggregateSpec{Input: ts, Keys: []int{0, 1}, Arr: 1, Multisets: 2}
	for col := 1; col < len(ts); col++ {
		for fn := range Aggregates() {
			if len(fn.Args) == 1 && fn.Args[0] == ts[col] {
				spec.Calls = append(spec.Calls, AggregateCall{Func: fn.Signature(), Args: []int{col}, Filter: -1, Type: fn.Ret, Distinct: col == 2})
			}
		}
	}
	makers := []func() (Operator, error){
		func() (Operator, error) { return NewAggregate(spec) },
		func() (Operator, error) {
			return NewJoin(&JoinSpec{Kind: LeftJoin, Left: ts, Right: ts, LeftKey: []int{0}, RightKey: []int{0}, LeftArr: 1, RightArr: 2})
		},
		func() (Operator, error) { return NewTopK(&TopKSpec{Input: ts, Limit: 10, Arr: 1}) },
		func() (Operator, error) { return NewMaterialize(&MaterializeSpec{Input: ts, Arr: 1}) },
		func() (Operator, error) { return NewMaterialize(&MaterializeSpec{Input: ts, Key: []int{0}, Arr: 1}) },
	}
	in := []Delta{{row}, {row}}
	keys := make([][]storage.ChangeSet, len(makers))
	for i, make := range makers {
		op, err := make()
		if err != nil {
			f.Fatal(err)
		}
		st := &capture{MemState: NewMemState()}
		if err := op.Apply(in, st, 1, &Output{}); err != nil {
			f.Fatal(err)
		}
		keys[i] = st.sets
		for _, set := range st.sets {
			for k := range set.Vals.Len() {
				f.Add(uint8(i), uint8(set.Arr), set.Vals.At(k))
			}
		}
	}
	f.Fuzz(func(t *testing.T, which, arr uint8, image []byte) {
		i := int(which) % len(makers)
		op, err := makers[i]()
		if err != nil {
			t.Fatal(err)
		}
		st := NewMemState()
		for _, set := range keys[i] {
			if uint8(set.Arr) == arr {
				set.Vals = zset.List{}
				for range set.Keys.Len() {
					set.Vals.Add(image)
				}
			}
			st.Change(set)
		}
		st.Commit()
		_ = op.Apply(in, st, 2, &Output{})
		_ = op.Apply([]Delta{{row.Negate()}, {row.Negate()}}, st, 2, &Output{})
	})
}

// capture keeps the changes of one epoch.
type capture struct {
	*MemState
	sets []storage.ChangeSet
}

func (c *capture) Change(set storage.ChangeSet) { c.sets = append(c.sets, set) }
