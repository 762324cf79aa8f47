package operator

import (
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// The naive query of Materialize is the identity.
func TestMaterializeLaw(t *testing.T) {
	ts := []types.Type{types.Int8, types.Text, types.Numeric}
	for _, key := range [][]int{nil, {0}, {2, 1}} {
		spec := &MaterializeSpec{Input: ts, Key: key, Arr: 1}
		l := &law{
			name: "keyless", inputs: [][]types.Type{ts}, unique: key, seeds: 40,
			make:  func() (Operator, error) { return NewMaterialize(spec) },
			naive: func(in []relation) (relation, relation) { return in[0], relation{} },
		}
		if key != nil {
			l.name = "keyed"
		}
		l.run(t, ts)
	}
}

// TestBrokenInput: what an input cannot have delivered is XX000, never an answer.
func TestBrokenInput(t *testing.T) {
	ts := []types.Type{types.Int8, types.Int8}
	row := func(k, v, weight int64) *zset.Batch {
		b := zset.NewBatch(ts, 1)
		b.AppendDatums([]types.Datum{{Int: k}, {Int: v}}, weight)
		return b
	}
	materialize := func(key ...int) func() (Operator, error) {
		return func() (Operator, error) { return NewMaterialize(&MaterializeSpec{Input: ts, Key: key, Arr: 1}) }
	}
	aggregate := func(f string, appendOnly bool) func() (Operator, error) {
		return func() (Operator, error) {
			fn, _ := lookupAggregate(f)
			a := &AggregateSpec{Input: ts, Keys: []int{0}, AppendOnly: appendOnly, Arr: 1, Multisets: 2,
				Calls: []AggregateCall{{Func: f, Args: []int{1}, Filter: -1, Type: fn.Ret}}}
			return NewAggregate(a)
		}
	}
	tests := []struct {
		name   string
		make   func() (Operator, error)
		epochs []Delta
	}{
		{"keyless below zero", materialize(), []Delta{{row(1, 1, 1)}, {row(1, 1, -2)}}},
		{"keyless unknown row", materialize(), []Delta{{row(1, 1, -1)}}},
		{"keyed unknown row", materialize(0), []Delta{{row(1, 1, -1)}}},
		{"keyed other row", materialize(0), []Delta{{row(1, 1, 1)}, {row(1, 2, -1)}}},
		{"keyed second row", materialize(0), []Delta{{row(1, 1, 1)}, {row(1, 2, 1)}}},
		{"keyed two rows", materialize(0), []Delta{{row(1, 1, 1), row(1, 2, 1)}}},
		{"keyed weight two", materialize(0), []Delta{{row(1, 1, 2)}}},
		{"group below zero", aggregate("sum(int8)", false), []Delta{{row(1, 1, 1)}, {row(1, 1, -2)}}},
		{"group of no rows with a sum", aggregate("sum(int8)", false), []Delta{{row(1, 1, 1)}, {row(1, 2, -1)}}},
		{"value below zero", aggregate("min(int8)", false), []Delta{{row(1, 1, 2)}, {row(1, 2, -1)}}},
		{"append-only retracts", aggregate("min(int8)", true), []Delta{{row(1, 1, 2)}, {row(1, 1, -1)}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			op, err := test.make()
			if err != nil {
				t.Fatal(err)
			}
			st := NewMemState()
			for n, d := range test.epochs {
				var out Output
				err := op.Apply([]Delta{d}, st, uint64(n), &out)
				if last := n == len(test.epochs)-1; last != (sqlerr.Code(err) == sqlerr.InternalError) {
					t.Fatalf("epoch %d: %v", n, err)
				}
				st.Commit()
			}
		})
	}
}
