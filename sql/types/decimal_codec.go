package types

import (
	"encoding/binary"
	"math/big"
	"math/bits"
)

// The stored image of a decimal is a tag and its coefficient:
//
//	0..63    scale 0 to 63, coefficient of 64 bits as a zig-zag varint
//	64..127  scale 0 to 63, greater coefficient: varint length*2+sign, magnitude big endian
//	0xFB     varint scale, then as above
//	0xFD, 0xFE, 0xFF   -Infinity, Infinity, NaN
//
// Each number with its scale has exactly one image.
const (
	tagWide   = 64
	tagLong   = 0xFB
	tagNegInf = 0xFD
	tagPosInf = 0xFE
	tagNaN    = 0xFF
)

// AppendImage appends d's stored image: compact, and equal for identical
// numbers only (1.0 and 1.00 differ).
func (d Decimal) AppendImage(dst []byte) []byte {
	switch d.form {
	case formNegInf:
		return append(dst, tagNegInf)
	case formPosInf:
		return append(dst, tagPosInf)
	case formNaN:
		return append(dst, tagNaN)
	}
	if d.form == formSmall && d.scale < tagWide && d.hi == int64(d.lo)>>63 {
		dst = append(dst, byte(d.scale))
		return binary.AppendVarint(dst, int64(d.lo))
	}
	if d.scale < tagWide {
		dst = append(dst, byte(tagWide+d.scale))
	} else {
		dst = append(dst, tagLong)
		dst = binary.AppendUvarint(dst, uint64(d.scale))
	}
	return d.appendMagnitude(dst)
}

func (d *Decimal) appendMagnitude(dst []byte) []byte {
	if d.form == formBig {
		sign := uint64(0)
		if d.big.Sign() < 0 {
			sign = 1
		}
		n := (d.big.BitLen() + 7) / 8
		dst = binary.AppendUvarint(dst, uint64(n)*2+sign)
		dst = append(dst, make([]byte, n)...)
		new(big.Int).Abs(d.big).FillBytes(dst[len(dst)-n:])
		return dst
	}
	neg, m := d.mag()
	n := (bits.Len64(m.lo) + 7) / 8
	if m.hi != 0 {
		n = 8 + (bits.Len64(m.hi)+7)/8
	}
	head := uint64(n) * 2
	if neg {
		head++
	}
	dst = binary.AppendUvarint(dst, head)
	var buf [16]byte
	binary.BigEndian.PutUint64(buf[:8], m.hi)
	binary.BigEndian.PutUint64(buf[8:], m.lo)
	return append(dst, buf[16-n:]...)
}

// DecodeImage reads an image from the front of b and returns the rest; ok is
// false when b does not begin with one.
func DecodeImage(b []byte) (d Decimal, rest []byte, ok bool) {
	if len(b) == 0 {
		return d, b, false
	}
	tag := b[0]
	b = b[1:]
	switch {
	case tag < tagWide:
		v, n := binary.Varint(b)
		if n <= 0 {
			return d, b, false
		}
		d = DecimalFromInt64(v)
		d.scale = int32(tag)
		return d, b[n:], true
	case tag < 2*tagWide:
		return decodeMagnitude(b, int32(tag-tagWide))
	case tag == tagLong:
		scale, n := binary.Uvarint(b)
		if n <= 0 || scale > maxScale {
			return d, b, false
		}
		return decodeMagnitude(b[n:], int32(scale))
	case tag == tagNegInf:
		return DecimalInf(-1), b, true
	case tag == tagPosInf:
		return DecimalInf(1), b, true
	case tag == tagNaN:
		return DecimalNaN(), b, true
	}
	return d, b, false
}

func decodeMagnitude(b []byte, scale int32) (d Decimal, rest []byte, ok bool) {
	head, n := binary.Uvarint(b)
	if n <= 0 {
		return d, b, false
	}
	b = b[n:]
	size, neg := head/2, head&1 != 0
	if size > uint64(len(b)) {
		return d, b, false
	}
	if size > 16 || size == 16 && b[0] >= 0x80 {
		v := new(big.Int).SetBytes(b[:size])
		if neg {
			v.Neg(v)
		}
		return fromBig(v, scale), b[size:], true
	}
	var buf [16]byte
	copy(buf[16-size:], b[:size])
	m := u128{binary.BigEndian.Uint64(buf[:8]), binary.BigEndian.Uint64(buf[8:])}
	return small(neg, m, scale), b[size:], true
}

// The sort key of a decimal is a class byte, and for finite numbers but zero
// the decimal exponent (four bytes, big endian, offset) and the significant
// digits, two a byte: value*2+1, and value*2 for the last. Negative numbers
// have all bytes after the class inverted. The key is prefix-free.
const (
	keyNegInf   = 0x10
	keyNegative = 0x20
	keyZero     = 0x30
	keyPositive = 0x40
	keyPosInf   = 0x50
	keyNaN      = 0x60
)

// AppendSortKey appends bytes that sort as Cmp does and are equal for equal
// numbers of any scale.
func (d Decimal) AppendSortKey(dst []byte) []byte {
	switch d.form {
	case formNegInf:
		return append(dst, keyNegInf)
	case formPosInf:
		return append(dst, keyPosInf)
	case formNaN:
		return append(dst, keyNaN)
	}
	sign := d.Sign()
	if sign == 0 {
		return append(dst, keyZero)
	}
	class := byte(keyPositive)
	if sign < 0 {
		class = keyNegative
	}
	dst = append(dst, class)
	start := len(dst)
	dst = d.appendKeyDigits(dst)
	if sign < 0 {
		for i := start; i < len(dst); i++ {
			dst[i] = ^dst[i]
		}
	}
	return dst
}

func (d *Decimal) appendKeyDigits(dst []byte) []byte {
	var buf [64]byte
	var digits []byte
	if d.form == formBig {
		digits = d.big.Append(buf[:0], 10)
		if digits[0] == '-' {
			digits = digits[1:]
		}
	} else {
		_, m := d.mag()
		digits = appendU128(buf[:0], m)
	}
	exp := uint32(len(digits)) - uint32(d.scale) + 1<<31 // value = 0.digits * 10^exp
	dst = binary.BigEndian.AppendUint32(dst, exp)
	end := len(digits)
	for digits[end-1] == '0' {
		end--
	}
	digits = digits[:end]
	for len(digits) > 2 {
		dst = append(dst, ((digits[0]-'0')*10+digits[1]-'0')*2+1)
		digits = digits[2:]
	}
	last := (digits[0] - '0') * 10
	if len(digits) == 2 {
		last += digits[1] - '0'
	}
	return append(dst, last*2)
}

// SkipSortKey returns what follows a sort key at the front of b.
func SkipSortKey(b []byte) (rest []byte, ok bool) {
	if len(b) == 0 {
		return b, false
	}
	class := b[0]
	b = b[1:]
	switch class {
	case keyNegInf, keyZero, keyPosInf, keyNaN:
		return b, true
	case keyPositive, keyNegative:
	default:
		return b, false
	}
	if len(b) < 5 {
		return b, false
	}
	invert := byte(0)
	if class == keyNegative {
		invert = 0xFF
	}
	for i := 4; i < len(b); i++ {
		if (b[i]^invert)&1 == 0 {
			return b[i+1:], true
		}
	}
	return b, false
}
