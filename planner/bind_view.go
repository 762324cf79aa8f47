package planner

import (
	"strings"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
)

// bindStored binds the stored query of a plain view with the settings that
// were frozen at its creation.
func (b *binder) bindStored(o *catalog.Object) (*Query, error) {
	parsed, err := sql.ParseOne(o.Query)
	if err != nil {
		return nil, sqlerr.Wrap(err, sqlerr.InternalError, "the stored query of view %q does not parse", o.Name)
	}
	sel, ok := parsed.Stmt.(*ast.SelectStmt)
	if !ok {
		return nil, sqlerr.New(sqlerr.InternalError, "the stored query of view %q is no query", o.Name)
	}
	b.views = append(b.views, o.ID)
	outer := b.env
	b.env = outer.ofView(o)
	around := b.outer
	b.outer = nil
	q, err := b.bindQuery(sel, nil)
	if err == nil && !expr.SameSettings(b.env.Expr, outer.Expr) {
		q.freezeSettings(b.env.Expr)
	}
	b.env, b.outer = outer, around
	if err != nil {
		// Positions refer to the view's text, not to the statement's.
		e := *sqlerr.From(err)
		e.Position = 0
		return nil, &e
	}
	return q, nil
}

// ofView is the environment with the settings that a view was created with.
func (env *Env) ofView(o *catalog.Object) *Env {
	inner := *env
	inner.SearchPath = SearchPath(o.Settings["search_path"])
	if env.Expr != nil && env.Frozen != nil {
		own := *env.Expr
		own.Settings = *env.Frozen(o)
		inner.Expr = &own
	}
	inner.Setting = func(name string) (string, error) {
		if value, ok := o.Settings[strings.ToLower(name)]; ok || env.Setting == nil {
			return value, nil
		}
		return env.Setting(name)
	}
	return &inner
}
