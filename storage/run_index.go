package storage

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Index format of a run, version 1, little endian:
//
//	0   magic u32, number of blocks u32, fence bytes u32, Bloom lines u32
//	16  start of each fence in the fence bytes, u32
//	    fence bytes: fence i is after all keys of block i-1 and not after those of block i
//	    Bloom filter: lines of 64 bytes
//
// The index is used where it lies, which may be mapped memory: a run costs no
// heap.
const (
	indexMagic   = 0x31584453 // "SDX1"
	indexHeader  = 16
	bloomLine    = 64
	bloomBits    = 10 // a key
	bloomProbes  = 6
	bloomBitMask = bloomLine*8 - 1
)

// runIndex is a parsed index.
type runIndex struct {
	blocks int
	starts []byte
	fences []byte
	bloom  []byte
	lines  uint64
}

// encodeIndex encodes an index from the fences, one behind the other, and the
// hashes of the keys.
func encodeIndex(starts []uint32, fences []byte, hashes []uint64) []byte {
	lines := (uint64(len(hashes))*bloomBits + bloomLine*8 - 1) / (bloomLine * 8)
	b := make([]byte, 0, indexHeader+4*len(starts)+len(fences)+int(lines)*bloomLine)
	b = binary.LittleEndian.AppendUint32(b, indexMagic)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(starts)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(fences)))
	b = binary.LittleEndian.AppendUint32(b, uint32(lines))
	for _, at := range starts {
		b = binary.LittleEndian.AppendUint32(b, at)
	}
	b = append(b, fences...)
	at := len(b)
	b = b[:at+int(lines)*bloomLine]
	bloom := b[at:]
	for _, h := range hashes {
		line := bloom[bloomAt(h, lines):][:bloomLine]
		probe := bloomProbe(h)
		for range bloomProbes {
			line[probe&bloomBitMask>>3] |= 1 << (probe & 7)
			probe >>= 9
		}
	}
	return b
}

// bloomAt returns the start of the line of a key.
func bloomAt(h, lines uint64) int {
	line, _ := bits.Mul64(h, lines)
	return int(line) * bloomLine
}

// bloomProbe returns the bits of a key in its line, nine bits a probe.
func bloomProbe(h uint64) uint64 { return (h ^ h>>32) * 0x9e3779b97f4a7c15 >> 8 }

// parseIndex parses an index; it does not trust the bytes.
func parseIndex(b []byte) (x *runIndex, ok bool) {
	if len(b) < indexHeader || binary.LittleEndian.Uint32(b) != indexMagic {
		return nil, false
	}
	blocks := uint64(binary.LittleEndian.Uint32(b[4:]))
	fences := uint64(binary.LittleEndian.Uint32(b[8:]))
	lines := uint64(binary.LittleEndian.Uint32(b[12:]))
	if indexHeader+4*blocks+fences+lines*bloomLine != uint64(len(b)) || blocks == 0 {
		return nil, false
	}
	b = b[indexHeader:]
	x = &runIndex{blocks: int(blocks), lines: lines}
	x.starts, b = b[:4*blocks], b[4*blocks:]
	x.fences, x.bloom = b[:fences], b[fences:]
	last := uint32(0)
	for i := range int(blocks) {
		at := binary.LittleEndian.Uint32(x.starts[4*i:])
		if at < last || uint64(at) > fences {
			return nil, false
		}
		last = at
	}
	return x, true
}

func (x *runIndex) fence(i int) []byte {
	at := binary.LittleEndian.Uint32(x.starts[4*i:])
	if i+1 < x.blocks {
		return x.fences[at:binary.LittleEndian.Uint32(x.starts[4*i+4:])]
	}
	return x.fences[at:]
}

// mayHave asks the Bloom filter.
func (x *runIndex) mayHave(h uint64) bool {
	if x.lines == 0 {
		return true
	}
	line := x.bloom[bloomAt(h, x.lines):][:bloomLine]
	probe := bloomProbe(h)
	for range bloomProbes {
		if line[probe&bloomBitMask>>3]>>(probe&7)&1 == 0 {
			return false
		}
		probe >>= 9
	}
	return true
}

// find returns the block that would have the key, -1 if the key is before all.
// The search starts at block from, which must not be behind the key's: ascending
// keys find their blocks in steps that double.
func (x *runIndex) find(key []byte, from int) int {
	lo, step := from, 1
	for lo+step < x.blocks && bytes.Compare(x.fence(lo+step), key) <= 0 {
		lo += step
		step *= 2
	}
	hi := min(lo+step, x.blocks)
	if lo == 0 && bytes.Compare(x.fence(0), key) > 0 {
		return -1
	}
	for lo+1 < hi {
		mid := int(uint(lo+hi) >> 1)
		if bytes.Compare(x.fence(mid), key) <= 0 {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}
