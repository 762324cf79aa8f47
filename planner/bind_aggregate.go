package planner

import (
	"slices"

	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// aggregates collects the aggregate calls of one SELECT. While expressions are
// bound, call i is a column reference to firstAggregate + i; grouping replaces
// it by the aggregate's output column.
type aggregates struct {
	calls []Call
	input *exprContext // how the arguments are bound
}

// firstAggregate is above the index of any input column.
const firstAggregate = 1 << 20

// add returns the index of the call, an equal earlier one if there is one.
func (a *aggregates) add(call Call) int {
	for i := range a.calls {
		if a.calls[i].equal(&call) {
			return i
		}
	}
	a.calls = append(a.calls, call)
	return len(a.calls) - 1
}

func (c *Call) equal(o *Call) bool {
	return c.Func.Signature() == o.Func.Signature() && c.Distinct == o.Distinct && slices.Equal(c.Order, o.Order) &&
		expr.Equal(c.Filter, o.Filter) && slices.EqualFunc(c.Args, o.Args, expr.Equal)
}

// aggregateCall binds an aggregate and returns the reference that grouping
// replaces.
func (b *binder) aggregateCall(e *ast.FuncCall, c *exprContext) (*expr.Expr, error) {
	if c.aggregates != nil && c.aggregates.input == nil {
		return nil, sqlerr.New(sqlerr.GroupingError, "aggregate function calls cannot be nested").At(e.Position())
	}
	if len(e.WithinGroup) > 0 {
		return nil, notSupported(e.Position(), "WITHIN GROUP is not supported yet")
	}
	input := &exprContext{scope: c.scope, subqueries: c.subqueries, clause: c.clause}
	if c.aggregates != nil {
		input = c.aggregates.input
	}
	mark := input.subqueries.mark()
	call, err := b.boundAggregate(e, input)
	if err != nil {
		return nil, err
	}
	if level := call.level(input.subqueries); level > 0 {
		input.subqueries.reset(mark)
		return b.outerAggregate(e, level)
	}
	if c.aggregates == nil {
		return nil, sqlerr.New(sqlerr.GroupingError, "aggregate functions are not allowed in %s", c.clause).At(e.Position())
	}
	if e.Name == "string_agg" {
		return b.stringAggregate(call, c, e.Position())
	}
	return expr.Column(firstAggregate+c.aggregates.add(call.Call), call.Func.Ret), nil
}

// aggregateArguments is an aggregate call with what string_agg has besides.
type aggregateArguments struct {
	Call
	delimiter *expr.Expr
}

// boundAggregate binds what stands in an aggregate's parentheses, and FILTER.
func (b *binder) boundAggregate(e *ast.FuncCall, input *exprContext) (*aggregateArguments, error) {
	written, err := b.exprs(e.Args, input)
	if err != nil {
		return nil, err
	}
	call := &aggregateArguments{Call: Call{Distinct: e.Distinct}}
	if e.Name == "string_agg" {
		err = b.stringArguments(e, written, call)
	} else {
		err = b.plainArguments(e, written, call)
	}
	if err != nil {
		return nil, err
	}
	if e.Filter != nil {
		if call.Filter, err = b.condition(e.Filter, input, "FILTER"); err != nil {
			return nil, err
		}
	}
	if err := b.aggregateOrder(e, input, written, &call.Call); err != nil {
		return nil, err
	}
	call.guard()
	return call, nil
}

func (b *binder) plainArguments(e *ast.FuncCall, written []*expr.Expr, call *aggregateArguments) error {
	f, argTypes, err := operator.ResolveAggregate(e.Name, typesOf(written), e.Star)
	if err != nil {
		return sqlerr.From(err).At(e.Position())
	}
	call.Func = f
	for i, arg := range written {
		if arg, err = b.coerce(arg, argTypes[i], expr.Implicit); err != nil {
			return err
		}
		call.Args = append(call.Args, arg)
	}
	return nil
}

// guard keeps arguments and sort keys from being computed for rows that FILTER leaves out:
// they must not fail there.
func (c *aggregateArguments) guard() {
	for i, arg := range c.Args {
		if c.Filter != nil && !total(arg) {
			c.Args[i] = &expr.Expr{Op: expr.OpCase, Type: arg.Type, Pos: arg.Pos,
				Args: []*expr.Expr{c.Filter, arg, expr.Constant(arg.Type, types.NullDatum())}}
		}
	}
}

// level says which query an aggregate belongs to: the innermost whose columns
// its arguments and its filter read, that at hand (0) if they read none.
func (c *aggregateArguments) level(subqueries *attachments) int {
	level := -1
	note := func(l int) {
		if l >= 0 && (level < 0 || l < level) {
			level = l
		}
	}
	for _, e := range append([]*expr.Expr{c.Filter}, c.Args...) {
		expr.Walk(e, func(e *expr.Expr) bool {
			if e.Op == expr.OpColumn {
				if plan := subqueries.planOf(e.Col); plan != nil {
					note(innermostOuter(plan) - 1)
				} else {
					note(e.Col >> outerShift)
				}
			}
			return true
		})
	}
	return max(level, 0)
}

// innermostOuter returns the least level of the columns of queries around a plan
// that it reads, 0 if it reads none.
func innermostOuter(n Node) int {
	level := 0
	mapExprs(n, func(e *expr.Expr) *expr.Expr {
		expr.Walk(e, func(e *expr.Expr) bool {
			if l := e.Col >> outerShift; e.Op == expr.OpColumn && l > 0 && (level == 0 || l < level) {
				level = l
			}
			return true
		})
		return e
	})
	return level
}

// outerAggregate binds an aggregate of a query around the one at hand there.
func (b *binder) outerAggregate(e *ast.FuncCall, level int) (*expr.Expr, error) {
	inner, owner := b.outer, b.outer
	for range level - 1 {
		owner = owner.parent
	}
	b.outer = owner.parent
	defer func() { b.outer = inner }()
	result, err := b.aggregateCall(e, owner.context)
	if err != nil {
		return nil, err
	}
	return expr.RemapColumns(result, func(col int) int { return col + level<<outerShift }), nil
}

// stringArguments binds string_agg(x, delimiter) with a constant delimiter as
// array_agg of what is not NULL.
func (b *binder) stringArguments(e *ast.FuncCall, written []*expr.Expr, call *aggregateArguments) error {
	if len(written) != 2 || e.Star {
		return notSupported(e.Position(), "this form of string_agg is not supported yet")
	}
	if written[1].Op != expr.OpConst {
		return notSupported(e.Position(), "string_agg is supported with a constant delimiter only")
	}
	args := make([]*expr.Expr, len(written))
	for i, arg := range written {
		if arg.Type.Base() == types.Bytea {
			return notSupported(e.Position(), "string_agg over bytea is not supported yet")
		}
		var err error
		if args[i], err = b.coerce(arg, types.Text, expr.Implicit); err != nil {
			return err
		}
	}
	var err error
	call.Func, _, err = operator.ResolveAggregate("array_agg", []types.Type{types.Text}, false)
	call.Args, call.delimiter = args[:1:1], args[1]
	return err
}

// stringAggregate is string_agg as array_to_string over array_agg.
func (b *binder) stringAggregate(call *aggregateArguments, c *exprContext, pos int) (*expr.Expr, error) {
	call.Filter = and(call.Filter, not(isNull(call.Args[0])))
	all := expr.Column(firstAggregate+c.aggregates.add(call.Call), types.TextArray)
	return b.function("array_to_string", []*expr.Expr{all, orEmpty(call.delimiter)}, pos)
}

// orEmpty is the empty text for NULL.
func orEmpty(e *expr.Expr) *expr.Expr {
	if e.Const.Null {
		return textConstant("")
	}
	return e
}

// aggregateOrder binds ORDER BY within an aggregate. Only the elements of an
// array have an order; elsewhere its expressions are checked and left out.
// Beside DISTINCT they must be arguments as they were written.
func (b *binder) aggregateOrder(e *ast.FuncCall, input *exprContext, written []*expr.Expr, call *Call) error {
	for _, item := range e.OrderBy {
		key, err := b.expr(item.Expr, input)
		if err != nil {
			return err
		}
		argument := slices.IndexFunc(written, func(arg *expr.Expr) bool { return arg.Type != types.Unknown && expr.Equal(arg, key) })
		if e.Distinct && argument < 0 {
			return sqlerr.New(sqlerr.InvalidColumnReference, "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list").At(item.Position())
		}
		if call.Func.Name != "array_agg" {
			continue
		}
		if key, err = b.settle(key); err != nil {
			return err
		}
		if argument == 0 {
			key = call.Args[0]
		}
		o, err := orderOf(item, len(call.Args))
		if err != nil {
			return err
		}
		call.Args, call.Order = append(call.Args, key), append(call.Order, o)
	}
	return nil
}
