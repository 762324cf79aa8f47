package types

import (
	"bytes"
	"math"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// ParseText reads the text format of a type and applies its modifier as an
// assignment does; env may be nil. The datum shares no memory with s. Errors
// are PostgreSQL's: 22P02, 22003, 22007, 22008, 22001, 22021.
func ParseText(t Type, s []byte, env *Env) (Datum, error) {
	d, err := parseText(t, s, env)
	if err != nil || t.Typmod() < 0 || t.Base() == Interval {
		return d, err
	}
	return ApplyTypmod(t, d, false)
}

func parseText(t Type, s []byte, env *Env) (d Datum, err error) {
	switch t.Base() {
	case Bool:
		d.Bool, err = ParseBool(s)
	case Int2, Int4, Int8, OIDType, Regproc, Regclass, Regtype:
		d.Int, err = ParseInt(t, s)
	case Float4, Float8:
		d.Float, err = ParseFloat(t, s)
	case Numeric:
		d.Dec, err = ParseDecimal(s)
	case Date:
		d.Int, err = ParseDate(s, env)
	case Time:
		d.Int, err = ParseTime(s, env)
	case TimeTZ:
		var micros int64
		var zone int32
		if micros, zone, err = ParseTimeTZ(s, env); err == nil {
			d.Bytes = AppendTimeTZ(nil, micros, zone)
		}
	case Timestamp:
		d.Int, err = ParseTimestamp(s, env)
	case Timestamptz:
		d.Int, err = ParseTimestamptz(s, env)
	case Interval:
		d.Ival, err = ParseInterval(s, t.Typmod(), env)
	default:
		d.Bytes, err = parseBytesText(t, s, env)
	}
	return d, err
}

// parseBytesText reads the types whose values are bytes; the result is never
// nil without an error.
func parseBytesText(t Type, s []byte, env *Env) ([]byte, error) {
	switch t.Base() {
	case Bytea:
		return ParseBytea(make([]byte, 0, len(s)), s)
	case UUID:
		return ParseUUID(make([]byte, 0, uuidBytes), s)
	case JSONB:
		return AppendJSONB(make([]byte, 0, len(s)+8), s)
	case JSON:
		if err := ValidateJSON(s); err != nil {
			return nil, err
		}
	case Record:
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "input of anonymous composite types is not implemented")
	}
	if t.IsArray() {
		return ParseArray(nil, t, s, env)
	}
	if err := CheckText(s); err != nil {
		return nil, err
	}
	switch t.Base() {
	case Name:
		s = truncateName(s)
	case Char:
		return ParseChar(s), nil
	}
	return append(make([]byte, 0, len(s)), s...), nil
}

// AppendText appends the text format of a value that is not NULL; env may be
// nil.
func AppendText(dst []byte, t Type, d Datum, env *Env) []byte {
	switch t.Base() {
	case Bool:
		if d.Bool {
			return append(dst, 't')
		}
		return append(dst, 'f')
	case Float4, Float8:
		return AppendFloat(dst, t, d.Float, env)
	case Numeric:
		return d.Dec.AppendText(dst)
	case Date:
		return AppendDate(dst, d.Int, env)
	case Time:
		return AppendTime(dst, d.Int)
	case TimeTZ:
		micros, zone, ok := DecodeTimeTZ(d.Bytes)
		if !ok {
			return append(dst, "???"...)
		}
		return AppendTimeTZText(dst, micros, zone)
	case Timestamp:
		return AppendTimestamp(dst, d.Int, env)
	case Timestamptz:
		return AppendTimestamptz(dst, d.Int, env)
	case Interval:
		return AppendInterval(dst, d.Ival, env)
	case Bytea:
		return AppendBytea(dst, d.Bytes)
	case Char:
		return AppendChar(dst, d.Bytes)
	case UUID:
		return AppendUUID(dst, d.Bytes)
	case Record:
		return appendRecordText(dst, d.Bytes, env)
	case Regclass, Regtype, Regproc:
		if env != nil && env.ObjectName != nil {
			return append(dst, env.ObjectName(t.Base(), d.Int)...)
		}
	}
	if t.IsArray() {
		return appendArrayText(dst, t, d.Bytes, env)
	}
	if t.Kind() == KindInt64 {
		return appendInt(dst, d.Int)
	}
	return append(dst, d.Bytes...)
}

// ApplyTypmod coerces a value of the base type to the type's modifier: as a
// cast (explicit: strings are cut), or as an assignment (22001 when a string is
// too long). Numbers are rounded (22003 when too great), times too.
func ApplyTypmod(t Type, d Datum, explicit bool) (Datum, error) {
	if d.Null || t.Typmod() < 0 {
		return d, nil
	}
	var err error
	switch t.Base() {
	case Varchar, BPChar:
		d.Bytes, err = applyLength(t, d.Bytes, explicit)
	case Numeric:
		p, s := numericTypmod(t.Typmod())
		d.Dec, err = d.Dec.Rescale(p, s)
	case Timestamp, Timestamptz:
		if d.Int = RoundTimestamp(d.Int, t.Typmod()); !TimestampIsInf(d.Int) && !TimestampInRange(d.Int) {
			err = errTimestampRange()
		}
	case Time:
		d.Int = RoundTimestamp(d.Int, t.Typmod())
	case TimeTZ:
		if micros, zone, ok := DecodeTimeTZ(d.Bytes); ok {
			d.Bytes = AppendTimeTZ(nil, RoundTimestamp(micros, t.Typmod()), zone)
		}
	case Interval:
		d.Ival, err = d.Ival.applyTypmod(t.Typmod())
	default:
		if t.IsArray() {
			d.Bytes, err = applyArrayTypmod(t, d.Bytes, explicit)
		}
	}
	return d, err
}

// applyArrayTypmod coerces the elements of an array to the modifier.
func applyArrayTypmod(t Type, b []byte, explicit bool) ([]byte, error) {
	l, ok := DecodeList(t, b)
	if !ok {
		return b, nil
	}
	elem := t.Elem().WithTypmod(t.Typmod())
	elems := make([]Datum, 0, l.Len())
	for l.Next() {
		d, err := ApplyTypmod(elem, l.Elem(), explicit)
		if err != nil {
			return nil, err
		}
		elems = append(elems, d)
	}
	return AppendArray(nil, elem.Base(), l.Dims(), elems), nil
}

// Compare orders two values of a type as ORDER BY ... NULLS LAST does; values
// that SQL calls equal compare as 0, and so do two NULLs.
func Compare(t Type, a, b Datum) int {
	if a.Null || b.Null {
		return boolInt(a.Null) - boolInt(b.Null)
	}
	switch t.Kind() {
	case KindBool:
		return boolInt(a.Bool) - boolInt(b.Bool)
	case KindInt64:
		return cmpInt64(a.Int, b.Int)
	case KindFloat64:
		return CompareFloat(a.Float, b.Float)
	case KindDecimal:
		return a.Dec.Cmp(b.Dec)
	case KindInterval:
		return a.Ival.Cmp(b.Ival)
	case KindList:
		return compareLists(t, a.Bytes, b.Bytes)
	}
	switch t.Base() {
	case JSONB:
		return CompareJSONB(a.Bytes, b.Bytes)
	case BPChar:
		return bytes.Compare(TrimPadding(a.Bytes), TrimPadding(b.Bytes))
	case TimeTZ:
		return compareTimeTZ(a.Bytes, b.Bytes)
	}
	return bytes.Compare(a.Bytes, b.Bytes)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func cmpInt64(a, b int64) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

// CompareFloat orders floats as SQL does: -0 equals 0, NaN equals NaN and is
// greater than all numbers.
func CompareFloat(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	case a == b:
		return 0
	}
	return boolInt(a != a) - boolInt(b != b)
}

// Identical says whether two values have the same stored image: unlike with
// Compare, 1.0 is not 1.00 and -0 is not 0.
func Identical(t Type, a, b Datum) bool {
	if a.Null || b.Null {
		return a.Null && b.Null
	}
	switch t.Kind() {
	case KindBool:
		return a.Bool == b.Bool
	case KindInt64:
		return a.Int == b.Int
	case KindFloat64:
		return math.Float64bits(a.Float) == math.Float64bits(b.Float) || a.Float != a.Float && b.Float != b.Float
	case KindDecimal:
		return a.Dec.Identical(b.Dec)
	case KindInterval:
		return a.Ival == b.Ival
	}
	return bytes.Equal(a.Bytes, b.Bytes)
}
