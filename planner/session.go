package planner

import (
	"slices"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// Session puts behind each row of its input the start and the end of the session
// that it is in; see operator.SessionSpec.
type Session struct {
	Input     Node
	Partition []*expr.Expr // over the columns of the input, as all
	Low, High *expr.Expr   // timestamp or timestamptz; the same where rows are events
	Gap       int64        // microseconds
}

// Types implements Node.
func (s *Session) Types() []types.Type {
	return append(append([]types.Type(nil), s.Input.Types()...), s.Low.Type, s.Low.Type)
}

// Inputs implements Node.
func (s *Session) Inputs() []Node { return []Node{s.Input} }

// over returns the sessions over another input.
func (s *Session) over(input Node, replace func(*expr.Expr) *expr.Expr) *Session {
	out := &Session{Input: input, Low: replace(s.Low), High: replace(s.High), Gap: s.Gap}
	for _, e := range s.Partition {
		out.Partition = append(out.Partition, replace(e))
	}
	return out
}

// sliced says whether the rows are groups of events.
func (s *Session) sliced() bool { return !expr.Equal(s.Low, s.High) }

// prunedSession lowers sessions with the columns that are read above, the
// partition and the times.
func (l *lowerer) prunedSession(s *Session, above columnSet) (node int, at []int, err error) {
	kept := []*expr.Expr{}
	place := func(e *expr.Expr) int {
		i := slices.IndexFunc(kept, func(k *expr.Expr) bool { return expr.Equal(k, e) })
		if i < 0 {
			i = len(kept)
			kept = append(kept, e)
		}
		return i
	}
	for c, typ := range s.Input.Types() {
		if at = append(at, -1); above[c] {
			at[c] = place(expr.Column(c, typ))
		}
	}
	spec := &operator.SessionSpec{Partition: []int{}, Gap: s.Gap, Rows: l.newArr(), Sessions: l.newArr()}
	for _, e := range s.Partition {
		spec.Partition = append(spec.Partition, place(e))
	}
	spec.Low, spec.High = place(s.Low), place(s.High)
	below := Optimize(&Map{Input: s.Input, Project: kept})
	spec.Input = below.Types()
	if node, err = l.lower(below, allColumns(len(kept))); err != nil {
		return 0, nil, err
	}
	return l.add(dataflow.Node{Inputs: []int{node}, Session: spec}), append(at, len(kept), len(kept)+1), nil
}

// sliceSessions groups events by pieces of time no longer than the gap before it
// makes sessions of them: what is in one piece is in one session. A change of a
// session then moves its pieces and not its events.
func sliceSessions(n Node) Node {
	a, ok := n.(*Aggregate)
	if !ok {
		return n
	}
	in := a.Input
	if m, ok := in.(*Map); ok && m.Filter == nil {
		in = m.Input
	}
	s, ok := in.(*Session)
	if !ok || s.sliced() {
		return n
	}
	w := sessionSlicing{session: s, slicing: slicing{aggregate: a, width: len(s.Input.Types())}}
	if out, ok := w.plan(); ok {
		return out
	}
	return n
}

type sessionSlicing struct {
	slicing
	session *Session
}

// plan builds: groups of events by piece, sessions of these, groups by session, the
// result. ok is false where the aggregate cannot be sliced.
func (s *sessionSlicing) plan() (Node, bool) {
	pieces, keys, ok := s.pieces()
	if !ok {
		return nil, false
	}
	sessions := &Session{Gap: s.session.Gap}
	for _, e := range s.session.Partition {
		i := slices.IndexFunc(pieces.Keys, func(k *expr.Expr) bool { return expr.Equal(k, e) })
		if i < 0 {
			return nil, false
		}
		sessions.Partition = append(sessions.Partition, expr.Column(i, e.Type))
	}
	time := s.session.Low
	for _, end := range []struct {
		name string
		of   **expr.Expr
	}{{"min", &sessions.Low}, {"max", &sessions.High}} {
		f, _, err := operator.ResolveAggregate(end.name, []types.Type{time.Type}, false)
		if err != nil {
			return nil, false
		}
		*end.of = expr.Column(s.partColumn(pieces, Call{Func: f, Args: []*expr.Expr{time}}), time.Type)
	}
	groups := &Aggregate{Input: sessions}
	for _, c := range s.aggregate.Calls {
		if !s.split(c, pieces, groups) {
			return nil, false
		}
	}
	sessions.Input = pieces
	return s.result(groups, keys, len(pieces.Types())), true
}

// pieces groups the events by all keys that are no bounds of sessions, and by piece.
func (s *sessionSlicing) pieces() (pieces *Aggregate, keys []*expr.Expr, ok bool) {
	pieces = &Aggregate{Input: s.session.Input}
	keys = make([]*expr.Expr, len(s.aggregate.Keys))
	for i, k := range s.aggregate.Keys {
		e := definition(s.aggregate, k)
		switch {
		case within(e, 0, s.width):
			keys[i] = expr.Column(len(pieces.Keys), e.Type)
			pieces.Keys = append(pieces.Keys, e)
		case e.Op != expr.OpColumn:
			return nil, nil, false
		}
	}
	gap := expr.Constant(types.Interval, types.Datum{Ival: types.IntervalValue{Micros: s.session.Gap}})
	time := s.session.Low
	piece, err := expr.NewFunctionCall(nil, "date_bin", gap, time, expr.Constant(time.Type, types.Datum{Int: types.UnixEpochMicros}))
	pieces.Keys = append(pieces.Keys, piece)
	return pieces, keys, err == nil
}
