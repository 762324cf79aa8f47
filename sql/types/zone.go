package types

import (
	"strings"
	"time"
	_ "time/tzdata" // zones must be known on machines without a database

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// LoadZone finds the time zone of a TimeZone setting: a name of the tz
// database in any case, or a POSIX zone of a fixed offset such as UTC+3 (which
// is west of UTC). 22023 if there is none.
func LoadZone(name string) (*time.Location, error) {
	loc, ok := loadZone(name)
	if !ok {
		return nil, sqlerr.New(sqlerr.InvalidParameterValue, "invalid value for parameter \"TimeZone\": \"%s\"", name)
	}
	return loc, nil
}

// LookupZone finds the time zone of AT TIME ZONE: an abbreviation, or whatever
// LoadZone finds.
func LookupZone(name string) (*time.Location, error) {
	if offset, ok := zoneAbbreviation(strings.ToLower(name)); ok {
		return time.FixedZone(strings.ToUpper(name), int(offset)), nil
	}
	loc, ok := loadZone(name)
	if !ok {
		return nil, sqlerr.New(sqlerr.InvalidParameterValue, "time zone \"%s\" not recognized", name)
	}
	return loc, nil
}

func loadZone(name string) (*time.Location, bool) {
	if name == "" || len(name) > 255 || strings.EqualFold(name, "local") {
		return nil, false
	}
	if strings.EqualFold(name, "utc") {
		return time.UTC, true
	}
	for _, spelling := range [...]string{name, strings.ToUpper(name), titleZone(name), upperFirst(name)} {
		if loc, err := time.LoadLocation(spelling); err == nil {
			return loc, true
		}
	}
	return posixZone(name)
}

// titleZone writes each word with a capital: america/new_york is the database's
// America/New_York.
func titleZone(name string) string {
	b := []byte(strings.ToLower(name))
	first := true
	for i, c := range b {
		if first && c-'a' <= 'z'-'a' {
			b[i] = c - ('a' - 'A')
		}
		first = !isAlpha(c)
	}
	return string(b)
}

// upperFirst writes the part before the first slash in capitals and the rest as
// titleZone does: us/eastern is US/Eastern, etc/utc is Etc/UTC.
func upperFirst(name string) string {
	head, rest, ok := strings.Cut(name, "/")
	if !ok {
		return name
	}
	if strings.EqualFold(head, "etc") {
		return "Etc/" + strings.ToUpper(rest)
	}
	return strings.ToUpper(head) + "/" + titleZone(rest)
}

// posixZone reads an abbreviation (letters, or anything in <>; it may be
// missing) and an offset west of UTC.
func posixZone(name string) (*time.Location, bool) {
	rest := name
	abbreviation := ""
	if strings.HasPrefix(rest, "<") {
		end := strings.IndexByte(rest, '>')
		if end < 0 {
			return nil, false
		}
		abbreviation, rest = rest[1:end], rest[end+1:]
	} else {
		n := 0
		for n < len(rest) && isAlpha(rest[n]) {
			n++
		}
		if n > 0 && n < 3 {
			return nil, false
		}
		abbreviation, rest = rest[:n], rest[n:]
	}
	if rest == "" {
		return nil, false
	}
	sign := int32(-1)
	if rest[0] == '-' || rest[0] == '+' {
		if rest[0] == '-' {
			sign = 1
		}
		rest = rest[1:]
	}
	if rest == "" || !isDigit(rest[0]) {
		return nil, false
	}
	offset, fault := decodeOffset([]byte("+" + rest))
	if fault != 0 {
		return nil, false
	}
	return time.FixedZone(abbreviation, int(sign*offset)), true
}

const maxZoneHour = 15

// decodeOffset reads ±hh, ±hhmm, ±hh:mm and ±hh:mm:ss as seconds east of UTC.
func decodeOffset(b []byte) (seconds int32, fault dateFault) {
	sign := int32(1)
	if b[0] == '-' {
		sign = -1
	} else if b[0] != '+' {
		return 0, badFormat
	}
	digits, rest := scanDigits(trimSpace(b[1:]))
	h, ok := atoi(digits)
	m, s := 0, 0
	if len(digits) == 0 {
		return 0, badFormat
	}
	if len(rest) > 0 && rest[0] == ':' {
		var ok2, ok3 bool
		digits, rest = scanDigits(rest[1:])
		m, ok2 = atoi(digits)
		ok3 = true
		if len(rest) > 0 && rest[0] == ':' {
			digits, rest = scanDigits(rest[1:])
			s, ok3 = atoi(digits)
		}
		ok = ok && ok2 && ok3
	} else if len(digits) > 2 {
		h, m = h/100, h%100
	}
	if !ok || h > maxZoneHour || m > 59 || s > 59 {
		return 0, badDisplacement
	}
	if len(rest) > 0 {
		return 0, badFormat
	}
	return sign * int32(h*hourSeconds+m*60+s), 0
}

// localOffset returns the seconds east of UTC that a zone has when its clock
// shows seconds (since 1970). In a gap the offset before it holds, when the
// clock is put back the one after it, as in PostgreSQL.
func localOffset(seconds int64, loc *time.Location) int64 {
	_, before := time.Unix(seconds-86400, 0).In(loc).Zone()
	_, end := time.Unix(seconds-86400, 0).In(loc).ZoneBounds()
	if end.IsZero() {
		return int64(before)
	}
	boundary := end.Unix()
	_, after := end.Zone()
	beforeTime, afterTime := seconds-int64(before), seconds-int64(after)
	switch {
	case beforeTime < boundary && afterTime < boundary:
		return int64(before)
	case beforeTime > boundary && afterTime >= boundary:
		return int64(after)
	case beforeTime > afterTime:
		return int64(before)
	}
	return int64(after)
}

func errTimestampRange() error {
	return sqlerr.New(sqlerr.DatetimeFieldOverflow, "timestamp out of range")
}

// TimestampToTimestamptz returns the moment at which the zone's clock shows ts;
// 22008 out of range.
func TimestampToTimestamptz(ts int64, zone *time.Location) (int64, error) {
	if TimestampIsInf(ts) || zone == time.UTC || zone == nil {
		return ts, nil
	}
	seconds := floorDiv64(ts, MicrosPerSecond) - UnixEpochDays*86400
	ts -= localOffset(seconds, zone) * MicrosPerSecond
	if !TimestampInRange(ts) {
		return 0, errTimestampRange()
	}
	return ts, nil
}

// TimestamptzToTimestamp returns what the zone's clock shows at the moment ts;
// 22008 out of range.
func TimestamptzToTimestamp(ts int64, zone *time.Location) (int64, error) {
	if TimestampIsInf(ts) || zone == time.UTC || zone == nil {
		return ts, nil
	}
	ts += int64(zoneOffset(ts, zone)) * MicrosPerSecond
	if !TimestampInRange(ts) {
		return 0, errTimestampRange()
	}
	return ts, nil
}

// zoneOffset returns the seconds east of UTC at a finite moment.
func zoneOffset(ts int64, zone *time.Location) int {
	if zone == time.UTC {
		return 0
	}
	_, offset := time.Unix(floorDiv64(ts, MicrosPerSecond)-UnixEpochDays*86400, 0).In(zone).Zone()
	return offset
}

// ZoneOffset returns the seconds east of UTC at a finite moment, 0 for nil.
func ZoneOffset(ts int64, zone *time.Location) int {
	if zone == nil {
		return 0
	}
	return zoneOffset(ts, zone)
}
