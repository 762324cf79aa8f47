package expr

import (
	"math"

	"github.com/streamdb/streamdb/sql/types"
)

// TimeBound says that one column is at most another one plus Shift microseconds; both
// are of type timestamp, or both of timestamptz.
type TimeBound struct {
	Column, AtMost int
	Shift          int64
}

// TimeBounds returns what a frozen comparison says of the distance between two
// columns of time; nil if it says nothing. Wherever the comparison is true the bounds hold, but
// where they hold it need not be true.
func TimeBounds(e *Expr) []TimeBound {
	f, ok := Lookup(e.Func)
	if e.Op != OpCall || !ok || f.compare == opNone || len(e.Args) != 2 || e.Args[0].Type.Base() != e.Args[1].Type.Base() {
		return nil
	}
	a, okA := movedColumn(e.Args[0])
	b, okB := movedColumn(e.Args[1])
	if !okA || !okB || a.column == b.column {
		return nil
	}
	upper, lower := a.atMost(b), b.atMost(a)
	switch f.compare {
	case opLT, opLE:
		return []TimeBound{upper}
	case opGT, opGE:
		return []TimeBound{lower}
	case opEQ:
		return []TimeBound{upper, lower}
	}
	return nil
}

// columnTime is a column plus something from least to most.
type columnTime struct {
	column      int
	least, most int64
}

// atMost is a <= b for the columns: a.column + least <= b.column + most.
func (a columnTime) atMost(b columnTime) TimeBound {
	return TimeBound{Column: a.column, AtMost: b.column, Shift: b.most - a.least}
}

// movedColumn solves a column that is moved by constant intervals without months.
func movedColumn(e *Expr) (out columnTime, ok bool) {
	switch t := e.Type.Base(); {
	case t != types.Timestamp && t != types.Timestamptz:
		return out, false
	case e.Op == OpColumn:
		return columnTime{column: e.Col}, true
	}
	f, known := Lookup(e.Func)
	if e.Op != OpCall || !known || len(e.Args) < 2 {
		return out, false
	}
	moment, by, sign := e.Args[0], e.Args[1], int64(1)
	switch f.Name {
	case "timestamp_pl_interval", "timestamptz_pl_interval":
	case "timestamp_mi_interval", "timestamptz_mi_interval":
		sign = -1
	case "interval_pl_timestamp", "interval_pl_timestamptz":
		moment, by = by, moment
	default:
		return out, false
	}
	if out, ok = movedColumn(moment); !ok || by.Op != OpConst || by.Const.Null || by.Const.Ival.Months != 0 {
		return out, false
	}
	micros, err := by.Const.Ival.FixedMicros()
	if err != nil || micros > longestMove || micros < -longestMove {
		return out, false
	}
	out.least, out.most = out.least+sign*micros, out.most+sign*micros
	if by.Const.Ival.Days != 0 && e.Type.Base() == types.Timestamptz {
		out.least -= types.MicrosPerDay // a zone's offset may change meanwhile, by a day at the most
		out.most += types.MicrosPerDay
	}
	return out, true
}

// longestMove keeps sums of a few from running over.
const longestMove = math.MaxInt64 / 1024
