package types

import (
	"math"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

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
