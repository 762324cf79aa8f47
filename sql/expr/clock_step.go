package expr

import (
	"strings"

	"github.com/streamdb/streamdb/sql/types"
)

// Conditions such as at >= date_trunc('day', now()) and day = current_date compare
// with a clock that goes in steps. They are solved for now() by the next step: with
// trunc(x) <= x, trunc(x) <= v holds just as long as x is before the step that
// follows trunc(v). All of it is in local time, in a zone of a fixed offset.

// isStep says whether an expression of the clock goes in steps.
func isStep(e *Expr) bool {
	found := false
	Walk(e, func(e *Expr) bool {
		found = found || isTrunc(e) || isDateCast(e)
		return !found
	})
	return found
}

func isTrunc(e *Expr) bool {
	return e.Op == OpCall && (e.Func == "date_trunc(text,timestamptz)" || e.Func == "date_trunc(text,timestamp)")
}

func isDateCast(e *Expr) bool {
	return e.Type.Base() == types.Date && isTimeCast(e)
}

// isTimeCast says whether e is a cast between dates and timestamps.
func isTimeCast(e *Expr) bool {
	if e.Op != OpCall || len(e.Args) == 0 {
		return false
	}
	c, ok := FindCast(e.Args[0].Type, e.Type)
	return ok && c.Func != nil && c.Func.Signature() == e.Func && isMoment(e.Args[0].Type) && isMoment(e.Type)
}

func isMoment(t types.Type) bool {
	switch t.Base() {
	case types.Date, types.Timestamp, types.Timestamptz:
		return true
	}
	return false
}

// stepComparison solves clock op value.
func stepComparison(e, clock, value *Expr, op compareOp) ([]ClockBound, error) {
	if op == opEQ {
		from, err := stepComparison(e, clock, value, opGE)
		if err != nil {
			return nil, err
		}
		until, err := stepComparison(e, clock, value, opLE)
		return append(from, until...), err
	}
	if !isMoment(value.Type) || op == opNE {
		return nil, errClock(e, "now() is not compared with a time by <, <=, =, >= or >")
	}
	marker := markerIn(e)
	zone := zoneOf(e)
	if marker != nil {
		zone = zoneOf(&Expr{Args: []*Expr{marker}})
	}
	seconds, fixed := fixedZone(zone)
	if !fixed {
		return nil, errClock(e, "the local time of \"%s\" is set forward and back", zone)
	}
	s := &stepSolver{comparison: e, value: localTime(value, marker)}
	if op == opLT || op == opGE { // clock < v is clock <= v - 1 us
		s.move(types.IntervalValue{Micros: 1}, -1)
	}
	inner, err := s.peel(clock)
	if err != nil {
		return nil, err
	}
	offset, err := clockOffset(inner)
	if err == nil && inner.Type.Base() == types.Timestamptz {
		offset, err = addOffsets(e, offset, seconds*types.MicrosPerSecond)
	}
	if err != nil {
		return nil, err
	}
	return []ClockBound{{Value: s.value, Shift: -offset, Until: op == opLT || op == opLE}}, nil
}

// markerIn returns the settings that e was frozen with, nil for the defaults.
func markerIn(e *Expr) (marker *Expr) {
	Walk(e, func(e *Expr) bool {
		if marker == nil && hasMarker(e) {
			marker = e.Args[len(e.Args)-1]
		}
		return marker == nil
	})
	return marker
}

// localTime is a date or moment as a timestamp without time zone.
func localTime(value, marker *Expr) *Expr {
	if value.Type.Base() == types.Timestamp {
		return value
	}
	c, _ := FindCast(value.Type, types.Timestamp)
	out := &Expr{Op: OpCall, Type: types.Timestamp, Func: c.Func.Signature(), Args: []*Expr{value}, Pos: value.Pos}
	if marker != nil && value.Type.Base() == types.Timestamptz {
		out.Args = append(out.Args, marker)
	}
	return out
}

// stepSolver takes what is around the step of a clock to the other side.
type stepSolver struct {
	comparison *Expr
	value      *Expr // a timestamp: the clock is at most it, or greater
	months     bool  // it was moved by months, which whole months only can be
}

// move adds an interval to the value, times sign.
func (s *stepSolver) move(by types.IntervalValue, sign int) {
	name := "timestamp_pl_interval(timestamp,interval)"
	if sign < 0 {
		name = "timestamp_mi_interval(timestamp,interval)"
	}
	s.value = &Expr{Op: OpCall, Type: types.Timestamp, Func: name, Args: []*Expr{s.value, Constant(types.Interval, types.Datum{Ival: by})}, Pos: s.value.Pos}
}

func (s *stepSolver) trunc(unit string) {
	name := Constant(types.Text, types.Datum{Bytes: []byte(unit)})
	s.value = &Expr{Op: OpCall, Type: types.Timestamp, Func: "date_trunc(text,timestamp)", Args: []*Expr{name, s.value}, Pos: s.value.Pos}
}

// peel returns what is inside of the step; the value becomes the first moment at
// which that is no longer at most the former value.
func (s *stepSolver) peel(e *Expr) (*Expr, error) {
	switch {
	case isTrunc(e):
		return s.step(e, e.Args[0], e.Args[1])
	case isDateCast(e):
		return s.step(e, Constant(types.Text, types.Datum{Bytes: []byte("day")}), e.Args[0])
	case isTimeCast(e):
		return s.peel(e.Args[0])
	}
	f, ok := Lookup(e.Func)
	if e.Op != OpCall || !ok || len(f.Args) != 2 {
		return nil, errClock(s.comparison, "the expression around now() cannot be solved for it")
	}
	moment, by, sign := e.Args[0], e.Args[1], -1
	switch {
	case strings.Contains(f.Name, "_pl") && isMoment(f.Args[0]):
	case strings.Contains(f.Name, "_pl") && isMoment(f.Args[1]):
		moment, by = by, moment
	case strings.Contains(f.Name, "_mi") && isMoment(f.Args[0]) && !isMoment(f.Args[1]):
		sign = 1
	default:
		return nil, errClock(s.comparison, "the expression around now() cannot be solved for it")
	}
	if !by.IsConst() {
		return nil, errClock(s.comparison, "now() is moved by a length that is not constant")
	}
	d, err := EvalConst(by, nil)
	if err != nil || d.Null {
		return nil, errClock(s.comparison, "now() is moved by a length that is not known")
	}
	switch iv := d.Ival; {
	case by.Type.Base() == types.Int4:
		s.move(types.IntervalValue{Days: int32(d.Int)}, sign)
	case by.Type.Base() != types.Interval:
		return nil, errClock(s.comparison, "the expression around now() cannot be solved for it")
	case iv.Months == 0:
		s.move(iv, sign)
	case iv.Days == 0 && iv.Micros == 0:
		s.months = true
		s.trunc("month")
		s.move(iv, sign)
	default:
		return nil, errClock(s.comparison, "now() is moved by months and days together")
	}
	return s.peel(moment)
}

// step solves trunc(inner) <= value.
func (s *stepSolver) step(e, unit, inner *Expr) (*Expr, error) {
	if !unit.IsConst() {
		return nil, errClock(s.comparison, "the unit of date_trunc is not constant")
	}
	d, err := EvalConst(unit, nil)
	if err != nil {
		return nil, err
	}
	name := strings.ToLower(string(d.Bytes))
	length, ok := map[string]types.IntervalValue{
		"second": {Micros: types.MicrosPerSecond}, "minute": {Micros: 60 * types.MicrosPerSecond}, "hour": {Micros: 3600 * types.MicrosPerSecond},
		"day": {Days: 1}, "week": {Days: 7}, "month": {Months: 1}, "quarter": {Months: 3}, "year": {Months: 12},
	}[name]
	if !ok || d.Null {
		return nil, errClock(s.comparison, "the unit of date_trunc must be second, minute, hour, day, week, month, quarter or year")
	}
	if s.months && length.Months == 0 {
		return nil, errClock(s.comparison, "months differ in length")
	}
	s.trunc(name)
	s.move(length, 1)
	if isStep(inner) {
		return nil, errClock(s.comparison, "now() goes in steps of two kinds")
	}
	return inner, nil
}
