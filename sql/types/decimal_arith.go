package types

import (
	"math"
	"math/big"
	"math/bits"
	"strconv"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

func errDivisionByZero() error {
	return sqlerr.New(sqlerr.DivisionByZero, "division by zero")
}

// Neg returns -d.
func (d Decimal) Neg() Decimal {
	switch d.form {
	case formNaN:
		return d
	case formNegInf:
		return DecimalInf(1)
	case formPosInf:
		return DecimalInf(-1)
	case formBig:
		return fromBig(new(big.Int).Neg(d.big), d.scale)
	}
	neg, m := d.mag()
	return small(!neg, m, d.scale)
}

// Abs returns the magnitude of d.
func (d Decimal) Abs() Decimal {
	if d.Sign() < 0 {
		return d.Neg()
	}
	return d
}

// Add returns d+o with the greater of both scales; 22003 beyond the limits of
// numeric.
func (d Decimal) Add(o Decimal) (Decimal, error) {
	if d.form == formSmall && o.form == formSmall && d.scale == o.scale {
		lo, carry := bits.Add64(d.lo, o.lo, 0)
		hi, _ := bits.Add64(uint64(d.hi), uint64(o.hi), carry)
		h := int64(hi)
		if overflowed := (d.hi^h)&(o.hi^h) < 0; !overflowed && h != math.MinInt64 {
			return Decimal{hi: h, lo: lo, scale: d.scale}, nil
		}
	}
	return d.addSlow(o, false)
}

// Sub returns d-o with the greater of both scales; 22003 beyond the limits of
// numeric.
func (d Decimal) Sub(o Decimal) (Decimal, error) {
	if d.form == formSmall && o.form == formSmall && d.scale == o.scale {
		lo, borrow := bits.Sub64(d.lo, o.lo, 0)
		hi, _ := bits.Sub64(uint64(d.hi), uint64(o.hi), borrow)
		h := int64(hi)
		if overflowed := (d.hi^o.hi)&(d.hi^h) < 0; !overflowed && h != math.MinInt64 {
			return Decimal{hi: h, lo: lo, scale: d.scale}, nil
		}
	}
	return d.addSlow(o, true)
}

func (d Decimal) addSlow(o Decimal, subtract bool) (Decimal, error) {
	if !d.IsFinite() || !o.IsFinite() {
		return addSpecial(d, o, subtract), nil
	}
	scale := max(d.scale, o.scale)
	if r, ok := addAligned(&d, &o, scale, subtract); ok {
		return r, nil
	}
	a, b := d.scaledCoef(scale), o.scaledCoef(scale)
	sum := new(big.Int)
	if subtract {
		sum.Sub(a, b)
	} else {
		sum.Add(a, b)
	}
	return checked(fromBig(sum, scale))
}

// addAligned adds small numbers of different scales if all fits two words.
func addAligned(d, o *Decimal, scale int32, subtract bool) (Decimal, bool) {
	an, a, ok := d.scaledMag(scale)
	if !ok {
		return Decimal{}, false
	}
	bn, b, ok := o.scaledMag(scale)
	if !ok {
		return Decimal{}, false
	}
	if subtract {
		bn = !bn
	}
	if an == bn {
		sum, over := a.add(b)
		return small(an, sum, scale), !over && sum.fits()
	}
	if a.cmp(b) >= 0 {
		return small(an, a.sub(b), scale), true
	}
	return small(bn, b.sub(a), scale), true
}

// scaledMag returns sign and magnitude at a scale not below the number's own.
func (d *Decimal) scaledMag(scale int32) (neg bool, m u128, ok bool) {
	if d.form != formSmall {
		return false, m, false
	}
	neg, m = d.mag()
	diff := scale - d.scale
	if diff == 0 || m.isZero() {
		return neg, m, true
	}
	if diff > maxPow10 {
		return neg, m, false
	}
	m, over := m.mul(pow10[diff])
	return neg, m, !over && m.fits()
}

func addSpecial(d, o Decimal, subtract bool) Decimal {
	if subtract {
		o = o.Neg()
	}
	switch {
	case d.IsNaN() || o.IsNaN():
		return DecimalNaN()
	case d.IsInf() && o.IsInf() && d.form != o.form:
		return DecimalNaN()
	case d.IsInf():
		return d
	}
	return o
}

// Mul returns d*o with the sum of both scales (at most 16383, rounded); 22003
// beyond the limits of numeric.
func (d Decimal) Mul(o Decimal) (Decimal, error) {
	scale := d.scale + o.scale
	if d.form == formSmall && o.form == formSmall && scale <= maxScale {
		dn, dm := d.mag()
		on, om := o.mag()
		if p, over := dm.mul(om); !over && p.fits() {
			return small(dn != on, p, scale), nil
		}
	}
	if !d.IsFinite() || !o.IsFinite() {
		return mulSpecial(d, o), nil
	}
	r := fromBig(new(big.Int).Mul(d.coef(), o.coef()), scale)
	if scale > maxScale {
		r = r.setScale(maxScale)
	}
	return checked(r)
}

func mulSpecial(d, o Decimal) Decimal {
	sign := d.Sign() * o.Sign()
	if d.IsNaN() || o.IsNaN() || sign == 0 {
		return DecimalNaN()
	}
	return DecimalInf(sign)
}

// Div returns d/o rounded half away from zero at the scale that PostgreSQL's
// select_div_scale chooses: at least 16 significant digits and no less than
// either operand's scale. It fails with 22012 when o is zero.
func (d Decimal) Div(o Decimal) (Decimal, error) {
	if !d.IsFinite() || !o.IsFinite() {
		return divSpecial(d, o)
	}
	if o.IsZero() {
		return Decimal{}, errDivisionByZero()
	}
	return d.divScale(o, divResultScale(&d, &o))
}

func divSpecial(d, o Decimal) (Decimal, error) {
	switch {
	case d.IsNaN() || o.IsNaN():
		return DecimalNaN(), nil
	case d.IsInf() && o.IsInf():
		return DecimalNaN(), nil
	case d.IsInf() && o.IsZero():
		return Decimal{}, errDivisionByZero()
	case d.IsInf():
		return DecimalInf(d.Sign() * o.Sign()), nil
	}
	return Decimal{}, nil
}

// divResultScale is PostgreSQL's select_div_scale.
func divResultScale(d, o *Decimal) int32 {
	w1, f1 := d.leadingDigit()
	w2, f2 := o.leadingDigit()
	qweight := w1 - w2
	if f1 <= f2 {
		qweight--
	}
	scale := int32(minSigDigits - qweight*4)
	scale = max(scale, d.scale, o.scale, 0)
	return min(scale, maxDisplayScale)
}

// leadingDigit returns the weight and value of the first non-zero digit in base
// 10000, the unit in which PostgreSQL reckons.
func (d *Decimal) leadingDigit() (weight, digit int) {
	n := d.digits()
	if n == 0 {
		return 0, 0
	}
	exp := n - 1 - int(d.scale) // of the first decimal digit
	weight = floorDiv(exp, 4)
	want := exp - 4*weight + 1 // decimal digits in the base 10000 digit
	if d.form == formBig {
		q := new(big.Int).Quo(d.big, bigPow10(int32(n-want)))
		return weight, int(q.Abs(q).Int64())
	}
	_, m := d.mag()
	if want <= n {
		m, _ = m.div(pow10[n-want])
	} else {
		m, _ = m.mul(pow10[want-n])
	}
	return weight, int(m.lo)
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// divScale returns d/o rounded at the given scale; both must be finite and o
// not zero.
func (d Decimal) divScale(o Decimal, scale int32) (Decimal, error) {
	shift := scale - d.scale + o.scale
	if d.form == formSmall && o.form == formSmall && shift >= 0 && shift <= maxPow10 {
		if r, ok := divSmall(&d, &o, scale, shift); ok {
			return r, nil
		}
	}
	num, den := d.coef(), o.coef()
	if shift >= 0 {
		num = new(big.Int).Mul(num, bigPow10(shift))
	} else {
		den = new(big.Int).Mul(den, bigPow10(-shift))
	}
	return checked(fromBig(divRound(num, den), scale))
}

func divSmall(d, o *Decimal, scale, shift int32) (Decimal, bool) {
	dn, dm := d.mag()
	on, om := o.mag()
	if num, over := dm.mul(pow10[shift]); !over {
		q, r := num.div(om)
		if twice, over := r.add(r); over || twice.cmp(om) >= 0 {
			q, _ = q.add(u128{0, 1})
		}
		return small(dn != on, q, scale), q.fits()
	}
	if om.hi != 0 {
		return Decimal{}, false
	}
	w := dm.mulWide(pow10[shift])
	r := divWide64(&w, om.lo)
	q := u128{w[1], w[0]}
	if w[3]|w[2] != 0 || !q.fits() {
		return Decimal{}, false
	}
	if r >= om.lo-r {
		q, _ = q.add(u128{0, 1})
	}
	return small(dn != on, q, scale), q.fits()
}

// divRound returns num/den rounded half away from zero.
func divRound(num, den *big.Int) *big.Int {
	q, r := new(big.Int).QuoRem(num, den, new(big.Int))
	if r.Lsh(r, 1).CmpAbs(den) >= 0 {
		if num.Sign() == den.Sign() {
			q.Add(q, big.NewInt(1))
		} else {
			q.Sub(q, big.NewInt(1))
		}
	}
	return q
}

// DivTrunc returns the integral part of d/o, PostgreSQL's div(); 22012 when o is zero.
func (d Decimal) DivTrunc(o Decimal) (Decimal, error) {
	if !d.IsFinite() || !o.IsFinite() {
		return divSpecial(d, o)
	}
	if o.IsZero() {
		return Decimal{}, errDivisionByZero()
	}
	scale := max(d.scale, o.scale)
	return checked(fromBig(new(big.Int).Quo(d.scaledCoef(scale), o.scaledCoef(scale)), 0))
}

// Mod returns the remainder of the truncated division, with d's sign and the
// greater of both scales; 22012 when o is zero.
func (d Decimal) Mod(o Decimal) (Decimal, error) {
	switch {
	case d.IsNaN() || o.IsNaN():
		return DecimalNaN(), nil
	case o.IsZero():
		return Decimal{}, errDivisionByZero()
	case d.IsInf():
		return DecimalNaN(), nil
	case o.IsInf():
		return d, nil
	}
	scale := max(d.scale, o.scale)
	neg, a, ok := d.scaledMag(scale)
	if _, b, ok2 := o.scaledMag(scale); ok && ok2 {
		_, r := a.div(b)
		return small(neg, r, scale), nil
	}
	return fromBig(new(big.Int).Rem(d.scaledCoef(scale), o.scaledCoef(scale)), scale), nil
}

type rounding uint8

const (
	roundHalfAway rounding = iota
	roundTrunc
	roundFloor
	roundCeil
)

// Round rounds half away from zero; a negative scale rounds before the decimal
// point and gives scale 0.
func (d Decimal) Round(scale int32) Decimal { return d.roundTo(scale, roundHalfAway) }

// Trunc truncates towards zero; a negative scale truncates before the decimal
// point and gives scale 0.
func (d Decimal) Trunc(scale int32) Decimal { return d.roundTo(scale, roundTrunc) }

// Floor returns the greatest integer not above d.
func (d Decimal) Floor() Decimal { return d.roundTo(0, roundFloor) }

// Ceil returns the least integer not below d.
func (d Decimal) Ceil() Decimal { return d.roundTo(0, roundCeil) }

func (d Decimal) setScale(scale int32) Decimal { return d.roundTo(scale, roundHalfAway) }

func (d Decimal) roundTo(scale int32, mode rounding) Decimal {
	if !d.IsFinite() || scale == d.scale {
		return d
	}
	scale = min(scale, maxScale)
	if scale > d.scale {
		if neg, m, ok := d.scaledMag(scale); ok {
			return small(neg, m, scale)
		}
		return fromBig(d.scaledCoef(scale), scale)
	}
	drop := int64(d.scale) - int64(scale)
	if drop > int64(d.digits())+1 {
		drop = int64(d.digits()) + 1 // all digits go; the rounding is the same
	}
	r := d.dropDigits(int32(drop), mode)
	if scale >= 0 {
		r.scale = scale
		return r
	}
	r.scale = 0
	if r.IsZero() {
		return r
	}
	return fromBig(new(big.Int).Mul(r.coef(), bigPow10(-scale)), 0)
}

// dropDigits divides the coefficient by 10^n, rounding.
func (d *Decimal) dropDigits(n int32, mode rounding) Decimal {
	if d.form == formSmall && n <= maxPow10 {
		neg, m := d.mag()
		p := pow10[n]
		q, r := m.div(p)
		if roundsUp(mode, neg, !r.isZero(), r.cmp(p.sub(r)) >= 0) {
			q, _ = q.add(u128{0, 1})
		}
		return small(neg, q, 0)
	}
	p := bigPow10(n)
	neg := d.Sign() < 0
	q, r := new(big.Int).QuoRem(new(big.Int).Abs(d.coef()), p, new(big.Int))
	rest := r.Sign() != 0
	if roundsUp(mode, neg, rest, r.Lsh(r, 1).Cmp(p) >= 0) {
		q.Add(q, big.NewInt(1))
	}
	if neg {
		q.Neg(q)
	}
	return fromBig(q, 0)
}

func roundsUp(mode rounding, neg, rest, half bool) bool {
	switch mode {
	case roundHalfAway:
		return half
	case roundFloor:
		return neg && rest
	case roundCeil:
		return !neg && rest
	}
	return false
}

// Rescale coerces to numeric(precision, scale): it rounds to the scale, which
// may be negative, and fails with 22003 when the integral part has too many
// digits.
func (d Decimal) Rescale(precision, scale int32) (Decimal, error) {
	if d.IsNaN() {
		return d, nil
	}
	if d.IsInf() {
		return d, sqlerr.New(sqlerr.NumericValueOutOfRange, "numeric field overflow").
			WithDetail("A field with precision %d, scale %d cannot hold an infinite value.", precision, scale)
	}
	r := d.Round(scale)
	if n := r.digits(); n != 0 && int32(n)-r.scale > precision-scale {
		e := sqlerr.New(sqlerr.NumericValueOutOfRange, "numeric field overflow")
		if precision == scale {
			return d, e.WithDetail("A field with precision %d, scale %d must round to an absolute value less than 1.", precision, scale)
		}
		return d, e.WithDetail("A field with precision %d, scale %d must round to an absolute value less than 10^%d.", precision, scale, precision-scale)
	}
	return r, nil
}

// Normalize removes the zeros at the end of the fraction (PostgreSQL's
// trim_scale): equal numbers become identical.
func (d Decimal) Normalize() Decimal {
	if !d.IsFinite() || d.scale == 0 {
		return d
	}
	if d.IsZero() {
		return Decimal{}
	}
	if d.form == formSmall {
		neg, m := d.mag()
		scale := d.scale
		for scale > 0 {
			q, r := m.div64(10)
			if r != 0 {
				break
			}
			m, scale = q, scale-1
		}
		return small(neg, m, scale)
	}
	b, scale, ten := d.big, d.scale, big.NewInt(10)
	for scale > 0 {
		q, r := new(big.Int).QuoRem(b, ten, new(big.Int))
		if r.Sign() != 0 {
			break
		}
		b, scale = q, scale-1
	}
	return fromBig(new(big.Int).Set(b), scale)
}

// Hash returns a hash that is equal for equal numbers of any scale.
func (d Decimal) Hash() uint64 {
	n := d.Normalize()
	h := uint64(n.form)<<32 ^ uint64(uint32(n.scale))
	if n.form == formBig {
		for _, w := range n.big.Bits() {
			h = mix(h, uint64(w))
		}
		return mix(h, uint64(n.big.Sign()+1))
	}
	return mix(mix(h, n.lo), uint64(n.hi))
}

func mix(h, v uint64) uint64 {
	hi, lo := bits.Mul64(h^v^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
	return hi ^ lo
}

// Int64 returns d rounded half away from zero; ok is false when it is not a
// number or out of range.
func (d Decimal) Int64() (v int64, ok bool) {
	if d.form != formSmall && d.form != formBig {
		return 0, false
	}
	r := d
	if d.scale != 0 {
		r = d.Round(0)
	}
	if r.form != formSmall || r.hi != int64(r.lo)>>63 {
		return 0, false
	}
	return int64(r.lo), true
}

// exactFloatPow10 holds the powers of ten that float64 represents exactly.
var exactFloatPow10 = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10,
	1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// Float64 returns the nearest float64; numbers beyond its range become
// infinities.
func (d Decimal) Float64() float64 {
	switch d.form {
	case formNaN:
		return math.NaN()
	case formNegInf:
		return math.Inf(-1)
	case formPosInf:
		return math.Inf(1)
	case formSmall:
		neg, m := d.mag()
		if m.hi == 0 && m.lo < 1<<53 && int(d.scale) < len(exactFloatPow10) {
			f := float64(m.lo) / exactFloatPow10[d.scale]
			if neg {
				return -f
			}
			return f
		}
	}
	var buf [64]byte
	f, _ := strconv.ParseFloat(string(d.AppendText(buf[:0])), 64)
	return f
}
