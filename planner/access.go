package planner

import (
	"fmt"
	"strings"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// access is the way to a relation's rows by a key: the arrangement, the relation's
// own or an index, and the values that the filter fixes its first parts to.
type access struct {
	relation *catalog.Object
	via      *catalog.Object
	values   []*expr.Expr // constants, or parameters of a query that is not run yet
}

// findAccess looks for a plan that reads one relation whose filter fixes the
// first parts of a key, nil if there is none; the filter stays in the graph.
func findAccess(n Node, cat *catalog.Catalog) *access {
	for {
		m, ok := n.(*Map)
		if !ok {
			if in := n.Inputs(); len(in) == 1 {
				n = in[0]
				continue
			}
			return nil
		}
		if s, ok := m.Input.(*Scan); ok {
			return bestAccess(s.Relation, m.Filter, cat)
		}
		n = m.Input
	}
}

// bestAccess chooses the arrangement of which the filter fixes most key parts.
func bestAccess(rel *catalog.Object, filter *expr.Expr, cat *catalog.Catalog) *access {
	if rel.Stored == nil || filter == nil {
		return nil
	}
	best := accessVia(rel, rel, filter)
	if best.exact() {
		return best
	}
	for _, index := range cat.Indexes(rel.ID) {
		if a := accessVia(rel, index, filter); len(a.values) > len(best.values) {
			best = a
		}
	}
	if len(best.values) == 0 {
		return nil
	}
	return best
}

func accessVia(rel, via *catalog.Object, filter *expr.Expr) *access {
	a := &access{relation: rel, via: via}
	for part, column := range via.Stored.Key {
		value := valueOf(filter, column, via.Stored.KeyTypes[part])
		if value == nil {
			break
		}
		a.values = append(a.values, value)
	}
	return a
}

// exact says that the whole key is fixed: at most one row has it.
func (a *access) exact() bool { return len(a.values) > 0 && len(a.values) == len(a.via.Stored.Key) }

// lookup is the range of keys to read; the values are constants.
func (a *access) lookup() *Lookup {
	l := &Lookup{Relation: a.relation.ID, Via: a.via, Exact: a.exact()}
	for part, value := range a.values {
		l.Empty = l.Empty || value.Const.Null
		l.Lo = zset.AppendKeyDatum(l.Lo, a.via.Stored.KeyTypes[part], value.Const)
	}
	l.Hi = zset.PrefixEnd(l.Lo)
	return l
}

// String tells of the access as EXPLAIN does: a lookup reads one row, a scan those
// of a range. The arrangement of a view has a key and no name.
func (a *access) String() string {
	var conditions []string
	for part, value := range a.values {
		column := a.relation.Columns[a.via.Stored.Key[part]].Name
		conditions = append(conditions, column+" = "+value.String())
	}
	kind, name := "scan", "key"
	if a.exact() {
		kind = "lookup"
	}
	switch {
	case a.via != a.relation:
		name = a.via.Name
	case a.relation.PrimaryKey() != nil:
		name = a.relation.PrimaryKeyName()
	}
	return fmt.Sprintf("index %s using %s on %s (%s)", kind, name, a.relation.Name, strings.Join(conditions, ", "))
}

// valueOf finds the constant or parameter that a filter says a column equals, nil
// if it says nothing or compares values of another representation.
func valueOf(filter *expr.Expr, column int, t types.Type) *expr.Expr {
	for _, c := range conjuncts(filter) {
		if c.Op != expr.OpCall || len(c.Args) != 2 || !isEquality(c.Func) {
			continue
		}
		for i := range c.Args {
			col, value := c.Args[i], c.Args[1-i]
			fixed := value.Op == expr.OpConst || value.Op == expr.OpParam
			if col.Op == expr.OpColumn && col.Col == column && fixed && sameImage(value.Type, t) {
				return value
			}
		}
	}
	return nil
}
