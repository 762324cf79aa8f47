package sql

import (
	"github.com/streamdb/streamdb/sql/ast"
)

// fromList parses the items of FROM or USING.
func (p *parser) fromList() []ast.TableExpr {
	list := append(make([]ast.TableExpr, 0, 1), p.tableExpr())
	for p.accept(',') {
		list = append(list, p.tableExpr())
	}
	return list
}

// tableExpr parses an item of FROM with the joins behind it.
func (p *parser) tableExpr() ast.TableExpr {
	p.enter()
	defer p.leave()
	return p.joins(p.tablePrimary())
}

// joins parses the joins behind their first operand.
func (p *parser) joins(left ast.TableExpr) ast.TableExpr {
	for p.err == nil && p.atJoin() {
		left = p.join(left)
	}
	return left
}

// atJoin reports whether a join follows.
func (p *parser) atJoin() bool {
	switch p.cur().kw {
	case kwJoin, kwInner, kwLeft, kwRight, kwFull, kwCross, kwNatural:
		return true
	}
	return false
}

// join parses one join. The right side of a qualified join takes in the joins
// that stand before its ON or USING.
func (p *parser) join(left ast.TableExpr) ast.TableExpr {
	p.enter()
	defer p.leave()
	j := &ast.JoinExpr{Pos: p.pos(), Left: left}
	if p.acceptKw(kwCross) {
		j.Kind = ast.JoinCross
		p.expectKw(kwJoin)
		j.Right = p.tablePrimary()
		return j
	}
	j.Natural = p.acceptKw(kwNatural)
	j.Kind = p.joinKind()
	p.expectKw(kwJoin)
	j.Right = p.tablePrimary()
	if p.atWithin() {
		j.Within = p.joinWithin()
	}
	if j.Natural {
		return j
	}
	j.Right = p.joins(j.Right)
	if p.acceptKw(kwUsing) {
		j.Using = p.parenColIDs()
		if p.acceptKw(kwAs) {
			j.UsingAlias = p.colID()
		}
		return j
	}
	p.expectKw(kwOn)
	j.On = p.expr()
	return j
}

func (p *parser) joinKind() ast.JoinKind {
	kind := ast.JoinInner
	switch p.cur().kw {
	case kwLeft:
		kind = ast.JoinLeft
	case kwRight:
		kind = ast.JoinRight
	case kwFull:
		kind = ast.JoinFull
	case kwInner:
		p.next()
		return kind
	default:
		return kind
	}
	p.next()
	p.acceptKw(kwOuter)
	return kind
}

// tablePrimary parses an item of FROM without joins.
func (p *parser) tablePrimary() ast.TableExpr {
	t := p.cur()
	switch {
	case t.kind == '(':
		return p.parenTable()
	case t.kw == kwLateral:
		return p.lateral()
	case t.kw == kwRows && p.peekKw(1, kwFrom) && p.peek(2).kind == '(':
		return p.rowsFrom(false)
	case t.kw == kwTable && p.peek(1).kind == '(':
		// TABLE(f(...)) is SQL's spelling of a function in FROM.
		p.i += 2
		f := p.tableFunc(p.pos(), false)
		p.expect(')')
		p.funcTableTail(f)
		return f
	case t.kw == kwOnly:
		return p.tableRef()
	case p.functionFollows(t):
		return p.funcTable(false)
	}
	if class, _ := t.class(); class == typeFunc {
		p.next() // it could have been a function
		p.fail()
	}
	return p.tableRef()
}

// functionFollows reports whether a function stands here and not a relation.
func (p *parser) functionFollows(t *token) bool {
	class, ok := t.class()
	if !ok {
		return false
	}
	switch t.kw {
	case kwCurrentDate, kwCurrentTime, kwCurrentTimestamp, kwLocaltime, kwLocaltimestamp, kwCurrentRole,
		kwCurrentUser, kwUser, kwSessionUser, kwCurrentCatalog, kwCurrentSchema, kwCast, kwCollation:
		return true
	}
	if class == reserved {
		return false
	}
	i := 1
	for p.peek(i).kind == '.' {
		i += 2
	}
	return p.peek(i).kind == '('
}

// parenTable parses a subquery or a join in parentheses with its alias.
func (p *parser) parenTable() ast.TableExpr {
	pos := p.pos()
	query, join := p.parenTableBody()
	if query != nil {
		return &ast.SubqueryTable{Pos: pos, Query: query, Alias: p.alias()}
	}
	if j, ok := join.(*ast.JoinExpr); ok {
		if a := p.alias(); a != nil {
			j.Alias = a
		}
	}
	return join
}

// parenTableBody parses what stands in parentheses in FROM. As with parens,
// which of the two it is may be known only behind inner parentheses.
func (p *parser) parenTableBody() (query *ast.SelectStmt, join ast.TableExpr) {
	p.expect('(')
	p.enter()
	defer p.leave()
	switch {
	case p.atQuery():
		query = p.selectStmt()
	case p.is('('):
		pos := p.pos()
		query, join = p.parenTableBody()
		switch {
		case query != nil && (p.is(')') || p.atSelectTail()):
			query = p.selectFrom(query)
		case query != nil:
			join = p.joins(&ast.SubqueryTable{Pos: pos, Query: query, Alias: p.alias()})
			query = nil
		default:
			if j, ok := join.(*ast.JoinExpr); ok && !p.atJoin() && !p.is(')') {
				j.Alias = p.alias()
				if !p.atJoin() {
					p.fail()
				}
			}
			join = p.joins(join)
		}
	default:
		join = p.tableExpr()
	}
	if _, ok := join.(*ast.JoinExpr); query == nil && !ok {
		p.fail()
	}
	p.expect(')')
	return query, join
}

// lateral parses LATERAL with a subquery or function.
func (p *parser) lateral() ast.TableExpr {
	pos := p.pos()
	p.next()
	if p.is('(') {
		return &ast.SubqueryTable{Pos: pos, Lateral: true, Query: p.parenQuery(), Alias: p.alias()}
	}
	if p.isKw(kwRows) && p.peekKw(1, kwFrom) {
		return p.rowsFrom(true)
	}
	return p.funcTable(true)
}

// funcTable parses one function in FROM.
func (p *parser) funcTable(lateral bool) ast.TableExpr {
	f := p.tableFunc(p.pos(), lateral)
	p.funcTableTail(f)
	return f
}

func (p *parser) tableFunc(pos ast.Pos, lateral bool) *ast.FuncTable {
	f := &ast.FuncTable{Pos: pos, Lateral: lateral}
	f.Funcs = []*ast.TableFunc{{Pos: pos, Func: p.functionExpr()}}
	return f
}

// functionExpr parses an operand and refuses what is no function. FILTER,
// WITHIN and OVER behind it belong to what is around: they may be aliases.
func (p *parser) functionExpr() ast.Expr {
	t := p.cur()
	p.windowless = true
	e := p.primary()
	p.windowless = false
	switch e := e.(type) {
	case *ast.FuncCall, *ast.SQLValueFunction, *ast.CoalesceExpr, *ast.NullIfExpr, *ast.MinMaxExpr, *ast.CollationFor:
		return e
	case *ast.CastExpr:
		if e.Form == ast.CastCall || e.Form == ast.CastTreat {
			return e
		}
	}
	p.failAt(t)
	return e
}

// rowsFrom parses ROWS FROM (f() [AS (columns)], ...).
func (p *parser) rowsFrom(lateral bool) ast.TableExpr {
	f := &ast.FuncTable{Pos: p.pos(), Lateral: lateral, RowsFrom: true}
	p.i += 2
	p.expect('(')
	for {
		item := &ast.TableFunc{Pos: p.pos(), Func: p.functionExpr()}
		if p.acceptKw(kwAs) {
			item.Columns = p.columnDefs()
		}
		f.Funcs = append(f.Funcs, item)
		if !p.accept(',') {
			break
		}
	}
	p.expect(')')
	p.funcTableTail(f)
	return f
}

// funcTableTail parses WITH ORDINALITY, the alias and column definitions.
func (p *parser) funcTableTail(f *ast.FuncTable) {
	if p.isKw(kwWith) && p.peekKw(1, kwOrdinality) {
		p.i += 2
		f.Ordinality = true
	}
	if p.isKw(kwAs) && p.peek(1).kind == '(' {
		p.next()
		f.Columns = p.columnDefs()
		return
	}
	name := p.aliasName()
	if name == nil {
		return
	}
	f.Alias = name
	if !p.is('(') {
		return
	}
	if t := p.peek(2); t.kind == ',' || t.kind == ')' {
		name.Columns = p.parenColIDs()
		return
	}
	f.Columns = p.columnDefs()
}

// columnDefs parses (name type [COLLATE c], ...).
func (p *parser) columnDefs() []*ast.ColumnDef {
	var list []*ast.ColumnDef
	p.expect('(')
	for {
		c := &ast.ColumnDef{Pos: p.pos(), Name: p.colID()}
		c.Type = p.typeName()
		if p.acceptKw(kwCollate) {
			c.Collation = p.objectName()
		}
		list = append(list, c)
		if !p.accept(',') {
			break
		}
	}
	p.expect(')')
	return list
}

// alias parses [AS] name [(columns)], nil if there is none.
func (p *parser) alias() *ast.Alias {
	a := p.aliasName()
	if a != nil && p.is('(') {
		a.Columns = p.parenColIDs()
	}
	return a
}

// aliasName parses [AS] name.
func (p *parser) aliasName() *ast.Alias {
	if p.atEmit() || p.atAsOf() || p.atWithin() {
		return nil
	}
	a := &ast.Alias{Pos: p.pos()}
	if !p.acceptKw(kwAs) && !p.cur().isColID() {
		return nil
	}
	a.Name = p.colID()
	return a
}

// relation parses a relation without alias: [ONLY] name [*].
func (p *parser) relation() *ast.TableRef {
	r := &ast.TableRef{Pos: p.pos()}
	if p.acceptKw(kwOnly) {
		r.Only = true
		if p.accept('(') {
			r.Name = p.objectName()
			p.expect(')')
			return r
		}
	}
	r.Name = p.objectName()
	if !r.Only {
		p.accept('*')
	}
	return r
}

// tableRef parses a relation in FROM.
func (p *parser) tableRef() *ast.TableRef {
	r := p.relation()
	p.systemTime(r)
	r.Alias = p.alias()
	p.systemTime(r)
	if p.isKw(kwTablesample) {
		r.Sample = p.tableSample()
	}
	return r
}

// systemTime parses FOR SYSTEM_TIME AS OF expr, before or behind the alias.
func (p *parser) systemTime(r *ast.TableRef) {
	if r.AsOf != nil || !p.isKw(kwFor) || !p.peekWord(1, "system_time") {
		return
	}
	p.i += 2
	p.expectKw(kwAs)
	p.expectKw(kwOf)
	r.AsOf = p.expr()
}

// tableSample parses TABLESAMPLE method (args) [REPEATABLE (seed)].
func (p *parser) tableSample() *ast.TableSample {
	s := &ast.TableSample{Pos: p.pos()}
	p.next()
	s.Method = &ast.ObjectName{Pos: p.pos()}
	if !p.cur().isTypeFunc() {
		p.fail()
	}
	s.Method.Name = p.colLabel()
	for p.accept('.') {
		s.Method.Qualifier = p.qualify(s.Method.Qualifier, s.Method.Name)
		s.Method.Name = p.colLabel()
	}
	p.expect('(')
	s.Args = p.exprs()
	p.expect(')')
	if p.acceptKw(kwRepeatable) {
		p.expect('(')
		s.Repeatable = p.expr()
		p.expect(')')
	}
	return s
}
