package planner

import (
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// PointRead is a query that reads the row of one key and computes nothing: its
// filter says what every part of the relation's key equals, and nothing else.
// It needs no dataflow.
type PointRead struct {
	Relation *catalog.Object
	Columns  []int // of the relation, that are put out
	key      []*expr.Expr
}

// FindPointRead returns the query as a point read, nil if it is none.
func FindPointRead(q *Query) *PointRead {
	if len(q.Order) > 0 || q.Limit != nil || q.Offset != nil {
		return nil
	}
	m, ok := Optimize(q.Root).(*Map)
	if !ok || m.Filter == nil {
		return nil
	}
	scan, ok := m.Input.(*Scan)
	if !ok || scan.Relation.Stored == nil || len(scan.Relation.Stored.Key) == 0 {
		return nil
	}
	p := &PointRead{Relation: scan.Relation, key: keyValues(m.Filter, scan)}
	if p.key == nil {
		return nil
	}
	for _, e := range identityOr(m.Project, m.Input) {
		if e.Op != expr.OpColumn {
			return nil
		}
		p.Columns = append(p.Columns, scan.Columns[e.Col])
	}
	return p
}

// keyValues finds the constant or parameter that each part of the key equals,
// nil if one is missing or the filter says more.
func keyValues(filter *expr.Expr, scan *Scan) []*expr.Expr {
	stored := scan.Relation.Stored
	conditions := conjuncts(filter)
	if len(conditions) != len(stored.Key) {
		return nil
	}
	out := make([]*expr.Expr, len(stored.Key))
	for _, c := range conditions {
		if c.Op != expr.OpCall || len(c.Args) != 2 || !isEquality(c.Func) {
			return nil
		}
		column, value := c.Args[0], c.Args[1]
		if column.Op != expr.OpColumn {
			column, value = value, column
		}
		if column.Op != expr.OpColumn || value.Op != expr.OpConst && value.Op != expr.OpParam {
			return nil
		}
		part := keyPart(stored, scan.Columns[column.Col])
		if part < 0 || out[part] != nil || !sameImage(value.Type, stored.KeyTypes[part]) {
			return nil
		}
		out[part] = value
	}
	return out
}

func keyPart(stored *catalog.Stored, column int) int {
	for part, c := range stored.Key {
		if c == column {
			return part
		}
	}
	return -1
}

// AppendKey appends the key bytes for the parameters' values; false means that
// a part is NULL, which no row equals.
func (p *PointRead) AppendKey(dst []byte, params []types.Datum) ([]byte, bool) {
	for part, e := range p.key {
		value := e.Const
		if e.Op == expr.OpParam {
			value = params[e.Col]
		}
		if value.Null {
			return dst, false
		}
		dst = zset.AppendKeyDatum(dst, p.Relation.Stored.KeyTypes[part], value)
	}
	return dst, true
}
