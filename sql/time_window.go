package sql

import (
	"strings"

	"github.com/streamdb/streamdb/sql/ast"
)

// atTimeWindow reports whether ksqlDB's WINDOW clause follows and not that of
// PostgreSQL, which names a window and goes on with AS.
func (p *parser) atTimeWindow() bool {
	if !p.isKw(kwWindow) || p.peek(2).kind != '(' {
		return false
	}
	return p.peekWord(1, "tumbling") || p.peekWord(1, "hopping") || p.peekWord(1, "session")
}

// timeWindow parses WINDOW TUMBLING (SIZE n unit), WINDOW HOPPING (SIZE n unit, ADVANCE
// BY n unit) and WINDOW SESSION (n unit), each with RETENTION and GRACE PERIOD.
func (p *parser) timeWindow() *ast.TimeWindow {
	w := &ast.TimeWindow{Pos: p.pos()}
	p.next()
	w.Kind = strings.ToLower(p.text[p.cur().start:p.cur().end])
	p.i += 2
	if w.Kind != "session" {
		p.expectWord("size")
	}
	w.Size = p.length()
	if w.Kind == "hopping" {
		p.expect(',')
		p.expectWord("advance")
		p.expectKw(kwBy)
		w.Advance = p.length()
	}
	for p.accept(',') {
		switch {
		case w.Retention == nil && p.acceptWord("retention"):
			w.Retention = p.length()
		case w.Grace == nil && p.acceptWord("grace"):
			p.expectWord("period")
			w.Grace = p.length()
		default:
			p.fail()
		}
	}
	p.expect(')')
	return w
}

// atWithin reports whether ksqlDB's WITHIN of a join follows and not an alias.
func (p *parser) atWithin() bool {
	return p.isKw(kwWithin) && (p.peek(1).kind == tokInt || p.peek(1).kind == '(' && p.peek(2).kind == tokInt)
}

// joinWithin parses WITHIN length or WITHIN (before, after), and GRACE PERIOD length.
func (p *parser) joinWithin() *ast.JoinWithin {
	w := &ast.JoinWithin{Pos: p.pos()}
	p.next()
	if p.accept('(') {
		w.Before = p.length()
		p.expect(',')
		w.After = p.length()
		p.expect(')')
	} else {
		w.Before = p.length()
	}
	if p.acceptWord("grace") {
		p.expectWord("period")
		w.Grace = p.length()
	}
	return w
}

// length parses a number and a unit.
func (p *parser) length() *ast.Length {
	l := &ast.Length{Pos: p.pos()}
	t := p.cur()
	if t.kind != tokInt {
		p.fail()
		return l
	}
	l.Count = p.text[t.start:t.end]
	p.next()
	for _, unit := range []string{"millisecond", "second", "minute", "hour", "day", "week", "month", "year"} {
		if p.acceptWord(unit) || p.acceptWord(unit+"s") {
			l.Unit = unit
			return l
		}
	}
	p.fail()
	return l
}
