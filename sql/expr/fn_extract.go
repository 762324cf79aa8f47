package expr

import (
	"bytes"
	"math"
	"time"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// field is a part of a date, time or interval.
type field uint8

const (
	fieldNone field = iota
	fieldMicrosecond
	fieldMillisecond
	fieldSecond
	fieldMinute
	fieldHour
	fieldDay
	fieldWeek
	fieldMonth
	fieldQuarter
	fieldYear
	fieldDecade
	fieldCentury
	fieldMillennium
	fieldISOYear
	fieldDOW
	fieldISODOW
	fieldDOY
	fieldJulian
	fieldEpoch
	fieldZone
	fieldZoneHour
	fieldZoneMinute
)

// parseField knows PostgreSQL's names and abbreviations of fields.
func parseField(name []byte) field {
	var buf [16]byte // longer than any name
	if len(name) > len(buf) {
		return fieldNone
	}
	switch string(appendLower(buf[:0], name)) {
	case "us", "usec", "usecond", "useconds", "usecs", "microsecon", "microsecond", "microseconds":
		return fieldMicrosecond
	case "ms", "msec", "msecond", "mseconds", "msecs", "millisecon", "millisecond", "milliseconds":
		return fieldMillisecond
	case "s", "sec", "second", "seconds", "secs":
		return fieldSecond
	case "m", "min", "mins", "minute", "minutes":
		return fieldMinute
	case "h", "hour", "hours", "hr", "hrs":
		return fieldHour
	case "d", "day", "days":
		return fieldDay
	case "w", "week", "weeks":
		return fieldWeek
	case "mon", "mons", "month", "months":
		return fieldMonth
	case "qtr", "quarter":
		return fieldQuarter
	case "y", "year", "years", "yr", "yrs":
		return fieldYear
	case "dec", "decs", "decade", "decades":
		return fieldDecade
	case "c", "cent", "century", "centuries":
		return fieldCentury
	case "mil", "mils", "millennia", "millennium":
		return fieldMillennium
	case "isoyear":
		return fieldISOYear
	case "dow":
		return fieldDOW
	case "isodow":
		return fieldISODOW
	case "doy":
		return fieldDOY
	case "j", "jd", "julian":
		return fieldJulian
	case "epoch":
		return fieldEpoch
	case "timezone":
		return fieldZone
	case "timezone_h", "timezone_hour":
		return fieldZoneHour
	case "timezone_m", "timezone_minute":
		return fieldZoneMinute
	}
	return fieldNone
}

func errFieldUnknown(name []byte, t types.Type) error {
	return sqlerr.New(sqlerr.InvalidParameterValue, "unit \"%s\" not recognized for type %s", bytes.ToLower(name), t)
}

func errFieldUnsupported(name []byte, t types.Type) error {
	return sqlerr.New(sqlerr.FeatureNotSupported, "unit \"%s\" not supported for type %s", bytes.ToLower(name), t)
}

// truncateError is the error of a field to which nothing can be truncated.
func truncateError(name []byte, t types.Type) error {
	switch parseField(name) {
	case fieldZone, fieldZoneHour, fieldZoneMinute:
		return errFieldUnsupported(name, t)
	}
	return errFieldUnknown(name, t)
}

// fieldError is the error of a field that a type does not have.
func fieldError(name []byte, t types.Type) error {
	if parseField(name) == fieldNone {
		return errFieldUnknown(name, t)
	}
	return errFieldUnsupported(name, t)
}

// part is the value of a field: value / 10^scale, or an infinity, or absent.
type part struct {
	value    int64
	scale    int32
	infinite int      // sign
	exact    *decimal // instead of value, where that is too narrow
	ok       bool
}

func whole(v int64) part { return part{value: v, ok: true} }

func scaled(v int64, scale int32) part { return part{value: v, scale: scale, ok: true} }

func (p part) numeric() decimal {
	if p.infinite != 0 {
		return types.DecimalInf(p.infinite)
	}
	if p.exact != nil {
		return *p.exact
	}
	return types.NewDecimal(p.value>>63, uint64(p.value), p.scale)
}

func (p part) float() float64 {
	if p.infinite != 0 {
		return math.Inf(p.infinite)
	}
	if p.exact != nil {
		return p.exact.Float64()
	}
	return float64(p.value) / math.Pow10(int(p.scale))
}

// extractor returns a field of a value, NULL by errNull.
type extractor[T any] func(f field, v T) (part, error)

// extract lifts an extractor to the kernels of extract and date_part.
func extract[T, R any](t types.Type, e func(zone *time.Location) extractor[T], result func(part) R) maker {
	return func(s *site) (kernel, error) {
		take := e(s.env.zone())
		known := fieldNone // of a constant name
		if d, ok := s.constant(0); ok {
			known = parseField(d.Bytes)
		}
		return fn2e(func(name []byte, v T) (r R, err error) {
			f := known
			if f == fieldNone {
				f = parseField(name)
			}
			p, err := take(f, v)
			if err != nil {
				return r, err
			}
			if !p.ok {
				return r, fieldError(name, t)
			}
			return result(p), nil
		})(s)
	}
}

func addExtractor[T any](t *tables, name string, e func(zone *time.Location) extractor[T], opts ...option) {
	typ := mustType(name)
	opts = append(opts, nullable)
	t.fn("extract(text,"+name+") numeric", extract(typ, e, part.numeric), opts...)
	if name != "date" { // its date_part is that of the timestamp
		t.fn("date_part(text,"+name+") float8", extract(typ, e, part.float), opts...)
	}
}

func plainExtractor[T any](e extractor[T]) func(*time.Location) extractor[T] {
	return func(*time.Location) extractor[T] { return e }
}

func (t *tables) addExtract() {
	addExtractor(t, "date", plainExtractor(extractDate))
	addExtractor(t, "timestamp", plainExtractor(extractTimestamp))
	addExtractor(t, "timestamptz", extractTimestamptz, usesSettings)
	addExtractor(t, "time", plainExtractor(extractTime))
	addExtractor(t, "interval", plainExtractor(extractInterval))
	addExtractor(t, "timetz", plainExtractor(extractTimeTZ))
	t.fn("date_part(text,date) float8", fn2e(func(name []byte, d int64) (float64, error) {
		ts, err := types.DateToTimestamp(d)
		if err != nil {
			return 0, err
		}
		p, err := extractTimestamp(parseField(name), ts)
		if err == nil && !p.ok {
			err = fieldError(name, types.Timestamp)
		}
		return p.float(), err
	}), nullable)
	t.addTruncate()
}

// infinitePart is the field of an infinite date or timestamp: infinite where the
// field grows without end, else NULL.
func infinitePart(f field, sign int) (part, error) {
	switch f {
	case fieldYear, fieldDecade, fieldCentury, fieldMillennium, fieldJulian, fieldISOYear, fieldEpoch:
		return part{infinite: sign, ok: true}, nil
	case fieldNone, fieldZone, fieldZoneHour, fieldZoneMinute:
		return part{}, nil
	}
	return part{}, errNull
}

// julianOfEpoch is the Julian day of 2000-01-01.
const julianOfEpoch = 2451545

// calendarPart computes the fields of a day.
func calendarPart(f field, days int64) part {
	switch f {
	case fieldDOW:
		return whole(floorMod(days+6, 7))
	case fieldISODOW:
		return whole(floorMod(days+5, 7) + 1)
	case fieldJulian:
		return whole(days + julianOfEpoch)
	}
	y, m, d := types.CivilFromDays(days)
	year := int64(y)
	switch f {
	case fieldDay:
		return whole(int64(d))
	case fieldMonth:
		return whole(int64(m))
	case fieldQuarter:
		return whole(int64(m-1)/3 + 1)
	case fieldDOY:
		return whole(days - types.DaysFromCivil(y, 1, 1) + 1)
	case fieldWeek:
		_, w := isoWeek(days)
		return whole(w)
	case fieldISOYear:
		iso, _ := isoWeek(days)
		return whole(eraYear(iso))
	case fieldYear:
		return whole(eraYear(year))
	case fieldDecade:
		return whole(floorDiv(year, 10))
	case fieldCentury:
		return whole(eraPeriod(year, 100))
	case fieldMillennium:
		return whole(eraPeriod(year, 1000))
	}
	return part{}
}

// eraYear turns the astronomical year into the one without a year zero.
func eraYear(y int64) int64 {
	if y <= 0 {
		return y - 1
	}
	return y
}

// eraPeriod numbers centuries and millennia: 1 to 100 is the first.
func eraPeriod(y, n int64) int64 {
	if y > 0 {
		return (y + n - 1) / n
	}
	return -((n - 1 - (y - 1)) / n)
}

// isoWeek returns the year and week of ISO 8601.
func isoWeek(days int64) (year, week int64) {
	thursday := days - floorMod(days+5, 7) + 3
	y, _, _ := types.CivilFromDays(thursday)
	return int64(y), (thursday-types.DaysFromCivil(y, 1, 1))/7 + 1
}

// clockPart computes the fields of a time of day.
func clockPart(f field, micros int64) part {
	inMinute := micros % types.MicrosPerMinute
	switch f {
	case fieldMicrosecond:
		return whole(inMinute)
	case fieldMillisecond:
		return scaled(inMinute, 3)
	case fieldSecond:
		return scaled(inMinute, 6)
	case fieldMinute:
		return whole(micros / types.MicrosPerMinute % 60)
	case fieldHour:
		return whole(micros / types.MicrosPerHour)
	}
	return part{}
}

func extractDate(f field, days int64) (part, error) {
	if types.DateIsInf(days) {
		p, err := infinitePart(f, compareInts(days, 0))
		if clockPart(f, 0).ok {
			return part{}, nil
		}
		return p, err
	}
	if f == fieldEpoch {
		return whole((days - types.UnixEpochDays) * 86400), nil
	}
	return calendarPart(f, days), nil
}

func extractTimestamp(f field, ts int64) (part, error) {
	if types.TimestampIsInf(ts) {
		return infinitePart(f, compareInts(ts, 0))
	}
	days := floorDiv(ts, types.MicrosPerDay)
	clock := ts - days*types.MicrosPerDay
	if p := clockPart(f, clock); p.ok {
		return p, nil
	}
	switch f {
	case fieldEpoch:
		return epochPart(ts), nil
	case fieldJulian:
		return julianPart(days, clock)
	}
	return calendarPart(f, days), nil
}

// epochPart is exact while the sum fits 64 bits, as it does within the range of
// timestamps.
func epochPart(ts int64) part { return scaled(ts-types.UnixEpochMicros, 6) }

// julianPart is the Julian day with the time as fraction, in the digits that
// numeric division gives it.
func julianPart(days, clock int64) (part, error) {
	q, err := types.DecimalFromInt64(clock).Div(types.DecimalFromInt64(types.MicrosPerDay))
	if err != nil {
		return part{}, err
	}
	sum, err := q.Add(types.DecimalFromInt64(days + julianOfEpoch))
	if err != nil {
		return part{}, err
	}
	return part{exact: &sum, ok: true}, nil
}

func extractTimestamptz(zone *time.Location) extractor[int64] {
	return func(f field, ts int64) (part, error) {
		if types.TimestampIsInf(ts) {
			if f == fieldZone || f == fieldZoneHour || f == fieldZoneMinute {
				return part{}, errNull
			}
			return infinitePart(f, compareInts(ts, 0))
		}
		if f == fieldEpoch {
			return epochPart(ts), nil
		}
		if p := zonePart(f, int64(types.ZoneOffset(ts, zone))); p.ok {
			return p, nil
		}
		local, err := types.TimestamptzToTimestamp(ts, zone)
		if err != nil {
			return part{}, err
		}
		return extractTimestamp(f, local)
	}
}

// zonePart computes the fields of an offset in seconds east of UTC.
func zonePart(f field, offset int64) part {
	switch f {
	case fieldZone:
		return whole(offset)
	case fieldZoneHour:
		return whole(offset / 3600)
	case fieldZoneMinute:
		return whole(offset % 3600 / 60)
	}
	return part{}
}

func extractTime(f field, clock int64) (part, error) {
	if f == fieldEpoch {
		return scaled(clock, 6), nil
	}
	return clockPart(f, clock), nil
}

func extractTimeTZ(f field, b []byte) (part, error) {
	clock, west, _ := types.DecodeTimeTZ(b)
	if p := zonePart(f, -int64(west)); p.ok {
		return p, nil
	}
	if f == fieldEpoch {
		return scaled(clock+int64(west)*types.MicrosPerSecond, 6), nil
	}
	return clockPart(f, clock), nil
}

func extractInterval(f field, v interval) (part, error) {
	inMinute := v.Micros % types.MicrosPerMinute
	year := int64(v.Months) / 12
	switch f {
	case fieldMicrosecond:
		return whole(inMinute), nil
	case fieldMillisecond:
		return scaled(inMinute, 3), nil
	case fieldSecond:
		return scaled(inMinute, 6), nil
	case fieldMinute:
		return whole(v.Micros / types.MicrosPerMinute % 60), nil
	case fieldHour:
		return whole(v.Micros / types.MicrosPerHour), nil
	case fieldDay:
		return whole(int64(v.Days)), nil
	case fieldMonth:
		return whole(int64(v.Months % 12)), nil
	case fieldQuarter:
		return whole(int64(v.Months%12)/3 + 1), nil
	case fieldYear:
		return whole(year), nil
	case fieldDecade:
		return whole(year / 10), nil
	case fieldCentury:
		return whole(year / 100), nil
	case fieldMillennium:
		return whole(year / 1000), nil
	case fieldEpoch:
		return intervalEpoch(v), nil
	}
	return part{}, nil
}

// intervalEpoch counts a year as 365.25 days and a month as 30, as PostgreSQL
// does.
func intervalEpoch(v interval) part {
	secs := int64(v.Months/12)*31557600 + int64(v.Months%12)*30*86400 + int64(v.Days)*86400
	return scaled(secs*types.MicrosPerSecond+v.Micros, 6)
}
