package sql

import (
	"github.com/streamdb/streamdb/sql/ast"
)

// drop parses DROP kind [IF EXISTS] names [CASCADE|RESTRICT]. Kinds whose
// names need more than dots (functions, operators) are Utility.
func (p *parser) drop() ast.Stmt {
	start := p.i
	d := &ast.Drop{Pos: p.pos()}
	p.next()
	kind, ok := p.objectKind()
	if !ok || kind == ast.KindColumn || kind == ast.KindSystem {
		return p.utilityFrom(start)
	}
	if kind == ast.KindUser && p.userMappingFollows(0) {
		return p.utilityFrom(start)
	}
	d.Kind = kind
	if kind == ast.KindIndex {
		d.Concurrently = p.acceptKw(kwConcurrently)
	}
	d.IfExists = p.acceptKws(kwIf, kwExists)
	d.Names = p.objectNames()
	d.Cascade = p.cascade()
	return d
}

// cascade parses [CASCADE|RESTRICT].
func (p *parser) cascade() bool {
	if p.acceptKw(kwCascade) {
		return true
	}
	p.acceptKw(kwRestrict)
	return false
}

// objectKind reads the kind of an object that has a plain name.
func (p *parser) objectKind() (ast.ObjectKind, bool) {
	if p.isKw(kwMaterialized) && p.peekKw(1, kwView) {
		p.i += 2
		return ast.KindMaterializedView, true
	}
	kind, ok := p.simpleKind()
	if ok {
		p.next()
	}
	return kind, ok
}

func (p *parser) simpleKind() (ast.ObjectKind, bool) {
	switch p.cur().kw {
	case kwTable:
		return ast.KindTable, true
	case kwView:
		return ast.KindView, true
	case kwIndex:
		return ast.KindIndex, true
	case kwConnection:
		return ast.KindConnection, true
	case kwSchema:
		return ast.KindSchema, true
	case kwDatabase:
		return ast.KindDatabase, true
	case kwRole:
		return ast.KindRole, true
	case kwUser:
		return ast.KindUser, true
	case kwGroup:
		return ast.KindGroup, true
	case kwSequence:
		return ast.KindSequence, true
	case kwType:
		return ast.KindType, true
	case kwDomain:
		return ast.KindDomain, true
	case kwExtension:
		return ast.KindExtension, true
	case kwColumn:
		return ast.KindColumn, true
	case kwSystem:
		return ast.KindSystem, true
	}
	switch {
	case p.isWord("stream"):
		return ast.KindStream, true
	case p.isWord("source"):
		return ast.KindSource, true
	case p.isWord("sink"):
		return ast.KindSink, true
	case p.isWord("secret"):
		return ast.KindSecret, true
	}
	return "", false
}
