package planner

import (
	"strings"

	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// call binds a function call by name over unbound arguments.
func (b *binder) call(name string, args []ast.Expr, c *exprContext) (*expr.Expr, error) {
	bound, err := b.exprs(args, c)
	if err != nil {
		return nil, err
	}
	return b.function(name, bound, args[0].Position())
}

func (b *binder) exprs(es []ast.Expr, c *exprContext) ([]*expr.Expr, error) {
	out := make([]*expr.Expr, len(es))
	for i, e := range es {
		var err error
		if out[i], err = b.expr(e, c); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// function resolves a function and coerces its arguments.
func (b *binder) function(name string, args []*expr.Expr, pos int) (*expr.Expr, error) {
	f, argTypes, err := expr.ResolveFunction(name, typesOf(args))
	if err != nil {
		if len(args) == 1 { // name(x) may be a cast
			if out, castErr := expr.NewFunctionCall(b.env.Expr, name, args...); castErr == nil {
				return out, nil
			}
		}
		return nil, sqlerr.From(err).At(pos)
	}
	return b.apply(f, argTypes, args, pos)
}

func typesOf(es []*expr.Expr) []types.Type {
	out := make([]types.Type, len(es))
	for i, e := range es {
		out[i] = e.Type
	}
	return out
}

// funcCall binds f(...): an aggregate, a session function, or a function of
// the table.
func (b *binder) funcCall(e *ast.FuncCall, c *exprContext) (*expr.Expr, error) {
	for _, q := range e.Qualifier {
		if q != "pg_catalog" {
			return nil, sqlerr.New(sqlerr.UndefinedFunction, "function %s.%s does not exist", q, e.Name).At(e.Position())
		}
	}
	if e.Over != nil {
		return nil, notSupported(e.Position(), "window functions are not supported yet")
	}
	if operator.IsAggregate(e.Name) || e.Name == "string_agg" {
		return b.aggregateCall(e, c)
	}
	switch {
	case e.Star:
		return nil, sqlerr.New(sqlerr.WrongObjectType, "%s(*) specified, but %s is not an aggregate function", e.Name, e.Name).At(e.Position())
	case e.Distinct, len(e.OrderBy) > 0, len(e.WithinGroup) > 0, e.Filter != nil:
		return nil, sqlerr.New(sqlerr.WrongObjectType, "DISTINCT, ORDER BY, WITHIN GROUP or FILTER specified, but %s is not an aggregate function", e.Name).At(e.Position())
	case e.Variadic:
		return nil, notSupported(e.Position(), "VARIADIC arguments are not supported yet")
	}
	for _, a := range e.Args {
		if n, ok := a.(*ast.NamedArg); ok {
			return nil, notSupported(n.Position(), "named arguments are not supported yet")
		}
	}
	if out, err := b.sessionFunction(e, c); out != nil || err != nil {
		return out, err
	}
	if out, err := b.catalogFunction(e, c); out != nil || err != nil {
		return out, err
	}
	args, err := b.exprs(e.Args, c)
	if err != nil {
		return nil, err
	}
	if err := b.checkTimeFunction(e.Name, e.Position()); err != nil {
		return nil, err
	}
	return b.function(timeSpelling(e.Name, len(args)), args, e.Position())
}

// checkTimeFunction refuses functions of the current time that a view cannot
// keep up with. What stays of now() when its comparisons have become timers is
// refused later (temporalFilters).
func (b *binder) checkTimeFunction(name string, pos int) error {
	if !b.env.InView {
		return nil
	}
	switch name {
	case "current_time", "localtime", "clock_timestamp", "timeofday":
		return notSupported(pos, "%s cannot be used in a materialized view", name).
			WithHint("In a view, now() can be used in conditions such as ts > now() - INTERVAL '1 hour'.")
	}
	return nil
}

// timeSpelling returns the name of now() for other systems' names of it:
// Materialize's mz_now(), and PROCTIME() of Flink and RisingWave.
func timeSpelling(name string, args int) string {
	if args == 0 && (name == "mz_now" || name == "proctime") {
		return "now"
	}
	return name
}

// sessionFunction answers functions of the session by a constant; nil, nil if
// the call is none.
func (b *binder) sessionFunction(e *ast.FuncCall, c *exprContext) (*expr.Expr, error) {
	text := func(s string) (*expr.Expr, error) {
		return expr.Constant(types.Text, types.Datum{Bytes: []byte(s)}), nil
	}
	name := func(s string) (*expr.Expr, error) {
		return expr.Constant(types.Name, types.Datum{Bytes: []byte(s)}), nil
	}
	switch f := e.Name; {
	case f == "version" && len(e.Args) == 0:
		return text(b.env.Version)
	case (f == "current_database" || f == "current_catalog") && len(e.Args) == 0:
		return name(b.env.Database)
	case f == "current_schema" && len(e.Args) == 0:
		return name(b.currentSchema())
	case f == "pg_backend_pid" && len(e.Args) == 0:
		return expr.Constant(types.Int4, types.Datum{Int: int64(b.env.BackendPID)}), nil
	case f == "current_setting" && (len(e.Args) == 1 || len(e.Args) == 2):
		return b.currentSetting(e)
	case f == "pg_typeof" && len(e.Args) == 1:
		arg, err := b.expr(e.Args[0], c)
		if err != nil {
			return nil, err
		}
		return expr.Constant(types.Regtype, types.Datum{Int: int64(arg.Type.Base().OID())}), nil
	}
	return nil, nil
}

func (b *binder) currentSetting(e *ast.FuncCall) (*expr.Expr, error) {
	lit, ok := e.Args[0].(*ast.StringLit)
	if !ok || b.env.Setting == nil {
		return nil, nil
	}
	value, err := b.env.Setting(lit.Value)
	if err != nil {
		if m, ok := lastBool(e.Args[1:]); ok && m {
			return expr.Constant(types.Text, types.NullDatum()), nil
		}
		return nil, err
	}
	return expr.Constant(types.Text, types.Datum{Bytes: []byte(value)}), nil
}

func lastBool(args []ast.Expr) (value, ok bool) {
	if len(args) == 0 {
		return false, false
	}
	lit, ok := args[0].(*ast.BoolLit)
	return ok && lit.Value, ok
}

func (b *binder) currentSchema() string {
	for _, s := range b.env.SearchPath {
		if s != "pg_catalog" && b.env.Catalog.HasSchema(s) {
			return s
		}
	}
	return ""
}

// sqlValueFunction binds current_user, current_timestamp and their kin.
func (b *binder) sqlValueFunction(e *ast.SQLValueFunction) (*expr.Expr, error) {
	switch e.Name {
	case "current_user", "user", "session_user", "current_role":
		return expr.Constant(types.Name, types.Datum{Bytes: []byte(b.env.User)}), nil
	case "current_catalog":
		return expr.Constant(types.Name, types.Datum{Bytes: []byte(b.env.Database)}), nil
	case "current_schema":
		return expr.Constant(types.Name, types.Datum{Bytes: []byte(b.currentSchema())}), nil
	}
	if err := b.checkTimeFunction(strings.ToLower(e.Name), e.Position()); err != nil {
		return nil, err
	}
	return b.timeFunction(e)
}

// timeFunction rewrites current_date and its kin to casts of now().
func (b *binder) timeFunction(e *ast.SQLValueFunction) (*expr.Expr, error) {
	now, err := b.function("now", nil, e.Position())
	if err != nil {
		return nil, err
	}
	to := map[string]types.Type{
		"current_timestamp": types.Timestamptz,
		"current_date":      types.Date,
		"current_time":      types.TimeTZ,
		"localtimestamp":    types.Timestamp,
		"localtime":         types.Time,
	}[e.Name]
	if to == 0 {
		return nil, notSupported(e.Position(), "%s is not supported", e.Name)
	}
	if e.Precision >= 0 {
		to = to.WithTypmod(int32(e.Precision))
	}
	return b.coerce(now, to, expr.Explicit)
}
