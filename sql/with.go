package sql

import (
	"github.com/streamdb/streamdb/sql/ast"
)

// with parses a WITH clause.
func (p *parser) with() *ast.With {
	w := &ast.With{Pos: p.pos()}
	p.next()
	switch {
	case p.isWord("mutually") && p.peekKw(1, kwRecursive):
		p.i += 2
		w.Mode = ast.MutuallyRecursive
		if p.is('(') {
			w.Options = p.parenOptions()
		}
	case p.isKw(kwRecursive) && !p.peekKw(1, kwAs) && p.peek(1).kind != '(':
		p.next()
		w.Mode = ast.Recursive
	}
	for {
		w.CTEs = append(w.CTEs, p.cte(w.Mode))
		if !p.accept(',') {
			return w
		}
	}
}

// cte parses name [(columns)] AS [[NOT] MATERIALIZED] (statement).
func (p *parser) cte(mode ast.RecursionMode) *ast.CTE {
	p.enter()
	defer p.leave()
	c := &ast.CTE{Pos: p.pos(), Name: p.colID()}
	if p.accept('(') {
		for {
			col := &ast.ColumnDef{Pos: p.pos(), Name: p.colID()}
			if mode == ast.MutuallyRecursive {
				col.Type = p.typeName()
			}
			c.Columns = append(c.Columns, col)
			if !p.accept(',') {
				break
			}
		}
		p.expect(')')
	}
	p.expectKw(kwAs)
	switch {
	case p.acceptKw(kwMaterialized):
		c.Materialize = ast.MaterializeAlways
	case p.acceptKws(kwNot, kwMaterialized):
		c.Materialize = ast.MaterializeNever
	}
	p.expect('(')
	c.Query = p.preparable()
	p.expect(')')
	if p.isKw(kwSearch) {
		c.Search = p.search()
	}
	if p.isKw(kwCycle) {
		c.Cycle = p.cycle()
	}
	return c
}

// search parses SEARCH DEPTH|BREADTH FIRST BY columns SET column.
func (p *parser) search() *ast.SearchClause {
	s := &ast.SearchClause{Pos: p.pos()}
	p.next()
	if s.Breadth = p.acceptKw(kwBreadth); !s.Breadth {
		p.expectKw(kwDepth)
	}
	p.expectKw(kwFirst)
	p.expectKw(kwBy)
	s.Columns = p.colIDs()
	p.expectKw(kwSet)
	s.Set = p.colID()
	return s
}

// cycle parses CYCLE columns SET mark [TO value DEFAULT value] USING path.
func (p *parser) cycle() *ast.CycleClause {
	c := &ast.CycleClause{Pos: p.pos()}
	p.next()
	c.Columns = p.colIDs()
	p.expectKw(kwSet)
	c.Mark = p.colID()
	if p.acceptKw(kwTo) {
		c.Value = p.primary()
		p.expectKw(kwDefault)
		c.Default = p.primary()
	}
	p.expectKw(kwUsing)
	c.Path = p.colID()
	return c
}

// preparable parses the statements that a CTE, PREPARE, COPY and EXPLAIN may
// hold: queries and data changes.
func (p *parser) preparable() ast.Stmt {
	p.enter()
	defer p.leave()
	if p.is('(') {
		return p.selectStmt()
	}
	if p.isKw(kwWith) {
		return p.withStatement()
	}
	if s := p.dml(nil); s != nil {
		return s
	}
	if !p.atSelect() {
		p.fail()
	}
	return p.selectStmt()
}

// withStatement parses WITH in front of a query or a data change.
func (p *parser) withStatement() ast.Stmt {
	pos := p.pos()
	w := p.with()
	if s := p.dml(w); s != nil {
		return s
	}
	if p.isKw(kwMerge) {
		u := p.utilityFrom(p.i)
		return p.widen(u, pos)
	}
	s := &ast.SelectStmt{Pos: pos, With: w}
	return p.selectRest(s, p.setOps(p.selectOperand(), 1))
}

// dml parses INSERT, UPDATE or DELETE, nil if none of them is here.
func (p *parser) dml(w *ast.With) ast.Stmt {
	switch p.cur().kw {
	case kwInsert:
		return p.insert(w)
	case kwUpdate:
		return p.update(w)
	case kwDelete:
		return p.delete(w)
	}
	return nil
}
