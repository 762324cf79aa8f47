package planner

import (
	"slices"

	"github.com/streamdb/streamdb/sql/expr"
)

// addDependentKeys adds to the keys of GROUP BY the columns that its expressions
// read and that a primary key among the keys determines: the groups stay the
// same, for such a column has one value in each.
func (s *selectBinder) addDependentKeys(es []*expr.Expr) {
	used := map[int]*expr.Expr{}
	note := func(col int, e *expr.Expr) {
		if col < firstAggregate && used[col] == nil {
			used[col] = e
		}
	}
	for _, e := range es {
		s.walkUngrouped(e, func(e *expr.Expr) { note(e.Col, e) })
	}
	for _, plan := range s.subqueries.plans {
		mapExprs(plan, func(e *expr.Expr) *expr.Expr {
			expr.Walk(e, func(e *expr.Expr) bool {
				if e.Op == expr.OpColumn && e.Col>>outerShift == 1 {
					note(e.Col-1<<outerShift, e)
				}
				return true
			})
			return e
		})
	}
	grouped := len(s.keys)
	for _, col := range sortedKeys(used) {
		key := expr.Column(col, s.scope.columns[col].typ)
		if s.keyIndex(key) < 0 && s.determined(col, s.keys[:grouped]) {
			s.keys = append(s.keys, key)
		}
	}
}

// walkUngrouped visits the columns of an expression outside the keys in it.
func (s *selectBinder) walkUngrouped(e *expr.Expr, visit func(*expr.Expr)) {
	expr.Walk(e, func(e *expr.Expr) bool {
		if s.keyIndex(e) >= 0 {
			return false
		}
		if e.Op == expr.OpColumn {
			visit(e)
		}
		return true
	})
}

// determined says whether the keys hold the primary key of a column's table.
func (s *selectBinder) determined(col int, keys []*expr.Expr) bool {
	c := &s.scope.columns[col]
	if c.object == nil || c.object.PrimaryKey() == nil {
		return false
	}
	for _, part := range c.object.PrimaryKey() {
		if !slices.ContainsFunc(keys, func(k *expr.Expr) bool {
			if k.Op != expr.OpColumn || isOuter(k.Col) || k.Col >= firstAggregate {
				return false
			}
			o := &s.scope.columns[k.Col]
			return o.object == c.object && o.relation == c.relation && o.schema == c.schema && o.number == part
		}) {
			return false
		}
	}
	return true
}

func sortedKeys[V any](m map[int]V) []int {
	out := make([]int, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
