package sql

import (
	"strings"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
)

// set parses SET in all its forms.
func (p *parser) set() ast.Stmt {
	start := p.i
	pos := p.pos()
	p.next()
	switch {
	case p.isKw(kwConstraints):
		return p.utilitySet(start, "SET CONSTRAINTS")
	case p.isKw(kwXml) && p.peekKw(1, kwOption):
		return p.utilitySet(start, "SET XML OPTION")
	case p.acceptKws(kwSession, kwCharacteristics):
		p.expectKw(kwAs)
		p.expectKw(kwTransaction)
		return &ast.SetTransaction{Pos: pos, Session: true, Modes: p.transactionModes()}
	case p.isKw(kwTransaction), p.isKw(kwLocal) && p.peekKw(1, kwTransaction):
		p.acceptKw(kwLocal)
		p.next()
		return p.setTransaction(pos)
	}
	local := false
	if p.isKw(kwLocal) && !p.peekIsAssign(1) {
		p.next()
		local = true
	} else if p.isKw(kwSession) && !p.peekIsAssign(1) && !p.peekKw(1, kwAuthorization) {
		p.next()
	}
	s := p.setRest(pos)
	s.Local = local
	return s
}

// peekIsAssign reports whether the token n behind the current one shows that
// the token before it is a variable's name.
func (p *parser) peekIsAssign(n int) bool {
	t := p.peek(n)
	return t.kind == '=' || t.kind == '.' || t.kw == kwTo || t.kw == kwFrom
}

// utilitySet makes a Utility of a SET that nothing here reads.
func (p *parser) utilitySet(start int, tag string) ast.Stmt {
	u := &ast.Utility{Pos: ast.Pos(p.toks[start].start), Tag: tag}
	for p.err == nil && !p.atEnd() {
		if p.is(tokError) {
			p.fail()
		}
		p.next()
	}
	if p.err == nil {
		u.Text = p.text[u.Pos:p.toks[p.i-1].end]
	}
	return u
}

func (p *parser) setTransaction(pos ast.Pos) ast.Stmt {
	s := &ast.SetTransaction{Pos: pos}
	if p.acceptKw(kwSnapshot) {
		s.Snapshot = p.str()
		return s
	}
	s.Modes = p.transactionModes()
	if len(s.Modes) == 0 {
		p.fail()
	}
	return s
}

// setRest parses a variable and its values, or one of the special forms.
func (p *parser) setRest(pos ast.Pos) *ast.SetVariable {
	s := &ast.SetVariable{Pos: pos}
	switch {
	case p.isKw(kwTime) && p.peekKw(1, kwZone):
		p.i += 2
		s.Name = ast.SettingName{"timezone"}
		p.zoneValue(s)
		return s
	case p.isKw(kwRole) && !p.peekIsAssign(1):
		p.next()
		s.Name = ast.SettingName{"role"}
		s.Values = []ast.Expr{p.roleValue()}
		return s
	case p.acceptKws(kwSession, kwAuthorization):
		s.Name = ast.SettingName{"session_authorization"}
		if !p.acceptKw(kwDefault) {
			s.Values = []ast.Expr{p.roleValue()}
		}
		return s
	case p.isKw(kwNames) && !p.peekIsAssign(1):
		p.next()
		s.Name = ast.SettingName{"client_encoding"}
		if p.cur().isString() {
			s.Values = []ast.Expr{p.str()}
		} else {
			p.acceptKw(kwDefault)
		}
		return s
	case p.isKw(kwSchema) && p.peek(1).isString():
		p.next()
		s.Name = ast.SettingName{"search_path"}
		s.Values = []ast.Expr{p.str()}
		return s
	case p.isKw(kwCatalog) && p.peek(1).isString():
		p.failf(p.pos(), sqlerr.FeatureNotSupported, "current database cannot be changed")
	}
	s.Name = p.variableName()
	p.setValues(s)
	return s
}

// setValues parses {TO|=} values, DEFAULT, or FROM CURRENT.
func (p *parser) setValues(s *ast.SetVariable) {
	if p.acceptKws(kwFrom, kwCurrent) {
		s.FromCurrent = true
		return
	}
	if !p.accept('=') {
		p.expectKw(kwTo)
	}
	if p.acceptKw(kwDefault) {
		return
	}
	for {
		s.Values = append(s.Values, p.variableValue())
		if !p.accept(',') {
			return
		}
	}
}

// variableName reads a name with dots.
func (p *parser) variableName() ast.SettingName {
	name := ast.SettingName{p.colID()}
	for p.accept('.') {
		if len(name) > maxNameParts {
			p.fail()
		}
		name = append(name, p.colID())
	}
	return name
}

// variableValue parses a constant or a bare word.
func (p *parser) variableValue() ast.Expr {
	t := p.cur()
	pos := p.pos()
	switch {
	case t.isString():
		return p.str()
	case t.kind == tokInt || t.kind == tokFloat:
		return p.primary()
	case (t.kind == '-' || t.kind == '+') && isNumber(p.peek(1)):
		p.next()
		return &ast.UnaryExpr{Pos: pos, Op: p.raw(t), Expr: p.primary()}
	case t.kw == kwTrue || t.kw == kwFalse:
		return p.primary()
	case t.kw == kwOn:
		p.next()
		return &ast.StringLit{Pos: pos, Value: "on"}
	}
	return &ast.StringLit{Pos: pos, Value: p.nonReserved()}
}

func isNumber(t *token) bool { return t.kind == tokInt || t.kind == tokFloat }

// zoneValue parses the value of SET TIME ZONE.
func (p *parser) zoneValue(s *ast.SetVariable) {
	t := p.cur()
	switch {
	case t.kw == kwDefault || t.kw == kwLocal:
		p.next()
	case t.kw == kwInterval:
		s.Values = []ast.Expr{p.typedConstant()}
	case t.isString(), isNumber(t), t.kind == '-', t.kind == '+':
		s.Values = []ast.Expr{p.variableValue()}
	case t.kind == tokIdent || t.kind == tokQuoted || t.kind == tokUQuoted:
		s.Values = []ast.Expr{&ast.StringLit{Pos: p.pos(), Value: p.colID()}}
	default:
		p.fail()
	}
}

// roleValue parses a role as a word or string.
func (p *parser) roleValue() ast.Expr {
	if p.cur().isString() {
		return p.str()
	}
	pos := p.pos()
	return &ast.StringLit{Pos: pos, Value: p.nonReserved()}
}

// specialVariable reads a name with dots, or one of the variables that are
// written as several words; nil for ALL.
func (p *parser) specialVariable() ast.SettingName {
	switch {
	case p.acceptKws(kwTime, kwZone):
		return ast.SettingName{"timezone"}
	case p.acceptKws(kwTransaction, kwIsolation, kwLevel):
		return ast.SettingName{"transaction_isolation"}
	case p.acceptKws(kwSession, kwAuthorization):
		return ast.SettingName{"session_authorization"}
	case p.acceptKw(kwAll):
		return nil
	}
	return p.variableName()
}

// reset parses RESET.
func (p *parser) reset() ast.Stmt {
	s := &ast.ResetVariable{Pos: p.pos()}
	p.next()
	s.Name = p.specialVariable()
	return s
}

// show parses SHOW: a variable, a list of objects, or the text of one.
func (p *parser) show() ast.Stmt {
	pos := p.pos()
	p.next()
	if p.isKw(kwCreate) {
		p.next()
		s := &ast.ShowCreate{Pos: pos}
		kind, ok := p.objectKind()
		if !ok {
			p.failHint("SHOW CREATE takes STREAM, SOURCE, TABLE, VIEW, MATERIALIZED VIEW, INDEX, SINK or CONNECTION and a name.")
		}
		s.Kind = kind
		s.Name = p.objectName()
		return s
	}
	if kind := p.showKind(); kind != "" {
		return p.showObjects(pos, kind)
	}
	return &ast.ShowVariable{Pos: pos, Name: p.specialVariable()}
}

// showKind reads the plural of a kind of object, "" if none follows.
func (p *parser) showKind() string {
	if p.isKw(kwMaterialized) && p.peekKw(1, kwViews) {
		p.i += 2
		return "MATERIALIZED VIEWS"
	}
	if p.peek(1).kind == '.' {
		return ""
	}
	for _, kind := range [...]string{"STREAMS", "SOURCES", "TABLES", "VIEWS", "SINKS", "INDEXES", "CONNECTIONS",
		"SECRETS", "SCHEMAS", "DATABASES", "ROLES", "COLUMNS", "WATERMARKS", "JOBS", "QUERIES", "SUBSCRIPTIONS",
		"FUNCTIONS", "TYPES", "OBJECTS"} {
		if p.acceptWord(strings.ToLower(kind)) {
			return kind
		}
	}
	return ""
}

// showObjects parses [FROM|IN|ON relation or schema] [LIKE pattern | WHERE
// condition].
func (p *parser) showObjects(pos ast.Pos, kind string) ast.Stmt {
	s := &ast.ShowObjects{Pos: pos, Kind: kind}
	if p.acceptKw(kwFrom) || p.acceptKw(kwIn) || p.acceptKw(kwOn) {
		s.From = p.objectName()
	} else if kind == "COLUMNS" {
		p.fail()
	}
	switch {
	case p.acceptKw(kwLike):
		s.Like = p.str()
	case p.acceptKw(kwWhere):
		s.Where = p.expr()
	}
	return s
}

// discard parses DISCARD.
func (p *parser) discard() ast.Stmt {
	s := &ast.Discard{Pos: p.pos()}
	p.next()
	switch p.cur().kw {
	case kwAll:
		s.What = "ALL"
	case kwPlans:
		s.What = "PLANS"
	case kwSequences:
		s.What = "SEQUENCES"
	case kwTemp, kwTemporary:
		s.What = "TEMP"
	default:
		p.fail()
	}
	p.next()
	return s
}
