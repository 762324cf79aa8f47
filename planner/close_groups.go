package planner

import (
	"slices"

	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// closeGroups lets the aggregate below EMIT ON WINDOW CLOSE free the groups of windows
// that are closed, in a view that leaves late rows out: no row comes to them. The
// bound of the window becomes the first key, so that what is closed lies together.
// The input stays as it is where that cannot be shown.
func (l *lowerer) closeGroups(t *Temporal) Node {
	if l.late == nil || l.late.Late == catalog.LateCorrect || t.Streams == nil || len(t.Bounds) != 1 || t.Bounds[0].Until {
		return t.Input
	}
	above, _ := t.Input.(*Map)
	below := t.Input
	if above != nil {
		below = above.Input
	}
	a, ok := below.(*Aggregate)
	if !ok || a.Closes != nil || above != nil && (above.Filter != nil || above.Project == nil) || !ofOneStream(a.Input) {
		return t.Input
	}
	bound := t.Bounds[0]
	if above != nil {
		bound.Value = throughProject(above, bound.Value)
	}
	key, shift, ok := shiftedKey(a, bound.Value)
	if !ok {
		return t.Input
	}
	out := closingFirst(a, key, &operator.GroupClosing{Shift: shift + bound.Shift})
	if above == nil {
		return out
	}
	return &Map{Input: out, Project: above.Project}
}

// throughProject is an expression over what a projection puts out, over its input.
func throughProject(m *Map, e *expr.Expr) *expr.Expr {
	return expr.Transform(e, func(e *expr.Expr) *expr.Expr {
		if e.Op == expr.OpColumn && !isOuter(e.Col) {
			return m.Project[e.Col]
		}
		return e
	})
}

// shiftedKey returns which key an expression is, plus microseconds.
func shiftedKey(a *Aggregate, e *expr.Expr) (key int, shift int64, ok bool) {
	if e.Op == expr.OpCall && len(e.Args) == 2 && e.Args[1].Op == expr.OpConst && e.Args[1].Type == types.Interval && !e.Args[1].Const.Null {
		f, _ := expr.Lookup(e.Func)
		if f.Name == "timestamp_pl_interval" || f.Name == "timestamptz_pl_interval" {
			var err error
			if shift, err = e.Args[1].Const.Ival.FixedMicros(); err != nil {
				return 0, 0, false
			}
			e = e.Args[0]
		}
	}
	if e.Op != expr.OpColumn || isOuter(e.Col) || e.Col >= len(a.Keys) {
		return 0, 0, false
	}
	switch a.Keys[e.Col].Type.Base() {
	case types.Timestamp, types.Timestamptz:
		return e.Col, shift, true
	}
	return 0, 0, false
}

// ofOneStream says whether rows are made of those of one stream with event time
// alone, and do not leave by the clock.
func ofOneStream(n Node) bool {
	switch n := n.(type) {
	case *Scan:
		return n.Relation.Kind == catalog.Stream && n.Relation.Watermark != nil
	case *Map, *Window, *Session, *Aggregate:
		return ofOneStream(n.Inputs()[0])
	case *Temporal:
		return n.Streams != nil && !n.leaves() && ofOneStream(n.Input)
	}
	return false
}

// closingFirst is an aggregate with one of its keys before the others, and what it
// puts out as it was.
func closingFirst(a *Aggregate, key int, closes *operator.GroupClosing) Node {
	order := []int{key}
	for i := range a.Keys {
		if i != key {
			order = append(order, i)
		}
	}
	out := &Aggregate{Input: a.Input, Calls: a.Calls, Closes: closes}
	for _, i := range order {
		out.Keys = append(out.Keys, a.Keys[i])
	}
	var project []*expr.Expr
	for c, t := range a.Types() {
		at := c
		if c < len(a.Keys) {
			at = slices.Index(order, c)
		}
		project = append(project, expr.Column(at, t))
	}
	return &Map{Input: out, Project: project}
}
