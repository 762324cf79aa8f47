package planner

import (
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// matched is INTERSECT or EXCEPT of two sides with the same columns: the rows of
// both, grouped by all columns (NULLs are equal), with how many there are on each side.
func (b *binder) matched(left, right Node, s *ast.SetOp) (Node, error) {
	n := len(left.Types())
	count, _, err := operator.ResolveAggregate("count", []types.Type{types.Int8}, false)
	if err != nil {
		return nil, err
	}
	here, absent := expr.Constant(types.Int8, types.Datum{Int: 1}), expr.Constant(types.Int8, types.NullDatum())
	groups := &Aggregate{Input: &Union{Sides: []Node{
		&Map{Input: left, Project: append(identityOr(nil, left), here, absent)},
		&Map{Input: right, Project: append(identityOr(nil, right), absent, here)},
	}}, Keys: identityOr(nil, left)}
	for side := range 2 {
		groups.Calls = append(groups.Calls, Call{Func: count, Args: []*expr.Expr{expr.Column(n+side, types.Int8)}})
	}
	lefts, rights := expr.Column(n, types.Int8), expr.Column(n+1, types.Int8)
	if s.All {
		copies := &expr.Expr{Op: expr.OpLeast, Type: types.Int8, Args: []*expr.Expr{lefts, rights}}
		if s.Kind == ast.Except {
			if copies, err = b.operator("-", lefts, rights, s.Position()); err != nil {
				return nil, err
			}
		}
		series := &TableFunction{Input: groups, Calls: []FunctionCall{{Name: "generate_series", Args: []*expr.Expr{here, copies}, Column: types.Int8}}}
		return &Map{Input: series, Project: identityOr(nil, left)}, nil
	}
	zero := expr.Constant(types.Int8, types.Datum{})
	onLeft, err := b.operator(">", lefts, zero, s.Position())
	if err != nil {
		return nil, err
	}
	op := map[ast.SetOpKind]string{ast.Intersect: ">", ast.Except: "="}[s.Kind]
	onRight, err := b.operator(op, rights, zero, s.Position())
	if err != nil {
		return nil, err
	}
	return &Map{Input: groups, Filter: and(onLeft, onRight), Project: identityOr(nil, left)}, nil
}
