package storage

import (
	"bytes"
	"encoding/binary"
)

// Block format, version 1, little endian. Rows are in order of (arrangement,
// key, epoch descending); their common key is the arrangement (four bytes, big
// endian) followed by the key.
//
//	0   version u8, flags u8 (wideOffsets), length of the common prefix u16
//	4   number of rows u32
//	8   least epoch u64
//	16  start of each row in the block, u16 or u32
//	    common prefix of the keys
//	    rows: uvarint length of the rest of the key, the rest,
//	          uvarint (epoch - least epoch)*2 + tombstone, value up to the next row
//
// All images of a key are in one block.
const (
	blockVersion   = 1
	blockHeader    = 16
	wideOffsets    = 1
	maxBlockSize   = 64 << 10
	maxBlockPrefix = 1<<16 - 1
	runKeyArr      = 4 // bytes of the arrangement in a run's key
)

// appendRunKey appends the key as runs have it.
func appendRunKey(b []byte, arr Arrangement, key []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(arr))
	return append(b, key...)
}

// blockRow is one image in a block being built.
type blockRow struct {
	key, val int // start of the key and of the value in data; the value ends where the next key starts
	epoch    uint64
	tomb     bool
}

// blockBuilder collects the rows of one block.
type blockBuilder struct {
	rows []blockRow
	data []byte
	out  []byte
}

func (b *blockBuilder) reset() { b.rows, b.data = b.rows[:0], b.data[:0] }

func (b *blockBuilder) add(key []byte, epoch uint64, tomb bool, val []byte) {
	at := len(b.data)
	b.data = append(b.data, key...)
	b.rows = append(b.rows, blockRow{key: at, val: len(b.data), epoch: epoch, tomb: tomb})
	b.data = append(b.data, val...)
}

// size estimates the size of the block.
func (b *blockBuilder) size() int { return len(b.data) + 5*len(b.rows) }

func (b *blockBuilder) key(i int) []byte { return b.data[b.rows[i].key:b.rows[i].val] }

func (b *blockBuilder) end(i int) int {
	if i+1 < len(b.rows) {
		return b.rows[i+1].key
	}
	return len(b.data)
}

// encode returns the block, valid until the next call.
func (b *blockBuilder) encode() []byte {
	n := len(b.rows)
	prefix := commonPrefix(b.key(0), b.key(n-1))
	prefix = min(prefix, maxBlockPrefix)
	least := b.rows[0].epoch
	for i := range b.rows {
		least = min(least, b.rows[i].epoch)
	}
	width, flags := 2, byte(0)
	if blockHeader+prefix+len(b.data)+25*n > 1<<16 {
		width, flags = 4, wideOffsets
	}
	out := append(b.out[:0], blockVersion, flags)
	out = binary.LittleEndian.AppendUint16(out, uint16(prefix))
	out = binary.LittleEndian.AppendUint32(out, uint32(n))
	out = binary.LittleEndian.AppendUint64(out, least)
	out = append(out, make([]byte, n*width)...)
	out = append(out, b.key(0)[:prefix]...)
	for i := range b.rows {
		row := &b.rows[i]
		if width == 2 {
			binary.LittleEndian.PutUint16(out[blockHeader+2*i:], uint16(len(out)))
		} else {
			binary.LittleEndian.PutUint32(out[blockHeader+4*i:], uint32(len(out)))
		}
		out = binary.AppendUvarint(out, uint64(row.val-row.key-prefix))
		out = append(out, b.data[row.key+prefix:row.val]...)
		e := (row.epoch - least) << 1
		if row.tomb {
			e |= 1
		}
		out = binary.AppendUvarint(out, e)
		out = append(out, b.data[row.val:b.end(i)]...)
	}
	b.out = out
	return out
}

func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// block is a decoded block header. The rows are decoded one by one; none of its
// methods trusts the bytes.
type block struct {
	b      []byte
	prefix []byte
	n      int
	wide   bool
	least  uint64
	first  int // where rows begin
}

// blockRowView is one decoded row; it shares the block's memory.
type blockRowView struct {
	rest  []byte // of the key, behind the prefix
	val   []byte
	epoch uint64
	tomb  bool
}

func parseBlock(b []byte) (k block, ok bool) {
	if len(b) < blockHeader || b[0] != blockVersion || b[1]&^wideOffsets != 0 {
		return k, false
	}
	k = block{b: b, wide: b[1]&wideOffsets != 0, least: binary.LittleEndian.Uint64(b[8:])}
	prefix, n := int(binary.LittleEndian.Uint16(b[2:])), uint64(binary.LittleEndian.Uint32(b[4:]))
	width := uint64(2)
	if k.wide {
		width = 4
	}
	at := blockHeader + n*width
	if n == 0 || at+uint64(prefix) > uint64(len(b)) {
		return k, false
	}
	k.n = int(n)
	k.prefix = b[at : int(at)+prefix]
	k.first = int(at) + prefix
	return k, true
}

func (k *block) offset(i int) int {
	if k.wide {
		return int(binary.LittleEndian.Uint32(k.b[blockHeader+4*i:]))
	}
	return int(binary.LittleEndian.Uint16(k.b[blockHeader+2*i:]))
}

// rest returns the key of row i behind the prefix and where it ends.
func (k *block) rest(i int) (rest []byte, end int, ok bool) {
	at := k.offset(i)
	if at < k.first || at >= len(k.b) {
		return nil, 0, false
	}
	n, w := uint64(k.b[at]), 1
	if n >= 0x80 {
		if n, w = binary.Uvarint(k.b[at:]); w <= 0 {
			return nil, 0, false
		}
	}
	if n > uint64(len(k.b)-at-w) {
		return nil, 0, false
	}
	end = at + w + int(n)
	return k.b[at+w : end], end, true
}

func (k *block) row(i int) (v blockRowView, ok bool) {
	rest, at, ok := k.rest(i)
	if !ok {
		return v, false
	}
	end := len(k.b)
	if i+1 < k.n {
		end = k.offset(i + 1)
	}
	e, w := binary.Uvarint(k.b[at:])
	if w <= 0 || at+w > end || end > len(k.b) {
		return v, false
	}
	return blockRowView{rest: rest, val: k.b[at+w : end : end], epoch: k.least + e>>1, tomb: e&1 != 0}, true
}

// search returns the first row whose key is not before key (as in runs).
func (k *block) search(key []byte) (i int, ok bool) {
	n := min(len(key), len(k.prefix))
	if c := bytes.Compare(key[:n], k.prefix[:n]); c != 0 || n < len(k.prefix) {
		if c > 0 {
			return k.n, true
		}
		return 0, true
	}
	key = key[n:]
	lo, hi := 0, k.n
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		rest, _, ok := k.rest(mid)
		if !ok {
			return 0, false
		}
		if bytes.Compare(rest, key) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, true
}

// find returns the newest image of the key (as in runs) with at most epoch.
func (k *block) find(key []byte, epoch uint64) (v blockRowView, found, ok bool) {
	i, ok := k.search(key)
	for ; ok && i < k.n; i++ {
		if v, ok = k.row(i); !ok {
			break
		}
		if len(v.rest)+len(k.prefix) != len(key) || !bytes.Equal(v.rest, key[len(k.prefix):]) ||
			!bytes.Equal(k.prefix, key[:len(k.prefix)]) {
			return v, false, true
		}
		if v.epoch <= epoch {
			return v, true, true
		}
	}
	return v, false, ok
}
