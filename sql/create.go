package sql

import (
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
)

// created holds what stands between CREATE and the kind of object.
type created struct {
	start     int // the token CREATE
	pos       ast.Pos
	orReplace bool
	temp      bool
	unlogged  bool
	recursive bool
}

// create parses CREATE.
func (p *parser) create() ast.Stmt {
	c := created{start: p.i, pos: p.pos()}
	p.next()
	if p.acceptKw(kwOr) {
		p.expectKw(kwReplace)
		c.orReplace = true
	}
	switch p.cur().kw {
	case kwLocal, kwGlobal:
		p.next()
		if !p.isKw(kwTemp) && !p.isKw(kwTemporary) {
			p.fail()
		}
		p.next()
		c.temp = true
	case kwTemp, kwTemporary:
		p.next()
		c.temp = true
	case kwUnlogged:
		p.next()
		c.unlogged = true
	}
	c.recursive = p.acceptKw(kwRecursive)
	switch p.cur().kw {
	case kwTable:
		return p.createTable(c)
	case kwView:
		return p.createView(c)
	}
	if c.unlogged || c.recursive {
		p.fail()
	}
	return p.createObject(c)
}

// createObject parses CREATE of what is neither table nor plain view.
func (p *parser) createObject(c created) ast.Stmt {
	switch p.cur().kw {
	case kwMaterialized:
		return p.createMaterializedView(c)
	case kwIndex, kwUnique:
		return p.createIndex(c)
	case kwConnection:
		return p.createConnection(c)
	case kwSchema:
		return p.createSchema(c)
	case kwDatabase:
		return p.createDatabase(c)
	case kwUser:
		if p.userMappingFollows(1) {
			return p.utilityFrom(c.start)
		}
		return p.createRole(c)
	case kwRole, kwGroup:
		return p.createRole(c)
	}
	switch {
	case p.isWord("stream") || p.isWord("source"):
		return p.createStream(c)
	case p.isWord("sink"):
		return p.createSink(c)
	case p.isWord("secret"):
		return p.createSecret(c)
	}
	return p.utilityFrom(c.start)
}

// ifNotExists parses [IF NOT EXISTS].
func (p *parser) ifNotExists() bool {
	if p.isKw(kwIf) && p.peekKw(1, kwNot) {
		p.i += 2
		p.expectKw(kwExists)
		return true
	}
	return false
}

// asQuery parses AS query.
func (p *parser) asQuery() *ast.SelectStmt {
	p.expectKw(kwAs)
	if !p.is('(') && !p.atQuery() {
		p.fail()
	}
	return p.selectStmt()
}

// withData parses [WITH [NO] DATA] and returns whether NO was there.
func (p *parser) withData() bool {
	if p.acceptKw(kwWith) {
		no := p.acceptKw(kwNo)
		p.expectKw(kwData)
		return no
	}
	return false
}

// createView parses CREATE VIEW.
func (p *parser) createView(c created) ast.Stmt {
	v := &ast.CreateView{Pos: c.pos, OrReplace: c.orReplace, Temp: c.temp, Recursive: c.recursive}
	p.next()
	v.IfNotExists = p.ifNotExists()
	v.Name = p.objectName()
	if p.is('(') {
		v.Columns = p.parenColIDs()
	}
	v.Options = p.withOptions()
	v.Query = p.asQuery()
	if p.acceptKw(kwWith) {
		v.CheckOption = "CASCADED"
		if p.acceptKw(kwLocal) {
			v.CheckOption = "LOCAL"
		} else {
			p.acceptKw(kwCascaded)
		}
		p.expectKw(kwCheck)
		p.expectKw(kwOption)
	}
	return v
}

// createMaterializedView parses CREATE MATERIALIZED VIEW.
func (p *parser) createMaterializedView(c created) ast.Stmt {
	v := &ast.CreateMaterializedView{Pos: c.pos, OrReplace: c.orReplace}
	p.next()
	p.expectKw(kwView)
	v.IfNotExists = p.ifNotExists()
	v.Name = p.objectName()
	if p.is('(') {
		v.Columns = p.parenColIDs()
	}
	v.Options = p.withOptions()
	v.Query = p.asQuery()
	v.WithNoData = p.withData()
	return v
}

// createStream parses CREATE STREAM and CREATE SOURCE.
func (p *parser) createStream(c created) ast.Stmt {
	s := &ast.CreateStream{Pos: c.pos, OrReplace: c.orReplace, Source: p.isWord("source")}
	p.next()
	s.IfNotExists = p.ifNotExists()
	s.Name = p.objectName()
	var e elements
	if p.is('(') {
		e = p.elements()
		if e.untyped {
			p.failHint("Every column needs a type.")
		}
	}
	s.Columns, s.Constraints, s.Watermarks = e.columns, e.constraints, e.watermarks
	hasOptions := false
	for p.err == nil {
		switch {
		case p.isKw(kwInclude):
			s.Includes = append(s.Includes, p.includes()...)
		case p.isWord("watermark"):
			s.Watermarks = append(s.Watermarks, p.watermark())
		case p.isKw(kwWith) && !hasOptions:
			p.next()
			s.Options = append(s.Options, p.parenOptions()...)
			if s.Options == nil {
				s.Options = []*ast.Option{}
			}
			hasOptions = true
		case p.externalClause(&s.Options):
		case p.isKw(kwAs):
			s.Query = p.asQuery()
			return s
		case hasOptions || s.Options != nil:
			return s
		default:
			p.failHint("CREATE STREAM needs WITH (connector = ..., ...) or AS and a query.")
		}
	}
	return s
}

// includes parses INCLUDE kind ['header'] [AS column], ....
func (p *parser) includes() []*ast.Include {
	p.next()
	var list []*ast.Include
	for {
		i := &ast.Include{Pos: p.pos()}
		at := p.cur()
		i.Kind = p.colLabel()
		switch i.Kind {
		case "key", "partition", "offset", "timestamp", "headers", "header", "topic", "payload":
		default:
			if p.err == nil {
				p.failAt(at)
				p.err.WithHint("INCLUDE takes KEY, PARTITION, OFFSET, TIMESTAMP, HEADERS, HEADER 'name', TOPIC or PAYLOAD.")
			}
		}
		if i.Kind == "header" {
			i.Header = p.str().Value
		}
		if p.acceptKw(kwAs) {
			i.Alias = p.colID()
		}
		list = append(list, i)
		if !p.accept(',') {
			return list
		}
		p.acceptKw(kwInclude)
	}
}

// watermark parses WATERMARK FOR column AS expr.
func (p *parser) watermark() *ast.Watermark {
	w := &ast.Watermark{Pos: p.pos()}
	p.next()
	p.expectKw(kwFor)
	w.Column = p.colID()
	p.expectKw(kwAs)
	w.Expr = p.expr()
	return w
}

// createSink parses CREATE SINK.
func (p *parser) createSink(c created) ast.Stmt {
	s := &ast.CreateSink{Pos: c.pos, OrReplace: c.orReplace}
	p.next()
	s.IfNotExists = p.ifNotExists()
	s.Name = p.objectName()
	if p.isKw(kwInto) && !p.peekKw(2, kwConnection) {
		p.next()
		s.Into = p.objectName()
	}
	switch {
	case p.acceptKw(kwFrom):
		s.From = p.objectName()
	case p.isKw(kwAs):
		s.Query = p.asQuery()
	default:
		p.failHint("CREATE SINK needs FROM and a relation, or AS and a query.")
	}
	if s.Into == nil && p.isKw(kwInto) && !p.peekKw(2, kwConnection) {
		p.next()
		s.Into = p.objectName()
	}
	p.sinkOptions(s)
	if s.Options == nil && s.Into == nil {
		p.failHint("CREATE SINK needs WITH (connector = ..., ...).")
	}
	return s
}

// sinkOptions parses WITH (options) and the clauses of other spellings.
func (p *parser) sinkOptions(s *ast.CreateSink) {
	for p.err == nil {
		if p.isKw(kwWith) && p.peek(1).kind == '(' {
			p.next()
			s.Options = append(s.Options, p.parenOptions()...)
			if s.Options == nil {
				s.Options = []*ast.Option{}
			}
			continue
		}
		if !p.externalClause(&s.Options) {
			return
		}
	}
}

// createConnection parses CREATE CONNECTION name TO type (options).
func (p *parser) createConnection(c created) ast.Stmt {
	s := &ast.CreateConnection{Pos: c.pos, OrReplace: c.orReplace}
	p.next()
	s.IfNotExists = p.ifNotExists()
	s.Name = p.objectName()
	p.expectKw(kwTo)
	s.Type = p.colLabel()
	s.Options = p.parenOptions()
	return s
}

// createSecret parses CREATE SECRET name AS value.
func (p *parser) createSecret(c created) ast.Stmt {
	s := &ast.CreateSecret{Pos: c.pos}
	p.next()
	s.IfNotExists = p.ifNotExists()
	s.Name = p.objectName()
	p.expectKw(kwAs)
	s.Value = p.expr()
	return s
}

// createSchema parses CREATE SCHEMA. With elements inside it is a Utility.
func (p *parser) createSchema(c created) ast.Stmt {
	s := &ast.CreateSchema{Pos: c.pos}
	p.next()
	s.IfNotExists = p.ifNotExists()
	if !p.isKw(kwAuthorization) {
		s.Name = p.colID()
	}
	if s.Name == "" || p.isKw(kwAuthorization) {
		p.expectKw(kwAuthorization)
		s.Authorization = p.roleName()
	}
	if p.isKw(kwCreate) || p.isKw(kwGrant) {
		return p.utilityFrom(c.start) // with elements inside
	}
	return s
}

// roleName reads a role, CURRENT_USER and its kin among them.
func (p *parser) roleName() string {
	switch p.cur().kw {
	case kwCurrentUser, kwCurrentRole, kwSessionUser:
		return p.colLabel()
	}
	return p.nonReserved()
}

// createDatabase parses CREATE DATABASE with its options.
func (p *parser) createDatabase(c created) ast.Stmt {
	s := &ast.CreateDatabase{Pos: c.pos}
	p.next()
	s.IfNotExists = p.ifNotExists()
	s.Name = p.colID()
	p.acceptKw(kwWith)
	for p.err == nil && !p.atEnd() {
		o := &ast.Option{Pos: p.pos()}
		switch t := p.cur(); {
		case t.isName():
		case t.kw == kwConnection, t.kw == kwEncoding, t.kw == kwOwner, t.kw == kwTablespace, t.kw == kwTemplate:
		default:
			p.fail()
		}
		if p.acceptKw(kwConnection) {
			p.expectKw(kwLimit)
			o.Name = "connection_limit"
		} else {
			o.Name = p.colLabel()
		}
		p.accept('=')
		o.Value = p.looseValue()
		s.Options = append(s.Options, o)
	}
	return s
}

// atEnd reports whether the statement ends here.
func (p *parser) atEnd() bool { return p.is(tokEOF) || p.is(';') }

// looseValue parses an option's value that ends without comma: a word, a
// string, or a signed number.
func (p *parser) looseValue() ast.Expr {
	t := p.cur()
	pos := p.pos()
	switch _, named := t.class(); {
	case t.kw == kwTrue || t.kw == kwFalse || t.kw == kwNull:
		return p.primary()
	case named:
		p.next()
		return &ast.StringLit{Pos: pos, Value: p.name(t)}
	case t.isString(), isNumber(t):
		return p.primary()
	case t.kind == '-' || t.kind == '+':
		p.next()
		if isNumber(p.cur()) {
			return &ast.UnaryExpr{Pos: pos, Op: p.raw(t), Expr: p.primary()}
		}
	}
	p.fail()
	return &ast.NullLit{Pos: pos}
}

// createRole parses CREATE ROLE, USER and GROUP.
func (p *parser) createRole(c created) ast.Stmt {
	s := &ast.CreateRole{Pos: c.pos, Kind: roleKind(p.cur().kw)}
	p.next()
	s.IfNotExists = p.ifNotExists()
	s.Name = p.roleName()
	p.acceptKw(kwWith)
	s.Options = p.roleOptions()
	return s
}

// userMappingFollows reports whether MAPPING and what belongs to it follow n
// tokens on, and not a user of that name.
func (p *parser) userMappingFollows(n int) bool {
	return p.peekWord(n, "mapping") && (p.peekKw(n+1, kwFor) || p.peekKw(n+1, kwIf))
}

func roleKind(kw keyword) ast.ObjectKind {
	switch kw {
	case kwUser:
		return ast.KindUser
	case kwGroup:
		return ast.KindGroup
	}
	return ast.KindRole
}

// roleOptions parses SUPERUSER, PASSWORD 'x', IN ROLE a, b and the like.
func (p *parser) roleOptions() []*ast.Option {
	var list []*ast.Option
	for p.err == nil && !p.atEnd() {
		o := &ast.Option{Pos: p.pos()}
		if p.isKw(kwEncrypted) || p.isKw(kwUnencrypted) {
			p.next()
		}
		t := p.cur()
		o.Name = p.colLabel()
		switch o.Name {
		case "superuser", "nosuperuser", "createrole", "nocreaterole", "replication", "noreplication", "createdb",
			"nocreatedb", "login", "nologin", "bypassrls", "nobypassrls", "inherit", "noinherit":
		case "password":
			o.Value = p.looseValue()
		case "connection":
			p.expectKw(kwLimit)
			o.Name, o.Value = "connection_limit", p.looseValue()
		case "valid":
			p.expectKw(kwUntil)
			o.Name, o.Value = "valid_until", p.looseValue()
		case "sysid":
			o.Value = p.looseValue()
		case "in":
			if !p.acceptKw(kwRole) {
				p.expectKw(kwGroup)
			}
			o.Name, o.Value = "in_role", p.roleNames()
		case "role", "user", "admin":
			o.Value = p.roleNames()
		default:
			if !t.isName() {
				p.failAt(t)
			}
			p.failf(o.Pos, sqlerr.SyntaxError, "unrecognized role option \"%s\"", o.Name)
		}
		list = append(list, o)
	}
	return list
}

// roleNames parses a list of roles into a row of strings.
func (p *parser) roleNames() ast.Expr {
	row := &ast.RowExpr{Pos: p.pos()}
	for {
		row.Args = append(row.Args, &ast.StringLit{Pos: p.pos(), Value: p.roleName()})
		if !p.accept(',') {
			return row
		}
	}
}
