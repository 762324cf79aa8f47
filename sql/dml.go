package sql

import (
	"github.com/streamdb/streamdb/sql/ast"
)

// insert parses INSERT INTO.
func (p *parser) insert(w *ast.With) ast.Stmt {
	s := &ast.Insert{Pos: p.pos(), With: w}
	p.next()
	p.expectKw(kwInto)
	s.Table = &ast.TableRef{Pos: p.pos(), Name: p.objectName()}
	if p.acceptKw(kwAs) {
		s.Table.Alias = &ast.Alias{Pos: p.pos(), Name: p.colID()}
	}
	if p.is('(') && !p.parenSelect() {
		s.Columns = p.insertColumns()
	}
	if p.acceptKw(kwOverriding) {
		if s.Overriding = ast.OverridingUser; !p.acceptKw(kwUser) {
			p.expectKw(kwSystem)
			s.Overriding = ast.OverridingSystem
		}
		p.expectKw(kwValue)
	}
	switch {
	case s.Overriding == ast.OverridingNone && s.Columns == nil && p.acceptKw(kwDefault):
		p.expectKw(kwValues)
	case p.is('('), p.atQuery():
		s.Query = p.selectStmt()
	default:
		p.fail()
	}
	if p.isKw(kwOn) {
		s.OnConflict = p.onConflict()
	}
	s.Returning = p.returning()
	return s
}

// parenSelect reports whether the parentheses here hold a query.
func (p *parser) parenSelect() bool {
	switch p.peek(1).kw {
	case kwSelect, kwWith, kwTable:
		return true
	case kwValues:
		return p.peek(2).kind == '('
	}
	return p.peek(1).kind == '('
}

// insertColumns parses the column list of INSERT.
func (p *parser) insertColumns() []*ast.AssignTarget {
	p.expect('(')
	list := p.assignTargets()
	p.expect(')')
	return list
}

func (p *parser) assignTargets() []*ast.AssignTarget {
	list := []*ast.AssignTarget{p.assignTarget()}
	for p.accept(',') {
		list = append(list, p.assignTarget())
	}
	return list
}

// assignTarget parses a column with subscripts and fields.
func (p *parser) assignTarget() *ast.AssignTarget {
	t := &ast.AssignTarget{Pos: p.pos(), Column: p.colID()}
	for p.err == nil {
		switch {
		case p.is('['):
			t.Path = append(t.Path, p.subscript(nil))
		case p.is('.'):
			pos := p.pos()
			p.next()
			t.Path = append(t.Path, &ast.FieldSelect{Pos: pos, Field: p.colLabel()})
		default:
			return t
		}
	}
	return t
}

// onConflict parses ON CONFLICT.
func (p *parser) onConflict() *ast.OnConflict {
	c := &ast.OnConflict{Pos: p.pos()}
	p.next()
	p.expectKw(kwConflict)
	switch {
	case p.accept('('):
		c.Items = p.indexItems()
		p.expect(')')
		if p.acceptKw(kwWhere) {
			c.Where = p.expr()
		}
	case p.acceptKw(kwOn):
		p.expectKw(kwConstraint)
		c.Constraint = p.colID()
	}
	p.expectKw(kwDo)
	if p.acceptKw(kwNothing) {
		return c
	}
	p.expectKw(kwUpdate)
	p.expectKw(kwSet)
	c.Sets = p.setClauses()
	if p.acceptKw(kwWhere) {
		c.DoWhere = p.expr()
	}
	return c
}

// returning parses [RETURNING list].
func (p *parser) returning() []*ast.Target {
	if p.acceptKw(kwReturning) {
		return p.targets()
	}
	return nil
}

// setClauses parses the assignments of UPDATE.
func (p *parser) setClauses() []*ast.SetClause {
	var list []*ast.SetClause
	for {
		c := &ast.SetClause{Pos: p.pos()}
		if p.is('(') {
			c.Multi = true
			c.Targets = p.insertColumns()
		} else {
			c.Targets = []*ast.AssignTarget{p.assignTarget()}
		}
		p.expect('=')
		c.Value = p.expr()
		list = append(list, c)
		if !p.accept(',') {
			return list
		}
	}
}

// target of UPDATE and DELETE: a relation with an alias, which may not be SET.
func (p *parser) dmlTable() *ast.TableRef {
	r := p.relation()
	if p.isKw(kwAs) || p.cur().isColID() && !p.isKw(kwSet) {
		a := &ast.Alias{Pos: p.pos()}
		p.acceptKw(kwAs)
		a.Name = p.colID()
		r.Alias = a
	}
	return r
}

// update parses UPDATE.
func (p *parser) update(w *ast.With) ast.Stmt {
	s := &ast.Update{Pos: p.pos(), With: w}
	p.next()
	s.Table = p.dmlTable()
	p.expectKw(kwSet)
	s.Sets = p.setClauses()
	if p.acceptKw(kwFrom) {
		s.From = p.fromList()
	}
	s.Where, s.CurrentOf = p.dmlWhere()
	s.Returning = p.returning()
	return s
}

// delete parses DELETE FROM.
func (p *parser) delete(w *ast.With) ast.Stmt {
	s := &ast.Delete{Pos: p.pos(), With: w}
	p.next()
	p.expectKw(kwFrom)
	s.Table = p.dmlTable()
	if p.acceptKw(kwUsing) {
		s.Using = p.fromList()
	}
	s.Where, s.CurrentOf = p.dmlWhere()
	s.Returning = p.returning()
	return s
}

// dmlWhere parses [WHERE condition | WHERE CURRENT OF cursor].
func (p *parser) dmlWhere() (ast.Expr, string) {
	if !p.acceptKw(kwWhere) {
		return nil, ""
	}
	if p.acceptKws(kwCurrent, kwOf) {
		return nil, p.colID()
	}
	return p.expr(), ""
}

// truncate parses TRUNCATE.
func (p *parser) truncate() ast.Stmt {
	s := &ast.Truncate{Pos: p.pos()}
	p.next()
	p.acceptKw(kwTable)
	for {
		s.Tables = append(s.Tables, p.relation())
		if !p.accept(',') {
			break
		}
	}
	switch {
	case p.acceptKws(kwRestart, kwIdentity):
		s.RestartIdentity = true
	case p.acceptKws(kwContinue, kwIdentity):
	}
	s.Cascade = p.cascade()
	return s
}
