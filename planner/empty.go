package planner

import (
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// isEmpty says whether a plan has no rows whatever the database holds. Catalog
// queries of clients read many relations that are always empty here; what they
// compute over them need not even be possible. Others ask for columns only, WHERE 1 = 0.
func isEmpty(n Node) bool {
	switch n := n.(type) {
	case *Values:
		return len(n.Rows) == 0
	case *Map:
		return isEmpty(n.Input) || never(n.Filter)
	case *TopK:
		return isEmpty(n.Input)
	case *TableFunction:
		return isEmpty(n.Input)
	case *Window:
		return isEmpty(n.Input)
	case *Session:
		return isEmpty(n.Input)
	case *Aggregate:
		return len(n.Keys) > 0 && isEmpty(n.Input)
	case *Join:
		if n.Kind == FullJoin {
			return isEmpty(n.Left) && isEmpty(n.Right)
		}
		return isEmpty(n.Left) || n.Kind == InnerJoin && isEmpty(n.Right)
	case *Union:
		for _, side := range n.Sides {
			if !isEmpty(side) {
				return false
			}
		}
		return true
	}
	return false
}

// never says whether a filter is true for no row.
func never(filter *expr.Expr) bool {
	return filter != nil && filter.Op == expr.OpConst && (filter.Const.Null || !filter.Const.Bool)
}

// pruneEmpty replaces a plan without rows by none.
func pruneEmpty(n Node) Node {
	if _, ok := n.(*Values); ok || !isEmpty(n) {
		return n
	}
	return &Values{Columns: append([]types.Type(nil), n.Types()...)}
}
