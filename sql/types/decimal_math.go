package types

import (
	"math"
	"math/big"

	"github.com/cockroachdb/apd/v3"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// The functions here choose the scale of their result as PostgreSQL's numeric.c
// does (at least 16 significant digits, no less than the operands' scales) and
// compute with guard digits to round right at it.

const (
	log10E      = 0.434294481903252
	maxExponent = maxResultScale * 3 // of exp(), beyond which numeric overflows
	guardDigits = 12
)

func clampScale(scale int32, least ...int32) int32 {
	for _, s := range least {
		scale = max(scale, s)
	}
	return min(max(scale, 0), maxDisplayScale)
}

// apd returns d, which must be finite, for the library.
func (d *Decimal) apd() *apd.Decimal {
	r := &apd.Decimal{Exponent: -d.scale, Negative: d.Sign() < 0}
	r.Coeff.SetMathBigInt(d.coef())
	r.Coeff.Abs(&r.Coeff)
	return r
}

// fromAPD rounds the library's number half away from zero at the scale.
func fromAPD(r *apd.Decimal, scale int32) (Decimal, error) {
	b := new(big.Int).Set(r.Coeff.MathBigInt())
	if r.Negative {
		b.Neg(b)
	}
	if r.Exponent >= 0 {
		if int64(r.Exponent) > maxIntegerDigits {
			return Decimal{}, errNumericOverflow()
		}
		return checked(fromBig(b.Mul(b, bigPow10(r.Exponent)), 0).Round(scale))
	}
	return checked(fromBig(b, -r.Exponent).Round(scale))
}

func mathContext(digits int32) *apd.Context {
	c := apd.BaseContext.WithPrecision(uint32(max(digits, 20)))
	c.Rounding = apd.RoundHalfUp
	c.MaxExponent, c.MinExponent = apd.MaxExponent, apd.MinExponent
	return c
}

// Sqrt returns the square root; 2201F for negative numbers.
func (d Decimal) Sqrt() (Decimal, error) {
	switch {
	case d.IsNaN() || d.form == formPosInf:
		return d, nil
	case d.Sign() < 0:
		return Decimal{}, sqlerr.New(sqlerr.InvalidArgumentForPowerFunction, "cannot take square root of a negative number")
	}
	weight, _ := d.leadingDigit()
	root := (weight+1)*4/2 - 1
	scale := clampScale(int32(minSigDigits-root), d.scale)
	// floor(sqrt(coefficient * 10^(2*(scale+1) - d.scale))) has one digit more
	// than wanted; the root of an integer is never exactly halfway.
	shift := 2*(scale+1) - d.scale
	c := d.coef()
	if shift >= 0 {
		c = new(big.Int).Mul(c, bigPow10(shift))
	} else {
		c = new(big.Int).Quo(c, bigPow10(-shift))
	}
	return fromBig(new(big.Int).Sqrt(c), scale+1).Round(scale), nil
}

// Exp returns e to the power of d; 22003 beyond the limits of numeric.
func (d Decimal) Exp() (Decimal, error) {
	switch d.form {
	case formNaN, formPosInf:
		return d, nil
	case formNegInf:
		return Decimal{}, nil
	}
	f := d.Float64()
	digits := math.Max(math.Min(f*log10E, maxResultScale), -maxResultScale)
	scale := clampScale(int32(minSigDigits-int(digits)), d.scale)
	if math.Abs(f) >= maxExponent {
		if f > 0 {
			return Decimal{}, errNumericOverflow()
		}
		return Decimal{scale: scale}, nil
	}
	if f*log10E < -float64(scale)-2 {
		return Decimal{scale: scale}, nil // rounds to zero
	}
	bits := floatBits(float64(scale) + math.Abs(f*log10E))
	return fromFloatExact(expFloat(d.bigFloat(bits), bits), scale)
}

// floatBits is the precision for so many significant decimal digits.
func floatBits(digits float64) uint { return uint((digits+guardDigits)*math.Log2(10)) + 64 }

// bigFloat returns d, which must be finite, rounded to the precision.
func (d *Decimal) bigFloat(bits uint) *big.Float {
	f := new(big.Float).SetPrec(bits).SetInt(d.coef())
	return f.Quo(f, new(big.Float).SetPrec(bits).SetInt(bigPow10(d.scale)))
}

// fromFloatExact rounds f half away from zero at the scale.
func fromFloatExact(f *big.Float, scale int32) (Decimal, error) {
	scaled := new(big.Float).SetPrec(f.Prec()+64).Mul(f, new(big.Float).SetInt(bigPow10(scale)))
	half := big.NewFloat(math.Copysign(0.5, float64(f.Sign())))
	b, _ := scaled.Add(scaled, half).Int(nil)
	return checked(fromBig(b, scale))
}

// expFloat returns e^x by Taylor's series of x / 2^k, squared k times.
func expFloat(x *big.Float, bits uint) *big.Float {
	k := max(x.MantExp(nil), 0) + 16
	prec := bits + 2*uint(k)
	r := new(big.Float).SetPrec(prec).SetMantExp(x, -k)
	sum := new(big.Float).SetPrec(prec).SetInt64(1)
	term := new(big.Float).SetPrec(prec).SetInt64(1)
	for n := int64(1); ; n++ {
		term.Mul(term, r)
		term.Quo(term, new(big.Float).SetInt64(n))
		if term.Sign() == 0 || term.MantExp(nil) < -int(prec) {
			break
		}
		sum.Add(sum, term)
	}
	for range k {
		sum.Mul(sum, sum)
	}
	return sum
}

// powFloat returns x^n by repeated squaring.
func powFloat(x *big.Float, n uint64, bits uint) *big.Float {
	r := new(big.Float).SetPrec(bits).SetInt64(1)
	square := new(big.Float).SetPrec(bits).Set(x)
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			r.Mul(r, square)
		}
		square.Mul(square, square)
	}
	return r
}

func (d *Decimal) checkLogarithm() error {
	switch {
	case d.form == formNaN:
		return nil
	case d.Sign() < 0:
		return sqlerr.New(sqlerr.InvalidArgumentForLogarithm, "cannot take logarithm of a negative number")
	case d.Sign() == 0:
		return sqlerr.New(sqlerr.InvalidArgumentForLogarithm, "cannot take logarithm of zero")
	}
	return nil
}

// lnWeight estimates the decimal weight of ln(d), PostgreSQL's
// estimate_ln_dweight.
func (d *Decimal) lnWeight() int {
	if d.Sign() <= 0 || !d.IsFinite() {
		return 0
	}
	if d.Cmp(NewDecimal(0, 9, 1)) >= 0 && d.Cmp(NewDecimal(0, 11, 1)) <= 0 {
		x, _ := d.Sub(DecimalFromInt64(1))
		if x.IsZero() {
			return 0
		}
		weight, digit := x.leadingDigit()
		return weight*4 + int(math.Log10(float64(digit)))
	}
	return int(math.Log10(math.Abs(d.approxLn())))
}

// approxLn returns ln(d) as a float for numbers of any size.
func (d *Decimal) approxLn() float64 {
	n := int32(d.digits())
	keep := min(n, 17)
	lead := *d
	lead.scale = 0
	if n > keep {
		lead = lead.dropDigits(n-keep, roundTrunc)
	}
	return math.Log(lead.Float64()) + float64(n-keep-d.scale)*math.Ln10
}

// Ln returns the natural logarithm; 2201E for zero and negative numbers.
func (d Decimal) Ln() (Decimal, error) {
	if err := d.checkLogarithm(); err != nil || !d.IsFinite() {
		return d, err
	}
	weight := d.lnWeight()
	scale := clampScale(int32(minSigDigits-weight), d.scale)
	r, err := d.lnDigits(scale + int32(max(weight, 0)) + guardDigits)
	if err != nil {
		return Decimal{}, err
	}
	return fromAPD(r, scale)
}

// maxLnDigits is what the library computes within its limit of iterations.
const maxLnDigits = 2400

// lnDigits returns ln(d) with so many digits after the point at the least.
func (d *Decimal) lnDigits(digits int32) (*apd.Decimal, error) {
	r := new(apd.Decimal)
	if _, err := mathContext(min(digits+8, maxLnDigits)).Ln(r, d.apd()); err != nil {
		return nil, errNumericOverflow()
	}
	return r, nil
}

// Log returns the logarithm to a base; 2201E for zero and negative numbers,
// 22012 for the base 1.
func (d Decimal) Log(base Decimal) (Decimal, error) {
	if d.IsNaN() || base.IsNaN() {
		return DecimalNaN(), nil
	}
	if err := base.checkLogarithm(); err != nil {
		return Decimal{}, err
	}
	if err := d.checkLogarithm(); err != nil {
		return Decimal{}, err
	}
	switch {
	case base.IsInf() && d.IsInf():
		return DecimalNaN(), nil
	case base.IsInf():
		return Decimal{}, nil
	case d.IsInf():
		return d, nil
	}
	weight := d.lnWeight() - base.lnWeight()
	scale := clampScale(int32(minSigDigits-weight), d.scale, base.scale)
	digits := scale + int32(math.Abs(float64(weight))) + guardDigits
	extra := int32(max(-base.lnWeight(), 0) + max(-d.lnWeight(), 0))
	x, err := d.lnDigits(digits + extra)
	if err != nil {
		return Decimal{}, err
	}
	y, err := base.lnDigits(digits + extra)
	if err != nil {
		return Decimal{}, err
	}
	if y.IsZero() {
		return Decimal{}, errDivisionByZero()
	}
	r := new(apd.Decimal)
	if _, err := mathContext(digits+extra).Quo(r, x, y); err != nil {
		return Decimal{}, errNumericOverflow()
	}
	return fromAPD(r, scale)
}

// Log10 returns the logarithm to the base 10; errors as Ln.
func (d Decimal) Log10() (Decimal, error) { return d.Log(DecimalFromInt64(10)) }

// Power returns d to the power of exp; 2201F for a negative number to a power
// that is not integral and for zero to a negative power, 22003 beyond the
// limits of numeric.
func (d Decimal) Power(exp Decimal) (Decimal, error) {
	if !d.IsFinite() || !exp.IsFinite() {
		return powerSpecial(d, exp)
	}
	integral := exp.Cmp(exp.Trunc(0)) == 0
	switch {
	case d.IsZero() && exp.Sign() < 0:
		return Decimal{}, sqlerr.New(sqlerr.InvalidArgumentForPowerFunction, "zero raised to a negative power is undefined")
	case d.Sign() < 0 && !integral:
		return Decimal{}, sqlerr.New(sqlerr.InvalidArgumentForPowerFunction, "a negative number raised to a non-integer power yields a complex result")
	}
	if n, ok := exp.Int64(); ok && integral && n == int64(int32(n)) {
		return d.powerInt(n)
	}
	if d.IsZero() {
		return Decimal{scale: minSigDigits}, nil
	}
	return d.powerReal(exp, integral)
}

func powerSpecial(d, exp Decimal) (Decimal, error) {
	one := DecimalFromInt64(1)
	switch {
	case !d.IsNaN() && d.Cmp(one) == 0, !exp.IsNaN() && exp.IsZero():
		return one, nil
	case d.IsNaN() || exp.IsNaN():
		return DecimalNaN(), nil
	case d.IsZero() && exp.Sign() < 0:
		return Decimal{}, sqlerr.New(sqlerr.InvalidArgumentForPowerFunction, "zero raised to a negative power is undefined")
	case d.IsZero():
		return Decimal{}, nil
	}
	if exp.IsInf() {
		switch c := d.Abs().Cmp(one); {
		case c == 0:
			return one, nil
		case (c > 0) == (exp.Sign() > 0):
			return DecimalInf(1), nil
		}
		return Decimal{}, nil
	}
	integral := exp.Cmp(exp.Trunc(0)) == 0
	if d.Sign() < 0 && !integral {
		return Decimal{}, sqlerr.New(sqlerr.InvalidArgumentForPowerFunction, "a negative number raised to a non-integer power yields a complex result")
	}
	if exp.Sign() < 0 {
		return Decimal{}, nil
	}
	if d.Sign() < 0 && exp.isOdd() {
		return d, nil
	}
	return DecimalInf(1), nil
}

// isOdd says whether an integral number is odd.
func (d *Decimal) isOdd() bool {
	t := d.Trunc(0)
	return t.coef().Bit(0) == 1
}

const maxPowerDigits = 3 * math.MaxInt16 * 4 // PostgreSQL's first test of overflow

func (d Decimal) powerInt(n int64) (Decimal, error) {
	scale := clampScale(minSigDigits, d.scale)
	switch n {
	case 0:
		return DecimalFromInt64(1).Round(scale), nil
	case 1:
		return d.Round(scale), nil
	case -1:
		return DecimalFromInt64(1).divScale(d, scale)
	case 2:
		r, err := d.Mul(d)
		return r.Round(scale), err
	}
	if d.IsZero() {
		return Decimal{scale: scale}, nil
	}
	abs := d.Abs()
	size := float64(n) * abs.approxLn() * log10E // log10 of the result
	switch {
	case size > maxPowerDigits || size > maxIntegerDigits+1:
		return Decimal{}, errNumericOverflow()
	case size+1 < -float64(scale):
		return Decimal{scale: scale}, nil
	}
	if n > 0 && int64(d.digits())*n <= 4096 {
		c := new(big.Int).Exp(d.coef(), big.NewInt(n), nil)
		return checked(fromBig(c, d.scale*int32(n)).Round(scale))
	}
	bits := floatBits(float64(scale)+math.Abs(size)) + 64
	r := powFloat(abs.bigFloat(bits), uint64(abs64(n)), bits)
	if n < 0 {
		r.Quo(new(big.Float).SetPrec(bits).SetInt64(1), r)
	}
	if d.Sign() < 0 && n&1 == 1 {
		r.Neg(r)
	}
	return fromFloatExact(r, scale)
}

func (d Decimal) powerReal(exp Decimal, integral bool) (Decimal, error) {
	abs := d.Abs()
	val := abs.approxLn() * exp.Float64()
	if math.Abs(val) > maxResultScale*3.01 {
		if val > 0 {
			return Decimal{}, errNumericOverflow()
		}
		return Decimal{scale: maxDisplayScale}, nil
	}
	scale := clampScale(int32(minSigDigits-int(val*log10E)), d.scale, exp.scale)
	digits := float64(scale) + math.Abs(val*log10E)
	ln, err := abs.lnDigits(int32(digits) + int32(exp.digits()) + 2*guardDigits)
	if err != nil {
		return Decimal{}, err
	}
	bits := floatBits(digits) + 64
	x, _, err := new(big.Float).SetPrec(bits).Parse(ln.Text('e'), 10)
	if err != nil {
		return Decimal{}, errNumericOverflow()
	}
	r := expFloat(x.Mul(x, exp.bigFloat(bits)), bits)
	if d.Sign() < 0 && integral && exp.isOdd() {
		r.Neg(r)
	}
	return fromFloatExact(r, scale)
}
