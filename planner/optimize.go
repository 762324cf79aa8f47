package planner

import (
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// rule rewrites one node; it returns the node itself when it does not apply.
type rule struct {
	name  string
	apply func(Node) Node
}

// rules lists the optimizer's rules in the order in which they are tried.
func rules() []rule {
	return []rule{
		{"prune-empty", pruneEmpty},
		{"drop-identity-map", dropIdentityMap},
		{"merge-maps", mergeMaps},
		{"order-joins", orderJoins},
		{"push-filter-into-join", pushFilterIntoJoin},
		{"push-filter-into-map", pushFilterIntoMap},
		{"push-filter-into-window", pushFilterIntoWindow},
		{"drop-dependent-keys", dropDependentKeys},
		{"slice-windows", sliceWindows},
		{"slice-sessions", sliceSessions},
		{"prune-join", pruneJoin},
	}
}

// maxPasses bounds the passes over a plan; each rule makes it smaller or moves
// work down, so that few passes reach the fixed point.
const maxPasses = 20

// Optimize rewrites a plan by the rules until none applies.
func Optimize(n Node) Node {
	for range maxPasses {
		changed := false
		n = bottomUp(n, func(n Node) Node {
			for _, r := range rules() {
				if out := r.apply(n); out != n {
					n, changed = out, true
				}
			}
			return n
		})
		if !changed {
			break
		}
	}
	return n
}

// dropIdentityMap removes a map that keeps all rows and all columns.
func dropIdentityMap(n Node) Node {
	m, ok := n.(*Map)
	if !ok || m.Filter != nil {
		return n
	}
	if m.Project == nil {
		return m.Input
	}
	if len(m.Project) != len(m.Input.Types()) {
		return n
	}
	for i, e := range m.Project {
		if e.Op != expr.OpColumn || e.Col != i {
			return n
		}
	}
	return m.Input
}

// mergeMaps makes one map of two, if no computed column is computed twice by
// that.
func mergeMaps(n Node) Node {
	outer, ok := n.(*Map)
	if !ok {
		return n
	}
	inner, ok := outer.Input.(*Map)
	if !ok || !mayInline(outer, inner) {
		return n
	}
	substitute := func(e *expr.Expr) *expr.Expr {
		if e == nil || inner.Project == nil {
			return e
		}
		return expr.Transform(e, func(n *expr.Expr) *expr.Expr {
			if n.Op == expr.OpColumn {
				return inner.Project[n.Col]
			}
			return n
		})
	}
	merged := &Map{Input: inner.Input, Filter: and(inner.Filter, substitute(outer.Filter))}
	switch {
	case outer.Project == nil:
		merged.Project = inner.Project
	default:
		merged.Project = make([]*expr.Expr, len(outer.Project)) // an empty one is not nil, which means all columns
		for i, e := range outer.Project {
			merged.Project[i] = substitute(e)
		}
	}
	return merged
}

// mayInline says whether every computed column of inner is read at most once.
func mayInline(outer, inner *Map) bool {
	if inner.Project == nil {
		return true
	}
	reads := make([]int, len(inner.Project))
	count := func(e *expr.Expr) {
		if e != nil {
			expr.Walk(e, func(n *expr.Expr) bool {
				if n.Op == expr.OpColumn {
					reads[n.Col]++
				}
				return true
			})
		}
	}
	count(outer.Filter)
	if outer.Project == nil {
		for i := range reads {
			reads[i]++
		}
	}
	for _, e := range outer.Project {
		count(e)
	}
	for i, e := range inner.Project {
		if reads[i] > 1 && e.Op != expr.OpColumn && e.Op != expr.OpConst {
			return false
		}
	}
	return true
}

// pushFilterIntoMap moves the conditions of a filter above a projection that could
// not be merged into it, as far as they read columns that it only passes on.
func pushFilterIntoMap(n Node) Node {
	outer, ok := n.(*Map)
	if !ok || outer.Filter == nil {
		return n
	}
	inner, ok := outer.Input.(*Map)
	if !ok || inner.Project == nil {
		return n
	}
	var below, above *expr.Expr
	for _, c := range conjuncts(outer.Filter) {
		if moved, ok := overPassed(c, inner.Project); ok {
			below = and(below, moved)
		} else {
			above = and(above, c)
		}
	}
	if below == nil {
		return n
	}
	return &Map{Input: &Map{Input: inner.Input, Filter: and(inner.Filter, below), Project: inner.Project}, Filter: above, Project: outer.Project}
}

// overPassed puts an expression over a projection over its input, if it reads
// nothing that the projection computes.
func overPassed(e *expr.Expr, project []*expr.Expr) (out *expr.Expr, ok bool) {
	ok = true
	out = expr.Transform(e, func(n *expr.Expr) *expr.Expr {
		if n.Op != expr.OpColumn || isOuter(n.Col) {
			return n
		}
		ok = ok && project[n.Col].Op == expr.OpColumn
		return project[n.Col]
	})
	return out, ok && !e.IsConst()
}

// and joins two conditions, either of which may be nil.
func and(a, b *expr.Expr) *expr.Expr {
	if a == nil {
		return b
	}
	if b == nil {
		return a
	}
	out := &expr.Expr{Op: expr.OpAnd, Type: types.Bool}
	for _, e := range []*expr.Expr{a, b} {
		if e.Op == expr.OpAnd {
			out.Args = append(out.Args, e.Args...)
		} else {
			out.Args = append(out.Args, e)
		}
	}
	return out
}

// conjuncts splits a condition at its ANDs.
func conjuncts(e *expr.Expr) []*expr.Expr {
	if e == nil {
		return nil
	}
	if e.Op == expr.OpAnd {
		return e.Args
	}
	return []*expr.Expr{e}
}

// pushFilterIntoJoin moves the conditions of a filter above an inner join into
// its ON, and what concerns one side only below the join; above a left join
// only conditions of the left side move, above a full join none.
func pushFilterIntoJoin(n Node) Node {
	m, ok := n.(*Map)
	if !ok {
		if j, ok := n.(*Join); ok {
			return pushOnIntoSides(j)
		}
		return n
	}
	j, ok := m.Input.(*Join)
	if !ok || m.Filter == nil || j.Kind == FullJoin {
		return n
	}
	nl := len(j.Left.Types())
	if j.Kind == InnerJoin {
		joined := &Join{Kind: j.Kind, Left: j.Left, Right: j.Right, On: and(j.On, m.Filter)}
		return &Map{Input: joined, Project: identityOr(m.Project, joined)}
	}
	var below, above *expr.Expr
	for _, c := range conjuncts(m.Filter) {
		if within(c, 0, nl) {
			below = and(below, c)
		} else {
			above = and(above, c)
		}
	}
	if below == nil {
		return n
	}
	joined := &Join{Kind: j.Kind, Left: &Map{Input: j.Left, Filter: below}, Right: j.Right, On: j.On}
	return &Map{Input: joined, Filter: above, Project: identityOr(m.Project, joined)}
}

// identityOr returns the projection, or all columns of n.
func identityOr(project []*expr.Expr, n Node) []*expr.Expr {
	if project != nil {
		return project
	}
	project = []*expr.Expr{}
	for i, t := range n.Types() {
		project = append(project, expr.Column(i, t))
	}
	return project
}

// pushOnIntoSides moves ON conditions that concern one side below the join: of
// an inner join both sides', of a left join the right side's, of a full join none.
func pushOnIntoSides(j *Join) Node {
	if j.Kind == FullJoin {
		return j
	}
	nl := len(j.Left.Types())
	n := nl + len(j.Right.Types())
	var left, right, rest *expr.Expr
	for _, c := range conjuncts(j.On) {
		switch {
		case j.Kind == InnerJoin && within(c, 0, nl) && !c.IsConst():
			left = and(left, c)
		case within(c, nl, n) && !c.IsConst():
			right = and(right, expr.RemapColumns(c, func(col int) int { return col - nl }))
		default:
			rest = and(rest, c)
		}
	}
	if left == nil && right == nil {
		return j
	}
	out := &Join{Kind: j.Kind, Left: j.Left, Right: j.Right, On: rest}
	if left != nil {
		out.Left = &Map{Input: j.Left, Filter: left}
	}
	if right != nil {
		out.Right = &Map{Input: j.Right, Filter: right}
	}
	return out
}

// within says whether an expression reads only columns lo <= c < hi.
func within(e *expr.Expr, lo, hi int) bool {
	ok := true
	expr.Walk(e, func(n *expr.Expr) bool {
		ok = ok && (n.Op != expr.OpColumn || n.Col >= lo && n.Col < hi)
		return ok
	})
	return ok
}
