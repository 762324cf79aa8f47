package zset

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/streamdb/streamdb/sql/types"
)

// The flag byte of a key column. NULL first comes before every value, NULL last
// after; which one is used is part of the key's declaration.
const (
	flagNullFirst = 0x01
	flagValue     = 0x02
	flagNullLast  = 0x03
)

// AppendKey appends the key of a value: bytes that sort as SQL sorts the
// values, NULL last, and are equal exactly for values that SQL calls equal.
// No key is a prefix of another one of its type, so keys of several columns
// may be appended one to the other.
func AppendKey(dst []byte, v *Vector, row int) []byte {
	if v.Null.Get(row) {
		return append(dst, flagNullLast)
	}
	return appendKeyValue(append(dst, flagValue), v, row)
}

// AppendKeys appends the keys of several columns of a row.
func AppendKeys(dst []byte, cols []Vector, on []int, row int) []byte {
	for _, c := range on {
		dst = AppendKey(dst, &cols[c], row)
	}
	return dst
}

// AppendKeyOrdered appends a key whose bytes sort as ORDER BY with the given
// direction does. AppendKey is AppendKeyOrdered(dst, v, row, false, false).
func AppendKeyOrdered(dst []byte, v *Vector, row int, desc, nullsFirst bool) []byte {
	if v.Null.Get(row) {
		if nullsFirst {
			return append(dst, flagNullFirst)
		}
		return append(dst, flagNullLast)
	}
	dst = append(dst, flagValue)
	start := len(dst)
	dst = appendKeyValue(dst, v, row)
	if desc {
		invert(dst[start:])
	}
	return dst
}

// AppendKeyDatum appends the key of a datum of the given type, the same bytes
// that AppendKey makes of a vector's row.
func AppendKeyDatum(dst []byte, t types.Type, d types.Datum) []byte {
	if d.Null {
		return append(dst, flagNullLast)
	}
	dst = append(dst, flagValue)
	switch t.Kind() {
	case types.KindBool:
		return appendBool(dst, d.Bool)
	case types.KindInt64:
		return appendKeyInt(dst, d.Int)
	case types.KindFloat64:
		return appendKeyFloat(dst, d.Float)
	case types.KindDecimal:
		return d.Dec.AppendSortKey(dst)
	case types.KindInterval:
		return appendKeyInterval(dst, d.Ival)
	}
	return appendKeyOfBytes(dst, t, d.Bytes)
}

// AppendKeyDatumOrdered is AppendKeyOrdered for a datum.
func AppendKeyDatumOrdered(dst []byte, t types.Type, d types.Datum, desc, nullsFirst bool) []byte {
	if d.Null && nullsFirst {
		return append(dst, flagNullFirst)
	}
	start := len(dst) + 1
	dst = AppendKeyDatum(dst, t, d)
	if desc && !d.Null {
		invert(dst[start:])
	}
	return dst
}

func invert(b []byte) {
	for i := range b {
		b[i] = ^b[i]
	}
}

func appendKeyValue(dst []byte, v *Vector, row int) []byte {
	switch v.Type.Kind() {
	case types.KindBool:
		return appendBool(dst, v.Bool[row])
	case types.KindInt64:
		return appendKeyInt(dst, v.Int[row])
	case types.KindFloat64:
		return appendKeyFloat(dst, v.Flt[row])
	case types.KindDecimal:
		return v.Dec[row].AppendSortKey(dst)
	case types.KindInterval:
		return appendKeyInterval(dst, v.Ival[row])
	}
	return appendKeyOfBytes(dst, v.Type, v.Data[v.Off[row]:v.Off[row+1]])
}

func appendKeyInt(dst []byte, x int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(x)^1<<63)
}

// appendKeyFloat orders by value; -0 is 0, and every NaN is the greatest.
func appendKeyFloat(dst []byte, x float64) []byte {
	switch {
	case x == 0:
		x = 0
	case x != x:
		return binary.BigEndian.AppendUint64(dst, math.MaxUint64)
	}
	u := math.Float64bits(x)
	if u>>63 != 0 {
		u = ^u
	} else {
		u |= 1 << 63
	}
	return binary.BigEndian.AppendUint64(dst, u)
}

func appendKeyInterval(dst []byte, x types.IntervalValue) []byte {
	hi, lo := x.Span()
	dst = appendKeyInt(dst, hi)
	return binary.BigEndian.AppendUint64(dst, lo)
}

func appendKeyOfBytes(dst []byte, t types.Type, b []byte) []byte {
	switch t.Base() {
	case types.UUID:
		if len(b) == uuidSize {
			return append(dst, b...)
		}
	case types.TimeTZ:
		if clock, zone, ok := types.DecodeTimeTZ(b); ok {
			return appendKeyTimeTZ(dst, clock, zone)
		}
	case types.BPChar:
		for len(b) > 0 && b[len(b)-1] == ' ' {
			b = b[:len(b)-1]
		}
	case types.JSONB:
		return types.AppendJSONBKey(dst, b)
	}
	if t.Kind() == types.KindList {
		return appendKeyList(dst, t, b)
	}
	return appendEscaped(dst, b)
}

// appendEscaped appends b with 0x00 as 0x00 0xFF, ended by 0x00 0x01, which
// keeps the order of bytes and marks the end.
func appendEscaped(dst, b []byte) []byte {
	for {
		i := bytes.IndexByte(b, 0)
		if i < 0 {
			break
		}
		dst = append(dst, b[:i]...)
		dst = append(dst, 0x00, 0xFF)
		b = b[i+1:]
	}
	dst = append(dst, b...)
	return append(dst, 0x00, 0x01)
}

const (
	uuidSize   = 16
	timeTZSize = 12
)

// appendKeyTimeTZ orders by the moment in UTC, then by the zone, as
// PostgreSQL's timetz_cmp does.
func appendKeyTimeTZ(dst []byte, micros int64, zone int32) []byte {
	dst = appendKeyInt(dst, micros+int64(zone)*types.MicrosPerSecond)
	return binary.BigEndian.AppendUint32(dst, uint32(zone)^1<<31)
}

// appendKeyList orders by the elements, NULLs last, a prefix before what it is
// a prefix of, and then by the shape.
func appendKeyList(dst []byte, t types.Type, b []byte) []byte {
	l, ok := types.DecodeList(t, b)
	if !ok {
		return appendEscaped(dst, b)
	}
	for l.Next() {
		dst = AppendKeyDatum(dst, l.ElemType(), l.Elem())
	}
	dst = append(dst, flagNullFirst) // below every element's flag
	if t.Base() == types.Record {
		return dst
	}
	dims := l.Dims()
	dst = append(dst, byte(len(dims)))
	for _, d := range dims {
		dst = binary.BigEndian.AppendUint32(dst, uint32(d.Len))
	}
	for _, d := range dims {
		dst = binary.BigEndian.AppendUint32(dst, uint32(d.Lower)^1<<31)
	}
	return dst
}

// KeyLossy says that values of the type cannot be restored from their keys,
// because values that differ in their row image may have the same key.
func KeyLossy(t types.Type) bool {
	switch t.Base() {
	case types.Float4, types.Float8, types.Numeric, types.Interval, types.BPChar, types.JSONB:
		return true
	}
	return t.Kind() == types.KindList
}

// DecodeKey appends the value whose AppendKey image is at the front of b to dst
// and returns the rest. The type must not be lossy; ErrCorrupt otherwise, and
// for bytes that are no key.
func DecodeKey(b []byte, t types.Type, dst *Vector) (rest []byte, err error) {
	return DecodeKeyOrdered(b, t, dst, false)
}

// DecodeKeyOrdered is DecodeKey for keys made by AppendKeyOrdered.
func DecodeKeyOrdered(b []byte, t types.Type, dst *Vector, desc bool) (rest []byte, err error) {
	if len(b) == 0 || KeyLossy(t) {
		return b, ErrCorrupt
	}
	flag := b[0]
	b = b[1:]
	switch flag {
	case flagNullFirst, flagNullLast:
		dst.AppendNull()
		return b, nil
	case flagValue:
	default:
		return b, ErrCorrupt
	}
	mask := byte(0)
	if desc {
		mask = 0xFF
	}
	switch t.Kind() {
	case types.KindBool:
		if len(b) < 1 || b[0]^mask > 1 {
			return b, ErrCorrupt
		}
		dst.AppendBool(b[0]^mask == 1)
		return b[1:], nil
	case types.KindInt64:
		if len(b) < 8 {
			return b, ErrCorrupt
		}
		dst.AppendInt(decodeKeyInt(b, mask))
		return b[8:], nil
	}
	return decodeKeyBytes(b, t, dst, mask)
}

func decodeKeyInt(b []byte, mask byte) int64 {
	u := binary.BigEndian.Uint64(b)
	if mask != 0 {
		u = ^u
	}
	return int64(u ^ 1<<63)
}

func decodeKeyBytes(b []byte, t types.Type, dst *Vector, mask byte) (rest []byte, err error) {
	switch t.Base() {
	case types.UUID:
		if len(b) < uuidSize {
			return b, ErrCorrupt
		}
		for _, c := range b[:uuidSize] {
			dst.Data = append(dst.Data, c^mask)
		}
		dst.EndBytes()
		return b[uuidSize:], nil
	case types.TimeTZ:
		if len(b) < timeTZSize {
			return b, ErrCorrupt
		}
		utc := decodeKeyInt(b, mask)
		zone := binary.BigEndian.Uint32(b[8:])
		if mask != 0 {
			zone = ^zone
		}
		zone ^= 1 << 31
		dst.Data = types.AppendTimeTZ(dst.Data, utc-int64(int32(zone))*types.MicrosPerSecond, int32(zone))
		dst.EndBytes()
		return b[timeTZSize:], nil
	}
	start := len(dst.Data)
	for i := 0; i+1 < len(b); i++ {
		c := b[i] ^ mask
		if c != 0 {
			dst.Data = append(dst.Data, c)
			continue
		}
		i++
		switch b[i] ^ mask {
		case 0xFF:
			dst.Data = append(dst.Data, 0)
		case 0x01:
			dst.EndBytes()
			return b[i+1:], nil
		default:
			dst.Data = dst.Data[:start]
			return b, ErrCorrupt
		}
	}
	dst.Data = dst.Data[:start]
	return b, ErrCorrupt
}
