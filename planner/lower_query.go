package planner

import (
	"sync"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// QueryPlan is an ad hoc query ready to run at one epoch: the graph is fed
// once from the relations it reads, then its rows are ordered and cut.
type QueryPlan struct {
	Graph   *dataflow.Graph
	Visible int // columns behind are hidden sort keys
	Order   []Order
	Limit   int64 // -1: none
	Offset  int64
	Reads   []catalog.ID
	Lookup  *Lookup // not nil: one relation's rows of one key are enough
}

// Lookup restricts the scan of a stored relation to one key.
type Lookup struct {
	Relation catalog.ID
	Key      []byte
	Empty    bool // a key part is compared with NULL: no row can match
}

// LowerQuery makes the dataflow of a query without parameters.
func LowerQuery(q *Query, env *expr.Env) (*QueryPlan, error) {
	next := storage.Arrangement(0)
	l := &lowerer{graph: dataflow.Graph{Version: dataflow.GraphVersion}, env: env,
		newArr: func() storage.Arrangement { next++; return next }}
	root := Optimize(q.Root)
	if _, err := l.lower(root, allColumns(len(root.Types()))); err != nil {
		return nil, err
	}
	plan := &QueryPlan{Graph: &l.graph, Visible: len(q.Names), Order: q.Order}
	var err error
	if plan.Limit, err = limitValue(q.Limit, env, -1, sqlerr.InvalidRowCountInLimit, "LIMIT"); err != nil {
		return nil, err
	}
	if plan.Offset, err = limitValue(q.Offset, env, 0, sqlerr.InvalidRowCountInOffset, "OFFSET"); err != nil {
		return nil, err
	}
	plan.Reads = readsOf(root)
	plan.Lookup = findLookup(root)
	return plan, nil
}

func limitValue(e *expr.Expr, env *expr.Env, absent int64, code, clause string) (int64, error) {
	if e == nil {
		return absent, nil
	}
	d, err := expr.EvalConst(e, env)
	if err != nil {
		return 0, err
	}
	if d.Null {
		return absent, nil
	}
	if d.Int < 0 {
		return 0, sqlerr.New(code, "%s must not be negative", clause)
	}
	return d.Int, nil
}

// findLookup looks for a plan that reads one relation whose filter fixes every
// part of its key; the filter stays in the graph.
func findLookup(n Node) *Lookup {
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
			return lookupOf(s.Relation, m.Filter)
		}
		n = m.Input
	}
}

func lookupOf(rel *catalog.Object, filter *expr.Expr) *Lookup {
	if rel.Stored == nil || len(rel.Stored.Key) == 0 {
		return nil
	}
	out := &Lookup{Relation: rel.ID}
	for part, column := range rel.Stored.Key {
		value := constantOf(filter, column, rel.Stored.KeyTypes[part])
		if value == nil {
			return nil
		}
		out.Empty = out.Empty || value.Null
		out.Key = zset.AppendKeyDatum(out.Key, rel.Stored.KeyTypes[part], *value)
	}
	return out
}

// constantOf finds the constant that a filter says a column equals, nil if it
// says nothing or compares values of another representation.
func constantOf(filter *expr.Expr, column int, t types.Type) *types.Datum {
	for _, c := range conjuncts(filter) {
		if c.Op != expr.OpCall || len(c.Args) != 2 || !isEquality(c.Func) {
			continue
		}
		for i := range c.Args {
			col, value := c.Args[i], c.Args[1-i]
			if col.Op == expr.OpColumn && col.Col == column && value.Op == expr.OpConst && sameImage(value.Type, t) {
				return &value.Const
			}
		}
	}
	return nil
}

// sameImage says whether equal values of both types lie alike in a vector.
func sameImage(a, b types.Type) bool {
	if a.Base() == b.Base() {
		return true
	}
	return integer(a) && integer(b)
}

func integer(t types.Type) bool {
	switch t.Base() {
	case types.Int2, types.Int4, types.Int8:
		return true
	}
	return false
}

// equalities holds the signatures of all = operators.
var equalities = sync.OnceValue(func() map[string]bool {
	out := map[string]bool{}
	for op := range expr.Operators() {
		if op.Name == "=" {
			out[op.Func.Signature()] = true
		}
	}
	return out
})

// isEquality says whether a function is that of an = operator.
func isEquality(signature string) bool { return equalities()[signature] }
