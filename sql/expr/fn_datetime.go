package expr

import (
	"math"
	"time"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

func errDateRange() error { return sqlerr.New(sqlerr.DatetimeFieldOverflow, "date out of range") }

func errTimestampRange() error {
	return sqlerr.New(sqlerr.DatetimeFieldOverflow, "timestamp out of range")
}

// inZone makes a kernel that knows the session's time zone.
func inZone(f func(zone *time.Location) maker) maker {
	return func(s *site) (kernel, error) { return f(s.env.zone())(s) }
}

func dateToTimestamptz(days int64, zone *time.Location) (int64, error) {
	ts, err := types.DateToTimestamp(days)
	if err != nil {
		return 0, err
	}
	return types.TimestampToTimestamptz(ts, zone)
}

func (t *tables) addDateTime() {
	for _, typ := range []string{"date", "time", "timestamp", "timestamptz"} {
		t.compare(typ+"_*", typ, typ, intCompare().maker)
	}
	t.compare("timetz_*", "timetz", "timetz", threeWay(compareTimeTZ))
	t.addTimeTZ()
	t.addMixedComparisons()
	t.addDateOperators()
	t.addTimestampOperators()
	t.addZones()
	t.addClock()
	t.addMakers()
}

func compareTimeTZ(a, b []byte) int {
	return types.Compare(types.TimeTZ, types.Datum{Bytes: a}, types.Datum{Bytes: b})
}

// addTimeTZ registers the operators of times with a zone.
func (t *tables) addTimeTZ() {
	add := func(sign int64) func(dst, a []byte, v interval) []byte {
		return func(dst, a []byte, v interval) []byte {
			clock, zone, _ := types.DecodeTimeTZ(a)
			return types.AppendTimeTZ(dst, floorMod(clock+sign*(v.Micros%types.MicrosPerDay), types.MicrosPerDay), zone)
		}
	}
	t.op("+", t.fn("timetz_pl_interval(timetz,interval) timetz", app2(add(1))))
	t.op("-", t.fn("timetz_mi_interval(timetz,interval) timetz", app2(add(-1))))
	t.op("+", t.fn("interval_pl_timetz(interval,timetz) timetz", app2(func(dst []byte, v interval, a []byte) []byte { return add(1)(dst, a, v) })))
	join := func(date int64, a []byte) (int64, error) {
		clock, zone, _ := types.DecodeTimeTZ(a)
		ts, err := dateAndTime(date, clock)
		if err != nil || types.TimestampIsInf(ts) {
			return ts, err
		}
		if ts += int64(zone) * types.MicrosPerSecond; !types.TimestampInRange(ts) {
			return 0, errTimestampRange()
		}
		return ts, nil
	}
	t.op("+", t.fn("datetimetz_pl(date,timetz) timestamptz", fn2e(join)))
	t.op("+", t.fn("timetzdate_pl(timetz,date) timestamptz", fn2e(swapped(join))))
}

// addMixedComparisons compares dates with timestamps and both kinds of these.
// Values that the other type cannot hold are greater than all of its values.
func (t *tables) addMixedComparisons() {
	orEnd := func(ts int64, err error) int64 {
		if err != nil {
			return types.TimestampPosInf
		}
		return ts
	}
	day := func(a int64) int64 { return orEnd(types.DateToTimestamp(a)) }
	pairs := []struct {
		name, left, right string
		convert           func(zone *time.Location) (func(int64) int64, func(int64) int64)
	}{
		{"date", "date", "timestamp", nil},
		{"date", "date", "timestamptz", nil},
		{"timestamp", "timestamp", "timestamptz", nil},
	}
	same := func(a int64) int64 { return a }
	pairs[0].convert = func(*time.Location) (func(int64) int64, func(int64) int64) { return day, same }
	pairs[1].convert = func(zone *time.Location) (func(int64) int64, func(int64) int64) {
		return func(a int64) int64 { return orEnd(dateToTimestamptz(a, zone)) }, same
	}
	pairs[2].convert = func(zone *time.Location) (func(int64) int64, func(int64) int64) {
		return func(a int64) int64 { return orEnd(types.TimestampToTimestamptz(a, zone)) }, same
	}
	for _, p := range pairs {
		opts := []option{mixed}
		if p.right == "timestamptz" {
			opts = append(opts, usesSettings)
		}
		t.compare(p.left+"_*_"+p.right, p.left, p.right, func(op compareOp) maker {
			return inZone(func(zone *time.Location) maker {
				l, r := p.convert(zone)
				return fn2(func(a, b int64) bool { return op.holds(compareInts(l(a), r(b))) })
			})
		}, opts...)
		t.compare(p.right+"_*_"+p.left, p.right, p.left, func(op compareOp) maker {
			return inZone(func(zone *time.Location) maker {
				l, r := p.convert(zone)
				return fn2(func(a, b int64) bool { return op.holds(compareInts(r(a), l(b))) })
			})
		}, opts...)
	}
}

func addDays(date, days int64) (int64, error) {
	if types.DateIsInf(date) {
		return date, nil
	}
	if sum := date + days; types.DateInRange(sum) {
		return sum, nil
	}
	return 0, errDateRange()
}

func addToDate(date int64, v interval) (int64, error) {
	ts, err := types.DateToTimestamp(date)
	if err != nil {
		return 0, err
	}
	return types.TimestampAdd(ts, v)
}

func subtract(add func(int64, interval) (int64, error)) func(int64, interval) (int64, error) {
	return func(a int64, v interval) (int64, error) {
		n, err := v.Neg()
		if err != nil {
			return 0, err
		}
		return add(a, n)
	}
}

func swapped[A, B, R any](f func(A, B) (R, error)) func(B, A) (R, error) {
	return func(b B, a A) (R, error) { return f(a, b) }
}

// dateAndTime is date + time.
func dateAndTime(date, clock int64) (int64, error) {
	ts, err := types.DateToTimestamp(date)
	if err != nil || types.TimestampIsInf(ts) {
		return ts, err
	}
	if ts += clock; !types.TimestampInRange(ts) {
		return 0, errTimestampRange()
	}
	return ts, nil
}

func (t *tables) addDateOperators() {
	t.op("+", t.fn("date_pli(date,int4) date", fn2e(addDays)))
	t.op("+", t.fn("integer_pl_date(int4,date) date", fn2e(swapped(addDays))))
	t.op("-", t.fn("date_mii(date,int4) date", fn2e(func(a, n int64) (int64, error) { return addDays(a, -n) })))
	t.op("-", t.fn("date_mi(date,date) int4", fn2e(func(a, b int64) (int64, error) {
		if types.DateIsInf(a) || types.DateIsInf(b) {
			return 0, sqlerr.New(sqlerr.DatetimeFieldOverflow, "cannot subtract infinite dates")
		}
		return a - b, nil
	})))
	t.op("+", t.fn("date_pl_interval(date,interval) timestamp", fn2e(addToDate)))
	t.op("-", t.fn("date_mi_interval(date,interval) timestamp", fn2e(subtract(addToDate))))
	t.op("+", t.fn("interval_pl_date(interval,date) timestamp", fn2e(swapped(addToDate))))
	t.op("+", t.fn("datetime_pl(date,time) timestamp", fn2e(dateAndTime)))
	t.op("+", t.fn("timedate_pl(time,date) timestamp", fn2e(swapped(dateAndTime))))
	t.fn("timestamp(date,time) timestamp", fn2e(dateAndTime))
	t.fn("timestamptz(date,time) timestamptz", inZone(func(zone *time.Location) maker {
		return fn2e(func(d, c int64) (int64, error) {
			ts, err := dateAndTime(d, c)
			if err != nil {
				return 0, err
			}
			return types.TimestampToTimestamptz(ts, zone)
		})
	}), usesSettings)
	for _, typ := range []string{"date", "timestamp", "timestamptz"} {
		t.fn("isfinite("+typ+") bool", fn1(func(a int64) bool {
			if typ == "date" {
				return !types.DateIsInf(a)
			}
			return !types.TimestampIsInf(a)
		}))
	}
	t.fn("isfinite(interval) bool", fn1(func(interval) bool { return true }))
}

// addToTime wraps around midnight; only the interval's time part counts.
func addToTime(a int64, v interval) (int64, error) {
	return floorMod(a+v.Micros%types.MicrosPerDay, types.MicrosPerDay), nil
}

func (t *tables) addTimestampOperators() {
	t.op("+", t.fn("timestamp_pl_interval(timestamp,interval) timestamp", shiftMaker(1, types.TimestampAdd)))
	t.op("-", t.fn("timestamp_mi_interval(timestamp,interval) timestamp", shiftMaker(-1, subtract(types.TimestampAdd))))
	t.op("+", t.fn("interval_pl_timestamp(interval,timestamp) timestamp", fn2e(swapped(types.TimestampAdd))))
	zoned := func(f func(func(int64, interval) (int64, error)) maker) maker {
		return inZone(func(zone *time.Location) maker {
			return f(func(a int64, v interval) (int64, error) { return types.TimestamptzAdd(a, v, zone) })
		})
	}
	add := func(f func(int64, interval) (int64, error)) maker { return fn2e(f) }
	t.op("+", t.fn("timestamptz_pl_interval(timestamptz,interval) timestamptz", zoned(add), usesSettings))
	t.op("-", t.fn("timestamptz_mi_interval(timestamptz,interval) timestamptz",
		zoned(func(f func(int64, interval) (int64, error)) maker { return fn2e(subtract(f)) }), usesSettings))
	t.op("+", t.fn("interval_pl_timestamptz(interval,timestamptz) timestamptz",
		zoned(func(f func(int64, interval) (int64, error)) maker { return fn2e(swapped(f)) }), usesSettings))
	t.op("-", t.fn("timestamp_mi(timestamp,timestamp) interval", fn2e(types.TimestampSub)))
	t.op("-", t.fn("timestamptz_mi(timestamptz,timestamptz) interval", fn2e(types.TimestampSub)))
	t.op("+", t.fn("time_pl_interval(time,interval) time", fn2e(addToTime)))
	t.op("-", t.fn("time_mi_interval(time,interval) time", fn2e(subtract(addToTime))))
	t.op("+", t.fn("interval_pl_time(interval,time) time", fn2e(swapped(addToTime))))
	t.op("-", t.fn("time_mi_time(time,time) interval", fn2(func(a, b int64) interval { return interval{Micros: a - b} })))
	t.fn("age(timestamp,timestamp) interval", fn2e(types.TimestampAge))
	t.fn("age(timestamptz,timestamptz) interval", inZone(func(zone *time.Location) maker {
		return fn2e(func(a, b int64) (interval, error) {
			la, err := types.TimestamptzToTimestamp(a, zone)
			if err != nil {
				return interval{}, err
			}
			lb, err := types.TimestamptzToTimestamp(b, zone)
			if err != nil {
				return interval{}, err
			}
			return types.TimestampAge(la, lb)
		})
	}), usesSettings)
	t.fn("age(timestamp) interval", ageFromToday(false), usesSettings, usesClock)
	t.fn("age(timestamptz) interval", ageFromToday(true), usesSettings, usesClock)
}

// onMoments computes with one argument, the others being constants that f knows.
func onMoments(i int, f func(ts int64) (int64, error)) kernel {
	return func(c *call) {
		a, out, null := &c.args[i], c.out.Int, c.out.Null
		for _, r := range c.rows() {
			row := int(r)
			v, err := f(a.Int[row&a.mask])
			if err != nil && !null.Get(row) {
				c.fail(row, err)
			}
			out[row] = v
		}
	}
}

// shiftMaker adds a constant interval of one length (sign -1: subtracts it)
// without taking the timestamp apart, the common case in windows and watermarks.
func shiftMaker(sign int64, general func(int64, interval) (int64, error)) maker {
	slow := fn2e(general)
	return func(s *site) (kernel, error) {
		d, ok := s.constant(1)
		if !ok || d.Ival.Months != 0 {
			return slow(s)
		}
		micros, err := d.Ival.FixedMicros()
		if err != nil || micros == math.MinInt64 {
			return slow(s)
		}
		micros *= sign
		return onMoments(0, func(ts int64) (int64, error) {
			sum := ts + micros
			switch {
			case types.TimestampIsInf(ts):
				return ts, nil
			case (ts^sum)&(micros^sum) < 0 || !types.TimestampInRange(sum):
				return 0, errTimestampRange()
			}
			return sum, nil
		}), nil
	}
}

// ageFromToday is age(x): from x to midnight of today.
func ageFromToday(withZone bool) maker {
	return func(s *site) (kernel, error) {
		now, err := s.env.now()
		if err != nil {
			return nil, err
		}
		zone := s.env.zone()
		today, err := types.TimestamptzToTimestamp(now, zone)
		if err != nil {
			return nil, err
		}
		today = floorDiv(today, types.MicrosPerDay) * types.MicrosPerDay
		return fn1e(func(a int64) (interval, error) {
			if withZone {
				var err error
				if a, err = types.TimestamptzToTimestamp(a, zone); err != nil {
					return interval{}, err
				}
			}
			return types.TimestampAge(today, a)
		})(s)
	}
}

// zoneCache finds time zones by name once.
type zoneCache map[string]*time.Location

func (z zoneCache) find(name []byte) (*time.Location, error) {
	if loc, ok := z[string(name)]; ok {
		return loc, nil
	}
	loc, err := types.LookupZone(string(name))
	if err == nil {
		z[string(name)] = loc
	}
	return loc, err
}

func intervalZone(v interval) (*time.Location, error) {
	if v.Months != 0 || v.Days != 0 {
		return nil, sqlerr.New(sqlerr.InvalidParameterValue, "interval time zone \"%s\" must not include months or days", v)
	}
	return time.FixedZone("", int(v.Micros/types.MicrosPerSecond)), nil
}

func (t *tables) addZones() {
	named := func(f func(int64, *time.Location) (int64, error)) maker {
		return func(s *site) (kernel, error) {
			zones := zoneCache{}
			return fn2e(func(name []byte, ts int64) (int64, error) {
				zone, err := zones.find(name)
				if err != nil {
					return 0, err
				}
				return f(ts, zone)
			})(s)
		}
	}
	offset := func(f func(int64, *time.Location) (int64, error)) maker {
		return fn2e(func(v interval, ts int64) (int64, error) {
			zone, err := intervalZone(v)
			if err != nil {
				return 0, err
			}
			return f(ts, zone)
		})
	}
	t.fn("timezone(text,timestamptz) timestamp", named(types.TimestamptzToTimestamp))
	t.fn("timezone(text,timestamp) timestamptz", named(types.TimestampToTimestamptz))
	t.fn("timezone(interval,timestamptz) timestamp", offset(types.TimestamptzToTimestamp))
	t.fn("timezone(interval,timestamp) timestamptz", offset(types.TimestampToTimestamptz))
}

// addClock registers what depends on the clock. current_date and its kin are
// key words in SQL; binders look them up by signature.
func (t *tables) addClock() {
	moment := func(f func(now int64, zone *time.Location) (int64, error)) maker {
		return func(s *site) (kernel, error) {
			now, err := s.env.now()
			if err != nil {
				return nil, err
			}
			zone := s.env.zone()
			return fn0e(func() (int64, error) { return f(now, zone) })(s)
		}
	}
	now := func(now int64, _ *time.Location) (int64, error) { return now, nil }
	for _, name := range []string{"now", "transaction_timestamp", "statement_timestamp"} {
		t.fn(name+"() timestamptz", moment(now), ofClock)
	}
	t.fn("current_timestamp() timestamptz", moment(now), ofClock, internal)
	t.fn("localtimestamp() timestamp", moment(types.TimestamptzToTimestamp), ofClock, internal)
	t.fn("current_date() date", moment(func(now int64, zone *time.Location) (int64, error) {
		ts, err := types.TimestamptzToTimestamp(now, zone)
		return types.TimestampToDate(ts), err
	}), ofClock, internal)
	t.fn("localtime() time", moment(func(now int64, zone *time.Location) (int64, error) {
		ts, err := types.TimestamptzToTimestamp(now, zone)
		return types.TimestampTime(ts), err
	}), ofClock, internal)
	t.fn("clock_timestamp() timestamptz", func(s *site) (kernel, error) {
		if s.env == nil || s.env.Clock == nil {
			return nil, sqlerr.New(sqlerr.FeatureNotSupported, "clock_timestamp() cannot be evaluated here")
		}
		return fn0e(func() (int64, error) { return micros(s.env.Clock()), nil })(s)
	}, isVolatile)
}

func makeDate(year, month, day int64) (int64, error) {
	y := year
	if y < 0 {
		y++ // there is no year 0: -1 is 1 BC
	}
	if year == 0 || month < 1 || month > 12 || day < 1 || y > 1<<30 || y < -1<<30 || day > int64(types.DaysInMonth(int(y), int(month))) {
		return 0, sqlerr.New(sqlerr.DatetimeFieldOverflow, "date field value out of range: %d-%02d-%02d", year, month, day)
	}
	days := types.DaysFromCivil(int(y), int(month), int(day))
	if !types.DateInRange(days) {
		return 0, sqlerr.New(sqlerr.DatetimeFieldOverflow, "date out of range: %d-%02d-%02d", year, month, day)
	}
	return days, nil
}

func makeTime(hour, minute int64, sec float64) (int64, error) {
	us := math.RoundToEven(sec * 1e6)
	if sec != sec || hour < 0 || minute < 0 || minute > 59 || sec < 0 || sec > 60 || hour > 24 ||
		hour == 24 && (minute > 0 || sec > 0) {
		return 0, sqlerr.New(sqlerr.DatetimeFieldOverflow, "time field value out of range: %d:%02d:%02g", hour, minute, sec)
	}
	return hour*types.MicrosPerHour + minute*types.MicrosPerMinute + int64(us), nil
}

// makeTimestamp reads the six arguments of make_timestamp.
func makeTimestamp(c *call) func(row int) (int64, error) {
	var parts [5]*reader[int64]
	for i := range parts {
		parts[i] = bound[int64](c, i)
	}
	sec := bound[float64](c, 5)
	return func(row int) (int64, error) {
		days, err := makeDate(parts[0].at(row), parts[1].at(row), parts[2].at(row))
		if err != nil {
			return 0, err
		}
		clock, err := makeTime(parts[3].at(row), parts[4].at(row), sec.at(row))
		if err != nil {
			return 0, err
		}
		return dateAndTime(days, clock)
	}
}

func (t *tables) addMakers() {
	t.fn("make_date(int4,int4,int4) date", fn3e(makeDate))
	t.fn("make_time(int4,int4,float8) time", fn3e(makeTime))
	t.fn("make_timestamp(int4,int4,int4,int4,int4,float8) timestamp", fixed(makeTimestamp))
	t.fn("make_timestamptz(int4,int4,int4,int4,int4,float8) timestamptz", inZone(func(zone *time.Location) maker {
		return fixed(func(c *call) func(int) (int64, error) {
			local := makeTimestamp(c)
			return func(row int) (int64, error) {
				ts, err := local(row)
				if err != nil {
					return 0, err
				}
				return types.TimestampToTimestamptz(ts, zone)
			}
		})
	}), usesSettings)
	t.fn("make_timestamptz(int4,int4,int4,int4,int4,float8,text) timestamptz", fixed(func(c *call) func(int) (int64, error) {
		local, name, zones := makeTimestamp(c), bound[[]byte](c, 6), zoneCache{}
		return func(row int) (int64, error) {
			ts, err := local(row)
			if err != nil {
				return 0, err
			}
			zone, err := zones.find(name.at(row))
			if err != nil {
				return 0, err
			}
			return types.TimestampToTimestamptz(ts, zone)
		}
	}))
	t.fn("to_timestamp(float8) timestamptz", fn1e(epochToTimestamptz))
}

func epochToTimestamptz(sec float64) (int64, error) {
	switch {
	case sec != sec:
		return 0, sqlerr.New(sqlerr.DatetimeFieldOverflow, "timestamp cannot be NaN")
	case isInf(sec) && sec < 0:
		return types.TimestampNegInf, nil
	case isInf(sec):
		return types.TimestampPosInf, nil
	}
	us := math.RoundToEven((sec - epochMicros/1e6) * 1e6)
	if us < math.MinInt64 || us >= math.MaxInt64 || !types.TimestampInRange(int64(us)) {
		return 0, sqlerr.New(sqlerr.DatetimeFieldOverflow, "timestamp out of range: \"%g\"", sec)
	}
	return int64(us), nil
}
