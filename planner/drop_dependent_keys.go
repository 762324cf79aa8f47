package planner

import (
	"slices"

	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// dropDependentKeys takes out of the keys of an aggregate those that are computed
// from other keys, such as the end of a window from its start, and computes them
// above: the groups are the same, and what is kept of each is less.
func dropDependentKeys(n Node) Node {
	a, ok := n.(*Aggregate)
	if !ok || len(a.Keys) < 2 || a.Closes != nil {
		return n
	}
	definitions := make([]*expr.Expr, len(a.Keys))
	for i, k := range a.Keys {
		definitions[i] = definition(a, k)
	}
	project, kept := make([]*expr.Expr, len(a.Keys)), []*expr.Expr{}
	var roots []int
	for i, k := range a.Keys {
		if !isDependent(a.Keys, definitions, i) {
			project[i] = expr.Column(len(kept), k.Type)
			kept, roots = append(kept, k), append(roots, i)
		}
	}
	if len(kept) == len(a.Keys) {
		return n
	}
	for i := range a.Keys {
		for _, r := range roots {
			if project[i] == nil && dependsOn(a.Keys, definitions, i, r) {
				project[i], _ = overKey(definitions[i], definitions[r], project[r])
			}
		}
	}
	for i, c := range a.Calls {
		project = append(project, expr.Column(len(kept)+i, c.Func.Ret))
	}
	return &Map{Input: &Aggregate{Input: a.Input, Keys: kept, Calls: a.Calls}, Project: project}
}

func isDependent(keys, definitions []*expr.Expr, i int) bool {
	for j := range keys {
		if dependsOn(keys, definitions, i, j) {
			return true
		}
	}
	return false
}

// dependsOn says whether key i is computed from key j; of equal ones the first is
// kept.
func dependsOn(keys, definitions []*expr.Expr, i, j int) bool {
	if i == j || !oneImage(keys[j].Type) || j > i && expr.Equal(definitions[i], definitions[j]) {
		return false
	}
	_, ok := overKey(definitions[i], definitions[j], definitions[j])
	return ok
}

// definition is what a key is over the input of the projection below, if there is
// one.
func definition(a *Aggregate, key *expr.Expr) *expr.Expr {
	m, ok := a.Input.(*Map)
	if !ok || m.Project == nil {
		return key
	}
	return expr.Transform(key, func(e *expr.Expr) *expr.Expr {
		if e.Op == expr.OpColumn && !isOuter(e.Col) {
			return m.Project[e.Col]
		}
		return e
	})
}

// overKey puts column in place of from in e; ok says that e reads nothing else and
// is the same for the same value of it.
func overKey(e, from, column *expr.Expr) (out *expr.Expr, ok bool) {
	if from.IsConst() || expr.ExprVolatility(e) != expr.Immutable {
		return nil, false
	}
	if expr.Equal(e, from) {
		return column, true
	}
	switch e.Op {
	case expr.OpConst:
		return e, true
	case expr.OpCall:
		moved := *e
		moved.Args = slices.Clone(e.Args)
		for i, arg := range e.Args {
			if moved.Args[i], ok = overKey(arg, from, column); !ok {
				return nil, false
			}
		}
		return &moved, true
	}
	return nil, false
}

// oneImage says whether equal values of a type are the same bytes, so that what is
// computed from one is what is computed from the other.
func oneImage(t types.Type) bool {
	switch t.Base() {
	case types.Bool, types.Int2, types.Int4, types.Int8, types.Date, types.Timestamp, types.Timestamptz, types.Text, types.UUID:
		return !t.IsArray()
	}
	return false
}
