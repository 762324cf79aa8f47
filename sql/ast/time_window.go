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

// Length is a number of units, as in 10 MINUTES.
type Length struct {
	Pos
	Count string // digits
	Unit  string // folded and singular: minute
}
