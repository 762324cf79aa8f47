package types

import (
	"time"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// ParseTimestampFast reads 'YYYY-MM-DD[( |T)HH:MM:SS[.ffffff]]' and nothing
// else, without allocation; ok is false for every other text, which
// ParseTimestamp may still read.
func ParseTimestampFast(s []byte) (ts int64, ok bool) {
	ts, n, ok := scanTimestamp(s)
	return ts, ok && n == len(s)
}

// ParseTimestamptzFast reads the same with 'Z' or a numeric offset at the end,
// which must be there, without allocation.
func ParseTimestamptzFast(s []byte) (ts int64, ok bool) {
	ts, n, ok := scanTimestamp(s)
	if !ok || n == len(s) || n < 19 {
		return 0, false
	}
	if rest := s[n:]; len(rest) != 1 || rest[0] != 'Z' {
		if rest[0] == ' ' {
			return 0, false
		}
		offset, fault := decodeOffset(rest)
		if fault != 0 {
			return 0, false
		}
		ts -= int64(offset) * MicrosPerSecond
	}
	return ts, true
}

// scanTimestamp reads the fixed form and returns how many bytes it took. Years
// 0001 to 9999 are far within the range.
func scanTimestamp(s []byte) (ts int64, n int, ok bool) {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return 0, 0, false
	}
	y1, ok1 := twoDigits(s, 0)
	y2, ok2 := twoDigits(s, 2)
	month, ok3 := twoDigits(s, 5)
	day, ok4 := twoDigits(s, 8)
	year := y1*100 + y2
	if !(ok1 && ok2 && ok3 && ok4) || year == 0 || month-1 > 11 || day-1 >= 28 && (day == 0 || int(day) > DaysInMonth(int(year), int(month))) {
		return 0, 0, false
	}
	ts = DaysFromCivil(int(year), int(month), int(day)) * MicrosPerDay
	if len(s) < 19 {
		return ts, 10, len(s) == 10
	}
	if s[10] != ' ' && s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return 0, 0, false
	}
	hour, ok1 := twoDigits(s, 11)
	minute, ok2 := twoDigits(s, 14)
	second, ok3 := twoDigits(s, 17)
	if !(ok1 && ok2 && ok3) || hour > 23 || minute > 59 || second > 59 {
		return 0, 0, false
	}
	ts += (int64(hour)*3600 + int64(minute)*60 + int64(second)) * MicrosPerSecond
	n = 19
	if len(s) > 19 && s[19] == '.' {
		micro, scale := int64(0), 0
		for n = 20; n < len(s) && isDigit(s[n]); n++ {
			micro = micro*10 + int64(s[n]-'0')
			if scale++; scale > 6 {
				return 0, 0, false
			}
		}
		if scale == 0 {
			return 0, 0, false
		}
		for ; scale < 6; scale++ {
			micro *= 10
		}
		ts += micro
	}
	return ts, n, true
}

func twoDigits(s []byte, i int) (uint, bool) {
	a, b := s[i]-'0', s[i+1]-'0'
	return uint(a)*10 + uint(b), a <= 9 && b <= 9
}

// ParseTimestamp reads a timestamp without time zone; a zone in the text is
// ignored. 22007, 22008.
func ParseTimestamp(s []byte, env *Env) (ts int64, err error) {
	if ts, ok := ParseTimestampFast(s); ok {
		return ts, nil
	}
	return parseTimestampSlow(s, env, false)
}

// ParseTimestamptz reads a timestamp with time zone; without one in the text
// the session's holds. 22007, 22008.
func ParseTimestamptz(s []byte, env *Env) (ts int64, err error) {
	if ts, ok := ParseTimestamptzFast(s); ok && TimestampInRange(ts) {
		return ts, nil
	}
	return parseTimestampSlow(s, env, true)
}

func parseTimestampSlow(s []byte, env *Env, withZone bool) (int64, error) {
	typeName := "timestamp"
	if withZone {
		typeName = "timestamp with time zone"
	}
	d := dateDecoder{env: env}
	fault := d.split(s)
	if fault == 0 {
		fault = d.decode(false)
	}
	if fault == 0 && d.have&knownDate != knownDate {
		fault = badFormat
	}
	if fault != 0 {
		return 0, d.err(fault, typeName, s)
	}
	ts, fault := d.timestamp(withZone)
	if fault == badNow {
		return 0, d.err(fault, typeName, s)
	}
	if fault != 0 {
		return 0, sqlerr.New(sqlerr.DatetimeFieldOverflow, "timestamp out of range: \"%s\"", s)
	}
	return ts, nil
}

// timestamp puts the decoded parts together.
func (d *dateDecoder) timestamp(withZone bool) (int64, dateFault) {
	switch d.special {
	case specialEpoch:
		return UnixEpochMicros, 0
	case specialInf:
		return TimestampPosInf, 0
	case specialNegInf:
		return TimestampNegInf, 0
	case specialNow:
		return d.specialNow(withZone)
	}
	days := DaysFromCivil(d.civil.Year, d.civil.Month, d.civil.Day)
	if days < minDate-1 || days > endTimestamp/MicrosPerDay+1 {
		return 0, badField // too far for 64 bits, too
	}
	ts := days*MicrosPerDay + d.civil.TimeOfDay()
	if withZone {
		ts -= d.zoneSeconds(ts) * MicrosPerSecond
	}
	if !TimestampInRange(ts) {
		return 0, badField
	}
	return ts, 0
}

func (d *dateDecoder) specialNow(withZone bool) (int64, dateFault) {
	ts, ok := d.now()
	if !ok {
		return 0, badNow
	}
	if withZone {
		return TimestampFromTime(d.env.Now()), 0
	}
	return ts, 0
}

// zoneSeconds returns the offset east of UTC for the clock ts.
func (d *dateDecoder) zoneSeconds(ts int64) int64 {
	if d.have&knownZone != 0 && d.zone == nil {
		return int64(d.offset)
	}
	loc := d.zone
	if loc == nil {
		loc = d.env.zone()
	}
	if loc == time.UTC {
		return 0
	}
	return localOffset(floorDiv64(ts, MicrosPerSecond)-UnixEpochDays*86400, loc)
}

// RoundTimestamp rounds a timestamp or a time to the given number of
// fractional digits (0 to 6), half away from zero; infinities stay.
func RoundTimestamp(ts int64, precision int32) int64 {
	if precision < 0 || precision >= 6 || TimestampIsInf(ts) {
		return ts
	}
	unit := int64(1)
	for i := precision; i < 6; i++ {
		unit *= 10
	}
	half := unit / 2
	if ts >= 0 {
		return (ts + half) / unit * unit
	}
	return -((-ts + half) / unit * unit)
}

// DateToTimestamp returns midnight of a day; 22008 out of range.
func DateToTimestamp(days int64) (int64, error) {
	switch days {
	case DateNegInf:
		return TimestampNegInf, nil
	case DatePosInf:
		return TimestampPosInf, nil
	}
	ts, ok := timestampFromParts(days, 0)
	if !ok {
		return 0, sqlerr.New(sqlerr.DatetimeFieldOverflow, "date out of range for timestamp")
	}
	return ts, nil
}

// TimestampToDate returns the day of a timestamp.
func TimestampToDate(ts int64) int64 {
	switch ts {
	case TimestampNegInf:
		return DateNegInf
	case TimestampPosInf:
		return DatePosInf
	}
	return floorDiv64(ts, MicrosPerDay)
}

// TimestampTime returns the time of day of a finite timestamp.
func TimestampTime(ts int64) int64 { return ts - floorDiv64(ts, MicrosPerDay)*MicrosPerDay }

// TimestampAdd adds months (ending at the month's last day), then days, then
// microseconds; 22008 out of range.
func TimestampAdd(ts int64, v IntervalValue) (int64, error) {
	if TimestampIsInf(ts) {
		return ts, nil
	}
	if v.Months != 0 || v.Days != 0 {
		days := floorDiv64(ts, MicrosPerDay)
		clock := ts - days*MicrosPerDay
		var ok bool
		if ts, ok = timestampFromParts(addMonths(days, v.Months)+int64(v.Days), clock); !ok {
			return 0, errTimestampRange()
		}
	}
	sum := ts + v.Micros
	if (ts^sum)&(v.Micros^sum) < 0 || !TimestampInRange(sum) {
		return 0, errTimestampRange()
	}
	return sum, nil
}

func addMonths(days int64, months int32) int64 {
	if months == 0 {
		return days
	}
	y, m, d := CivilFromDays(days)
	total := int64(y)*12 + int64(m-1) + int64(months)
	year := floorDiv64(total, 12)
	month := int(total-year*12) + 1
	return DaysFromCivil(int(year), month, min(d, DaysInMonth(int(year), month)))
}

// TimestamptzAdd adds months and days on the clock of the zone, then
// microseconds; 22008 out of range.
func TimestamptzAdd(ts int64, v IntervalValue, zone *time.Location) (int64, error) {
	if TimestampIsInf(ts) {
		return ts, nil
	}
	if v.Months != 0 || v.Days != 0 {
		clock, err := TimestamptzToTimestamp(ts, zone)
		if err != nil {
			return 0, err
		}
		if clock, err = TimestampAdd(clock, IntervalValue{Months: v.Months, Days: v.Days}); err != nil {
			return 0, err
		}
		if ts, err = TimestampToTimestamptz(clock, zone); err != nil {
			return 0, err
		}
	}
	return TimestampAdd(ts, IntervalValue{Micros: v.Micros})
}

// TimestampSub returns a - b in days and microseconds; 22008 for infinities.
func TimestampSub(a, b int64) (IntervalValue, error) {
	if TimestampIsInf(a) || TimestampIsInf(b) {
		return IntervalValue{}, sqlerr.New(sqlerr.DatetimeFieldOverflow, "cannot subtract infinite timestamps")
	}
	days := floorDiv64(a, MicrosPerDay) - floorDiv64(b, MicrosPerDay)
	micros := TimestampTime(a) - TimestampTime(b)
	return IntervalValue{Days: int32(days), Micros: micros}.JustifyHours()
}

// TimestampAge returns a - b in years, months, days and time, PostgreSQL's
// age(); 22008 for infinities.
func TimestampAge(a, b int64) (IntervalValue, error) {
	if TimestampIsInf(a) || TimestampIsInf(b) {
		return IntervalValue{}, errTimestampRange()
	}
	neg := a < b
	if neg {
		a, b = b, a
	}
	x, y := CivilFromTimestamp(a), CivilFromTimestamp(b)
	clock := x.TimeOfDay() - y.TimeOfDay()
	days := x.Day - y.Day
	months := (x.Year-y.Year)*12 + x.Month - y.Month
	if clock < 0 {
		clock += MicrosPerDay
		days--
	}
	// A day short is borrowed from the month of the earlier moment.
	for days < 0 {
		borrow := y
		days += DaysInMonth(borrow.Year, borrow.Month)
		months--
	}
	v := IntervalValue{Months: int32(months), Days: int32(days), Micros: clock}
	if neg {
		v = IntervalValue{Months: -v.Months, Days: -v.Days, Micros: -v.Micros}
	}
	return v, nil
}
