package types

import (
	"encoding/binary"
	"math/big"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// The signs of numeric's binary format.
const (
	wirePositive = 0x0000
	wireNegative = 0x4000
	wireNaN      = 0xC000
	wirePosInf   = 0xD000
	wireNegInf   = 0xF000
	wireInfScale = 0x20 // what PostgreSQL sends beside an infinity; it means nothing
)

// appendBinaryNumeric appends number of base 10000 digits, weight of the first,
// sign, scale, digits.
func appendBinaryNumeric(dst []byte, d Decimal) []byte {
	be := binary.BigEndian
	head := func(n, weight int, sign, scale uint16) {
		dst = be.AppendUint16(dst, uint16(n))
		dst = be.AppendUint16(dst, uint16(int16(weight)))
		dst = be.AppendUint16(dst, sign)
		dst = be.AppendUint16(dst, scale)
	}
	switch d.form {
	case formNaN:
		head(0, 0, wireNaN, 0)
		return dst
	case formPosInf:
		head(0, 0, wirePosInf, wireInfScale)
		return dst
	case formNegInf:
		head(0, 0, wireNegInf, wireInfScale)
		return dst
	}
	sign := uint16(wirePositive)
	if d.Sign() < 0 {
		sign = wireNegative
	}
	var buf [64]byte
	digits := d.appendDigits(buf[:0])
	// Align to the point: the first group has 1 to 4 digits before it.
	integral := len(digits) - int(d.scale)
	weight := floorDiv(integral-1, 4)
	at := integral - 4*(weight+1) // of the first group; not positive
	first := len(dst)
	head(0, 0, sign, uint16(d.scale))
	n, trailing := 0, 0
	for ; at < len(digits); at += 4 {
		group := uint16(0)
		for i := at; i < at+4; i++ {
			group *= 10
			if i >= 0 && i < len(digits) {
				group += uint16(digits[i] - '0')
			}
		}
		if n == 0 && group == 0 {
			weight--
			continue
		}
		dst = be.AppendUint16(dst, group)
		n++
		if trailing++; group != 0 {
			trailing = 0
		}
	}
	n -= trailing
	dst = dst[:len(dst)-2*trailing]
	if n == 0 {
		weight = 0
	}
	be.PutUint16(dst[first:], uint16(n))
	be.PutUint16(dst[first+2:], uint16(int16(weight)))
	return dst
}

// appendDigits appends the digits of the coefficient without sign.
func (d *Decimal) appendDigits(dst []byte) []byte {
	if d.form == formBig {
		return new(big.Int).Abs(d.big).Append(dst, 10)
	}
	_, m := d.mag()
	return appendU128(dst, m)
}

func errNumericWire(part string) error {
	return sqlerr.New(sqlerr.InvalidBinaryRepresentation, "invalid %s in external \"numeric\" value", part)
}

func parseBinaryNumeric(b []byte) (Decimal, error) {
	be := binary.BigEndian
	if len(b) < 8 {
		return Decimal{}, errBinaryShort()
	}
	n, weight := int(be.Uint16(b)), int(int16(be.Uint16(b[2:])))
	sign, scale := be.Uint16(b[4:]), int(be.Uint16(b[6:]))
	b = b[8:]
	switch sign {
	case wireNaN:
		return DecimalNaN(), nil
	case wirePosInf:
		return DecimalInf(1), nil
	case wireNegInf:
		return DecimalInf(-1), nil
	case wirePositive, wireNegative:
	default:
		return Decimal{}, errNumericWire("sign")
	}
	if scale > maxScale {
		return Decimal{}, errNumericWire("scale")
	}
	if len(b) < 2*n {
		return Decimal{}, errBinaryShort()
	}
	if len(b) > 2*n {
		return Decimal{}, errBinaryFormat()
	}
	if weight >= maxIntegerDigits/4 && n > 0 {
		return Decimal{}, errNumericOverflow()
	}
	return decodeGroups(b, weight, sign == wireNegative, scale)
}

// decodeGroups makes a number of base 10000 digits and cuts it at the scale.
func decodeGroups(b []byte, weight int, neg bool, scale int) (Decimal, error) {
	digits := make([]byte, 0, 2*len(b)+8)
	for ; len(b) > 0; b = b[2:] {
		group := binary.BigEndian.Uint16(b)
		if group >= 10000 {
			return Decimal{}, errNumericWire("digit")
		}
		digits = appendPadded(digits, uint64(group), 4)
	}
	keep := 4*(weight+1) + scale // digits up to the scale
	if keep <= 0 {
		return Decimal{scale: int32(scale)}, nil
	}
	zeros := 0
	if keep <= len(digits) {
		digits = digits[:keep]
	} else {
		zeros = keep - len(digits)
	}
	for len(digits) > 0 && digits[0] == '0' {
		digits = digits[1:]
	}
	if len(digits) == 0 {
		return Decimal{scale: int32(scale)}, nil
	}
	return decimalFromDigits(neg, digits, int32(zeros), int32(scale)), nil
}
