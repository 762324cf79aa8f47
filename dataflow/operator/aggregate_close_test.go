package operator

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
)

// TestGroupClosing compares an aggregate that frees closed groups with one that keeps
// all, over rows that do not come to closed groups: the output is the same, through restarts
// and epochs that are given up, and of closed groups nothing is left.
func TestGroupClosing(t *testing.T) {
	spec := func(closes *GroupClosing) *AggregateSpec {
		return &AggregateSpec{
			Input: []types.Type{types.Int4, types.Timestamptz}, Keys: []int{1, 0}, Closes: closes, Arr: 5, Multisets: 6,
			Calls: []AggregateCall{
				{Func: "count(*)", Filter: -1, Type: types.Int8},
				{Func: "sum(int4)", Args: []int{0}, Distinct: true, Filter: -1, Type: types.Int8, ArgTypes: []types.Type{types.Int4}},
			},
		}
	}
	closes := &GroupClosing{Shift: 10}
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 3))
		made := func(s *AggregateSpec) *Aggregate {
			a, err := NewAggregate(s)
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		freeing, keeping := made(spec(closes)), made(spec(nil))
		st, all := &recorder{MemState: NewMemState()}, NewMemState()
		clock := int64(0)
		for epoch := range uint64(40) {
			if r.IntN(5) == 0 {
				freeing, st.known = made(spec(closes)), false
			}
			if r.IntN(3) == 0 {
				clock += r.Int64N(25)
			}
			st.SetNow(clock)
			in := openRows(r, clock-closes.Shift)
			apply := func() *Output {
				var out Output
				if err := freeing.Apply([]Delta{in}, st, epoch, &out); err != nil {
					t.Fatal(err)
				}
				return &out
			}
			if r.IntN(4) == 0 {
				apply()
				st.Rollback()
			}
			got, want := apply(), &Output{}
			if err := keeping.Apply([]Delta{in}, all, epoch, want); err != nil {
				t.Fatal(err)
			}
			st.Commit()
			all.Commit()
			st.known, st.fired, st.due = true, clock, got.Due
			sum, wanted := relation{}, relation{}
			sum.addDelta(got.Rows)
			wanted.addDelta(want.Rows)
			if ts := keeping.spec.Output(); sum.text(ts) != wanted.text(ts) {
				t.Fatalf("seed %d epoch %d: got\n%swant\n%s", seed, epoch, sum.text(ts), wanted.text(ts))
			}
			if got.Due <= clock {
				t.Fatalf("seed %d epoch %d: due at %d, the clock is at %d", seed, epoch, got.Due, clock)
			}
			checkClosed(t, fmt.Sprintf("seed %d epoch %d", seed, epoch), freeing, st, clock)
		}
		if all.Len(5) <= st.Len(5) {
			t.Errorf("seed %d: %d of %d groups are left", seed, st.Len(5), all.Len(5))
		}
	}
}

// openRows makes rows of groups behind a time.
func openRows(r *rand.Rand, behind int64) Delta {
	b := zset.NewBatch([]types.Type{types.Int4, types.Timestamptz}, 0)
	for range r.IntN(10) {
		b.AppendDatums([]types.Datum{{Int: r.Int64N(3)}, {Int: behind + 1 + r.Int64N(30)}}, 1)
	}
	if b.N == 0 {
		return nil
	}
	return Delta{b}
}

func checkClosed(t *testing.T, what string, a *Aggregate, st State, clock int64) {
	t.Helper()
	for _, arr := range a.spec.Arrangements() {
		err := st.Scan(arr, nil, nil, func(key, _ []byte) bool {
			at, err := a.closingTime(key)
			if err != nil || at <= clock {
				t.Fatalf("%s: a group that was closed at %d is in arrangement %d at %d: %v", what, at, arr, clock, err)
			}
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestGroupClosingInParts closes more groups than an epoch may.
func TestGroupClosingInParts(t *testing.T) {
	spec := &AggregateSpec{Input: []types.Type{types.Timestamptz}, Keys: []int{0}, Closes: &GroupClosing{}, Arr: 5,
		Calls: []AggregateCall{{Func: "count(*)", Filter: -1, Type: types.Int8}}}
	a, err := NewAggregate(spec)
	if err != nil {
		t.Fatal(err)
	}
	const groups = closeAtOnce + 1000
	b := zset.NewBatch(spec.Input, groups)
	for i := range groups {
		b.AppendDatums([]types.Datum{{Int: int64(i + 1)}}, 1)
	}
	st := &recorder{MemState: NewMemState(), known: true, fired: 0, due: 1}
	clocks := []int64{0, groups, groups, groups + 5}
	want := []int{groups, 1000, 0, 0}
	dues := []int64{1, closeAtOnce + 1, groups + 1, groups + 6}
	for i, clock := range clocks {
		st.SetNow(clock)
		var in Delta
		if i == 0 {
			in = Delta{b}
		}
		var out Output
		if err := a.Apply([]Delta{in}, st, uint64(i), &out); err != nil {
			t.Fatal(err)
		}
		st.Commit()
		st.fired, st.due = clock, out.Due
		if n := st.Len(5); n != want[i] || out.Due != dues[i] {
			t.Errorf("clock %d: %d groups, due at %d; want %d, %d", clock, n, out.Due, want[i], dues[i])
		}
	}
}
