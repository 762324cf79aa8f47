package sql

import (
	"strings"

	"github.com/streamdb/streamdb/sql/ast"
)

// externalClause parses one clause of Materialize's or RisingWave's spelling
// of a source or sink and stores it as options, so that there is one form of
// the statement to read and to print. false if none follows.
//
//	FROM|INTO KAFKA CONNECTION k (options)   connector, connection, options
//	FROM LOAD GENERATOR g (options)          connector = 'datagen', generator, options
//	FORMAT f                                 format
//	FORMAT e ENCODE f [(options)]            envelope, format, options
//	KEY FORMAT f, VALUE FORMAT f             key_format, format
//	ENVELOPE e                               envelope
//	KEY (columns)                            key
func (p *parser) externalClause(options *[]*ast.Option) bool {
	pos := p.pos()
	add := func(name, value string) {
		*options = append(*options, &ast.Option{Pos: pos, Name: name, Value: &ast.StringLit{Pos: pos, Value: value}})
	}
	switch {
	case (p.isKw(kwFrom) || p.isKw(kwInto)) && p.peekKw(2, kwConnection):
		p.next()
		add("connector", p.colLabel())
		p.next()
		add("connection", ast.String(p.objectName()))
		if p.is('(') {
			*options = append(*options, p.parenOptions()...)
		}
	case p.isKw(kwFrom) && p.peekKw(1, kwLoad) && p.peekWord(2, "generator"):
		p.i += 3
		add("connector", "datagen")
		add("generator", p.colLabel())
		if p.is('(') {
			*options = append(*options, p.parenOptions()...)
		}
	case p.acceptWord("format"):
		p.format(options, add)
	case p.isKw(kwKey) && p.peekWord(1, "format"):
		p.i += 2
		add("key_format", p.colLabel())
	case p.isKw(kwValue) && p.peekWord(1, "format"):
		p.i += 2
		add("format", p.colLabel())
	case p.isKw(kwKey) && p.peek(1).kind == '(':
		p.next()
		add("key", strings.Join(p.parenColIDs(), ","))
	case p.acceptWord("envelope"):
		add("envelope", p.colLabel())
	default:
		return false
	}
	return true
}

// format parses what follows FORMAT.
func (p *parser) format(options *[]*ast.Option, add func(name, value string)) {
	name := p.colLabel()
	if !p.acceptWord("encode") {
		add("format", name)
		return
	}
	if name == "plain" {
		name = "none"
	}
	add("envelope", name)
	add("format", p.colLabel())
	if p.is('(') {
		*options = append(*options, p.parenOptions()...)
	}
}
