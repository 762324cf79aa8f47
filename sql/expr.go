package sql

import (
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
)

// The binding powers of PostgreSQL's grammar, loosest first.
const (
	precLowest = iota
	precOr
	precAnd
	precNot
	precIs
	precCompare
	precLike
	_
	precOp
	precAdd
	precMul
	precPower
	precAt
	precCollate
	precUnary
	_
	precCast
)

// maxPostfix bounds the chain of postfix constructs on one operand (casts, IS
// tests, COLLATE), which unlike operators a consumer may handle by recursion.
const maxPostfix = MaxDepth

// expr parses an a_expr.
func (p *parser) expr() ast.Expr { return p.exprPrec(precLowest, false) }

// restrictedExpr parses a b_expr: no boolean operators, so that AND and NOT
// behind it belong to the clause around.
func (p *parser) restrictedExpr() ast.Expr { return p.exprPrec(precLowest, true) }

// exprPrec parses an expression whose operators bind at least as tightly as
// least.
func (p *parser) exprPrec(least int, restricted bool) ast.Expr {
	p.enter()
	p.windowless = false
	e := p.infix(p.prefix(restricted), least, restricted)
	p.leave()
	return e
}

// exprs parses a list.
func (p *parser) exprs() []ast.Expr {
	list := []ast.Expr{p.expr()}
	for p.accept(',') {
		list = append(list, p.expr())
	}
	return list
}

// prefix parses prefix operators and an operand.
func (p *parser) prefix(restricted bool) ast.Expr {
	t := p.cur()
	pos := p.pos()
	switch {
	case t.kind == '-' || t.kind == '+':
		p.next()
		return &ast.UnaryExpr{Pos: pos, Op: p.raw(t), Expr: p.exprPrec(precUnary, restricted)}
	case t.kind == tokOp:
		p.next()
		return &ast.UnaryExpr{Pos: pos, Op: p.raw(t), Expr: p.exprPrec(precOp+1, restricted)}
	case t.kw == kwOperator && p.peek(1).kind == '(':
		schema, op := p.qualifiedOp()
		return &ast.UnaryExpr{Pos: pos, Schema: schema, Op: op, Expr: p.exprPrec(precOp+1, restricted)}
	case t.kw == kwNot && !restricted:
		p.next()
		return &ast.NotExpr{Pos: pos, Expr: p.exprPrec(precNot, false)}
	case t.kw == kwDefault && restricted:
		p.fail()
	}
	return p.primary()
}

// infix parses the operators behind an operand.
func (p *parser) infix(left ast.Expr, least int, restricted bool) ast.Expr {
	closed := 0 // the level of a non-associative construct just ended
	postfix := 0
	for p.err == nil {
		level := p.infixLevel(restricted)
		if level == precLowest || level < least {
			return left
		}
		if level == closed {
			p.fail()
			return left
		}
		before := left
		left, closed = p.infixOne(left, level, restricted)
		if _, ok := left.(*ast.BinaryExpr); !ok {
			if postfix++; postfix > maxPostfix {
				p.failf(ast.Pos(before.Position()), sqlerr.StatementTooComplex, "statement is nested too deeply")
			}
		}
	}
	return left
}

// infixLevel returns the level of the operator at the current token,
// precLowest if there is none.
func (p *parser) infixLevel(restricted bool) int {
	t := p.cur()
	switch t.kind {
	case '+', '-':
		return precAdd
	case '*', '/', '%':
		return precMul
	case '^':
		return precPower
	case '<', '>', '=', tokLE, tokGE, tokNE:
		return precCompare
	case tokOp:
		return precOp
	case tokTypecast:
		return precCast
	case tokKeyword:
		return p.keywordLevel(t.kw, restricted)
	}
	return precLowest
}

// keywordLevel is infixLevel for keywords. In a b_expr only IS DISTINCT FROM
// and OPERATOR() are infix.
func (p *parser) keywordLevel(kw keyword, restricted bool) int {
	if p.depth == p.labelDepth && keywords[kw].bare && p.targetEnds(1) {
		return precLowest
	}
	switch kw {
	case kwOperator:
		if p.peek(1).kind == '(' {
			return precOp
		}
		return precLowest
	case kwIs:
		if p.isTestFollows(restricted) {
			return precIs
		}
		return precLowest
	}
	if restricted {
		return precLowest
	}
	switch kw {
	case kwOr:
		return precOr
	case kwAnd:
		return precAnd
	case kwIsnull, kwNotnull:
		return precIs
	case kwBetween, kwIn, kwLike, kwIlike, kwOverlaps:
		return precLike
	case kwSimilar:
		if p.peekKw(1, kwTo) {
			return precLike
		}
	case kwNot:
		switch p.peek(1).kw {
		case kwBetween, kwIn, kwLike, kwIlike, kwSimilar:
			return precLike
		}
	case kwAt:
		if p.peekKw(1, kwTime) {
			return precAt
		}
	case kwCollate:
		return precCollate
	}
	return precLowest
}

// targetEnds reports whether an item of a select list ends before the token n
// behind the current one, so that the current one is its label even if it
// looks like an operator.
func (p *parser) targetEnds(n int) bool {
	t := p.peek(n)
	switch t.kind {
	case tokEOF, ',', ')', ';':
		return true
	}
	return t.kw == kwFrom || t.kw == kwInto || t.kw == kwWhere
}

// isTestFollows reports whether IS begins a test and is not a label.
func (p *parser) isTestFollows(restricted bool) bool {
	i := 1
	if p.peekKw(i, kwNot) {
		i++
	}
	switch p.peek(i).kw {
	case kwDistinct, kwDocument:
		return true
	case kwNull, kwTrue, kwFalse, kwUnknown, kwNormalized, kwNfc, kwNfd, kwNfkc, kwNfkd:
		return !restricted
	}
	return i > 1 || !restricted
}

// infixOne parses one operator with its right side. closed is the level at
// which no other operator may follow, because the level is non-associative
// and the construct ended in an operand.
func (p *parser) infixOne(left ast.Expr, level int, restricted bool) (e ast.Expr, closed int) {
	pos := p.pos()
	switch level {
	case precOr:
		return &ast.OrExpr{Pos: pos, Args: p.chain(left, kwOr, precAnd)}, 0
	case precAnd:
		return &ast.AndExpr{Pos: pos, Args: p.chain(left, kwAnd, precNot)}, 0
	case precIs:
		return p.isTest(left, restricted)
	case precLike:
		return p.matching(left)
	case precAt:
		p.i += 2
		p.expectKw(kwZone)
		return &ast.AtTimeZoneExpr{Pos: pos, Expr: left, Zone: p.exprPrec(precAt+1, false)}, 0
	case precCollate:
		p.next()
		return &ast.CollateExpr{Pos: pos, Expr: left, Collation: p.objectName()}, 0
	case precCast:
		p.next()
		return &ast.CastExpr{Pos: pos, Expr: left, Type: p.typeName()}, 0
	}
	return p.binary(left, level, restricted)
}

// chain parses a run of ANDs or ORs into one list.
func (p *parser) chain(left ast.Expr, kw keyword, least int) []ast.Expr {
	args := append(make([]ast.Expr, 0, 4), left)
	for p.acceptKw(kw) {
		args = append(args, p.exprPrec(least, false))
	}
	return args
}

// binary parses a symbolic operator, with ANY or ALL where they follow.
func (p *parser) binary(left ast.Expr, level int, restricted bool) (ast.Expr, int) {
	pos := p.pos()
	schema, op := p.operator()
	if !restricted && p.atQuantifier() {
		return p.quantified(left, pos, schema, op), 0
	}
	e := &ast.BinaryExpr{Pos: pos, Schema: schema, Op: op, Left: left}
	e.Right = p.exprPrec(level+1, restricted)
	if level == precCompare {
		return e, precCompare
	}
	return e, 0
}

// operator reads an operator, bare or as OPERATOR(schema.op).
func (p *parser) operator() (schema []string, op string) {
	t := p.cur()
	if t.kw == kwOperator {
		return p.qualifiedOp()
	}
	if !isOperator(t) {
		p.fail()
		return nil, ""
	}
	p.next()
	if t.kind == tokNE {
		return nil, "<>"
	}
	return nil, p.raw(t)
}

// isOperator reports whether a token is an operator of any kind.
func isOperator(t *token) bool {
	switch t.kind {
	case '+', '-', '*', '/', '%', '^', '<', '>', '=', tokLE, tokGE, tokNE, tokOp:
		return true
	}
	return false
}

// qualifiedOp reads OPERATOR(schema.op).
func (p *parser) qualifiedOp() (schema []string, op string) {
	p.expectKw(kwOperator)
	p.expect('(')
	schema = []string{}
	for p.cur().isColID() {
		schema = append(schema, p.colID())
		p.expect('.')
	}
	if p.isKw(kwOperator) {
		p.fail()
		return schema, ""
	}
	_, op = p.operator()
	p.expect(')')
	return schema, op
}

// atQuantifier reports whether ANY, SOME or ALL follow.
func (p *parser) atQuantifier() bool {
	switch p.cur().kw {
	case kwAny, kwSome, kwAll:
		return true
	}
	return false
}

// quantified parses ANY|SOME|ALL (subquery or array).
func (p *parser) quantified(left ast.Expr, pos ast.Pos, schema []string, op string) ast.Expr {
	e := &ast.QuantifiedExpr{Pos: pos, Schema: schema, Op: op, Left: left, All: p.isKw(kwAll)}
	p.next()
	query, list := p.parens()
	switch {
	case query != nil:
		e.Query = query
	case len(list) == 1:
		e.Array = list[0]
	case p.err == nil:
		p.i-- // the place of the closing parenthesis is near enough
		p.fail()
	}
	return e
}

// isTest parses what follows IS, and ISNULL and NOTNULL.
func (p *parser) isTest(left ast.Expr, restricted bool) (ast.Expr, int) {
	e := &ast.IsExpr{Pos: p.pos(), Expr: left}
	t := p.cur()
	p.next()
	if t.kw != kwIs {
		e.Not = t.kw == kwNotnull
		return e, 0
	}
	e.Not = p.acceptKw(kwNot)
	t = p.cur()
	if t.kw == kwDistinct {
		p.next()
		p.expectKw(kwFrom)
		d := &ast.DistinctExpr{Pos: e.Pos, Not: e.Not, Left: left}
		d.Right = p.exprPrec(precIs+1, restricted)
		return d, precIs
	}
	if t.kw != kwDocument && restricted {
		p.fail()
		return e, 0
	}
	switch t.kw {
	case kwNull:
		e.Test = ast.IsNull
	case kwTrue:
		e.Test = ast.IsTrue
	case kwFalse:
		e.Test = ast.IsFalse
	case kwUnknown:
		e.Test = ast.IsUnknown
	case kwDocument:
		e.Test = ast.IsDocument
	case kwNfc, kwNfd, kwNfkc, kwNfkd:
		e.Form = keywords[t.kw].word
		p.next()
		e.Test = ast.IsNormalized
		p.expectKw(kwNormalized)
		return e, 0
	case kwNormalized:
		e.Test = ast.IsNormalized
	default:
		p.fail()
	}
	p.next()
	return e, 0
}

// matching parses [NOT] BETWEEN, IN, LIKE, ILIKE, SIMILAR TO and OVERLAPS.
func (p *parser) matching(left ast.Expr) (ast.Expr, int) {
	pos := p.pos()
	not := p.acceptKw(kwNot)
	t := p.cur()
	p.next()
	switch t.kw {
	case kwBetween:
		return p.between(left, pos, not), precLike
	case kwIn:
		return p.in(left, pos, not), 0
	case kwOverlaps:
		return p.overlaps(left, pos, t), precLike
	case kwSimilar:
		p.next()
		return p.like(left, pos, not, ast.SimilarTo), precLike
	}
	kind, op := ast.Like, "LIKE"
	if t.kw == kwIlike {
		kind, op = ast.ILike, "ILIKE"
	}
	if p.atQuantifier() {
		if not {
			op = "NOT " + op
		}
		return p.quantified(left, pos, nil, op), 0
	}
	return p.like(left, pos, not, kind), precLike
}

func (p *parser) between(left ast.Expr, pos ast.Pos, not bool) ast.Expr {
	e := &ast.BetweenExpr{Pos: pos, Not: not, Expr: left}
	if !p.acceptKw(kwAsymmetric) {
		e.Symmetric = p.acceptKw(kwSymmetric)
	}
	e.Low = p.restrictedExpr()
	p.expectKw(kwAnd)
	e.High = p.exprPrec(precLike+1, false)
	return e
}

func (p *parser) like(left ast.Expr, pos ast.Pos, not bool, kind ast.LikeKind) ast.Expr {
	e := &ast.LikeExpr{Pos: pos, Kind: kind, Not: not, Expr: left}
	e.Pattern = p.exprPrec(precLike+1, false)
	if p.acceptKw(kwEscape) {
		e.Escape = p.exprPrec(precLike+1, false)
	}
	return e
}

func (p *parser) in(left ast.Expr, pos ast.Pos, not bool) ast.Expr {
	e := &ast.InExpr{Pos: pos, Not: not, Expr: left}
	e.Query, e.List = p.parens()
	return e
}

// overlaps parses the right side of OVERLAPS; both sides have to be rows of
// two.
func (p *parser) overlaps(left ast.Expr, pos ast.Pos, t *token) ast.Expr {
	l, ok := left.(*ast.RowExpr)
	if !ok {
		p.failAt(t)
		return left
	}
	at := p.cur()
	r, ok := p.exprPrec(precLike+1, false).(*ast.RowExpr)
	if !ok {
		p.failAt(at)
		return left
	}
	if len(l.Args) != 2 {
		p.failf(l.Pos, sqlerr.SyntaxError, "wrong number of parameters on left side of OVERLAPS expression")
	}
	if len(r.Args) != 2 {
		p.failf(r.Pos, sqlerr.SyntaxError, "wrong number of parameters on right side of OVERLAPS expression")
	}
	return &ast.OverlapsExpr{Pos: pos, Left: l, Right: r}
}
