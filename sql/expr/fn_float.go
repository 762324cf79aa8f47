package expr

import (
	"math"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

func errFloatOverflow() error {
	return sqlerr.New(sqlerr.NumericValueOutOfRange, "value out of range: overflow")
}

func errFloatUnderflow() error {
	return sqlerr.New(sqlerr.NumericValueOutOfRange, "value out of range: underflow")
}

// floatBits is the identity of a float, NaNs apart by their bits.
func floatBits(f float64) uint64 { return math.Float64bits(f) }

// floatOp is an operation on floats: the plain operation over slices, which
// says whether any result needs a look, and the exact one with PostgreSQL's
// rules of overflow and underflow.
type floatOp struct {
	columns func(out, a, b []float64) (look bool)
	right   func(out, a []float64, k float64) (look bool)
	left    func(out []float64, k float64, b []float64) (look bool)
	one     func(a, b float64) (float64, error)
}

func (o floatOp) maker() maker {
	return func(s *site) (kernel, error) {
		slow, err := fn2e(o.one)(s)
		if err != nil {
			return nil, err
		}
		right, rightConst := s.constant(1)
		left, leftConst := s.constant(0)
		return func(c *call) {
			a, b := &c.args[0], &c.args[1]
			if c.mostRows() {
				look := true
				switch {
				case a.mask != 0 && b.mask != 0:
					look = o.columns(c.out.Flt, a.Flt[:c.n], b.Flt[:c.n])
				case rightConst && a.mask != 0:
					look = o.right(c.out.Flt, a.Flt[:c.n], right.Float)
				case leftConst && b.mask != 0:
					look = o.left(c.out.Flt, left.Float, b.Flt[:c.n])
				}
				if !look {
					return
				}
			}
			slow(c)
		}, nil
	}
}

// suspect says that a result is infinite or NaN: r-r is 0 for all others.
func suspect(r float64) bool { return r-r != 0 }

func floatAdd() floatOp {
	return floatOp{
		columns: func(out, a, b []float64) (look bool) {
			for i, x := range a {
				r := x + b[i]
				out[i] = r
				look = look || suspect(r)
			}
			return look
		},
		right: addFloatConstant,
		left:  func(out []float64, k float64, b []float64) bool { return addFloatConstant(out, b, k) },
		one:   addFloats,
	}
}

func addFloatConstant(out, a []float64, k float64) (look bool) {
	for i, x := range a {
		r := x + k
		out[i] = r
		look = look || suspect(r)
	}
	return look
}

func floatSub() floatOp {
	return floatOp{
		columns: func(out, a, b []float64) (look bool) {
			for i, x := range a {
				r := x - b[i]
				out[i] = r
				look = look || suspect(r)
			}
			return look
		},
		right: func(out, a []float64, k float64) bool { return addFloatConstant(out, a, -k) },
		left: func(out []float64, k float64, b []float64) (look bool) {
			for i, y := range b {
				r := k - y
				out[i] = r
				look = look || suspect(r)
			}
			return look
		},
		one: func(a, b float64) (float64, error) { return addFloats(a, -b) },
	}
}

func floatMul() floatOp {
	return floatOp{
		columns: func(out, a, b []float64) (look bool) {
			for i, x := range a {
				y := b[i]
				r := x * y
				out[i] = r
				look = look || suspect(r) || r == 0 && x != 0 && y != 0
			}
			return look
		},
		right: mulFloatConstant,
		left:  func(out []float64, k float64, b []float64) bool { return mulFloatConstant(out, b, k) },
		one:   mulFloats,
	}
}

func mulFloatConstant(out, a []float64, k float64) (look bool) {
	for i, x := range a {
		r := x * k
		out[i] = r
		look = look || suspect(r) || r == 0 && x != 0 && k != 0
	}
	return look
}

func isInf(f float64) bool { return math.IsInf(f, 0) }

func addFloats(a, b float64) (float64, error) {
	r := a + b
	if isInf(r) && !isInf(a) && !isInf(b) {
		return 0, errFloatOverflow()
	}
	return r, nil
}

func mulFloats(a, b float64) (float64, error) {
	r := a * b
	if isInf(r) && !isInf(a) && !isInf(b) {
		return 0, errFloatOverflow()
	}
	if r == 0 && a != 0 && b != 0 {
		return 0, errFloatUnderflow()
	}
	return r, nil
}

func divFloats(a, b float64) (float64, error) {
	if b == 0 && a == a {
		return 0, errDivisionByZero()
	}
	r := a / b
	if isInf(r) && !isInf(a) {
		return 0, errFloatOverflow()
	}
	if r == 0 && a != 0 && !isInf(b) {
		return 0, errFloatUnderflow()
	}
	return r, nil
}

// single rounds an operation's result to float4 with the same checks. Double
// rounding does no harm: 53 bits are more than twice 24 plus two.
func single(op func(a, b float64) (float64, error)) func(a, b float64) (float64, error) {
	return func(a, b float64) (float64, error) {
		r, err := op(a, b)
		if err != nil {
			return 0, err
		}
		return toFloat4(r)
	}
}

// toFloat4 rounds to single precision.
func toFloat4(f float64) (float64, error) {
	r := float64(float32(f))
	if isInf(r) && !isInf(f) {
		return 0, errFloatOverflow()
	}
	if r == 0 && f != 0 {
		return 0, errFloatUnderflow()
	}
	return r, nil
}

func (t *tables) addFloat() {
	wide := []struct{ digits, left, right string }{
		{"8", "float8", "float8"}, {"48", "float4", "float8"}, {"84", "float8", "float4"},
	}
	for _, p := range wide {
		pre, args := "float"+p.digits, "("+p.left+","+p.right+") float8"
		t.compare(pre+"*", p.left, p.right, floatCompare().maker)
		t.op("+", t.fn(pre+"pl"+args, floatAdd().maker()))
		t.op("-", t.fn(pre+"mi"+args, floatSub().maker()))
		t.op("*", t.fn(pre+"mul"+args, floatMul().maker()))
		t.op("/", t.fn(pre+"div"+args, fn2e(divFloats)))
	}
	t.compare("float4*", "float4", "float4", floatCompare().maker)
	t.op("+", t.fn("float4pl(float4,float4) float4", fn2e(single(addFloats))))
	t.op("-", t.fn("float4mi(float4,float4) float4", fn2e(single(func(a, b float64) (float64, error) { return addFloats(a, -b) }))))
	t.op("*", t.fn("float4mul(float4,float4) float4", fn2e(single(mulFloats))))
	t.op("/", t.fn("float4div(float4,float4) float4", fn2e(single(divFloats))))
	for _, s := range []string{"4", "8"} {
		pre, one := "float"+s, "(float"+s+") float"+s
		t.op("+", t.fn(pre+"up"+one, fn1(func(a float64) float64 { return a })))
		t.op("-", t.fn(pre+"um"+one, fn1(func(a float64) float64 { return -a })))
		t.alias("abs", t.op("@", t.fn(pre+"abs"+one, fn1(math.Abs))))
	}
	t.addFloatFunctions()
}

func (t *tables) addFloatFunctions() {
	plain := func(names []string, f func(float64) float64) {
		first := t.fn(names[0]+"(float8) float8", fn1(f))
		for _, n := range names[1:] {
			t.alias(n, first)
		}
	}
	checked := func(f func(float64) (float64, error), names ...string) *Function {
		first := t.fn(names[0]+"(float8) float8", fn1e(f))
		for _, n := range names[1:] {
			t.alias(n, first)
		}
		return first
	}
	plain([]string{"ceil", "ceiling"}, math.Ceil)
	plain([]string{"floor"}, math.Floor)
	plain([]string{"round"}, math.RoundToEven)
	plain([]string{"trunc"}, math.Trunc)
	plain([]string{"sign"}, floatSign)
	plain([]string{"atan"}, math.Atan)
	plain([]string{"radians"}, func(a float64) float64 { return a * (math.Pi / 180) })
	plain([]string{"sinh"}, math.Sinh)
	plain([]string{"cosh"}, math.Cosh)
	plain([]string{"tanh"}, math.Tanh)
	plain([]string{"asinh"}, math.Asinh)
	checked(func(a float64) (float64, error) { return divFloats(a, math.Pi/180) }, "degrees")
	t.op("|/", checked(floatSqrt, "sqrt", "dsqrt"))
	t.op("||/", checked(func(a float64) (float64, error) { return math.Cbrt(a), nil }, "cbrt", "dcbrt"))
	checked(floatExp, "exp", "dexp")
	checked(floatLog(math.Log), "ln", "dlog1")
	checked(floatLog(math.Log10), "log", "log10", "dlog10")
	checked(finite(math.Sin), "sin")
	checked(finite(math.Cos), "cos")
	checked(finite(math.Tan), "tan")
	checked(unit(math.Asin), "asin")
	checked(unit(math.Acos), "acos")
	t.fn("atan2(float8,float8) float8", fn2(math.Atan2))
	power := t.op("^", t.fn("power(float8,float8) float8", fn2e(floatPower)))
	t.alias("pow", power)
	t.alias("dpow", power)
	t.fn("pi() float8", fn0e(func() (float64, error) { return math.Pi, nil }))
	t.fn("width_bucket(float8,float8,float8,int4) int4", fixed(func(c *call) func(int) (int64, error) {
		v, lo, hi, n := bound[float64](c, 0), bound[float64](c, 1), bound[float64](c, 2), bound[int64](c, 3)
		return func(r int) (int64, error) { return widthBucket(v.at(r), lo.at(r), hi.at(r), n.at(r)) }
	}))
}

func floatSign(a float64) float64 {
	switch {
	case a > 0:
		return 1
	case a < 0:
		return -1
	}
	return 0 // of NaN, too, as in PostgreSQL
}

func errSquareRoot() error {
	return sqlerr.New(sqlerr.InvalidArgumentForPowerFunction, "cannot take square root of a negative number")
}

func floatSqrt(a float64) (float64, error) {
	if a < 0 {
		return 0, errSquareRoot()
	}
	return math.Sqrt(a), nil
}

func floatExp(a float64) (float64, error) {
	r := math.Exp(a)
	if isInf(r) && !isInf(a) {
		return 0, errFloatOverflow()
	}
	if r == 0 && !isInf(a) {
		return 0, errFloatUnderflow()
	}
	return r, nil
}

func errLogarithm(zero bool) error {
	if zero {
		return sqlerr.New(sqlerr.InvalidArgumentForLogarithm, "cannot take logarithm of zero")
	}
	return sqlerr.New(sqlerr.InvalidArgumentForLogarithm, "cannot take logarithm of a negative number")
}

func floatLog(log func(float64) float64) func(float64) (float64, error) {
	return func(a float64) (float64, error) {
		if a <= 0 {
			return 0, errLogarithm(a == 0)
		}
		if a < smallestNormal { // math.Log is wrong there on some machines
			return log(a*(1<<54)) - log(1<<54), nil
		}
		return log(a), nil
	}
}

const smallestNormal = 0x1p-1022

func errInputRange() error {
	return sqlerr.New(sqlerr.NumericValueOutOfRange, "input is out of range")
}

func finite(f func(float64) float64) func(float64) (float64, error) {
	return func(a float64) (float64, error) {
		if isInf(a) {
			return 0, errInputRange()
		}
		return f(a), nil
	}
}

// unit is for functions defined between -1 and 1.
func unit(f func(float64) float64) func(float64) (float64, error) {
	return func(a float64) (float64, error) {
		if a < -1 || a > 1 {
			return 0, errInputRange()
		}
		return f(a), nil
	}
}

func floatPower(a, b float64) (float64, error) {
	switch {
	case a == 0 && b < 0:
		return 0, sqlerr.New(sqlerr.InvalidArgumentForPowerFunction, "zero raised to a negative power is undefined")
	case a < 0 && b == b && math.Floor(b) != b:
		return 0, errComplexPower()
	}
	r := math.Pow(a, b)
	if isInf(a) || isInf(b) || a != a || b != b {
		return r, nil
	}
	if isInf(r) {
		return 0, errFloatOverflow()
	}
	if r == 0 && a != 0 {
		return 0, errFloatUnderflow()
	}
	return r, nil
}

func errComplexPower() error {
	return sqlerr.New(sqlerr.InvalidArgumentForPowerFunction, "a negative number raised to a non-integer power yields a complex result")
}

const invalidWidthBucket = "2201G" // invalid_argument_for_width_bucket_function

func widthBucket(v, lo, hi float64, n int64) (int64, error) {
	switch {
	case n <= 0:
		return 0, sqlerr.New(invalidWidthBucket, "count must be greater than zero")
	case v != v || lo != lo || hi != hi:
		return 0, sqlerr.New(invalidWidthBucket, "operand, lower bound, and upper bound cannot be NaN")
	case isInf(lo) || isInf(hi):
		return 0, sqlerr.New(invalidWidthBucket, "lower and upper bounds must be finite")
	case lo == hi:
		return 0, sqlerr.New(invalidWidthBucket, "lower bound cannot equal upper bound")
	}
	if lo > hi {
		v, lo, hi = -v, -lo, -hi
	}
	switch {
	case v < lo:
		return 0, nil
	case v >= hi:
		if n == math.MaxInt32 {
			return 0, int4Width().outOfRange()
		}
		return n + 1, nil
	}
	// Halves avoid overflow of the difference.
	return int64((v/2-lo/2)/(hi/2-lo/2)*float64(n)) + 1, nil
}
