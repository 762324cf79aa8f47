package types

import (
	"time"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

func errPending() error { return sqlerr.New(sqlerr.FeatureNotSupported, "not yet") }

// ParseTimestampFast reads 'YYYY-MM-DD[( |T)HH:MM:SS[.ffffff]]' and nothing
// else, without allocation; ok is false for every other text.
func ParseTimestampFast(s []byte) (ts int64, ok bool) { return 0, false }

// ParseTimestamptzFast reads the same with 'Z' or a numeric offset at the end
// (required), without allocation.
func ParseTimestamptzFast(s []byte) (ts int64, ok bool) { return 0, false }

func ParseDate(s []byte, env *Env) (days int64, err error)                 { return 0, errPending() }
func ParseTimestamp(s []byte, env *Env) (ts int64, err error)              { return 0, errPending() }
func ParseTimestamptz(s []byte, env *Env) (ts int64, err error)            { return 0, errPending() }
func ParseTime(s []byte, env *Env) (micros int64, err error)               { return 0, errPending() }
func ParseTimeTZ(s []byte, env *Env) (micros int64, zone int32, err error) { return 0, 0, errPending() }
func AppendDate(dst []byte, days int64, env *Env) []byte                   { return dst }
func AppendTimestamp(dst []byte, ts int64, env *Env) []byte                { return dst }
func AppendTimestamptz(dst []byte, ts int64, env *Env) []byte              { return dst }
func AppendTime(dst []byte, micros int64) []byte                           { return dst }
func AppendTimeTZText(dst []byte, micros int64, zone int32) []byte         { return dst }

// LoadZone finds a time zone: a name of the tz database, an abbreviation or a
// POSIX offset; 22023 if there is none.
func LoadZone(name string) (*time.Location, error) { return nil, errPending() }

// AppendTimeTZ appends the 12 bytes of a timetz value: microseconds since
// midnight and the zone in seconds west of UTC.
func AppendTimeTZ(dst []byte, micros int64, zone int32) []byte { return dst }

// DecodeTimeTZ takes a timetz value apart.
func DecodeTimeTZ(b []byte) (micros int64, zone int32, ok bool) { return 0, 0, false }

// TimestampToTimestamptz reads the clock ts in a zone.
func TimestampToTimestamptz(ts int64, zone *time.Location) (int64, error) { return 0, errPending() }

// TimestamptzToTimestamp gives the clock of a zone at the moment ts.
func TimestamptzToTimestamp(ts int64, zone *time.Location) (int64, error) { return 0, errPending() }

// DateToTimestamp gives midnight; 22008 out of range.
func DateToTimestamp(days int64) (int64, error) { return 0, errPending() }

// TimestampToDate gives the day.
func TimestampToDate(ts int64) int64 { return 0 }

// TimestampAdd adds months, then days, then microseconds; 22008 out of range.
func TimestampAdd(ts int64, v IntervalValue) (int64, error) { return 0, errPending() }

// TimestamptzAdd adds months and days on the clock of the zone, then microseconds.
func TimestamptzAdd(ts int64, v IntervalValue, zone *time.Location) (int64, error) {
	return 0, errPending()
}

// TimestampSub is a - b in days and microseconds.
func TimestampSub(a, b int64) (IntervalValue, error) { return IntervalValue{}, errPending() }

// TimestampAge is age(a, b): years, months, days and time.
func TimestampAge(a, b int64) (IntervalValue, error) { return IntervalValue{}, errPending() }

// RoundTimestamp rounds to the given number of fractional digits (0 to 6).
func RoundTimestamp(ts int64, precision int32) int64 { return ts }

// ParseInterval reads an interval; typmod is the type's (-1: none).
func ParseInterval(s []byte, typmod int32, env *Env) (IntervalValue, error) {
	return IntervalValue{}, errPending()
}

// AppendInterval appends an interval in the style of env.
func AppendInterval(dst []byte, v IntervalValue, env *Env) []byte { return dst }

func (v IntervalValue) Add(o IntervalValue) (IntervalValue, error) { return v, errPending() }
func (v IntervalValue) Sub(o IntervalValue) (IntervalValue, error) { return v, errPending() }
func (v IntervalValue) Neg() (IntervalValue, error)                { return v, errPending() }
func (v IntervalValue) Mul(f float64) (IntervalValue, error)       { return v, errPending() }
func (v IntervalValue) Div(f float64) (IntervalValue, error)       { return v, errPending() }
func (v IntervalValue) JustifyHours() (IntervalValue, error)       { return v, errPending() }
func (v IntervalValue) JustifyDays() (IntervalValue, error)        { return v, errPending() }
func (v IntervalValue) Justify() (IntervalValue, error)            { return v, errPending() }

func intervalTypmodString(mod int32) string                     { return "" }
func makeIntervalTypmod(args []int) (int32, error)              { return -1, nil }
func IntervalTypmod(fields string, precision int) (int32, bool) { return 0, false }

// ValidateJSON checks that s is one JSON value (22P02).
func ValidateJSON(s []byte) error { return errPending() }

// AppendJSONB appends the canonical text of the JSON value s.
func AppendJSONB(dst, s []byte) ([]byte, error) { return dst, errPending() }

// JSONTypeof returns object, array, string, number, boolean or null.
func JSONTypeof(b []byte) string { return "" }

// JSONField returns a field of an object as JSON text.
func JSONField(b []byte, name []byte) (value []byte, ok bool) { return nil, false }

// JSONElem returns an element of an array as JSON text; negative counts from the end.
func JSONElem(b []byte, i int) (value []byte, ok bool) { return nil, false }

// JSONLen returns the number of elements or fields.
func JSONLen(b []byte) int { return 0 }

// AppendJSONText appends what ->> gives: strings unescaped, others as they are;
// null is true for JSON null.
func AppendJSONText(dst, value []byte) (out []byte, null bool) { return dst, false }

// AppendJSONString appends s as a JSON string.
func AppendJSONString(dst, s []byte) []byte { return dst }

// JSONEach calls f for each field (key as JSON text without escapes) or element (nil key) until it returns false.
func JSONEach(b []byte, f func(key, value []byte) bool) {}

// CompareJSONB orders canonical texts as jsonb's btree operators do.
func CompareJSONB(a, b []byte) int { return 0 }

// AppendJSONBKey appends a key of canonical text.
func AppendJSONBKey(dst, b []byte) []byte { return append(dst, b...) }

// ParseText reads the text format of a type; env may be nil.
func ParseText(t Type, s []byte, env *Env) (Datum, error) { return Datum{}, errPending() }

// AppendText appends the text format of a value that is not NULL.
func AppendText(dst []byte, t Type, d Datum, env *Env) []byte { return dst }

// ParseBinary reads PostgreSQL's binary format of a type (22P03, 08P01).
func ParseBinary(t Type, b []byte) (Datum, error) { return Datum{}, errPending() }

// AppendBinary appends PostgreSQL's binary format of a value that is not NULL.
func AppendBinary(dst []byte, t Type, d Datum) []byte { return dst }

// ApplyTypmod coerces a value of the base type to the type's modifier, as an
// assignment (explicit false: 22001 when too long) or as a cast (truncates).
func ApplyTypmod(t Type, d Datum, explicit bool) (Datum, error) { return d, errPending() }

// ParseInt reads an integer of the type (22P02, 22003), without allocation.
func ParseInt(t Type, s []byte) (int64, error) { return 0, errPending() }

// ParseFloat reads a float8 or float4 (22P02, 22003).
func ParseFloat(t Type, s []byte) (float64, error) { return 0, errPending() }

// AppendFloat appends a float8 or float4 in the form that env asks for.
func AppendFloat(dst []byte, t Type, f float64, env *Env) []byte { return dst }

// ParseBool reads PostgreSQL's boolean words (22P02).
func ParseBool(s []byte) (bool, error) { return false, errPending() }

// Compare orders two values of a type as ORDER BY ... NULLS LAST does.
func Compare(t Type, a, b Datum) int { return 0 }

// Identical says whether two values have the same stored image.
func Identical(t Type, a, b Datum) bool { return false }
