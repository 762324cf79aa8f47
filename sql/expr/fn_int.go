package expr

import (
	"math"
	"math/bits"
	"strconv"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// width is the range of one of the integer types.
type width struct {
	lo, hi int64
	name   string // format_type's
}

func int2Width() width { return width{math.MinInt16, math.MaxInt16, "smallint"} }
func int4Width() width { return width{math.MinInt32, math.MaxInt32, "integer"} }
func int8Width() width { return width{math.MinInt64, math.MaxInt64, "bigint"} }

func (w width) full() bool { return w.lo == math.MinInt64 }

func (w width) outOfRange() error {
	return sqlerr.New(sqlerr.NumericValueOutOfRange, "%s out of range", w.name)
}

func errDivisionByZero() error { return sqlerr.New(sqlerr.DivisionByZero, "division by zero") }

// intOp is an integer operation: slice kernels that say whether any row may
// have failed, and the exact function of a row, which finds the rows.
type intOp struct {
	columns func(w width, out, a, b []int64) (bad bool)
	right   func(w width, out, a []int64, k int64) (bad bool) // a op k
	left    func(w width, out []int64, k int64, b []int64) (bad bool)
	one     func(w width, a, b int64) (v int64, ok bool)
	err     func(w width) error // why one is not ok
}

func (o intOp) maker(w width) maker {
	return func(s *site) (kernel, error) {
		right, rightConst := s.constant(1)
		left, leftConst := s.constant(0)
		return func(c *call) {
			a, b := &c.args[0], &c.args[1]
			if c.mostRows() {
				bad := true
				switch {
				case a.mask != 0 && b.mask != 0 && o.columns != nil:
					bad = o.columns(w, c.out.Int, a.Int[:c.n], b.Int[:c.n])
				case rightConst && a.mask != 0 && o.right != nil:
					bad = o.right(w, c.out.Int, a.Int[:c.n], right.Int)
				case leftConst && b.mask != 0 && o.left != nil:
					bad = o.left(w, c.out.Int, left.Int, b.Int[:c.n])
				}
				if !bad {
					return
				}
			}
			o.each(w, c)
		}, nil
	}
}

// each computes row by row and reports failures.
func (o intOp) each(w width, c *call) {
	a, b, out, null := &c.args[0], &c.args[1], c.out.Int, c.out.Null
	for _, r := range c.rows() {
		row := int(r)
		v, ok := o.one(w, a.Int[row&a.mask], b.Int[row&b.mask])
		if !ok {
			if null.Get(row) {
				continue
			}
			c.fail(row, o.err(w))
		}
		out[row] = v
	}
}

func addOp() intOp {
	return intOp{columns: addColumns, right: addConstant,
		left: func(w width, out []int64, k int64, b []int64) bool { return addConstant(w, out, b, k) },
		one:  addOne, err: width.outOfRange}
}

func addOne(w width, a, b int64) (int64, bool) {
	s := a + b
	if w.full() {
		return s, (a^s)&(b^s) >= 0
	}
	return s, s >= w.lo && s <= w.hi
}

func addColumns(w width, out, a, b []int64) bool {
	b, out = b[:len(a)], out[:len(a)]
	var bad int64
	if w.full() {
		for i, x := range a {
			y := b[i]
			s := x + y
			out[i] = s
			bad |= (x ^ s) & (y ^ s)
		}
		return bad < 0
	}
	for i, x := range a {
		s := x + b[i]
		out[i] = s
		bad |= (s - w.lo) | (w.hi - s)
	}
	return bad < 0
}

func addConstant(w width, out, a []int64, k int64) bool {
	out = out[:len(a)]
	var bad int64
	if w.full() {
		for i, x := range a {
			s := x + k
			out[i] = s
			bad |= (x ^ s) & (k ^ s)
		}
		return bad < 0
	}
	for i, x := range a {
		s := x + k
		out[i] = s
		bad |= (s - w.lo) | (w.hi - s)
	}
	return bad < 0
}

func subOp() intOp {
	return intOp{columns: subColumns, right: subConstant, left: subFromConstant, one: subOne, err: width.outOfRange}
}

func subOne(w width, a, b int64) (int64, bool) {
	s := a - b
	if w.full() {
		return s, (a^b)&(a^s) >= 0
	}
	return s, s >= w.lo && s <= w.hi
}

func subColumns(w width, out, a, b []int64) bool {
	b, out = b[:len(a)], out[:len(a)]
	var bad int64
	if w.full() {
		for i, x := range a {
			y := b[i]
			s := x - y
			out[i] = s
			bad |= (x ^ y) & (x ^ s)
		}
		return bad < 0
	}
	for i, x := range a {
		s := x - b[i]
		out[i] = s
		bad |= (s - w.lo) | (w.hi - s)
	}
	return bad < 0
}

func subConstant(w width, out, a []int64, k int64) bool {
	if k != math.MinInt64 {
		return addConstant(w, out, a, -k)
	}
	return true
}

func subFromConstant(w width, out []int64, k int64, b []int64) bool {
	out = out[:len(b)]
	var bad int64
	for i, y := range b {
		s := k - y
		out[i] = s
		if w.full() {
			bad |= (k ^ y) & (k ^ s)
		} else {
			bad |= (s - w.lo) | (w.hi - s)
		}
	}
	return bad < 0
}

func mulOp() intOp {
	return intOp{columns: mulColumns, right: mulConstant,
		left: func(w width, out []int64, k int64, b []int64) bool { return mulConstant(w, out, b, k) },
		one:  mulOne, err: width.outOfRange}
}

func mulOne(w width, a, b int64) (int64, bool) {
	p := a * b
	if !w.full() {
		return p, p >= w.lo && p <= w.hi
	}
	return p, mulFits(a, b)
}

// mulFits says whether a*b is exact in 64 bits.
func mulFits(a, b int64) bool {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	// The signed high word follows from the unsigned one.
	shi := int64(hi) - (a>>63)&b - (b>>63)&a
	return shi == int64(lo)>>63
}

func mulColumns(w width, out, a, b []int64) bool {
	b, out = b[:len(a)], out[:len(a)]
	var bad int64
	if w.full() {
		for i, x := range a {
			y := b[i]
			out[i] = x * y
			if !mulFits(x, y) {
				bad = -1
			}
		}
		return bad < 0
	}
	for i, x := range a {
		p := x * b[i]
		out[i] = p
		bad |= (p - w.lo) | (w.hi - p)
	}
	return bad < 0
}

func mulConstant(w width, out, a []int64, k int64) bool {
	out = out[:len(a)]
	var bad int64
	if w.full() {
		for i, x := range a {
			out[i] = x * k
			if !mulFits(x, k) {
				bad = -1
			}
		}
		return bad < 0
	}
	for i, x := range a {
		p := x * k
		out[i] = p
		bad |= (p - w.lo) | (w.hi - p)
	}
	return bad < 0
}

func divOne(w width, a, b int64) (int64, bool) {
	if b == 0 || b == -1 && a == w.lo {
		return 0, false
	}
	return a / b, true
}

func divConstant(_ width, out, a []int64, k int64) bool {
	if k == 0 || k == -1 {
		return true
	}
	out = out[:len(a)]
	for i, x := range a {
		out[i] = quotient(x, k)
	}
	return false
}

// quotient divides in 32 bits where that is enough: it is several times faster
// on many processors.
func quotient(x, k int64) int64 {
	if uint64(x|k)>>32 == 0 {
		return int64(uint32(x) / uint32(k))
	}
	return x / k
}

func remainder(x, k int64) int64 {
	if uint64(x|k)>>32 == 0 {
		return int64(uint32(x) % uint32(k))
	}
	return x % k
}

func modOp() intOp {
	return intOp{right: modConstant, one: modOne, err: func(width) error { return errDivisionByZero() }}
}

func modOne(_ width, a, b int64) (int64, bool) {
	switch b {
	case 0:
		return 0, false
	case -1:
		return 0, true // MinInt64 % -1 is 0
	}
	return remainder(a, b), true
}

func modConstant(_ width, out, a []int64, k int64) bool {
	if k == 0 || k == -1 {
		return true
	}
	out = out[:len(a)]
	for i, x := range a {
		out[i] = remainder(x, k)
	}
	return false
}

// divMaker is division: the two ways to fail differ in their errors.
func divMaker(w width) maker {
	exact := fn2e(func(a, b int64) (int64, error) {
		if b == 0 {
			return 0, errDivisionByZero()
		}
		v, ok := divOne(w, a, b)
		if !ok {
			return 0, w.outOfRange()
		}
		return v, nil
	})
	return func(s *site) (kernel, error) {
		k, ok := s.constant(1)
		slow, err := exact(s)
		if !ok || k.Int == 0 || k.Int == -1 {
			return slow, err
		}
		return func(c *call) {
			if a := &c.args[0]; a.mask != 0 && c.mostRows() && !divConstant(w, c.out.Int, a.Int[:c.n], k.Int) {
				return
			}
			slow(c)
		}, nil
	}
}

// bitwise lifts an operation that cannot fail.
func bitwise(f func(a, b int64) int64) maker { return fn2(f) }

func (t *tables) addInt() {
	int2, int4, int8 := int2Width(), int4Width(), int8Width()
	sizes := []struct {
		typ, digit string
		w          width
	}{{"int2", "2", int2}, {"int4", "4", int4}, {"int8", "8", int8}}
	for i, l := range sizes {
		for j, r := range sizes {
			pre := "int" + l.digit
			if i != j {
				pre += r.digit
			}
			res := sizes[max(i, j)]
			args := "(" + l.typ + "," + r.typ + ") "
			t.compare(pre+"*", l.typ, r.typ, intCompare().maker)
			t.op("+", t.fn(pre+"pl"+args+res.typ, addOp().maker(res.w)))
			t.op("-", t.fn(pre+"mi"+args+res.typ, subOp().maker(res.w)))
			t.op("*", t.fn(pre+"mul"+args+res.typ, mulOp().maker(res.w)))
			t.op("/", t.fn(pre+"div"+args+res.typ, divMaker(res.w)))
		}
	}
	for _, s := range sizes {
		pre, two, one := "int"+s.digit, "("+s.typ+","+s.typ+") "+s.typ, "("+s.typ+") "+s.typ
		t.alias("mod", t.op("%", t.fn(pre+"mod"+two, modOp().maker(s.w))))
		t.op("&", t.fn(pre+"and"+two, bitwise(func(a, b int64) int64 { return a & b })))
		t.op("|", t.fn(pre+"or"+two, bitwise(func(a, b int64) int64 { return a | b })))
		t.op("#", t.fn(pre+"xor"+two, bitwise(func(a, b int64) int64 { return a ^ b })))
		t.op("<<", t.fn(pre+"shl("+s.typ+",int4) "+s.typ, bitwise(shiftLeft(s.w))))
		t.op(">>", t.fn(pre+"shr("+s.typ+",int4) "+s.typ, bitwise(shiftRight(s.w))))
		t.op("~", t.fn(pre+"not"+one, fn1(func(a int64) int64 { return ^a })))
		t.op("+", t.fn(pre+"up"+one, fn1(func(a int64) int64 { return a })))
		t.op("-", t.fn(pre+"um"+one, fn1e(negate(s.w))))
		t.alias("abs", t.op("@", t.fn(pre+"abs"+one, fn1e(absolute(s.w)))))
	}
	t.compare("oid*", "oid", "oid", intCompare().maker)
	t.fn("gcd(int4,int4) int4", fn2e(gcd(int4)))
	t.fn("gcd(int8,int8) int8", fn2e(gcd(int8)))
	t.fn("lcm(int4,int4) int4", fn2e(lcm(int4)))
	t.fn("lcm(int8,int8) int8", fn2e(lcm(int8)))
	t.fn("to_hex(int4) text", app1(func(dst []byte, a int64) []byte { return strconv.AppendUint(dst, uint64(uint32(a)), 16) }))
	t.fn("to_hex(int8) text", app1(func(dst []byte, a int64) []byte { return strconv.AppendUint(dst, uint64(a), 16) }))
	t.fn("factorial(int8) numeric", fn1e(factorial))
}

func negate(w width) func(int64) (int64, error) {
	return func(a int64) (int64, error) {
		if a == w.lo {
			return 0, w.outOfRange()
		}
		return -a, nil
	}
}

func absolute(w width) func(int64) (int64, error) {
	return func(a int64) (int64, error) {
		if a == w.lo {
			return 0, w.outOfRange()
		}
		return max(a, -a), nil
	}
}

// shiftLeft shifts as C does on PostgreSQL's machines: by the count modulo the
// width of the register, which is 32 bits for smallint.
func shiftLeft(w width) func(a, n int64) int64 {
	switch {
	case w.full():
		return func(a, n int64) int64 { return a << (uint(n) & 63) }
	case w.hi == math.MaxInt16:
		return func(a, n int64) int64 { return int64(int16(int32(a) << (uint(n) & 31))) }
	}
	return func(a, n int64) int64 { return int64(int32(a) << (uint(n) & 31)) }
}

func shiftRight(w width) func(a, n int64) int64 {
	if w.full() {
		return func(a, n int64) int64 { return a >> (uint(n) & 63) }
	}
	return func(a, n int64) int64 { return a >> (uint(n) & 31) }
}

func gcd(w width) func(a, b int64) (int64, error) {
	return func(a, b int64) (int64, error) {
		for b != 0 {
			if b == -1 {
				a = 1
				break
			}
			a, b = b, a%b
		}
		if a == w.lo {
			return 0, w.outOfRange()
		}
		return max(a, -a), nil
	}
}

func lcm(w width) func(a, b int64) (int64, error) {
	return func(a, b int64) (int64, error) {
		if a == 0 || b == 0 {
			return 0, nil
		}
		g, err := gcd(w)(a, b)
		if err != nil {
			return 0, err
		}
		v, ok := mulOne(w, a/g, b)
		if !ok || v == w.lo {
			return 0, w.outOfRange()
		}
		return max(v, -v), nil
	}
}

func factorial(n int64) (types.Decimal, error) {
	if n < 0 {
		return types.Decimal{}, sqlerr.New(sqlerr.NumericValueOutOfRange, "factorial of a negative number is undefined")
	}
	if n > 32177 {
		return types.Decimal{}, sqlerr.New(sqlerr.NumericValueOutOfRange, "value overflows numeric format")
	}
	p := types.DecimalFromInt64(1)
	for i := int64(2); i <= n; i++ {
		var err error
		if p, err = p.Mul(types.DecimalFromInt64(i)); err != nil {
			return p, err
		}
	}
	return p, nil
}
