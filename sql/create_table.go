package sql

import (
	"strings"

	"github.com/streamdb/streamdb/sql/ast"
)

// elements is what stands in the parentheses of CREATE TABLE and CREATE
// STREAM.
type elements struct {
	columns     []*ast.ColumnDef
	constraints []*ast.Constraint
	watermarks  []*ast.Watermark
	likes       []*ast.TableLike
	// untyped says that there are but names, as CREATE TABLE AS may have them.
	untyped bool
	// exclude says that there was an EXCLUDE constraint, which nothing reads.
	exclude bool
}

// createTable parses CREATE TABLE and CREATE TABLE AS. What PostgreSQL alone
// knows (partitions, typed tables) is a Utility.
func (p *parser) createTable(c created) ast.Stmt {
	s := &ast.CreateTable{Pos: c.pos, Temp: c.temp, Unlogged: c.unlogged, OrReplace: c.orReplace}
	p.next()
	s.IfNotExists = p.ifNotExists()
	s.Name = p.objectName()
	if p.isKw(kwOf) || p.isKw(kwPartition) {
		return p.utilityFrom(c.start)
	}
	untyped := false
	if p.is('(') {
		e := p.elements()
		if e.exclude {
			return p.utilityFrom(c.start)
		}
		s.Columns, s.Constraints, s.Watermarks, s.Likes = e.columns, e.constraints, e.watermarks, e.likes
		if e.untyped && p.isKw(kwPartition) {
			p.fail()
		}
		untyped = e.untyped
	} else if !p.tableClauseFollows() {
		p.fail()
	}
	for p.err == nil {
		switch {
		case p.isKw(kwPartition):
			return p.utilityFrom(c.start)
		case p.isKw(kwAs) && p.peekKw(1, kwExecute):
			return p.utilityFrom(c.start)
		case p.isKw(kwAs) && !untyped && len(s.Columns)+len(s.Constraints)+len(s.Likes) > 0:
			p.fail() // CREATE TABLE AS takes the types from its query
		case p.isKw(kwAs):
			s.Query = p.asQuery()
			s.WithNoData = p.withData()
			return s
		case !p.tableClause(s):
			if untyped {
				p.fail()
			}
			return s
		}
	}
	return s
}

// tableClauseFollows reports whether CREATE TABLE may go on without columns.
func (p *parser) tableClauseFollows() bool {
	switch p.cur().kw {
	case kwAs, kwUsing, kwWith, kwWithout, kwOn, kwTablespace:
		return true
	}
	return p.isKw(kwInclude) || p.isKw(kwFrom)
}

// tableClause parses one clause behind the columns; false if none follows.
func (p *parser) tableClause(s *ast.CreateTable) bool {
	switch {
	case p.acceptKw(kwInherits):
		p.expect('(')
		s.Inherits = p.objectNames()
		p.expect(')')
	case p.isKw(kwInclude):
		s.Includes = append(s.Includes, p.includes()...)
	case p.acceptWords("append", "only"):
		s.AppendOnly = true
	case p.acceptKw(kwUsing):
		s.Method = p.colID()
	case p.isKw(kwWith):
		p.next()
		s.Options = append(s.Options, p.parenOptions()...)
		if s.Options == nil {
			s.Options = []*ast.Option{}
		}
	case p.externalClause(&s.Options):
	case p.acceptKws(kwWithout, kwOids):
	case p.acceptKws(kwOn, kwCommit):
		s.OnCommit = p.onCommit()
	case p.acceptKw(kwTablespace):
		s.Tablespace = p.colID()
	default:
		return false
	}
	return true
}

func (p *parser) onCommit() string {
	switch {
	case p.acceptKw(kwDrop):
		return "DROP"
	case p.acceptKws(kwDelete, kwRows):
		return "DELETE ROWS"
	}
	p.expectKw(kwPreserve)
	p.expectKw(kwRows)
	return "PRESERVE ROWS"
}

// elements parses columns, constraints, LIKE and WATERMARK in parentheses.
func (p *parser) elements() elements {
	var e elements
	p.expect('(')
	if p.accept(')') {
		return e
	}
	for {
		switch {
		case p.isWord("watermark") && p.peekKw(1, kwFor):
			e.watermarks = append(e.watermarks, p.watermark())
		case p.isKw(kwLike):
			l := p.tableLike()
			l.Before = len(e.columns)
			e.likes = append(e.likes, l)
		case p.atExclude():
			e.exclude = true
			return e
		case p.atTableConstraint():
			e.constraints = append(e.constraints, p.tableConstraint())
		default:
			p.column(&e)
		}
		if !p.accept(',') {
			break
		}
	}
	p.expect(')')
	return e
}

// column parses a column. Either all of them have types or none.
func (p *parser) column(e *elements) {
	bare := p.peek(1).kind == ',' || p.peek(1).kind == ')'
	if len(e.columns) == 0 && len(e.constraints) == 0 {
		e.untyped = bare
	}
	if bare == e.untyped {
		e.columns = append(e.columns, p.columnDef())
		return
	}
	p.colID()
	p.fail()
}

// tableLike parses LIKE table [INCLUDING|EXCLUDING x ...].
func (p *parser) tableLike() *ast.TableLike {
	l := &ast.TableLike{Pos: p.pos()}
	p.next()
	l.Table = p.objectName()
	for p.isKw(kwIncluding) || p.isKw(kwExcluding) {
		verb := strings.ToUpper(p.name(p.cur()))
		p.next()
		l.Options = append(l.Options, verb+" "+p.oneOf(kwAll, kwComments, kwCompression, kwConstraints, kwDefaults,
			kwGenerated, kwIdentity, kwIndexes, kwStatistics, kwStorage))
	}
	return l
}

// columnDef parses a column: name [type] [COLLATE c] constraints.
func (p *parser) columnDef() *ast.ColumnDef {
	c := &ast.ColumnDef{Pos: p.pos(), Name: p.colID()}
	if p.is(',') || p.is(')') {
		return c
	}
	c.Type = p.typeName()
	for p.err == nil {
		if p.acceptKw(kwCollate) {
			c.Collation = p.objectName()
			continue
		}
		con := p.columnConstraint()
		if con == nil {
			return c
		}
		c.Constraints = append(c.Constraints, con)
	}
	return c
}

// columnConstraint parses one constraint of a column, nil if none follows.
func (p *parser) columnConstraint() *ast.Constraint {
	c := &ast.Constraint{Pos: p.pos()}
	if p.acceptKw(kwConstraint) {
		c.Name = p.colID()
	}
	switch {
	case p.acceptKw(kwNot):
		p.expectKw(kwNull)
		c.Kind = ast.ConstraintNotNull
	case p.acceptKw(kwNull):
		c.Kind = ast.ConstraintNull
	case p.acceptKw(kwDefault):
		c.Kind = ast.ConstraintDefault
		c.Expr = p.restrictedExpr()
	case p.isKw(kwPrimary) || p.isKw(kwUnique):
		p.indexConstraint(c)
	case p.isKw(kwCheck):
		p.check(c)
	case p.isKw(kwReferences):
		c.Kind = ast.ConstraintReferences
		c.References = p.references()
	case p.isKw(kwGenerated):
		p.generated(c)
	case p.isKw(kwAs) && p.peek(1).kind != tokEOF:
		p.next()
		c.Kind = ast.ConstraintGenerated
		c.Expr = p.expr()
	default:
		if c.Name != "" {
			p.fail()
		}
		return nil
	}
	p.constraintAttributes(c)
	return c
}

// indexConstraint parses PRIMARY KEY or UNIQUE up to its columns.
func (p *parser) indexConstraint(c *ast.Constraint) {
	if p.acceptKw(kwPrimary) {
		p.expectKw(kwKey)
		c.Kind = ast.ConstraintPrimaryKey
	} else {
		p.next()
		c.Kind = ast.ConstraintUnique
		c.NullsNotDistinct = p.nullsNotDistinct()
	}
	if p.is('(') {
		c.Columns = p.parenColIDs()
	}
	if p.acceptKw(kwInclude) {
		c.Include = p.parenColIDs()
	}
	c.Options = p.withOptions()
	if p.acceptKws(kwUsing, kwIndex, kwTablespace) {
		c.Tablespace = p.colID()
	}
}

// nullsNotDistinct parses [NULLS [NOT] DISTINCT].
func (p *parser) nullsNotDistinct() bool {
	if p.acceptKws(kwNulls, kwNot, kwDistinct) {
		return true
	}
	p.acceptKws(kwNulls, kwDistinct)
	return false
}

func (p *parser) check(c *ast.Constraint) {
	p.next()
	c.Kind = ast.ConstraintCheck
	p.expect('(')
	c.Expr = p.expr()
	p.expect(')')
}

// generated parses GENERATED ALWAYS AS (expr) STORED and identity columns.
func (p *parser) generated(c *ast.Constraint) {
	p.next()
	if p.acceptKws(kwBy, kwDefault) {
		c.ByDefault = true
	} else {
		p.expectKw(kwAlways)
	}
	p.expectKw(kwAs)
	if p.acceptKw(kwIdentity) {
		c.Kind = ast.ConstraintIdentity
		if p.is('(') {
			c.SequenceOptions = p.parenText()
		}
		return
	}
	c.Kind = ast.ConstraintGenerated
	p.expect('(')
	c.Expr = p.expr()
	p.expect(')')
	p.expectKw(kwStored)
}

// parenText skips a balanced pair of parentheses and returns what is inside,
// its tokens parted by one space.
func (p *parser) parenText() string {
	start := p.i + 1
	p.skipParens()
	if p.err != nil {
		return ""
	}
	return p.tokenText(start, p.i-1)
}

// references parses REFERENCES table [(columns)] and its actions.
func (p *parser) references() *ast.References {
	r := &ast.References{Pos: p.pos()}
	p.next()
	r.Table = p.objectName()
	if p.is('(') {
		r.Columns = p.parenColIDs()
	}
	for p.err == nil {
		switch {
		case p.acceptKw(kwMatch):
			r.Match = p.oneOf(kwFull, kwPartial, kwSimple)
		case p.acceptKws(kwOn, kwDelete):
			r.OnDelete = p.referentialAction()
		case p.acceptKws(kwOn, kwUpdate):
			r.OnUpdate = p.referentialAction()
		default:
			return r
		}
	}
	return r
}

func (p *parser) referentialAction() string {
	switch {
	case p.acceptKws(kwNo, kwAction):
		return "NO ACTION"
	case p.acceptKw(kwRestrict):
		return "RESTRICT"
	case p.acceptKw(kwCascade):
		return "CASCADE"
	}
	p.expectKw(kwSet)
	action := "SET NULL"
	if !p.acceptKw(kwNull) {
		p.expectKw(kwDefault)
		action = "SET DEFAULT"
	}
	if p.is('(') {
		action += " (" + p.parenText() + ")"
	}
	return action
}

// constraintAttributes parses what may follow any constraint.
func (p *parser) constraintAttributes(c *ast.Constraint) {
	for p.err == nil {
		switch {
		case p.acceptKw(kwDeferrable):
			c.Deferrable = true
		case p.acceptKws(kwNot, kwDeferrable):
		case p.acceptKws(kwInitially, kwDeferred):
			c.InitiallyDeferred, c.Deferrable = true, true
		case p.acceptKws(kwInitially, kwImmediate):
		case p.acceptKws(kwNot, kwValid):
			c.NotValid = true
		case p.acceptKws(kwNo, kwInherit):
			c.NoInherit = true
		case p.isKw(kwNot) && p.peekWord(1, "enforced"):
			p.i += 2
			c.NotEnforced = true
		default:
			return
		}
	}
}

// atExclude reports whether an EXCLUDE constraint follows.
func (p *parser) atExclude() bool {
	i := 0
	if p.isKw(kwConstraint) {
		i = 2
	}
	return p.peekKw(i, kwExclude) && (p.peekKw(i+1, kwUsing) || p.peek(i+1).kind == '(')
}

// atTableConstraint reports whether a constraint of the table follows.
func (p *parser) atTableConstraint() bool {
	switch p.cur().kw {
	case kwConstraint, kwPrimary, kwUnique, kwCheck, kwForeign:
		return true
	}
	return false
}

// tableConstraint parses a constraint of the table.
func (p *parser) tableConstraint() *ast.Constraint {
	c := &ast.Constraint{Pos: p.pos()}
	if p.acceptKw(kwConstraint) {
		c.Name = p.colID()
	}
	switch p.cur().kw {
	case kwPrimary, kwUnique:
		p.indexConstraint(c)
		if c.Columns == nil {
			p.fail()
		}
	case kwCheck:
		p.check(c)
	case kwForeign:
		p.next()
		p.expectKw(kwKey)
		c.Kind = ast.ConstraintReferences
		c.Columns = p.parenColIDs()
		if !p.isKw(kwReferences) {
			p.fail()
		}
		c.References = p.references()
	default:
		p.fail()
	}
	p.constraintAttributes(c)
	return c
}

// createIndex parses CREATE [UNIQUE] INDEX.
func (p *parser) createIndex(c created) ast.Stmt {
	s := &ast.CreateIndex{Pos: c.pos}
	s.Unique = p.acceptKw(kwUnique)
	p.expectKw(kwIndex)
	s.Concurrently = p.acceptKw(kwConcurrently)
	s.IfNotExists = p.ifNotExists()
	if !p.isKw(kwOn) {
		s.Name = p.colID()
	}
	p.expectKw(kwOn)
	s.Only = p.acceptKw(kwOnly)
	s.Table = p.objectName()
	if p.acceptKw(kwUsing) {
		s.Method = p.colID()
	}
	p.expect('(')
	s.Items = p.indexItems()
	p.expect(')')
	if p.acceptKw(kwInclude) {
		s.Include = p.parenColIDs()
	}
	s.NullsNotDistinct = p.nullsNotDistinct()
	s.Options = p.withOptions()
	if p.acceptKw(kwTablespace) {
		s.Tablespace = p.colID()
	}
	if p.acceptKw(kwWhere) {
		s.Where = p.expr()
	}
	return s
}

// indexItems parses the columns and expressions of an index.
func (p *parser) indexItems() []*ast.IndexItem {
	var list []*ast.IndexItem
	for {
		list = append(list, p.indexItem())
		if !p.accept(',') {
			return list
		}
	}
}

func (p *parser) indexItem() *ast.IndexItem {
	i := &ast.IndexItem{Pos: p.pos()}
	switch next := p.peek(1); {
	case p.is('('):
		p.next()
		i.Expr = p.expr()
		p.expect(')')
	case p.cur().isColID() && next.kind != '(' && next.kind != '.':
		i.Expr = &ast.ColumnRef{Pos: i.Pos, Name: p.colID()}
	default:
		i.Expr = p.functionExpr()
	}
	if p.acceptKw(kwCollate) {
		i.Collation = p.objectName()
	}
	if p.cur().isColID() && !p.nullsOrderFollows() {
		i.OpClass = p.objectName()
		if p.is('(') {
			i.OpClassOptions = p.parenOptions()
		}
	}
	i.Desc = p.descending()
	i.Nulls = p.nullsOrder()
	return i
}
