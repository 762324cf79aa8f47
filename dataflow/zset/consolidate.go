package zset

import (
	"hash/maphash"

	"github.com/streamdb/streamdb/sql/types"
)

// Consolidate sums the weights of identical rows (by their images) and drops
// those that come to zero. Rows keep the order of their first appearance, so
// the result depends on the input alone.
func Consolidate(ts []types.Type, batches []*Batch) *Batch {
	rows := 0
	for _, b := range batches {
		rows += b.Len()
	}
	c := newConsolidator(rows)
	for i, b := range batches {
		for j := range b.Len() {
			r := b.Row(j)
			if w := b.WeightAt(r); w != 0 {
				c.add(b, i, r, w)
			}
		}
	}
	out := NewBatch(ts, len(c.entries))
	for _, e := range c.entries {
		if e.weight != 0 {
			out.AppendRow(batches[e.batch], e.row, e.weight)
		}
	}
	return out
}

// consolidator is an open-addressing table of row images in one arena. The
// hash's seed decides positions in the table only, never the result.
type consolidator struct {
	seed    maphash.Seed
	images  List
	entries []consolidated
	slots   []int32 // entry + 1; 0 is free
}

type consolidated struct {
	hash   uint64
	weight int64
	batch  int
	row    int
}

// newConsolidator makes room for so many rows, up to a limit above which rows
// are expected to repeat.
func newConsolidator(rows int) *consolidator {
	const most = 1 << 16
	rows = min(rows, most)
	slots := 64
	for slots*3 < rows*4 {
		slots *= 2
	}
	c := &consolidator{seed: maphash.MakeSeed(), slots: make([]int32, slots), entries: make([]consolidated, 0, rows)}
	c.images.Data = make([]byte, 0, 32*rows)
	c.images.Off = make([]uint32, 0, rows)
	return c
}

func (c *consolidator) add(b *Batch, batch, row int, weight int64) {
	if len(c.entries)*4 >= len(c.slots)*3 {
		c.rehash()
	}
	start := len(c.images.Data)
	c.images.Data = AppendRow(c.images.Data, b.Cols, row)
	image := c.images.Data[start:]
	hash := maphash.Bytes(c.seed, image)
	mask := uint64(len(c.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		n := c.slots[i]
		if n == 0 {
			c.images.End()
			c.entries = append(c.entries, consolidated{hash, weight, batch, row})
			c.slots[i] = int32(len(c.entries))
			return
		}
		e := &c.entries[n-1]
		if e.hash == hash && string(c.images.At(int(n-1))) == string(image) {
			e.weight += weight
			c.images.Data = c.images.Data[:start]
			return
		}
	}
}

func (c *consolidator) rehash() {
	c.slots = make([]int32, max(64, 2*len(c.slots)))
	mask := uint64(len(c.slots) - 1)
	for n, e := range c.entries {
		i := e.hash & mask
		for c.slots[i] != 0 {
			i = (i + 1) & mask
		}
		c.slots[i] = int32(n + 1)
	}
}
