package operator

import (
	"slices"
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
)

// naiveSessions joins rows of one partition that are no further apart than the gap.
func naiveSessions(spec *SessionSpec, in relation) (rows, errs relation) {
	rows, errs = relation{}, relation{}
	type item struct {
		row       []types.Datum
		n         int64
		low, high int64
	}
	parts := map[string][]item{}
	for row, n := range in {
		ds := datums(spec.Input, row)
		if ds[spec.Low].Null || ds[spec.High].Null {
			continue
		}
		key := ""
		for _, c := range spec.Partition {
			key += string(zset.AppendKeyDatum(nil, spec.Input[c], ds[c]))
		}
		parts[key] = append(parts[key], item{ds, n, ds[spec.Low].Int, max(ds[spec.Low].Int, ds[spec.High].Int)})
	}
	for _, items := range parts {
		slices.SortFunc(items, func(a, b item) int { return int(a.low - b.low) })
		for from := 0; from < len(items); {
			end, last := from+1, items[from].high
			for end < len(items) && items[end].low <= last+spec.Gap {
				last = max(last, items[end].high)
				end++
			}
			for _, it := range items[from:end] {
				out := append(it.row[:len(it.row):len(it.row)], types.Datum{Int: items[from].low}, types.Datum{Int: last + spec.Gap})
				rows.add(zset.AppendRowDatums(nil, spec.Output(), out), it.n)
			}
			from = end
		}
	}
	return rows, errs
}

func TestSessionLaw(t *testing.T) {
	specs := map[string]*SessionSpec{
		"events": {Input: []types.Type{types.Int4, types.Timestamp}, Partition: []int{0}, Low: 1, High: 1, Gap: 1, Rows: 1, Sessions: 2},
		"all":    {Input: []types.Type{types.Int4, types.Timestamptz}, Low: 1, High: 1, Gap: 2, Rows: 1, Sessions: 2},
		"text":   {Input: []types.Type{types.Text, types.Numeric, types.Timestamp}, Partition: []int{0, 1}, Low: 2, High: 2, Gap: 3, Rows: 1, Sessions: 2},
	}
	for name, spec := range specs {
		l := &law{
			name:   name,
			seeds:  40,
			inputs: [][]types.Type{spec.Input},
			make:   func() (Operator, error) { return NewSession(spec) },
			naive:  func(in []relation) (rows, errs relation) { return naiveSessions(spec, in[0]) },
		}
		l.run(t, spec.Output())
	}
}
