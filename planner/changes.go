package planner

import (
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
)

// ChangesOf returns the relation of a query whose changes are made of its changes
// row by row: a select list and a condition over one stored relation. Others, whose
// changes depend on other rows or on the clock, are 0A000.
func ChangesOf(q *Query) (*catalog.Object, error) {
	if len(q.Order) > 0 || q.Offset != nil {
		return nil, errNoChanges("ORDER BY or OFFSET")
	}
	root := Optimize(q.Root)
	m, ok := root.(*Map)
	if ok {
		root = m.Input
	} else {
		m = &Map{}
	}
	scan, ok := root.(*Scan)
	if !ok {
		return nil, errNoChanges("a query of more than one table or materialized view, or with aggregates,")
	}
	if scan.Relation.Stored == nil {
		return nil, errNoChanges("a " + string(scan.Relation.Kind))
	}
	for _, e := range append([]*expr.Expr{m.Filter}, m.Project...) {
		if e != nil && (expr.ClockCall(e) != nil || expr.ExprVolatility(e) == expr.Volatile) {
			return nil, errNoChanges("a query with the clock or with random values")
		}
	}
	return scan.Relation, nil
}

func errNoChanges(what string) error {
	return notSupported(0, "EMIT CHANGES of %s is not supported yet", what).
		WithHint("Make a materialized view of the query and SUBSCRIBE to it.")
}
