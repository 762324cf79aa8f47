package planner

import (
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// bindQuery binds a query with its WITH, ORDER BY and LIMIT clauses.
func (b *binder) bindQuery(q *ast.SelectStmt, ctes *cteScope) (*Query, error) {
	if err := b.enter(q.Position()); err != nil {
		return nil, err
	}
	defer b.leave()
	if err := b.refuseClauses(q); err != nil {
		return nil, err
	}
	ctes, err := b.bindWith(q.With, ctes)
	if err != nil {
		return nil, err
	}
	if err := b.bindEmit(q); err != nil {
		return nil, err
	}
	query, err := b.bindBody(q.Body, q.OrderBy, ctes)
	if err != nil {
		return nil, err
	}
	if err := b.bindLimits(q, query); err != nil {
		return nil, err
	}
	return query, nil
}

// refuseClauses refuses what the grammar knows and the planner does not.
func (b *binder) refuseClauses(q *ast.SelectStmt) error {
	switch {
	case len(q.Locking) > 0:
		return notSupported(q.Locking[0].Position(), "row locks are not supported").
			WithHint("Every statement reads one snapshot; there is nothing to lock.")
	case q.WithTies:
		return notSupported(q.Position(), "WITH TIES is not supported yet")
	case q.AsOf != nil:
		return notSupported(q.AsOf.Position(), "AS OF is not supported yet")
	case q.Emit == ast.EmitChanges && !b.env.InView: // a view changes without saying so
		return notSupported(q.Position(), "EMIT CHANGES is supported at the end of a SELECT alone")
	}
	return nil
}

// bindWith binds the queries of WITH; each sees the ones before it.
func (b *binder) bindWith(w *ast.With, ctes *cteScope) (*cteScope, error) {
	if w == nil {
		return ctes, nil
	}
	if w.Mode != ast.NotRecursive {
		return nil, notSupported(w.Position(), "WITH RECURSIVE is not supported yet")
	}
	seen := map[string]bool{}
	for _, cte := range w.CTEs {
		if seen[cte.Name] {
			return nil, sqlerr.New(sqlerr.DuplicateAlias, "WITH query name %q specified more than once", cte.Name).At(cte.Position())
		}
		seen[cte.Name] = true
		sel, ok := cte.Query.(*ast.SelectStmt)
		if !ok {
			return nil, notSupported(cte.Position(), "data-modifying statements in WITH are not supported")
		}
		query, err := b.bindQuery(sel, ctes)
		if err != nil {
			return nil, err
		}
		if readsOuter(query.Root) {
			return nil, notSupported(cte.Position(), "a WITH query that reads columns of an outer query is not supported yet")
		}
		names := make([]string, len(cte.Columns))
		for i, c := range cte.Columns {
			names[i] = c.Name
		}
		if query, err = renameColumns(query, names, cte.Name, cte.Position()); err != nil {
			return nil, err
		}
		ctes = &cteScope{name: cte.Name, query: query, parent: ctes}
	}
	return ctes, nil
}

// renameColumns applies a column alias list to a query's first columns.
func renameColumns(q *Query, names []string, alias string, pos int) (*Query, error) {
	if len(names) > len(q.Names) {
		return nil, sqlerr.New(sqlerr.InvalidColumnReference, "table %q has %d columns available but %d columns specified", alias, len(q.Names), len(names)).At(pos)
	}
	renamed := *q
	renamed.Names = append(append([]string(nil), names...), q.Names[len(names):]...)
	return &renamed, nil
}

// bindBody binds what stands before ORDER BY.
func (b *binder) bindBody(body ast.SelectBody, order []*ast.SortItem, ctes *cteScope) (*Query, error) {
	switch body := body.(type) {
	case *ast.Select:
		return b.bindSelect(body, order, ctes)
	case *ast.Values:
		q, err := b.bindValues(body, &scope{ctes: ctes})
		if err != nil {
			return nil, err
		}
		return q, b.orderByOutput(q, order)
	case *ast.TableQuery:
		all := &ast.Select{Pos: body.Pos, Targets: []*ast.Target{{Pos: body.Pos, Expr: &ast.Star{Pos: body.Pos}}},
			From: []ast.TableExpr{body.Table}}
		return b.bindSelect(all, order, ctes)
	case *ast.SelectStmt:
		q, err := b.bindQuery(body, ctes)
		if err != nil {
			return nil, err
		}
		if len(order) == 0 {
			return q, nil
		}
		q = asSubquery(q)
		return q, b.orderByOutput(q, order)
	case *ast.SetOp:
		q, err := b.bindSetOp(body, ctes)
		if err != nil {
			return nil, err
		}
		return q, b.orderByOutput(q, order)
	}
	return nil, notSupported(body.Position(), "this form of query is not supported yet")
}

// asSubquery drops the hidden columns and, as a subquery's order means
// nothing without a limit, the order of a query.
func asSubquery(q *Query) *Query {
	out := &Query{Root: q.visible(), Names: q.Names}
	return out
}

// visible returns the plan without hidden columns.
func (q *Query) visible() Node {
	ts := q.Root.Types()
	if len(ts) == len(q.Names) {
		return q.Root
	}
	project := make([]*expr.Expr, len(q.Names))
	for i := range project {
		project[i] = expr.Column(i, ts[i])
	}
	return &Map{Input: q.Root, Project: project}
}

// bindSetOp binds UNION and its kin.
func (b *binder) bindSetOp(s *ast.SetOp, ctes *cteScope) (*Query, error) {
	if err := b.enter(s.Position()); err != nil {
		return nil, err
	}
	defer b.leave()
	left, err := b.bindSide(s.Left, ctes)
	if err != nil {
		return nil, err
	}
	right, err := b.bindSide(s.Right, ctes)
	if err != nil {
		return nil, err
	}
	if len(left.Names) != len(right.Names) {
		return nil, sqlerr.New(sqlerr.SyntaxError, "each %s query must have the same number of columns", setOpName(s)).At(s.Right.Position())
	}
	l, r, err := b.commonTypes(left, right, s)
	if err != nil {
		return nil, err
	}
	out := &Query{Names: left.Names}
	if s.Kind != ast.Union {
		out.Root, err = b.matched(l, r, s)
		return out, err
	}
	out.Root = &Union{Sides: []Node{l, r}}
	if !s.All {
		out.Root = distinct(out.Root)
	}
	return out, nil
}

func setOpName(s *ast.SetOp) string {
	return map[ast.SetOpKind]string{ast.Union: "UNION", ast.Intersect: "INTERSECT", ast.Except: "EXCEPT"}[s.Kind]
}

// bindSide binds a side of a set operation; a plain SELECT may leave literals
// without type.
func (b *binder) bindSide(side ast.SelectBody, ctes *cteScope) (*Query, error) {
	if sel, ok := side.(*ast.SelectStmt); ok && sel.With == nil && len(sel.OrderBy) == 0 && sel.Limit == nil && sel.Offset == nil {
		if err := b.refuseClauses(sel); err != nil {
			return nil, err
		}
		side = sel.Body // parentheses alone
	}
	_, b.untyped = side.(*ast.Select)
	defer func() { b.untyped = false }()
	return b.bindBody(side, nil, ctes)
}

// sideColumn returns a column of a set operation's side, an untyped literal
// itself.
func sideColumn(q *Query, i int, t types.Type) *expr.Expr {
	if m, ok := q.Root.(*Map); ok && i < len(m.Project) && isUntyped(m.Project[i]) {
		return m.Project[i]
	}
	return expr.Column(i, t)
}

// commonTypes brings both sides to common types.
func (b *binder) commonTypes(left, right *Query, s *ast.SetOp) (l, r Node, err error) {
	sides := []*Query{left, right}
	var columns [2][]*expr.Expr
	for side, q := range sides {
		if q.Limit != nil || q.Offset != nil {
			return nil, nil, notSupported(s.Position(), "LIMIT inside %s is not supported yet", setOpName(s))
		}
		for i, t := range q.Types() {
			columns[side] = append(columns[side], sideColumn(q, i, t))
		}
	}
	for i := range columns[0] {
		pair := []*expr.Expr{columns[0][i], columns[1][i]}
		if _, err := b.coerceAll(pair, setOpName(s)); err != nil {
			return nil, nil, sqlerr.From(err).At(s.Right.Position())
		}
		columns[0][i], columns[1][i] = pair[0], pair[1]
	}
	return &Map{Input: left.visible(), Project: columns[0]}, &Map{Input: right.visible(), Project: columns[1]}, nil
}

// distinct groups by all columns.
func distinct(n Node) Node {
	ts := n.Types()
	keys := make([]*expr.Expr, len(ts))
	for i, t := range ts {
		keys[i] = expr.Column(i, t)
	}
	return &Aggregate{Input: n, Keys: keys}
}

// bindValues binds VALUES lists.
func (b *binder) bindValues(v *ast.Values, s *scope) (*Query, error) {
	c := &exprContext{scope: s, clause: "VALUES"}
	rows := make([][]*expr.Expr, len(v.Rows))
	for r, row := range v.Rows {
		if len(row) != len(v.Rows[0]) {
			return nil, sqlerr.New(sqlerr.SyntaxError, "VALUES lists must all be the same length").At(row[0].Position())
		}
		var err error
		if rows[r], err = b.exprs(row, c); err != nil {
			return nil, err
		}
	}
	q := &Query{}
	out := &Values{Rows: rows}
	for i := range rows[0] {
		column := make([]*expr.Expr, len(rows))
		for r := range rows {
			column[r] = rows[r][i]
		}
		common, err := b.coerceAll(column, "VALUES")
		if err != nil {
			return nil, err
		}
		if common == types.Unknown {
			common = types.Text
		}
		for r := range rows {
			if rows[r][i], err = b.coerce(column[r], common, expr.Implicit); err != nil {
				return nil, err
			}
		}
		out.Columns = append(out.Columns, common)
		q.Names = append(q.Names, "column"+itoa(i+1))
	}
	q.Root = out
	return q, nil
}

// bindLimits binds LIMIT and OFFSET, which see no columns.
func (b *binder) bindLimits(q *ast.SelectStmt, query *Query) error {
	if q.Limit == nil && q.Offset == nil {
		return nil
	}
	if query.Limit != nil || query.Offset != nil {
		*query = Query{Root: &TopK{Input: query.Root, Order: query.Order, Limit: query.Limit, Offset: query.Offset},
			Names: query.Names, Order: query.Order}
	}
	bind := func(e ast.Expr, clause string) (*expr.Expr, error) {
		if e == nil {
			return nil, nil
		}
		bound, err := b.expr(e, &exprContext{scope: &scope{}, clause: clause})
		if err != nil {
			return nil, err
		}
		count, err := b.coerce(bound, types.Int8, expr.Assignment)
		if code := sqlerr.Code(err); code == sqlerr.CannotCoerce || code == sqlerr.DatatypeMismatch {
			return nil, sqlerr.New(sqlerr.DatatypeMismatch, "argument of %s must be type bigint, not type %s", clause, bound.Type).At(e.Position())
		}
		return count, err
	}
	var err error
	if query.Limit, err = bind(q.Limit, "LIMIT"); err != nil {
		return err
	}
	query.Offset, err = bind(q.Offset, "OFFSET")
	return err
}
