package operator

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// TestJoinForgets joins rows (key, time) whose times are close, while time goes on
// and the inputs take out what no row that is still to come can be the partner of: the result is that of all
// rows, and in the end the state is empty.
func TestJoinForgets(t *testing.T) {
	for _, kind := range []JoinKind{InnerJoin, LeftJoin, FullJoin, SemiJoin, AntiJoin} {
		for seed := range uint64(25) {
			f := newForgetting(t, kind, rand.New(rand.NewPCG(seed, 4)))
			for epoch := range 40 {
				f.epoch(fmt.Sprintf("%s seed %d epoch %d", kind, seed, epoch), true)
			}
			f.now += 1000
			f.epoch(fmt.Sprintf("%s seed %d at the end", kind, seed), false)
			if left := dump(f.st); left != "" {
				t.Errorf("%s seed %d: the state is\n%s", kind, seed, left)
			}
			if t.Failed() {
				return
			}
		}
	}
}

// forgetting is a join of which a right row is at most ahead after its left partners,
// and at most behind before them.
type forgetting struct {
	t             *testing.T
	r             *rand.Rand
	spec          *JoinSpec
	op            *Join
	st            *MemState
	now           int64 // no row is older
	ahead, behind int64
	stays         [2]int64 // how long a row of each side stays
	held          [2][][]types.Datum
	all           [2]relation
	out           relation
}

func newForgetting(t *testing.T, kind JoinKind, r *rand.Rand) *forgetting {
	f := &forgetting{t: t, r: r, st: NewMemState(), ahead: r.Int64N(4), behind: r.Int64N(4), all: [2]relation{{}, {}}, out: relation{}}
	ts := []types.Type{types.Int4, types.Int4}
	lt, rt := expr.Column(1, types.Int4), expr.Column(3, types.Int4)
	on := &expr.Expr{Op: expr.OpAnd, Type: types.Bool, Args: []*expr.Expr{
		call(t, "int4le(int4,int4)", rt, call(t, "int4pl(int4,int4)", lt, int4(f.ahead))),
		call(t, "int4le(int4,int4)", lt, call(t, "int4pl(int4,int4)", rt, int4(f.behind))),
	}}
	f.spec = &JoinSpec{Kind: kind, Left: ts, Right: ts, LeftKey: []int{0}, RightKey: []int{0}, On: on, LeftArr: 1, RightArr: 2, LeftForgets: true, RightForgets: true}
	f.stays = [2]int64{f.ahead, f.behind}
	if kind != InnerJoin {
		f.stays[1] += f.ahead
	}
	if kind == FullJoin {
		f.stays[0] += f.behind
	}
	f.make()
	return f
}

func (f *forgetting) make() {
	op, err := NewJoin(f.spec)
	if err != nil {
		f.t.Fatal(err)
	}
	op.left.inline, op.right.inline = 3, 2
	f.op = op
}

func (f *forgetting) epoch(what string, more bool) {
	f.t.Helper()
	if f.r.IntN(4) == 0 {
		f.make()
	}
	f.now += f.r.Int64N(3)
	in := []Delta{f.delta(0, more), f.delta(1, more)}
	if f.r.IntN(4) == 0 { // computed, but not committed
		if err := f.op.Apply(in, f.st, 1, &Output{}); err != nil {
			f.t.Fatalf("%s: %v", what, err)
		}
		f.st.Rollback()
	}
	var out Output
	if err := f.op.Apply(in, f.st, 1, &out); err != nil {
		f.t.Fatalf("%s: %v", what, err)
	}
	f.st.Commit()
	f.out.addDelta(out.Rows)
	if got, want := f.out.text(f.spec.Output()), f.naive().text(f.spec.Output()); got != want {
		f.t.Fatalf("%s: got\n%swant\n%s", what, got, want)
	}
}

// delta is what a side brings and forgets.
func (f *forgetting) delta(side int, more bool) Delta {
	b := zset.NewBatch(f.spec.Left, 0)
	var kept [][]types.Datum
	for _, row := range f.held[side] {
		if row[1].Int+f.stays[side] < f.now {
			b.AppendDatums(row, -1)
			continue
		}
		kept = append(kept, row)
	}
	for range f.r.IntN(5) {
		row := []types.Datum{{Int: f.r.Int64N(3)}, {Int: f.now + f.r.Int64N(6)}}
		row[0].Null = f.r.IntN(10) == 0
		if more {
			b.AppendDatums(row, 1)
			kept = append(kept, row)
			f.all[side].add(zset.AppendRowDatums(nil, f.spec.Left, row), 1)
		}
	}
	f.held[side] = kept
	if b.N == 0 {
		return nil
	}
	return Delta{b}
}

// naive is the join of all rows that there were.
func (f *forgetting) naive() relation {
	out, lonely := relation{}, relation{}
	both := f.spec.both()
	null := []types.Datum{types.NullDatum(), types.NullDatum()}
	for right, m := range f.all[1] {
		lonely.add([]byte(right), m)
	}
	for left, n := range f.all[0] {
		l, paired := datums(f.spec.Left, left), false
		for right, m := range f.all[1] {
			r := datums(f.spec.Right, right)
			if l[0].Null || r[0].Null || l[0].Int != r[0].Int || r[1].Int > l[1].Int+f.ahead || l[1].Int > r[1].Int+f.behind {
				continue
			}
			paired = true
			delete(lonely, right)
			if !f.spec.alone() {
				out.add(zset.AppendRowDatums(nil, both, append(l[:2:2], r...)), n*m)
			}
		}
		switch {
		case f.spec.alone() && paired == (f.spec.Kind == SemiJoin):
			out.add([]byte(left), n)
		case !paired && (f.spec.Kind == LeftJoin || f.spec.Kind == FullJoin):
			out.add(zset.AppendRowDatums(nil, both, append(l[:2:2], null...)), n)
		}
	}
	if f.spec.Kind == FullJoin {
		for right, m := range lonely {
			out.add(zset.AppendRowDatums(nil, both, append(null[:2:2], datums(f.spec.Right, right)...)), m)
		}
	}
	return out
}
