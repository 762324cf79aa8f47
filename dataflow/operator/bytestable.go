package operator

import (
	"hash/maphash"

	"github.com/streamdb/streamdb/dataflow/zset"
)

// bytesTable numbers distinct byte strings in the order of their first
// appearance. It is flat: an index of open addressing with a part of the hash
// beside each number, and the strings in one arena. The seed of the hash decides
// positions in the index only, never a result.
type bytesTable struct {
	seed  maphash.Seed
	index []uint64 // hash tag in the high half, number + 1 in the low; 0 is free
	keys  zset.List
}

const minIndex = 256

func newBytesTable() bytesTable { return bytesTable{seed: maphash.MakeSeed()} }

// len returns how many strings there are.
func (t *bytesTable) len() int { return t.keys.Len() }

// at returns string i.
func (t *bytesTable) at(i int) []byte { return t.keys.At(i) }

// add returns the number of a string and whether it is new.
func (t *bytesTable) add(key []byte) (n int32, added bool) {
	if t.keys.Len()*4 >= len(t.index)*3 {
		t.grow()
	}
	h := maphash.Bytes(t.seed, key)
	i, n := t.find(h, key)
	if n >= 0 {
		return n, false
	}
	n = int32(t.keys.Len())
	t.keys.Add(key)
	t.index[i] = h&tagMask | uint64(n+1)
	return n, true
}

// lookup returns the number of a string, -1 if it has none.
func (t *bytesTable) lookup(key []byte) int32 {
	if len(t.index) == 0 {
		return -1
	}
	_, n := t.find(maphash.Bytes(t.seed, key), key)
	return n
}

const tagMask = 0xffffffff << 32

func (t *bytesTable) find(h uint64, key []byte) (at uint64, n int32) {
	mask := uint64(len(t.index) - 1)
	i := h & mask
	for {
		e := t.index[i]
		if e == 0 {
			return i, -1
		}
		if (e^h)&tagMask == 0 {
			n := int32(uint32(e)) - 1
			if string(t.keys.At(int(n))) == string(key) {
				return i, n
			}
		}
		i = (i + 1) & mask
	}
}

func (t *bytesTable) grow() {
	t.index = make([]uint64, max(minIndex, 2*len(t.index)))
	mask := uint64(len(t.index) - 1)
	for n := range t.keys.Len() {
		h := maphash.Bytes(t.seed, t.keys.At(n))
		i := h & mask
		for t.index[i] != 0 {
			i = (i + 1) & mask
		}
		t.index[i] = h&tagMask | uint64(n+1)
	}
}

// reset empties the table and keeps memory of ordinary size.
func (t *bytesTable) reset() {
	if len(t.index) > keepEntries {
		*t = bytesTable{seed: t.seed}
		return
	}
	clear(t.index)
	t.keys.Reset()
}

// keepEntries bounds the memory that operators keep from one epoch to the next.
const keepEntries = 1 << 18

func (t *bytesTable) memory() int {
	return 8*cap(t.index) + cap(t.keys.Data) + 4*cap(t.keys.Off)
}
