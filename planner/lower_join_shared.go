package planner

import (
	"sync"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
)

// sharedSide is a side of a join whose rows are read where they are stored
// already, see operator.SharedSide.
type sharedSide struct {
	relation *catalog.Object
	spec     *operator.SharedSide
	key      []keyPair  // in the order of the stored key
	rest     *expr.Expr // equalities that are not in the stored key
}

// shareSide returns how the side n of a join can be shared, nil if it cannot:
// it must be a stored relation, with a filter that cannot fail and without
// computed columns, and the join must fix every part of its key. mine gives a
// pair's expression of this side.
func shareSide(n Node, pairs []keyPair, mine func(keyPair) *expr.Expr) *sharedSide {
	scan, mapping := storedRows(n)
	if scan == nil {
		return nil
	}
	rel := scan.Relation
	if rel.Stored == nil || len(rel.Stored.Key) == 0 || rel.Kind != catalog.Table && rel.Kind != catalog.MaterializedView {
		return nil
	}
	s := &sharedSide{relation: rel, spec: &operator.SharedSide{
		Arr: rel.Stored.Arr, Grouped: rel.Stored.Grouped, Types: rel.Types(), Map: mapping}}
	used := make([]bool, len(pairs))
	for _, column := range rel.Stored.Key {
		at := -1
		for i, p := range pairs {
			if e := mine(p); at < 0 && !used[i] && e.Op == expr.OpColumn && storedColumn(mapping, e.Col) == column {
				at = i
			}
		}
		if at < 0 {
			return nil
		}
		used[at] = true
		s.key = append(s.key, pairs[at])
	}
	for i, p := range pairs {
		if !used[i] {
			s.rest = and(s.rest, p.condition)
		}
	}
	return s
}

// storedRows returns the scan of a relation and what is between its stored rows
// and those of n, nil if that is nothing.
func storedRows(n Node) (*Scan, *operator.MapSpec) {
	m, isMap := n.(*Map)
	if isMap {
		n = m.Input
	}
	scan, ok := n.(*Scan)
	if !ok || isMap && (!total(m.Filter) || !plain(m.Project)) {
		return nil, nil
	}
	spec := &operator.MapSpec{Input: scan.Relation.Types(), Project: []*expr.Expr{}}
	for _, c := range scan.Columns {
		spec.Project = append(spec.Project, expr.Column(c, spec.Input[c]))
	}
	switch {
	case isMap:
		return scan, composed(spec, m)
	case len(scan.Columns) == len(spec.Input):
		return scan, nil
	}
	return scan, spec
}

// composed puts a map over one that only chooses columns.
func composed(below *operator.MapSpec, m *Map) *operator.MapSpec {
	stored := func(c int) int { return below.Project[c].Col }
	out := &operator.MapSpec{Input: below.Input}
	if len(below.Project) < len(below.Input) {
		out.Project = below.Project
	}
	if m.Filter != nil {
		out.Filter = expr.RemapColumns(m.Filter, stored)
	}
	if m.Project != nil {
		out.Project = []*expr.Expr{}
		for _, e := range m.Project {
			out.Project = append(out.Project, expr.RemapColumns(e, stored))
		}
	}
	return out
}

// storedColumn returns the stored column that a column of the side is.
func storedColumn(m *operator.MapSpec, column int) int {
	if m == nil || m.Project == nil {
		return column
	}
	return m.Project[column].Col
}

// lower adds the leaf that brings the relation's changes.
func (s *sharedSide) lower(l *lowerer) int {
	at := l.add(dataflow.Node{Relation: &dataflow.RelationInput{
		Relation: dataflow.RelationID(s.relation.ID), Types: s.spec.Types, Shared: true}})
	if s.spec.Map == nil {
		return at
	}
	return l.add(dataflow.Node{Inputs: []int{at}, Map: s.spec.Map})
}

// total says whether a condition has a value for every row: it calls nothing but
// comparisons.
func total(e *expr.Expr) bool {
	if e == nil {
		return true
	}
	ok := true
	expr.Walk(e, func(n *expr.Expr) bool {
		ok = ok && (n.Op != expr.OpCall || comparisons()[n.Func])
		return ok
	})
	return ok
}

// comparisons holds the signatures of the functions of comparison operators.
var comparisons = sync.OnceValue(func() map[string]bool {
	out := map[string]bool{}
	for op := range expr.Operators() {
		switch op.Name {
		case "=", "<>", "<", "<=", ">", ">=":
			out[op.Func.Signature()] = true
		}
	}
	return out
})
