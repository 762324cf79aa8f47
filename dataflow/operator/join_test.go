package operator

import (
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// The condition of the join tests is 12 / left.v > right.v.
func joinCondition(t testing.TB, spec *JoinSpec) *expr.Expr {
	l, r := expr.Column(1, types.Int4), expr.Column(len(spec.Left)+1, types.Int4)
	return call(t, "int4gt(int4,int4)", call(t, "int4div(int4,int4)", int4(12), l), r)
}

// naiveOn evaluates that condition.
func naiveOn(l, r types.Datum) (ok bool, err *sqlerr.Error) {
	switch {
	case l.Null:
		return false, nil
	case l.Int == 0:
		return false, sqlerr.New(sqlerr.DivisionByZero, "division by zero")
	}
	return !r.Null && 12/l.Int > r.Int, nil
}

func naiveJoin(spec *JoinSpec, in []relation) (rows, errs relation) {
	rows, errs = relation{}, relation{}
	both := spec.both()
	rights := make(map[string][]types.Datum, len(in[1]))
	for right := range in[1] {
		rights[right] = datums(spec.Right, right)
	}
	nulls := make([]types.Datum, len(spec.Right))
	for i := range nulls {
		nulls[i].Null = true
	}
	lonely := make(map[string]bool, len(in[1]))
	for right := range in[1] {
		lonely[right] = spec.Kind == FullJoin
	}
	for left, n := range in[0] {
		l := datums(spec.Left, left)
		paired := false
		for right, r := range rights {
			if !sameKey(spec, l, r) {
				continue
			}
			pair := append(l[:len(l):len(l)], r...)
			if spec.On != nil {
				ok, err := naiveOn(l[1], r[1])
				if err != nil {
					addError(errs, both, pair, n*in[1][right])
				}
				if !ok {
					continue
				}
			}
			paired, lonely[right] = true, false
			if !spec.alone() {
				rows.add(zset.AppendRowDatums(nil, both, pair), n*in[1][right])
			}
		}
		switch {
		case (spec.Kind == LeftJoin || spec.Kind == FullJoin) && !paired:
			rows.add(zset.AppendRowDatums(nil, both, append(l[:len(l):len(l)], nulls...)), n)
		case spec.Kind == SemiJoin && paired, spec.Kind == AntiJoin && !paired:
			rows.add([]byte(left), n)
		}
	}
	none := make([]types.Datum, len(spec.Left))
	for i := range none {
		none[i].Null = true
	}
	for right, alone := range lonely {
		if alone {
			rows.add(zset.AppendRowDatums(nil, both, append(none[:len(none):len(none)], rights[right]...)), in[1][right])
		}
	}
	return rows, errs
}

func sameKey(spec *JoinSpec, l, r []types.Datum) bool {
	for i, lc := range spec.LeftKey {
		rc := spec.RightKey[i]
		a, b := l[lc], r[rc]
		if a.Null || b.Null ||
			string(zset.AppendKeyDatum(nil, spec.Left[lc], a)) != string(zset.AppendKeyDatum(nil, spec.Right[rc], b)) {
			return false
		}
	}
	return true
}

func TestJoinLaw(t *testing.T) {
	for _, kind := range []JoinKind{InnerJoin, LeftJoin, FullJoin, SemiJoin, AntiJoin} {
		for _, test := range []struct {
			name        string
			left, right types.Type // of the key
			keyed, on   bool
			seeds       int
		}{
			{"few rows a key", types.Numeric, types.Numeric, true, false, 8},
			{"few rows a key, condition", types.Int8, types.Int4, true, true, 8},
			{"many rows a key", types.Bool, types.Bool, true, false, 6},
			{"many rows a key, condition", types.Bool, types.Bool, true, true, 6},
			{"no key, condition", types.Int8, types.Int8, false, true, 3},
		} {
			spec := &JoinSpec{
				Kind:    kind,
				Left:    []types.Type{test.left, types.Int4, types.Text},
				Right:   []types.Type{test.right, types.Int4, types.Date},
				LeftArr: 1, RightArr: 2,
			}
			if test.keyed {
				spec.LeftKey, spec.RightKey = []int{0}, []int{0}
			}
			if test.on {
				spec.On = joinCondition(t, spec)
			}
			l := &law{
				name: string(kind) + ", " + test.name, inputs: [][]types.Type{spec.Left, spec.Right}, seeds: test.seeds,
				make: func() (Operator, error) {
					j, err := NewJoin(spec)
					j.left.inline, j.right.inline = 5, 4 // so that keys grow and shrink over it
					return j, err
				},
				naive: func(in []relation) (relation, relation) { return naiveJoin(spec, in) },
			}
			l.run(t, spec.Output())
		}
	}
}

func TestJoinRefuses(t *testing.T) {
	two := []types.Type{types.Int8, types.Text}
	for _, spec := range []JoinSpec{
		{Kind: "outer", Left: two, Right: two},
		{Kind: InnerJoin, Left: two, Right: two, LeftKey: []int{0}},
		{Kind: InnerJoin, Left: two, Right: two, LeftKey: []int{0}, RightKey: []int{2}},
		{Kind: InnerJoin, Left: two, Right: two, LeftKey: []int{0}, RightKey: []int{1}},
	} {
		if _, err := NewJoin(&spec); err == nil {
			t.Errorf("%+v: no error", spec)
		}
	}
}
