package types

import "math/bits"

// Units of date and time.
const (
	MicrosPerSecond = 1_000_000
	MicrosPerMinute = 60 * MicrosPerSecond
	MicrosPerHour   = 60 * MicrosPerMinute
	MicrosPerDay    = 24 * MicrosPerHour
	DaysPerMonth    = 30 // by which intervals compare
)

// Span returns the interval's length in microseconds as a two's complement
// 128-bit number, by PostgreSQL's rule that a month has 30 days and a day has
// 24 hours.
func (v IntervalValue) Span() (hi int64, lo uint64) {
	days := int64(v.Days) + int64(v.Months)*DaysPerMonth
	neg := days < 0
	if neg {
		days = -days
	}
	h, l := bits.Mul64(uint64(days), MicrosPerDay)
	if neg {
		var borrow uint64
		l, borrow = bits.Sub64(0, l, 0)
		h, _ = bits.Sub64(0, h, borrow)
	}
	l, carry := bits.Add64(l, uint64(v.Micros), 0)
	h, _ = bits.Add64(h, uint64(v.Micros>>63), carry)
	return int64(h), l
}

// Cmp compares by Span, so '1 mon' equals '30 days'.
func (v IntervalValue) Cmp(o IntervalValue) int {
	ah, al := v.Span()
	bh, bl := o.Span()
	switch {
	case ah < bh:
		return -1
	case ah > bh:
		return 1
	case al < bl:
		return -1
	case al > bl:
		return 1
	}
	return 0
}
