package planner

import (
	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// maxDepth bounds the depth of bound expressions and nested queries: later
// passes recurse over them, and Go cannot recover from a stack overflow.
const maxDepth = 2000

// binder binds one statement.
type binder struct {
	env    *Env
	params []types.Type // by parameter number - 1; Unknown until inferred
	depth  int
	outer  *outerQuery  // the queries around the subquery that is bound
	views  []catalog.ID // plain views that were bound
	// untyped lets the next SELECT keep literals of unknown type in its select
	// list: the set operation that it is a side of gives them a type.
	untyped bool
	// closing is the SELECT that EMIT ON WINDOW CLOSE stands behind.
	closing *ast.Select
	// late says of streams which of their rows are late; leavesLate: these are left out.
	late       map[catalog.ID]*dataflow.Lateness
	leavesLate bool
}

// Bind binds a query. Parameters whose type nothing determines are 42P18.
func Bind(q *ast.SelectStmt, env *Env) (*Query, error) {
	b := newBinder(env)
	query, err := b.bindQuery(q, nil)
	if err != nil {
		return nil, err
	}
	if query.Params, err = b.finishParams(); err != nil {
		return nil, err
	}
	query.Views, query.Lateness = b.views, b.late
	if b.leavesLate {
		query.Late = catalog.LateDrop
	}
	if env.InView {
		return query, query.freeze(env.Expr, true)
	}
	return query, nil
}

// freeze binds all expressions to the session: what depends on its settings or
// its clock means the same wherever the plan runs later. keepNow leaves the clock
// in place, for views; without it constants are computed, so that the planner sees
// them as such.
func (q *Query) freeze(env *expr.Env, keepNow bool) error {
	var failure error
	frozen := func(e *expr.Expr) *expr.Expr {
		out, err := expr.Freeze(e, env, keepNow)
		if err == nil && !keepNow {
			out, err = expr.Fold(out, env)
		}
		if err != nil && failure == nil {
			failure = err
		}
		return out
	}
	q.Root = mapExprs(q.Root, frozen)
	if q.Limit != nil {
		q.Limit = frozen(q.Limit)
	}
	if q.Offset != nil {
		q.Offset = frozen(q.Offset)
	}
	return failure
}

// freezeSettings binds what depends on settings to those of env, and leaves the
// clock to freeze.
func (q *Query) freezeSettings(env *expr.Env) {
	frozen := func(e *expr.Expr) *expr.Expr { return expr.FreezeSettings(e, env) }
	q.Root = mapExprs(q.Root, frozen)
	if q.Limit != nil {
		q.Limit = frozen(q.Limit)
	}
	if q.Offset != nil {
		q.Offset = frozen(q.Offset)
	}
}

func newBinder(env *Env) *binder {
	return &binder{env: env, params: append([]types.Type(nil), env.ParamTypes...)}
}

// finishParams returns the types of all parameters.
func (b *binder) finishParams() ([]types.Type, error) {
	for i, t := range b.params {
		if t == types.Unknown || t == 0 {
			return nil, sqlerr.New(sqlerr.IndeterminateDatatype, "could not determine data type of parameter $%d", i+1)
		}
	}
	return b.params, nil
}

// enter counts one level of nesting; the caller defers leave.
func (b *binder) enter(pos int) error {
	if b.depth++; b.depth > maxDepth {
		return sqlerr.New(sqlerr.StatementTooComplex, "statement is nested too deeply").At(pos).
			WithHint("The limit is %d levels.", maxDepth)
	}
	return nil
}

func (b *binder) leave() { b.depth-- }

// param returns a reference to $n, of Unknown type until something determines it.
func (b *binder) param(p *ast.Param) *expr.Expr {
	for len(b.params) < p.Number {
		b.params = append(b.params, types.Unknown)
	}
	t := b.params[p.Number-1]
	if t == 0 {
		t, b.params[p.Number-1] = types.Unknown, types.Unknown
	}
	return &expr.Expr{Op: expr.OpParam, Col: p.Number - 1, Type: t, Pos: p.Position()}
}

// coerce converts e to a type and gives a parameter of unknown type that type.
func (b *binder) coerce(e *expr.Expr, to types.Type, ctx expr.CoercionContext) (*expr.Expr, error) {
	if e.Op == expr.OpParam && e.Type == types.Unknown {
		if known := b.params[e.Col]; known != types.Unknown {
			e.Type = known
		} else if to != types.Unknown {
			b.params[e.Col] = to.Base()
			e.Type = to.Base()
		}
	}
	if e.Type == to {
		return e, nil
	}
	out, err := expr.CoerceIn(b.env.Expr, e, to, ctx)
	if err != nil {
		return nil, sqlerr.From(err).At(e.Pos)
	}
	if out != e {
		out.Pos = e.Pos
	}
	return out, nil
}

// settle gives an expression whose type nothing determined the type text.
func (b *binder) settle(e *expr.Expr) (*expr.Expr, error) {
	if e.Type != types.Unknown {
		return e, nil
	}
	return b.coerce(e, types.Text, expr.Implicit)
}

// coerceAll brings expressions to a common type (chapter 10.5 of PostgreSQL's
// manual); what names the construct in the error.
func (b *binder) coerceAll(es []*expr.Expr, what string) (types.Type, error) {
	ts := make([]types.Type, len(es))
	for i, e := range es {
		ts[i] = e.Type
	}
	common, err := expr.CommonType(ts, what)
	if err != nil {
		return 0, sqlerr.From(err).At(es[0].Pos)
	}
	for i, e := range es {
		from := e.Type
		if es[i], err = b.coerce(e, common, expr.Implicit); err != nil {
			if sqlerr.Code(err) == sqlerr.DatatypeMismatch {
				err = sqlerr.New(sqlerr.CannotCoerce, "%s could not convert type %s to %s", what, from.Base(), common).At(e.Pos)
			}
			return 0, err
		}
	}
	return common, nil
}

func notSupported(pos int, format string, args ...any) *sqlerr.Error {
	return sqlerr.New(sqlerr.FeatureNotSupported, format, args...).At(pos)
}
