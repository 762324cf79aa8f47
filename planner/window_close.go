package planner

import (
	"slices"

	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
)

// EMIT ON WINDOW CLOSE. The groups of windows are shown when the watermark has
// reached the end of their window: the view is its query over the windows that are
// closed. Rows that come later still correct them.

// windowBound marks the columns of window functions.
type windowBound struct {
	kind windowBoundKind
	of   *catalog.Object // the stream whose event time it is; nil: another time
	// session: a row at the very end still belongs to it.
	session bool
}

type windowBoundKind uint8

const (
	noWindow windowBoundKind = iota
	windowStart
	windowEnd
)

// windowClosing is what EMIT ON WINDOW CLOSE waits for.
type windowClosing struct {
	key   int   // of GROUP BY: the end of the window
	shift int64 // microseconds after it
}

// bindEmit notes which SELECT emits when windows close.
func (b *binder) bindEmit(q *ast.SelectStmt) error {
	if q.Emit != ast.EmitOnWindowClose {
		return nil
	}
	if !b.env.InView {
		return notSupported(q.Position(), "EMIT ON WINDOW CLOSE is for materialized views and sinks").
			WithHint("Create a view with it, and read that.")
	}
	sel, ok := q.Body.(*ast.Select)
	if !ok {
		return notSupported(q.Position(), "EMIT ON WINDOW CLOSE is supported behind a single SELECT")
	}
	b.closing = sel
	return nil
}

// bindClosing finds the window in GROUP BY. Its end becomes a key where only its
// start is one: the groups stay the same.
func (s *selectBinder) bindClosing() error {
	refused := notSupported(s.sel.Position(), "EMIT ON WINDOW CLOSE needs GROUP BY window_start or window_end of a window function in FROM")
	for _, k := range s.keys {
		if k.Op != expr.OpColumn || isOuter(k.Col) || k.Col >= len(s.scope.columns) {
			continue
		}
		bound, end := s.scope.columns[k.Col].window, k.Col
		switch bound.kind {
		case noWindow:
			continue
		case windowStart:
			end++
		}
		if bound.of == nil {
			refused = notSupported(s.sel.Position(), "EMIT ON WINDOW CLOSE needs windows over the column of a stream's WATERMARK")
			continue
		}
		column := expr.Column(end, s.scope.columns[end].typ)
		s.closing = &windowClosing{key: s.keyIndex(column)}
		if bound.session {
			s.closing.shift = 1
		}
		s.closing.shift += s.lateness(bound.of).Grace
		if s.closing.key < 0 {
			s.closing.key = len(s.keys)
			s.keys = append(s.keys, column)
		}
		return nil
	}
	return refused
}

// closed filters groups by the end of their windows, if that is asked for.
func (s *selectBinder) closed(a *Aggregate) Node {
	if s.closing == nil {
		return a
	}
	end := a.Keys[s.closing.key]
	bound := expr.ClockBound{Value: expr.Column(s.closing.key, end.Type), Shift: s.closing.shift}
	return &Temporal{Input: a, Bounds: []expr.ClockBound{bound}, Streams: watermarks(a)}
}

// watermarks lists the streams of a plan that have one.
func watermarks(n Node) []catalog.ID {
	if scan, ok := n.(*Scan); ok && scan.Relation.Kind == catalog.Stream && scan.Relation.Watermark != nil {
		return []catalog.ID{scan.Relation.ID}
	}
	var out []catalog.ID
	for _, in := range n.Inputs() {
		out = append(out, watermarks(in)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// eventTime returns the stream whose event time an expression is, nil if it is
// none: the column of its watermark, passed on as it is.
func eventTime(n Node, e *expr.Expr) *catalog.Object {
	if e == nil || e.Op != expr.OpColumn || isOuter(e.Col) {
		return nil
	}
	switch n := n.(type) {
	case *Scan:
		o := n.Relation
		if o.Kind == catalog.Stream && o.Watermark != nil && n.Columns[e.Col] == o.Watermark.Column {
			return o
		}
	case *Map:
		if n.Project == nil {
			return eventTime(n.Input, e)
		}
		return eventTime(n.Input, n.Project[e.Col])
	case *Window:
		if e.Col < len(n.Input.Types()) {
			return eventTime(n.Input, e)
		}
	case *Session:
		if e.Col < len(n.Input.Types()) {
			return eventTime(n.Input, e)
		}
	case *Temporal:
		return eventTime(n.Input, e)
	case *Join:
		if nl := len(n.Left.Types()); e.Col >= nl {
			return eventTime(n.Right, expr.Column(e.Col-nl, e.Type))
		}
		return eventTime(n.Left, e)
	}
	return nil
}
