package planner

import (
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
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
	inner := *outer
	inner.SearchPath = SearchPath(o.Settings["search_path"])
	b.env = &inner
	around := b.outer
	b.outer = nil
	q, err := b.bindQuery(sel, nil)
	b.env, b.outer = outer, around
	if err != nil {
		// Positions refer to the view's text, not to the statement's.
		e := *sqlerr.From(err)
		e.Position = 0
		return nil, &e
	}
	return q, nil
}
