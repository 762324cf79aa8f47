package types

import "math/bits"

// u128 is an unsigned 128-bit integer, the magnitude of a small decimal.
type u128 struct{ hi, lo uint64 }

// maxPow10 is the greatest power of ten that fits into a signed 128-bit integer.
const maxPow10 = 38

// pow10 holds 10^0 to 10^38. It is never written.
var pow10 = makePow10()

func makePow10() (table [maxPow10 + 1]u128) {
	table[0] = u128{0, 1}
	for i := 1; i <= maxPow10; i++ {
		table[i], _ = table[i-1].mul64(10)
	}
	return table
}

func (a u128) isZero() bool { return a.hi|a.lo == 0 }

func (a u128) cmp(b u128) int {
	switch {
	case a.hi < b.hi:
		return -1
	case a.hi > b.hi:
		return 1
	case a.lo < b.lo:
		return -1
	case a.lo > b.lo:
		return 1
	}
	return 0
}

// add returns a+b and whether it overflowed 128 bits.
func (a u128) add(b u128) (u128, bool) {
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	hi, carry := bits.Add64(a.hi, b.hi, carry)
	return u128{hi, lo}, carry != 0
}

// sub returns a-b; b must not be greater than a.
func (a u128) sub(b u128) u128 {
	lo, borrow := bits.Sub64(a.lo, b.lo, 0)
	hi, _ := bits.Sub64(a.hi, b.hi, borrow)
	return u128{hi, lo}
}

// mul64 returns a*b and whether it overflowed 128 bits.
func (a u128) mul64(b uint64) (u128, bool) {
	h1, lo := bits.Mul64(a.lo, b)
	h2, l2 := bits.Mul64(a.hi, b)
	hi, carry := bits.Add64(h1, l2, 0)
	return u128{hi, lo}, h2 != 0 || carry != 0
}

// mul returns a*b and whether it overflowed 128 bits.
func (a u128) mul(b u128) (u128, bool) {
	if a.hi == 0 {
		return b.mul64(a.lo)
	}
	if b.hi == 0 {
		return a.mul64(b.lo)
	}
	return u128{}, true
}

// mulWide returns the 256-bit product as four words, lowest first.
func (a u128) mulWide(b u128) (w [4]uint64) {
	h, l := bits.Mul64(a.lo, b.lo)
	w[0], w[1] = l, h
	var c uint64
	h, l = bits.Mul64(a.lo, b.hi)
	w[1], c = bits.Add64(w[1], l, 0)
	w[2], c = bits.Add64(h, 0, c)
	w[3] = c
	h, l = bits.Mul64(a.hi, b.lo)
	w[1], c = bits.Add64(w[1], l, 0)
	w[2], c = bits.Add64(w[2], h, c)
	w[3] += c
	h, l = bits.Mul64(a.hi, b.hi)
	w[2], c = bits.Add64(w[2], l, 0)
	w[3], _ = bits.Add64(w[3], h, c)
	return w
}

// div64 returns quotient and remainder; d must not be zero.
func (a u128) div64(d uint64) (q u128, r uint64) {
	if a.hi == 0 {
		return u128{0, a.lo / d}, a.lo % d
	}
	q.hi, r = a.hi/d, a.hi%d
	q.lo, r = bits.Div64(r, a.lo, d)
	return q, r
}

// div returns quotient and remainder; d must not be zero.
func (a u128) div(d u128) (q, r u128) {
	if d.hi == 0 {
		q, rem := a.div64(d.lo)
		return q, u128{0, rem}
	}
	if a.cmp(d) < 0 {
		return u128{}, a
	}
	// The quotient fits one word: estimate it from the leading words, as in
	// Hacker's Delight, divlu, then correct by at most one.
	n := uint(bits.LeadingZeros64(d.hi))
	dn := d.shl(n).hi
	a1 := a.shr(1)
	est, _ := bits.Div64(a1.hi, a1.lo, dn)
	est >>= 63 - n
	if est != 0 {
		est--
	}
	p, _ := d.mul64(est)
	r = a.sub(p)
	if r.cmp(d) >= 0 {
		est++
		r = r.sub(d)
	}
	return u128{0, est}, r
}

func (a u128) shl(n uint) u128 {
	if n >= 64 {
		return u128{a.lo << (n - 64), 0}
	}
	return u128{a.hi<<n | a.lo>>(64-n), a.lo << n}
}

func (a u128) shr(n uint) u128 {
	if n >= 64 {
		return u128{0, a.hi >> (n - 64)}
	}
	return u128{a.hi >> n, a.lo>>n | a.hi<<(64-n)}
}

// fits says whether the magnitude fits a signed 128-bit integer both ways.
func (a u128) fits() bool { return a.hi>>63 == 0 }

// digits returns the number of decimal digits, 0 for zero.
func (a u128) digits() int {
	if a.isZero() {
		return 0
	}
	n := bits.Len64(a.lo)
	if a.hi != 0 {
		n = 64 + bits.Len64(a.hi)
	}
	// log10(2) is about 1233/4096; the estimate is at most one too small.
	d := n * 1233 >> 12
	if d > maxPow10 || a.cmp(pow10[d]) >= 0 {
		d++
	}
	return d
}

// divWide64 divides a 256-bit number in place by one word.
func divWide64(w *[4]uint64, d uint64) (r uint64) {
	for i := 3; i >= 0; i-- {
		w[i], r = bits.Div64(r, w[i], d)
	}
	return r
}
