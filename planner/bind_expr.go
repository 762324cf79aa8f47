package planner

import (
	"math"
	"strconv"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// exprContext is what an expression is bound in.
type exprContext struct {
	scope *scope
	// aggregates collects aggregate calls; nil where none may stand.
	aggregates *aggregates
	// subqueries collects subqueries; nil where none may stand.
	subqueries *attachments
	// clause names the clause for error messages: WHERE, GROUP BY, ...
	clause string
}

// expr binds a scalar expression.
func (b *binder) expr(e ast.Expr, c *exprContext) (*expr.Expr, error) {
	if err := b.enter(e.Position()); err != nil {
		return nil, err
	}
	defer b.leave()
	out, err := b.exprNode(e, c)
	if err != nil {
		return nil, sqlerr.From(err).At(e.Position())
	}
	if out.Pos == 0 {
		out.Pos = e.Position()
	}
	return out, nil
}

// exprNode is the switch over node kinds.
func (b *binder) exprNode(e ast.Expr, c *exprContext) (*expr.Expr, error) {
	switch e := e.(type) {
	case *ast.ColumnRef:
		return b.column(e, c)
	case *ast.Param:
		return b.param(e), nil
	case *ast.NullLit:
		return expr.Constant(types.Unknown, types.NullDatum()), nil
	case *ast.BoolLit:
		return expr.Constant(types.Bool, types.Datum{Bool: e.Value}), nil
	case *ast.NumberLit:
		return numberConstant(e.Text)
	case *ast.StringLit:
		return expr.Constant(types.Unknown, types.Datum{Bytes: []byte(e.Value)}), nil
	case *ast.AndExpr:
		return b.boolChain(expr.OpAnd, "AND", e.Args, c)
	case *ast.OrExpr:
		return b.boolChain(expr.OpOr, "OR", e.Args, c)
	case *ast.NotExpr:
		arg, err := b.condition(e.Expr, c, "NOT")
		if err != nil {
			return nil, err
		}
		return not(arg), nil
	case *ast.UnaryExpr:
		return b.unary(e, c)
	case *ast.BinaryExpr:
		return b.binary(e, c)
	case *ast.IsExpr:
		return b.is(e, c)
	case *ast.DistinctExpr:
		return b.distinct(e, c)
	case *ast.BetweenExpr:
		return b.between(e, c)
	case *ast.LikeExpr:
		return b.like(e, c)
	case *ast.InExpr:
		return b.in(e, c)
	case *ast.AtTimeZoneExpr:
		return b.call("timezone", []ast.Expr{e.Zone, e.Expr}, c)
	case *ast.CastExpr:
		return b.cast(e, c)
	case *ast.CaseExpr:
		return b.caseExpr(e, c)
	case *ast.CoalesceExpr:
		return b.variadicNode(expr.OpCoalesce, "COALESCE", e.Args, c)
	case *ast.MinMaxExpr:
		if e.Least {
			return b.variadicNode(expr.OpLeast, "LEAST", e.Args, c)
		}
		return b.variadicNode(expr.OpGreatest, "GREATEST", e.Args, c)
	case *ast.NullIfExpr:
		return b.nullIf(e, c)
	case *ast.FuncCall:
		return b.funcCall(e, c)
	case *ast.SQLValueFunction:
		return b.sqlValueFunction(e)
	case *ast.CollateExpr:
		return b.collate(e, c)
	case *ast.SubqueryExpr:
		return b.scalarSubquery(e, c)
	case *ast.ExistsExpr:
		return b.exists(e, c)
	case *ast.ArraySubquery:
		return b.arraySubquery(e, c)
	case *ast.QuantifiedExpr:
		return b.quantified(e, c)
	case *ast.ArrayExpr:
		return b.array(e, c)
	case *ast.Subscript:
		return b.subscript(e, c)
	}
	return nil, b.unsupported(e)
}

// unsupported names the construct that cannot be planned yet.
func (b *binder) unsupported(e ast.Expr) error {
	what := "this expression"
	switch e := e.(type) {
	case *ast.RowExpr, *ast.FieldSelect, *ast.FieldStar, *ast.OverlapsExpr:
		what = "a row value"
	case *ast.Star:
		return sqlerr.New(sqlerr.SyntaxError, "* is only allowed in a select list or as count(*)").At(e.Position())
	case *ast.DefaultExpr:
		return sqlerr.New(sqlerr.SyntaxError, "DEFAULT is not allowed in this context").At(e.Position())
	case *ast.GroupingExpr:
		what = "GROUPING"
	case *ast.BitLit:
		what = "a bit string"
	}
	return notSupported(e.Position(), "%s is not supported yet", what)
}

// numberConstant types a numeric literal as PostgreSQL does: integer, bigint,
// else numeric.
func numberConstant(text string) (*expr.Expr, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n >= math.MinInt32 && n <= math.MaxInt32 {
			return expr.Constant(types.Int4, types.Datum{Int: n}), nil
		}
		return expr.Constant(types.Int8, types.Datum{Int: n}), nil
	}
	d, err := types.ParseText(types.Numeric, []byte(text), nil)
	if err != nil {
		return nil, err
	}
	return expr.Constant(types.Numeric, d), nil
}

func not(e *expr.Expr) *expr.Expr {
	return &expr.Expr{Op: expr.OpNot, Type: types.Bool, Args: []*expr.Expr{e}, Pos: e.Pos}
}

// condition binds an argument of a boolean construct.
func (b *binder) condition(e ast.Expr, c *exprContext, construct string) (*expr.Expr, error) {
	arg, err := b.expr(e, c)
	if err != nil {
		return nil, err
	}
	if arg.Type == types.Unknown {
		return b.coerce(arg, types.Bool, expr.Implicit)
	}
	if arg.Type.Base() != types.Bool {
		return nil, sqlerr.New(sqlerr.DatatypeMismatch, "argument of %s must be type boolean, not type %s", construct, arg.Type).At(e.Position())
	}
	return arg, nil
}

func (b *binder) boolChain(op expr.Op, name string, args []ast.Expr, c *exprContext) (*expr.Expr, error) {
	out := &expr.Expr{Op: op, Type: types.Bool}
	for _, a := range args {
		arg, err := b.condition(a, c, name)
		if err != nil {
			return nil, err
		}
		out.Args = append(out.Args, arg)
	}
	return out, nil
}

func (b *binder) unary(e *ast.UnaryExpr, c *exprContext) (*expr.Expr, error) {
	if lit, ok := e.Expr.(*ast.NumberLit); ok && e.Op == "-" {
		return numberConstant("-" + lit.Text)
	}
	arg, err := b.expr(e.Expr, c)
	if err != nil {
		return nil, err
	}
	return b.operator(e.Op, nil, arg, e.Position())
}

func (b *binder) binary(e *ast.BinaryExpr, c *exprContext) (*expr.Expr, error) {
	if row, ok := e.Left.(*ast.RowExpr); ok {
		return b.rowComparison(e, row, c)
	}
	left, err := b.expr(e.Left, c)
	if err != nil {
		return nil, err
	}
	right, err := b.expr(e.Right, c)
	if err != nil {
		return nil, err
	}
	return b.operator(e.Op, left, right, e.Position())
}

// operator resolves an operator and coerces its operands; left is nil for a
// prefix operator.
func (b *binder) operator(op string, left, right *expr.Expr, pos int) (*expr.Expr, error) {
	var leftType types.Type
	args := []*expr.Expr{right}
	if left != nil {
		leftType = left.Type
		args = []*expr.Expr{left, right}
	}
	f, argTypes, err := expr.ResolveOperator(op, leftType, right.Type)
	if err != nil {
		return nil, sqlerr.From(err).At(pos)
	}
	return b.apply(f, argTypes, args, pos)
}

// apply coerces the arguments and makes the call.
func (b *binder) apply(f *expr.Function, argTypes []types.Type, args []*expr.Expr, pos int) (*expr.Expr, error) {
	if f.Volatility == expr.Volatile && b.env.InView {
		return nil, notSupported(pos, "function %s is volatile and cannot be used in a materialized view", f.Name).
			WithHint("The value would depend on when the view is computed; compute it where the rows are produced.")
	}
	for i := range args {
		arg, err := b.coerce(args[i], argTypes[i], expr.Implicit)
		if err != nil {
			return nil, err
		}
		args[i] = arg
	}
	out, err := expr.NewCall(b.env.Expr, f, argTypes, args...)
	if err != nil {
		return nil, sqlerr.From(err).At(pos)
	}
	out.Pos = pos
	return out, nil
}

func (b *binder) is(e *ast.IsExpr, c *exprContext) (*expr.Expr, error) {
	var out *expr.Expr
	switch e.Test {
	case ast.IsNull:
		arg, err := b.expr(e.Expr, c)
		if err != nil {
			return nil, err
		}
		if arg, err = b.settle(arg); err != nil {
			return nil, err
		}
		out = isNull(arg)
	case ast.IsTrue, ast.IsFalse:
		arg, err := b.condition(e.Expr, c, "IS TRUE")
		if err != nil {
			return nil, err
		}
		if e.Test == ast.IsFalse {
			arg = not(arg)
		}
		out = &expr.Expr{Op: expr.OpCoalesce, Type: types.Bool,
			Args: []*expr.Expr{arg, expr.Constant(types.Bool, types.Datum{})}}
	case ast.IsUnknown:
		arg, err := b.condition(e.Expr, c, "IS UNKNOWN")
		if err != nil {
			return nil, err
		}
		out = isNull(arg)
	default:
		return nil, b.unsupported(e)
	}
	if e.Not {
		return not(out), nil
	}
	return out, nil
}

func isNull(e *expr.Expr) *expr.Expr {
	return &expr.Expr{Op: expr.OpIsNull, Type: types.Bool, Args: []*expr.Expr{e}, Pos: e.Pos}
}

func (b *binder) distinct(e *ast.DistinctExpr, c *exprContext) (*expr.Expr, error) {
	left, err := b.expr(e.Left, c)
	if err != nil {
		return nil, err
	}
	right, err := b.expr(e.Right, c)
	if err != nil {
		return nil, err
	}
	equal, err := b.operator("=", left, right, e.Position())
	if err != nil {
		return nil, err
	}
	out := &expr.Expr{Op: expr.OpDistinct, Type: types.Bool, Args: []*expr.Expr{equal.Args[0], equal.Args[1], equal}}
	if e.Not {
		return not(out), nil
	}
	return out, nil
}

func (b *binder) between(e *ast.BetweenExpr, c *exprContext) (*expr.Expr, error) {
	var bound [3]*expr.Expr
	for i, a := range []ast.Expr{e.Expr, e.Low, e.High} {
		var err error
		if bound[i], err = b.expr(a, c); err != nil {
			return nil, err
		}
	}
	within := func(low, high *expr.Expr) (*expr.Expr, error) {
		above, err := b.operator(">=", bound[0], low, e.Position())
		if err != nil {
			return nil, err
		}
		below, err := b.operator("<=", bound[0], high, e.Position())
		if err != nil {
			return nil, err
		}
		return &expr.Expr{Op: expr.OpAnd, Type: types.Bool, Args: []*expr.Expr{above, below}}, nil
	}
	out, err := within(bound[1], bound[2])
	if err == nil && e.Symmetric {
		var swapped *expr.Expr
		if swapped, err = within(bound[2], bound[1]); err == nil {
			out = &expr.Expr{Op: expr.OpOr, Type: types.Bool, Args: []*expr.Expr{out, swapped}}
		}
	}
	if err != nil {
		return nil, err
	}
	if e.Not {
		return not(out), nil
	}
	return out, nil
}

// like binds the pattern matches to PostgreSQL's operators: ~~ is LIKE, ~~* is
// ILIKE; ESCAPE rewrites the pattern by like_escape.
func (b *binder) like(e *ast.LikeExpr, c *exprContext) (*expr.Expr, error) {
	subject, err := b.expr(e.Expr, c)
	if err != nil {
		return nil, err
	}
	pattern, err := b.expr(e.Pattern, c)
	if err != nil {
		return nil, err
	}
	if e.Kind == ast.SimilarTo {
		return nil, notSupported(e.Position(), "SIMILAR TO is not supported yet").WithHint("Use LIKE or the ~ operator.")
	}
	if e.Escape != nil {
		escape, err := b.expr(e.Escape, c)
		if err != nil {
			return nil, err
		}
		if pattern, err = b.function("like_escape", []*expr.Expr{pattern, escape}, e.Position()); err != nil {
			return nil, err
		}
	}
	op := "~~"
	if e.Kind == ast.ILike {
		op = "~~*"
	}
	if e.Not {
		op = "!" + op
	}
	return b.operator(op, subject, pattern, e.Position())
}

// in binds x IN (list): constants of one type become one node, anything else a
// chain of comparisons.
func (b *binder) in(e *ast.InExpr, c *exprContext) (*expr.Expr, error) {
	if e.Query != nil {
		in, err := b.inSubquery(e.Expr, e.Query, c, false)
		if err != nil || !e.Not {
			return in, err
		}
		return not(in), nil
	}
	needle, err := b.expr(e.Expr, c)
	if err != nil {
		return nil, err
	}
	args := []*expr.Expr{needle}
	for _, item := range e.List {
		arg, err := b.expr(item, c)
		if err != nil {
			return nil, err
		}
		args = append(args, arg)
	}
	out, err := b.inList(args, e.Position())
	if err != nil {
		return nil, err
	}
	if e.Not {
		return not(out), nil
	}
	return out, nil
}

func (b *binder) inList(args []*expr.Expr, pos int) (*expr.Expr, error) {
	constant := true
	for _, a := range args[1:] {
		constant = constant && a.Op == expr.OpConst
	}
	if _, err := expr.CommonType(typesOf(args), "IN"); err == nil && constant {
		common := append([]*expr.Expr(nil), args...)
		_, err := b.coerceAll(common, "IN")
		switch {
		case err == nil && allConst(common[1:]):
			return &expr.Expr{Op: expr.OpIn, Type: types.Bool, Args: common}, nil
		case err != nil && sqlerr.Code(err) != sqlerr.CannotCoerce:
			return nil, err
		}
	}
	out := &expr.Expr{Op: expr.OpOr, Type: types.Bool}
	for _, a := range args[1:] {
		equal, err := b.operator("=", args[0], a, pos)
		if err != nil {
			return nil, err
		}
		out.Args = append(out.Args, equal)
	}
	if len(out.Args) == 1 {
		return out.Args[0], nil
	}
	return out, nil
}

func allConst(es []*expr.Expr) bool {
	for _, e := range es {
		if e.Op != expr.OpConst {
			return false
		}
	}
	return true
}

func (b *binder) cast(e *ast.CastExpr, c *exprContext) (*expr.Expr, error) {
	if kind, ok := nameType(e.Type); ok {
		return b.nameCast(kind, e, c)
	}
	to, err := BindType(e.Type)
	if err != nil {
		return nil, err
	}
	if e.Form == ast.CastTry || e.Form == ast.CastTreat {
		return nil, notSupported(e.Position(), "TRY_CAST and TREAT are not supported yet")
	}
	if out, err := b.emptyArray(e.Expr, to); out != nil || err != nil {
		return out, err
	}
	arg, err := b.expr(e.Expr, c)
	if err != nil {
		return nil, err
	}
	if out, err := b.objectCast(arg, to); out != nil || err != nil {
		return out, err
	}
	if arg.Op == expr.OpParam && arg.Type == types.Unknown && b.params[arg.Col] == types.Unknown {
		b.params[arg.Col] = to.Base()
		arg.Type = to.Base()
	}
	return b.coerce(arg, to, expr.Explicit)
}

func (b *binder) caseExpr(e *ast.CaseExpr, c *exprContext) (*expr.Expr, error) {
	var operand *expr.Expr
	if e.Operand != nil {
		var err error
		if operand, err = b.expr(e.Operand, c); err != nil {
			return nil, err
		}
		if operand, err = b.settle(operand); err != nil {
			return nil, err
		}
	}
	var conditions, results []*expr.Expr
	for _, w := range e.Whens {
		condition, err := b.when(operand, w, c)
		if err != nil {
			return nil, err
		}
		result, err := b.expr(w.Result, c)
		if err != nil {
			return nil, err
		}
		conditions, results = append(conditions, condition), append(results, result)
	}
	otherwise := expr.Constant(types.Unknown, types.NullDatum())
	if e.Else != nil {
		var err error
		if otherwise, err = b.expr(e.Else, c); err != nil {
			return nil, err
		}
	}
	results = append([]*expr.Expr{otherwise}, results...) // PostgreSQL looks at ELSE first
	common, err := b.coerceAll(results, "CASE")
	if err != nil {
		return nil, err
	}
	out := &expr.Expr{Op: expr.OpCase, Type: common}
	for i := range conditions {
		out.Args = append(out.Args, conditions[i], results[i+1])
	}
	out.Args = append(out.Args, results[0])
	return out, nil
}

func (b *binder) when(operand *expr.Expr, w *ast.When, c *exprContext) (*expr.Expr, error) {
	if operand == nil {
		return b.condition(w.Cond, c, "CASE/WHEN")
	}
	value, err := b.expr(w.Cond, c)
	if err != nil {
		return nil, err
	}
	return b.operator("=", operand, value, w.Position())
}

// variadicNode binds COALESCE, GREATEST and LEAST.
func (b *binder) variadicNode(op expr.Op, name string, args []ast.Expr, c *exprContext) (*expr.Expr, error) {
	out := &expr.Expr{Op: op}
	for _, a := range args {
		arg, err := b.expr(a, c)
		if err != nil {
			return nil, err
		}
		out.Args = append(out.Args, arg)
	}
	common, err := b.coerceAll(out.Args, name)
	if err != nil {
		return nil, err
	}
	out.Type = common
	return out, nil
}

func (b *binder) nullIf(e *ast.NullIfExpr, c *exprContext) (*expr.Expr, error) {
	left, err := b.expr(e.Left, c)
	if err != nil {
		return nil, err
	}
	right, err := b.expr(e.Right, c)
	if err != nil {
		return nil, err
	}
	equal, err := b.operator("=", left, right, e.Position())
	if err != nil {
		return nil, err
	}
	if compared := equal.Args[0]; compared.Type.Base() != left.Type.Base() {
		left = compared // the type is the one that is compared
	}
	right = equal.Args[1]
	return &expr.Expr{Op: expr.OpNullIf, Type: left.Type, Args: []*expr.Expr{left, right, equal}}, nil
}

func (b *binder) collate(e *ast.CollateExpr, c *exprContext) (*expr.Expr, error) {
	switch e.Collation.Name {
	case "C", "POSIX", "default", "ucs_basic":
		return b.expr(e.Expr, c)
	}
	return nil, notSupported(e.Position(), "collation %q is not supported", e.Collation.Name).
		WithHint("Text is ordered by its bytes (collation \"C\").")
}
