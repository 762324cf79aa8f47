package expr

import (
	"time"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// fieldMicros is the length of a field that divides the day evenly, 0 for
// others.
func fieldMicros(f field) int64 {
	switch f {
	case fieldMicrosecond:
		return 1
	case fieldMillisecond:
		return 1000
	case fieldSecond:
		return types.MicrosPerSecond
	case fieldMinute:
		return types.MicrosPerMinute
	case fieldHour:
		return types.MicrosPerHour
	case fieldDay:
		return types.MicrosPerDay
	}
	return 0
}

// truncateTimestamp is date_trunc on a clock; ok is false for fields it does
// not know.
func truncateTimestamp(f field, ts int64) (int64, bool) {
	if n := fieldMicros(f); n != 0 {
		if types.TimestampIsInf(ts) {
			return ts, true
		}
		return floorDiv(ts, n) * n, true
	}
	if f < fieldWeek || f > fieldMillennium {
		return 0, false
	}
	if types.TimestampIsInf(ts) {
		return ts, true
	}
	return truncateDays(f, floorDiv(ts, types.MicrosPerDay)) * types.MicrosPerDay, true
}

// truncateDays goes back to the first day of a period.
func truncateDays(f field, days int64) int64 {
	if f == fieldWeek {
		return days - floorMod(days+5, 7)
	}
	y, m, _ := types.CivilFromDays(days)
	switch f {
	case fieldMonth:
		return types.DaysFromCivil(y, m, 1)
	case fieldQuarter:
		return types.DaysFromCivil(y, (m-1)/3*3+1, 1)
	case fieldDecade:
		y = int(floorDiv(int64(y), 10)) * 10
	case fieldCentury:
		y = firstYear(y, 100)
	case fieldMillennium:
		y = firstYear(y, 1000)
	}
	return types.DaysFromCivil(y, 1, 1)
}

// firstYear returns the astronomical year in which a century or millennium
// begins: 1 and 101, but -99 for the first before Christ.
func firstYear(y, n int) int { return int(floorDiv(int64(y-1), int64(n)))*n + 1 }

// truncateInZone is date_trunc on a moment: periods of days and more begin at
// the zone's midnight, shorter ones keep the offset that holds at the moment.
func truncateInZone(f field, ts int64, zone *time.Location) (out int64, ok bool, err error) {
	if types.TimestampIsInf(ts) {
		out, ok = truncateTimestamp(f, ts)
		return out, ok, nil
	}
	local, err := types.TimestamptzToTimestamp(ts, zone)
	if err != nil {
		return 0, true, err
	}
	out, ok = truncateTimestamp(f, local)
	if !ok {
		return 0, false, nil
	}
	if f <= fieldHour {
		return ts - (local - out), true, nil
	}
	out, err = types.TimestampToTimestamptz(out, zone)
	return out, true, err
}

func (t *tables) addTruncate() {
	t.fn("date_trunc(text,timestamp) timestamp", truncateClock)
	t.fn("date_trunc(text,timestamptz) timestamptz", inZone(func(zone *time.Location) maker {
		return fn2e(func(name []byte, ts int64) (int64, error) {
			out, ok, err := truncateInZone(parseField(name), ts, zone)
			if !ok {
				err = truncateError(name, types.Timestamptz)
			}
			return out, err
		})
	}), usesSettings)
	t.fn("date_trunc(text,timestamptz,text) timestamptz", func(s *site) (kernel, error) {
		zones := zoneCache{}
		return fn3e(func(name []byte, ts int64, zoneName []byte) (int64, error) {
			zone, err := zones.find(zoneName)
			if err != nil {
				return 0, err
			}
			out, ok, err := truncateInZone(parseField(name), ts, zone)
			if !ok {
				err = truncateError(name, types.Timestamptz)
			}
			return out, err
		})(s)
	})
	t.fn("date_trunc(text,interval) interval", fn2e(truncateInterval))
	t.fn("date_bin(interval,timestamp,timestamp) timestamp", binMaker)
	t.fn("date_bin(interval,timestamptz,timestamptz) timestamptz", binMaker)
}

// truncateClock reads a constant field once.
func truncateClock(s *site) (kernel, error) {
	if d, ok := s.constant(0); ok {
		if n := fieldMicros(parseField(d.Bytes)); n != 0 {
			return fn2(func(_ []byte, ts int64) int64 {
				if types.TimestampIsInf(ts) {
					return ts
				}
				return ts - floorMod(ts, n)
			})(s)
		}
	}
	return fn2e(func(name []byte, ts int64) (int64, error) {
		out, ok := truncateTimestamp(parseField(name), ts)
		if !ok {
			return 0, truncateError(name, types.Timestamp)
		}
		return out, nil
	})(s)
}

func truncateInterval(name []byte, v interval) (interval, error) {
	f := parseField(name)
	step := func(n int32) interval { return interval{Months: v.Months / n * n} }
	switch f {
	case fieldMillennium:
		return step(12000), nil
	case fieldCentury:
		return step(1200), nil
	case fieldDecade:
		return step(120), nil
	case fieldYear:
		return step(12), nil
	case fieldQuarter:
		return step(3), nil
	case fieldMonth:
		return step(1), nil
	case fieldDay:
		return interval{Months: v.Months, Days: v.Days}, nil
	case fieldWeek:
		return v, sqlerr.New(sqlerr.FeatureNotSupported, "unit \"%s\" not supported for type interval", name).
			WithDetail("Months usually have fractional weeks.")
	}
	n := fieldMicros(f)
	if n == 0 {
		return v, truncateError(name, types.Interval)
	}
	v.Micros -= v.Micros % n
	return v, nil
}

// dateBin is date_bin: the begin of the bin of the given width that holds ts.
func dateBin(stride interval, ts, origin int64) (int64, error) {
	switch {
	case types.TimestampIsInf(ts):
		return ts, nil
	case types.TimestampIsInf(origin):
		return 0, sqlerr.New(sqlerr.DatetimeFieldOverflow, "origin out of range")
	case stride.Months != 0:
		return 0, sqlerr.New(sqlerr.FeatureNotSupported, "timestamps cannot be binned into intervals containing months or years")
	}
	n, err := stride.FixedMicros()
	if err != nil {
		return 0, err
	}
	if n <= 0 {
		return 0, sqlerr.New(sqlerr.DatetimeFieldOverflow, "stride must be greater than zero")
	}
	diff := ts - origin
	if (ts^origin)&(ts^diff) < 0 {
		return 0, errIntervalRange()
	}
	bin := floorDiv(diff, n) * n
	if out := origin + bin; types.TimestampInRange(out) {
		return out, nil
	}
	return 0, errTimestampRange()
}

// binMaker knows constant bins once: they are the windows of most queries.
func binMaker(s *site) (kernel, error) {
	stride, ok := s.constant(0)
	origin, ok2 := s.constant(2)
	n, err := stride.Ival.FixedMicros()
	if !ok || !ok2 || err != nil || n <= 0 || !types.TimestampInRange(origin.Int) {
		return fn3e(dateBin)(s)
	}
	from := origin.Int
	return onMoments(1, func(ts int64) (int64, error) {
		if types.TimestampIsInf(ts) {
			return ts, nil
		}
		diff := ts - from
		if (ts^from)&(ts^diff) < 0 {
			return 0, errIntervalRange()
		}
		out := ts - floorMod(diff, n)
		if !types.TimestampInRange(out) {
			return 0, errTimestampRange()
		}
		return out, nil
	}), nil
}
