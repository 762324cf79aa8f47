package operator

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// TestLookupJoin looks rows up in a table that changes in the same epochs: each has what the
// table has after its epoch, for good, through restarts and epochs that are given up; of the rows
// nothing is kept.
func TestLookupJoin(t *testing.T) {
	for _, kind := range []JoinKind{LookupJoin, LeftLookupJoin} {
		for _, on := range []bool{false, true} {
			for seed := range uint64(20) {
				l := newLookups(t, kind, on, rand.New(rand.NewPCG(seed, 9)))
				for epoch := range 30 {
					l.epoch(fmt.Sprintf("%s %v seed %d epoch %d", kind, on, seed, epoch))
				}
				if n := l.st.Len(2); n != 0 {
					t.Errorf("%d keys of rows are kept", n)
				}
			}
		}
	}
}

type lookups struct {
	t     *testing.T
	r     *rand.Rand
	spec  *JoinSpec
	join  *sharedJoin
	st    *MemState
	table map[int64][]types.Datum
	want  relation
	errs  relation
	out   relation
	bad   relation
}

func newLookups(t *testing.T, kind JoinKind, on bool, r *rand.Rand) *lookups {
	ts := []types.Type{types.Int4, types.Int4}
	l := &lookups{t: t, r: r, st: NewMemState(), table: map[int64][]types.Datum{}, want: relation{}, errs: relation{}, out: relation{}, bad: relation{},
		spec: &JoinSpec{Kind: kind, Left: ts, Right: ts, LeftKey: []int{0}, RightKey: []int{0}, LeftArr: 2, RightShared: &SharedSide{Arr: 1, Types: ts}}}
	if on {
		l.spec.On = joinCondition(t, l.spec)
	}
	l.restart()
	return l
}

func (l *lookups) restart() {
	join, err := NewJoin(l.spec)
	if err != nil {
		l.t.Fatal(err)
	}
	stored, err := NewMaterialize(&MaterializeSpec{Input: l.spec.Right, Key: []int{0}, Arr: 1})
	if err != nil {
		l.t.Fatal(err)
	}
	l.join = &sharedJoin{join: join, stored: stored}
}

func (l *lookups) epoch(what string) {
	l.t.Helper()
	if l.r.IntN(5) == 0 {
		l.restart()
	}
	in := []Delta{l.change(), l.rows()}
	if l.r.IntN(4) == 0 { // computed, but not committed
		if err := l.join.Apply(in, l.st, 2, &Output{}); err != nil {
			l.t.Fatalf("%s: %v", what, err)
		}
		l.st.Rollback()
		l.restart()
	}
	var out Output
	if err := l.join.Apply(in, l.st, 2, &out); err != nil {
		l.t.Fatalf("%s: %v", what, err)
	}
	l.st.Commit()
	l.out.addDelta(out.Rows)
	l.bad.addDelta(out.Errors)
	if got, want := l.out.text(l.spec.Output()), l.want.text(l.spec.Output()); got != want {
		l.t.Fatalf("%s: got\n%swant\n%s", what, got, want)
	}
	if got, want := l.bad.text(ErrorSchema()), l.errs.text(ErrorSchema()); got != want {
		l.t.Fatalf("%s: errors\n%swant\n%s", what, got, want)
	}
}

// change changes the table.
func (l *lookups) change() Delta {
	b := zset.NewBatch(l.spec.Right, 0)
	for k := range int64(4) {
		if l.r.IntN(3) > 0 {
			continue
		}
		if old := l.table[k]; old != nil {
			b.AppendDatums(old, -1)
			delete(l.table, k)
		}
		if l.r.IntN(3) > 0 {
			l.table[k] = []types.Datum{{Int: k}, {Int: l.r.Int64N(5)}}
			b.AppendDatums(l.table[k], 1)
		}
	}
	if b.N == 0 {
		return nil
	}
	return Delta{b}
}

// rows makes rows to look up, and notes what is to come of them.
func (l *lookups) rows() Delta {
	b := zset.NewBatch(l.spec.Left, 0)
	for range l.r.IntN(6) {
		row := []types.Datum{{Int: l.r.Int64N(5), Null: l.r.IntN(8) == 0}, {Int: l.r.Int64N(4)}}
		n := 1 + l.r.Int64N(2)
		b.AppendDatums(row, n)
		right, paired := l.table[row[0].Int], false
		if row[0].Null {
			right = nil
		}
		if right != nil {
			pair := append(row[:2:2], right...)
			paired = true
			if l.spec.On != nil {
				ok, err := naiveOn(row[1], right[1])
				if err != nil {
					addError(l.errs, l.spec.both(), pair, n)
				}
				paired = ok
			}
			if paired {
				l.want.add(zset.AppendRowDatums(nil, l.spec.both(), pair), n)
			}
		}
		if !paired && l.spec.Kind == LeftLookupJoin {
			l.want.add(zset.AppendRowDatums(nil, l.spec.both(), append(row[:2:2], types.NullDatum(), types.NullDatum())), n)
		}
	}
	if b.N == 0 {
		return nil
	}
	return Delta{b}
}

func TestLookupJoinRefuses(t *testing.T) {
	ts := []types.Type{types.Int4, types.Int4}
	if _, err := NewJoin(&JoinSpec{Kind: LookupJoin, Left: ts, Right: ts, LeftKey: []int{0}, RightKey: []int{0}, LeftArr: 1, RightArr: 2}); err == nil {
		t.Error("a lookup join keeps its right side itself")
	}
	spec := &JoinSpec{Kind: LookupJoin, RightShared: &SharedSide{}}
	if own := spec.Arrangements(); fmt.Sprint(own) != fmt.Sprint([]storage.Arrangement(nil)) {
		t.Errorf("it writes %v", own)
	}
}
