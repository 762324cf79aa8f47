package planner

import (
	"slices"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/sql/expr"
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
	if t, ok := n.(*Temporal); ok && t.Streams == nil && !t.Forgets {
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
	if !ok || j.Kind == FullJoin {
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

// prunedTemporal lowers a temporal filter with the columns that are read above and
// the bounds.
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
	below := Optimize(&Map{Input: l.closeGroups(t), Project: kept})
	spec.Input = below.Types()
	if node, err = l.lower(below, allColumns(len(spec.Input))); err != nil {
		return 0, nil, err
	}
	spec.Forgets = t.Forgets
	out := dataflow.Node{Inputs: []int{node}, Temporal: spec}
	for _, id := range t.Streams {
		out.Watermarks = append(out.Watermarks, dataflow.RelationID(id))
	}
	return l.add(out), at, nil
}
