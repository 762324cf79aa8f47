package planner

import (
	"sync"

	"github.com/streamdb/streamdb/dataflow"
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
	Reads   []catalog.ID // what the query names, needed or not: it waits for them
	Lookup  *Lookup      // not nil: one relation's rows of one key are enough
}

// Lookup restricts the scan of a stored relation to a range of keys, of its own
// arrangement or of an index.
type Lookup struct {
	Relation catalog.ID
	Via      *catalog.Object // the relation or one of its indexes
	Lo, Hi   []byte          // key bytes, Lo <= key < Hi
	Exact    bool            // Lo is a whole key: at most one row
	Empty    bool            // a key part is compared with NULL: no row can match
}

// LowerQuery makes the dataflow of a query without parameters. The clock and
// the settings are those of env, not those under which the query was bound: a
// prepared statement sees them anew each time.
func LowerQuery(query *Query, cat *catalog.Catalog, env *expr.Env) (*QueryPlan, error) {
	frozen := *query
	q := &frozen
	if err := q.freeze(env, false); err != nil {
		return nil, err
	}
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
	plan.Reads = readsOf(q.Root)
	if a := findAccess(root, cat); a != nil {
		plan.Lookup = a.lookup()
	}
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
