package types

import (
	"encoding/binary"
	"math"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// The bits of the NaN that PostgreSQL sends; Go's own are others.
const (
	quietNaN32 = 0x7FC00000
	quietNaN64 = 0x7FF8000000000000
)

func errBinaryShort() error {
	return sqlerr.New(sqlerr.ProtocolViolation, "insufficient data left in message")
}

func errBinaryFormat() error {
	return sqlerr.New(sqlerr.InvalidBinaryRepresentation, "incorrect binary data format")
}

// ParseBinary reads PostgreSQL's binary format of a type and applies its
// modifier as an assignment does. The datum shares no memory with b. Errors:
// 08P01 for too few bytes, 22P03 for other wrong ones, and those of the type.
func ParseBinary(t Type, b []byte) (Datum, error) {
	d, err := parseBinary(t, b, 0)
	if err != nil || t.Typmod() < 0 {
		return d, err
	}
	return ApplyTypmod(t, d, false)
}

// binarySize is the length of the types that have a fixed one, 0 for others.
func binarySize(t Type) int {
	switch t.Base() {
	case Bool:
		return 1
	case Int2:
		return 2
	case Int4, OIDType, Regproc, Regclass, Regtype, Float4, Date:
		return 4
	case Int8, Float8, Time, Timestamp, Timestamptz:
		return 8
	case TimeTZ:
		return 12
	case Interval, UUID:
		return 16
	}
	return 0
}

func parseBinary(t Type, b []byte, depth int) (d Datum, err error) {
	if size := binarySize(t); size != 0 && len(b) != size {
		if len(b) < size {
			return d, errBinaryShort()
		}
		return d, errBinaryFormat()
	}
	be := binary.BigEndian
	switch t.Base() {
	case Bool:
		d.Bool = b[0] != 0
	case Int2:
		d.Int = int64(int16(be.Uint16(b)))
	case Int4:
		d.Int = int64(int32(be.Uint32(b)))
	case OIDType, Regproc, Regclass, Regtype:
		d.Int = int64(be.Uint32(b))
	case Int8:
		d.Int = int64(be.Uint64(b))
	case Float4:
		d.Float = float64(math.Float32frombits(be.Uint32(b)))
	case Float8:
		d.Float = math.Float64frombits(be.Uint64(b))
	case Date:
		d.Int = int64(int32(be.Uint32(b)))
		if !DateIsInf(d.Int) && !DateInRange(d.Int) {
			err = sqlerr.New(sqlerr.DatetimeFieldOverflow, "date out of range")
		}
	case Timestamp, Timestamptz:
		d.Int = int64(be.Uint64(b))
		if !TimestampIsInf(d.Int) && !TimestampInRange(d.Int) {
			err = errTimestampRange()
		}
	case Time:
		d.Int = int64(be.Uint64(b))
		err = checkTimeOfDay(d.Int)
	case Interval:
		d.Ival = IntervalValue{Micros: int64(be.Uint64(b)), Days: int32(be.Uint32(b[8:])), Months: int32(be.Uint32(b[12:]))}
	case Numeric:
		d.Dec, err = parseBinaryNumeric(b)
	default:
		d.Bytes, err = parseBinaryBytes(t, b, depth)
	}
	return d, err
}

func checkTimeOfDay(micros int64) error {
	if micros < 0 || micros > MicrosPerDay {
		return sqlerr.New(sqlerr.DatetimeFieldOverflow, "time out of range")
	}
	return nil
}

func parseBinaryBytes(t Type, b []byte, depth int) ([]byte, error) {
	switch t.Base() {
	case TimeTZ:
		micros, zone := int64(binary.BigEndian.Uint64(b)), int32(binary.BigEndian.Uint32(b[8:]))
		if err := checkTimeOfDay(micros); err != nil {
			return nil, err
		}
		if _, _, ok := DecodeTimeTZ(b); !ok {
			return nil, sqlerr.New(invalidTimeZoneDisplacement, "time zone displacement out of range")
		}
		return AppendTimeTZ(nil, micros, zone), nil
	case JSONB:
		if len(b) == 0 {
			return nil, errBinaryShort()
		}
		if b[0] != 1 {
			return nil, sqlerr.New(sqlerr.InternalError, "unsupported jsonb version number %d", b[0])
		}
		return AppendJSONB(make([]byte, 0, len(b)+8), b[1:])
	case JSON:
		if err := ValidateJSON(b); err != nil {
			return nil, err
		}
	case Char:
		if len(b) != 1 {
			return nil, errBinaryFormat()
		}
		if b[0] == 0 {
			return []byte{}, nil
		}
	case Bytea, UUID:
	case Void:
		return []byte{}, nil
	case Record:
		return parseBinaryRecord(b, depth)
	default:
		if t.IsArray() {
			return parseBinaryArray(t, b, depth)
		}
		if err := CheckText(b); err != nil {
			return nil, err
		}
		if t.Base() == Name && len(b) > maxNameBytes {
			return nil, sqlerr.New(sqlerr.NameTooLong, "identifier too long").
				WithDetail("Identifier must be less than %d characters.", maxNameBytes+1)
		}
	}
	return append(make([]byte, 0, len(b)), b...), nil
}

// AppendBinary appends PostgreSQL's binary format of a value that is not NULL.
func AppendBinary(dst []byte, t Type, d Datum) []byte {
	be := binary.BigEndian
	switch t.Base() {
	case Bool:
		return append(dst, byte(boolInt(d.Bool)))
	case Int2:
		return be.AppendUint16(dst, uint16(d.Int))
	case Int4, OIDType, Regproc, Regclass, Regtype, Date:
		return be.AppendUint32(dst, uint32(d.Int))
	case Int8, Time, Timestamp, Timestamptz:
		return be.AppendUint64(dst, uint64(d.Int))
	case Float4:
		if d.Float != d.Float {
			return be.AppendUint32(dst, quietNaN32)
		}
		return be.AppendUint32(dst, math.Float32bits(float32(d.Float)))
	case Float8:
		if d.Float != d.Float {
			return be.AppendUint64(dst, quietNaN64)
		}
		return be.AppendUint64(dst, math.Float64bits(d.Float))
	case Interval:
		dst = be.AppendUint64(dst, uint64(d.Ival.Micros))
		dst = be.AppendUint32(dst, uint32(d.Ival.Days))
		return be.AppendUint32(dst, uint32(d.Ival.Months))
	case Numeric:
		return appendBinaryNumeric(dst, d.Dec)
	case JSONB:
		return append(append(dst, 1), d.Bytes...)
	case Char:
		if len(d.Bytes) == 0 {
			return append(dst, 0)
		}
		return append(dst, d.Bytes[0])
	case Void:
		return dst
	case Record:
		return appendBinaryRecord(dst, d.Bytes)
	}
	if t.IsArray() {
		return appendBinaryArray(dst, t, d.Bytes)
	}
	return append(dst, d.Bytes...)
}

// maxBinaryDepth bounds records within records.
const maxBinaryDepth = 100

func parseBinaryArray(t Type, b []byte, depth int) ([]byte, error) {
	be := binary.BigEndian
	if len(b) < 12 {
		return nil, errBinaryShort()
	}
	n, flags, oid := int32(be.Uint32(b)), be.Uint32(b[4:]), OID(be.Uint32(b[8:]))
	b = b[12:]
	switch {
	case n < 0:
		return nil, sqlerr.New(sqlerr.InvalidBinaryRepresentation, "invalid number of dimensions: %d", n)
	case n > maxDims:
		return nil, sqlerr.New(sqlerr.ProgramLimitExceeded, "number of array dimensions (%d) exceeds the maximum allowed (%d)", n, maxDims)
	case flags > 1:
		return nil, sqlerr.New(sqlerr.InvalidBinaryRepresentation, "invalid array flags")
	case oid != t.Elem().OID():
		return nil, sqlerr.New(sqlerr.DatatypeMismatch, "binary data has array element type %d (%s) instead of expected %d (%s)", oid, Type(oid), t.Elem().OID(), t.Elem())
	case len(b) < 8*int(n):
		return nil, errBinaryShort()
	}
	dims := make([]Dim, n)
	count := int64(boolInt(n > 0))
	for i := range dims {
		dims[i] = Dim{Len: int32(be.Uint32(b)), Lower: int32(be.Uint32(b[4:]))}
		b = b[8:]
		if dims[i].Len < 0 || int64(dims[i].Lower)+int64(dims[i].Len) > math.MaxInt32 {
			return nil, sqlerr.New(sqlerr.ProgramLimitExceeded, "array size exceeds the maximum allowed (%d)", maxElements)
		}
		if count *= int64(dims[i].Len); count > int64(len(b)) {
			return nil, errBinaryShort() // every element takes four bytes at the least
		}
	}
	elems := make([]Datum, count)
	var err error
	for i := range elems {
		if elems[i], b, err = parseBinaryElement(t.Elem(), b, depth); err != nil {
			return nil, err
		}
	}
	if len(b) != 0 {
		return nil, errBinaryFormat()
	}
	return AppendArray(nil, t.Elem(), dims, elems), nil
}

// parseBinaryElement reads a length (-1: NULL) and a value from the front.
func parseBinaryElement(t Type, b []byte, depth int) (d Datum, rest []byte, err error) {
	if len(b) < 4 {
		return d, b, errBinaryShort()
	}
	size := int32(binary.BigEndian.Uint32(b))
	b = b[4:]
	if size == -1 {
		return NullDatum(), b, nil
	}
	if size < 0 || int(size) > len(b) {
		return d, b, errBinaryShort()
	}
	if depth > maxBinaryDepth {
		return d, b, sqlerr.New(sqlerr.StatementTooComplex, "stack depth limit exceeded")
	}
	d, err = parseBinary(t, b[:size], depth+1)
	return d, b[size:], err
}

func parseBinaryRecord(b []byte, depth int) ([]byte, error) {
	if len(b) < 4 {
		return nil, errBinaryShort()
	}
	n := int32(binary.BigEndian.Uint32(b))
	b = b[4:]
	if n < 0 || int(n) > len(b)/8 {
		return nil, errBinaryShort()
	}
	ts, fields := make([]Type, n), make([]Datum, n)
	var err error
	for i := range ts {
		if len(b) < 8 {
			return nil, errBinaryShort()
		}
		ts[i] = Type(binary.BigEndian.Uint32(b))
		if _, ok := ts[i].Info(); !ok {
			return nil, sqlerr.New(sqlerr.UndefinedObject, "cache lookup failed for type %d", ts[i].OID())
		}
		if fields[i], b, err = parseBinaryElement(ts[i], b[4:], depth); err != nil {
			return nil, err
		}
	}
	if len(b) != 0 {
		return nil, errBinaryFormat()
	}
	return AppendRecord(nil, ts, fields), nil
}

func appendBinaryArray(dst []byte, t Type, b []byte) []byte {
	be := binary.BigEndian
	l, _ := DecodeList(t, b)
	dims := l.Dims()
	dst = be.AppendUint32(dst, uint32(len(dims)))
	flags := len(dst)
	dst = be.AppendUint32(dst, 0)
	dst = be.AppendUint32(dst, uint32(t.Elem().OID()))
	for _, d := range dims {
		dst = be.AppendUint32(dst, uint32(d.Len))
		dst = be.AppendUint32(dst, uint32(d.Lower))
	}
	for l.Next() {
		if l.Elem().Null {
			dst[flags+3] = 1
		}
		dst = appendBinaryElement(dst, l.ElemType(), l.Elem())
	}
	return dst
}

func appendBinaryElement(dst []byte, t Type, d Datum) []byte {
	if d.Null {
		return binary.BigEndian.AppendUint32(dst, math.MaxUint32)
	}
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = AppendBinary(dst, t, d)
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}

func appendBinaryRecord(dst, b []byte) []byte {
	l, _ := DecodeList(Record, b)
	dst = binary.BigEndian.AppendUint32(dst, uint32(l.Len()))
	for l.Next() {
		dst = binary.BigEndian.AppendUint32(dst, uint32(l.ElemType().OID()))
		dst = appendBinaryElement(dst, l.ElemType(), l.Elem())
	}
	return dst
}
