package types

import (
	"math"
	"math/big"
	"math/bits"
	"strconv"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// Decimal is a value of type numeric: an exact number of up to 131072 digits
// before and 16383 after the decimal point, NaN, or an infinity. The zero value
// is 0. Decimals are values: no operation changes its operands.
//
// A finite number is coefficient * 10^-scale. Coefficients below 2^127 are held
// in two words and are computed with without allocation; greater ones are held
// in a big.Int that is shared and never written. A coefficient that fits two
// words is always held there, so representations are canonical.
type Decimal struct {
	hi    int64
	lo    uint64
	scale int32
	form  decimalForm
	big   *big.Int
}

type decimalForm uint8

const (
	formSmall decimalForm = iota
	formBig
	formNegInf
	formPosInf
	formNaN
)

// PostgreSQL's limits of numeric.
const (
	maxIntegerDigits = 131072 // before the decimal point
	maxScale         = 16383  // after it
	minSigDigits     = 16     // of a quotient
	maxDisplayScale  = 1000   // of a quotient or a transcendental result
	maxResultScale   = 2000   // of round and trunc
)

// DecimalFromInt64 returns v with scale 0.
func DecimalFromInt64(v int64) Decimal { return Decimal{hi: v >> 63, lo: uint64(v)} }

// DecimalFromInt128 returns the two's complement number hi:lo with scale 0.
func DecimalFromInt128(hi int64, lo uint64) Decimal { return NewDecimal(hi, lo, 0) }

// NewDecimal returns the two's complement number hi:lo times 10^-scale. The
// scale must lie between 0 and 16383.
func NewDecimal(hi int64, lo uint64, scale int32) Decimal {
	if hi == math.MinInt64 && lo == 0 {
		b := new(big.Int).Lsh(big.NewInt(-1), 127)
		return Decimal{form: formBig, big: b, scale: scale}
	}
	return Decimal{hi: hi, lo: lo, scale: scale}
}

// DecimalNaN returns the number that is not one; it is greater than all others.
func DecimalNaN() Decimal { return Decimal{form: formNaN} }

// DecimalInf returns the infinity of the given sign.
func DecimalInf(sign int) Decimal {
	if sign < 0 {
		return Decimal{form: formNegInf}
	}
	return Decimal{form: formPosInf}
}

// DecimalFromFloat returns f rounded to 15 significant digits, as PostgreSQL
// casts float8 to numeric.
func DecimalFromFloat(f float64) Decimal { return decimalFromFloat(f, 15) }

// DecimalFromFloat4 returns f rounded to 6 significant digits, as PostgreSQL
// casts float4 to numeric.
func DecimalFromFloat4(f float64) Decimal { return decimalFromFloat(f, 6) }

func decimalFromFloat(f float64, digits int) Decimal {
	switch {
	case math.IsNaN(f):
		return DecimalNaN()
	case math.IsInf(f, 0):
		return DecimalInf(int(math.Copysign(1, f)))
	}
	var buf [32]byte
	d, _ := ParseDecimal(trimMantissaZeros(strconv.AppendFloat(buf[:0], f, 'e', digits-1, 64)))
	return d
}

// trimMantissaZeros removes what C's %g does: zeros at the mantissa's end.
func trimMantissaZeros(s []byte) []byte {
	e := len(s) - 1
	for s[e] != 'e' {
		e--
	}
	m := e
	for m > 0 && s[m-1] == '0' {
		m--
	}
	if m > 0 && s[m-1] == '.' {
		m--
	}
	return append(s[:m], s[e:]...)
}

// small builds a number from sign and magnitude; the magnitude must fit.
func small(neg bool, m u128, scale int32) Decimal {
	if neg {
		lo, borrow := bits.Sub64(0, m.lo, 0)
		hi, _ := bits.Sub64(0, m.hi, borrow)
		return Decimal{hi: int64(hi), lo: lo, scale: scale}
	}
	return Decimal{hi: int64(m.hi), lo: m.lo, scale: scale}
}

// mag returns sign and magnitude of a small number.
func (d *Decimal) mag() (neg bool, m u128) {
	if d.hi < 0 {
		lo, borrow := bits.Sub64(0, d.lo, 0)
		hi, _ := bits.Sub64(0, uint64(d.hi), borrow)
		return true, u128{hi, lo}
	}
	return false, u128{uint64(d.hi), d.lo}
}

// fromBig takes ownership of b.
func fromBig(b *big.Int, scale int32) Decimal {
	if b.BitLen() <= 127 {
		return small(b.Sign() < 0, u128FromBig(b), scale)
	}
	return Decimal{form: formBig, big: b, scale: scale}
}

func u128FromBig(b *big.Int) (m u128) {
	for i, w := range b.Bits() {
		if bits.UintSize == 64 {
			if i == 0 {
				m.lo = uint64(w)
			} else {
				m.hi = uint64(w)
			}
			continue
		}
		if i < 2 {
			m.lo |= uint64(w) << (32 * i)
		} else {
			m.hi |= uint64(w) << (32 * (i - 2))
		}
	}
	return m
}

func (m u128) toBig() *big.Int {
	b := new(big.Int).SetUint64(m.hi)
	b.Lsh(b, 64)
	return b.Or(b, new(big.Int).SetUint64(m.lo))
}

// coef returns the coefficient of a finite number; it must not be written.
func (d *Decimal) coef() *big.Int {
	if d.form == formBig {
		return d.big
	}
	neg, m := d.mag()
	b := m.toBig()
	if neg {
		b.Neg(b)
	}
	return b
}

func bigPow10(n int32) *big.Int {
	if n <= maxPow10 {
		return pow10[n].toBig()
	}
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}

// scaledCoef returns the coefficient at a scale not below the number's own.
func (d *Decimal) scaledCoef(scale int32) *big.Int {
	c := d.coef()
	if scale == d.scale {
		return c
	}
	return new(big.Int).Mul(c, bigPow10(scale-d.scale))
}

func errNumericOverflow() error {
	return sqlerr.New(sqlerr.NumericValueOutOfRange, "value overflows numeric format")
}

// checked returns d unless it has more digits than numeric may have.
func checked(d Decimal) (Decimal, error) {
	if d.form != formBig || d.big.BitLen() < 400000 {
		return d, nil
	}
	if d.digits()-int(d.scale) > maxIntegerDigits {
		return Decimal{}, errNumericOverflow()
	}
	return d, nil
}

// digits returns the number of digits of the coefficient, 0 for zero.
func (d *Decimal) digits() int {
	if d.form == formBig {
		return bigDigits(d.big)
	}
	_, m := d.mag()
	return m.digits()
}

func bigDigits(b *big.Int) int {
	if b.Sign() == 0 {
		return 0
	}
	n := int(float64(b.BitLen()-1) * math.Log10(2)) // at most one too small for the digits' count minus one
	if b.CmpAbs(bigPow10(int32(n+1))) >= 0 {
		n++
	}
	return n + 1
}

// IsNaN says whether d is NaN.
func (d Decimal) IsNaN() bool { return d.form == formNaN }

// IsInf says whether d is an infinity.
func (d Decimal) IsInf() bool { return d.form == formNegInf || d.form == formPosInf }

// IsFinite says whether d is a number.
func (d Decimal) IsFinite() bool { return d.form <= formBig }

// IsZero says whether d equals 0.
func (d Decimal) IsZero() bool { return d.form == formSmall && d.hi == 0 && d.lo == 0 }

// Scale returns the number of digits after the decimal point.
func (d Decimal) Scale() int32 { return d.scale }

// Sign returns -1, 0 or 1; NaN has the sign 0, infinities theirs.
func (d Decimal) Sign() int {
	switch d.form {
	case formNaN:
		return 0
	case formNegInf:
		return -1
	case formPosInf:
		return 1
	case formBig:
		return d.big.Sign()
	}
	if d.hi < 0 {
		return -1
	}
	if d.hi|int64(d.lo) == 0 {
		return 0
	}
	return 1
}

// Int128 returns the coefficient in two's complement; ok is false for NaN,
// infinities and coefficients of more than 127 bits.
func (d Decimal) Int128() (hi int64, lo uint64, ok bool) {
	return d.hi, d.lo, d.form == formSmall
}

// Identical says whether two decimals are the same value with the same scale
// (1.0 and 1.00 are equal, but not identical).
func (d Decimal) Identical(o Decimal) bool {
	if d.form != o.form || d.scale != o.scale {
		return false
	}
	if d.form == formBig {
		return d.big.Cmp(o.big) == 0
	}
	return d.hi == o.hi && d.lo == o.lo
}

// Cmp compares by value: -Infinity, numbers, Infinity, NaN; NaN equals NaN.
func (d Decimal) Cmp(o Decimal) int {
	if d.form == formSmall && o.form == formSmall {
		return cmpSmall(&d, &o)
	}
	if a, b := d.rank(), o.rank(); a != b || a != 1 {
		return a - b
	}
	if s, t := d.Sign(), o.Sign(); s != t {
		return cmpInt(s, t)
	}
	scale := max(d.scale, o.scale)
	return d.scaledCoef(scale).Cmp(o.scaledCoef(scale))
}

// rank orders the classes of numbers.
func (d *Decimal) rank() int {
	switch d.form {
	case formNegInf:
		return 0
	case formPosInf:
		return 2
	case formNaN:
		return 3
	}
	return 1
}

func cmpInt(a, b int) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

func cmpSmall(d, o *Decimal) int {
	if d.scale == o.scale {
		if d.hi != o.hi {
			if d.hi < o.hi {
				return -1
			}
			return 1
		}
		return u128{0, d.lo}.cmp(u128{0, o.lo})
	}
	dn, dm := d.mag()
	on, om := o.mag()
	if dn != on {
		if dn {
			return -1
		}
		return 1
	}
	c := cmpMag(dm, d.scale, om, o.scale)
	if dn {
		return -c
	}
	return c
}

// cmpMag compares magnitudes of different scales.
func cmpMag(a u128, as int32, b u128, bs int32) int {
	if as > bs {
		return -cmpMag(b, bs, a, as)
	}
	if a.isZero() || b.isZero() {
		return a.cmp(b)
	}
	diff := bs - as
	if diff > maxPow10 {
		return 1 // a >= 1 is scaled beyond 10^38; b is below 2^127 < 1.8 * 10^38
	}
	m, over := a.mul(pow10[diff])
	if over {
		return 1
	}
	return m.cmp(b)
}
