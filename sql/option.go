package sql

import (
	"github.com/streamdb/streamdb/sql/ast"
)

// withOptions parses WITH (...) if it follows.
func (p *parser) withOptions() []*ast.Option {
	if p.isKw(kwWith) && p.peek(1).kind == '(' {
		p.next()
		return p.parenOptions()
	}
	return nil
}

// parenOptions parses (k = v, ...). The equals sign may be left out, keys may
// be several words or a string, values may be left out.
func (p *parser) parenOptions() []*ast.Option {
	p.expect('(')
	list := []*ast.Option{}
	if p.accept(')') {
		return list
	}
	for {
		list = append(list, p.option())
		if !p.accept(',') {
			break
		}
	}
	p.expect(')')
	return list
}

// option parses one k = v.
func (p *parser) option() *ast.Option {
	o := &ast.Option{Pos: p.pos()}
	if p.cur().isString() {
		o.Name = p.str().Value
	} else {
		o.Name = p.optionName()
	}
	if p.accept('=') || p.accept(tokArrow) {
		o.Value = p.optionValue()
	} else if !p.is(',') && !p.is(')') {
		o.Value = p.optionValue()
	}
	if o.Name == "retention" && o.Value != nil && p.acceptKw(kwOn) {
		o.On = p.colID()
	}
	return o
}

// optionName reads words, joined by '_', and dots. What lies between two dots
// is one name, cut to a name's length.
func (p *parser) optionName() string {
	path, name := "", p.colLabel()
	for parts := 1; p.err == nil; parts++ {
		if parts > maxNameParts {
			p.fail()
			break
		}
		if p.accept('.') {
			path, name = path+name+".", p.colLabel()
			continue
		}
		t := p.cur()
		if t.kind != tokIdent && t.kind != tokKeyword || p.atOptionValueWord() {
			break
		}
		p.next()
		name = cutName(name + "_" + p.name(t))
	}
	return path + name
}

// atOptionValueWord reports whether a word follows that is a value although
// the equals sign was left out.
func (p *parser) atOptionValueWord() bool {
	t := p.cur()
	switch t.kw {
	case kwTrue, kwFalse, kwNull, kwArray, kwOff:
		return true
	case kwOn:
		return p.peek(1).kind == ',' || p.peek(1).kind == ')'
	}
	_, named := p.peek(1).class()
	return p.isWord("secret") && named
}

// optionValue parses a value. A bare word stands for its text.
func (p *parser) optionValue() ast.Expr {
	p.enter()
	defer p.leave()
	t := p.cur()
	pos := p.pos()
	if _, ok := t.class(); ok {
		switch next := p.peek(1); {
		case t.kw == kwTrue || t.kw == kwFalse || t.kw == kwNull:
		case next.kind == ',' || next.kind == ')' || next.kind == ';' || next.kind == tokEOF:
			p.next()
			return &ast.StringLit{Pos: pos, Value: p.name(t)}
		case p.isWord("secret") && next.isColID():
			p.next()
			return &ast.SecretRef{Pos: pos, Name: p.objectName()}
		}
	}
	return p.expr()
}

// simpleOptions parses the option lists of PostgreSQL's own statements, whose
// names are one word: (name [value], ...).
func (p *parser) simpleOptions() []*ast.Option {
	p.expect('(')
	var list []*ast.Option
	for {
		o := &ast.Option{Pos: p.pos(), Name: p.colLabel()}
		if !p.is(',') && !p.is(')') {
			o.Value = p.looseValue()
		}
		list = append(list, o)
		if !p.accept(',') {
			break
		}
	}
	p.expect(')')
	return list
}
