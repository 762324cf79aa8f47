package planner

import (
	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// lowerPruned lowers a node whose operator copies or keeps what it puts out: that
// is only the columns which are read above and those that it needs itself. at says
// where each column of n is in its output, -1 for those that are not.
func (l *lowerer) lowerPruned(n Node, above columnSet) (node int, at []int, err error) {
	switch n := n.(type) {
	case *Temporal:
		return l.prunedTemporal(n, above)
	case *Window:
		return l.prunedWindow(n, above)
	case *Session:
		return l.prunedSession(n, above)
	}
	panic("planner: not a node that prunes its columns")
}

// isPruned says whether lowerPruned lowers the node.
func isPruned(n Node) bool {
	switch n.(type) {
	case *Temporal, *Window, *Session:
		return true
	}
	return false
}

// restored lowers such a node where it is read as it is: with its columns in their
// places, NULL in those that nothing reads.
func (l *lowerer) restored(n Node, above columnSet) (int, error) {
	node, at, err := l.lowerPruned(n, above)
	if err != nil {
		return 0, err
	}
	spec := &operator.MapSpec{Input: l.graph.Nodes[node].Output()}
	for c, typ := range n.Types() {
		e := expr.Constant(typ, types.NullDatum())
		if at[c] >= 0 {
			e = expr.Column(at[c], typ)
		}
		spec.Project = append(spec.Project, e)
	}
	return l.addMap(node, spec), nil
}

// mapPruned lowers a projection of such a node.
func (l *lowerer) mapPruned(m *Map, need columnSet) (int, error) {
	node, at, err := l.lowerPruned(m.Input, need)
	if err != nil {
		return 0, err
	}
	moved := func(e *expr.Expr) *expr.Expr { return expr.RemapColumns(e, func(c int) int { return at[c] }) }
	spec := &operator.MapSpec{Input: l.graph.Nodes[node].Output(), Filter: moved(m.Filter)}
	for _, e := range m.Project {
		spec.Project = append(spec.Project, moved(e))
	}
	return l.addMap(node, spec), nil
}

// addMap adds a map unless it passes on everything as it is.
func (l *lowerer) addMap(below int, spec *operator.MapSpec) int {
	if spec.Filter == nil && identity(spec.Project, len(spec.Input)) {
		return below
	}
	return l.add(dataflow.Node{Inputs: []int{below}, Map: spec})
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
