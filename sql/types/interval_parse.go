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

// ParseInterval reads an interval in any of PostgreSQL's forms: units in words
// or letters ('1 year 2 mons 3 days 04:05:06 ago'), the SQL standard's
// ('1-2 3 4:05:06'), and ISO 8601's ('P1Y2M3DT4H5M6S', 'P0001-02-03T04:05:06').
// typmod is the type's, -1 for none: it says what a bare number means and is
// applied to the result. 22007, 22015, 22008.
func ParseInterval(s []byte, typmod int32, env *Env) (IntervalValue, error) {
	mask := fullRange
	if typmod >= 0 {
		mask = int(typmod >> 16 & fullRange)
	}
	p := intervalParser{mask: mask, standard: env.intervalStyle() == IntervalSQLStandard}
	fault := p.parse(s)
	if fault == badFormat {
		p.intervalDecoder = intervalDecoder{}
		if p.parseISO(trimSpace(s)) {
			fault = 0
		}
	}
	switch {
	case fault == badFormat:
		return IntervalValue{}, sqlerr.New(sqlerr.InvalidDatetimeFormat, "invalid input syntax for type interval: \"%s\"", s)
	case fault != 0 || p.over:
		return IntervalValue{}, sqlerr.New(sqlerr.IntervalFieldOverflow, "interval field value out of range: \"%s\"", s)
	}
	v, err := makeInterval(p.years*12+p.months, p.days, p.micros)
	if err != nil {
		return v, err
	}
	return v.applyTypmod(typmod)
}

type intervalParser struct {
	intervalDecoder
	mask     int
	standard bool // a leading minus counts for all fields
	seen     uint16
	unit     intervalUnit // of the numbers to the left
	ago      bool
}

// parse reads the fields from right to left, so that a number knows its unit.
func (p *intervalParser) parse(s []byte) dateFault {
	var d dateDecoder
	if fault := d.split(s); fault != 0 {
		return fault
	}
	for i := d.n - 1; i >= 0; i-- {
		if fault := p.field(&d.fields[i]); fault != 0 {
			return fault
		}
	}
	if p.seen == 0 {
		return badFormat
	}
	if p.standard && d.fields[0].text[0] == '-' && !p.otherSigns(&d) {
		p.negateAll()
	}
	if p.ago {
		p.negate()
	}
	return 0
}

// otherSigns says whether a field but the first has a sign of its own.
func (p *intervalParser) otherSigns(d *dateDecoder) bool {
	for i := 1; i < d.n; i++ {
		if c := d.fields[i].text[0]; c == '-' || c == '+' {
			return true
		}
	}
	return false
}

// negateAll makes every part negative, the SQL standard's reading of a leading
// minus.
func (p *intervalParser) negateAll() {
	p.years, p.months, p.days = -abs64(p.years), -abs64(p.months), -abs64(p.days)
	p.micros = -abs64(p.micros)
}

func abs64(v int64) int64 {
	if v < 0 {
		return -v
	}
	return v
}

func (p *intervalParser) negate() {
	if p.micros == math.MinInt64 || p.days == math.MinInt32 || p.months == math.MinInt32 || p.years == math.MinInt32 {
		p.over = true
		return
	}
	p.years, p.months, p.days, p.micros = -p.years, -p.months, -p.days, -p.micros
}

// mark notes that units were given; twice is a fault.
func (p *intervalParser) mark(units ...intervalUnit) bool {
	for _, unit := range units {
		bit := uint16(1) << unit
		if p.seen&bit != 0 {
			return false
		}
		p.seen |= bit
	}
	return true
}

func (p *intervalParser) field(f *dateField) dateFault {
	switch f.kind {
	case fieldTime:
		return p.clock(f.text, false)
	case fieldZone: // a sign and digits
		text, neg := trimSpace(f.text[1:]), f.text[0] == '-'
		if indexByte(text, ':') >= 0 {
			return p.clock(text, neg)
		}
		return p.number(text, neg)
	case fieldNumber, fieldDate:
		return p.number(f.text, false)
	case fieldString:
		return p.word(f.text)
	}
	return badFormat
}

func (p *intervalParser) word(text []byte) dateFault {
	if len(text) > 10 {
		text = text[:10] // PostgreSQL compares so many characters
	}
	unit := lookupUnit(text)
	switch unit {
	case unitNone:
		return badFormat
	case unitAgo:
		p.ago = true
		p.unit = unitNone
		return 0
	}
	p.unit = unit
	return 0
}

// clock reads h:mm[:ss[.f]], with fields by range m:ss.
func (p *intervalParser) clock(text []byte, neg bool) dateFault {
	h, rest := scanDigits(text)
	if len(h) == 0 || len(rest) == 0 || rest[0] != ':' {
		return badFormat
	}
	m, rest := scanDigits(rest[1:])
	var s []byte
	switch {
	case len(rest) == 0 && p.mask == rangeMinute|rangeSecond, len(rest) > 0 && rest[0] == '.':
		h, m, s = nil, h, m
	case len(rest) > 0 && rest[0] == ':':
		s, rest = scanDigits(rest[1:])
	}
	micro := 0
	if len(rest) > 0 {
		var ok bool
		if rest[0] != '.' {
			return badFormat
		}
		if micro, ok = parseFraction(rest[1:]); !ok {
			return badFormat
		}
	}
	hours, ok1 := atoi64(h)
	minutes, ok2 := atoi(m)
	seconds, ok3 := atoi(s)
	if !ok1 || !ok2 || !ok3 || minutes > 59 || seconds > 60 {
		return badField
	}
	if !p.mark(unitHour, unitMinute, unitSecond, unitMillisecond, unitMicrosecond) {
		return badFormat
	}
	sign := int64(1)
	if neg {
		sign = -1
	}
	p.addUnits(sign*hours, 0, MicrosPerHour)
	p.addMicros(sign * (int64(minutes)*MicrosPerMinute + int64(seconds)*MicrosPerSecond + int64(micro)))
	// A number to the left of a clock counts days: '3 4:05:06'.
	p.unit = unitDay
	return 0
}

func atoi64(b []byte) (v int64, ok bool) {
	for _, c := range b {
		if !isDigit(c) || v > (math.MaxInt64-int64(c-'0'))/10 {
			return 0, false
		}
		v = v*10 + int64(c-'0')
	}
	return v, true
}

// defaultUnit is what a bare number counts, by the type's range.
func (p *intervalParser) defaultUnit() intervalUnit {
	switch p.mask {
	case rangeYear:
		return unitYear
	case rangeMonth, rangeYear | rangeMonth:
		return unitMonth
	case rangeDay:
		return unitDay
	case rangeHour, rangeDay | rangeHour:
		return unitHour
	case rangeMinute, rangeHour | rangeMinute, rangeDay | rangeHour | rangeMinute:
		return unitMinute
	}
	return unitSecond
}

// number reads a number whose unit is on its right, or years-months.
func (p *intervalParser) number(text []byte, neg bool) dateFault {
	whole, rest := scanDigits(text)
	if p.unit == unitNone {
		p.unit = p.defaultUnit()
	}
	if len(rest) > 0 && rest[0] == '-' {
		return p.yearMonth(whole, rest[1:], neg)
	}
	if len(whole) == 0 && len(rest) < 2 || len(rest) > 0 && rest[0] != '.' {
		return badFormat
	}
	n, ok := atoi64(whole)
	if !ok {
		return badField
	}
	fraction := 0.0
	if len(rest) > 0 {
		if fraction, ok = parseFractionFloat(rest[1:]); !ok {
			return badFormat
		}
	}
	if neg {
		n, fraction = -n, -fraction
	}
	if p.unit == unitSecond && fraction != 0 {
		ok = p.mark(unitSecond, unitMillisecond, unitMicrosecond)
	} else {
		ok = p.mark(p.unit)
	}
	if !ok {
		return badFormat
	}
	p.add(p.unit, n, fraction)
	if p.unit == unitHour {
		p.unit = unitDay // for the number to the left: '1 2 hours'
	}
	return 0
}

// yearMonth reads the SQL standard's years-months.
func (p *intervalParser) yearMonth(y, m []byte, neg bool) dateFault {
	months, rest := scanDigits(m)
	years, ok1 := atoi64(y)
	mon, ok2 := atoi(months)
	if len(y) == 0 || len(months) == 0 || len(rest) > 0 {
		return badFormat
	}
	if !ok1 || !ok2 || mon >= 12 || years > math.MaxInt32 {
		return badField
	}
	p.unit = unitMonth
	if !p.mark(unitMonth) {
		return badFormat
	}
	total := years*12 + int64(mon)
	if neg {
		total = -total
	}
	p.addMonths(total, 0)
	return 0
}

// parseFractionFloat reads the digits after a decimal point as a fraction.
func parseFractionFloat(b []byte) (float64, bool) {
	if len(b) == 0 {
		return 0, true
	}
	digits, rest := scanDigits(b)
	if len(rest) != 0 || len(digits) == 0 {
		return 0, false
	}
	f, err := ParseFloat(Float8, append([]byte("0."), digits...))
	return f, err == nil
}

// parseISO reads ISO 8601 durations, with designators or in the alternative
// form.
func (p *intervalParser) parseISO(s []byte) bool {
	if len(s) < 2 || s[0] != 'P' {
		return false
	}
	s = s[1:]
	inTime, any := false, false
	for len(s) > 0 {
		if s[0] == 'T' {
			inTime, s = true, s[1:]
			continue
		}
		n, fraction, rest, ok := isoNumber(s)
		if !ok {
			return false
		}
		if len(rest) == 0 || rest[0] == '-' || rest[0] == ':' || rest[0] == 'T' {
			return !any && p.parseISOAlternative(s, inTime)
		}
		any = true
		unit := isoUnit(rest[0], inTime)
		if unit == unitNone {
			return false
		}
		s = rest[1:]
		p.add(unit, n, fraction)
	}
	return any || inTime
}

func isoUnit(c byte, inTime bool) intervalUnit {
	if inTime {
		switch c {
		case 'H':
			return unitHour
		case 'M':
			return unitMinute
		case 'S':
			return unitSecond
		}
		return unitNone
	}
	switch c {
	case 'Y':
		return unitYear
	case 'M':
		return unitMonth
	case 'W':
		return unitWeek
	case 'D':
		return unitDay
	}
	return unitNone
}

// isoNumber reads a signed decimal number from the front.
func isoNumber(s []byte) (n int64, fraction float64, rest []byte, ok bool) {
	neg := false
	if s[0] == '-' || s[0] == '+' {
		neg = s[0] == '-'
		s = s[1:]
	}
	whole, rest := scanDigits(s)
	n, ok = atoi64(whole)
	if len(rest) > 0 && (rest[0] == '.' || rest[0] == ',') {
		var digits []byte
		digits, rest = scanDigits(rest[1:])
		if len(digits)+len(whole) == 0 {
			return 0, 0, s, false
		}
		fraction, _ = parseFractionFloat(digits)
	} else if len(whole) == 0 {
		return 0, 0, s, false
	}
	if neg {
		n, fraction = -n, -fraction
	}
	return n, fraction, rest, ok
}

// parseISOAlternative reads [YYYY-MM-DD][Thh:mm:ss] and its shorter forms.
func (p *intervalParser) parseISOAlternative(s []byte, inTime bool) bool {
	units := [...]intervalUnit{unitYear, unitMonth, unitDay, unitHour, unitMinute, unitSecond}
	at := 0
	if inTime {
		at = 3
	}
	for {
		if at == len(units) || len(s) == 0 {
			return false
		}
		n, fraction, rest, ok := isoNumber(s)
		if !ok {
			return false
		}
		switch width := len(s) - len(rest); {
		case at == 0 && width == 8 && isDigit(s[0]): // YYYYMMDD
			p.add(unitYear, n/10000, 0)
			p.add(unitMonth, n/100%100, 0)
			p.add(unitDay, n%100, fraction)
			at = 2
		case at == 3 && width >= 6 && isDigit(s[0]) && isDigit(s[5]): // hhmmss
			p.add(unitHour, n/10000, 0)
			p.add(unitMinute, n/100%100, 0)
			p.add(unitSecond, n%100, fraction)
			at = 5
		default:
			p.add(units[at], n, fraction)
		}
		if len(rest) == 0 {
			return true
		}
		switch {
		case rest[0] == 'T' && at < 3:
			at = 3
		case rest[0] == '-' && at < 2, rest[0] == ':' && at >= 3:
			at++
		default:
			return false
		}
		s = rest[1:]
	}
}
