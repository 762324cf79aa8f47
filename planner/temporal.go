package planner

import (
	"slices"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// Maintained optimizes the plan of a view: conditions on now() become temporal
// filters, whose rows enter and leave by timers. 0A000 where the view would
// change with the clock in any other way.
func Maintained(n Node) (Node, error) {
	var failure error
	n = bottomUp(Optimize(n), func(n Node) Node {
		out, err := temporalFilters(n)
		if err != nil && failure == nil {
			failure = err
		}
		return out
	})
	if failure != nil {
		return nil, failure
	}
	n = bottomUp(n, sinkTemporal)
	if err := refuseClock(n); err != nil {
		return nil, err
	}
	return Optimize(n), nil
}

// temporalFilters takes the conditions on the clock out of a filter, or out of
// the condition of an inner join.
func temporalFilters(n Node) (Node, error) {
	switch n := n.(type) {
	case *Map:
		rest, bounds, err := clockBounds(n.Filter)
		if bounds == nil || err != nil {
			return n, err
		}
		return &Map{Input: &Temporal{Input: &Map{Input: n.Input, Filter: rest}, Bounds: bounds}, Project: n.Project}, nil
	case *Join:
		if n.Kind != InnerJoin {
			return n, nil
		}
		rest, bounds, err := clockBounds(n.On)
		if bounds == nil || err != nil {
			return n, err
		}
		return &Temporal{Input: &Join{Kind: n.Kind, Left: n.Left, Right: n.Right, On: rest}, Bounds: bounds}, nil
	}
	return n, nil
}

// clockBounds splits a condition into the parts that do not read the clock and
// the bounds that the others set to it.
func clockBounds(filter *expr.Expr) (rest *expr.Expr, bounds []expr.ClockBound, err error) {
	for _, c := range conjuncts(filter) {
		for _, part := range expr.Conjuncts(c) {
			if expr.ClockCall(part) == nil {
				rest = and(rest, part)
				continue
			}
			solved, err := expr.ClockComparison(part)
			if err != nil {
				return nil, nil, err
			}
			bounds = append(bounds, solved...)
		}
	}
	return rest, bounds, nil
}

// sinkTemporal moves temporal filters down.
func sinkTemporal(n Node) Node {
	if t, ok := n.(*Temporal); ok {
		return temporal(t.Input, t.Bounds)
	}
	return n
}

// temporal filters the rows of n by bounds. Those that concern one side of a
// join are set below it, so that the join lets go of its rows, too; NULLs that a
// left join makes up are not the right side's.
func temporal(n Node, bounds []expr.ClockBound) Node {
	if len(bounds) == 0 {
		return n
	}
	if m, ok := n.(*Map); ok && m.Filter == nil && m.Project == nil {
		n = m.Input
	}
	j, ok := n.(*Join)
	if !ok {
		return &Temporal{Input: n, Bounds: bounds}
	}
	var left, right, above []expr.ClockBound
	nl := len(j.Left.Types())
	for _, b := range bounds {
		switch {
		case b.Value.IsConst():
			above = append(above, b)
		case within(b.Value, 0, nl):
			left = append(left, b)
		case j.Kind == InnerJoin && within(b.Value, nl, nl+len(j.Right.Types())):
			b.Value = expr.ShiftColumns(b.Value, -nl)
			right = append(right, b)
		default:
			above = append(above, b)
		}
	}
	joined := &Join{Kind: j.Kind, Left: temporal(j.Left, left), Right: temporal(j.Right, right), On: j.On}
	if above == nil {
		return joined
	}
	return &Temporal{Input: joined, Bounds: above}
}

// refuseClock refuses what still reads the clock.
func refuseClock(n Node) error {
	var failure error
	mapExprs(n, func(e *expr.Expr) *expr.Expr {
		if c := expr.ClockCall(e); c != nil && failure == nil {
			f, _ := expr.Lookup(c.Func)
			failure = notSupported(c.Pos, "%s cannot be used here in a materialized view", f.Name).
				WithDetail("A view changes only when its inputs do, or when rows enter and leave it by conditions on now().").
				WithHint("Use it in WHERE, as in ts > now() - INTERVAL '1 hour', or when you read the view.")
		}
		return e
	})
	return failure
}

// leaves says whether rows leave by the clock.
func (t *Temporal) leaves() bool {
	return slices.ContainsFunc(t.Bounds, func(b expr.ClockBound) bool { return b.Until })
}

// temporal lowers a temporal filter that is read as it is.
func (l *lowerer) temporal(t *Temporal, above columnSet) (int, error) {
	node, at, err := l.prunedTemporal(t, above)
	if err != nil {
		return 0, err
	}
	input := l.graph.Nodes[node].Temporal.Input
	restored := &operator.MapSpec{Input: input}
	for c, typ := range t.Types() {
		e := expr.Constant(typ, types.NullDatum())
		if at[c] >= 0 {
			e = expr.Column(at[c], typ)
		}
		restored.Project = append(restored.Project, e)
	}
	if identity(restored.Project, len(input)) {
		return node, nil
	}
	return l.add(dataflow.Node{Inputs: []int{node}, Map: restored}), nil
}

// temporalMap lowers a projection of a temporal filter.
func (l *lowerer) temporalMap(m *Map, t *Temporal, need columnSet) (int, error) {
	node, at, err := l.prunedTemporal(t, need)
	if err != nil {
		return 0, err
	}
	moved := func(e *expr.Expr) *expr.Expr { return expr.RemapColumns(e, func(c int) int { return at[c] }) }
	spec := &operator.MapSpec{Input: l.graph.Nodes[node].Temporal.Input, Filter: moved(m.Filter)}
	for _, e := range m.Project {
		spec.Project = append(spec.Project, moved(e))
	}
	if spec.Filter == nil && identity(spec.Project, len(spec.Input)) {
		return node, nil
	}
	return l.add(dataflow.Node{Inputs: []int{node}, Map: spec}), nil
}

// prunedTemporal lowers a temporal filter: what it keeps, and puts out, are the
// columns that are read above and the bounds; at says where each column of t is,
// -1 for those that are not.
func (l *lowerer) prunedTemporal(t *Temporal, above columnSet) (node int, at []int, err error) {
	var kept []*expr.Expr
	for c, typ := range t.Types() {
		if at = append(at, -1); above[c] {
			at[c] = len(kept)
			kept = append(kept, expr.Column(c, typ))
		}
	}
	spec := &operator.TemporalSpec{Arr: l.newArr()}
	for _, b := range t.Bounds {
		i := slices.IndexFunc(kept, func(e *expr.Expr) bool { return expr.Equal(e, b.Value) })
		if i < 0 {
			i = len(kept)
			kept = append(kept, b.Value)
		}
		bound := operator.TimeBound{Column: i, Shift: b.Shift}
		if b.Until {
			spec.Until = append(spec.Until, bound)
		} else {
			spec.From = append(spec.From, bound)
		}
	}
	below := Optimize(&Map{Input: t.Input, Project: kept})
	spec.Input = below.Types()
	if node, err = l.lower(below, allColumns(len(spec.Input))); err != nil {
		return 0, nil, err
	}
	return l.add(dataflow.Node{Inputs: []int{node}, Temporal: spec}), at, nil
}

// identity says whether a projection passes on n columns as they are.
func identity(project []*expr.Expr, n int) bool {
	if len(project) != n {
		return false
	}
	for i, e := range project {
		if e.Op != expr.OpColumn || e.Col != i {
			return false
		}
	}
	return true
}
