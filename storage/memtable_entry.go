package storage

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// Entry layout, little endian, at a multiple of four bytes:
//
//	0  prev   u32  reference of the next older image of the key, 0: none
//	4  epoch  u40
//	9  flags  u8   flagHot, flagCut; only for the committing goroutine
//	10 klen   u16  0xffff: the length is in the first four bytes after the header
//	12 arr    u32
//	16 vlen   u32  with tombBit and voidBit
//	20 key, value
//
// Bytes 10 to 16 and the key never change while the entry's segment is in use,
// so that they may be read without a latch. The rest is read and written under
// the latch of the key's shard, or is in a sealed generation, where only prev
// and flags still change.
const (
	entryHeader = 20
	longKey     = 0xffff
	tombBit     = 1 << 31 // the key is deleted
	voidBit     = 1 << 30 // replaced within its epoch: as if not there
	lenMask     = voidBit - 1
	flagHot     = 1 // read since it was written
	flagCut     = 2 // in no chain any more
	// maxEpoch is the largest epoch number: 34 years at 1000 a second.
	maxEpoch = 1<<40 - 1
	// maxRowBytes bounds a key or a value.
	maxRowBytes = 1 << 29
)

// entrySize returns the bytes an entry takes in the arena.
func entrySize(klen, vlen int) int64 {
	n := int64(entryHeader) + int64(klen) + int64(vlen)
	if klen >= longKey {
		n += 4
	}
	return (n + refUnit - 1) &^ (refUnit - 1)
}

// entry is the arena's memory from an entry on.
type entry []byte

func (a *arena) at(r ref) entry { return entry(a.data[int64(r)*refUnit:]) }

func (e entry) prev() ref     { return binary.LittleEndian.Uint32(e) }
func (e entry) setPrev(r ref) { binary.LittleEndian.PutUint32(e, r) }

func (e entry) epoch() uint64 {
	return uint64(binary.LittleEndian.Uint32(e[4:])) | uint64(e[8])<<32
}

func (e entry) setEpoch(n uint64) {
	binary.LittleEndian.PutUint32(e[4:], uint32(n))
	e[8] = byte(n >> 32)
}

func (e entry) arr() Arrangement { return Arrangement(binary.LittleEndian.Uint32(e[12:])) }
func (e entry) vword() uint32    { return binary.LittleEndian.Uint32(e[16:]) }
func (e entry) tomb() bool       { return e.vword()&tombBit != 0 }

// key returns the key; it shares the arena's memory.
func (e entry) key() []byte {
	n := int(binary.LittleEndian.Uint16(e[10:]))
	if n < longKey {
		return e[entryHeader : entryHeader+n : entryHeader+n]
	}
	n = int(binary.LittleEndian.Uint32(e[entryHeader:]))
	return e[entryHeader+4 : entryHeader+4+n : entryHeader+4+n]
}

// val returns the value; it shares the arena's memory.
func (e entry) val() []byte {
	start := entryHeader + len(e.key())
	if binary.LittleEndian.Uint16(e[10:]) == longKey {
		start += 4
	}
	end := start + int(e.vword()&lenMask)
	return e[start:end:end]
}

func (e entry) size() int64 { return entrySize(len(e.key()), int(e.vword()&lenMask)) }

// is says whether the entry is of the key.
func (e entry) is(arr Arrangement, key []byte) bool {
	return e.arr() == arr && bytes.Equal(e.key(), key)
}

// write fills the entry.
func (e entry) write(prev ref, epoch uint64, arr Arrangement, key, val []byte, tomb bool) {
	e.setPrev(prev)
	e.setEpoch(epoch)
	e[9] = 0
	binary.LittleEndian.PutUint32(e[12:], uint32(arr))
	e.setVlen(len(val), tomb)
	at := entryHeader
	if len(key) >= longKey {
		binary.LittleEndian.PutUint16(e[10:], longKey)
		binary.LittleEndian.PutUint32(e[at:], uint32(len(key)))
		at += 4
	} else {
		binary.LittleEndian.PutUint16(e[10:], uint16(len(key)))
	}
	at += copy(e[at:], key)
	copy(e[at:], val)
}

func (e entry) setVlen(n int, tomb bool) {
	w := uint32(n)
	if tomb {
		w |= tombBit
	}
	binary.LittleEndian.PutUint32(e[16:], w)
}

// hashKey is the hash of a key in an arrangement. It is part of the run format
// (Bloom filters), so that it never changes.
func hashKey(arr Arrangement, key []byte) uint64 {
	hi, lo := bits.Mul64(xxhash.Sum64(key)^(uint64(arr)*0x9e3779b97f4a7c15), 0xd6e8feb86659fd93)
	return hi ^ lo
}
