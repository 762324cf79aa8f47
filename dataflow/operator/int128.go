package operator

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// int128 is a two's complement accumulator. Sums of 2^63 values of 64 bits fit.
type int128 struct {
	hi int64
	lo uint64
}

// add64 adds v * weight.
func (a *int128) add64(v, weight int64) {
	var hi int64
	var lo uint64
	if weight == 1 {
		hi, lo = v>>63, uint64(v)
	} else {
		hi, lo = mul64(v, weight)
	}
	var c uint64
	a.lo, c = bits.Add64(a.lo, lo, 0)
	a.hi += hi + int64(c)
}

func (a *int128) add(b int128) {
	var c uint64
	a.lo, c = bits.Add64(a.lo, b.lo, 0)
	a.hi += b.hi + int64(c)
}

// int64 returns the value if it fits 64 bits.
func (a int128) int64() (v int64, ok bool) {
	v = int64(a.lo)
	return v, a.hi == v>>63
}

func (a int128) isZero() bool { return a.hi == 0 && a.lo == 0 }

// appendInt128 appends a zig-zag varint of up to 19 bytes.
func appendInt128(dst []byte, a int128) []byte {
	if v, ok := a.int64(); ok && v >= math.MinInt64/2 && v <= math.MaxInt64/2 {
		return binary.AppendVarint(dst, v)
	}
	sign := uint64(a.hi >> 63)
	hi := (uint64(a.hi)<<1 | a.lo>>63) ^ sign
	lo := a.lo<<1 ^ sign
	for hi != 0 || lo >= 0x80 {
		dst = append(dst, byte(lo)|0x80)
		lo = lo>>7 | hi<<57
		hi >>= 7
	}
	return append(dst, byte(lo))
}

// decodeInt128 reads what appendInt128 wrote; n is 0 if b does not begin so.
func decodeInt128(b []byte) (a int128, n int) {
	var hi, lo uint64
	for i, c := range b {
		if i > 18 {
			break
		}
		s := uint(7 * i)
		v := uint64(c & 0x7f)
		switch {
		case s < 64:
			lo |= v << s
			if s > 57 {
				hi |= v >> (64 - s)
			}
		default:
			hi |= v << (s - 64)
		}
		if c < 0x80 {
			sign := -(lo & 1)
			lo = (lo>>1 | hi<<63) ^ sign
			hi = hi>>1 ^ sign
			return int128{int64(hi), lo}, i + 1
		}
	}
	return int128{}, 0
}
