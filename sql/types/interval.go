package types

import (
	"math"
	"math/bits"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

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
	if ah != bh {
		return cmpInt64(ah, bh)
	}
	return u128{0, al}.cmp(u128{0, bl})
}

// makeInterval checks months and days for 32 bits; 22008 beyond.
func makeInterval(months, days, micros int64) (IntervalValue, error) {
	if months != int64(int32(months)) || days != int64(int32(days)) {
		return IntervalValue{}, errIntervalRange()
	}
	return IntervalValue{Months: int32(months), Days: int32(days), Micros: micros}, nil
}

// Add adds part by part; 22008 out of range.
func (v IntervalValue) Add(o IntervalValue) (IntervalValue, error) {
	sum := v.Micros + o.Micros
	if (v.Micros^sum)&(o.Micros^sum) < 0 {
		return IntervalValue{}, errIntervalRange()
	}
	return makeInterval(int64(v.Months)+int64(o.Months), int64(v.Days)+int64(o.Days), sum)
}

// Sub subtracts part by part; 22008 out of range.
func (v IntervalValue) Sub(o IntervalValue) (IntervalValue, error) {
	diff := v.Micros - o.Micros
	if (v.Micros^o.Micros)&(v.Micros^diff) < 0 {
		return IntervalValue{}, errIntervalRange()
	}
	return makeInterval(int64(v.Months)-int64(o.Months), int64(v.Days)-int64(o.Days), diff)
}

// Neg negates all parts; 22008 out of range.
func (v IntervalValue) Neg() (IntervalValue, error) { return IntervalValue{}.Sub(v) }

// Mul multiplies all parts; fractions of months become days and fractions of
// days time, as in PostgreSQL. 22008 out of range.
func (v IntervalValue) Mul(f float64) (IntervalValue, error) {
	return v.scale(func(x float64) float64 { return x * f })
}

// Div divides all parts; 22012 by zero, 22008 out of range.
func (v IntervalValue) Div(f float64) (IntervalValue, error) {
	if f == 0 {
		return IntervalValue{}, errDivisionByZero()
	}
	return v.scale(func(x float64) float64 { return x / f })
}

// toMicro rounds as PostgreSQL does before it splits a fraction, to hide the
// error of the multiplication.
func toMicro(x float64) float64 { return math.RoundToEven(x*1e6) / 1e6 }

func (v IntervalValue) scale(f func(float64) float64) (IntervalValue, error) {
	months, days := f(float64(v.Months)), f(float64(v.Days))
	if !(math.Abs(months) <= math.MaxInt32) || !(math.Abs(days) <= math.MaxInt32) {
		return IntervalValue{}, errIntervalRange()
	}
	wholeMonths, wholeDays := int64(months), int64(days)
	monthDays := toMicro((months - float64(wholeMonths)) * DaysPerMonth)
	seconds := toMicro((days - float64(wholeDays) + monthDays - math.Trunc(monthDays)) * 86400)
	if math.Abs(seconds) >= 86400 {
		wholeDays += int64(seconds / 86400)
		seconds -= math.Trunc(seconds/86400) * 86400
	}
	wholeDays += int64(monthDays)
	micros := math.RoundToEven(f(float64(v.Micros)) + seconds*MicrosPerSecond)
	if !(micros >= -(1<<63) && micros < 1<<63) {
		return IntervalValue{}, errIntervalRange()
	}
	return makeInterval(wholeMonths, wholeDays, int64(micros))
}

// JustifyHours turns 24 hours into a day and makes both parts of one sign.
func (v IntervalValue) JustifyHours() (IntervalValue, error) {
	days := int64(v.Days) + v.Micros/MicrosPerDay
	micros := v.Micros % MicrosPerDay
	if days > 0 && micros < 0 {
		micros, days = micros+MicrosPerDay, days-1
	} else if days < 0 && micros > 0 {
		micros, days = micros-MicrosPerDay, days+1
	}
	return makeInterval(int64(v.Months), days, micros)
}

// JustifyDays turns 30 days into a month and makes both parts of one sign.
func (v IntervalValue) JustifyDays() (IntervalValue, error) {
	months := int64(v.Months) + int64(v.Days)/DaysPerMonth
	days := int64(v.Days) % DaysPerMonth
	if months > 0 && days < 0 {
		days, months = days+DaysPerMonth, months-1
	} else if months < 0 && days > 0 {
		days, months = days-DaysPerMonth, months+1
	}
	return makeInterval(months, days, v.Micros)
}

// Justify does both and makes all parts of one sign.
func (v IntervalValue) Justify() (IntervalValue, error) {
	days := int64(v.Days) + v.Micros/MicrosPerDay
	micros := v.Micros % MicrosPerDay
	months := int64(v.Months) + days/DaysPerMonth
	days %= DaysPerMonth
	if months > 0 && (days < 0 || days == 0 && micros < 0) {
		days, months = days+DaysPerMonth, months-1
	} else if months < 0 && (days > 0 || days == 0 && micros > 0) {
		days, months = days-DaysPerMonth, months+1
	}
	if days > 0 && micros < 0 {
		micros, days = micros+MicrosPerDay, days-1
	} else if days < 0 && micros > 0 {
		micros, days = micros-MicrosPerDay, days+1
	}
	return makeInterval(months, days, micros)
}

// NewInterval makes an interval of its parts; 22008 out of range.
func NewInterval(months, days, micros int64) (IntervalValue, error) {
	return makeInterval(months, days, micros)
}

// FixedMicros returns the length of an interval without months; a day has 24
// hours. It is for windows and watermarks, which need one length: 22023 with
// months, 22008 out of range.
func (v IntervalValue) FixedMicros() (int64, error) {
	if v.Months != 0 {
		return 0, sqlerr.New(sqlerr.InvalidParameterValue, "an interval with months or years has no fixed length")
	}
	hi, lo := v.Span()
	if hi != int64(lo)>>63 {
		return 0, errIntervalRange()
	}
	return int64(lo), nil
}
