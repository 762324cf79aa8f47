package ast

// IntervalFields restricts an interval type, as in INTERVAL DAY TO SECOND.
type IntervalFields uint8

// The restrictions of interval types.
const (
	IntervalAll IntervalFields = iota
	IntervalYear
	IntervalMonth
	IntervalDay
	IntervalHour
	IntervalMinute
	IntervalSecond
	IntervalYearToMonth
	IntervalDayToHour
	IntervalDayToMinute
	IntervalDayToSecond
	IntervalHourToMinute
	IntervalHourToSecond
	IntervalMinuteToSecond
)

// TypeName is the name of a type. The spellings that SQL builds into its
// grammar are stored under PostgreSQL's internal names: int2, int4, int8,
// float4, float8, numeric, bool, bpchar, varchar, bit, varbit, time, timetz,
// timestamp, timestamptz, interval. Whatever else is stored as written.
type TypeName struct {
	Pos
	Qualifier []string
	Name      string
	// Mods are the modifiers, as in numeric(10, 2); usually NumberLits.
	Mods   []Expr
	Fields IntervalFields
	// Dims holds a bound for each pair of brackets, -1 where none is given.
	Dims  []int
	SetOf bool
}

// IsArray reports whether the type was written with brackets or ARRAY.
func (t *TypeName) IsArray() bool { return len(t.Dims) > 0 }
