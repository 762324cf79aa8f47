package types

import "math"

// The infinities of date and timestamp.
const (
	DateNegInf      int64 = math.MinInt32
	DatePosInf      int64 = math.MaxInt32
	TimestampNegInf int64 = math.MinInt64
	TimestampPosInf int64 = math.MaxInt64
)

// The ranges of finite values: PostgreSQL's 4714-11-24 BC to 5874897-12-31
// (dates) and 294276-12-31 (timestamps, the end is exclusive).
const (
	minDate      int64 = -2451545
	endDate      int64 = 2145031949
	minTimestamp int64 = -211813488000000000
	endTimestamp int64 = 9223371331200000000
)

// UnixEpochDays is 1970-01-01 as a date; UnixEpochMicros as a timestamp.
const (
	UnixEpochDays   int64 = -10957
	UnixEpochMicros int64 = UnixEpochDays * MicrosPerDay
)

// DaysFromCivil returns the days from 2000-01-01 to a day of the proleptic
// Gregorian calendar; year 0 is 1 BC. Days beyond the month's end count on.
func DaysFromCivil(year, month, day int) int64 {
	y, m := int64(year), int64(month)
	if m <= 2 {
		y--
		m += 12
	}
	era := y / 400
	if y < 0 {
		era = (y - 399) / 400
	}
	yoe := y - era*400
	doy := (153*(m-3)+2)/5 + int64(day) - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return era*146097 + doe - 730425
}

// CivilFromDays is the inverse of DaysFromCivil.
func CivilFromDays(days int64) (year, month, day int) {
	z := days + 730425
	era := z / 146097
	if z < 0 {
		era = (z - 146096) / 146097
	}
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day = int(doy - (153*mp+2)/5 + 1)
	month = int(mp + 3)
	year = int(yoe + era*400)
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, day
}

// DaysInMonth returns the length of a month.
func DaysInMonth(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// Civil is a timestamp taken apart; year 0 is 1 BC.
type Civil struct {
	Year, Month, Day     int
	Hour, Minute, Second int
	Micro                int
}

// CivilFromTimestamp takes a finite timestamp apart.
func CivilFromTimestamp(ts int64) Civil {
	days := floorDiv64(ts, MicrosPerDay)
	c := civilFromTime(ts - days*MicrosPerDay)
	c.Year, c.Month, c.Day = CivilFromDays(days)
	return c
}

func civilFromTime(t int64) Civil {
	return Civil{
		Hour:   int(t / MicrosPerHour),
		Minute: int(t / MicrosPerMinute % 60),
		Second: int(t / MicrosPerSecond % 60),
		Micro:  int(t % MicrosPerSecond),
	}
}

// TimeOfDay returns the clock part in microseconds.
func (c Civil) TimeOfDay() int64 {
	return int64(c.Hour)*MicrosPerHour + int64(c.Minute)*MicrosPerMinute + int64(c.Second)*MicrosPerSecond + int64(c.Micro)
}

// Timestamp puts the parts together; ok is false out of the range.
func (c Civil) Timestamp() (ts int64, ok bool) {
	return timestampFromParts(DaysFromCivil(c.Year, c.Month, c.Day), c.TimeOfDay())
}

func timestampFromParts(days, clock int64) (ts int64, ok bool) {
	if days < minDate-1 || days > endTimestamp/MicrosPerDay+1 {
		return 0, false
	}
	ts = days*MicrosPerDay + clock
	return ts, TimestampInRange(ts)
}

// TimestampInRange says whether ts is a finite timestamp that PostgreSQL allows.
func TimestampInRange(ts int64) bool { return ts >= minTimestamp && ts < endTimestamp }

// TimestampIsInf says whether ts is one of the infinities.
func TimestampIsInf(ts int64) bool { return ts == TimestampNegInf || ts == TimestampPosInf }

// DateInRange says whether days is a finite date that PostgreSQL allows.
func DateInRange(days int64) bool { return days >= minDate && days < endDate }

// DateIsInf says whether days is one of the infinities.
func DateIsInf(days int64) bool { return days == DateNegInf || days == DatePosInf }

func floorDiv64(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
