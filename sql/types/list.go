package types

import (
	"encoding/binary"
	"math"
)

// A value of KindList is encoded as
//
//	array:  uvarint number of dimensions, for each: uvarint length, varint lower bound
//	record: uvarint number of fields, for each: uvarint type OID
//	then one bit a element for NULL, then for each that is not, its value:
//	bool one byte, integers zig-zag varint, floats 8 bytes little endian,
//	numeric its image, interval three varints, others uvarint length and bytes.
//
// The empty array has no dimensions.

// Dim is one dimension of an array.
type Dim struct {
	Len   int32
	Lower int32
}

const (
	maxDims     = 6
	maxElements = 1 << 27
)

// ListReader iterates over the elements of a list's bytes.
type ListReader struct {
	elem   Type
	fields []Type
	dims   []Dim
	nulls  []byte
	rest   []byte
	n      int
	next   int
	cur    Datum
	ok     bool
}

// DecodeList begins to read an array or record; ok is false for corrupt bytes.
// Elements are validated as they are read: see Err.
func DecodeList(t Type, b []byte) (l ListReader, ok bool) {
	l.ok = true
	if t.Base() == Record {
		b, ok = l.readFields(b)
	} else {
		l.elem = t.Elem()
		b, ok = l.readDims(b)
	}
	if !ok || len(b) < (l.n+7)/8 {
		return ListReader{elem: l.elem}, false // reads as empty
	}
	l.nulls, l.rest = b[:(l.n+7)/8], b[(l.n+7)/8:]
	return l, true
}

func (l *ListReader) readDims(b []byte) (rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > maxDims {
		return b, false
	}
	b = b[size:]
	l.n = 1
	if n == 0 {
		l.n = 0
		return b, true
	}
	l.dims = make([]Dim, n)
	for i := range l.dims {
		length, size := binary.Uvarint(b)
		if size <= 0 || length == 0 || length > maxElements {
			return b, false
		}
		b = b[size:]
		lower, size := binary.Varint(b)
		if size <= 0 || lower != int64(int32(lower)) {
			return b, false
		}
		b = b[size:]
		l.dims[i] = Dim{Len: int32(length), Lower: int32(lower)}
		if l.n *= int(length); l.n > maxElements {
			return b, false
		}
	}
	return b, true
}

func (l *ListReader) readFields(b []byte) (rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)) {
		return b, false
	}
	b = b[size:]
	l.fields = make([]Type, n)
	l.n = int(n)
	for i := range l.fields {
		oid, size := binary.Uvarint(b)
		if size <= 0 || oid > math.MaxUint32 {
			return b, false
		}
		b = b[size:]
		l.fields[i] = Type(oid)
	}
	return b, true
}

// Dims returns the array's dimensions, none for the empty array.
func (l *ListReader) Dims() []Dim { return l.dims }

// Len returns the number of elements.
func (l *ListReader) Len() int { return l.n }

// Next moves to the next element; false at the end or at corrupt bytes.
func (l *ListReader) Next() bool {
	if l.next >= l.n || !l.ok {
		return false
	}
	i := l.next
	l.next++
	if l.nulls[i>>3]&(1<<(uint(i)&7)) != 0 {
		l.cur = NullDatum()
		return true
	}
	l.rest, l.ok = decodeElement(l.rest, l.ElemType(), &l.cur)
	return l.ok
}

// ElemType returns the current element's type.
func (l *ListReader) ElemType() Type {
	if l.fields != nil {
		return l.fields[max(l.next-1, 0)]
	}
	return l.elem
}

// Elem returns the current element; its bytes share memory with the list.
func (l *ListReader) Elem() Datum { return l.cur }

// Corrupt says that the bytes ended early or hold no element where one is due.
func (l *ListReader) Corrupt() bool { return !l.ok || l.next >= l.n && len(l.rest) != 0 }

func decodeElement(b []byte, t Type, d *Datum) (rest []byte, ok bool) {
	*d = Datum{}
	switch t.Kind() {
	case KindBool:
		if len(b) < 1 || b[0] > 1 {
			return b, false
		}
		d.Bool = b[0] == 1
		return b[1:], true
	case KindInt64:
		x, n := binary.Varint(b)
		if n <= 0 {
			return b, false
		}
		d.Int = x
		return b[n:], true
	case KindFloat64:
		if len(b) < 8 {
			return b, false
		}
		d.Float = math.Float64frombits(binary.LittleEndian.Uint64(b))
		return b[8:], true
	case KindDecimal:
		d.Dec, rest, ok = DecodeImage(b)
		return rest, ok
	case KindInterval:
		return decodeIntervalImage(b, &d.Ival)
	}
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return b, false
	}
	d.Bytes = b[n : n+int(size) : n+int(size)]
	return b[n+int(size):], true
}

func decodeIntervalImage(b []byte, v *IntervalValue) (rest []byte, ok bool) {
	var parts [3]int64
	for i := range parts {
		x, n := binary.Varint(b)
		if n <= 0 || i < 2 && x != int64(int32(x)) {
			return b, false
		}
		parts[i], b = x, b[n:]
	}
	*v = IntervalValue{Months: int32(parts[0]), Days: int32(parts[1]), Micros: parts[2]}
	return b, true
}

func appendElement(dst []byte, t Type, d Datum) []byte {
	switch t.Kind() {
	case KindBool:
		if d.Bool {
			return append(dst, 1)
		}
		return append(dst, 0)
	case KindInt64:
		return binary.AppendVarint(dst, d.Int)
	case KindFloat64:
		f := d.Float
		if f != f {
			f = math.NaN()
		}
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f))
	case KindDecimal:
		return d.Dec.AppendImage(dst)
	case KindInterval:
		dst = binary.AppendVarint(dst, int64(d.Ival.Months))
		dst = binary.AppendVarint(dst, int64(d.Ival.Days))
		return binary.AppendVarint(dst, d.Ival.Micros)
	}
	dst = binary.AppendUvarint(dst, uint64(len(d.Bytes)))
	return append(dst, d.Bytes...)
}

func appendElements(dst []byte, n int, at func(i int) (Type, Datum)) []byte {
	start := len(dst)
	for range (n + 7) / 8 {
		dst = append(dst, 0)
	}
	for i := range n {
		t, d := at(i)
		if d.Null {
			dst[start+i>>3] |= 1 << (uint(i) & 7)
			continue
		}
		dst = appendElement(dst, t, d)
	}
	return dst
}

// AppendArray appends the bytes of an array with the given element type and
// dimensions (nil: one dimension from 1). There must be as many elements as the
// dimensions say.
func AppendArray(dst []byte, elem Type, dims []Dim, elems []Datum) []byte {
	if len(elems) == 0 {
		return append(dst, 0)
	}
	if dims == nil {
		dims = []Dim{{Len: int32(len(elems)), Lower: 1}}
	}
	dst = binary.AppendUvarint(dst, uint64(len(dims)))
	for _, d := range dims {
		dst = binary.AppendUvarint(dst, uint64(d.Len))
		dst = binary.AppendVarint(dst, int64(d.Lower))
	}
	return appendElements(dst, len(elems), func(i int) (Type, Datum) { return elem, elems[i] })
}

// AppendRecord appends the bytes of a record.
func AppendRecord(dst []byte, ts []Type, fields []Datum) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(ts)))
	for _, t := range ts {
		dst = binary.AppendUvarint(dst, uint64(t.OID()))
	}
	return appendElements(dst, len(ts), func(i int) (Type, Datum) { return ts[i], fields[i] })
}
