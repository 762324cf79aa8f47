package planner

import (
	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// Window puts out each row of its input once for every window of time that the
// row is in, with the window's bounds behind it; see operator.WindowSpec.
type Window struct {
	Input    Node
	Time     *expr.Expr // over the columns of the input; timestamp or timestamptz
	Step     types.IntervalValue
	Steps    int64
	Cumulate bool
	Origin   int64
	Zone     string
	NoStart  bool
	NoEnd    bool
	sliced   bool // its rows are groups by step already
}

// Types implements Node.
func (w *Window) Types() []types.Type {
	out := append([]types.Type(nil), w.Input.Types()...)
	for range w.bounds() {
		out = append(out, w.Time.Type)
	}
	return out
}

// bounds is the number of columns behind the input's.
func (w *Window) bounds() int {
	if w.NoStart || w.NoEnd {
		return 1
	}
	return 2
}

// Inputs implements Node.
func (w *Window) Inputs() []Node { return []Node{w.Input} }

// over returns the windows over another input.
func (w *Window) over(input Node, time *expr.Expr) *Window {
	out := *w
	out.Input, out.Time = input, time
	return &out
}

// prunedWindow lowers windows with the columns that are read above and the time.
func (l *lowerer) prunedWindow(w *Window, above columnSet) (node int, at []int, err error) {
	kept, time := []*expr.Expr{}, -1
	for c, typ := range w.Input.Types() {
		column := expr.Column(c, typ)
		if at = append(at, -1); above[c] {
			at[c] = len(kept)
			kept = append(kept, column)
		}
		if above[c] && expr.Equal(column, w.Time) {
			time = at[c]
		}
	}
	if time < 0 {
		time = len(kept)
		kept = append(kept, w.Time)
	}
	below := Optimize(&Map{Input: w.Input, Project: kept})
	if node, err = l.lower(below, allColumns(len(kept))); err != nil {
		return 0, nil, err
	}
	spec := &operator.WindowSpec{Input: below.Types(), Time: time, Step: w.Step, Steps: w.Steps, Cumulate: w.Cumulate,
		Origin: w.Origin, Zone: w.Zone, NoStart: w.NoStart, NoEnd: w.NoEnd}
	for i := range w.bounds() {
		at = append(at, len(kept)+i)
	}
	return l.add(dataflow.Node{Inputs: []int{node}, Window: spec}), at, nil
}

// pushFilterIntoWindow moves the conditions that do not read a window's bounds
// below the windows.
func pushFilterIntoWindow(n Node) Node {
	m, ok := n.(*Map)
	if !ok {
		return n
	}
	w, ok := m.Input.(*Window)
	if !ok || m.Filter == nil {
		return n
	}
	var below, above *expr.Expr
	for _, c := range conjuncts(m.Filter) {
		if within(c, 0, len(w.Input.Types())) {
			below = and(below, c)
		} else {
			above = and(above, c)
		}
	}
	if below == nil {
		return n
	}
	input := w.over(&Map{Input: w.Input, Filter: below}, w.Time)
	return &Map{Input: input, Filter: above, Project: identityOr(m.Project, input)}
}

// windowKeys returns the unique keys of windows: those of the input and the window.
func windowKeys(w *Window) [][]int {
	keys := uniqueKeys(w.Input)
	n := len(w.Input.Types())
	for i, key := range keys {
		keys[i] = append(key[:len(key):len(key)], n) // one bound tells the other
	}
	return keys
}
