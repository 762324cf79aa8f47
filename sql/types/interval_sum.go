package types

import (
	"math"
)

// intervalUnit is a unit that a number in an interval may have.
type intervalUnit uint8

const (
	unitNone intervalUnit = iota
	unitMicrosecond
	unitMillisecond
	unitSecond
	unitMinute
	unitHour
	unitDay
	unitWeek
	unitMonth
	unitYear
	unitDecade
	unitCentury
	unitMillennium
	unitAgo
)

func lookupUnit(w []byte) intervalUnit {
	switch string(w) {
	case "us", "usec", "usecs", "useconds", "usecond", "microsecond", "microseconds", "microsecon":
		return unitMicrosecond
	case "ms", "msec", "msecs", "mseconds", "msecond", "millisecond", "milliseconds", "millisecon":
		return unitMillisecond
	case "s", "sec", "secs", "second", "seconds":
		return unitSecond
	case "m", "min", "mins", "minute", "minutes":
		return unitMinute
	case "h", "hr", "hrs", "hour", "hours":
		return unitHour
	case "d", "day", "days":
		return unitDay
	case "w", "week", "weeks":
		return unitWeek
	case "mon", "mons", "month", "months":
		return unitMonth
	case "y", "yr", "yrs", "year", "years":
		return unitYear
	case "dec", "decs", "decade", "decades":
		return unitDecade
	case "c", "cent", "century", "centuries":
		return unitCentury
	case "mil", "mils", "millennia", "millennium":
		return unitMillennium
	case "ago":
		return unitAgo
	}
	return unitNone
}

// intervalDecoder gathers the parts of an interval; each step that overflows
// sets over.
type intervalDecoder struct {
	days, months, years int64
	micros              int64
	over                bool
}

func (d *intervalDecoder) addMicros(v int64) {
	sum := d.micros + v
	if (d.micros^sum)&(v^sum) < 0 {
		d.over = true
	}
	d.micros = sum
}

// addUnits adds n.fraction of a unit of so many microseconds.
func (d *intervalDecoder) addUnits(n int64, fraction float64, unit int64) {
	if n > math.MaxInt64/unit || n < -(math.MaxInt64/unit) {
		d.over = true
		return
	}
	d.addMicros(n * unit)
	d.addFraction(fraction * float64(unit))
}

// addFraction adds microseconds rounded to the nearest, halves towards zero.
func (d *intervalDecoder) addFraction(micros float64) {
	whole := int64(micros)
	d.addMicros(whole)
	if rest := micros - float64(whole); rest > 0.5 {
		d.addMicros(1)
	} else if rest < -0.5 {
		d.addMicros(-1)
	}
}

// addDays adds whole days and spreads the fraction over the time.
func (d *intervalDecoder) addDays(n int64, fraction float64) {
	d.days += n
	d.checkDays()
	d.addFraction(fraction * MicrosPerDay)
}

// addMonths adds whole months and the fraction in days of 1/30 month.
func (d *intervalDecoder) addMonths(n int64, fraction float64) {
	d.months += n
	d.checkDays()
	days := fraction * DaysPerMonth
	whole := int64(days)
	d.addDays(whole, days-float64(whole))
}

// addYears adds n.fraction units of so many years; less than a month is lost
// by rounding, as in PostgreSQL.
func (d *intervalDecoder) addYears(n int64, fraction float64, years int64) {
	if n > math.MaxInt32 || n < math.MinInt32 {
		d.over = true
		return
	}
	d.years += n * years
	d.months += int64(math.RoundToEven(fraction * float64(years) * 12))
	d.checkDays()
}

func (d *intervalDecoder) checkDays() {
	if d.days != int64(int32(d.days)) || d.months != int64(int32(d.months)) || d.years != int64(int32(d.years)) {
		d.over = true
		d.days, d.months, d.years = 0, 0, 0
	}
}

func (d *intervalDecoder) add(unit intervalUnit, n int64, fraction float64) {
	switch unit {
	case unitMicrosecond:
		d.addUnits(n, fraction, 1)
	case unitMillisecond:
		d.addUnits(n, fraction, 1000)
	case unitSecond:
		d.addUnits(n, fraction, MicrosPerSecond)
	case unitMinute:
		d.addUnits(n, fraction, MicrosPerMinute)
	case unitHour:
		d.addUnits(n, fraction, MicrosPerHour)
	case unitDay:
		d.addDays(n, fraction)
	case unitWeek:
		days := fraction * 7
		whole := int64(days)
		if n > math.MaxInt32 || n < math.MinInt32 {
			d.over = true
			return
		}
		d.addDays(n*7+whole, days-float64(whole))
	case unitMonth:
		d.addMonths(n, fraction)
	case unitYear:
		d.addYears(n, fraction, 1)
	case unitDecade:
		d.addYears(n, fraction, 10)
	case unitCentury:
		d.addYears(n, fraction, 100)
	case unitMillennium:
		d.addYears(n, fraction, 1000)
	}
}
