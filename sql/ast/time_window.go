package ast

// TimeWindow is ksqlDB's clause behind FROM: WINDOW TUMBLING (SIZE 1 HOUR),
// WINDOW HOPPING (SIZE 1 HOUR, ADVANCE BY 5 MINUTES), WINDOW SESSION (5 MINUTES).
type TimeWindow struct {
	Pos
	// Kind is tumbling, hopping or session.
	Kind string
	// Size is the gap of a session.
	Size *Length
	// Advance is set for hopping windows.
	Advance *Length
	// Retention and Grace are nil when absent.
	Retention *Length
	Grace     *Length
}

// JoinWithin is ksqlDB's clause behind the right side of a join: WITHIN 1 HOUR, or
// WITHIN (1 HOUR, 2 HOURS), and GRACE PERIOD 5 MINUTES.
type JoinWithin struct {
	Pos
	// Before is how long before the left row the right one may be, After how long after
	// it; nil is as long.
	Before *Length
	After  *Length
	// Grace is nil when absent.
	Grace *Length
}

// Length is a number of units, as in 10 MINUTES.
type Length struct {
	Pos
	Count string // digits
	Unit  string // folded and singular: minute
}
