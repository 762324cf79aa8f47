package expr

import (
	"math"

	"github.com/cockroachdb/apd/v3"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// The transcendental functions of numeric. The digits come from apd, computed
// with a guard of ten digits and rounded once; how many digits a result has
// follows PostgreSQL's rules: 16 significant ones, no fewer decimals than the
// arguments, at most 1000 decimals.

const (
	sigDigits       = 16
	maxDecimals     = 1000
	maxResultDigits = 2000
	guardDigits     = 10
	log10OfE        = 0.434294481903252
)

func decimals(scale, a, b int32) int32 {
	return min(max(scale, a, b, 0), maxDecimals)
}

// toAPD converts a finite number.
func toAPD(d decimal) *apd.Decimal {
	a, _, err := apd.NewFromString(d.String())
	if err != nil {
		panic("expr: numeric does not print as a number: " + err.Error())
	}
	return a
}

// fromAPD rounds a result to its scale.
func fromAPD(a *apd.Decimal, scale int32) (decimal, error) {
	d, err := types.ParseDecimal([]byte(a.Text('f')))
	if err != nil {
		return d, err
	}
	return d.Round(scale), nil
}

func withPrecision(digits int32) *apd.Context {
	c := apd.BaseContext
	c.Precision = uint32(max(digits, sigDigits) + guardDigits)
	c.MaxExponent, c.MinExponent = apd.MaxExponent, apd.MinExponent
	c.Traps = apd.DefaultTraps &^ (apd.Subnormal | apd.Underflow)
	return &c
}

// leading returns the decimal exponent of the first digit, 0 for zero.
func leading(d decimal) int32 {
	if d.IsZero() {
		return 0
	}
	a := toAPD(d)
	return int32(a.NumDigits()) - 1 + a.Exponent
}

// weight returns the exponent of the first digit in base 10000, in which
// PostgreSQL computes.
func weight(d decimal) int32 { return int32(floorDiv(int64(leading(d)), 4)) }

func errNumericOverflow() error {
	return sqlerr.New(sqlerr.NumericValueOutOfRange, "value overflows numeric format")
}

func decimalSqrt(a decimal) (decimal, error) {
	switch {
	case a.IsNaN():
		return a, nil
	case a.Sign() < 0:
		return a, errSquareRoot()
	case a.IsInf():
		return a, nil
	}
	scale := decimals(sigDigits-(2*weight(a)+1), a.Scale(), 0)
	r := new(apd.Decimal)
	if _, err := withPrecision(leading(a)/2+scale+2).Sqrt(r, toAPD(a)); err != nil {
		return a, err
	}
	return fromAPD(r, scale)
}

func decimalExp(a decimal) (decimal, error) {
	switch {
	case a.IsNaN():
		return a, nil
	case a.IsInf():
		if a.Sign() < 0 {
			return decimal{}, nil
		}
		return a, nil
	}
	f := a.Float64()
	digits := min(max(f*log10OfE, -maxResultDigits), maxResultDigits)
	scale := decimals(sigDigits-int32(digits), a.Scale(), 0)
	if math.Abs(f) >= 3*maxResultDigits {
		if f > 0 {
			return a, errNumericOverflow()
		}
		return decimal{}.Round(scale), nil
	}
	r := new(apd.Decimal)
	if _, err := withPrecision(int32(digits)+scale+2).Exp(r, toAPD(a)); err != nil {
		return a, err
	}
	return fromAPD(r, scale)
}

// lnWeight estimates the decimal exponent of ln(a) as PostgreSQL does.
func lnWeight(a decimal) int32 {
	one := types.DecimalFromInt64(1)
	if a.Cmp(types.NewDecimal(0, 9, 1)) >= 0 && a.Cmp(types.NewDecimal(0, 11, 1)) <= 0 {
		x, err := a.Sub(one)
		if err != nil || x.IsZero() {
			return 0
		}
		return leading(x)
	}
	x := toAPD(a)
	// The first digits as a fraction, so that the exponent cannot overflow.
	e := int32(x.NumDigits()) - 1 + x.Exponent
	x.Exponent = -int32(x.NumDigits()) + 1
	head, _ := x.Float64()
	return int32(math.Log10(math.Abs(math.Log(head) + float64(e)*math.Ln10)))
}

func checkLogarithm(a decimal) error {
	if s := a.Sign(); s <= 0 {
		return errLogarithm(s == 0)
	}
	return nil
}

func decimalLn(a decimal) (decimal, error) {
	if a.IsNaN() {
		return a, nil
	}
	if err := checkLogarithm(a); err != nil || a.IsInf() {
		return a, err
	}
	w := lnWeight(a)
	scale := decimals(sigDigits-w, a.Scale(), 0)
	r := new(apd.Decimal)
	if _, err := withPrecision(w+scale+2).Ln(r, toAPD(a)); err != nil {
		return a, err
	}
	return fromAPD(r, scale)
}

// decimalLog is the logarithm of a to a base.
func decimalLog(base, a decimal) (decimal, error) {
	if base.IsNaN() || a.IsNaN() {
		return types.DecimalNaN(), nil
	}
	for _, d := range []decimal{base, a} {
		if d.Sign() < 0 {
			return a, errLogarithm(false)
		}
	}
	for _, d := range []decimal{base, a} {
		if d.Sign() == 0 {
			return a, errLogarithm(true)
		}
	}
	switch {
	case base.IsInf() && a.IsInf():
		return types.DecimalNaN(), nil
	case base.IsInf():
		return decimal{}, nil
	case a.IsInf():
		return a, nil
	}
	w := lnWeight(a) - lnWeight(base)
	scale := decimals(sigDigits-w, base.Scale(), a.Scale())
	c := withPrecision(max(w, 0) + scale + 8)
	num, den := new(apd.Decimal), new(apd.Decimal)
	if _, err := c.Ln(num, toAPD(a)); err != nil {
		return a, err
	}
	if _, err := c.Ln(den, toAPD(base)); err != nil {
		return a, err
	}
	if den.IsZero() {
		return a, errDivisionByZero()
	}
	if _, err := c.Quo(num, num, den); err != nil {
		return a, err
	}
	return fromAPD(num, scale)
}

func isInteger(d decimal) bool { return d.IsFinite() && d.Cmp(d.Trunc(0)) == 0 }

func decimalPower(a, b decimal) (decimal, error) {
	one := types.DecimalFromInt64(1)
	switch {
	case a.IsNaN() || b.IsNaN():
		if b.IsZero() || a.IsFinite() && a.Cmp(one) == 0 {
			return one, nil
		}
		return types.DecimalNaN(), nil
	case a.IsZero() && b.Sign() < 0:
		return a, sqlerr.New(sqlerr.InvalidArgumentForPowerFunction, "zero raised to a negative power is undefined")
	case a.IsInf() || b.IsInf():
		return infinitePower(a, b)
	case a.Sign() < 0 && !isInteger(b):
		return a, errComplexPower()
	case a.IsZero() && !isInteger(b):
		return decimal{}.Round(sigDigits), nil
	}
	if n, ok := b.Int64(); ok && isInteger(b) && n >= math.MinInt32 && n <= math.MaxInt32 {
		return decimalIntPower(a, n)
	}
	return decimalRealPower(a, b)
}

// infinitePower follows POSIX's pow, as PostgreSQL does.
func infinitePower(a, b decimal) (decimal, error) {
	one := types.DecimalFromInt64(1)
	switch {
	case b.IsZero() || a.IsFinite() && a.Cmp(one) == 0:
		return one, nil
	case b.IsInf():
		if a.IsFinite() && a.Cmp(one.Neg()) == 0 {
			return one, nil
		}
		if (a.Abs().Cmp(one) > 0) == (b.Sign() > 0) {
			return types.DecimalInf(1), nil
		}
		return decimal{}, nil
	case a.Sign() < 0 && !isInteger(b):
		return a, errComplexPower()
	case b.Sign() < 0:
		return decimal{}, nil
	case a.Sign() > 0:
		return a, nil
	}
	half, err := b.Mod(types.DecimalFromInt64(2))
	if err == nil && !half.IsZero() {
		return a, nil // an odd power
	}
	return types.DecimalInf(1), err
}

// decimalIntPower computes with as many digits as the result's decimals need.
func decimalIntPower(a decimal, n int64) (decimal, error) {
	scale := decimals(sigDigits, a.Scale(), 0)
	switch n {
	case 0:
		return types.DecimalFromInt64(1).Round(scale), nil
	case 1:
		return a.Round(scale), nil
	}
	if a.IsZero() {
		return decimal{}.Round(scale), nil
	}
	x := toAPD(a)
	e := int32(x.NumDigits()) - 1 + x.Exponent
	x.Exponent = -int32(x.NumDigits()) + 1
	head, _ := x.Float64()
	digits := float64(n) * (math.Log10(math.Abs(head)) + float64(e))
	if digits > 4*(math.MaxInt16+1) {
		return a, errNumericOverflow()
	}
	if digits+1 < -float64(scale) {
		return decimal{}.Round(scale), nil
	}
	c := withPrecision(int32(digits) + scale + int32(math.Log10(math.Abs(float64(n)))) + 8)
	r, err := intPower(c, toAPD(a), n)
	if err != nil {
		return a, err
	}
	return fromAPD(r, scale)
}

// intPower multiplies by repeated squaring.
func intPower(c *apd.Context, base *apd.Decimal, n int64) (*apd.Decimal, error) {
	r := apd.New(1, 0)
	negative := n < 0
	if negative {
		n = -n
	}
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			if _, err := c.Mul(r, r, base); err != nil {
				return nil, err
			}
		}
		if n > 1 {
			if _, err := c.Mul(base, base, base); err != nil {
				return nil, err
			}
		}
	}
	if negative {
		if _, err := c.Quo(r, apd.New(1, 0), r); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// decimalRealPower is exp(b * ln(a)).
func decimalRealPower(a, b decimal) (decimal, error) {
	negative := a.Sign() < 0 // then b is an integer beyond 32 bits
	a = a.Abs()
	ln := new(apd.Decimal)
	c := withPrecision(sigDigits)
	if _, err := c.Ln(ln, toAPD(a)); err != nil {
		return a, err
	}
	if _, err := c.Mul(ln, ln, toAPD(b)); err != nil {
		return a, err
	}
	f, err := ln.Float64()
	if err != nil || math.Abs(f) > 3.01*maxResultDigits {
		if !ln.Negative {
			return a, errNumericOverflow()
		}
		return decimal{}.Round(maxDecimals), nil
	}
	scale := decimals(sigDigits-int32(f*log10OfE), a.Scale(), b.Scale())
	c = withPrecision(int32(f*log10OfE) + scale + leading(b) + 8)
	if _, err := c.Ln(ln, toAPD(a)); err != nil {
		return a, err
	}
	if _, err := c.Mul(ln, ln, toAPD(b)); err != nil {
		return a, err
	}
	if _, err := c.Exp(ln, ln); err != nil {
		return a, err
	}
	if odd, err := b.Mod(types.DecimalFromInt64(2)); negative && err == nil && !odd.IsZero() {
		ln.Negative = true
	}
	return fromAPD(ln, scale)
}
