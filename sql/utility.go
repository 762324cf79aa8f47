package sql

import (
	"strings"

	"github.com/streamdb/streamdb/sql/ast"
)

// utilityStatement parses a statement of which only the first word is known,
// and refuses what PostgreSQL does not know either.
func (p *parser) utilityStatement() ast.Stmt {
	switch p.cur().kw {
	case kwAnalyze, kwAnalyse, kwVacuum, kwCheckpoint, kwLock, kwDo, kwGrant, kwRevoke, kwReindex, kwCluster,
		kwLoad, kwSecurity, kwReassign, kwCall, kwImport, kwRefresh, kwMerge:
		return p.utilityFrom(p.i)
	}
	p.fail()
	return &ast.Utility{Pos: p.pos()}
}

// utilityFrom makes a Utility of everything from a token on to the end of the
// statement. Parentheses have to balance; a semicolon inside them, or in a
// BEGIN ATOMIC body, does not end the statement.
func (p *parser) utilityFrom(start int) ast.Stmt {
	if p.err != nil {
		return &ast.Utility{}
	}
	p.i = start
	u := &ast.Utility{Pos: p.pos(), Tag: p.utilityTag()}
	if u.Tag == "" {
		return u
	}
	atomic := 0
	for p.err == nil && !p.is(tokEOF) && (atomic > 0 || !p.is(';')) {
		switch {
		case p.is('('):
			p.skipParens()
			continue
		case p.is(')') || p.is(tokError):
			p.fail()
		case p.isKw(kwBegin) && p.peekKw(1, kwAtomic):
			atomic++
		case p.isKw(kwCase) && atomic > 0:
			atomic++
		case p.isKw(kwEnd) && atomic > 0:
			atomic--
		}
		p.next()
	}
	if p.err != nil {
		return u
	}
	if atomic > 0 || p.i-start < minTokens(u.Tag) {
		p.fail()
		return u
	}
	u.Text = p.text[u.Pos:p.toks[p.i-1].end]
	return u
}

// widen makes a Utility that began in the middle begin at pos.
func (p *parser) widen(s ast.Stmt, pos ast.Pos) ast.Stmt {
	u, ok := s.(*ast.Utility)
	if ok && p.err == nil {
		u.Pos = pos
		u.Text = p.text[pos:p.toks[p.i-1].end]
	}
	return s
}

// minTokens is the least length of a statement, so that a bare verb is a
// syntax error.
func minTokens(tag string) int {
	switch tag {
	case "ANALYZE", "VACUUM", "CHECKPOINT", "CLUSTER":
		return 1
	}
	return 2
}

// utilityTag returns the first words of the statement in upper case, and
// fails if they are none that PostgreSQL knows. It does not move.
func (p *parser) utilityTag() string {
	switch verb := p.cur(); verb.kw {
	case kwCreate, kwDrop, kwAlter:
		i := 1
		if p.peekKw(i, kwOr) {
			i = 3
		}
		if p.peekKw(i, kwTemp) || p.peekKw(i, kwTemporary) || p.peekKw(i, kwUnlogged) || p.peekKw(i, kwTrusted) {
			i++
		}
		object := p.utilityObject(i)
		if object == "" {
			p.i = min(p.i+i, len(p.toks)-1)
			p.fail()
			return ""
		}
		return strings.ToUpper(p.name(verb)) + " " + object
	case kwAnalyse:
		return "ANALYZE"
	case kwSecurity:
		return "SECURITY LABEL"
	case kwReassign:
		return "REASSIGN OWNED"
	case kwImport:
		return "IMPORT FOREIGN SCHEMA"
	case kwRefresh:
		return "REFRESH MATERIALIZED VIEW"
	default:
		return strings.ToUpper(p.name(verb))
	}
}

// utilityObject returns the kind of object named by the token n behind the
// current one, "" if there is none of it.
func (p *parser) utilityObject(n int) string {
	two := func() string { return strings.ToUpper(p.name(p.peek(n)) + " " + p.name(p.peek(n+1))) }
	switch p.peek(n).kw {
	case kwAccess, kwForeign, kwDefault, kwEvent, kwText, kwOwned, kwLarge, kwMaterialized:
		return two()
	case kwOperator:
		if p.peekKw(n+1, kwClass) || p.peekKw(n+1, kwFamily) {
			return two()
		}
		return "OPERATOR"
	case kwUser:
		return "USER MAPPING"
	case kwProcedural:
		return "LANGUAGE"
	case kwConstraint:
		return "TRIGGER"
	case kwAggregate, kwCast, kwCollation, kwConversion, kwDatabase, kwDomain, kwExtension, kwFunction, kwGroup,
		kwIndex, kwLanguage, kwPolicy, kwProcedure, kwPublication, kwRole, kwRoutine, kwRule, kwSchema, kwSequence,
		kwServer, kwStatistics, kwSubscription, kwSystem, kwTable, kwTablespace, kwTransform, kwTrigger, kwType, kwView:
		return strings.ToUpper(p.name(p.peek(n)))
	}
	for _, w := range []string{"stream", "source", "sink", "secret", "connection"} {
		if p.peekWord(n, w) {
			return strings.ToUpper(w)
		}
	}
	return ""
}

// skipParens skips a balanced pair of parentheses.
func (p *parser) skipParens() {
	depth := 0
	for p.err == nil {
		switch p.cur().kind {
		case '(':
			depth++
		case ')':
			depth--
		case tokEOF, tokError:
			p.fail()
			return
		}
		p.next()
		if depth == 0 {
			return
		}
	}
}

// tokenText returns the characters of tokens, parted by one space.
func (p *parser) tokenText(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		if i > from {
			b.WriteByte(' ')
		}
		b.WriteString(p.raw(&p.toks[i]))
	}
	return b.String()
}
