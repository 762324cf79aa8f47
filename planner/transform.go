package planner

import (
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// rebuild returns n over other inputs.
func rebuild(n Node, inputs []Node) Node {
	switch n := n.(type) {
	case *Map:
		return &Map{Input: inputs[0], Filter: n.Filter, Project: n.Project}
	case *Aggregate:
		return &Aggregate{Input: inputs[0], Keys: n.Keys, Calls: n.Calls, Closes: n.Closes}
	case *Union:
		return &Union{Sides: inputs}
	case *TableFunction:
		return n.over(inputs[0], func(es []*expr.Expr) []*expr.Expr { return es })
	case *TopK:
		return &TopK{Input: inputs[0], Order: n.Order, Limit: n.Limit, Offset: n.Offset}
	case *Temporal:
		return &Temporal{Input: inputs[0], Bounds: n.Bounds, Streams: n.Streams, Forgets: n.Forgets}
	case *Window:
		return n.over(inputs[0], n.Time)
	case *Session:
		return n.over(inputs[0], func(e *expr.Expr) *expr.Expr { return e })
	case *Join:
		return &Join{Kind: n.Kind, Left: inputs[0], Right: inputs[1], On: n.On}
	}
	return n
}

// bottomUp rebuilds a plan, the lowest nodes first.
func bottomUp(n Node, rule func(Node) Node) Node {
	old := n.Inputs()
	if len(old) > 0 {
		inputs := make([]Node, len(old))
		for i, in := range old {
			inputs[i] = bottomUp(in, rule)
		}
		n = rebuild(n, inputs)
	}
	return rule(n)
}

// mapExprs rebuilds a plan with every expression replaced by f of it.
func mapExprs(n Node, f func(*expr.Expr) *expr.Expr) Node {
	one := func(e *expr.Expr) *expr.Expr {
		if e == nil {
			return nil
		}
		return f(e)
	}
	all := func(es []*expr.Expr) []*expr.Expr {
		if es == nil {
			return nil
		}
		out := make([]*expr.Expr, len(es))
		for i, e := range es {
			out[i] = f(e)
		}
		return out
	}
	return bottomUp(n, func(n Node) Node {
		switch n := n.(type) {
		case *Map:
			return &Map{Input: n.Input, Filter: one(n.Filter), Project: all(n.Project)}
		case *Aggregate:
			out := &Aggregate{Input: n.Input, Keys: all(n.Keys), Closes: n.Closes}
			for _, c := range n.Calls {
				out.Calls = append(out.Calls, Call{Func: c.Func, Args: all(c.Args), Distinct: c.Distinct, Filter: one(c.Filter), Order: c.Order})
			}
			return out
		case *Values:
			out := &Values{Columns: n.Columns}
			for _, row := range n.Rows {
				out.Rows = append(out.Rows, all(row))
			}
			return out
		case *TableFunction:
			return n.over(n.Input, all)
		case *Window:
			return n.over(n.Input, f(n.Time))
		case *Session:
			return n.over(n.Input, f)
		case *TopK:
			return &TopK{Input: n.Input, Order: n.Order, Limit: one(n.Limit), Offset: one(n.Offset)}
		case *Temporal:
			out := &Temporal{Input: n.Input, Streams: n.Streams, Forgets: n.Forgets}
			for _, b := range n.Bounds {
				b.Value = f(b.Value)
				out.Bounds = append(out.Bounds, b)
			}
			return out
		case *Join:
			return &Join{Kind: n.Kind, Left: n.Left, Right: n.Right, On: one(n.On)}
		}
		return n
	})
}

// WithParams returns the query with its parameters replaced by values.
func (q *Query) WithParams(values []types.Datum) *Query {
	if len(q.Params) == 0 {
		return q
	}
	constant := func(e *expr.Expr) *expr.Expr {
		return expr.SubstituteParams(e, values)
	}
	out := *q
	out.Root = mapExprs(q.Root, constant)
	if q.Limit != nil {
		out.Limit = constant(q.Limit)
	}
	if q.Offset != nil {
		out.Offset = constant(q.Offset)
	}
	out.Params = nil
	return &out
}
