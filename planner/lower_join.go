package planner

import (
	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// keyPair is one equality of a join condition: an expression of the left
// side's columns equals one of the right side's.
type keyPair struct {
	left, right *expr.Expr
	condition   *expr.Expr // the equality, over the columns of both
}

// join lowers a join. Equalities between the sides become its key; a key that
// is no plain column is computed below and dropped above.
func (l *lowerer) join(j *Join) (int, error) {
	j, leftForgets, rightForgets := l.forgetting(j)
	pairs, rest := splitJoinCondition(j)
	left, right := newJoinSide(j.Left), newJoinSide(j.Right)
	spec := &operator.JoinSpec{Kind: operator.JoinKind(j.Kind), LeftForgets: leftForgets, RightForgets: rightForgets}
	shared := l.share(j, left, right, pairs, spec)
	if shared != nil {
		pairs, rest = shared.key, and(rest, shared.rest)
	}
	if j.Kind.lookup() {
		if err := checkLookup(j, shared); err != nil {
			return 0, err
		}
		l.lookups = true
	} else if left.shared == nil {
		spec.LeftArr = l.newArr()
	}
	if right.shared == nil {
		spec.RightArr = l.newArr()
	}
	for _, p := range pairs {
		spec.LeftKey = append(spec.LeftKey, left.key(p.left))
		spec.RightKey = append(spec.RightKey, right.key(p.right))
	}
	spec.Left, spec.Right = left.types(), right.types()
	nl := len(j.Left.Types())
	extra := len(left.extra)
	spec.On = rest
	if rest != nil && extra > 0 {
		spec.On = expr.RemapColumns(rest, func(c int) int {
			if c >= nl {
				return c + extra
			}
			return c
		})
	}
	l1, err := left.lower(l)
	if err != nil {
		return 0, err
	}
	r1, err := right.lower(l)
	if err != nil {
		return 0, err
	}
	at := l.add(dataflow.Node{Inputs: []int{l1, r1}, Join: spec})
	if extra == 0 && len(right.extra) == 0 {
		return at, nil
	}
	drop := &operator.MapSpec{Input: spec.Output(), Project: []*expr.Expr{}}
	for i, t := range j.Types() {
		c := i
		if i >= nl {
			c += extra
		}
		drop.Project = append(drop.Project, expr.Column(c, t))
	}
	return l.add(dataflow.Node{Inputs: []int{at}, Map: drop}), nil
}

// share looks for a side that needs no state of its own: the right one, or of an
// inner join the left one. One side must keep its rows, for it is that one which
// brings the first rows of the result.
func (l *lowerer) share(j *Join, left, right *joinSide, pairs []keyPair, spec *operator.JoinSpec) *sharedSide {
	if !l.view || j.Kind == FullJoin {
		return nil
	}
	if right.shared = shareSide(j.Right, pairs, func(p keyPair) *expr.Expr { return p.right }); right.shared != nil {
		spec.RightShared = right.shared.spec
		return right.shared
	}
	if j.Kind != InnerJoin {
		return nil
	}
	if left.shared = shareSide(j.Left, pairs, func(p keyPair) *expr.Expr { return p.left }); left.shared != nil {
		spec.LeftShared = left.shared.spec
	}
	return left.shared
}

// joinSide is one input of a join with the key columns that are computed for it.
type joinSide struct {
	node   Node
	base   []types.Type
	extra  []*expr.Expr
	shared *sharedSide // nil: the join keeps the side's rows
}

func newJoinSide(n Node) *joinSide { return &joinSide{node: n, base: n.Types()} }

// key returns the column of a key expression, adding it if it is computed.
func (s *joinSide) key(e *expr.Expr) int {
	if e.Op == expr.OpColumn {
		return e.Col
	}
	for i, known := range s.extra {
		if expr.Equal(known, e) {
			return len(s.base) + i
		}
	}
	s.extra = append(s.extra, e)
	return len(s.base) + len(s.extra) - 1
}

func (s *joinSide) types() []types.Type {
	out := append([]types.Type(nil), s.base...)
	return append(out, typesOf(s.extra)...)
}

func (s *joinSide) lower(l *lowerer) (int, error) {
	if s.shared != nil {
		return s.shared.lower(l), nil
	}
	n := s.node
	if len(s.extra) > 0 {
		n = Optimize(&Map{Input: n, Project: append(identityOr(nil, n), s.extra...)})
	}
	return l.lower(n, allColumns(len(n.Types())))
}

// splitJoinCondition separates the equalities that can be the join's key.
func splitJoinCondition(j *Join) (pairs []keyPair, rest *expr.Expr) {
	nl := len(j.Left.Types())
	n := nl + len(j.Right.Types())
	for _, c := range conjuncts(j.On) {
		if p, ok := asKeyPair(c, nl, n); ok {
			pairs = append(pairs, p)
		} else {
			rest = and(rest, c)
		}
	}
	return pairs, rest
}

func asKeyPair(c *expr.Expr, nl, n int) (keyPair, bool) {
	if c.Op != expr.OpCall || len(c.Args) != 2 || !isEquality(c.Func) {
		return keyPair{}, false
	}
	a, b := c.Args[0], c.Args[1]
	if within(a, nl, n) && within(b, 0, nl) {
		a, b = b, a
	}
	if !within(a, 0, nl) || !within(b, nl, n) || a.IsConst() || b.IsConst() {
		return keyPair{}, false
	}
	a, b, ok := sameKeyType(a, b)
	if !ok {
		return keyPair{}, false
	}
	return keyPair{a, expr.RemapColumns(b, func(col int) int { return col - nl }), c}, true
}

// sameKeyType brings both sides of an equality to types with the same key bytes,
// if that changes no value: integers become numeric beside numeric.
func sameKeyType(a, b *expr.Expr) (x, y *expr.Expr, ok bool) {
	ta, tb := a.Type.Base(), b.Type.Base()
	var to types.Type
	switch {
	case ta == tb, integer(ta) && integer(tb), text(ta) && text(tb):
		return a, b, true
	case (integer(ta) || ta == types.Numeric) && (integer(tb) || tb == types.Numeric):
		to = types.Numeric
	default:
		return nil, nil, false
	}
	var err error
	if x, err = expr.Coerce(a, to, expr.Implicit); err != nil {
		return nil, nil, false
	}
	if y, err = expr.Coerce(b, to, expr.Implicit); err != nil {
		return nil, nil, false
	}
	return x, y, true
}

// text says whether a type is a string whose equality is that of its bytes.
func text(t types.Type) bool { return t == types.Text || t == types.Varchar || t == types.Name }

// pruneJoin drops, below a join, the columns that neither the map above nor
// the join's condition reads: a join keeps its inputs as state.
func pruneJoin(n Node) Node {
	m, ok := n.(*Map)
	if !ok || m.Project == nil {
		return n
	}
	j, ok := m.Input.(*Join)
	if !ok {
		return n
	}
	nl, nr := len(j.Left.Types()), len(j.Right.Types())
	need := make(columnSet, nl+nr)
	need.read(m.Filter)
	need.read(j.On)
	for _, e := range m.Project {
		need.read(e)
	}
	move := make([]int, nl+nr)
	left, kept := prune(j.Left, need[:nl], move[:nl], 0)
	right, _ := prune(j.Right, need[nl:], move[nl:], kept)
	if left == j.Left && right == j.Right {
		return n
	}
	remap := func(e *expr.Expr) *expr.Expr {
		if e == nil {
			return nil
		}
		return expr.RemapColumns(e, func(c int) int { return move[c] })
	}
	out := &Map{Input: &Join{Kind: j.Kind, Left: left, Right: right, On: remap(j.On)}, Filter: remap(m.Filter), Project: make([]*expr.Expr, len(m.Project))}
	for i, e := range m.Project {
		out.Project[i] = remap(e)
	}
	return out
}

// prune projects a node to the needed columns and notes where each goes, from
// position first on. It returns the node itself if all are needed.
func prune(n Node, need columnSet, move []int, first int) (pruned Node, end int) {
	ts := n.Types()
	project := []*expr.Expr{}
	for i, used := range need {
		move[i] = first + len(project)
		if used {
			project = append(project, expr.Column(i, ts[i]))
		}
	}
	if len(project) == len(need) {
		return n, first + len(project)
	}
	return &Map{Input: n, Project: project}, first + len(project)
}
