package expr

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

func (t *tables) addToTime() {
	t.fn("to_date(text,text) date", fn2e(func(s, f []byte) (int64, error) {
		r, err := readMoment(s, f)
		if err != nil {
			return 0, err
		}
		return r.days()
	}), usesSettings)
	t.fn("to_timestamp(text,text) timestamptz", inZone(func(zone *time.Location) maker {
		return fn2e(func(s, f []byte) (int64, error) {
			r, err := readMoment(s, f)
			if err != nil {
				return 0, err
			}
			local, err := r.timestamp()
			if err != nil {
				return 0, err
			}
			if r.hasZone {
				return types.TimestampToTimestamptz(local, time.FixedZone("", r.offset))
			}
			return types.TimestampToTimestamptz(local, zone)
		})
	}), usesSettings)
}

// momentReader reads text by a template of to_date and to_timestamp.
type momentReader struct {
	text   []byte // all of it, for errors
	s      []byte // what is left
	year   int64
	month  int64
	day    int64
	doy    int64
	hour   int64
	minute int64
	sec    int64
	micros int64
	seen   map[string]bool

	half, afternoon, before bool // HH12, PM, BC
	hasZone                 bool
	offset                  int
}

func readMoment(s, f []byte) (*momentReader, error) {
	r := &momentReader{text: s, s: s, month: 1, day: 1, seen: map[string]bool{}}
	for len(f) > 0 {
		if p := string(f[:min(2, len(f))]); p == "FM" || p == "fm" {
			f = f[2:]
			continue
		}
		w := nextWord(f)
		if w == "" {
			f = r.separator(f)
			continue
		}
		f = f[len(w):]
		r.skipBlanks()
		if len(r.s) == 0 {
			break // what is missing keeps its default
		}
		if err := r.field(strings.ToUpper(w), w, nextWord(f) != ""); err != nil {
			return nil, err
		}
		if p := strings.ToLower(string(f[:min(2, len(f))])); p == "th" {
			f = f[2:]
			r.s = r.s[min(2, len(r.s)):]
		}
	}
	return r, nil
}

func (r *momentReader) skipBlanks() {
	for len(r.s) > 0 && isSpace(r.s[0]) {
		r.s = r.s[1:]
	}
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// separator skips what stands between fields: a separator of the template
// matches any one of the text, other text as many characters as it has.
func (r *momentReader) separator(f []byte) []byte {
	text, rest := appendTemplateText(nil, f)
	if f[0] == '"' || isAlnum(f[0]) {
		r.s = r.s[runeOffset(r.s, bytes.Count(text, nil)-1):]
		return rest
	}
	if len(r.s) > 0 && !isAlnum(r.s[0]) && r.s[0] != '-' && r.s[0] != '+' || len(r.s) > 1 && !isAlnum(r.s[0]) {
		r.s = r.s[1:]
	}
	r.skipBlanks()
	return rest
}

func errMomentValue(value []byte, w, detail string) error {
	return sqlerr.New(sqlerr.InvalidDatetimeFormat, "invalid value \"%s\" for \"%s\"", value, w).WithDetail("%s", detail)
}

// number reads an integer: at most digits of them when another field follows
// at once.
func (r *momentReader) number(w string, digits int, adjacent bool) (int64, error) {
	n := 0
	if len(r.s) > 0 && (r.s[0] == '-' || r.s[0] == '+') {
		n = 1
	}
	for n < len(r.s) && r.s[n] >= '0' && r.s[n] <= '9' && (!adjacent || n < digits) {
		n++
	}
	v, err := strconv.ParseInt(string(r.s[:n]), 10, 32)
	if err != nil {
		return 0, errMomentValue(r.s[:min(max(digits, 1), len(r.s))], w, "Value must be an integer.")
	}
	r.s = r.s[n:]
	return v, nil
}

// fraction reads digits behind a decimal point as microseconds.
func (r *momentReader) fraction(w string, digits int) error {
	start := len(r.s)
	v, err := r.number(w, digits, true)
	if err != nil {
		return err
	}
	for n := start - len(r.s); n < 6; n++ {
		v *= 10
	}
	r.micros = v
	return nil
}

func (r *momentReader) field(w, spelled string, adjacent bool) (err error) {
	r.seen[w] = true
	switch w {
	case "YYYY", "IYYY":
		r.year, err = r.number(w, 4, adjacent)
	case "YYY", "YY", "Y":
		if r.year, err = r.number(w, len(w), adjacent); err == nil {
			r.year = nearestYear(r.year)
		}
	case "MM":
		r.month, err = r.number(w, 2, adjacent)
	case "DD":
		r.day, err = r.number(w, 2, adjacent)
	case "DDD":
		r.doy, err = r.number(w, 3, adjacent)
	case "HH", "HH12":
		r.half = true
		r.hour, err = r.number(w, 2, adjacent)
	case "HH24":
		r.hour, err = r.number(w, 2, adjacent)
	case "MI":
		r.minute, err = r.number(w, 2, adjacent)
	case "SS":
		r.sec, err = r.number(w, 2, adjacent)
	case "MS", "FF3":
		err = r.fraction(w, 3)
	case "US", "FF6":
		err = r.fraction(w, 6)
	case "FF1", "FF2", "FF4", "FF5":
		err = r.fraction(w, int(w[2]-'0'))
	case "SSSS", "SSSSS":
		r.sec, err = r.number(w, 5, adjacent)
	case "TZH":
		r.hasZone = true
		var h int64
		h, err = r.number(w, 3, adjacent)
		r.offset += int(h) * 3600
	case "TZM":
		var m int64
		m, err = r.number(w, 2, adjacent)
		r.offset += int(m) * 60 * (1 - 2*bit(r.offset < 0))
	default:
		err = r.name(w, spelled)
	}
	return err
}

// nearestYear completes a year of up to three digits to the one nearest to 2020.
func nearestYear(y int64) int64 {
	switch {
	case y < 0 || y >= 1000:
		return y
	case y < 70, y >= 100 && y < 520:
		return y + 2000
	case y < 100:
		return y + 1900
	}
	return y + 1000
}

// name reads words: months, days of the week, halves of the day and eras.
func (r *momentReader) name(w, spelled string) error {
	pick := func(long bool, n int, at func(i int) string) (int, error) {
		for i := range n {
			name := at(i)
			if !long {
				name = name[:3]
			}
			if len(r.s) >= len(name) && strings.EqualFold(string(r.s[:len(name)]), name) {
				r.s = r.s[len(name):]
				return i, nil
			}
		}
		return 0, errMomentValue(r.s[:wordEnd(r.s)], spelled, "The given value did not match any of the allowed values for this field.")
	}
	switch w {
	case "MONTH", "MON":
		i, err := pick(w == "MONTH", 12, func(i int) string { return time.Month(i + 1).String() })
		r.month = int64(i) + 1
		return err
	case "DAY", "DY":
		_, err := pick(w == "DAY", 7, func(i int) string { return time.Weekday(i).String() })
		return err
	case "AM", "PM", "A.M.", "P.M.":
		i, err := pick(true, 4, func(i int) string { return [...]string{"AM", "PM", "A.M.", "P.M."}[i] })
		r.afternoon, r.half = i%2 == 1, true
		return err
	case "AD", "BC", "A.D.", "B.C.":
		i, err := pick(true, 4, func(i int) string { return [...]string{"AD", "BC", "A.D.", "B.C."}[i] })
		r.before = i%2 == 1
		return err
	}
	return sqlerr.New(sqlerr.FeatureNotSupported, "the template pattern \"%s\" is not supported in input", w)
}

func wordEnd(s []byte) int {
	n := 0
	for n < len(s) && !isSpace(s[n]) {
		n++
	}
	return n
}

func (r *momentReader) outOfRange() error {
	return sqlerr.New(sqlerr.DatetimeFieldOverflow, "date/time field value out of range: \"%s\"", r.text)
}

func (r *momentReader) days() (int64, error) {
	y := r.year
	switch {
	case r.before || y < 0:
		y = 1 - max(y, -y)
	case y == 0 && !r.seen["YYYY"]:
		y = 0 // without a year it is 1 BC
	}
	if r.doy != 0 {
		first := types.DaysFromCivil(int(y), 1, 1)
		if r.doy < 1 || r.doy > types.DaysFromCivil(int(y)+1, 1, 1)-first {
			return 0, r.outOfRange()
		}
		return first + r.doy - 1, nil
	}
	if r.month < 1 || r.month > 12 || r.day < 1 || r.day > int64(types.DaysInMonth(int(y), int(r.month))) {
		return 0, r.outOfRange()
	}
	days := types.DaysFromCivil(int(y), int(r.month), int(r.day))
	if !types.DateInRange(days) {
		return 0, sqlerr.New(sqlerr.DatetimeFieldOverflow, "date out of range: \"%s\"", r.text)
	}
	return days, nil
}

func (r *momentReader) timestamp() (int64, error) {
	hour := r.hour
	if r.half {
		if hour < 1 || hour > 12 {
			if r.seen["HH"] || r.seen["HH12"] {
				return 0, sqlerr.New(sqlerr.InvalidDatetimeFormat, "hour \"%d\" is invalid for the 12-hour clock", hour).
					WithHint("Use the 24-hour clock, or give an hour between 1 and 12.")
			}
		}
		hour = hour%12 + 12*int64(bit(r.afternoon))
	}
	days, err := r.days()
	if err != nil {
		return 0, err
	}
	inDay := r.seen["SSSS"] || r.seen["SSSSS"]
	if hour < 0 || hour > 23 || r.minute < 0 || r.minute > 59 || r.sec < 0 || r.sec > 59 && !inDay || r.sec > 86400 {
		return 0, r.outOfRange()
	}
	return dateAndTime(days, hour*types.MicrosPerHour+r.minute*types.MicrosPerMinute+r.sec*types.MicrosPerSecond+r.micros)
}
