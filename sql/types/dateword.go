package types

import "time"

type wordKind uint8

const (
	wordUnknown wordKind = iota
	wordMonth
	wordMeridiem
	wordEra
	wordWeekday
	wordZone   // value: seconds east of UTC
	wordPrefix // 'j' or 't'
	wordIgnore
	wordSpecial  // value: specialDate
	wordDay      // value: days from today
	wordAllBalls // 00:00:00 UTC
)

type dateWord struct {
	kind  wordKind
	value int32
}

const hourSeconds = 3600

// lookupWord finds what a lower-case word means in a date.
func lookupWord(w []byte) dateWord {
	switch string(w) {
	case "jan", "january":
		return dateWord{wordMonth, 1}
	case "feb", "february":
		return dateWord{wordMonth, 2}
	case "mar", "march":
		return dateWord{wordMonth, 3}
	case "apr", "april":
		return dateWord{wordMonth, 4}
	case "may":
		return dateWord{wordMonth, 5}
	case "jun", "june":
		return dateWord{wordMonth, 6}
	case "jul", "july":
		return dateWord{wordMonth, 7}
	case "aug", "august":
		return dateWord{wordMonth, 8}
	case "sep", "sept", "september":
		return dateWord{wordMonth, 9}
	case "oct", "october":
		return dateWord{wordMonth, 10}
	case "nov", "november":
		return dateWord{wordMonth, 11}
	case "dec", "december":
		return dateWord{wordMonth, 12}
	case "sun", "sunday", "mon", "monday", "tue", "tues", "tuesday", "wed", "weds", "wednesday",
		"thu", "thur", "thurs", "thursday", "fri", "friday", "sat", "saturday":
		return dateWord{kind: wordWeekday}
	case "am":
		return dateWord{wordMeridiem, int32(anteMeridiem)}
	case "pm":
		return dateWord{wordMeridiem, int32(postMeridiem)}
	case "ad":
		return dateWord{wordEra, 0}
	case "bc":
		return dateWord{wordEra, 1}
	case "at", "on":
		return dateWord{kind: wordIgnore}
	case "j", "jd", "julian":
		return dateWord{wordPrefix, 'j'}
	case "t":
		return dateWord{wordPrefix, 't'}
	case "epoch":
		return dateWord{wordSpecial, int32(specialEpoch)}
	case "infinity":
		return dateWord{wordSpecial, int32(specialInf)}
	case "now":
		return dateWord{wordSpecial, int32(specialNow)}
	case "today":
		return dateWord{wordDay, 0}
	case "tomorrow":
		return dateWord{wordDay, 1}
	case "yesterday":
		return dateWord{wordDay, -1}
	case "allballs":
		return dateWord{kind: wordAllBalls}
	}
	if offset, ok := zoneAbbreviation(string(w)); ok {
		return dateWord{wordZone, offset}
	}
	return dateWord{}
}

// zoneAbbreviation returns seconds east of UTC for the abbreviations of
// PostgreSQL's default set that are in common use. They do not depend on the
// date, as "EST" does not in PostgreSQL.
func zoneAbbreviation(w string) (offset int32, ok bool) {
	switch w {
	case "z", "zulu", "utc", "gmt", "ut", "uct", "wet":
		return 0, true
	case "cet", "bst", "west", "met":
		return 1 * hourSeconds, true
	case "cest", "eet", "mest", "mesz", "sast":
		return 2 * hourSeconds, true
	case "eest", "msk", "eat", "trt":
		return 3 * hourSeconds, true
	case "msd":
		return 4 * hourSeconds, true
	case "pkt":
		return 5 * hourSeconds, true
	case "ist":
		return 2 * hourSeconds, true
	case "hkt", "awst", "cct":
		return 8 * hourSeconds, true
	case "jst", "kst":
		return 9 * hourSeconds, true
	case "aest":
		return 10 * hourSeconds, true
	case "aedt":
		return 11 * hourSeconds, true
	case "nzst":
		return 12 * hourSeconds, true
	case "nzdt":
		return 13 * hourSeconds, true
	case "acst":
		return 9*hourSeconds + 1800, true
	case "acdt":
		return 10*hourSeconds + 1800, true
	case "nst":
		return -(3*hourSeconds + 1800), true
	case "ndt":
		return -(2*hourSeconds + 1800), true
	case "brt", "art", "adt":
		return -3 * hourSeconds, true
	case "ast", "edt", "clt":
		return -4 * hourSeconds, true
	case "est", "cdt":
		return -5 * hourSeconds, true
	case "cst", "mdt":
		return -6 * hourSeconds, true
	case "mst", "pdt":
		return -7 * hourSeconds, true
	case "pst", "akdt":
		return -8 * hourSeconds, true
	case "akst":
		return -9 * hourSeconds, true
	case "hst":
		return -10 * hourSeconds, true
	}
	return 0, false
}

// decodeWord reads a field of letters.
func (d *dateDecoder) decodeWord(i int, seen known) (known, dateFault) {
	f := &d.fields[i]
	if f.kind == fieldSpecial {
		return d.decodeSigned(f)
	}
	w := lookupWord(f.text)
	if d.prefix != 0 {
		return 0, badFormat
	}
	switch w.kind {
	case wordMonth:
		return d.decodeMonthWord(int(w.value))
	case wordMeridiem:
		d.meridiem = meridiem(w.value)
		return knownMeridiem, 0
	case wordEra:
		d.bc = w.value == 1
		return knownEra, 0
	case wordWeekday:
		return knownWeekday, 0
	case wordZone:
		d.offset, d.zone = w.value, nil
		return knownZone, 0
	case wordIgnore:
		return 0, 0
	case wordPrefix:
		if w.value == 't' && (seen&knownDate != knownDate || i+1 == d.n) {
			return 0, badFormat
		}
		d.prefix = byte(w.value)
		return 0, 0
	case wordSpecial:
		d.special = specialDate(w.value)
		return knownDate | knownTime | knownZone, 0
	case wordAllBalls:
		d.civil.Hour, d.civil.Minute, d.civil.Second, d.civil.Micro = 0, 0, 0, 0
		d.offset, d.zone = 0, nil
		return knownTime | knownZone, 0
	case wordDay:
		return d.decodeDay(int64(w.value))
	}
	got, fault := d.namedZone(f.raw)
	if fault != 0 {
		fault = badFormat
	}
	return got, fault
}

// decodeSigned reads a sign with letters, which is -infinity alone.
func (d *dateDecoder) decodeSigned(f *dateField) (known, dateFault) {
	if f.text[0] != '-' || !equalFold(trimSpace(f.text[1:]), "infinity") {
		return 0, badFormat
	}
	d.special = specialNegInf
	return knownDate | knownTime | knownZone, 0
}

// decodeMonthWord takes a number that was read as the month for the day.
func (d *dateDecoder) decodeMonthWord(month int) (known, dateFault) {
	got := knownMonth
	if d.have&knownMonth != 0 && !d.textMonth && d.have&knownDay == 0 && d.civil.Month >= 1 && d.civil.Month <= 31 {
		d.civil.Day = d.civil.Month
		got = knownDay
	}
	d.textMonth = true
	d.civil.Month = month
	return got, 0
}

// decodeDay reads today, tomorrow and yesterday.
func (d *dateDecoder) decodeDay(ahead int64) (known, dateFault) {
	now, ok := d.now()
	if !ok {
		return 0, badNow
	}
	c := CivilFromTimestamp(now)
	c.Year, c.Month, c.Day = CivilFromDays(DaysFromCivil(c.Year, c.Month, c.Day) + ahead)
	d.civil.Year, d.civil.Month, d.civil.Day = c.Year, c.Month, c.Day
	return knownDate, 0
}

// now returns the clock of the session's zone as a timestamp.
func (d *dateDecoder) now() (ts int64, ok bool) {
	if d.env == nil || d.env.Now == nil {
		return 0, false
	}
	ts, err := TimestamptzToTimestamp(TimestampFromTime(d.env.Now()), d.env.zone())
	return ts, err == nil
}

// TimestampFromTime returns a moment as a timestamptz.
func TimestampFromTime(t time.Time) int64 { return t.UnixMicro() + UnixEpochMicros }

// TimestampToTime returns a finite timestamptz as a moment.
func TimestampToTime(ts int64) time.Time {
	seconds := floorDiv64(ts, MicrosPerSecond)
	return time.Unix(seconds-UnixEpochDays*86400, (ts-seconds*MicrosPerSecond)*1000).UTC()
}
