package zset

import "github.com/streamdb/streamdb/sql/types"

// NewBatch returns an empty batch of the given columns.
func NewBatch(ts []types.Type, capacity int) *Batch {
	return &Batch{Cols: NewVectors(ts, capacity)}
}

// Types returns the columns' types.
func (b *Batch) Types() []types.Type {
	ts := make([]types.Type, len(b.Cols))
	for i := range b.Cols {
		ts[i] = b.Cols[i].Type
	}
	return ts
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	for i := range b.Cols {
		b.Cols[i].Reset()
	}
	b.N, b.Sel, b.Weight = 0, nil, nil
}

// AddRow counts a row whose values the caller appended to every column. A batch
// that is built must have no selection.
func (b *Batch) AddRow(weight int64) {
	if b.Weight == nil && weight != 1 {
		b.Weight = make([]int64, b.N, max(b.N+1, 64))
		for i := range b.Weight {
			b.Weight[i] = 1
		}
	}
	if b.Weight != nil {
		b.Weight = append(b.Weight, weight)
	}
	b.N++
}

// AppendRow appends the physical row of src with the given weight.
func (b *Batch) AppendRow(src *Batch, row int, weight int64) {
	for i := range b.Cols {
		b.Cols[i].AppendFrom(&src.Cols[i], row)
	}
	b.AddRow(weight)
}

// AppendDatums appends one row of datums with the given weight.
func (b *Batch) AppendDatums(row []types.Datum, weight int64) {
	for i := range b.Cols {
		b.Cols[i].AppendDatum(row[i])
	}
	b.AddRow(weight)
}

// AppendBatch appends the selected rows of src with their weights.
func (b *Batch) AppendBatch(src *Batch) {
	n := src.Len()
	if n == 0 {
		return
	}
	for i := range b.Cols {
		if src.Sel != nil {
			b.Cols[i].Gather(&src.Cols[i], src.Sel)
		} else {
			b.Cols[i].AppendVector(&src.Cols[i])
		}
	}
	if src.Weight == nil && b.Weight == nil {
		b.N += n
		return
	}
	for i := range n {
		b.AddRow(src.WeightAt(src.Row(i)))
	}
}

// Concat returns the rows of all batches in order as one batch without
// selection. One batch that has no selection is returned as it is.
func Concat(ts []types.Type, batches []*Batch) *Batch {
	if len(batches) == 1 && batches[0].Sel == nil {
		return batches[0]
	}
	n := 0
	for _, b := range batches {
		n += b.Len()
	}
	out := NewBatch(ts, n)
	for _, b := range batches {
		out.AppendBatch(b)
	}
	return out
}

// Compact returns the batch without selection and without rows of weight 0;
// the batch itself if it has neither.
func (b *Batch) Compact() *Batch {
	zero := false
	for i := range b.Len() {
		if b.WeightAt(b.Row(i)) == 0 {
			zero = true
			break
		}
	}
	if b.Sel == nil && !zero {
		return b
	}
	out := &Batch{Cols: make([]Vector, len(b.Cols))}
	for i := range b.Cols {
		out.Cols[i] = NewVector(b.Cols[i].Type, 0)
	}
	if !zero {
		out.AppendBatch(b)
		return out
	}
	live := Batch{Cols: b.Cols, N: b.N, Weight: b.Weight, Sel: make([]int32, 0, b.Len())}
	for i := range b.Len() {
		if r := b.Row(i); b.WeightAt(r) != 0 {
			live.Sel = append(live.Sel, int32(r))
		}
	}
	out.AppendBatch(&live)
	return out
}

// Negate returns the batch with all weights negated; the columns are shared.
func (b *Batch) Negate() *Batch {
	out := &Batch{Cols: b.Cols, N: b.N, Sel: b.Sel, Weight: make([]int64, b.N)}
	for r := range out.Weight {
		out.Weight[r] = -b.WeightAt(r)
	}
	return out
}

// ByteSize returns the memory that the batch takes, for budgets.
func (b *Batch) ByteSize() int {
	n := 8*len(b.Weight) + 4*len(b.Sel)
	for i := range b.Cols {
		n += b.Cols[i].ByteSize()
	}
	return n
}
