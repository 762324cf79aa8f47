package planner

import (
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
)

// forgetting lets a join of two streams whose event times are close to each other
// forget rows, in a view that leaves late rows out: those so far behind that no row which is
// still to come can be their partner. A filter below the join says when that is, and
// what it takes out the join removes from its state without a word.
//
// Rows of an outer join whose partners change what is put out of the other side's
// rows must stay until these are forgotten.
func (l *lowerer) forgetting(j *Join) (out *Join, left, right bool) {
	if l.late == nil || l.late.Late == catalog.LateCorrect || !appendsOfOneStream(j.Left) || !appendsOfOneStream(j.Right) {
		return j, false, false
	}
	ahead, behind := timeDistance(j)
	out = &Join{Kind: j.Kind, Left: j.Left, Right: j.Right, On: j.On}
	leftStays, rightStays := ahead.shift, behind.shift
	if both := ahead.shift + behind.shift; j.Kind != InnerJoin {
		if rightStays = both; j.Kind == FullJoin {
			leftStays = both
		}
	}
	if left = ahead.known && (j.Kind != FullJoin || behind.known); left {
		out.Left = forgotten(j.Left, ahead.from, leftStays)
	}
	if right = behind.known && (j.Kind == InnerJoin || ahead.known); right {
		out.Right = forgotten(j.Right, behind.from, rightStays)
	}
	return out, left, right
}

// timeLimit is how long after the event time of a row, in column from of its side,
// its partners on the other side may be.
type timeLimit struct {
	known bool
	from  int
	shift int64 // not negative
}

func (t *timeLimit) add(from int, shift int64) {
	if shift = max(shift, 0); !t.known || shift < t.shift {
		*t = timeLimit{known: true, from: from, shift: shift}
	}
}

// timeDistance finds in the condition of a join how long after a left row its right
// partners may be, and how long after a right row its left ones.
func timeDistance(j *Join) (ahead, behind timeLimit) {
	nl := len(j.Left.Types())
	isTime := func(side Node, column int) bool {
		return eventTime(side, expr.Column(column, side.Types()[column])) != nil
	}
	for _, c := range conjuncts(j.On) {
		for _, part := range expr.Conjuncts(c) {
			for _, b := range expr.TimeBounds(part) {
				switch {
				case b.AtMost < nl && b.Column >= nl && isTime(j.Left, b.AtMost) && isTime(j.Right, b.Column-nl):
					ahead.add(b.AtMost, b.Shift)
				case b.AtMost >= nl && b.Column < nl && isTime(j.Left, b.Column) && isTime(j.Right, b.AtMost-nl):
					behind.add(b.AtMost-nl, b.Shift)
				}
			}
		}
	}
	return ahead, behind
}

// forgotten takes the rows of a side out when the horizon is past their time by more
// than shift.
func forgotten(side Node, column int, shift int64) Node {
	bound := expr.ClockBound{Value: expr.Column(column, side.Types()[column]), Shift: shift + 1, Until: true}
	return &Temporal{Input: side, Bounds: []expr.ClockBound{bound}, Forgets: true}
}

// appendsOfOneStream says whether rows come from one stream with event time, each
// from one of its rows, and are never retracted.
func appendsOfOneStream(n Node) bool { return appendOnly(n) && ofOneStream(n) }
