package types

import (
	"bytes"
	"math/big"
	"strconv"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// AppendText appends d as PostgreSQL prints it: all digits of the scale, no
// exponent.
func (d Decimal) AppendText(dst []byte) []byte {
	switch d.form {
	case formNaN:
		return append(dst, "NaN"...)
	case formNegInf:
		return append(dst, "-Infinity"...)
	case formPosInf:
		return append(dst, "Infinity"...)
	case formBig:
		if d.big.Sign() < 0 {
			dst = append(dst, '-')
		}
		start := len(dst)
		dst = new(big.Int).Abs(d.big).Append(dst, 10)
		return insertPoint(dst, start, int(d.scale))
	}
	neg, m := d.mag()
	if neg {
		dst = append(dst, '-')
	}
	start := len(dst)
	dst = appendU128(dst, m)
	return insertPoint(dst, start, int(d.scale))
}

// String returns d's text.
func (d Decimal) String() string { return string(d.AppendText(nil)) }

const ten19 = 10_000_000_000_000_000_000

func appendU128(dst []byte, m u128) []byte {
	if m.hi == 0 {
		return strconv.AppendUint(dst, m.lo, 10)
	}
	q, r := m.div64(ten19)
	if q.hi == 0 {
		dst = strconv.AppendUint(dst, q.lo, 10)
	} else {
		dst = appendU128(dst, q)
	}
	return appendPadded(dst, r, 19)
}

// appendPadded appends v with leading zeros to the given width.
func appendPadded(dst []byte, v uint64, width int) []byte {
	n := len(dst)
	for range width {
		dst = append(dst, '0')
	}
	for i := n + width - 1; i >= n && v != 0; i-- {
		dst[i] = byte('0' + v%10)
		v /= 10
	}
	return dst
}

// insertPoint puts the decimal point scale digits before the end of the digits
// that begin at start, with leading zeros as needed.
func insertPoint(dst []byte, start, scale int) []byte {
	if scale == 0 {
		return dst
	}
	n := len(dst) - start // digits
	zeros := max(scale+1-n, 0)
	for range zeros + 1 {
		dst = append(dst, '0')
	}
	if zeros > 0 {
		copy(dst[start+zeros:], dst[start:start+n])
		for i := range zeros {
			dst[start+i] = '0'
		}
	}
	point := len(dst) - 1 - scale
	copy(dst[point+1:], dst[point:len(dst)-1])
	dst[point] = '.'
	return dst
}

func errNumericSyntax(s []byte) error {
	return sqlerr.New(sqlerr.InvalidTextRepresentation, "invalid input syntax for type numeric: \"%s\"", s)
}

// ParseDecimal reads PostgreSQL's numeric input: optional blanks around, sign,
// digits with a point, exponent, or NaN, Infinity, inf in any case. 22P02 for
// other text, 22003 for numbers beyond the limits.
func ParseDecimal(s []byte) (Decimal, error) {
	t := trimSpace(s)
	if d, ok := parseSmallDecimal(t); ok {
		return d, nil
	}
	return parseDecimalSlow(s, t)
}

// parseSmallDecimal reads up to 18 digits with a point, the common case.
func parseSmallDecimal(t []byte) (Decimal, bool) {
	i, neg := 0, false
	if len(t) > 0 && (t[0] == '-' || t[0] == '+') {
		neg = t[0] == '-'
		i = 1
	}
	if len(t)-i > 19 || len(t) == i {
		return Decimal{}, false
	}
	var v int64
	point, digits := -1, 0
	for ; i < len(t); i++ {
		c := t[i]
		if c == '.' && point < 0 {
			point = i
			continue
		}
		if c < '0' || c > '9' {
			return Decimal{}, false
		}
		v = v*10 + int64(c-'0')
		digits++
	}
	if digits == 0 || digits > 18 {
		return Decimal{}, false
	}
	if neg {
		v = -v
	}
	d := DecimalFromInt64(v)
	if point >= 0 {
		d.scale = int32(len(t) - point - 1)
	}
	return d, true
}

// numericText is a number's text taken apart.
type numericText struct {
	neg      bool
	integral []byte
	fraction []byte
	exponent int64
}

func parseDecimalSlow(all, t []byte) (Decimal, error) {
	if d, ok := parseSpecialDecimal(t); ok {
		return d, nil
	}
	n, ok := scanNumeric(t)
	if !ok {
		return Decimal{}, errNumericSyntax(all)
	}
	const limit = (1<<31 - 1) / 2
	if n.exponent >= limit || n.exponent <= -limit {
		return Decimal{}, errNumericOverflow()
	}
	scale := max(int64(len(n.fraction))-n.exponent, 0)
	if scale > maxScale {
		return Decimal{}, errNumericOverflow()
	}
	digits := bytes.TrimLeft(append(append(make([]byte, 0, len(n.integral)+len(n.fraction)), n.integral...), n.fraction...), "0")
	if len(digits) == 0 {
		return Decimal{scale: int32(scale)}, nil
	}
	zeros := n.exponent - int64(len(n.fraction)) + scale // to append so that the scale holds
	if int64(len(digits))+zeros-scale > maxIntegerDigits {
		return Decimal{}, errNumericOverflow()
	}
	return decimalFromDigits(n.neg, digits, int32(zeros), int32(scale)), nil
}

func decimalFromDigits(neg bool, digits []byte, zeros, scale int32) Decimal {
	if len(digits)+int(zeros) <= maxPow10 {
		var m u128
		for _, c := range digits {
			m, _ = m.mul64(10)
			m, _ = m.add(u128{0, uint64(c - '0')})
		}
		m, _ = m.mul(pow10[zeros])
		return small(neg, m, scale)
	}
	b, _ := new(big.Int).SetString(string(digits), 10)
	if zeros > 0 {
		b.Mul(b, bigPow10(zeros))
	}
	if neg {
		b.Neg(b)
	}
	return fromBig(b, scale)
}

func scanNumeric(t []byte) (n numericText, ok bool) {
	if len(t) > 0 && (t[0] == '-' || t[0] == '+') {
		n.neg = t[0] == '-'
		t = t[1:]
	}
	n.integral, t = scanDigits(t)
	if len(t) > 0 && t[0] == '.' {
		n.fraction, t = scanDigits(t[1:])
	}
	if len(n.integral)+len(n.fraction) == 0 {
		return n, false
	}
	if len(t) > 0 && (t[0] == 'e' || t[0] == 'E') {
		t = t[1:]
		neg := false
		if len(t) > 0 && (t[0] == '-' || t[0] == '+') {
			neg = t[0] == '-'
			t = t[1:]
		}
		var digits []byte
		digits, t = scanDigits(t)
		if len(digits) == 0 {
			return n, false
		}
		for _, c := range digits {
			n.exponent = min(n.exponent*10+int64(c-'0'), 1<<40)
		}
		if neg {
			n.exponent = -n.exponent
		}
	}
	return n, len(t) == 0
}

func scanDigits(t []byte) (digits, rest []byte) {
	i := 0
	for i < len(t) && isDigit(t[i]) {
		i++
	}
	return t[:i], t[i:]
}

func parseSpecialDecimal(t []byte) (Decimal, bool) {
	if equalFold(t, "nan") {
		return DecimalNaN(), true
	}
	sign := 1
	if len(t) > 0 && (t[0] == '-' || t[0] == '+') {
		if t[0] == '-' {
			sign = -1
		}
		t = t[1:]
	}
	if equalFold(t, "inf") || equalFold(t, "infinity") {
		return DecimalInf(sign), true
	}
	return Decimal{}, false
}

func isDigit(c byte) bool { return c-'0' <= 9 }

func isSpace(c byte) bool { return c == ' ' || c-'\t' <= '\r'-'\t' }

func trimSpace(s []byte) []byte {
	for len(s) > 0 && isSpace(s[0]) {
		s = s[1:]
	}
	for len(s) > 0 && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// equalFold compares with a lower-case ASCII word, ignoring case.
func equalFold(s []byte, lower string) bool {
	if len(s) != len(lower) {
		return false
	}
	for i := range s {
		c := s[i]
		if c-'A' <= 'Z'-'A' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
