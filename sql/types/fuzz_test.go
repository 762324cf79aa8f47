package types

import (
	"bytes"
	"encoding/json"
	"math/big"
	"testing"
)

func FuzzDecimal(f *testing.F) {
	for _, s := range [][2]string{{"1", "3"}, {"-1.50", "1e-10"}, {"NaN", "inf"}, {"170141183460469231731687303715884105727", "1"}, {"1e40", "-7e-3"}, {".5", "5."}, {"1e5000", "2"}} {
		f.Add([]byte(s[0]), []byte(s[1]))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if len(a)+len(b) > 200 {
			return
		}
		x, err1 := ParseDecimal(a)
		y, err2 := ParseDecimal(b)
		if err1 != nil || err2 != nil {
			return
		}
		checkDecimalForms(t, x)
		checkDecimalForms(t, y)
		checkDecimalOrder(t, x, y)
		if x.IsFinite() && y.IsFinite() && x.digits()+y.digits() < 2000 {
			checkDecimalArithmetic(t, x, y)
		}
	})
}

// checkDecimalForms takes d through its text, image, binary form and hash.
func checkDecimalForms(t *testing.T, d Decimal) {
	t.Helper()
	back, err := ParseDecimal(d.AppendText(nil))
	if err != nil || !back.Identical(d) {
		t.Fatalf("text of %s reads as %s, %v", d, back, err)
	}
	image := d.AppendImage([]byte{7})
	back, rest, ok := DecodeImage(append(image[1:], 1, 2))
	if !ok || len(rest) != 2 || !back.Identical(d) {
		t.Fatalf("image of %s reads as %s, %v", d, back, ok)
	}
	back, err = parseBinaryNumeric(appendBinaryNumeric(nil, d))
	if err != nil || !back.Identical(d) {
		t.Fatalf("binary form of %s reads as %s, %v", d, back, err)
	}
	if n := d.Normalize(); n.Cmp(d) != 0 || n.Hash() != d.Hash() {
		t.Fatalf("%s normalised is %s", d, n)
	}
	if rest, ok := SkipSortKey(append(d.AppendSortKey(nil), 9)); !ok || len(rest) != 1 {
		t.Fatalf("sort key of %s is not prefix-free", d)
	}
}

func checkDecimalOrder(t *testing.T, x, y Decimal) {
	t.Helper()
	c := cmpInt(x.Cmp(y), 0)
	if k := bytes.Compare(x.AppendSortKey(nil), y.AppendSortKey(nil)); k != c {
		t.Fatalf("%s and %s compare as %d, their keys as %d", x, y, c, k)
	}
	if cmpInt(y.Cmp(x), 0) != -c {
		t.Fatalf("comparison of %s and %s is not antisymmetric", x, y)
	}
	if c == 0 && x.Hash() != y.Hash() {
		t.Fatalf("%s and %s are equal, their hashes are not", x, y)
	}
}

func rational(d Decimal) *big.Rat {
	return new(big.Rat).SetFrac(d.coef(), bigPow10(d.scale))
}

// checkDecimalArithmetic compares with math/big's fractions.
func checkDecimalArithmetic(t *testing.T, x, y Decimal) {
	t.Helper()
	a, b := rational(x), rational(y)
	check := func(op string, got Decimal, err error, want *big.Rat) {
		if err == nil && rational(got).Cmp(want) != 0 {
			t.Fatalf("%s %s %s = %s, want %s", x, op, y, got, want.FloatString(60))
		}
	}
	sum, err := x.Add(y)
	check("+", sum, err, new(big.Rat).Add(a, b))
	diff, err := x.Sub(y)
	check("-", diff, err, new(big.Rat).Sub(a, b))
	if int(x.scale)+int(y.scale) <= maxScale {
		product, err := x.Mul(y)
		check("*", product, err, new(big.Rat).Mul(a, b))
	}
	if y.IsZero() {
		return
	}
	quotient, err := x.Div(y)
	if err == nil {
		exact := new(big.Rat).Quo(a, b)
		off := new(big.Rat).Sub(rational(quotient), exact)
		half := new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Mul(big.NewInt(2), bigPow10(quotient.scale)))
		if off.Abs(off).Cmp(half) > 0 {
			t.Fatalf("%s / %s = %s is not rounded right", x, y, quotient)
		}
	}
	whole, err1 := x.DivTrunc(y)
	rest, err2 := x.Mod(y)
	if err1 == nil && err2 == nil {
		sum := new(big.Rat).Mul(rational(whole), b)
		if sum.Add(sum, rational(rest)).Cmp(a) != 0 {
			t.Fatalf("%s = %s * %s + %s does not hold", x, y, whole, rest)
		}
	}
}

func FuzzTimestamp(f *testing.F) {
	for _, s := range []string{"2026-11-24 10:00:00.123+02", "Nov 24 2026 10 PM", "infinity", "epoch", "J2451545", "1/2/3 BC", "20261124T101112", "24:00", "10:00 America/New_York", "2026-11-24 10:00:00 EST5EDT"} {
		f.Add([]byte(s), uint8(0))
	}
	f.Fuzz(func(t *testing.T, s []byte, style uint8) {
		// Output in German is only read back with DMY, and no style but ISO with YMD.
		env := Env{DateStyle: DateStyle{DateOutput(style % 4), DateOrder(style / 4 % 2)}}
		if env.DateStyle.Output == DateGerman {
			env.DateStyle.Order = OrderDMY
		}
		for _, typ := range []Type{Timestamp, Timestamptz, Date, Time, TimeTZ} {
			d, err := ParseText(typ, s, &env)
			if err != nil {
				continue
			}
			text := AppendText(nil, typ, d, &env)
			back, err := ParseText(typ, text, &env)
			if err != nil || !Identical(typ, d, back) {
				t.Fatalf("%s %q prints %q, which reads as %v, %v", typ, s, text, back, err)
			}
		}
		if fast, ok := ParseTimestampFast(s); ok {
			slow, err := parseTimestampSlow(s, nil, false)
			if err != nil || fast != slow {
				t.Fatalf("%q: fast %d, slow %d, %v", s, fast, slow, err)
			}
		}
		if fast, ok := ParseTimestamptzFast(s); ok {
			slow, err := parseTimestampSlow(s, nil, true)
			if err == nil && fast != slow {
				t.Fatalf("%q: fast %d, slow %d", s, fast, slow)
			}
		}
	})
}

func FuzzInterval(f *testing.F) {
	for _, s := range []string{"1 year 2 mons 3 days 04:05:06.789", "P1Y2M3DT4H5M6.5S", "1-2 3 4:05:06", "-1.5 weeks ago", "PT", "P0001-02-03T04:05:06", "1 day -1 hour", "3 decades"} {
		f.Add([]byte(s), uint8(0))
	}
	f.Fuzz(func(t *testing.T, s []byte, style uint8) {
		env := Env{IntervalStyle: IntervalStyle(style % 4)}
		v, err := ParseInterval(s, -1, &env)
		if err != nil {
			return
		}
		text := AppendInterval(nil, v, &env)
		back, err := ParseInterval(text, -1, &env)
		if err != nil && v.hasLimit() {
			return // the least value of a part has no positive twin
		}
		if err != nil || back != v {
			t.Fatalf("%q is %+v, prints %q, which reads as %+v, %v", s, v, text, back, err)
		}
		_, _ = v.Justify()
		_, _ = v.Mul(1.5)
		if v.Cmp(back) != 0 {
			t.Fatal("an interval is not equal to itself")
		}
	})
}

func (v IntervalValue) hasLimit() bool {
	const far = 1 << 30
	return v.Months < -far || v.Days < -far || v.Micros < -(1<<62)
}

func FuzzJSONB(f *testing.F) {
	for _, s := range []string{`{"b":[1,2.50,1e3,null],"a":{"x":"\u00e4\n"}}`, `[]`, `"\ud83d\ude00"`, `{"a":1,"a":2,"":3}`, `[[[{}]]]`, `-0.0`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		canonical, err := AppendJSONB(nil, s)
		if valid := json.Valid(s); err == nil && !valid {
			t.Fatalf("%q is no JSON, but was read as %q", s, canonical)
		}
		checkAccessors(s)
		if err != nil {
			return
		}
		if !json.Valid(canonical) {
			t.Fatalf("%q became %q, which is no JSON", s, canonical)
		}
		again, err := AppendJSONB(nil, canonical)
		if err != nil || !bytes.Equal(again, canonical) {
			t.Fatalf("%q is not canonical: %q, %v", canonical, again, err)
		}
		if err := ValidateJSON(s); err != nil {
			t.Fatalf("%q is valid for jsonb, but not for json: %v", s, err)
		}
		if CompareJSONB(canonical, again) != 0 {
			t.Fatal("a document is not equal to itself")
		}
		checkAccessors(canonical)
	})
}

// checkAccessors must not panic, whatever the bytes are.
func checkAccessors(b []byte) {
	JSONTypeof(b)
	JSONElem(b, 0)
	JSONElem(b, -1)
	JSONField(b, []byte("a"))
	AppendJSONText(nil, b)
	AppendJSONBKey(nil, b)
	for it := NewJSONIter(b); it.Next(); {
		it.AppendKey(nil)
	}
}

func FuzzParseBinary(f *testing.F) {
	f.Add(uint8(0), []byte{1})
	f.Add(uint8(22), appendBinaryNumeric(nil, DecimalFromFloat(-12345.678)))
	f.Add(uint8(29), AppendBinary(nil, Int4Array, Datum{Bytes: AppendArray(nil, Int4, nil, []Datum{{Int: 1}, {Null: true}})}))
	f.Add(uint8(28), AppendBinary(nil, Record, Datum{Bytes: AppendRecord(nil, []Type{Int4, Text}, []Datum{{Int: 1}, {Bytes: []byte("x")}})}))
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		typ := infos[int(which)%len(infos)].Type
		d, err := ParseBinary(typ, b)
		if err != nil {
			return
		}
		wire := AppendBinary(nil, typ, d)
		back, err := ParseBinary(typ, wire)
		if err != nil || !Identical(typ, d, back) {
			t.Fatalf("%s % x reads as %+v, written % x, read again as %+v, %v", typ, b, d, wire, back, err)
		}
		AppendText(nil, typ, d, nil)
		if Compare(typ, d, back) != 0 {
			t.Fatalf("%s %+v is not equal to itself", typ, d)
		}
	})
}
