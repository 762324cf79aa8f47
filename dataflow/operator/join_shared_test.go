package operator

import (
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// sharedJoin is a join of input 1 with a relation that is stored by another
// operator, from input 0, as in a view over a table or another view.
type sharedJoin struct {
	stored  Operator
	mapping *Map // nil: none
	join    *Join
	left    bool // the stored relation is the left side
}

func (s *sharedJoin) Apply(in []Delta, st State, epoch uint64, out *Output) error {
	var changes Output
	if len(in[0]) > 0 || epoch == 1 {
		if err := s.stored.Apply(in[:1], st, epoch, &changes); err != nil {
			return err
		}
	}
	rows := changes.Rows
	if s.mapping != nil {
		var mapped Output
		if err := s.mapping.Apply([]Delta{rows}, st, epoch, &mapped); err != nil {
			return err
		}
		rows = mapped.Rows
	}
	sides := []Delta{in[1], rows}
	if s.left {
		sides[0], sides[1] = sides[1], sides[0]
	}
	return s.join.Apply(sides, st, epoch, out)
}

// sharedCase is a law test of a join with a shared side.
type sharedCase struct {
	name     string
	kind     JoinKind
	left     bool
	on, maps bool
	grouped  bool
}

func TestSharedJoinLaw(t *testing.T) {
	for _, c := range []sharedCase{
		{name: "inner", kind: InnerJoin},
		{name: "inner, mapped", kind: InnerJoin, maps: true},
		{name: "inner, condition", kind: InnerJoin, on: true},
		{name: "inner, left side", kind: InnerJoin, left: true},
		{name: "inner, left side, mapped, condition", kind: InnerJoin, left: true, maps: true, on: true},
		{name: "inner, groups", kind: InnerJoin, grouped: true},
		{name: "left", kind: LeftJoin},
		{name: "left, groups, mapped, condition", kind: LeftJoin, grouped: true, maps: true, on: true},
		{name: "semi", kind: SemiJoin, maps: true},
		{name: "semi, condition", kind: SemiJoin, on: true},
		{name: "anti", kind: AntiJoin},
		{name: "anti, groups, condition", kind: AntiJoin, grouped: true, on: true},
	} {
		c.run(t)
	}
}

// relations of the test: rows (k, v, text), stored by k; groups are (k, count).
func (c *sharedCase) run(t *testing.T) {
	input := []types.Type{types.Int8, types.Int4, types.Text}
	other := []types.Type{types.Int4, types.Int4, types.Date} // another type of the same key bytes
	shared := &SharedSide{Arr: 1, Grouped: c.grouped, Types: input}
	group := &AggregateSpec{Input: input, Keys: []int{0}, Arr: 1, AppendOnly: false,
		Calls: []AggregateCall{{Func: "count(*)", Filter: -1, Type: types.Int8}}}
	if c.grouped {
		group.Tail = &MapSpec{Input: []types.Type{types.Int8, types.Int8}, Project: []*expr.Expr{
			expr.Column(0, types.Int8), call(t, "int4(int8)", expr.Column(1, types.Int8))}}
		shared.Types = group.Output()
	}
	side := shared.Types
	if c.maps {
		shared.Map = &MapSpec{Input: side, Filter: call(t, "int4gt(int4,int4)", expr.Column(1, types.Int4), int4(-1)),
			Project: []*expr.Expr{expr.Column(0, side[0]), expr.Column(1, side[1])}}
		side = shared.Map.Output()
	}
	spec := &JoinSpec{Kind: c.kind, Left: other, Right: side, LeftKey: []int{0}, RightKey: []int{0}, LeftArr: 2, RightShared: shared}
	if c.left {
		spec = &JoinSpec{Kind: c.kind, Left: side, Right: other, LeftKey: []int{0}, RightKey: []int{0}, RightArr: 2, LeftShared: shared}
	}
	if c.on {
		spec.On = joinCondition(t, spec)
	}
	l := &law{
		name: c.name, inputs: [][]types.Type{input, other}, seeds: 8,
		make: func() (Operator, error) {
			s := &sharedJoin{left: c.left}
			var err error
			if s.join, err = NewJoin(spec); err != nil {
				return nil, err
			}
			if shared.Map != nil {
				if s.mapping, err = NewMap(shared.Map); err != nil {
					return nil, err
				}
			}
			if c.grouped {
				s.stored, err = NewAggregate(group)
			} else {
				s.stored, err = NewMaterialize(&MaterializeSpec{Input: input, Key: []int{0}, Arr: 1})
			}
			return s, err
		},
		naive: func(in []relation) (relation, relation) { return c.naive(spec, shared, in) },
	}
	if !c.grouped {
		l.unique = []int{0}
	}
	l.run(t, spec.Output())
}

// naive joins what the stored relation shows with the other input.
func (c *sharedCase) naive(spec *JoinSpec, shared *SharedSide, in []relation) (rows, errs relation) {
	stored := in[0]
	if c.grouped {
		counts := map[string]int64{}
		keys := map[string]types.Datum{}
		for row, n := range in[0] {
			k := datums([]types.Type{types.Int8, types.Int4, types.Text}, row)[0]
			key := string(zset.AppendKeyDatum(nil, types.Int8, k))
			counts[key] += n
			keys[key] = k
		}
		stored = relation{}
		for key, n := range counts {
			stored.add(zset.AppendRowDatums(nil, shared.Types, []types.Datum{keys[key], {Int: n}}), 1)
		}
	}
	if shared.Map != nil {
		mapped := relation{}
		for row, n := range stored {
			d := datums(shared.Types, row)
			if !d[1].Null && d[1].Int > -1 {
				mapped.add(zset.AppendRowDatums(nil, shared.Map.Output(), d[:2]), n)
			}
		}
		stored = mapped
	}
	if c.left {
		return naiveJoin(spec, []relation{stored, in[1]})
	}
	return naiveJoin(spec, []relation{in[1], stored})
}

func TestSharedJoinRefuses(t *testing.T) {
	two := []types.Type{types.Int8, types.Text}
	shared := &SharedSide{Arr: 9, Types: two}
	key := []int{0}
	for name, spec := range map[string]JoinSpec{
		"both":        {Kind: InnerJoin, Left: two, Right: two, LeftKey: key, RightKey: key, LeftShared: shared, RightShared: shared},
		"outer":       {Kind: LeftJoin, Left: two, Right: two, LeftKey: key, RightKey: key, LeftShared: shared},
		"no key":      {Kind: InnerJoin, Left: two, Right: two, RightShared: shared},
		"other types": {Kind: InnerJoin, Left: two, Right: two[:1], LeftKey: key, RightKey: key, RightShared: shared},
	} {
		if _, err := NewJoin(&spec); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	j := JoinSpec{Kind: InnerJoin, LeftArr: 3, RightShared: shared}
	if got := j.Arrangements(); len(got) != 1 || got[0] != storage.Arrangement(3) {
		t.Errorf("the join writes %v", got)
	}
}
