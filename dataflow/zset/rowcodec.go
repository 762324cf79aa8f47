package zset

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/streamdb/streamdb/sql/types"
)

// ErrCorrupt says that bytes are no image of a row or key of the given types.
var ErrCorrupt = errors.New("zset: corrupt row image")

// AppendRow appends the image of a row: one bit a column for NULL, then the
// values that are not: a byte for bool, a zig-zag varint for integers, 8 bytes
// for floats (every NaN is the same), the decimal's image, three varints for an
// interval, and length and bytes for the rest. The column types are not in it.
func AppendRow(dst []byte, cols []Vector, row int) []byte {
	start := len(dst)
	for range (len(cols) + 7) / 8 {
		dst = append(dst, 0)
	}
	for i := range cols {
		v := &cols[i]
		if v.Null.Get(row) {
			dst[start+i>>3] |= 1 << (uint(i) & 7)
			continue
		}
		switch v.Type.Kind() {
		case types.KindBool:
			dst = appendBool(dst, v.Bool[row])
		case types.KindInt64:
			dst = binary.AppendVarint(dst, v.Int[row])
		case types.KindFloat64:
			dst = appendFloat(dst, v.Flt[row])
		case types.KindDecimal:
			dst = v.Dec[row].AppendImage(dst)
		case types.KindInterval:
			dst = appendInterval(dst, v.Ival[row])
		default:
			b := v.Data[v.Off[row]:v.Off[row+1]]
			dst = binary.AppendUvarint(dst, uint64(len(b)))
			dst = append(dst, b...)
		}
	}
	return dst
}

// AppendRowDatums appends the image of a row of datums, the same bytes that
// AppendRow makes of vectors of the given types.
func AppendRowDatums(dst []byte, ts []types.Type, row []types.Datum) []byte {
	start := len(dst)
	for range (len(ts) + 7) / 8 {
		dst = append(dst, 0)
	}
	for i, t := range ts {
		d := &row[i]
		if d.Null {
			dst[start+i>>3] |= 1 << (uint(i) & 7)
			continue
		}
		switch t.Kind() {
		case types.KindBool:
			dst = appendBool(dst, d.Bool)
		case types.KindInt64:
			dst = binary.AppendVarint(dst, d.Int)
		case types.KindFloat64:
			dst = appendFloat(dst, d.Float)
		case types.KindDecimal:
			dst = d.Dec.AppendImage(dst)
		case types.KindInterval:
			dst = appendInterval(dst, d.Ival)
		default:
			dst = binary.AppendUvarint(dst, uint64(len(d.Bytes)))
			dst = append(dst, d.Bytes...)
		}
	}
	return dst
}

func appendBool(dst []byte, x bool) []byte {
	if x {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func appendFloat(dst []byte, x float64) []byte {
	if x != x {
		x = math.NaN()
	}
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(x))
}

func appendInterval(dst []byte, x types.IntervalValue) []byte {
	dst = binary.AppendVarint(dst, int64(x.Months))
	dst = binary.AppendVarint(dst, int64(x.Days))
	return binary.AppendVarint(dst, x.Micros)
}

// DecodeRow appends the row that b is the image of to dst, whose types say how
// to read it. On error (ErrCorrupt) dst is as before.
func DecodeRow(b []byte, dst []Vector) error {
	bitmap := (len(dst) + 7) / 8
	if len(b) < bitmap {
		return ErrCorrupt
	}
	nulls, rest := b[:bitmap], b[bitmap:]
	var ok bool
	if tail := len(dst) & 7; tail != 0 && nulls[bitmap-1]>>tail != 0 {
		return ErrCorrupt
	}
	for i := range dst {
		if nulls[i>>3]&(1<<(uint(i)&7)) != 0 {
			dst[i].AppendNull()
			continue
		}
		if rest, ok = decodeValue(rest, &dst[i]); !ok {
			undoRow(dst[:i])
			return ErrCorrupt
		}
	}
	if len(rest) != 0 {
		undoRow(dst)
		return ErrCorrupt
	}
	return nil
}

// undoRow removes the last row of each column.
func undoRow(cols []Vector) {
	for i := range cols {
		cols[i].Truncate(cols[i].Len() - 1)
	}
}

// decodeValue appends one value, or nothing if it is not ok.
func decodeValue(b []byte, v *Vector) (rest []byte, ok bool) {
	switch v.Type.Kind() {
	case types.KindBool:
		if len(b) < 1 || b[0] > 1 {
			return b, false
		}
		v.AppendBool(b[0] == 1)
		return b[1:], true
	case types.KindInt64:
		x, n := binary.Varint(b)
		if n <= 0 {
			return b, false
		}
		v.AppendInt(x)
		return b[n:], true
	case types.KindFloat64:
		if len(b) < 8 {
			return b, false
		}
		v.AppendFloat(math.Float64frombits(binary.LittleEndian.Uint64(b)))
		return b[8:], true
	case types.KindDecimal:
		d, rest, ok := types.DecodeImage(b)
		if ok {
			v.AppendDecimal(d)
		}
		return rest, ok
	case types.KindInterval:
		return decodeInterval(b, v)
	}
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) || !validSize(v.Type, size) {
		return b, false
	}
	v.AppendBytes(b[n : n+int(size)])
	return b[n+int(size):], true
}

// validSize checks the types whose values have one length only.
func validSize(t types.Type, size uint64) bool {
	switch t.Base() {
	case types.UUID:
		return size == uuidSize
	case types.TimeTZ:
		return size == timeTZSize
	}
	return true
}

func decodeInterval(b []byte, v *Vector) (rest []byte, ok bool) {
	var parts [3]int64
	for i := range parts {
		x, n := binary.Varint(b)
		if n <= 0 || i < 2 && x != int64(int32(x)) {
			return b, false
		}
		parts[i], b = x, b[n:]
	}
	v.AppendInterval(types.IntervalValue{Months: int32(parts[0]), Days: int32(parts[1]), Micros: parts[2]})
	return b, true
}
