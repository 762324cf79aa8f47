package types

import (
	"math"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// The fields of an interval, as bits of the range in its type modifier.
const (
	rangeMonth  = 1 << 1
	rangeYear   = 1 << 2
	rangeDay    = 1 << 3
	rangeHour   = 1 << 10
	rangeMinute = 1 << 11
	rangeSecond = 1 << 12

	fullRange     = 0x7FFF
	fullPrecision = 0xFFFF
)

// intervalRanges names the ranges as SQL writes them after INTERVAL.
var intervalRanges = []struct {
	name string
	mask int
}{
	{"year", rangeYear},
	{"month", rangeMonth},
	{"day", rangeDay},
	{"hour", rangeHour},
	{"minute", rangeMinute},
	{"second", rangeSecond},
	{"year to month", rangeYear | rangeMonth},
	{"day to hour", rangeDay | rangeHour},
	{"day to minute", rangeDay | rangeHour | rangeMinute},
	{"day to second", rangeDay | rangeHour | rangeMinute | rangeSecond},
	{"hour to minute", rangeHour | rangeMinute},
	{"hour to second", rangeHour | rangeMinute | rangeSecond},
	{"minute to second", rangeMinute | rangeSecond},
}

// IntervalTypmod returns the modifier of INTERVAL fields(precision): fields in
// lower case ("day to second", "" for all), precision -1 for none. ok is false
// for fields that SQL does not know.
func IntervalTypmod(fields string, precision int) (mod int32, ok bool) {
	mask := fullRange
	if fields != "" {
		mask = 0
		for i := range intervalRanges {
			if intervalRanges[i].name == fields {
				mask = intervalRanges[i].mask
			}
		}
		if mask == 0 {
			return -1, false
		}
	}
	if precision < 0 {
		if fields == "" {
			return -1, true
		}
		return int32(mask)<<16 | fullPrecision, true
	}
	return int32(mask)<<16 | int32(min(precision, 6)), true
}

// makeIntervalTypmod reads (precision) or, as PostgreSQL's parser passes them,
// (range mask, precision).
func makeIntervalTypmod(args []int) (int32, error) {
	mask, precision := fullRange, args[len(args)-1]
	if len(args) == 2 {
		mask = args[0]
	}
	if len(args) > 2 || mask < 0 || mask > fullRange {
		return -1, errTypmod("invalid INTERVAL type modifier")
	}
	if precision < 0 {
		return -1, errTypmod("INTERVAL(%d) precision must not be negative", precision)
	}
	if precision != fullPrecision {
		precision = min(precision, 6)
	}
	return int32(mask)<<16 | int32(precision), nil
}

func intervalTypmodString(mod int32) string {
	s := ""
	mask, precision := int(mod>>16&fullRange), int(mod&0xFFFF)
	for i := range intervalRanges {
		if intervalRanges[i].mask == mask {
			s = " " + intervalRanges[i].name
		}
	}
	if precision != fullPrecision {
		s += "(" + string(appendInt(nil, int64(precision))) + ")"
	}
	return s
}

// applyTypmod clears the fields below the range and rounds the seconds.
func (v IntervalValue) applyTypmod(mod int32) (IntervalValue, error) {
	if mod < 0 {
		return v, nil
	}
	switch mask := int(mod >> 16 & fullRange); mask {
	case rangeYear:
		v = IntervalValue{Months: v.Months / 12 * 12}
	case rangeMonth, rangeYear | rangeMonth:
		v = IntervalValue{Months: v.Months}
	case rangeDay:
		v.Micros = 0
	case rangeHour, rangeDay | rangeHour:
		v.Micros = v.Micros / MicrosPerHour * MicrosPerHour
	case rangeMinute, rangeDay | rangeHour | rangeMinute, rangeHour | rangeMinute:
		v.Micros = v.Micros / MicrosPerMinute * MicrosPerMinute
	}
	if precision := mod & 0xFFFF; precision < 6 {
		const margin = MicrosPerSecond
		if v.Micros > math.MaxInt64-margin || v.Micros < math.MinInt64+margin {
			return v, errIntervalRange()
		}
		v.Micros = RoundTimestamp(v.Micros, precision)
	}
	return v, nil
}

func errIntervalRange() error {
	return sqlerr.New(sqlerr.DatetimeFieldOverflow, "interval out of range")
}
