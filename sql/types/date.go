package types

import "github.com/streamdb/streamdb/internal/sqlerr"

// ParseDate reads a date; a time of day in the text is ignored. 22007, 22008.
func ParseDate(s []byte, env *Env) (days int64, err error) {
	if len(s) == 10 {
		if ts, ok := ParseTimestampFast(s); ok {
			return ts / MicrosPerDay, nil // exact: midnight
		}
	}
	d := dateDecoder{env: env}
	fault := d.split(s)
	if fault == 0 {
		fault = d.decode(false)
	}
	if fault == 0 && d.have&knownDate != knownDate {
		fault = badFormat
	}
	if fault == 0 && d.special == specialNow {
		now, ok := d.now()
		if ok {
			return TimestampToDate(now), nil
		}
		fault = badNow
	}
	if fault != 0 {
		return 0, d.err(fault, "date", s)
	}
	switch d.special {
	case specialEpoch:
		return UnixEpochDays, nil
	case specialInf:
		return DatePosInf, nil
	case specialNegInf:
		return DateNegInf, nil
	}
	days = DaysFromCivil(d.civil.Year, d.civil.Month, d.civil.Day)
	if !DateInRange(days) {
		return 0, sqlerr.New(sqlerr.DatetimeFieldOverflow, "date out of range: \"%s\"", s)
	}
	return days, nil
}

// AppendDate appends a date in the style of env.
func AppendDate(dst []byte, days int64, env *Env) []byte {
	switch days {
	case DateNegInf:
		return append(dst, "-infinity"...)
	case DatePosInf:
		return append(dst, "infinity"...)
	}
	y, m, d := CivilFromDays(days)
	dst = appendDay(dst, y, m, d, env.dateStyle(), '-')
	return appendEra(dst, y)
}

// appendDay appends year, month and day without the era. The style Postgres has
// hyphens here, and another form in timestamps.
func appendDay(dst []byte, year, month, day int, style DateStyle, sep byte) []byte {
	if year <= 0 {
		year = 1 - year
	}
	switch style.Output {
	case DateISO:
		dst = appendYear(dst, year)
		return append2(append(append2(append(dst, '-'), month), '-'), day)
	case DateGerman:
		dst = append(append2(append(append2(dst, day), '.'), month), '.')
		return appendYear(dst, year)
	case DateSQL:
		sep = '/'
	}
	if style.Order == OrderDMY {
		month, day = day, month
	}
	dst = append(append2(append(append2(dst, month), sep), day), sep)
	return appendYear(dst, year)
}

func appendEra(dst []byte, year int) []byte {
	if year <= 0 {
		return append(dst, " BC"...)
	}
	return dst
}

func append2(dst []byte, v int) []byte { return append(dst, byte('0'+v/10), byte('0'+v%10)) }

// appendYear appends at least four digits.
func appendYear(dst []byte, year int) []byte {
	if year > 9999 {
		return appendInt(dst, int64(year))
	}
	return append2(append2(dst, year/100), year%100)
}
