package types

import (
	"time"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// The general reader of dates and times follows the stages of PostgreSQL's
// datetime.c: the text is cut into fields by the look of their first
// characters, then each field is read in the light of what is known already.

type fieldKind uint8

const (
	fieldNumber  fieldKind = iota // digits, perhaps with a point
	fieldString                   // letters
	fieldDate                     // digits or letters with - / . between
	fieldTime                     // digits with :
	fieldZone                     // sign and digits
	fieldSpecial                  // sign and letters
)

type dateField struct {
	kind fieldKind
	text []byte // in lower case
	raw  []byte // as written
}

// known is the set of parts that were read.
type known uint16

const (
	knownYear known = 1 << iota
	knownMonth
	knownDay
	knownYearDay
	knownTime
	knownZone
	knownMeridiem
	knownEra
	knownWeekday
)

const knownDate = knownYear | knownMonth | knownDay

// dateFault is why a text is no date or time; 0 is none.
type dateFault uint8

const (
	badFormat       dateFault = iota + 1
	badField                  // a field is out of its range
	badMonthDay               // the same, perhaps the order of month and day is to blame
	badDisplacement           // a zone's offset is out of range
	badZone                   // no such time zone
	badNow                    // 'now' without a clock
)

type meridiem uint8

const (
	noMeridiem meridiem = iota
	anteMeridiem
	postMeridiem
)

const (
	maxDateText   = 128
	maxDateFields = 25
)

// dateDecoder is the state of reading one text.
type dateDecoder struct {
	env    *Env
	lower  [maxDateText]byte
	fields [maxDateFields]dateField
	n      int

	have      known
	civil     Civil // the year as written until validate
	yearDay   int
	twoDigits bool // of the year
	textMonth bool // the month was written as a word of its own
	bc        bool
	meridiem  meridiem
	julian    bool
	prefix    byte           // 'j' or 't': what the next number is
	offset    int32          // seconds east of UTC, if knownZone and zone is nil
	zone      *time.Location // a zone by name
	zoneText  []byte
	special   specialDate
}

// specialDate is a word that stands for a whole value.
type specialDate uint8

const (
	specialNone specialDate = iota
	specialEpoch
	specialInf
	specialNegInf
	specialNow
)

func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isAlnum(c byte) bool { return isAlpha(c) || isDigit(c) }

func isDateDelimiter(c byte) bool { return c == '-' || c == '/' || c == '.' }

// split cuts the text into fields.
func (d *dateDecoder) split(s []byte) dateFault {
	if s = trimSpace(s); len(s) > maxDateText {
		return badFormat
	}
	for i, c := range s {
		if c-'A' <= 'Z'-'A' {
			c += 'a' - 'A'
		}
		d.lower[i] = c
	}
	b := d.lower[:len(s)]
	for i := 0; i < len(b); {
		if isSpace(b[i]) {
			i++
			continue
		}
		start := i
		kind, end, skip := scanField(b, i)
		if end == i {
			return badFormat
		}
		i = end
		if skip {
			continue
		}
		if d.n == maxDateFields {
			return badFormat
		}
		d.fields[d.n] = dateField{kind, b[start:end], s[start:end]}
		d.n++
	}
	return 0
}

// scanField finds the end of the field that begins at i; end == i is an error,
// skip says that it is punctuation without meaning.
func scanField(b []byte, i int) (kind fieldKind, end int, skip bool) {
	c := b[i]
	switch {
	case isDigit(c):
		kind, end = scanNumberField(b, i)
		return kind, end, false
	case c == '.':
		return fieldNumber, scanWhile(b, i+1, isDigit), false
	case isAlpha(c):
		kind, end = scanWordField(b, i)
		return kind, end, false
	case c == '+' || c == '-':
		j := scanWhile(b, i+1, isSpace)
		switch {
		case j < len(b) && isDigit(b[j]):
			return fieldZone, scanWhile(b, j, func(c byte) bool { return isDigit(c) || c == ':' || c == '.' || c == '-' }), false
		case j < len(b) && isAlpha(b[j]):
			return fieldSpecial, scanWhile(b, j, isAlpha), false
		}
		return 0, i, false
	case c > ' ' && c < 0x7f:
		return 0, i + 1, true
	}
	return 0, i, false
}

func scanWhile(b []byte, i int, f func(byte) bool) int {
	for i < len(b) && f(b[i]) {
		i++
	}
	return i
}

func scanNumberField(b []byte, i int) (fieldKind, int) {
	i = scanWhile(b, i, isDigit)
	if i == len(b) {
		return fieldNumber, i
	}
	delim := b[i]
	switch {
	case delim == ':':
		return fieldTime, scanWhile(b, i, func(c byte) bool { return isDigit(c) || c == ':' || c == '.' })
	case !isDateDelimiter(delim):
		return fieldNumber, i
	}
	i++
	if i == len(b) || !isDigit(b[i]) {
		return fieldDate, scanWhile(b, i, func(c byte) bool { return isAlnum(c) || c == delim })
	}
	kind := fieldDate
	if delim == '.' {
		kind = fieldNumber
	}
	i = scanWhile(b, i, isDigit)
	if i < len(b) && b[i] == delim {
		kind = fieldDate
		i = scanWhile(b, i, func(c byte) bool { return isDigit(c) || c == delim })
	}
	return kind, i
}

func scanWordField(b []byte, start int) (fieldKind, int) {
	i := scanWhile(b, start, isAlpha)
	if i == len(b) {
		return fieldString, i
	}
	more := isDateDelimiter(b[i])
	if b[i] == '+' || isDigit(b[i]) {
		kind := lookupWord(b[start:i]).kind
		more = kind == wordUnknown || kind == wordZone
	}
	if !more {
		return fieldString, i
	}
	return fieldDate, scanWhile(b, i, func(c byte) bool {
		return isAlnum(c) || isDateDelimiter(c) || c == '+' || c == '_' || c == ':'
	})
}

// decode reads all fields. In a time of day, dateDone makes numbers be read as
// if the date were known.
func (d *dateDecoder) decode(dateDone bool) dateFault {
	for i := 0; i < d.n; i++ {
		before := d.have
		got, fault := d.decodeField(i, dateDone)
		if fault != 0 {
			return fault
		}
		if got&before != 0 {
			return badFormat
		}
		d.have |= got
	}
	if d.prefix != 0 {
		return badFormat
	}
	if d.special != specialNone {
		return 0
	}
	return d.validate()
}

func (d *dateDecoder) decodeField(i int, dateDone bool) (known, dateFault) {
	f := &d.fields[i]
	seen := d.have
	if dateDone {
		seen |= knownDate
	}
	switch f.kind {
	case fieldDate:
		return d.decodeDateField(f, seen)
	case fieldTime:
		if d.prefix == 't' {
			d.prefix = 0
		}
		return knownTime, d.decodeClock(f.text)
	case fieldZone:
		offset, fault := decodeOffset(f.text)
		d.offset, d.zone = offset, nil
		return knownZone, fault
	case fieldNumber:
		return d.decodeNumberField(f, seen)
	}
	return d.decodeWord(i, seen)
}

// decodeDateField reads a field with delimiters: a date, a zone's name, or a
// time run together with its offset (040506-08).
func (d *dateDecoder) decodeDateField(f *dateField, seen known) (known, dateFault) {
	if d.prefix == 'j' {
		return 0, badFormat
	}
	if d.prefix == 0 && seen&(knownMonth|knownDay) != knownMonth|knownDay {
		return d.decodeDate(f.text)
	}
	if isDigit(f.text[0]) {
		d.prefix = 0
		for i, c := range f.text {
			if c == '-' {
				offset, fault := decodeOffset(f.text[i:])
				if fault != 0 {
					return 0, fault
				}
				d.offset = offset
				got, fault := d.decodeRunTogether(f.text[:i], seen|knownDate)
				return got | knownZone, fault
			}
		}
		return 0, badFormat
	}
	got, fault := d.namedZone(f.raw)
	d.zoneText = f.text
	return got, fault
}

func (d *dateDecoder) namedZone(name []byte) (known, dateFault) {
	loc, ok := loadZone(string(name))
	if !ok {
		return 0, badZone
	}
	d.zone = loc
	return knownZone, 0
}

// decodeDate reads a date of up to three parts, letters first as PostgreSQL
// does, so that a month's name settles what the numbers are.
func (d *dateDecoder) decodeDate(text []byte) (got known, fault dateFault) {
	var parts [3][]byte
	n := 0
	for i := 0; i < len(text); {
		if !isAlnum(text[i]) {
			i++
			continue
		}
		end := scanWhile(text, i, isDigit)
		if end == i {
			end = scanWhile(text, i, isAlpha)
		}
		if n == len(parts) {
			return 0, badFormat
		}
		parts[n] = text[i:end]
		n, i = n+1, end
	}
	textMonth := false
	for i := range n {
		if !isAlpha(parts[i][0]) {
			continue
		}
		w := lookupWord(parts[i])
		if w.kind != wordMonth || (d.have|got)&knownMonth != 0 {
			return 0, badFormat
		}
		d.civil.Month = int(w.value)
		got |= knownMonth
		textMonth = true
		parts[i] = nil
	}
	for i := range n {
		if parts[i] == nil {
			continue
		}
		part, fault := d.decodeNumber(parts[i], textMonth, d.have|got)
		if fault != 0 {
			return 0, fault
		}
		if (d.have|got)&part != 0 {
			return 0, badFormat
		}
		got |= part
	}
	if (d.have|got)&^(knownYearDay|knownZone) != knownDate {
		return 0, badFormat // incomplete, or after something else
	}
	return got, 0
}

func (d *dateDecoder) decodeNumberField(f *dateField, seen known) (known, dateFault) {
	if d.prefix != 0 {
		return d.decodePrefixed(f)
	}
	point := indexByte(f.text, '.')
	switch {
	case point >= 0 && seen&knownDate == 0:
		return d.decodeDate(f.text)
	case point > 2:
		return d.decodeRunTogether(f.text, seen)
	case point < 0 && len(f.text) >= 6 && (seen&knownDate == 0 || seen&knownTime == 0):
		return d.decodeRunTogether(f.text, seen)
	}
	return d.decodeNumber(f.text, d.textMonth, seen)
}

func (d *dateDecoder) decodePrefixed(f *dateField) (known, dateFault) {
	prefix := d.prefix
	d.prefix = 0
	if prefix == 't' {
		return d.decodeRunTogether(f.text, d.have|knownDate)
	}
	day, ok := atoi(f.text)
	if !ok || indexByte(f.text, '.') >= 0 {
		return 0, badField
	}
	d.civil.Year, d.civil.Month, d.civil.Day = CivilFromDays(int64(day) - 2451545)
	d.julian = true
	return knownDate, 0
}

// decodeNumber decides by DateStyle and by what is known what a number is.
func (d *dateDecoder) decodeNumber(text []byte, textMonth bool, seen known) (known, dateFault) {
	digits, rest := scanDigits(text)
	value, ok := atoi(digits)
	if len(digits) == 0 || len(rest) > 0 && rest[0] != '.' {
		return 0, badFormat
	}
	if !ok {
		return 0, badField
	}
	if len(rest) > 0 {
		if len(digits) > 2 {
			return d.decodeRunTogether(text, seen|knownDate)
		}
		return 0, badFormat
	}
	order := d.env.dateStyle().Order
	if len(text) == 3 && seen&knownDate == knownYear && value >= 1 && value <= 366 {
		d.yearDay = value
		return knownYearDay | knownMonth | knownDay, 0
	}
	part := knownYear
	switch seen & knownDate {
	case 0:
		if len(text) < 3 && order != OrderYMD {
			part = knownMonth
			if order == OrderDMY {
				part = knownDay
			}
		}
	case knownYear, knownDay:
		part = knownMonth
	case knownMonth:
		if !textMonth || len(text) < 3 && order != OrderYMD {
			part = knownDay
		}
	case knownYear | knownMonth:
		if textMonth && len(text) >= 3 && d.twoDigits {
			d.civil.Day, d.civil.Year, d.twoDigits = d.civil.Year, value, false
			return knownDay, 0
		}
		part = knownDay
	case knownMonth | knownDay:
	case knownDate:
		return d.decodeRunTogether(text, seen)
	default:
		return 0, badFormat
	}
	switch part {
	case knownYear:
		d.civil.Year, d.twoDigits = value, len(text) <= 2
	case knownMonth:
		d.civil.Month = value
	default:
		d.civil.Day = value
	}
	return part, 0
}

// decodeRunTogether reads 20261124, 261124, 100000, 1000 and 100000.123.
func (d *dateDecoder) decodeRunTogether(text []byte, seen known) (known, dateFault) {
	if point := indexByte(text, '.'); point >= 0 {
		micro, ok := parseFraction(text[point+1:])
		if !ok {
			return 0, badFormat
		}
		d.civil.Micro = micro
		text = text[:point]
	} else if seen&knownDate != knownDate {
		if n := len(text); n >= 6 {
			year, ok := atoi(text[:n-4])
			if !ok {
				return 0, badField
			}
			d.civil.Year, d.twoDigits = year, n == 6
			d.civil.Month, _ = atoi(text[n-4 : n-2])
			d.civil.Day, _ = atoi(text[n-2:])
			return knownDate, 0
		}
	}
	if n := len(text); seen&knownTime == 0 && (n == 6 || n == 4) {
		d.civil.Hour, _ = atoi(text[:2])
		d.civil.Minute, _ = atoi(text[2:4])
		d.civil.Second, _ = atoi(text[4:])
		return knownTime, 0
	}
	return 0, badFormat
}

// decodeClock reads hh:mm, hh:mm:ss[.f] and mm:ss.f.
func (d *dateDecoder) decodeClock(text []byte) dateFault {
	c := &d.civil
	h, rest := scanDigits(text)
	if len(rest) == 0 || rest[0] != ':' {
		return badFormat
	}
	m, rest := scanDigits(rest[1:])
	var s []byte
	switch {
	case len(rest) > 0 && rest[0] == '.':
		h, m, s = nil, h, m
	case len(rest) > 0:
		if rest[0] != ':' {
			return badFormat
		}
		s, rest = scanDigits(rest[1:])
	}
	var ok1, ok2, ok3, ok4 bool
	c.Hour, ok1 = atoi(h)
	c.Minute, ok2 = atoi(m)
	c.Second, ok3 = atoi(s)
	if !ok1 || !ok2 || !ok3 {
		return badField
	}
	if len(rest) > 0 {
		if rest[0] != '.' {
			return badFormat
		}
		if c.Micro, ok4 = parseFraction(rest[1:]); !ok4 {
			return badFormat
		}
	}
	if c.Minute > 59 || c.Second > 60 {
		return badField
	}
	return 0
}

// atoi reads up to nine digits; the empty text is 0.
func atoi(b []byte) (v int, ok bool) {
	for _, c := range b {
		if !isDigit(c) || v > 99_999_999 {
			return 0, false
		}
		v = v*10 + int(c-'0')
	}
	return v, true
}

func indexByte(b []byte, c byte) int {
	for i := range b {
		if b[i] == c {
			return i
		}
	}
	return -1
}

// parseFraction reads the digits after a decimal point as microseconds,
// rounded half to even of the digits seen, as rint() of the float does.
func parseFraction(b []byte) (micro int, ok bool) {
	for i := range 6 {
		micro *= 10
		if i < len(b) {
			if !isDigit(b[i]) {
				return 0, false
			}
			micro += int(b[i] - '0')
		}
	}
	if len(b) <= 6 {
		return micro, true
	}
	above, tie := b[6] > '5', b[6] == '5'
	for _, c := range b[6:] {
		if !isDigit(c) {
			return 0, false
		}
	}
	if tie {
		for _, c := range b[7:] {
			above = above || c != '0'
		}
		tie = !above
	}
	if above || tie && micro&1 == 1 {
		micro++
	}
	return micro, true
}

// validate applies era, two-digit years and the ranges.
func (d *dateDecoder) validate() dateFault {
	c := &d.civil
	if d.have&knownYear != 0 && !d.julian {
		switch {
		case d.bc:
			if c.Year <= 0 {
				return badField
			}
			c.Year = 1 - c.Year
		case d.twoDigits:
			if c.Year < 70 {
				c.Year += 2000
			} else if c.Year < 100 {
				c.Year += 1900
			}
		case c.Year <= 0:
			return badField
		}
	}
	if d.have&knownYearDay != 0 {
		c.Year, c.Month, c.Day = CivilFromDays(DaysFromCivil(c.Year, 1, 1) + int64(d.yearDay) - 1)
	}
	if d.have&knownMonth != 0 && (c.Month < 1 || c.Month > 12) || d.have&knownDay != 0 && (c.Day < 1 || c.Day > 31) {
		return badMonthDay
	}
	if d.have&knownDate == knownDate && c.Day > DaysInMonth(c.Year, c.Month) {
		return badField
	}
	return d.validateClock()
}

func (d *dateDecoder) validateClock() dateFault {
	c := &d.civil
	if d.meridiem != noMeridiem && c.Hour > 12 {
		return badField
	}
	if d.meridiem == anteMeridiem && c.Hour == 12 {
		c.Hour = 0
	} else if d.meridiem == postMeridiem && c.Hour != 12 {
		c.Hour += 12
	}
	if c.Hour > 24 || c.Minute > 59 || c.Second > 60 || c.TimeOfDay() > MicrosPerDay {
		return badField
	}
	return 0
}

// err makes the client's error of a fault.
func (d *dateDecoder) err(fault dateFault, typeName string, s []byte) error {
	switch fault {
	case badField:
		return sqlerr.New(sqlerr.DatetimeFieldOverflow, "date/time field value out of range: \"%s\"", s)
	case badMonthDay:
		return sqlerr.New(sqlerr.DatetimeFieldOverflow, "date/time field value out of range: \"%s\"", s).
			WithHint("Perhaps you need a different \"datestyle\" setting.")
	case badDisplacement:
		return sqlerr.New(invalidTimeZoneDisplacement, "time zone displacement out of range: \"%s\"", s)
	case badZone:
		return sqlerr.New(sqlerr.InvalidParameterValue, "time zone \"%s\" not recognized", d.zoneText)
	case badNow:
		return sqlerr.New(sqlerr.FeatureNotSupported, "the value \"%s\" depends on the clock and is not supported here", s)
	}
	return sqlerr.New(sqlerr.InvalidDatetimeFormat, "invalid input syntax for type %s: \"%s\"", typeName, s)
}

const invalidTimeZoneDisplacement = "22009"
