package sql

import (
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
)

// call parses the arguments of a call and what may follow them; the name has
// been read. func(args) 'string' is a typed constant with modifiers.
func (p *parser) call(pos ast.Pos, qualifier []string, name string) ast.Expr {
	p.checkQualifier(pos, qualifier, name)
	f := &ast.FuncCall{Pos: pos, Qualifier: qualifier, Name: name}
	windowless := p.windowless
	p.expect('(')
	p.enter()
	p.callArgs(f)
	p.leave()
	p.expect(')')
	if p.cur().isString() && !f.Star && !f.Distinct && !f.Variadic && len(f.Args) > 0 {
		return p.modifiedConstant(f)
	}
	if !windowless {
		p.afterCall(f)
	}
	return f
}

// callArgs parses what stands between the parentheses of a call.
func (p *parser) callArgs(f *ast.FuncCall) {
	switch {
	case p.is(')'):
		return
	case p.accept('*'):
		f.Star = true
		return
	case p.acceptKw(kwDistinct):
		f.Distinct = true
	default:
		p.acceptKw(kwAll)
	}
	p.argList(f)
}

// argList parses arguments parted by commas and their ORDER BY.
func (p *parser) argList(f *ast.FuncCall) {
	for {
		f.Variadic = p.acceptKw(kwVariadic)
		f.Args = append(f.Args, p.arg())
		if f.Variadic || !p.accept(',') {
			break
		}
	}
	if p.isKw(kwOrder) {
		f.OrderBy = p.orderBy()
	}
}

// arg parses one argument: positional or named.
func (p *parser) arg() ast.Expr {
	t := p.cur()
	pos := p.pos()
	next := p.peek(1)
	if (next.kind == tokArrow || next.kind == tokAssign) && (t.isTypeFunc() || t.isColID() || t.kw == kwOffset) {
		name := p.name(t)
		p.i += 2
		return &ast.NamedArg{Pos: pos, Name: name, Value: p.argValue()}
	}
	return p.argValue()
}

// argValue parses an expression, or TABLE t; a relation may be partitioned.
func (p *parser) argValue() ast.Expr {
	if p.isKw(kwTable) && p.peek(1).isColID() {
		pos := p.pos()
		p.next()
		return p.partitioned(&ast.TableArg{Pos: pos, Table: p.objectName()})
	}
	e := p.expr()
	p.pluralField(e)
	return p.partitioned(e)
}

// partitioned parses PARTITION BY x or PARTITION BY (x, y) behind a relation.
func (p *parser) partitioned(relation ast.Expr) ast.Expr {
	if !p.isKw(kwPartition) || !p.peekKw(1, kwBy) {
		return relation
	}
	switch relation.(type) {
	case *ast.ColumnRef, *ast.TableArg, *ast.SubqueryExpr:
	default:
		return relation
	}
	p.i += 2
	by := []ast.Expr{p.expr()}
	if row, ok := by[0].(*ast.RowExpr); ok && !row.Explicit {
		by = row.Args
	}
	return &ast.PartitionArg{Pos: ast.Pos(relation.Position()), Relation: relation, By: by}
}

// pluralField takes the unit of INTERVAL '10' MINUTES, Flink's spelling, where it
// cannot be an alias: behind an argument.
func (p *parser) pluralField(e ast.Expr) {
	c, ok := e.(*ast.CastExpr)
	if !ok || c.Form != ast.CastLiteral || c.Type.Name != "interval" || c.Type.Fields != ast.IntervalAll || len(c.Type.Mods) > 0 {
		return
	}
	for word, field := range map[string]ast.IntervalFields{
		"years": ast.IntervalYear, "months": ast.IntervalMonth, "days": ast.IntervalDay,
		"hours": ast.IntervalHour, "minutes": ast.IntervalMinute, "seconds": ast.IntervalSecond,
	} {
		if p.peekWord(0, word) {
			p.next()
			c.Type.Fields = field
			return
		}
	}
}

// afterCall parses WITHIN GROUP, FILTER and OVER. None of the words may be a
// label without AS.
func (p *parser) afterCall(f *ast.FuncCall) {
	if p.isKw(kwWithin) {
		at := p.pos()
		p.next()
		p.expectKw(kwGroup)
		p.withinGroup(f, at)
	}
	if p.acceptKw(kwFilter) {
		p.expect('(')
		p.expectKw(kwWhere)
		f.Filter = p.expr()
		p.expect(')')
	}
	if p.acceptKw(kwOver) {
		f.Over = p.over()
	}
}

func (p *parser) withinGroup(f *ast.FuncCall, at ast.Pos) {
	switch {
	case f.OrderBy != nil:
		p.failf(at, sqlerr.SyntaxError, "cannot use multiple ORDER BY clauses with WITHIN GROUP")
	case f.Distinct:
		p.failf(at, sqlerr.SyntaxError, "cannot use DISTINCT with WITHIN GROUP")
	case f.Variadic:
		p.failf(at, sqlerr.SyntaxError, "cannot use VARIADIC with WITHIN GROUP")
	}
	p.expect('(')
	f.WithinGroup = p.orderBy()
	p.expect(')')
}

// modifiedConstant makes of type(mods) 'string', read as a call, what it is.
func (p *parser) modifiedConstant(f *ast.FuncCall) ast.Expr {
	if f.OrderBy != nil {
		p.failf(f.OrderBy[0].Pos, sqlerr.SyntaxError, "type modifier cannot have ORDER BY")
	}
	for _, a := range f.Args {
		if n, ok := a.(*ast.NamedArg); ok {
			p.failf(n.Pos, sqlerr.SyntaxError, "type modifier cannot have parameter name")
		}
	}
	t := &ast.TypeName{Pos: f.Pos, Qualifier: f.Qualifier, Name: f.Name, Mods: f.Args}
	return &ast.CastExpr{Pos: f.Pos, Form: ast.CastLiteral, Expr: p.str(), Type: t}
}

// special begins a call in a special form.
func (p *parser) special(form ast.CallForm) *ast.FuncCall {
	f := &ast.FuncCall{Pos: p.pos(), Form: form, Name: keywords[p.cur().kw].word}
	p.next()
	p.expect('(')
	return f
}

// extract parses EXTRACT(field FROM x).
func (p *parser) extract() ast.Expr {
	f := p.special(ast.CallExtract)
	field := &ast.StringLit{Pos: p.pos()}
	switch t := p.cur(); {
	case t.isString():
		field = p.str()
	default:
		field.Value = p.extractField(t)
	}
	p.expectKw(kwFrom)
	f.Args = []ast.Expr{field, p.expr()}
	p.expect(')')
	return f
}

// extractField reads an identifier or one of the field keywords.
func (p *parser) extractField(t *token) string {
	switch t.kw {
	case kwYear, kwMonth, kwDay, kwHour, kwMinute, kwSecond, noKeyword:
		return p.colID()
	}
	p.fail()
	return ""
}

// plainArgs parses the arguments of a special call in the plain form.
func (p *parser) plainArgs(f *ast.FuncCall) ast.Expr {
	f.Form = ast.CallPlain
	if !p.is(')') {
		p.callArgs(f)
	}
	p.expect(')')
	return f
}

// overlay parses OVERLAY(x PLACING y FROM n [FOR m]).
func (p *parser) overlay() ast.Expr {
	f := p.special(ast.CallOverlay)
	if p.plainFollows() {
		return p.plainArgs(f)
	}
	f.Args = append(f.Args, p.expr())
	if !p.acceptKw(kwPlacing) {
		return p.moreArgs(f)
	}
	f.Args = append(f.Args, p.expr())
	p.expectKw(kwFrom)
	f.Args = append(f.Args, p.expr())
	if p.acceptKw(kwFor) {
		f.Args = append(f.Args, p.expr())
	}
	p.expect(')')
	return f
}

// plainFollows reports whether a call that may have a special form begins as
// only a plain one can.
func (p *parser) plainFollows() bool {
	next := p.peek(1).kind
	return p.is(')') || p.isKw(kwVariadic) || p.isKw(kwTable) || next == tokArrow || next == tokAssign
}

// moreArgs parses the rest of a plain call whose first argument is read.
func (p *parser) moreArgs(f *ast.FuncCall) ast.Expr {
	f.Form = ast.CallPlain
	if p.accept(',') {
		p.argList(f)
	}
	p.expect(')')
	return f
}

// position parses POSITION(a IN b), which is position(b, a).
func (p *parser) position() ast.Expr {
	f := p.special(ast.CallPosition)
	if p.is(')') {
		p.fail()
		return f
	}
	sub := p.restrictedExpr()
	p.expectKw(kwIn)
	str := p.restrictedExpr()
	f.Args = []ast.Expr{str, sub}
	p.expect(')')
	return f
}

// substring parses the four forms of SUBSTRING.
func (p *parser) substring() ast.Expr {
	f := p.special(ast.CallSubstring)
	if p.plainFollows() {
		return p.plainArgs(f)
	}
	f.Args = append(f.Args, p.expr())
	switch {
	case p.acceptKw(kwFrom):
		f.Args = append(f.Args, p.expr())
		if p.acceptKw(kwFor) {
			f.Args = append(f.Args, p.expr())
		}
	case p.acceptKw(kwFor):
		n := p.expr()
		if p.acceptKw(kwFrom) {
			f.Args = append(f.Args, p.expr(), n)
			break
		}
		f.Form = ast.CallSubstringFor
		one := &ast.NumberLit{Pos: f.Pos, Text: "1"}
		length := &ast.TypeName{Pos: f.Pos, Name: "int4"}
		f.Args = append(f.Args, one, &ast.CastExpr{Pos: f.Pos, Expr: n, Type: length})
	case p.acceptKw(kwSimilar):
		f.Form = ast.CallSimilarString
		f.Args = append(f.Args, p.expr())
		p.expectKw(kwEscape)
		f.Args = append(f.Args, p.expr())
	default:
		return p.moreArgs(f)
	}
	p.expect(')')
	return f
}

// trim parses TRIM([BOTH|LEADING|TRAILING] [chars FROM] x, ...).
func (p *parser) trim() ast.Expr {
	f := p.special(ast.CallTrim)
	f.Name = "btrim"
	switch p.cur().kw {
	case kwBoth:
		p.next()
	case kwLeading:
		f.Name = "ltrim"
		p.next()
	case kwTrailing:
		f.Name = "rtrim"
		p.next()
	}
	if p.acceptKw(kwFrom) {
		f.Args = p.exprs()
		p.expect(')')
		return f
	}
	first := p.expr()
	if p.acceptKw(kwFrom) {
		f.Args = append(p.exprs(), first)
	} else {
		f.Args = append(f.Args, first)
		for p.accept(',') {
			f.Args = append(f.Args, p.expr())
		}
	}
	p.expect(')')
	return f
}

// normalize parses NORMALIZE(x [, form]).
func (p *parser) normalize() ast.Expr {
	f := p.special(ast.CallNormalize)
	f.Args = append(f.Args, p.expr())
	if p.accept(',') {
		t := p.cur()
		switch t.kw {
		case kwNfc, kwNfd, kwNfkc, kwNfkd:
			f.Args = append(f.Args, &ast.StringLit{Pos: p.pos(), Value: keywords[t.kw].word})
			p.next()
		default:
			p.fail()
		}
	}
	p.expect(')')
	return f
}
