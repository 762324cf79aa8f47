package expr

import (
	"math/bits"

	"github.com/streamdb/streamdb/sql/types"
)

// decimalMaker makes the kernel of an operation on numerics: fast computes the
// common case of coefficients of 64 bits and says whether it did; exact does
// the rest. Operands are read in place, because a numeric is five words.
func decimalMaker(fast func(out, a, b *decimal) bool, exact func(a, b decimal) (decimal, error)) maker {
	return func(*site) (kernel, error) {
		return func(c *call) {
			a, b, out, null := &c.args[0], &c.args[1], c.out.Dec, c.out.Null
			for _, r := range c.rows() {
				row := int(r)
				if null.Get(row) {
					continue
				}
				x, y := &a.Dec[row&a.mask], &b.Dec[row&b.mask]
				if fast(&out[row], x, y) {
					continue
				}
				v, err := exact(*x, *y)
				if err != nil {
					c.fail(row, err)
				}
				out[row] = v
			}
		}, nil
	}
}

// narrow returns the coefficient of a number that fits 64 bits.
func narrow(d *decimal) (int64, bool) {
	hi, lo, ok := d.Int128()
	return int64(lo), ok && hi == int64(lo)>>63
}

// mulNarrow is exact: the product of two 64-bit coefficients fits 127 bits but
// for the product of both least ones, which NewDecimal holds.
func mulNarrow(out, a, b *decimal) bool {
	x, ok := narrow(a)
	y, ok2 := narrow(b)
	scale := a.Scale() + b.Scale()
	if !ok || !ok2 || scale > maxNarrowScale {
		return false
	}
	hi, lo := bits.Mul64(uint64(x), uint64(y))
	*out = types.NewDecimal(int64(hi)-(x>>63)&y-(y>>63)&x, lo, scale)
	return true
}

// maxNarrowScale is far below the scales that are rounded.
const maxNarrowScale = 1000

func addNarrow(out, a, b *decimal) bool {
	x, ok := narrow(a)
	y, ok2 := narrow(b)
	if !ok || !ok2 || a.Scale() != b.Scale() {
		return false
	}
	lo, carry := bits.Add64(uint64(x), uint64(y), 0)
	hi, _ := bits.Add64(uint64(x>>63), uint64(y>>63), carry)
	*out = types.NewDecimal(int64(hi), lo, a.Scale())
	return true
}

func subNarrow(out, a, b *decimal) bool {
	x, ok := narrow(a)
	y, ok2 := narrow(b)
	if !ok || !ok2 || a.Scale() != b.Scale() {
		return false
	}
	lo, borrow := bits.Sub64(uint64(x), uint64(y), 0)
	hi, _ := bits.Sub64(uint64(x>>63), uint64(y>>63), borrow)
	*out = types.NewDecimal(int64(hi), lo, a.Scale())
	return true
}
