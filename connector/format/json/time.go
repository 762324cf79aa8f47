package json

import (
	"encoding/binary"
	"math"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// Unit is what an integer counts in a date or timestamp column.
type Unit uint8

// The units of times; the zero value refuses integers.
const (
	UnitNone Unit = iota
	UnitSeconds
	UnitMillis
	UnitMicros
	UnitNanos
	UnitDays
)

// ParseUnit reads a unit's name; false if there is none of that name.
func ParseUnit(s string) (Unit, bool) {
	switch s {
	case "s", "second", "seconds":
		return UnitSeconds, true
	case "ms", "millisecond", "milliseconds":
		return UnitMillis, true
	case "us", "microsecond", "microseconds":
		return UnitMicros, true
	case "ns", "nanosecond", "nanoseconds":
		return UnitNanos, true
	case "d", "day", "days":
		return UnitDays, true
	}
	return UnitNone, false
}

const (
	microsPerSecond = 1_000_000
	microsPerDay    = 86_400 * microsPerSecond
	epochDays       = 10957 // from 1970-01-01 to 2000-01-01
)

// dayCache remembers the last date read: records in order of time repeat it.
type dayCache struct {
	year uint64 // the bytes "YYYY-MM-"
	day  uint16 // the bytes "DD"
	days int64
}

// timeValue reads a date or timestamp: an ISO string, or an integer where a
// unit is declared.
func (d *Decoder) timeValue(b []byte, i int, col int32, c *column) (int, *sqlerr.Error) {
	if b[i] != '"' {
		if c.unit == UnitNone || !startsNumber(b[i]) {
			return d.reject(b, i, col, c, nil)
		}
		return d.timeNumber(b, i, col, c)
	}
	if c.typ.Base() != types.Date && c.typ.Typmod() < 0 {
		if v, end, ok := d.isoTime(b, i+1, c.typ.Base() == types.Timestamptz); ok {
			if c.store {
				c.vec.AppendInt(v)
			}
			return end, nil
		}
	}
	return d.stringValue(b, i, col, c)
}

// isoTime reads the common form YYYY-MM-DD, a blank or T, HH:MM:SS, up to six
// digits of a second and perhaps Z, up to and with the closing quote. Anything
// else is left to the type's own input function.
func (d *Decoder) isoTime(b []byte, i int, zone bool) (v int64, end int, ok bool) {
	if len(b)-i < 20 {
		return 0, 0, false
	}
	s := b[i : i+20]
	days, ok := d.isoDate(s)
	if !ok || (s[10] != ' ' && s[10] != 'T') {
		return 0, 0, false
	}
	clock := binary.LittleEndian.Uint64(s[11:]) // "HH:MM:SS"
	if clock&0x0000ff0000ff0000 != 0x00003a00003a0000 {
		return 0, 0, false
	}
	x := (clock ^ 0x3030303030303030) &^ 0x0000ff0000ff0000
	if (x|(x+0x0606060606060606))&0xf0f0f0f0f0f0f0f0 != 0 {
		return 0, 0, false
	}
	hour := int64(x&15)*10 + int64(x>>8&15)
	minute := int64(x>>24&15)*10 + int64(x>>32&15)
	second := int64(x>>48&15)*10 + int64(x>>56&15)
	if hour > 23 || minute > 59 || second > 59 {
		return 0, 0, false
	}
	v = days*microsPerDay + (hour*3600+minute*60+second)*microsPerSecond
	i += 19
	if b[i] == '.' {
		micros, n := fraction(b, i+1)
		if n == 0 {
			return 0, 0, false
		}
		v += micros
		i += 1 + n
	}
	if zone && i < len(b) && b[i] == 'Z' {
		i++
	}
	if i >= len(b) || b[i] != '"' {
		return 0, 0, false
	}
	return v, i + 1, true
}

// isoDate reads "YYYY-MM-DD" as days since 2000-01-01.
func (d *Decoder) isoDate(s []byte) (int64, bool) {
	year, day := binary.LittleEndian.Uint64(s), binary.LittleEndian.Uint16(s[8:])
	if year == d.day.year && day == d.day.day {
		return d.day.days, true
	}
	for _, k := range [8]int{0, 1, 2, 3, 5, 6, 8, 9} {
		if !digit(s[k]) {
			return 0, false
		}
	}
	if s[4] != '-' || s[7] != '-' {
		return 0, false
	}
	two := func(k int) int64 { return int64(s[k]-'0')*10 + int64(s[k+1]-'0') }
	y, m, dd := two(0)*100+two(2), two(5), two(8)
	if y == 0 || m == 0 || m > 12 || dd == 0 || dd > daysIn(y, m) {
		return 0, false
	}
	days := civilDays(y, m, dd) - epochDays
	d.day = dayCache{year, day, days}
	return days, true
}

func daysIn(y, m int64) int64 {
	switch m {
	case 2:
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// civilDays returns the days from 1970-01-01 to a date of the Gregorian
// calendar from year 1 on; years are counted from March so that the leap day is
// the last.
func civilDays(y, m, d int64) int64 {
	if m <= 2 {
		y--
		m += 12
	}
	era := y / 400
	yoe := y % 400
	doy := (153*(m-3)+2)/5 + d - 1
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
}

// fraction reads one to six digits as microseconds; 0 digits if there are more
// or none.
func fraction(b []byte, i int) (micros int64, n int) {
	for i+n < len(b) && digit(b[i+n]) {
		if n == 6 {
			return 0, 0
		}
		micros = micros*10 + int64(b[i+n]-'0')
		n++
	}
	for k := n; k < 6; k++ {
		micros *= 10
	}
	return micros, n
}

// timeNumber reads a number of the column's unit since 1970-01-01 UTC. What is
// below a microsecond is rounded, as PostgreSQL rounds the digits of a second.
func (d *Decoder) timeNumber(b []byte, i int, col int32, c *column) (int, *sqlerr.Error) {
	end, err := skipNumber(b, i)
	if err != nil {
		return end, err
	}
	micros, ok := unitMicros(b[i:end], c.unit)
	if !ok {
		return d.reject(b, i, col, c, outOfRange(c, b[i:end]))
	}
	micros -= epochDays * microsPerDay
	if !types.TimestampInRange(micros) {
		return d.reject(b, i, col, c, outOfRange(c, b[i:end]))
	}
	if c.typ.Base() == types.Date {
		if micros%microsPerDay != 0 {
			return d.reject(b, i, col, c, nil)
		}
		micros /= microsPerDay
	} else if mod := c.typ.Typmod(); mod >= 0 && mod < 6 {
		micros = types.RoundTimestamp(micros, mod)
	}
	if c.store {
		c.vec.AppendInt(micros)
	}
	return end, nil
}

// unitMicros converts a JSON number of a unit to microseconds since 1970, less
// than the epoch of 2000 beyond the edge of int64.
func unitMicros(s []byte, u Unit) (int64, bool) {
	if extreme(s) {
		return 0, false
	}
	dec, err := types.ParseDecimal(s)
	if err != nil {
		return 0, false
	}
	factor := types.DecimalFromInt64(1)
	switch u {
	case UnitSeconds:
		factor = types.DecimalFromInt64(microsPerSecond)
	case UnitMillis:
		factor = types.DecimalFromInt64(1000)
	case UnitNanos:
		factor = types.NewDecimal(0, 1, 3)
	case UnitDays:
		factor = types.DecimalFromInt64(microsPerDay)
	}
	if dec, err = dec.Mul(factor); err != nil {
		return 0, false
	}
	v, ok := dec.Round(0).Int64()
	if !ok || v < math.MinInt64+epochDays*microsPerDay {
		return 0, false
	}
	return v, true
}
