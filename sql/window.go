package sql

import (
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
)

// over parses what follows OVER: a window's name or its definition.
func (p *parser) over() *ast.WindowSpec {
	if !p.is('(') {
		pos := p.pos()
		return &ast.WindowSpec{Pos: pos, Ref: p.colID()}
	}
	return p.windowSpec()
}

// windowClause parses the list behind WINDOW.
func (p *parser) windowClause() []*ast.WindowSpec {
	var list []*ast.WindowSpec
	for {
		pos := p.pos()
		name := p.colID()
		p.expectKw(kwAs)
		w := p.windowSpec()
		w.Pos, w.Name = pos, name
		list = append(list, w)
		if !p.accept(',') {
			return list
		}
	}
}

// windowSpec parses a window's definition in parentheses.
func (p *parser) windowSpec() *ast.WindowSpec {
	w := &ast.WindowSpec{Pos: p.pos()}
	p.expect('(')
	p.enter()
	defer p.leave()
	if t := p.cur(); t.isColID() && !p.windowPartFollows(t) {
		w.Base = p.colID()
	}
	if p.acceptKw(kwPartition) {
		p.expectKw(kwBy)
		w.PartitionBy = p.exprs()
	}
	if p.isKw(kwOrder) {
		w.OrderBy = p.orderBy()
	}
	switch p.cur().kw {
	case kwRange:
		w.Frame = p.frame(ast.FrameRange)
	case kwRows:
		w.Frame = p.frame(ast.FrameRows)
	case kwGroups:
		w.Frame = p.frame(ast.FrameGroups)
	}
	p.expect(')')
	return w
}

// windowPartFollows reports whether the token begins a part of a window and
// is not the name of another one; these words are never names here.
func (p *parser) windowPartFollows(t *token) bool {
	switch t.kw {
	case kwPartition, kwRange, kwRows, kwGroups:
		return true
	}
	return false
}

// frame parses a frame clause.
func (p *parser) frame(unit ast.FrameUnit) *ast.Frame {
	f := &ast.Frame{Pos: p.pos(), Unit: unit}
	p.next()
	if p.acceptKw(kwBetween) {
		f.Start = p.frameBound()
		p.expectKw(kwAnd)
		f.End = p.frameBound()
	} else {
		f.Start = p.frameBound()
		f.End = ast.FrameBound{Pos: f.Start.Pos, Kind: ast.CurrentRow}
	}
	p.checkFrame(f)
	if p.acceptKw(kwExclude) {
		f.Exclude = p.frameExclusion()
	}
	return f
}

func (p *parser) frameExclusion() ast.FrameExclusion {
	switch {
	case p.acceptKws(kwCurrent, kwRow):
		return ast.ExcludeCurrentRow
	case p.acceptKw(kwGroup):
		return ast.ExcludeGroup
	case p.acceptKw(kwTies):
		return ast.ExcludeTies
	}
	p.expectKw(kwNo)
	p.expectKw(kwOthers)
	return ast.ExcludeNoOthers
}

func (p *parser) frameBound() ast.FrameBound {
	b := ast.FrameBound{Pos: p.pos()}
	switch {
	case p.isKw(kwUnbounded) && (p.peekKw(1, kwPreceding) || p.peekKw(1, kwFollowing)):
		p.next()
		b.Kind = ast.UnboundedPreceding
		if p.isKw(kwFollowing) {
			b.Kind = ast.UnboundedFollowing
		}
		p.next()
		return b
	case p.acceptKws(kwCurrent, kwRow):
		b.Kind = ast.CurrentRow
		return b
	}
	b.Value = p.expr()
	b.Kind = ast.OffsetPreceding
	if p.acceptKw(kwFollowing) {
		b.Kind = ast.OffsetFollowing
	} else {
		p.expectKw(kwPreceding)
	}
	return b
}

// checkFrame refuses frames whose ends are in the wrong order.
func (p *parser) checkFrame(f *ast.Frame) {
	s, e := f.Start.Kind, f.End.Kind
	switch {
	case s == ast.UnboundedFollowing:
		p.failf(f.Start.Pos, sqlerr.WindowingError, "frame start cannot be UNBOUNDED FOLLOWING")
	case e == ast.UnboundedPreceding:
		p.failf(f.End.Pos, sqlerr.WindowingError, "frame end cannot be UNBOUNDED PRECEDING")
	case s == ast.CurrentRow && e == ast.OffsetPreceding:
		p.failf(f.End.Pos, sqlerr.WindowingError, "frame starting from current row cannot have preceding rows")
	case s == ast.OffsetFollowing && e == ast.OffsetPreceding:
		p.failf(f.End.Pos, sqlerr.WindowingError, "frame starting from following row cannot have preceding rows")
	case s == ast.OffsetFollowing && e == ast.CurrentRow:
		p.failf(f.Start.Pos, sqlerr.WindowingError, "frame starting from following row cannot end with current row")
	}
}
