package types

import "time"

// DateOutput is the first half of DateStyle.
type DateOutput uint8

// The output styles of dates.
const (
	DateISO DateOutput = iota
	DateSQL
	DatePostgres
	DateGerman
)

// DateOrder is the second half of DateStyle: how 01/02/03 is read.
type DateOrder uint8

// The orders of day, month and year.
const (
	OrderMDY DateOrder = iota
	OrderDMY
	OrderYMD
)

// DateStyle is PostgreSQL's setting of that name; the zero value is ISO, MDY.
type DateStyle struct {
	Output DateOutput `json:"output,omitempty"`
	Order  DateOrder  `json:"order,omitempty"`
}

// IntervalStyle is PostgreSQL's setting of that name.
type IntervalStyle uint8

// The output styles of intervals.
const (
	IntervalPostgres IntervalStyle = iota
	IntervalPostgresVerbose
	IntervalSQLStandard
	IntervalISO8601
)

// Env holds what text input and output depend on beside the type. The zero
// value and nil mean UTC, ISO, MDY, postgres and shortest floats. It is not
// changed by any function here.
type Env struct {
	TimeZone      *time.Location // nil: UTC
	DateStyle     DateStyle
	IntervalStyle IntervalStyle
	// ExtraFloatDigits is PostgreSQL's setting extra_float_digits minus one, so
	// that zero is its default: from 0 on floats print in their shortest exact
	// form, below with 16 + ExtraFloatDigits digits (float4: 7 + ExtraFloatDigits).
	ExtraFloatDigits int
	// Now gives the moment that 'now', 'today', 'tomorrow' and 'yesterday' mean;
	// without it these are refused with 0A000.
	Now func() time.Time
	// ObjectName gives the name that a value of regclass, regtype or regproc is
	// printed as; nil: its number.
	ObjectName func(t Type, oid int64) string
}

func (e *Env) zone() *time.Location {
	if e == nil || e.TimeZone == nil {
		return time.UTC
	}
	return e.TimeZone
}

func (e *Env) dateStyle() DateStyle {
	if e == nil {
		return DateStyle{}
	}
	return e.DateStyle
}

func (e *Env) intervalStyle() IntervalStyle {
	if e == nil {
		return IntervalPostgres
	}
	return e.IntervalStyle
}

func (e *Env) floatDigits() int {
	if e == nil {
		return 0
	}
	return e.ExtraFloatDigits
}
