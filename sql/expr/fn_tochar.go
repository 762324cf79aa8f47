package expr

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

func (t *tables) addToChar() {
	t.fn("to_char(timestamp,text) text", formatMoments(func(zone *time.Location) func(int64) (moment, bool, error) {
		return func(ts int64) (moment, bool, error) { return newMoment(ts, nil, 0), types.TimestampIsInf(ts), nil }
	}), nullable)
	t.fn("to_char(timestamptz,text) text", formatMoments(func(zone *time.Location) func(int64) (moment, bool, error) {
		return func(ts int64) (moment, bool, error) {
			if types.TimestampIsInf(ts) {
				return moment{}, true, nil
			}
			local, err := types.TimestamptzToTimestamp(ts, zone)
			return newMoment(local, zone, ts), false, err
		}
	}), usesSettings, nullable)
	t.fn("to_char(interval,text) text", app2e(func(dst []byte, v interval, f []byte) ([]byte, error) {
		if len(f) == 0 {
			return dst, errNull
		}
		return appendMoment(dst, intervalMoment(v), f)
	}), nullable)
	t.fn("to_char(int4,text) text", app2e(func(dst []byte, v int64, f []byte) ([]byte, error) {
		return appendNumber(dst, types.DecimalFromInt64(v), f)
	}))
	t.fn("to_char(int8,text) text", app2e(func(dst []byte, v int64, f []byte) ([]byte, error) {
		return appendNumber(dst, types.DecimalFromInt64(v), f)
	}))
	t.fn("to_char(numeric,text) text", app2e(appendNumber))
	t.fn("to_char(float8,text) text", app2e(appendFloat(15)))
	t.fn("to_char(float4,text) text", app2e(appendFloat(6)))
}

// formatMoments is to_char of timestamps; infinities and empty formats give
// NULL.
func formatMoments(read func(zone *time.Location) func(int64) (moment, bool, error)) maker {
	return inZone(func(zone *time.Location) maker {
		take := read(zone)
		return app2e(func(dst []byte, ts int64, f []byte) ([]byte, error) {
			m, infinite, err := take(ts)
			if err != nil {
				return dst, err
			}
			if infinite || len(f) == 0 {
				return dst, errNull
			}
			return appendMoment(dst, m, f)
		})
	})
}

// moment is a clock taken apart for to_char.
type moment struct {
	year, month, day    int // astronomical year
	hour                int64
	minute, sec, micros int
	days                int64
	zoneName            string
	offset              int
	hasZone, isInterval bool
}

func newMoment(local int64, zone *time.Location, ts int64) moment {
	c := types.CivilFromTimestamp(local)
	m := moment{year: c.Year, month: c.Month, day: c.Day, hour: int64(c.Hour), minute: c.Minute, sec: c.Second, micros: c.Micro,
		days: floorDiv(local, types.MicrosPerDay)}
	if zone != nil {
		m.hasZone = true
		m.zoneName, m.offset = types.TimestampToTime(ts).In(zone).Zone()
	}
	return m
}

func intervalMoment(v interval) moment {
	return moment{year: int(v.Months / 12), month: int(v.Months % 12), day: int(v.Days), hour: v.Micros / types.MicrosPerHour,
		minute: int(v.Micros / types.MicrosPerMinute % 60), sec: int(v.Micros / types.MicrosPerSecond % 60), micros: int(v.Micros % types.MicrosPerSecond),
		isInterval: true}
}

// momentWords are the key words of date formats, longer ones before their
// prefixes. Those that are not numbers exist in three spellings.
func momentWords() []string {
	return []string{"Y,YYY", "YYYY", "YYY", "YY", "Y", "IYYY", "IYY", "IY", "IDDD", "ID", "IW", "I", "HH24", "HH12", "HH", "MI", "MS", "MM", "SSSSS", "SSSS", "SS",
		"US", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6", "MONTH", "Month", "MON", "Mon", "DAY", "Day", "DY", "Dy", "DDD", "DD", "D", "WW", "W", "CC", "J", "Q", "RM",
		"TZH", "TZM", "TZ", "OF", "A.M.", "P.M.", "AM", "PM", "A.D.", "B.C.", "AD", "BC"}
}

// nextWord finds the key word at the front of f. Key words in lower case mean
// the same number, or the name in lower case.
func nextWord(f []byte) string {
	for _, w := range momentWords() {
		if len(f) >= len(w) && (string(f[:len(w)]) == w || string(f[:len(w)]) == strings.ToLower(w)) {
			return string(f[:len(w)])
		}
	}
	return ""
}

// appendMoment formats by a template of to_char.
func appendMoment(dst []byte, m moment, f []byte) ([]byte, error) {
	for len(f) > 0 {
		fill := true
		for bytes.HasPrefix(f, []byte("FM")) || bytes.HasPrefix(f, []byte("fm")) {
			fill, f = false, f[2:]
		}
		if bytes.HasPrefix(f, []byte("TM")) || bytes.HasPrefix(f, []byte("FX")) {
			if f[0] == 'T' {
				return dst, sqlerr.New(sqlerr.FeatureNotSupported, "the template prefix TM is not supported")
			}
			f = f[2:]
			continue
		}
		w := nextWord(f)
		if w == "" {
			dst, f = appendTemplateText(dst, f)
			continue
		}
		f = f[len(w):]
		start := len(dst)
		dst = m.append(dst, w, fill)
		if dst == nil {
			return nil, sqlerr.New(sqlerr.InvalidDatetimeFormat, "invalid format specification for an interval value").
				WithHint("Intervals are not tied to specific calendar dates.")
		}
		if len(f) >= 2 && (string(f[:2]) == "TH" || string(f[:2]) == "th") {
			dst = append(dst, ordinal(dst[start:], f[0] == 'T')...)
			f = f[2:]
		}
	}
	return dst, nil
}

// appendTemplateText copies text of a template that is no key word.
func appendTemplateText(dst, f []byte) (out, rest []byte) {
	switch {
	case f[0] == '"':
		for f = f[1:]; len(f) > 0 && f[0] != '"'; f = f[1:] {
			if f[0] == '\\' && len(f) > 1 {
				f = f[1:]
			}
			dst = append(dst, f[0])
		}
		return dst, f[min(1, len(f)):]
	case f[0] == '\\' && len(f) > 1 && f[1] == '"':
		return append(dst, '"'), f[2:]
	}
	n := runeOffset(f, 1)
	return append(dst, f[:n]...), f[n:]
}

// ordinal returns the English suffix of a number that is printed.
func ordinal(number []byte, upper bool) string {
	suffix := "th"
	n := len(number)
	if n > 0 && (n < 2 || number[n-2] != '1') {
		switch number[n-1] {
		case '1':
			suffix = "st"
		case '2':
			suffix = "nd"
		case '3':
			suffix = "rd"
		}
	}
	if upper {
		return strings.ToUpper(suffix)
	}
	return suffix
}

func zeroPadded(dst []byte, v int64, digits int, fill bool) []byte {
	if v < 0 {
		dst = append(dst, '-')
		v = -v
	}
	s := strconv.FormatInt(v, 10)
	for i := len(s); fill && i < digits; i++ {
		dst = append(dst, '0')
	}
	return append(dst, s...)
}

// displayYear has no sign: BC says it.
func (m *moment) displayYear(y int64) int64 {
	if y <= 0 && !m.isInterval {
		return 1 - y
	}
	return y
}

// append writes one key word; nil says that intervals do not have it.
func (m *moment) append(dst []byte, w string, fill bool) []byte {
	upper := strings.ToUpper(w)
	if m.isInterval {
		switch upper {
		case "MONTH", "MON", "DAY", "DY", "D", "ID", "TZ", "TZH", "TZM", "OF", "AD", "BC", "A.D.", "B.C.":
			return nil
		}
	}
	if out, ok := m.appendClock(dst, w, upper, fill); ok {
		return out
	}
	if out, ok := m.appendName(dst, w, upper, fill); ok {
		return out
	}
	return m.appendCalendar(dst, upper, fill)
}

func (m *moment) appendClock(dst []byte, w, upper string, fill bool) ([]byte, bool) {
	half := (m.hour%12 + 11) % 12
	switch upper {
	case "HH", "HH12":
		if m.isInterval && m.hour%12 == 0 {
			half = 11
		}
		return zeroPadded(dst, half+1, 2, fill), true
	case "HH24":
		return zeroPadded(dst, m.hour, 2, fill), true
	case "MI":
		return zeroPadded(dst, int64(m.minute), 2, fill), true
	case "SS":
		return zeroPadded(dst, int64(m.sec), 2, fill), true
	case "MS":
		return zeroPadded(dst, int64(m.micros/1000), 3, true), true
	case "US":
		return zeroPadded(dst, int64(m.micros), 6, true), true
	case "FF1", "FF2", "FF3", "FF4", "FF5", "FF6":
		digits := zeroPadded(nil, int64(m.micros), 6, true)
		return append(dst, digits[:upper[2]-'0']...), true
	case "SSSS", "SSSSS":
		return strconv.AppendInt(dst, m.hour*3600+int64(m.minute)*60+int64(m.sec), 10), true
	case "AM", "PM", "A.M.", "P.M.":
		s := "AM"
		if m.hour%24 >= 12 {
			s = "PM"
		}
		return append(dst, inSpelling(w, s)...), true
	case "TZ":
		if w == "tz" {
			return append(dst, strings.ToLower(m.zoneName)...), true
		}
		return append(dst, m.zoneName...), true
	case "TZH", "TZM", "OF":
		return m.appendOffset(dst, upper), true
	}
	return dst, false
}

func (m *moment) appendOffset(dst []byte, w string) []byte {
	sign, o := byte('+'), int64(m.offset)
	if o < 0 {
		sign, o = '-', -o
	}
	if w == "TZM" {
		return zeroPadded(dst, o/60%60, 2, true)
	}
	dst = zeroPadded(append(dst, sign), o/3600, 2, true)
	if w == "OF" && o%3600 != 0 {
		dst = zeroPadded(append(dst, ':'), o/60%60, 2, true)
	}
	return dst
}

// inSpelling writes AM, BC and so on in the key word's case and with its dots.
func inSpelling(w, s string) string {
	if len(w) == 4 {
		s = s[:1] + "." + s[1:] + "."
	}
	if w[0] >= 'a' {
		s = strings.ToLower(s)
	}
	return s
}

func (m *moment) appendName(dst []byte, w, upper string, fill bool) ([]byte, bool) {
	name, width := "", 9
	switch upper {
	case "MONTH":
		name = time.Month(m.month).String()
	case "MON":
		name, width = time.Month(m.month).String()[:3], 0
	case "DAY":
		name = time.Weekday(floorMod(m.days+6, 7)).String()
	case "DY":
		name, width = time.Weekday(floorMod(m.days+6, 7)).String()[:3], 0
	case "RM":
		if m.month == 0 {
			return dst, true
		}
		name, width = roman(int64(m.month)), 4
	case "AD", "BC", "A.D.", "B.C.":
		name = "AD"
		if m.year <= 0 {
			name = "BC"
		}
		return append(dst, inSpelling(w, name)...), true
	default:
		return dst, false
	}
	switch {
	case w == upper:
		name = strings.ToUpper(name)
	case w == strings.ToLower(w):
		name = strings.ToLower(name)
	}
	dst = append(dst, name...)
	for i := len(name); fill && i < width; i++ {
		dst = append(dst, ' ')
	}
	return dst, true
}

func roman(n int64) string {
	digits := []struct {
		v int64
		s string
	}{{1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"}, {90, "XC"}, {50, "L"}, {40, "XL"}, {10, "X"}, {9, "IX"}, {5, "V"}, {4, "IV"}, {1, "I"}}
	out := ""
	for _, d := range digits {
		for ; n >= d.v; n -= d.v {
			out += d.s
		}
	}
	return out
}

func (m *moment) appendCalendar(dst []byte, w string, fill bool) []byte {
	year := m.displayYear(int64(m.year))
	part := func(f field) int64 { return calendarPart(f, m.days).value }
	doy := part(fieldDOY)
	iso := func() int64 { y, _ := isoWeek(m.days); return m.displayYear(y) }
	if m.isInterval {
		doy = int64(m.year)*12*30 + int64(m.month)*30 + int64(m.day)
	}
	switch w {
	case "Y,YYY":
		dst = append(strconv.AppendInt(dst, year/1000, 10), ',')
		return zeroPadded(dst, year%1000, 3, true)
	case "YYYY":
		return zeroPadded(dst, year, 4, fill)
	case "YYY":
		return zeroPadded(dst, year%1000, 3, fill)
	case "YY":
		return zeroPadded(dst, year%100, 2, fill)
	case "Y":
		return zeroPadded(dst, year%10, 1, fill)
	case "IYYY":
		return zeroPadded(dst, iso(), 4, fill)
	case "IYY":
		return zeroPadded(dst, iso()%1000, 3, fill)
	case "IY":
		return zeroPadded(dst, iso()%100, 2, fill)
	case "I":
		return zeroPadded(dst, iso()%10, 1, fill)
	case "MM":
		return zeroPadded(dst, int64(m.month), 2, fill)
	case "DD":
		return zeroPadded(dst, int64(m.day), 2, fill)
	case "DDD":
		return zeroPadded(dst, doy, 3, fill)
	case "IDDD":
		return zeroPadded(dst, m.isoDay(), 3, fill)
	case "D":
		return strconv.AppendInt(dst, part(fieldDOW)+1, 10)
	case "ID":
		return strconv.AppendInt(dst, part(fieldISODOW), 10)
	case "W":
		return strconv.AppendInt(dst, int64(m.day-1)/7+1, 10)
	case "WW":
		return zeroPadded(dst, (doy-1)/7+1, 2, fill)
	case "IW":
		return zeroPadded(dst, part(fieldWeek), 2, fill)
	case "CC":
		if m.isInterval {
			return zeroPadded(dst, int64(m.year)/100, 2, fill)
		}
		return zeroPadded(dst, eraPeriod(int64(m.year), 100), 2, fill)
	case "J":
		return strconv.AppendInt(dst, m.days+julianOfEpoch, 10)
	case "Q":
		if m.month == 0 {
			return dst
		}
		return strconv.AppendInt(dst, int64(m.month-1)/3+1, 10)
	}
	return dst
}

// isoDay is the day of the ISO year.
func (m *moment) isoDay() int64 {
	_, week := isoWeek(m.days)
	return (week-1)*7 + floorMod(m.days+5, 7) + 1
}
