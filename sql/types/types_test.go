package types

import (
	"encoding/json"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// randomDecimal makes numbers of all sizes around the limits of the two-word
// form.
func randomDecimal(r *rand.Rand) Decimal {
	hi, lo := r.Int64(), r.Uint64()
	switch r.IntN(6) {
	case 0:
		hi, lo = 0, r.Uint64N(1000)
	case 1:
		hi = int64(lo) >> 63
	case 2:
		hi >>= r.IntN(64)
	case 3:
		b := new(big.Int).Lsh(big.NewInt(hi), uint(r.IntN(200)))
		return fromBig(b, int32(r.IntN(50)))
	}
	return NewDecimal(hi, lo, int32(r.IntN(40)))
}

func TestDecimalProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		x, y := randomDecimal(r), randomDecimal(r)
		checkDecimalForms(t, x)
		checkDecimalOrder(t, x, y)
		checkDecimalArithmetic(t, x, y)
	}
}

func TestU128Division(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 50_000 {
		a := u128{r.Uint64() >> r.IntN(64), r.Uint64()}
		d := u128{r.Uint64() >> r.IntN(64), r.Uint64() >> r.IntN(64)}
		if d.isZero() {
			continue
		}
		q, rem := a.div(d)
		wantQ, wantR := new(big.Int).QuoRem(a.toBig(), d.toBig(), new(big.Int))
		if q.toBig().Cmp(wantQ) != 0 || rem.toBig().Cmp(wantR) != 0 {
			t.Fatalf("%v / %v = %v, %v; want %v, %v", a.toBig(), d.toBig(), q.toBig(), rem.toBig(), wantQ, wantR)
		}
	}
}

func TestDecimalDoesNotAllocate(t *testing.T) {
	a, b := mustDecimal(t, "12345678901234567890.12"), mustDecimal(t, "3.1415")
	buf := make([]byte, 0, 128)
	text := []byte("12345.678")
	if n := testing.AllocsPerRun(100, func() {
		s, _ := a.Add(b)
		s, _ = s.Mul(b)
		s, _ = s.Div(b)
		_ = s.Cmp(a)
		_, _ = ParseDecimal(text)
		buf = s.Round(2).AppendText(buf[:0])
		buf = s.AppendImage(buf[:0])
		buf = s.AppendSortKey(buf[:0])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestCalendar(t *testing.T) {
	day := time.Date(-4800, 1, 1, 0, 0, 0, 0, time.UTC)
	for range 9000 {
		y, m, d := day.Date()
		days := DaysFromCivil(y, int(m), d)
		if want := floorDiv64(day.Unix(), 86400) + UnixEpochDays; days != want {
			t.Fatalf("%v is day %d, want %d", day, days, want)
		}
		if gy, gm, gd := CivilFromDays(days); gy != y || gm != int(m) || gd != d {
			t.Fatalf("day %d is %d-%d-%d, want %v", days, gy, gm, gd, day)
		}
		if Weekday(days) != int(day.Weekday()) {
			t.Fatalf("%v has weekday %d", day, Weekday(days))
		}
		day = day.AddDate(0, 0, 397)
	}
}

func TestTimestampText(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, zone := range []string{"UTC", "America/New_York", "Asia/Kolkata"} {
		loc, err := LoadZone(zone)
		if err != nil {
			t.Fatal(err)
		}
		env := Env{TimeZone: loc}
		for range 3000 {
			ts := minTimestamp + MicrosPerDay + r.Int64N(endTimestamp/2-minTimestamp)
			text := AppendTimestamptz(nil, ts, &env)
			if back, err := ParseTimestamptz(text, &env); err != nil || back != ts {
				t.Fatalf("%d prints %q, which reads as %d, %v", ts, text, back, err)
			}
		}
	}
}

func TestFastTimestamps(t *testing.T) {
	for _, c := range []struct {
		text string
		ok   bool
	}{{"2026-11-24 10:00:00", true}, {"2026-11-24T10:00:00.5", true}, {"2026-11-24", true}, {"2026-02-29 10:00:00", false}, {"2026-11-24 10:00", false},
		{"2026-11-24 10:00:60", false}, {"2026-11-24 10:00:00.1234567", false}, {"2026-11-24 10:00:00.", false}, {"0000-01-01", false}, {"2026-00-01", false}, {"2026-11-00", false}, {"2026-11-31", false}} {
		ts, ok := ParseTimestampFast([]byte(c.text))
		if ok != c.ok {
			t.Errorf("%q: ok %v", c.text, ok)
		}
		if slow, err := parseTimestampSlow([]byte(c.text), nil, false); ok && (err != nil || slow != ts) {
			t.Errorf("%q: fast %d, slow %d, %v", c.text, ts, slow, err)
		}
	}
	text := []byte("2026-11-24T10:00:00.123456+02:00")
	ts, ok := ParseTimestamptzFast(text)
	if want := TimestampFromTime(time.Date(2026, 11, 24, 8, 0, 0, 123456000, time.UTC)); !ok || ts != want {
		t.Errorf("%q: %d, %v; want %d", text, ts, ok, want)
	}
	if n := testing.AllocsPerRun(100, func() { ts, ok = ParseTimestamptzFast(text) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestNow(t *testing.T) {
	moment := time.Date(2026, 11, 24, 3, 4, 5, 0, time.UTC)
	loc, err := LoadZone("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	env := &Env{Now: func() time.Time { return moment }, TimeZone: loc}
	for _, c := range []struct {
		typ         Type
		input, want string
	}{{Timestamptz, "now", "2026-11-23 22:04:05-05"}, {Timestamp, "now", "2026-11-23 22:04:05"}, {Date, "today", "2026-11-23"}, {Date, "tomorrow", "2026-11-24"},
		{Date, "now", "2026-11-23"}, {Timestamp, "yesterday 10:00", "2026-11-22 10:00:00"}, {Timestamptz, "today", "2026-11-23 00:00:00-05"}, {Time, "now", "22:04:05"}} {
		d, err := ParseText(c.typ, []byte(c.input), env)
		if err != nil || string(AppendText(nil, c.typ, d, env)) != c.want {
			t.Errorf("%s %q is %s, %v; want %s", c.typ, c.input, AppendText(nil, c.typ, d, env), err, c.want)
		}
	}
	if _, err := ParseTimestamp([]byte("now"), nil); sqlerr.Code(err) != sqlerr.FeatureNotSupported {
		t.Errorf("now without a clock: %v", err)
	}
}

func TestDatumJSON(t *testing.T) {
	for _, d := range []Datum{{}, NullDatum(), {Bool: true}, {Int: math.MinInt64}, {Float: math.NaN()}, {Float: math.Inf(-1)}, {Float: math.Copysign(0, -1)}, {Float: 0.1},
		{Dec: mustDecimal(t, "1.00")}, {Dec: mustDecimal(t, "0.000")}, {Dec: DecimalNaN()}, {Dec: DecimalInf(-1)}, {Dec: mustDecimal(t, "1e100")},
		{Ival: IntervalValue{Micros: math.MinInt64, Days: -1, Months: math.MaxInt32}}, {Bytes: []byte{}}, {Bytes: []byte{0, 255, 'a'}}} {
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		var back Datum
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		same := back.Null == d.Null && back.Bool == d.Bool && back.Int == d.Int && math.Float64bits(back.Float) == math.Float64bits(d.Float) &&
			back.Dec.Identical(d.Dec) && back.Ival == d.Ival && string(back.Bytes) == string(d.Bytes) && (back.Bytes == nil) == (d.Bytes == nil)
		if !same {
			t.Errorf("%+v became %+v by way of %s", d, back, text)
		}
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct {
		name string
		args []int
		want string
	}{{"int", nil, "integer"}, {"integer", nil, "integer"}, {"int8", nil, "bigint"}, {"decimal", []int{10, 2}, "numeric(10,2)"}, {"numeric", []int{3}, "numeric(3,0)"}, {"numeric", []int{3, -2}, "numeric(3,-2)"},
		{"double precision", nil, "double precision"}, {"float", []int{24}, "real"}, {"float", []int{25}, "double precision"}, {"real", nil, "real"}, {"varchar", []int{3}, "character varying(3)"},
		{"character varying", nil, "character varying"}, {"char", nil, "character(1)"}, {"char", []int{5}, "character(5)"}, {"bpchar", nil, "character"}, {"timestamp with time zone", nil, "timestamp with time zone"},
		{"timestamptz", []int{3}, "timestamp(3) with time zone"}, {"timestamp", []int{9}, "timestamp(6) without time zone"}, {"time", nil, "time without time zone"}, {"timetz", []int{0}, "time(0) with time zone"},
		{"interval", []int{2}, "interval(2)"}, {"int[]", nil, "integer[]"}, {"text[][]", nil, "text[]"}, {`"char"`, nil, `"char"`}, {"jsonb", nil, "jsonb"}, {"bool", nil, "boolean"}, {"oid", nil, "oid"}, {"regclass", nil, "regclass"}} {
		got, ok := Lookup(c.name, c.args)
		if !ok || got.String() != c.want {
			t.Errorf("%s%v is %s, %v; want %s", c.name, c.args, got, ok, c.want)
		}
	}
	for _, name := range []string{"", "intt", "json[]", "[]"} {
		if got, ok := Lookup(name, nil); ok {
			t.Errorf("%q is %s", name, got)
		}
	}
	for _, c := range []struct {
		t    Type
		args []int
		want string
	}{{Varchar, []int{0}, "length for type varchar must be at least 1 (SQLSTATE 22023)"}, {BPChar, []int{99999999}, "length for type char cannot exceed 10485760 (SQLSTATE 22023)"},
		{Numeric, []int{1001}, "NUMERIC precision 1001 must be between 1 and 1000 (SQLSTATE 22023)"}, {Timestamptz, []int{-1}, "TIMESTAMP(-1) WITH TIME ZONE precision must not be negative (SQLSTATE 22023)"},
		{Int4, []int{1}, `type modifier is not allowed for type "int4" (SQLSTATE 42601)`}} {
		if _, err := ParseTypmod(c.t, c.args); err == nil || err.Error() != c.want {
			t.Errorf("%s%v: %v; want %s", c.t, c.args, err, c.want)
		}
	}
	for _, info := range All() {
		if info.Elem != 0 && info.Elem.Array() != info.Type {
			t.Errorf("%s is not the array of its element type", info.Name)
		}
		if got, ok := Lookup(info.SQLName, nil); !ok || got.Base() != info.Type {
			t.Errorf("%s is looked up as %s", info.SQLName, got)
		}
	}
}

func TestLengths(t *testing.T) {
	for _, c := range []struct {
		typ      Type
		input    string
		explicit bool
		want     string
	}{{Varchar.WithTypmod(7), "abc", false, "abc"}, {Varchar.WithTypmod(7), "abc   ", false, "abc"}, {Varchar.WithTypmod(7), "abcd", false, "value too long for type character varying(3) (SQLSTATE 22001)"},
		{Varchar.WithTypmod(7), "äöüß", true, "äöü"}, {BPChar.WithTypmod(9), "ab", false, "ab   "}, {BPChar.WithTypmod(6), "abc", true, "ab"}, {BPChar.WithTypmod(6), "abc", false, "value too long for type character(2) (SQLSTATE 22001)"},
		{BPChar.WithTypmod(7), "ä", false, "ä  "}} {
		d, err := ApplyTypmod(c.typ, Datum{Bytes: []byte(c.input)}, c.explicit)
		got := string(d.Bytes)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s of %q: %q, want %q", c.typ, c.input, got, c.want)
		}
	}
	if _, err := ParseText(Text, []byte("a\x00b"), nil); sqlerr.Code(err) != sqlerr.CharacterNotInRepertoire {
		t.Errorf("NUL in a text: %v", err)
	}
	if _, err := ParseText(Text, []byte("a\xffb"), nil); err == nil || err.Error() != `invalid byte sequence for encoding "UTF8": 0xff (SQLSTATE 22021)` {
		t.Errorf("no UTF-8: %v", err)
	}
}

func TestJSONAccessors(t *testing.T) {
	doc, err := AppendJSONB(nil, []byte(`{"a":{"b":[1,"x\n",null]},"k\"":2,"é":true}`))
	if err != nil {
		t.Fatal(err)
	}
	a, ok := JSONField(doc, []byte("a"))
	if !ok || string(a) != `{"b": [1, "x\n", null]}` {
		t.Fatalf("a is %s", a)
	}
	b, _ := JSONField(a, []byte("b"))
	if n := JSONLen(b); n != 3 {
		t.Errorf("b has %d elements", n)
	}
	x, _ := JSONElem(b, 1)
	if text, null := AppendJSONText(nil, x); null || string(text) != "x\n" {
		t.Errorf("b[1] is %q, %v", text, null)
	}
	last, _ := JSONElem(b, -1)
	if _, null := AppendJSONText(nil, last); !null {
		t.Errorf("b[-1] is %s", last)
	}
	if v, ok := JSONField(doc, []byte(`k"`)); !ok || string(v) != "2" {
		t.Errorf("escaped key: %s, %v", v, ok)
	}
	for _, i := range []int{3, -4} {
		if v, ok := JSONElem(b, i); ok {
			t.Errorf("b[%d] is %s", i, v)
		}
	}
	if _, ok := JSONField(b, []byte("a")); ok {
		t.Error("an array has a field")
	}
	for text, want := range map[string]string{`{}`: "object", `[]`: "array", `"a"`: "string", `1`: "number", `-1`: "number", `true`: "boolean", `null`: "null"} {
		if got := JSONTypeof([]byte(text)); got != want {
			t.Errorf("%s is a %s", text, got)
		}
	}
	deep := make([]byte, 3*maxJSONDepth)
	for i := range deep {
		deep[i] = '['
	}
	if err := ValidateJSON(deep); sqlerr.Code(err) != sqlerr.StatementTooComplex {
		t.Errorf("deep nesting: %v", err)
	}
}

func TestZones(t *testing.T) {
	for name, want := range map[string]int{"utc": 0, "UTC+3": -3 * 3600, "<+03>-3": 3 * 3600, "europe/berlin": 3600, "etc/gmt+5": -5 * 3600} {
		loc, err := LoadZone(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, offset := time.Unix(0, 0).In(loc).Zone(); offset != want {
			t.Errorf("%s is %d seconds east of UTC", name, offset)
		}
	}
	for _, name := range []string{"", "Local", "../etc/passwd", "Mars/Base", "+", "ab3"} {
		if loc, err := LoadZone(name); err == nil {
			t.Errorf("%q is %v", name, loc)
		}
	}
}

func BenchmarkDecimalAdd(b *testing.B) {
	x, y := mustDecimal(b, "12345.67"), mustDecimal(b, "0.01")
	b.ReportAllocs()
	for b.Loop() {
		x, _ = x.Add(y)
	}
}

func BenchmarkDecimalDiv(b *testing.B) {
	x, y := mustDecimal(b, "12345.67"), mustDecimal(b, "7")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = x.Div(y)
	}
}

func BenchmarkDecimalParse(b *testing.B) {
	text := []byte("12345.67")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = ParseDecimal(text)
	}
}

func BenchmarkDecimalText(b *testing.B) {
	x := mustDecimal(b, "12345.67")
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		buf = x.AppendText(buf[:0])
	}
}

func BenchmarkParseInt(b *testing.B) {
	text := []byte("1234567890")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = ParseInt(Int8, text)
	}
}

func BenchmarkParseTimestampFast(b *testing.B) {
	text := []byte("2026-11-24 10:00:00.123456")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = ParseTimestampFast(text)
	}
}

func BenchmarkParseTimestampSlow(b *testing.B) {
	text := []byte("Nov 24 2026 10:00:00")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = ParseTimestamp(text, nil)
	}
}

func BenchmarkAppendTimestamp(b *testing.B) {
	ts, _ := ParseTimestampFast([]byte("2026-11-24 10:00:00.123456"))
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendTimestamp(buf[:0], ts, nil)
	}
}

func BenchmarkJSONB(b *testing.B) {
	text := []byte(`{"auction":1001,"bidder":2002,"price":12345,"channel":"Google","url":"https://example.com/item","extra":[1,2.5,null]}`)
	buf := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = AppendJSONB(buf[:0], text)
	}
}
