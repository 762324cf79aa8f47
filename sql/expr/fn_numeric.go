package expr

import (
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

type decimal = types.Decimal

func (t *tables) addNumeric() {
	t.compare("numeric_*", "numeric", "numeric", threeWay(decimal.Cmp))
	two, one := "(numeric,numeric) numeric", "(numeric) numeric"
	t.op("+", t.fn("numeric_add"+two, decimalMaker(addNarrow, decimal.Add)))
	t.op("-", t.fn("numeric_sub"+two, decimalMaker(subNarrow, decimal.Sub)))
	t.op("*", t.fn("numeric_mul"+two, decimalMaker(mulNarrow, decimal.Mul)))
	t.op("/", t.fn("numeric_div"+two, fn2e(decimal.Div)))
	t.alias("mod", t.op("%", t.fn("numeric_mod"+two, fn2e(decimal.Mod))))
	t.fn("div"+two, fn2e(decimal.DivTrunc))
	t.op("+", t.fn("numeric_uplus"+one, fn1(func(a decimal) decimal { return a })))
	t.op("-", t.fn("numeric_uminus"+one, fn1(decimal.Neg)))
	t.alias("abs", t.op("@", t.fn("numeric_abs"+one, fn1(decimal.Abs))))
	t.alias("ceiling", t.fn("ceil"+one, fn1(decimal.Ceil)))
	t.fn("floor"+one, fn1(decimal.Floor))
	t.fn("sign"+one, fn1(decimalSign))
	t.fn("round"+one, fn1(func(a decimal) decimal { return a.Round(0) }))
	t.fn("trunc"+one, fn1(func(a decimal) decimal { return a.Trunc(0) }))
	t.fn("round(numeric,int4) numeric", fn2(func(a decimal, n int64) decimal { return a.Round(roundScale(n)) }))
	t.fn("trunc(numeric,int4) numeric", fn2(func(a decimal, n int64) decimal { return a.Trunc(roundScale(n)) }))
	t.fn("scale(numeric) int4", fn1e(decimalScale), nullable)
	t.fn("min_scale(numeric) int4", fn1e(func(a decimal) (int64, error) { return decimalScale(a.Normalize()) }), nullable)
	t.fn("trim_scale"+one, fn1(decimal.Normalize))
	t.fn("sqrt"+one, fn1e(decimalSqrt))
	t.fn("exp"+one, fn1e(decimalExp))
	t.fn("ln"+one, fn1e(decimalLn))
	t.alias("log10", t.fn("log"+one, fn1e(func(a decimal) (decimal, error) { return decimalLog(types.DecimalFromInt64(10), a) })))
	t.fn("log"+two, fn2e(decimalLog))
	power := t.op("^", t.fn("power"+two, fn2e(decimalPower)))
	t.alias("pow", power)
	t.alias("numeric_power", power)
	t.fn("gcd"+two, fn2e(decimalGCD))
	t.fn("width_bucket(numeric,numeric,numeric,int4) int4", fixed(func(c *call) func(int) (int64, error) {
		v, lo, hi, n := bound[decimal](c, 0), bound[decimal](c, 1), bound[decimal](c, 2), bound[int64](c, 3)
		return func(r int) (int64, error) { return widthBucketNumeric(v.at(r), lo.at(r), hi.at(r), n.at(r)) }
	}))
}

// roundScale bounds the second argument of round and trunc as PostgreSQL does.
func roundScale(n int64) int32 { return int32(min(max(n, -2000), 2000)) }

func decimalSign(a decimal) decimal {
	if a.IsNaN() {
		return a
	}
	return types.DecimalFromInt64(int64(a.Sign()))
}

func decimalScale(a decimal) (int64, error) {
	if !a.IsFinite() {
		return 0, errNull
	}
	return int64(a.Scale()), nil
}

func decimalGCD(a, b decimal) (decimal, error) {
	if !a.IsFinite() || !b.IsFinite() {
		return types.DecimalNaN(), nil
	}
	scale := max(a.Scale(), b.Scale())
	for !b.IsZero() {
		m, err := a.Mod(b)
		if err != nil {
			return m, err
		}
		a, b = b, m
	}
	return a.Abs().Round(scale), nil
}

func widthBucketNumeric(v, lo, hi decimal, n int64) (int64, error) {
	switch {
	case n <= 0:
		return 0, sqlerr.New(invalidWidthBucket, "count must be greater than zero")
	case v.IsNaN() || lo.IsNaN() || hi.IsNaN():
		return 0, sqlerr.New(invalidWidthBucket, "operand, lower bound, and upper bound cannot be NaN")
	case lo.IsInf() || hi.IsInf():
		return 0, sqlerr.New(invalidWidthBucket, "lower and upper bounds must be finite")
	case lo.Cmp(hi) == 0:
		return 0, sqlerr.New(invalidWidthBucket, "lower bound cannot equal upper bound")
	}
	if lo.Cmp(hi) > 0 {
		v, lo, hi = v.Neg(), lo.Neg(), hi.Neg()
	}
	if v.Cmp(lo) < 0 {
		return 0, nil
	}
	if v.Cmp(hi) >= 0 {
		if n == int4Width().hi {
			return 0, int4Width().outOfRange()
		}
		return n + 1, nil
	}
	return bucketOf(v, lo, hi, n)
}

func bucketOf(v, lo, hi decimal, n int64) (int64, error) {
	above, err := v.Sub(lo)
	if err != nil {
		return 0, err
	}
	span, err := hi.Sub(lo)
	if err != nil {
		return 0, err
	}
	scaled, err := above.Mul(types.DecimalFromInt64(n))
	if err != nil {
		return 0, err
	}
	q, err := scaled.DivTrunc(span)
	if err != nil {
		return 0, err
	}
	i, _ := q.Int64()
	return i + 1, nil
}
