package types

import (
	"encoding/binary"
	"strconv"
	"time"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

func appendInt(dst []byte, v int64) []byte { return strconv.AppendInt(dst, v, 10) }

// ParseTime reads a time of day as microseconds since midnight, 24:00:00 being
// one of them; a zone in the text is ignored. 22007, 22008.
func ParseTime(s []byte, env *Env) (micros int64, err error) {
	micros, _, err = parseTimeOfDay(s, env, false)
	return micros, err
}

// ParseTimeTZ reads a time with time zone: microseconds since midnight and
// seconds west of UTC. Without a zone in the text the session's holds, with its
// offset at the date in the text, now, or 2000-01-01.
func ParseTimeTZ(s []byte, env *Env) (micros int64, zone int32, err error) {
	return parseTimeOfDay(s, env, true)
}

func parseTimeOfDay(s []byte, env *Env, withZone bool) (micros int64, zone int32, err error) {
	typeName := "time"
	if withZone {
		typeName = "time with time zone"
	}
	d := dateDecoder{env: env}
	fault := d.split(s)
	if fault == 0 {
		fault = d.decode(!d.hasDateField())
	}
	if fault == 0 && d.special == specialNow {
		now, ok := d.now()
		if !ok {
			return 0, 0, d.err(badNow, typeName, s)
		}
		d.civil = CivilFromTimestamp(now)
	} else if fault == 0 && (d.have&knownTime == 0 || d.special != specialNone || d.floatingZone()) {
		fault = badFormat
	}
	if fault != 0 {
		return 0, 0, d.err(fault, typeName, s)
	}
	micros = d.civil.TimeOfDay()
	if withZone {
		zone = -int32(d.zoneSeconds(d.zoneMoment(micros)))
	}
	return micros, zone, nil
}

// hasDateField says whether the time comes behind a date, not just before a
// zone's name or run together with its offset (040506-08).
func (d *dateDecoder) hasDateField() bool {
	return d.n >= 2 && d.fields[0].kind == fieldDate && (d.fields[1].kind == fieldTime || d.fields[d.n-1].kind == fieldDate)
}

// floatingZone says that a zone was named whose offset changes with the date,
// and that there is no date.
func (d *dateDecoder) floatingZone() bool {
	if d.zone == nil || d.have&knownDate == knownDate {
		return false
	}
	start, end := time.Unix(0, 0).In(d.zone).ZoneBounds()
	return !start.IsZero() || !end.IsZero()
}

// zoneMoment is the clock at which a zone's offset is wanted.
func (d *dateDecoder) zoneMoment(micros int64) int64 {
	if d.have&knownDate == knownDate {
		return DaysFromCivil(d.civil.Year, d.civil.Month, d.civil.Day)*MicrosPerDay + micros
	}
	if now, ok := d.now(); ok {
		return TimestampToDate(now)*MicrosPerDay + micros
	}
	return micros
}

// AppendTimeTZ appends the 12 bytes of a timetz value: microseconds since
// midnight and the zone in seconds west of UTC, both big endian.
func AppendTimeTZ(dst []byte, micros int64, zone int32) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(micros))
	return binary.BigEndian.AppendUint32(dst, uint32(zone))
}

// DecodeTimeTZ takes a timetz value apart; ok is false for bytes that are none.
func DecodeTimeTZ(b []byte) (micros int64, zone int32, ok bool) {
	if len(b) != 12 {
		return 0, 0, false
	}
	micros, zone = int64(binary.BigEndian.Uint64(b)), int32(binary.BigEndian.Uint32(b[8:]))
	const limit = 16 * hourSeconds
	return micros, zone, micros >= 0 && micros <= MicrosPerDay && zone > -limit && zone < limit
}

func compareTimeTZ(a, b []byte) int {
	at, az, _ := DecodeTimeTZ(a)
	bt, bz, _ := DecodeTimeTZ(b)
	if c := cmpInt64(at+int64(az)*MicrosPerSecond, bt+int64(bz)*MicrosPerSecond); c != 0 {
		return c
	}
	return cmpInt64(int64(az), int64(bz))
}

// AppendTime appends a time of day.
func AppendTime(dst []byte, micros int64) []byte {
	h := micros / MicrosPerHour
	if h > 99 || h < 0 {
		return appendInt(dst, micros) // no time of day; better shown than hidden
	}
	dst = append(append2(dst, int(h)), ':')
	dst = append(append2(dst, int(micros/MicrosPerMinute%60)), ':')
	dst = append2(dst, int(micros/MicrosPerSecond%60))
	return appendFraction(dst, int(micros%MicrosPerSecond))
}

// appendFraction appends the point and up to six digits without zeros at the
// end, nothing for 0.
func appendFraction(dst []byte, micro int) []byte {
	if micro == 0 {
		return dst
	}
	n := 6
	for micro%10 == 0 {
		micro /= 10
		n--
	}
	return appendPadded(append(dst, '.'), uint64(micro), n)
}

// AppendTimeTZText appends a time with its zone.
func AppendTimeTZText(dst []byte, micros int64, zone int32) []byte {
	return appendOffset(AppendTime(dst, micros), -int(zone))
}

// appendOffset appends seconds east of UTC as ±hh[:mm[:ss]].
func appendOffset(dst []byte, seconds int) []byte {
	sign := byte('+')
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	dst = append2(append(dst, sign), seconds/3600)
	if seconds%3600 != 0 {
		dst = append2(append(dst, ':'), seconds/60%60)
	}
	if seconds%60 != 0 {
		dst = append2(append(dst, ':'), seconds%60)
	}
	return dst
}

// AppendTimestamp appends a timestamp without time zone in the style of env.
func AppendTimestamp(dst []byte, ts int64, env *Env) []byte {
	if TimestampIsInf(ts) {
		return appendInfinity(dst, ts)
	}
	return appendCivil(dst, ts, env.dateStyle(), nil, 0)
}

// AppendTimestamptz appends a moment in the style and time zone of env.
func AppendTimestamptz(dst []byte, ts int64, env *Env) []byte {
	if TimestampIsInf(ts) {
		return appendInfinity(dst, ts)
	}
	loc := env.zone()
	offset := zoneOffset(ts, loc)
	return appendCivil(dst, ts+int64(offset)*MicrosPerSecond, env.dateStyle(), loc, offset)
}

func appendInfinity(dst []byte, ts int64) []byte {
	if ts < 0 {
		dst = append(dst, '-')
	}
	return append(dst, "infinity"...)
}

const (
	weekdayNames = "SunMonTueWedThuFriSat"
	monthNames   = "JanFebMarAprMayJunJulAugSepOctNovDec"
)

// Weekday returns the day of the week, 0 for Sunday.
func Weekday(days int64) int {
	w := int((days + 6) % 7) // 2000-01-01 was a Saturday
	if w < 0 {
		w += 7
	}
	return w
}

// appendCivil appends a clock; loc is nil without time zone.
func appendCivil(dst []byte, clock int64, style DateStyle, loc *time.Location, offset int) []byte {
	days := floorDiv64(clock, MicrosPerDay)
	tod := clock - days*MicrosPerDay
	y, m, d := CivilFromDays(days)
	if style.Output == DatePostgres {
		w := Weekday(days) * 3
		dst = append(append(dst, weekdayNames[w:w+3]...), ' ')
		if style.Order == OrderDMY {
			dst = append(append2(dst, d), ' ')
			dst = append(append(dst, monthNames[m*3-3:m*3]...), ' ')
		} else {
			dst = append(append(dst, monthNames[m*3-3:m*3]...), ' ')
			dst = append(append2(dst, d), ' ')
		}
		dst = append(AppendTime(dst, tod), ' ')
		year := y
		if y <= 0 {
			year = 1 - y
		}
		dst = appendYear(dst, year)
	} else {
		dst = append(appendDay(dst, y, m, d, style, '/'), ' ')
		dst = AppendTime(dst, tod)
	}
	if loc != nil {
		dst = appendZone(dst, clock, style, loc, offset)
	}
	return appendEra(dst, y)
}

// appendZone appends the offset in ISO style and the abbreviation in the others.
func appendZone(dst []byte, clock int64, style DateStyle, loc *time.Location, offset int) []byte {
	if style.Output == DateISO {
		return appendOffset(dst, offset)
	}
	seconds := floorDiv64(clock, MicrosPerSecond) - UnixEpochDays*86400 - int64(offset)
	name, _ := time.Unix(seconds, 0).In(loc).Zone()
	if name == "" {
		return appendOffset(append(dst, ' '), offset)
	}
	return append(append(dst, ' '), name...)
}

// MakeTime returns the time of day of its parts; 22008 out of range.
func MakeTime(hour, minute int, micros int64) (int64, error) {
	t := int64(hour)*MicrosPerHour + int64(minute)*MicrosPerMinute + micros
	if hour < 0 || hour > 24 || minute < 0 || minute > 59 || micros < 0 || micros > MicrosPerMinute || t > MicrosPerDay {
		return 0, sqlerr.New(sqlerr.DatetimeFieldOverflow, "time field value out of range: %d:%02d:%02d", hour, minute, micros/MicrosPerSecond)
	}
	return t, nil
}
