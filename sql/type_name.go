package sql

import (
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
)

// typeName parses a type with SETOF and array brackets.
func (p *parser) typeName() *ast.TypeName {
	setOf := p.acceptKw(kwSetof)
	t := p.simpleType()
	t.SetOf = setOf
	if p.acceptKw(kwArray) {
		dim := -1
		if p.accept('[') {
			dim = p.integer()
			p.expect(']')
		}
		t.Dims = []int{dim}
		return t
	}
	for p.accept('[') {
		dim := -1
		if !p.is(']') {
			dim = p.integer()
		}
		p.expect(']')
		t.Dims = append(t.Dims, dim)
	}
	return t
}

// simpleType parses a type without brackets.
func (p *parser) simpleType() *ast.TypeName {
	t := &ast.TypeName{Pos: p.pos()}
	tok := p.cur()
	if tok.kind == tokKeyword && p.builtinType(t, tok.kw) {
		return t
	}
	if !tok.isTypeFunc() {
		p.fail()
		return t
	}
	p.next()
	t.Name = p.name(tok)
	for p.accept('.') {
		t.Qualifier = p.qualify(t.Qualifier, t.Name)
		t.Name = p.colLabel()
	}
	p.checkQualifier(t.Pos, t.Qualifier, t.Name)
	if p.is('(') {
		t.Mods = p.typeMods()
	}
	return t
}

// typeMods parses modifiers in parentheses.
func (p *parser) typeMods() []ast.Expr {
	p.expect('(')
	p.enter()
	list := p.exprs()
	p.leave()
	p.expect(')')
	return list
}

// builtinType parses the types that are part of the grammar and stores them
// under their internal names; false for other keywords.
func (p *parser) builtinType(t *ast.TypeName, kw keyword) bool {
	switch kw {
	case kwInt, kwInteger:
		return p.fixedType(t, "int4")
	case kwSmallint:
		return p.fixedType(t, "int2")
	case kwBigint:
		return p.fixedType(t, "int8")
	case kwReal:
		return p.fixedType(t, "float4")
	case kwBoolean:
		return p.fixedType(t, "bool")
	case kwDouble:
		if !p.peekKw(1, kwPrecision) {
			return false
		}
		p.next()
		return p.fixedType(t, "float8")
	case kwFloat:
		p.floatType(t)
	case kwDecimal, kwDec, kwNumeric:
		p.fixedType(t, "numeric")
		if p.is('(') {
			t.Mods = p.typeMods()
		}
	case kwBit:
		p.bitType(t)
	case kwCharacter, kwChar, kwVarchar, kwNational, kwNchar:
		p.charType(t)
	case kwTime, kwTimestamp:
		p.timeType(t)
	case kwInterval:
		p.fixedType(t, "interval")
		if p.is('(') {
			t.Mods = p.precision()
		} else {
			t.Fields = p.intervalFields(t)
		}
	default:
		return false
	}
	return true
}

func (p *parser) fixedType(t *ast.TypeName, name string) bool {
	p.next()
	t.Name = name
	return true
}

// precision parses (n).
func (p *parser) precision() []ast.Expr {
	p.expect('(')
	tok := p.cur()
	n := &ast.NumberLit{Pos: p.pos(), Text: p.raw(tok)}
	p.integer()
	p.expect(')')
	return []ast.Expr{n}
}

// floatType parses FLOAT [(bits)].
func (p *parser) floatType(t *ast.TypeName) {
	p.fixedType(t, "float8")
	if !p.accept('(') {
		return
	}
	pos := p.pos()
	n := p.integer()
	switch {
	case p.err != nil:
	case n < 1:
		p.failf(pos, sqlerr.InvalidParameterValue, "precision for type float must be at least 1 bit")
	case n <= 24:
		t.Name = "float4"
	case n > 53:
		p.failf(pos, sqlerr.InvalidParameterValue, "precision for type float must be less than 54 bits")
	}
	p.expect(')')
}

// bitType parses BIT [VARYING] [(n)].
func (p *parser) bitType(t *ast.TypeName) {
	p.fixedType(t, "bit")
	if p.acceptKw(kwVarying) {
		t.Name = "varbit"
	}
	if p.is('(') {
		t.Mods = p.typeMods()
	} else if t.Name == "bit" && !p.cur().isString() {
		t.Mods = []ast.Expr{&ast.NumberLit{Pos: t.Pos, Text: "1"}}
	}
}

// charType parses CHARACTER, CHAR, NCHAR and NATIONAL with VARYING, and
// VARCHAR. Without a length, char is char(1), except before a constant.
func (p *parser) charType(t *ast.TypeName) {
	kw := p.cur().kw
	p.fixedType(t, "bpchar")
	switch {
	case kw == kwVarchar:
		t.Name = "varchar"
	case kw == kwNational:
		if !p.acceptKw(kwCharacter) {
			p.expectKw(kwChar)
		}
	}
	if kw != kwVarchar && p.acceptKw(kwVarying) {
		t.Name = "varchar"
	}
	if p.is('(') {
		t.Mods = p.precision()
	} else if t.Name == "bpchar" && !p.cur().isString() {
		t.Mods = []ast.Expr{&ast.NumberLit{Pos: t.Pos, Text: "1"}}
	}
}

// timeType parses TIME and TIMESTAMP [(n)] [WITH|WITHOUT TIME ZONE].
func (p *parser) timeType(t *ast.TypeName) {
	name := "time"
	if p.isKw(kwTimestamp) {
		name = "timestamp"
	}
	p.fixedType(t, name)
	if p.is('(') {
		t.Mods = p.precision()
	}
	switch {
	case p.isKw(kwWith) && p.peekKw(1, kwTime):
		p.i += 2
		p.expectKw(kwZone)
		t.Name += "tz"
	case p.isKw(kwWithout) && p.peekKw(1, kwTime):
		p.i += 2
		p.expectKw(kwZone)
	}
}

// intervalFields parses the fields of an interval type, as in DAY TO
// SECOND(3); a precision of seconds becomes a modifier of the type.
func (p *parser) intervalFields(t *ast.TypeName) ast.IntervalFields {
	last := p.cur().kw
	fields := intervalRange(last, last)
	if fields == ast.IntervalAll {
		return ast.IntervalAll
	}
	if p.peekKw(1, kwTo) && last != kwMonth && last != kwSecond {
		first := last
		last = p.peek(2).kw
		fields = intervalRange(first, last)
		p.i += 2
		if first == last || fields == ast.IntervalAll {
			p.fail()
		}
	}
	p.next()
	if last == kwSecond && p.is('(') {
		t.Mods = p.precision()
	}
	return fields
}

// intervalRange returns the range of fields of an interval, from and to the
// same for one field alone, and IntervalAll for what is no range.
func intervalRange(from, to keyword) ast.IntervalFields {
	switch [2]keyword{from, to} {
	case [2]keyword{kwYear, kwYear}:
		return ast.IntervalYear
	case [2]keyword{kwMonth, kwMonth}:
		return ast.IntervalMonth
	case [2]keyword{kwDay, kwDay}:
		return ast.IntervalDay
	case [2]keyword{kwHour, kwHour}:
		return ast.IntervalHour
	case [2]keyword{kwMinute, kwMinute}:
		return ast.IntervalMinute
	case [2]keyword{kwSecond, kwSecond}:
		return ast.IntervalSecond
	case [2]keyword{kwYear, kwMonth}:
		return ast.IntervalYearToMonth
	case [2]keyword{kwDay, kwHour}:
		return ast.IntervalDayToHour
	case [2]keyword{kwDay, kwMinute}:
		return ast.IntervalDayToMinute
	case [2]keyword{kwDay, kwSecond}:
		return ast.IntervalDayToSecond
	case [2]keyword{kwHour, kwMinute}:
		return ast.IntervalHourToMinute
	case [2]keyword{kwHour, kwSecond}:
		return ast.IntervalHourToSecond
	case [2]keyword{kwMinute, kwSecond}:
		return ast.IntervalMinuteToSecond
	}
	return ast.IntervalAll
}
