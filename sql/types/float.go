package types

import (
	"bytes"
	"math"
	"math/big"
	"strconv"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// ParseFloat reads a float8 or float4: a decimal number with exponent, NaN,
// Infinity, inf in any case. 22P02 for other text, 22003 for numbers beyond the
// range or too near to zero.
func ParseFloat(t Type, s []byte) (float64, error) {
	b := trimSpace(s)
	width := 64
	if t.Base() == Float4 {
		width = 32
	}
	if len(b) == 0 || !plainFloat(b) {
		if f, ok := parseSpecialFloat(b); ok {
			return f, nil
		}
		return 0, errSyntax(t.Base().String(), s)
	}
	f, err := strconv.ParseFloat(string(b), width)
	if err != nil && !math.IsInf(f, 0) {
		return 0, errSyntax(t.Base().String(), s)
	}
	if math.IsInf(f, 0) || f == 0 && !zeroMantissa(b) {
		return 0, sqlerr.New(sqlerr.NumericValueOutOfRange, "\"%s\" is out of range for type %s", b, t.Base())
	}
	return f, nil
}

// plainFloat says whether only characters of decimal numbers occur, which
// keeps hexadecimal and underscores away from strconv.
func plainFloat(b []byte) bool {
	for _, c := range b {
		if !isDigit(c) && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return false
		}
	}
	return true
}

func zeroMantissa(b []byte) bool {
	for _, c := range b {
		if c == 'e' || c == 'E' {
			return true
		}
		if c >= '1' && c <= '9' {
			return false
		}
	}
	return true
}

func parseSpecialFloat(b []byte) (float64, bool) {
	d, ok := parseSpecialDecimal(b)
	if !ok && len(b) > 0 && (b[0] == '+' || b[0] == '-') { // as strtod
		if ok = equalFold(b[1:], "nan"); ok {
			d = DecimalNaN()
		}
	}
	return d.Float64(), ok
}

// AppendFloat appends a float8 or float4 in the form that env asks for: by
// default the shortest digits that read back exactly, with an exponent from
// 1e15 (float4: 1e6) on and below 1e-4.
func AppendFloat(dst []byte, t Type, f float64, env *Env) []byte {
	switch {
	case f != f:
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	width, precision := 64, 15
	if t.Base() == Float4 {
		width, precision = 32, 6
	}
	var buf [40]byte
	less := env.floatDigits()
	if less >= 0 {
		digits := strconv.AppendFloat(buf[:0], f, 'e', -1, width)
		return appendFloatDigits(dst, avoidBoundary(digits, f, width), precision)
	}
	precision = max(precision+1+less, 1)
	return appendFloatDigits(dst, strconv.AppendFloat(buf[:0], f, 'e', precision-1, width), precision)
}

// appendFloatDigits prints d.ddde±xx as C's %g with the given precision does.
func appendFloatDigits(dst, s []byte, precision int) []byte {
	if s[0] == '-' {
		dst = append(dst, '-')
		s = s[1:]
	}
	e := bytes.IndexByte(s, 'e')
	exp, _ := strconv.Atoi(string(s[e+1:]))
	mantissa := s[:e]
	if bytes.IndexByte(mantissa, '.') > 0 {
		mantissa = bytes.TrimRight(mantissa, "0")
		mantissa = bytes.TrimSuffix(mantissa, []byte("."))
	}
	if exp < -4 || exp >= precision {
		dst = append(dst, mantissa...)
		return append(dst, s[e:]...)
	}
	first := mantissa[0]
	rest := mantissa[min(2, len(mantissa)):]
	if exp < 0 {
		dst = append(dst, "0.0000"[:1-exp]...)
		return append(append(dst, first), rest...)
	}
	dst = append(dst, first)
	for i := range exp {
		if i < len(rest) {
			dst = append(dst, rest[i])
		} else {
			dst = append(dst, '0')
		}
	}
	if len(rest) > exp {
		dst = append(dst, '.')
		dst = append(dst, rest[exp:]...)
	}
	return dst
}

// avoidBoundary handles the one difference between strconv's shortest digits
// and PostgreSQL's (Adams, Ryu, PLDI 2018, without accepting bounds): a decimal
// that lies exactly between two floats is not used, although it reads back by
// round-half-even. Such decimals have magnitudes of 2^22 to 10^41 only.
func avoidBoundary(digits []byte, f float64, width int) []byte {
	if a := math.Abs(f); a < 1<<22 || width == 64 && a < 1<<52 || a > 1e41 {
		return digits
	}
	for precision := mantissaDigits(digits); precision < 17 && onBoundary(digits, f, width); precision++ {
		digits = strconv.AppendFloat(digits[:0], f, 'e', precision, width)
	}
	return digits
}

func mantissaDigits(s []byte) int {
	n := bytes.IndexByte(s, 'e')
	for _, c := range s[:n] {
		if !isDigit(c) {
			n--
		}
	}
	return n
}

// onBoundary says whether the decimal lies halfway between f and a neighbour.
func onBoundary(digits []byte, f float64, width int) bool {
	exact := new(big.Float).SetPrec(400)
	if _, _, err := exact.Parse(string(digits), 10); err != nil {
		return false
	}
	low, high := math.Nextafter(f, math.Inf(-1)), math.Nextafter(f, math.Inf(1))
	if width == 32 {
		low = float64(math.Nextafter32(float32(f), float32(math.Inf(-1))))
		high = float64(math.Nextafter32(float32(f), float32(math.Inf(1))))
	}
	exact.Mul(exact, big.NewFloat(2))
	for _, neighbour := range [2]float64{low, high} {
		sum := new(big.Float).SetPrec(400).Add(big.NewFloat(f), big.NewFloat(neighbour))
		if !math.IsInf(neighbour, 0) && sum.Cmp(exact) == 0 {
			return true
		}
	}
	return false
}
