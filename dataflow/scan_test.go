package dataflow

import (
	"errors"
	"testing"

	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// stored applies one delta to an operator and returns the state it leaves.
func stored(t *testing.T, n Node, rows [][2]int64) *operator.MemState {
	t.Helper()
	op, err := BuildOperator(&n)
	if err != nil {
		t.Fatal(err)
	}
	b := zset.NewBatch(bidTypes, 0)
	for _, r := range rows {
		b.AppendDatums([]types.Datum{{Int: r[0]}, {Int: r[1]}}, 1)
	}
	st := operator.NewMemState()
	var out operator.Output
	if err := op.Apply([]operator.Delta{{b}}, st, 1, &out); err != nil {
		t.Fatal(err)
	}
	st.Commit()
	return st
}

func scanText(t *testing.T, st StoredRows, r ResultSpec, lo, hi []byte, need []int) string {
	t.Helper()
	var d operator.Delta
	err := ScanResult(st, r, lo, hi, need, func(b *zset.Batch) error {
		d = append(d, b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return deltaText(d)
}

func keyOf(v int64) []byte { return zset.AppendKeyDatum(nil, types.Int8, types.Datum{Int: v}) }

func TestScanAndLookup(t *testing.T) {
	rows := [][2]int64{{2, 20}, {1, 5}, {3, 7}}
	keys := []types.Type{types.Int8}
	grouped := countNode(0)
	tests := []struct {
		name           string
		node           Node
		rows           [][2]int64
		spec           ResultSpec
		all, some, one string
	}{
		{
			"grouped", grouped, append(rows, [2]int64{1, 9}),
			ResultSpec{Arr: 1, Grouped: true, Types: grouped.Output(), Key: keys},
			"+1(1,2,9,2) +1(2,1,20,1) +1(3,1,7,1)", "+1(2,1,20,1)", "+1(2,1,20,1)",
		},
		{
			"keyed", Node{Materialize: &operator.MaterializeSpec{Input: bidTypes, Key: []int{0}, Arr: 1}}, rows,
			ResultSpec{Arr: 1, Keyed: true, Types: bidTypes, Key: keys},
			"+1(1,5) +1(2,20) +1(3,7)", "+1(2,20)", "+1(2,20)",
		},
		{
			"keyless", Node{Materialize: &operator.MaterializeSpec{Input: bidTypes, Arr: 1}}, append(rows, [2]int64{1, 5}),
			ResultSpec{Arr: 1, Types: bidTypes},
			"+2(1,5) +1(2,20) +1(3,7)", "", "",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			st := stored(t, test.node, test.rows)
			if got := scanText(t, st, test.spec, nil, nil, nil); got != test.all {
				t.Errorf("all: %s, want %s", got, test.all)
			}
			if test.some == "" {
				return
			}
			if got := scanText(t, st, test.spec, keyOf(2), keyOf(3), nil); got != test.some {
				t.Errorf("range: %s, want %s", got, test.some)
			}
			var d operator.Delta
			err := LookupResult(st, test.spec, keyOf(2), func(b *zset.Batch) error { d = append(d, b); return nil })
			if err != nil || deltaText(d) != test.one {
				t.Errorf("lookup: %s, %v", deltaText(d), err)
			}
			err = LookupResult(st, test.spec, keyOf(9), func(*zset.Batch) error { return errors.New("there is no such row") })
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestScanNeedAndErrors(t *testing.T) {
	rows := make([][2]int64, 5000)
	for i := range rows {
		rows[i] = [2]int64{int64(i), 1}
	}
	st := stored(t, Node{Materialize: &operator.MaterializeSpec{Input: bidTypes, Key: []int{0}, Arr: 1}}, rows)
	spec := ResultSpec{Arr: 1, Keyed: true, Types: bidTypes, Key: bidTypes[:1]}
	n := 0
	err := ScanResult(st, spec, nil, nil, []int{0}, func(b *zset.Batch) error {
		if b.Cols[1].Len() != 0 || b.Cols[0].Len() != b.N || b.Cols[0].Int[0] != int64(n) {
			t.Fatalf("batch of %d rows after %d", b.N, n)
		}
		n += b.N
		return nil
	})
	if err != nil || n != len(rows) {
		t.Fatalf("%d rows, %v", n, err)
	}
	stop := errors.New("enough")
	if err := ScanResult(st, spec, nil, nil, nil, func(*zset.Batch) error { return stop }); err != stop {
		t.Fatalf("error of emit: %v", err)
	}
	spec.Types = []types.Type{types.Text}
	if err := ScanResult(st, spec, nil, nil, nil, func(*zset.Batch) error { return nil }); sqlerr.Code(err) != sqlerr.DataCorrupted {
		t.Fatalf("rows of other types: %v", err)
	}
}

// TestHiddenGroup: a group that HAVING does not let through is stored, not shown.
func TestHiddenGroup(t *testing.T) {
	n := countNode(0)
	n.Aggregate.Tail = &operator.MapSpec{Input: n.Output(), Filter: expensive()}
	rows := make([][2]int64, 0, 12)
	for range 11 {
		rows = append(rows, [2]int64{1, 5})
	}
	rows = append(rows, [2]int64{2, 5})
	st := stored(t, n, rows)
	spec := ResultSpec{Arr: 1, Grouped: true, Types: n.Output(), Key: bidTypes[:1]}
	if got := scanText(t, st, spec, nil, nil, nil); got != "+1(1,11,5,1)" {
		t.Fatal(got)
	}
	if n := st.Len(storage.Arrangement(1)); n != 2 {
		t.Fatalf("%d groups are stored", n)
	}
}

func FuzzDecodeStored(f *testing.F) {
	f.Add([]byte{1, 0, 2, 4}, []byte{1})
	f.Fuzz(func(t *testing.T, key, val []byte) {
		for _, spec := range []ResultSpec{
			{Types: bidTypes}, {Keyed: true, Types: bidTypes}, {Grouped: true, Types: bidTypes},
		} {
			d := newResultDecoder(spec, nil)
			_ = d.add(key, val) // must not panic
		}
	})
}
