package zset

import (
	"math"

	"github.com/streamdb/streamdb/sql/types"
)

// NewVector returns an empty vector with room for capacity rows.
func NewVector(t types.Type, capacity int) Vector {
	v := Vector{Type: t}
	v.Grow(capacity)
	return v
}

// NewVectors returns one empty vector for each type.
func NewVectors(ts []types.Type, capacity int) []Vector {
	cols := make([]Vector, len(ts))
	for i, t := range ts {
		cols[i] = NewVector(t, capacity)
	}
	return cols
}

// Grow makes room for n more rows; bytes get 16 bytes a row.
func (v *Vector) Grow(n int) {
	switch v.Type.Kind() {
	case types.KindBool:
		v.Bool = grow(v.Bool, n)
	case types.KindInt64:
		v.Int = grow(v.Int, n)
	case types.KindFloat64:
		v.Flt = grow(v.Flt, n)
	case types.KindDecimal:
		v.Dec = grow(v.Dec, n)
	case types.KindInterval:
		v.Ival = grow(v.Ival, n)
	default:
		v.Off = grow(v.Off, n+1)
		v.Data = grow(v.Data, 16*n)
		if len(v.Off) == 0 {
			v.Off = append(v.Off, 0)
		}
	}
}

func grow[T any](s []T, n int) []T {
	if cap(s)-len(s) >= n {
		return s
	}
	grown := make([]T, len(s), len(s)+n)
	copy(grown, s)
	return grown
}

// Len returns the number of rows.
func (v *Vector) Len() int {
	switch v.Type.Kind() {
	case types.KindBool:
		return len(v.Bool)
	case types.KindInt64:
		return len(v.Int)
	case types.KindFloat64:
		return len(v.Flt)
	case types.KindDecimal:
		return len(v.Dec)
	case types.KindInterval:
		return len(v.Ival)
	default:
		return max(len(v.Off)-1, 0)
	}
}

// Reset empties the vector and keeps its memory.
func (v *Vector) Reset() {
	v.Null = nil
	v.Bool, v.Int, v.Flt, v.Dec, v.Ival = v.Bool[:0], v.Int[:0], v.Flt[:0], v.Dec[:0], v.Ival[:0]
	v.Data = v.Data[:0]
	if len(v.Off) > 0 {
		v.Off = v.Off[:1]
		v.Off[0] = 0
	}
}

// Truncate removes the rows from n on.
func (v *Vector) Truncate(n int) {
	switch v.Type.Kind() {
	case types.KindBool:
		v.Bool = v.Bool[:n]
	case types.KindInt64:
		v.Int = v.Int[:n]
	case types.KindFloat64:
		v.Flt = v.Flt[:n]
	case types.KindDecimal:
		v.Dec = v.Dec[:n]
	case types.KindInterval:
		v.Ival = v.Ival[:n]
	default:
		if len(v.Off) > 0 {
			v.Off = v.Off[:n+1]
			v.Data = v.Data[:v.Off[n]]
		}
	}
	v.truncateNulls(n)
}

// truncateNulls clears the bits from n on, so that rows appended later are not
// NULL by accident.
func (v *Vector) truncateNulls(n int) {
	if v.Null == nil {
		return
	}
	words := (n + 63) / 64
	if words < len(v.Null) {
		v.Null = v.Null[:words]
	}
	if n&63 != 0 && words <= len(v.Null) {
		v.Null[words-1] &= 1<<(uint(n)&63) - 1
	}
	if words == 0 {
		v.Null = nil
	}
}

// coverNulls extends an existing bitmap to n rows.
func (v *Vector) coverNulls(n int) {
	for len(v.Null)*64 < n {
		v.Null = append(v.Null, 0)
	}
}

// appended must be called after each row that is not NULL.
func (v *Vector) appended(n int) {
	if v.Null != nil {
		v.coverNulls(n)
	}
}

// SetNull marks a row that exists as NULL.
func (v *Vector) SetNull(row int) {
	v.coverNulls(v.Len())
	v.Null.Set(row)
}

// HasNulls says whether any row is NULL.
func (v *Vector) HasNulls() bool {
	for _, w := range v.Null {
		if w != 0 {
			return true
		}
	}
	return false
}

// AppendNull appends SQL NULL.
func (v *Vector) AppendNull() {
	v.appendZero()
	n := v.Len()
	v.coverNulls(n)
	v.Null.Set(n - 1)
}

func (v *Vector) appendZero() {
	switch v.Type.Kind() {
	case types.KindBool:
		v.Bool = append(v.Bool, false)
	case types.KindInt64:
		v.Int = append(v.Int, 0)
	case types.KindFloat64:
		v.Flt = append(v.Flt, 0)
	case types.KindDecimal:
		v.Dec = append(v.Dec, types.Decimal{})
	case types.KindInterval:
		v.Ival = append(v.Ival, types.IntervalValue{})
	default:
		v.startBytes()
		v.Off = append(v.Off, uint32(len(v.Data)))
	}
}

// AppendBool appends a value of KindBool.
func (v *Vector) AppendBool(x bool) {
	v.Bool = append(v.Bool, x)
	v.appended(len(v.Bool))
}

// AppendInt appends a value of KindInt64.
func (v *Vector) AppendInt(x int64) {
	v.Int = append(v.Int, x)
	v.appended(len(v.Int))
}

// AppendFloat appends a value of KindFloat64.
func (v *Vector) AppendFloat(x float64) {
	v.Flt = append(v.Flt, x)
	v.appended(len(v.Flt))
}

// AppendDecimal appends a value of KindDecimal.
func (v *Vector) AppendDecimal(x types.Decimal) {
	v.Dec = append(v.Dec, x)
	v.appended(len(v.Dec))
}

// AppendInterval appends a value of KindInterval.
func (v *Vector) AppendInterval(x types.IntervalValue) {
	v.Ival = append(v.Ival, x)
	v.appended(len(v.Ival))
}

// AppendBytes appends a copy of x, a value of KindBytes or KindList.
func (v *Vector) AppendBytes(x []byte) {
	v.startBytes()
	v.Data = append(v.Data, x...)
	v.EndBytes()
}

// AppendString appends a value of KindBytes or KindList.
func (v *Vector) AppendString(x string) {
	v.startBytes()
	v.Data = append(v.Data, x...)
	v.EndBytes()
}

// EndBytes ends the value that the caller appended to Data itself.
func (v *Vector) EndBytes() {
	v.startBytes()
	if len(v.Data) > math.MaxUint32 {
		panic("zset: vector holds more than 4 GiB")
	}
	v.Off = append(v.Off, uint32(len(v.Data)))
	v.appended(len(v.Off) - 1)
}

func (v *Vector) startBytes() {
	if len(v.Off) == 0 {
		v.Off = append(v.Off, 0)
	}
}

// AppendDatum appends a datum of the vector's type.
func (v *Vector) AppendDatum(d types.Datum) {
	if d.Null {
		v.AppendNull()
		return
	}
	switch v.Type.Kind() {
	case types.KindBool:
		v.AppendBool(d.Bool)
	case types.KindInt64:
		v.AppendInt(d.Int)
	case types.KindFloat64:
		v.AppendFloat(d.Float)
	case types.KindDecimal:
		v.AppendDecimal(d.Dec)
	case types.KindInterval:
		v.AppendInterval(d.Ival)
	default:
		v.AppendBytes(d.Bytes)
	}
}

// AppendFrom appends a row of src, which must be of the same kind.
func (v *Vector) AppendFrom(src *Vector, row int) {
	if src.Null.Get(row) {
		v.AppendNull()
		return
	}
	switch v.Type.Kind() {
	case types.KindBool:
		v.AppendBool(src.Bool[row])
	case types.KindInt64:
		v.AppendInt(src.Int[row])
	case types.KindFloat64:
		v.AppendFloat(src.Flt[row])
	case types.KindDecimal:
		v.AppendDecimal(src.Dec[row])
	case types.KindInterval:
		v.AppendInterval(src.Ival[row])
	default:
		v.AppendBytes(src.Bytes(row))
	}
}

// IsNull says whether a row is NULL.
func (v *Vector) IsNull(row int) bool { return v.Null.Get(row) }

// Bytes returns a value of KindBytes or KindList; it shares memory with the
// vector and must not be appended to.
func (v *Vector) Bytes(row int) []byte {
	start, end := v.Off[row], v.Off[row+1]
	return v.Data[start:end:end]
}

// Datum returns a row's value; its bytes share memory with the vector.
func (v *Vector) Datum(row int) types.Datum {
	if v.Null.Get(row) {
		return types.NullDatum()
	}
	switch v.Type.Kind() {
	case types.KindBool:
		return types.Datum{Bool: v.Bool[row]}
	case types.KindInt64:
		return types.Datum{Int: v.Int[row]}
	case types.KindFloat64:
		return types.Datum{Float: v.Flt[row]}
	case types.KindDecimal:
		return types.Datum{Dec: v.Dec[row]}
	case types.KindInterval:
		return types.Datum{Ival: v.Ival[row]}
	default:
		return types.Datum{Bytes: v.Bytes(row)}
	}
}

// Gather appends the selected rows of src, which must be of the same kind.
func (v *Vector) Gather(src *Vector, sel []int32) {
	base := v.Len()
	switch v.Type.Kind() {
	case types.KindBool:
		v.Bool = gather(v.Bool, src.Bool, sel)
	case types.KindInt64:
		v.Int = gather(v.Int, src.Int, sel)
	case types.KindFloat64:
		v.Flt = gather(v.Flt, src.Flt, sel)
	case types.KindDecimal:
		v.Dec = gather(v.Dec, src.Dec, sel)
	case types.KindInterval:
		v.Ival = gather(v.Ival, src.Ival, sel)
	default:
		v.gatherBytes(src, sel)
	}
	v.gatherNulls(base, src, sel)
}

func gather[T any](dst, src []T, sel []int32) []T {
	dst = grow(dst, len(sel))
	for _, r := range sel {
		dst = append(dst, src[r])
	}
	return dst
}

func (v *Vector) gatherBytes(src *Vector, sel []int32) {
	v.startBytes()
	v.Off = grow(v.Off, len(sel))
	for _, r := range sel {
		v.Data = append(v.Data, src.Data[src.Off[r]:src.Off[r+1]]...)
		v.Off = append(v.Off, uint32(len(v.Data)))
	}
	if len(v.Data) > math.MaxUint32 {
		panic("zset: vector holds more than 4 GiB")
	}
}

func (v *Vector) gatherNulls(base int, src *Vector, sel []int32) {
	if src.Null == nil && v.Null == nil {
		return
	}
	if src.Null != nil {
		for i, r := range sel {
			if src.Null.Get(int(r)) {
				v.coverNulls(base + len(sel))
				v.Null.Set(base + i)
			}
		}
	}
	v.appended(base + len(sel))
}

// AppendVector appends all rows of src, which must be of the same kind.
func (v *Vector) AppendVector(src *Vector) {
	base, n := v.Len(), src.Len()
	v.Bool = append(v.Bool, src.Bool...)
	v.Int = append(v.Int, src.Int...)
	v.Flt = append(v.Flt, src.Flt...)
	v.Dec = append(v.Dec, src.Dec...)
	v.Ival = append(v.Ival, src.Ival...)
	if n > 0 && len(src.Off) > 0 {
		v.startBytes()
		first, last := src.Off[0], src.Off[n]
		shift := uint32(len(v.Data)) - first // wraps; the sum below is right
		v.Data = append(v.Data, src.Data[first:last]...)
		if len(v.Data) > math.MaxUint32 {
			panic("zset: vector holds more than 4 GiB")
		}
		for _, end := range src.Off[1 : n+1] {
			v.Off = append(v.Off, end+shift)
		}
	}
	if src.Null != nil {
		for i := range n {
			if src.Null.Get(i) {
				v.coverNulls(base + n)
				v.Null.Set(base + i)
			}
		}
	}
	v.appended(base + n)
}

// Slice returns the rows from (inclusive) to end (exclusive) as a vector that
// shares memory; neither may be appended to while the other is in use.
func (v *Vector) Slice(from, end int) Vector {
	s := Vector{Type: v.Type}
	switch v.Type.Kind() {
	case types.KindBool:
		s.Bool = v.Bool[from:end:end]
	case types.KindInt64:
		s.Int = v.Int[from:end:end]
	case types.KindFloat64:
		s.Flt = v.Flt[from:end:end]
	case types.KindDecimal:
		s.Dec = v.Dec[from:end:end]
	case types.KindInterval:
		s.Ival = v.Ival[from:end:end]
	default:
		if len(v.Off) > 0 {
			s.Off = v.Off[from : end+1 : end+1]
			s.Data = v.Data[:v.Off[end]:v.Off[end]]
		}
	}
	s.Null = v.Null.slice(from, end)
	return s
}

func (b Bitmap) slice(from, end int) Bitmap {
	if b == nil || from == end {
		return nil
	}
	if from&63 == 0 {
		words := b[from>>6 : (end+63)>>6 : (end+63)>>6]
		return words
	}
	s := NewBitmap(end - from)
	for i := from; i < end; i++ {
		if b.Get(i) {
			s.Set(i - from)
		}
	}
	return s
}

// ByteSize returns the memory that the rows take, for budgets.
func (v *Vector) ByteSize() int {
	return len(v.Bool) + 8*len(v.Int) + 8*len(v.Flt) + 32*len(v.Dec) + 16*len(v.Ival) + 4*len(v.Off) + len(v.Data) + 8*len(v.Null)
}
