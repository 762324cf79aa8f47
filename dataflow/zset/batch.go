package zset

import "github.com/streamdb/streamdb/sql/types"

// Bitmap has one bit a row, lowest bit first; nil means no bit is set.
type Bitmap []uint64

// Get says whether bit i is set. A nil bitmap has no set bits.
func (b Bitmap) Get(i int) bool { return b != nil && b[i>>6]&(1<<(uint(i)&63)) != 0 }

// Set sets bit i; the bitmap must be long enough.
func (b Bitmap) Set(i int) { b[i>>6] |= 1 << (uint(i) & 63) }

// Clear clears bit i; the bitmap must be long enough.
func (b Bitmap) Clear(i int) { b[i>>6] &^= 1 << (uint(i) & 63) }

// NewBitmap returns a bitmap of n cleared bits.
func NewBitmap(n int) Bitmap { return make(Bitmap, (n+63)/64) }

// Vector is one column: exactly the slice of the type's kind is in use.
// Values at NULL rows are present and unspecified (zero for fresh vectors).
type Vector struct {
	Type types.Type
	Null Bitmap // set bit: SQL NULL; nil: no NULLs
	Bool []bool
	Int  []int64
	Flt  []float64
	Dec  []types.Decimal
	Ival []types.IntervalValue
	Off  []uint32 // KindBytes, KindList: value i is Data[Off[i]:Off[i+1]]; len = rows+1
	Data []byte
}

// Batch is a set of rows with weights. N is the physical number of rows in
// every column. Sel, when not nil, lists the rows that belong to the batch, in
// order and without repetition; all others are as if they were not there.
// Weight, when not nil, has N entries; nil means that every row has weight +1.
// A weight of 0 is allowed and means the row is absent.
type Batch struct {
	Cols   []Vector
	N      int
	Sel    []int32
	Weight []int64
}

// Len returns the number of selected rows.
func (b *Batch) Len() int {
	if b.Sel != nil {
		return len(b.Sel)
	}
	return b.N
}

// Row returns the physical index of the i-th selected row.
func (b *Batch) Row(i int) int {
	if b.Sel != nil {
		return int(b.Sel[i])
	}
	return i
}

// WeightAt returns the weight of the physical row r.
func (b *Batch) WeightAt(r int) int64 {
	if b.Weight == nil {
		return 1
	}
	return b.Weight[r]
}
