package storage

import (
	"encoding/binary"
	"hash/crc32"
	"math"
)

// A run in a file (all integers little endian):
//
//	blocks   one behind the other
//	table    for each block 12 bytes: offset of its end, CRC32C
//	index    what the Store gave to Finish
//	footer   64 bytes
//
// The name of a run is its number in hexadecimal, with the suffix ".run"; it
// has ".tmp" while it is written.

const (
	blockFooterSize  = 64
	blockFooterMagic = 0x314e555242445453 // "STDBRUN1"
	blockEntrySize   = 12
)

func blockChecksum(b []byte) uint32 {
	return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
}

// blockFooter is the end of a file, from which everything else is found.
type blockFooter struct {
	run      uint64
	blocks   uint64 // number of blocks
	table    uint64 // offset of the table = end of the last block
	index    uint64 // offset of the index
	indexLen uint64
	tableCRC uint32
	indexCRC uint32
}

func (f *blockFooter) encode() []byte {
	b := make([]byte, blockFooterSize)
	binary.LittleEndian.PutUint64(b[0:], blockFooterMagic)
	binary.LittleEndian.PutUint64(b[16:], f.run)
	binary.LittleEndian.PutUint64(b[24:], f.blocks)
	binary.LittleEndian.PutUint64(b[32:], f.table)
	binary.LittleEndian.PutUint64(b[40:], f.index)
	binary.LittleEndian.PutUint64(b[48:], f.indexLen)
	binary.LittleEndian.PutUint32(b[56:], f.tableCRC)
	binary.LittleEndian.PutUint32(b[60:], f.indexCRC)
	binary.LittleEndian.PutUint32(b[8:], blockChecksum(b[12:]))
	return b
}

// blockDecodeFooter reads the footer of a file of the given size; ok is false
// unless all of it fits together.
func blockDecodeFooter(b []byte, size uint64) (f blockFooter, ok bool) {
	if len(b) != blockFooterSize || size < blockFooterSize ||
		binary.LittleEndian.Uint64(b) != blockFooterMagic ||
		binary.LittleEndian.Uint32(b[8:]) != blockChecksum(b[12:]) {
		return f, false
	}
	f = blockFooter{
		run:      binary.LittleEndian.Uint64(b[16:]),
		blocks:   binary.LittleEndian.Uint64(b[24:]),
		table:    binary.LittleEndian.Uint64(b[32:]),
		index:    binary.LittleEndian.Uint64(b[40:]),
		indexLen: binary.LittleEndian.Uint64(b[48:]),
		tableCRC: binary.LittleEndian.Uint32(b[56:]),
		indexCRC: binary.LittleEndian.Uint32(b[60:]),
	}
	ok = size <= math.MaxInt64 && f.table <= size && f.blocks <= size/blockEntrySize && f.indexLen <= size &&
		f.index == f.table+f.blocks*blockEntrySize &&
		f.index+f.indexLen+blockFooterSize == size
	return f, ok
}

// blockTable is the table of a file: where blocks lie and what their checksums
// are.
type blockTable []byte

// span returns the place of block i; the caller has checked i. It is damaged
// data if the end is before the beginning.
func (t blockTable) span(i int) (from, to uint64, crc uint32) {
	if i > 0 {
		from = binary.LittleEndian.Uint64(t[(i-1)*blockEntrySize:])
	}
	e := t[i*blockEntrySize:]
	return from, binary.LittleEndian.Uint64(e), binary.LittleEndian.Uint32(e[8:])
}

// check says whether blocks follow each other and end at end.
func (t blockTable) check(end uint64) bool {
	last := uint64(0)
	for i := 0; i < len(t); i += blockEntrySize {
		to := binary.LittleEndian.Uint64(t[i:])
		if to < last {
			return false
		}
		last = to
	}
	return last == end
}

// fit returns how many blocks from begin on, at least one, limit bytes hold,
// and where they end.
func (t blockTable) fit(begin, limit uint64) (k int, to uint64) {
	for k < len(t)/blockEntrySize {
		_, end, _ := t.span(k)
		if k > 0 && end-begin > limit {
			break
		}
		k, to = k+1, end
	}
	return k, to
}
