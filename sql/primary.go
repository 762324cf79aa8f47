package sql

import (
	"strconv"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
)

// primary parses a c_expr: a constant, a reference, a call, a construct with a
// keyword, or something in parentheses.
func (p *parser) primary() ast.Expr {
	t := p.cur()
	pos := p.pos()
	switch t.kind {
	case tokIdent, tokQuoted, tokUQuoted:
		return p.named()
	case tokKeyword:
		return p.keywordPrimary(t)
	case tokInt, tokFloat:
		p.next()
		return &ast.NumberLit{Pos: pos, Text: p.raw(t)}
	case tokString, tokEString, tokUString, tokDollar:
		return p.str()
	case tokBit:
		p.next()
		return &ast.BitLit{Pos: pos, Digits: joinQuoted(p.raw(t)[1:])}
	case tokHex:
		p.next()
		return &ast.BitLit{Pos: pos, Hex: true, Digits: joinQuoted(p.raw(t)[1:])}
	case tokParam:
		return p.indirection(p.param())
	case '(':
		return p.parenPrimary()
	}
	p.fail()
	return &ast.NullLit{Pos: pos}
}

// param reads $n.
func (p *parser) param() ast.Expr {
	t := p.cur()
	e := &ast.Param{Pos: p.pos()}
	n, err := strconv.Atoi(p.raw(t)[1:])
	if err != nil || n < 1 || n > MaxParams {
		p.failf(e.Pos, sqlerr.UndefinedParameter, "there is no parameter %s", p.raw(t))
		return e
	}
	p.next()
	e.Number = n
	p.maxParam = max(p.maxParam, n)
	return e
}

// parenPrimary parses what begins with a parenthesis: a scalar subquery, an
// expression, or a row.
func (p *parser) parenPrimary() ast.Expr {
	pos := p.pos()
	query, list := p.parens()
	return p.parenOperand(pos, query, list)
}

// parenOperand makes an operand of what stood in parentheses.
func (p *parser) parenOperand(pos ast.Pos, query *ast.SelectStmt, list []ast.Expr) ast.Expr {
	switch {
	case query != nil:
		return p.indirection(&ast.SubqueryExpr{Pos: pos, Query: query})
	case len(list) == 1:
		return p.indirection(list[0])
	}
	return &ast.RowExpr{Pos: pos, Args: list}
}

// parens parses a query or a list of expressions in parentheses. Which of the
// two "((SELECT ..." begins is known only behind the inner parentheses, so
// the operand found there is carried on instead of being parsed again.
func (p *parser) parens() (query *ast.SelectStmt, list []ast.Expr) {
	p.expect('(')
	p.enter()
	defer p.leave()
	switch {
	case p.atSelect():
		query = p.selectStmt()
	case p.is('('):
		pos := p.pos()
		inner, exprs := p.parens()
		if inner != nil && (p.is(')') || p.atSelectTail()) {
			query = p.selectFrom(inner)
			break
		}
		first := p.infix(p.parenOperand(pos, inner, exprs), precLowest, false)
		list = append(make([]ast.Expr, 0, 1), first)
	default:
		list = append(make([]ast.Expr, 0, 2), p.expr())
	}
	if query == nil {
		for p.accept(',') {
			list = append(list, p.expr())
		}
	}
	p.expect(')')
	return query, list
}

// indirection parses subscripts and field selections behind an operand that
// may have them.
func (p *parser) indirection(e ast.Expr) ast.Expr {
	for n := 0; p.err == nil; n++ {
		if n > maxPostfix {
			p.failf(p.pos(), sqlerr.StatementTooComplex, "statement is nested too deeply")
			return e
		}
		pos := p.pos()
		switch {
		case p.is('['):
			e = p.subscript(e)
		case p.is('.') && p.peek(1).kind == '*':
			p.i += 2
			return &ast.FieldStar{Pos: pos, Expr: e}
		case p.is('.'):
			p.next()
			e = &ast.FieldSelect{Pos: pos, Expr: e, Field: p.colLabel()}
		default:
			return e
		}
	}
	return e
}

// subscript parses [i] or [low:high].
func (p *parser) subscript(e ast.Expr) ast.Expr {
	s := &ast.Subscript{Pos: p.pos(), Expr: e}
	p.expect('[')
	var first ast.Expr
	if !p.is(':') {
		first = p.expr()
	}
	if s.Slice = p.accept(':'); !s.Slice {
		s.Index = first
		p.expect(']')
		return s
	}
	s.Low = first
	if !p.is(']') {
		s.High = p.expr()
	}
	p.expect(']')
	return s
}

// named parses what begins with an identifier: a column, a call, or a typed
// constant.
func (p *parser) named() ast.Expr {
	t := p.cur()
	pos := p.pos()
	switch next := p.peek(1); {
	case next.kind == '(':
		if t.kind == tokIdent && p.peek(2).kind != ')' {
			if e := p.wordCall(t); e != nil {
				return e
			}
		}
		p.next()
		return p.call(pos, nil, p.name(t))
	case next.kind == '.':
		return p.dotted()
	case next.isString() && t.isTypeFunc():
		return p.typedConstant()
	}
	p.next()
	return p.indirection(&ast.ColumnRef{Pos: pos, Name: p.name(t)})
}

// wordCall parses calls with a special form whose name is no keyword.
func (p *parser) wordCall(t *token) ast.Expr {
	if p.wordIs(t, "try_cast") {
		return p.cast(ast.CastTry)
	}
	return nil
}

// dotted parses a qualified name: a column, t.*, a call, or a typed constant.
func (p *parser) dotted() ast.Expr {
	pos := p.pos()
	var qualifier []string
	name := p.colID()
	for p.is('.') {
		if p.peek(1).kind == '*' {
			p.i += 2
			return &ast.Star{Pos: pos, Qualifier: p.qualify(qualifier, name)}
		}
		if len(qualifier) == 3 {
			break // the rest selects fields, which PostgreSQL refuses later
		}
		p.next()
		qualifier = p.qualify(qualifier, name)
		name = p.colLabel()
	}
	switch {
	case p.is('('):
		return p.call(pos, qualifier, name)
	case p.cur().isString():
		t := &ast.TypeName{Pos: pos, Qualifier: qualifier, Name: name}
		return &ast.CastExpr{Pos: pos, Form: ast.CastLiteral, Expr: p.str(), Type: t}
	}
	return p.indirection(&ast.ColumnRef{Pos: pos, Qualifier: qualifier, Name: name})
}

// typedConstant parses type 'string'.
func (p *parser) typedConstant() ast.Expr {
	e := &ast.CastExpr{Pos: p.pos(), Form: ast.CastLiteral}
	e.Type = p.simpleType()
	if p.err == nil && !p.cur().isString() {
		p.fail()
		return e
	}
	e.Expr = p.str()
	if e.Type.Name == "interval" && e.Type.Fields == ast.IntervalAll && e.Type.Qualifier == nil {
		e.Type.Fields = p.intervalFields(e.Type)
	}
	return e
}

// keywordPrimary parses an operand that begins with a keyword.
func (p *parser) keywordPrimary(t *token) ast.Expr {
	pos := p.pos()
	switch t.kw {
	case kwNull:
		p.next()
		return &ast.NullLit{Pos: pos}
	case kwTrue, kwFalse:
		p.next()
		return &ast.BoolLit{Pos: pos, Value: t.kw == kwTrue}
	case kwCase:
		return p.caseExpr()
	case kwCast:
		return p.cast(ast.CastCall)
	case kwArray:
		return p.array()
	case kwDefault:
		p.next()
		return &ast.DefaultExpr{Pos: pos}
	case kwCurrentDate, kwCurrentTime, kwCurrentTimestamp, kwLocaltime, kwLocaltimestamp,
		kwCurrentRole, kwCurrentUser, kwUser, kwSessionUser, kwCurrentCatalog:
		return p.valueFunction()
	case kwCurrentSchema:
		if p.peek(1).kind != '(' {
			return p.valueFunction()
		}
	case kwCollation:
		if p.peekKw(1, kwFor) {
			p.i += 2
			p.expect('(')
			e := &ast.CollationFor{Pos: pos, Expr: p.expr()}
			p.expect(')')
			return e
		}
	case kwDouble:
		if p.peekKw(1, kwPrecision) {
			return p.typedConstant()
		}
	}
	switch keywords[t.kw].class {
	case unreserved:
		return p.named()
	case typeFunc:
		if k := p.peek(1); k.kind == '(' || k.isString() {
			return p.named()
		}
		p.next() // it could have been a function
	case colName:
		return p.colNamePrimary(t)
	}
	p.fail()
	return &ast.NullLit{Pos: pos}
}

// colNamePrimary parses an operand that begins with a keyword of the class of
// types and special functions; without its construct it is a column.
func (p *parser) colNamePrimary(t *token) ast.Expr {
	if p.peek(1).kind == '(' {
		if e := p.specialCall(t); e != nil {
			return e
		}
	}
	switch t.kw {
	case kwExists, kwRow, kwCoalesce, kwNullif, kwGreatest, kwLeast, kwGrouping:
	case kwInt, kwInteger, kwSmallint, kwBigint, kwReal, kwFloat, kwDecimal, kwDec, kwNumeric, kwBoolean,
		kwBit, kwCharacter, kwChar, kwVarchar, kwNational, kwNchar, kwTime, kwTimestamp, kwInterval:
		if p.constantTypeFollows() {
			return p.typedConstant()
		}
	}
	if p.peek(1).kind == '.' {
		return p.dotted()
	}
	pos := p.pos()
	p.next()
	if p.is('(') {
		p.fail()
	}
	return p.indirection(&ast.ColumnRef{Pos: pos, Name: p.name(t)})
}

// constantTypeFollows reports whether the type keyword begins a typed
// constant and is not a column's name.
func (p *parser) constantTypeFollows() bool {
	next := p.peek(1)
	switch {
	case next.isString(), next.kind == '(':
		return true
	}
	switch next.kw {
	case kwVarying, kwCharacter, kwChar:
		return p.isKw(kwBit) || p.isKw(kwNational) || p.isKw(kwNchar) || p.isKw(kwCharacter) || p.isKw(kwChar)
	case kwWith, kwWithout:
		return p.peekKw(2, kwTime)
	}
	return false
}

// specialCall parses the constructs name(...) of colName keywords; nil for
// those that are none.
func (p *parser) specialCall(t *token) ast.Expr {
	switch t.kw {
	case kwExists:
		return p.exists()
	case kwRow:
		return p.row()
	case kwCoalesce:
		return &ast.CoalesceExpr{Pos: p.pos(), Args: p.keywordArgs()}
	case kwGreatest, kwLeast:
		return &ast.MinMaxExpr{Pos: p.pos(), Least: t.kw == kwLeast, Args: p.keywordArgs()}
	case kwGrouping:
		return &ast.GroupingExpr{Pos: p.pos(), Args: p.keywordArgs()}
	case kwNullif:
		return p.nullIf()
	case kwTreat:
		return p.cast(ast.CastTreat)
	case kwExtract:
		return p.extract()
	case kwOverlay:
		return p.overlay()
	case kwPosition:
		return p.position()
	case kwSubstring:
		return p.substring()
	case kwTrim:
		return p.trim()
	case kwNormalize:
		return p.normalize()
	case kwXmlconcat, kwXmlelement, kwXmlexists, kwXmlforest, kwXmlparse, kwXmlpi, kwXmlroot, kwXmlserialize, kwXmltable:
		p.failf(p.pos(), sqlerr.FeatureNotSupported, "%s is not supported", p.name(t))
		return &ast.NullLit{Pos: p.pos()}
	}
	return nil
}

// keywordArgs parses the arguments of a construct whose name is a keyword.
func (p *parser) keywordArgs() []ast.Expr {
	p.next()
	p.expect('(')
	list := p.exprs()
	p.expect(')')
	return list
}

func (p *parser) nullIf() ast.Expr {
	e := &ast.NullIfExpr{Pos: p.pos()}
	p.next()
	p.expect('(')
	e.Left = p.expr()
	p.expect(',')
	e.Right = p.expr()
	p.expect(')')
	return e
}

func (p *parser) exists() ast.Expr {
	e := &ast.ExistsExpr{Pos: p.pos()}
	p.next()
	e.Query = p.parenQuery()
	return e
}

// row parses ROW(...), which may be empty.
func (p *parser) row() ast.Expr {
	e := &ast.RowExpr{Pos: p.pos(), Explicit: true}
	p.next()
	p.expect('(')
	if !p.is(')') {
		e.Args = p.exprs()
	}
	p.expect(')')
	return e
}

// array parses ARRAY[...] and ARRAY(query).
func (p *parser) array() ast.Expr {
	pos := p.pos()
	p.next()
	if p.is('(') {
		return &ast.ArraySubquery{Pos: pos, Query: p.parenQuery()}
	}
	e := p.arrayElems(false)
	e.Pos = pos
	return e
}

// arrayElems parses [...]; its elements are expressions or, all of them,
// brackets again.
func (p *parser) arrayElems(inner bool) *ast.ArrayExpr {
	p.enter()
	defer p.leave()
	e := &ast.ArrayExpr{Pos: p.pos(), Inner: inner}
	p.expect('[')
	if p.accept(']') {
		return e
	}
	nested := p.is('[')
	for {
		if nested {
			e.Elems = append(e.Elems, p.arrayElems(true))
		} else {
			e.Elems = append(e.Elems, p.expr())
		}
		if !p.accept(',') {
			break
		}
	}
	p.expect(']')
	return e
}

// cast parses CAST(x AS type) and its kin.
func (p *parser) cast(form ast.CastForm) ast.Expr {
	e := &ast.CastExpr{Pos: p.pos(), Form: form}
	p.next()
	p.expect('(')
	e.Expr = p.expr()
	p.expectKw(kwAs)
	e.Type = p.typeName()
	p.expect(')')
	return e
}

func (p *parser) caseExpr() ast.Expr {
	e := &ast.CaseExpr{Pos: p.pos()}
	p.next()
	if !p.isKw(kwWhen) {
		e.Operand = p.expr()
	}
	for first := true; first || p.isKw(kwWhen); first = false {
		w := &ast.When{Pos: p.pos()}
		p.expectKw(kwWhen)
		w.Cond = p.expr()
		p.expectKw(kwThen)
		w.Result = p.expr()
		e.Whens = append(e.Whens, w)
	}
	if p.acceptKw(kwElse) {
		e.Else = p.expr()
	}
	p.expectKw(kwEnd)
	return e
}

// valueFunction parses current_timestamp and its kin.
func (p *parser) valueFunction() ast.Expr {
	t := p.cur()
	e := &ast.SQLValueFunction{Pos: p.pos(), Name: p.name(t), Precision: -1}
	p.next()
	switch t.kw {
	case kwCurrentTime, kwCurrentTimestamp, kwLocaltime, kwLocaltimestamp:
		if p.accept('(') {
			e.Precision = p.integer()
			p.expect(')')
		}
	}
	return e
}
