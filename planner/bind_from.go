package planner

import (
	"slices"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// bindFrom binds a FROM clause; items in a list are cross joined. Without FROM
// there is one row of no columns.
func (b *binder) bindFrom(items []ast.TableExpr, ctes *cteScope) (Node, *scope, error) {
	if len(items) == 0 {
		return &Values{Rows: [][]*expr.Expr{{}}}, &scope{ctes: ctes}, nil
	}
	node, s, err := b.bindTable(items[0], ctes)
	if err != nil {
		return nil, nil, err
	}
	for _, item := range items[1:] {
		if isLateral(item) {
			if node, s, err = b.lateral(node, s, item, InnerJoin); err != nil {
				return nil, nil, err
			}
			continue
		}
		right, rs, err := b.bindTable(item, ctes)
		if err != nil {
			return nil, nil, err
		}
		if s, err = joinScopes(s, rs, item.Position()); err != nil {
			return nil, nil, err
		}
		node = &Join{Kind: InnerJoin, Left: node, Right: right}
	}
	return node, s, nil
}

func (b *binder) bindTable(t ast.TableExpr, ctes *cteScope) (Node, *scope, error) {
	if err := b.enter(t.Position()); err != nil {
		return nil, nil, err
	}
	defer b.leave()
	switch t := t.(type) {
	case *ast.TableRef:
		return b.bindRelation(t, ctes)
	case *ast.SubqueryTable:
		return b.bindSubquery(t, ctes)
	case *ast.JoinExpr:
		return b.bindJoin(t, ctes)
	case *ast.FuncTable:
		if call := windowCall(t); call != nil {
			return b.bindWindow(t, call, ctes)
		}
		return b.bindFunctionTable(t, ctes)
	}
	return nil, nil, notSupported(t.Position(), "functions in FROM are not supported yet")
}

// bindRelation binds a name in FROM: a WITH query, a stored relation, or a
// view, whose query takes its place.
func (b *binder) bindRelation(t *ast.TableRef, ctes *cteScope) (Node, *scope, error) {
	if t.AsOf != nil {
		return nil, nil, notSupported(t.AsOf.Position(), "FOR SYSTEM_TIME AS OF is supported on the right side of JOIN and LEFT JOIN only")
	}
	if t.Sample != nil {
		return nil, nil, notSupported(t.Sample.Position(), "TABLESAMPLE is not supported")
	}
	name := t.Name.Name
	if t.Name.Schema() == "" {
		if cte := ctes.find(name); cte != nil {
			if cte.used && volatile(cte.query.Root) {
				return nil, nil, notSupported(t.Position(), "a WITH query with volatile functions that is used twice is not supported yet").
					WithHint("Both uses would have to see the same rows.")
			}
			cte.used = true
			return b.aliased(cte.query, name, t.Alias, ctes)
		}
	}
	o, err := b.env.resolve(t.Name.Schema(), name, t.Position())
	if err != nil {
		return nil, nil, err
	}
	inline := o.Kind == catalog.View
	if b.env.Unstored != nil && !inline {
		if inline, err = b.env.Unstored(o); err != nil {
			return nil, nil, sqlerr.From(err).At(t.Position())
		}
	}
	if inline {
		return b.bindView(o, t, ctes)
	}
	scan := &Scan{Relation: o}
	s := &scope{ctes: ctes}
	for i, c := range o.Visible() {
		scan.Columns = append(scan.Columns, i)
		s.columns = append(s.columns, scopeColumn{schema: o.Schema, relation: name, name: c.Name, typ: c.Type, object: o, number: i})
	}
	if o.Kind == catalog.System && b.env.Empty != nil && b.env.Empty(o) {
		return &Values{Columns: scan.Types()}, s, s.rename(name, t.Alias)
	}
	return scan, s, s.rename(name, t.Alias)
}

// rename applies an alias and its column names.
func (s *scope) rename(name string, alias *ast.Alias) error {
	if alias == nil {
		return nil
	}
	if len(alias.Columns) > len(s.columns) {
		return sqlerr.New(sqlerr.InvalidColumnReference, "table %q has %d columns available but %d columns specified", alias.Name, len(s.columns), len(alias.Columns)).At(alias.Position())
	}
	for i := range s.columns {
		s.columns[i].schema, s.columns[i].relation = "", alias.Name
		if i < len(alias.Columns) {
			s.columns[i].name = alias.Columns[i]
		}
	}
	return nil
}

func (b *binder) bindSubquery(t *ast.SubqueryTable, ctes *cteScope) (Node, *scope, error) {
	if t.Lateral {
		defer b.enterLateral()()
	} else {
		defer b.hideLateral()()
	}
	q, err := b.bindQuery(t.Query, ctes)
	if err != nil {
		return nil, nil, err
	}
	return b.aliased(q, "", t.Alias, ctes)
}

// aliased makes a query an item of FROM.
func (b *binder) aliased(q *Query, name string, alias *ast.Alias, ctes *cteScope) (Node, *scope, error) {
	node := q.visible()
	if q.Limit != nil || q.Offset != nil {
		top := &TopK{Input: q.Root, Order: q.Order, Limit: q.Limit, Offset: q.Offset}
		node = (&Query{Root: top, Names: q.Names}).visible()
	}
	s := &scope{ctes: ctes}
	for i, t := range q.Types() {
		s.columns = append(s.columns, scopeColumn{relation: name, name: q.Names[i], typ: t})
	}
	return node, s, s.rename(name, alias)
}

// bindView binds the query of a view with the search path it was created with.
func (b *binder) bindView(o *catalog.Object, t *ast.TableRef, ctes *cteScope) (Node, *scope, error) {
	q, err := b.bindStored(o)
	if err != nil {
		return nil, nil, err
	}
	names := make([]string, len(o.Columns))
	for i, c := range o.Columns {
		names[i] = c.Name
	}
	if q, err = renameColumns(q, names, o.Name, t.Position()); err != nil {
		return nil, nil, err
	}
	return b.aliased(q, o.Name, t.Alias, ctes)
}

func (b *binder) bindJoin(j *ast.JoinExpr, ctes *cteScope) (Node, *scope, error) {
	left, ls, err := b.bindTable(j.Left, ctes)
	if err != nil {
		return nil, nil, err
	}
	if isLateral(j.Right) {
		return b.lateralJoin(j, left, ls)
	}
	item, lookup, err := b.lookupTable(j)
	if err != nil {
		return nil, nil, err
	}
	right, rs, err := b.bindTable(item, ctes)
	if err != nil {
		return nil, nil, err
	}
	both, err := joinScopes(ls, rs, j.Right.Position())
	if err != nil {
		return nil, nil, err
	}
	on, err := b.joinCondition(j, ls, rs, both)
	if err != nil {
		return nil, nil, err
	}
	if j.Within != nil {
		near, err := b.joinWithin(j.Within, left, right)
		if err != nil {
			return nil, nil, err
		}
		on = and(on, near)
	}
	node := joinNode(j.Kind, left, right, on)
	if lookup {
		node = &Join{Kind: lookupKind(j.Kind), Left: left, Right: right, On: on}
	}
	if j.Kind == ast.JoinFull {
		if node, err = b.mergeColumns(node, both); err != nil {
			return nil, nil, err
		}
	}
	if j.Alias != nil {
		return aliasJoin(node, both, j.Alias)
	}
	return node, both, nil
}

// aliasJoin gives a join a name of its own: its sides cannot be named any more,
// and its columns are those of *.
func aliasJoin(node Node, both *scope, alias *ast.Alias) (Node, *scope, error) {
	out := &scope{ctes: both.ctes}
	m := &Map{Input: node, Project: []*expr.Expr{}}
	for _, i := range both.starColumns() {
		c := both.columns[i]
		m.Project = append(m.Project, expr.Column(i, c.typ))
		out.columns = append(out.columns, scopeColumn{name: c.name, typ: c.typ})
	}
	return m, out, out.rename("", alias)
}

// joinNode makes a right join a left join with swapped sides.
func joinNode(kind ast.JoinKind, left, right Node, on *expr.Expr) Node {
	switch kind {
	case ast.JoinLeft:
		return &Join{Kind: LeftJoin, Left: left, Right: right, On: on}
	case ast.JoinRight:
		return swapJoin(&Join{Kind: LeftJoin, Left: left, Right: right, On: on})
	case ast.JoinFull:
		return &Join{Kind: FullJoin, Left: left, Right: right, On: on}
	}
	return &Join{Kind: InnerJoin, Left: left, Right: right, On: on}
}

// swapJoin exchanges the sides of a join and restores the column order above.
func swapJoin(j *Join) Node {
	nl, nr := len(j.Left.Types()), len(j.Right.Types())
	move := func(col int) int {
		if isOuter(col) {
			return col
		}
		if col < nl {
			return col + nr
		}
		return col - nl
	}
	swapped := &Join{Kind: j.Kind, Left: j.Right, Right: j.Left}
	if j.On != nil {
		swapped.On = expr.RemapColumns(j.On, move)
	}
	project := make([]*expr.Expr, nl+nr)
	for i, t := range j.Types() {
		project[i] = expr.Column(move(i), t)
	}
	return &Map{Input: swapped, Project: project}
}

func joinScopes(l, r *scope, pos int) (*scope, error) {
	// Names clash unless both are those of relations in different schemas.
	named := map[string][]string{} // schemas by name, "" of an alias
	for _, c := range l.columns {
		if !slices.Contains(named[c.relation], c.schema) {
			named[c.relation] = append(named[c.relation], c.schema)
		}
	}
	for _, c := range r.columns {
		clash := func(schema string) bool { return schema == "" || c.schema == "" || schema == c.schema }
		if c.relation != "" && slices.ContainsFunc(named[c.relation], clash) {
			return nil, sqlerr.New(sqlerr.DuplicateAlias, "table name %q specified more than once", c.relation).At(pos)
		}
	}
	both := &scope{columns: append(append([]scopeColumn(nil), l.columns...), r.columns...), ctes: l.ctes}
	if l.star != nil || r.star != nil {
		both.star = append([]int(nil), l.starColumns()...)
		for _, i := range r.starColumns() {
			both.star = append(both.star, len(l.columns)+i)
		}
	}
	return both, nil
}

// joinCondition binds ON, USING or NATURAL over the columns of both sides. The
// right column that USING merges is hidden, so that its name is unambiguous.
func (b *binder) joinCondition(j *ast.JoinExpr, ls, rs, both *scope) (*expr.Expr, error) {
	if j.On != nil {
		defer b.hideLateral()()
		return b.condition(j.On, &exprContext{scope: both, clause: "JOIN/ON"}, "JOIN/ON")
	}
	names := j.Using
	if j.Natural {
		names = commonNames(ls, rs)
	}
	out := &expr.Expr{Op: expr.OpAnd, Type: types.Bool}
	var merged []int
	for _, name := range names {
		l, err := usingColumn(ls, name, "left", j.Position())
		if err != nil {
			return nil, err
		}
		r, err := usingColumn(rs, name, "right", j.Position())
		if err != nil {
			return nil, err
		}
		shown, hidden := l, len(ls.columns)+r
		if j.Kind == ast.JoinRight {
			shown, hidden = hidden, shown
		}
		both.columns[hidden].hidden = true
		if j.Kind == ast.JoinFull {
			both.columns[shown].hidden = true
			shown = both.addMerged(name, shown, hidden)
		}
		merged = append(merged, shown)
		equal, err := b.operator("=", expr.Column(l, ls.columns[l].typ), expr.Column(len(ls.columns)+r, rs.columns[r].typ), j.Position())
		if err != nil {
			return nil, err
		}
		out.Args = append(out.Args, equal)
	}
	both.mergeFirst(merged)
	switch len(out.Args) {
	case 0:
		return nil, nil
	case 1:
		return out.Args[0], nil
	}
	return out, nil
}

// addMerged adds the column that USING makes of two in a full join: whichever there
// is. mergeColumns computes it.
func (s *scope) addMerged(name string, left, right int) int {
	s.columns = append(s.columns, scopeColumn{name: name, merges: []int{left, right}})
	return len(s.columns) - 1
}

// mergeColumns computes the columns that addMerged has added.
func (b *binder) mergeColumns(join Node, both *scope) (Node, error) {
	n := len(join.Types())
	project := identityOr(nil, join)
	for i := n; i < len(both.columns); i++ {
		c := &both.columns[i]
		value := &expr.Expr{Op: expr.OpCoalesce}
		for _, from := range c.merges {
			value.Args = append(value.Args, project[from])
		}
		var err error
		if value.Type, err = b.coerceAll(value.Args, "JOIN/USING"); err != nil {
			return nil, err
		}
		c.typ = value.Type
		project = append(project, value)
	}
	if len(project) == n {
		return join, nil
	}
	return &Map{Input: join, Project: project}, nil
}

// mergeFirst puts the columns that USING merged before the others of *.
func (s *scope) mergeFirst(merged []int) {
	if len(merged) == 0 {
		return
	}
	star := append([]int(nil), merged...)
	for _, i := range s.starColumns() {
		if !s.columns[i].hidden && !slices.Contains(merged, i) {
			star = append(star, i)
		}
	}
	s.star = star
}

// commonNames lists the names that both sides of a NATURAL join have.
func commonNames(l, r *scope) []string {
	var out []string
	for _, i := range l.starColumns() {
		name := l.columns[i].name
		for _, d := range r.columns {
			if !d.hidden && name == d.name && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

func usingColumn(s *scope, name, side string, pos int) (int, error) {
	found := -1
	for i, c := range s.columns {
		if c.hidden || c.name != name {
			continue
		}
		if found >= 0 {
			return 0, sqlerr.New(sqlerr.AmbiguousColumn, "common column name %q appears more than once in %s table", name, side).At(pos)
		}
		found = i
	}
	if found < 0 {
		return 0, sqlerr.New(sqlerr.UndefinedColumn, "column %q specified in USING clause does not exist in %s table", name, side).At(pos)
	}
	return found, nil
}
