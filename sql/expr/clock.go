package expr

import (
	"time"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// ClockBound is what a comparison with now() says of the clock: it is at least
// (Until: less than) Value + Shift microseconds. Value is a timestamp or
// timestamptz that does not read the clock; where it is NULL the comparison is
// not true at any time.
type ClockBound struct {
	Value *Expr
	Shift int64
	Until bool
}

// ClockCall returns the first call in e that depends on the clock, nil if there
// is none.
func ClockCall(e *Expr) *Expr {
	var found *Expr
	Walk(e, func(e *Expr) bool {
		if e.Op == OpCall && found == nil {
			if f, ok := Lookup(e.Func); ok && f.clock {
				found = e
			}
		}
		return found == nil
	})
	return found
}

// ClockComparison solves a frozen comparison (Freeze with keepNow) for now(). It
// must be exact for every row and every moment, so now() may only be moved by
// lengths that are the same at all times: no months, and days where the time
// zone has none of 23 or 25 hours. 0A000 otherwise. All bounds together are the
// comparison.
func ClockComparison(e *Expr) ([]ClockBound, error) {
	f, ok := Lookup(e.Func)
	if e.Op != OpCall || !ok || f.compare == opNone {
		return nil, errClock(e, "now() must be compared with an expression, and the comparisons be joined by AND")
	}
	op, clock, value := f.compare, e.Args[0], e.Args[1]
	if ClockCall(clock) == nil {
		op, clock, value = op.flip(), value, clock
	}
	if ClockCall(value) != nil {
		return nil, errClock(e, "both sides of the comparison depend on now()")
	}
	if isStep(clock) {
		return stepComparison(e, clock, value, op)
	}
	if op == opEQ || op == opNE {
		return nil, errClock(e, "now() can be compared by <, <=, > and >= only")
	}
	if clock.Type.Base() == types.Interval {
		bound, err := clockDifference(clock, value, op)
		return []ClockBound{bound}, err
	}
	shift, err := clockOffset(clock)
	if err != nil {
		return nil, err
	}
	if value, err = sameClockType(e, clock, value, &shift); err != nil {
		return nil, err
	}
	return []ClockBound{clockBound(value, -shift, op)}, nil
}

// clockBound is now() op value + shift.
func clockBound(value *Expr, shift int64, op compareOp) ClockBound {
	if op == opLE || op == opGT {
		shift++
	}
	return ClockBound{Value: value, Shift: shift, Until: op == opLT || op == opLE}
}

func errClock(e *Expr, format string, args ...any) *sqlerr.Error {
	pos := e.Pos
	if c := ClockCall(e); c != nil {
		pos = c.Pos
	}
	return sqlerr.New(sqlerr.FeatureNotSupported, "now() cannot be used in this way in a materialized view").At(pos).
		WithDetail(format, args...).
		WithHint("In a view, now() stands in conditions such as ts > now() - INTERVAL '1 hour' or now() < ts + INTERVAL '1 month'.")
}

// clockOffset returns by how many microseconds e is ahead of now().
func clockOffset(e *Expr) (int64, error) {
	f, ok := Lookup(e.Func)
	if e.Op != OpCall || !ok {
		return 0, errClock(e, "the expression around now() cannot be solved for it")
	}
	if f.session && f.Ret == types.Timestamptz {
		return 0, nil
	}
	switch f.Signature() {
	case "timestamptz_pl_interval(timestamptz,interval)", "timestamp_pl_interval(timestamp,interval)":
		return movedClock(e, e.Args[0], e.Args[1], 1)
	case "timestamptz_mi_interval(timestamptz,interval)", "timestamp_mi_interval(timestamp,interval)":
		return movedClock(e, e.Args[0], e.Args[1], -1)
	case "interval_pl_timestamptz(interval,timestamptz)", "interval_pl_timestamp(interval,timestamp)":
		return movedClock(e, e.Args[1], e.Args[0], 1)
	case "timestamp(timestamptz)":
		return zonedClock(e, e.Args[0], zoneOf(e), 1)
	case "timestamptz(timestamp)":
		return zonedClock(e, e.Args[0], zoneOf(e), -1)
	case "timezone(text,timestamptz)", "timezone(text,timestamp)":
		zone, err := constantZone(e)
		if err != nil {
			return 0, err
		}
		return zonedClock(e, e.Args[1], zone, map[bool]int64{true: 1, false: -1}[f.Ret == types.Timestamp])
	}
	return 0, errClock(e, "the expression around now() cannot be solved for it")
}

// movedClock is the offset of moment plus (sign -1: minus) an interval.
func movedClock(e, moment, by *Expr, sign int64) (int64, error) {
	offset, err := clockOffset(moment)
	if err != nil {
		return 0, err
	}
	iv, err := constantInterval(e, by)
	if err != nil {
		return 0, err
	}
	if iv.Months != 0 {
		return 0, errClock(e, "months differ in length")
	}
	if iv.Days != 0 && e.Type.Base() == types.Timestamptz {
		if _, fixed := fixedZone(zoneOf(e)); !fixed {
			return 0, errClock(e, "days differ in length in the time zone \"%s\"", zoneOf(e))
		}
	}
	micros, err := iv.FixedMicros()
	if err != nil {
		return 0, err
	}
	return addOffsets(e, offset, sign*micros)
}

func constantInterval(e, by *Expr) (types.IntervalValue, error) {
	if !by.IsConst() {
		return types.IntervalValue{}, errClock(e, "now() is moved by an interval that is not constant")
	}
	d, err := EvalConst(by, nil)
	if err == nil && d.Null {
		err = errClock(e, "the interval is NULL")
	}
	return d.Ival, err
}

// zonedClock is the offset of a local time (sign 1) or of the moment of one (-1).
func zonedClock(e, moment *Expr, zone *time.Location, sign int64) (int64, error) {
	offset, err := clockOffset(moment)
	if err != nil {
		return 0, err
	}
	seconds, fixed := fixedZone(zone)
	if !fixed {
		return 0, errClock(e, "the local time of \"%s\" is set forward and back", zone)
	}
	return addOffsets(e, offset, sign*seconds*types.MicrosPerSecond)
}

func constantZone(e *Expr) (*time.Location, error) {
	if !e.Args[0].IsConst() {
		return nil, errClock(e, "the time zone is not constant")
	}
	d, err := EvalConst(e.Args[0], nil)
	if err != nil {
		return nil, err
	}
	return types.LookupZone(string(d.Bytes))
}

// clockDifference solves now() - value op constant and value - now() op constant;
// constant stands to the right of op.
func clockDifference(clock, constant *Expr, op compareOp) (ClockBound, error) {
	f, ok := Lookup(clock.Func)
	if clock.Op != OpCall || !ok || f.Name != "timestamptz_mi" && f.Name != "timestamp_mi" {
		return ClockBound{}, errClock(clock, "the expression around now() cannot be solved for it")
	}
	iv, err := constantInterval(clock, constant)
	if err != nil {
		return ClockBound{}, err
	}
	// Intervals compare as if months had 30 days and days 24 hours.
	hi, lo := iv.Span()
	span := int64(lo)
	if hi != span>>63 {
		return ClockBound{}, errClock(clock, "the interval is too long")
	}
	now, value, sign := clock.Args[0], clock.Args[1], int64(1)
	if ClockCall(now) == nil {
		now, value, sign, op = value, now, -1, op.flip()
	}
	if ClockCall(value) != nil {
		return ClockBound{}, errClock(clock, "both sides of the difference depend on now()")
	}
	offset, err := clockOffset(now)
	if err != nil {
		return ClockBound{}, err
	}
	shift, err := addOffsets(clock, sign*span, -offset)
	return clockBound(finiteTime(value), shift, op), err
}

// finiteTime is value, and fails for an infinite one as its difference from now()
// does.
func finiteTime(value *Expr) *Expr {
	name, origin := "timestamptz", Constant(value.Type.Base(), types.Datum{})
	if value.Type.Base() == types.Timestamp {
		name = "timestamp"
	}
	since := &Expr{Op: OpCall, Type: types.Interval, Func: name + "_mi(" + name + "," + name + ")", Args: []*Expr{value, origin}, Pos: value.Pos}
	return &Expr{Op: OpCall, Type: value.Type.Base(), Func: name + "_pl_interval(" + name + ",interval)", Args: []*Expr{origin, since}, Pos: value.Pos}
}

// sameClockType converts value where e compares it with a clock of another type, as
// the comparison itself does.
func sameClockType(e, clock, value *Expr, shift *int64) (*Expr, error) {
	from, to := value.Type.Base(), clock.Type.Base()
	switch {
	case from == to && (to == types.Timestamp || to == types.Timestamptz):
		return value, nil
	case to == types.Timestamp && from == types.Timestamptz: // both are compared as moments
		var err error
		seconds, fixed := fixedZone(zoneOf(e))
		if !fixed {
			return nil, errClock(e, "the local time of \"%s\" is set forward and back", zoneOf(e))
		}
		*shift, err = addOffsets(e, *shift, -seconds*types.MicrosPerSecond)
		return value, err
	}
	c, ok := FindCast(from, to)
	if !ok || c.Func == nil || from != types.Date && from != types.Timestamp || to != types.Timestamp && to != types.Timestamptz {
		return nil, errClock(e, "now() is not compared with a time")
	}
	out := &Expr{Op: OpCall, Type: to, Func: c.Func.Signature(), Args: []*Expr{value}, Pos: value.Pos}
	if hasMarker(e) {
		out.Args = append(out.Args, e.Args[len(e.Args)-1])
	}
	return out, nil
}

// zoneOf returns the time zone that a call was frozen with.
func zoneOf(e *Expr) *time.Location {
	if !hasMarker(e) {
		return time.UTC
	}
	env, err := decodeSettings(string(e.Args[len(e.Args)-1].Const.Bytes))
	if err != nil {
		return nil
	}
	return env.zone()
}

// fixedZone returns a zone's offset in seconds, and whether it is the same at
// all times.
func fixedZone(zone *time.Location) (seconds int64, fixed bool) {
	if zone == nil {
		return 0, false
	}
	at := time.Unix(0, 0).In(zone)
	start, end := at.ZoneBounds()
	_, offset := at.Zone()
	return int64(offset), start.IsZero() && end.IsZero()
}

func addOffsets(e *Expr, a, b int64) (int64, error) {
	if s := a + b; (a^s)&(b^s) >= 0 && s > -1<<62 && s < 1<<62 {
		return s, nil
	}
	return 0, errClock(e, "the interval is too long")
}
