package json

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

func newDecoder(t testing.TB, cols []connector.Column, need []bool, opts Options) *Decoder {
	t.Helper()
	d, err := New(cols, need, opts)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// take returns the decoded columns.
func take(d *Decoder, cols []connector.Column) []zset.Vector {
	vs := make([]zset.Vector, len(cols))
	d.Take(vs)
	return vs
}

func text(v *zset.Vector, row int) string {
	if v.IsNull(row) {
		return "NULL"
	}
	return string(types.AppendText(nil, v.Type, v.Datum(row), nil))
}

func mustType(t testing.TB, name string, args ...int) types.Type {
	t.Helper()
	typ, ok := types.Lookup(name, args)
	if !ok {
		t.Fatalf("no type %s%v", name, args)
	}
	return typ
}

func TestValues(t *testing.T) {
	ms := Options{TimeUnit: UnitMillis}
	deep := strings.Repeat("[", maxDepth-1) + strings.Repeat("]", maxDepth-1)
	cases := []struct {
		typ   string
		args  []int
		opts  Options
		value string
		want  string // text, or ! and a SQLSTATE
	}{
		{typ: "smallint", value: "32767", want: "32767"},
		{typ: "smallint", value: "32768", want: "!22003"},
		{typ: "int", value: "-2147483648", want: "-2147483648"},
		{typ: "int", value: "2147483648", want: "!22003"},
		{typ: "bigint", value: "9223372036854775807", want: "9223372036854775807"},
		{typ: "bigint", value: "-9223372036854775808", want: "-9223372036854775808"},
		{typ: "bigint", value: "9223372036854775808", want: "!22003"},
		{typ: "bigint", value: "5.0", want: "5"},
		{typ: "bigint", value: "12e2", want: "1200"},
		{typ: "bigint", value: "5.5", want: "!22P02"},
		{typ: "bigint", value: "1e99999", want: "!22003"},
		{typ: "bigint", value: "0e99999", want: "0"},
		{typ: "bigint", value: "-0", want: "0"},
		{typ: "bigint", value: "01", want: "!22P02"},
		{typ: "bigint", value: "1.", want: "!22P02"},
		{typ: "bigint", value: "-", want: "!22P02"},
		{typ: "bigint", value: "+1", want: "!22P02"},
		{typ: "bigint", value: `"5"`, want: "!22P02"},
		{typ: "bigint", value: "true", want: "!22P02"},
		{typ: "bigint", value: "{}", want: "!22P02"},
		{typ: "bigint", value: "null", want: "NULL"},
		{typ: "double precision", value: "0.1", want: "0.1"},
		{typ: "double precision", value: "9007199254740993", want: "9.007199254740992e+15"},
		{typ: "double precision", value: "1e400", want: "!22003"},
		{typ: "double precision", value: "1e-400", want: "!22003"},
		{typ: "double precision", value: "0e-400", want: "0"},
		{typ: "double precision", value: `"NaN"`, want: "NaN"},
		{typ: "double precision", value: `"-Infinity"`, want: "-Infinity"},
		{typ: "double precision", value: `"\u004eaN"`, want: "NaN"},
		{typ: "double precision", value: `NaN`, want: "!22P02"},
		{typ: "double precision", value: `-Infinity`, want: "!22P02"},
		{typ: "double precision", value: `"nan"`, want: "!22P02"},
		{typ: "double precision", value: `"inf"`, want: "!22P02"},
		{typ: "double precision", value: `"1.5"`, want: "!22P02"},
		{typ: "double precision", value: `""`, want: "!22P02"},
		{typ: "double precision", value: `"\ud800"`, want: "!22P02"},
		{typ: "double precision", value: `"NaN`, want: "!22P02"},
		{typ: "real", value: `"Infinity"`, want: "Infinity"},
		{typ: "numeric", value: `"NaN"`, want: "NaN"},
		{typ: "numeric", value: `"-Infinity"`, want: "-Infinity"},
		{typ: "numeric", value: `"Inf"`, want: "!22P02"},
		{typ: "numeric", args: []int{5, 2}, value: `"NaN"`, want: "NaN"},
		{typ: "numeric", args: []int{5, 2}, value: `"Infinity"`, want: "!22003"},
		{typ: "bigint", value: `"NaN"`, want: "!22P02"},
		{typ: "real", value: "3.4028235e38", want: "3.4028235e+38"},
		{typ: "real", value: "3.5e38", want: "!22003"},
		{typ: "numeric", value: "123456789012345678901234567890.123", want: "123456789012345678901234567890.123"},
		{typ: "numeric", value: "1.50", want: "1.50"},
		{typ: "numeric", value: "1e3", want: "1000"},
		{typ: "numeric", value: "1e999999", want: "!22003"},
		{typ: "numeric", args: []int{5, 2}, value: "123.456", want: "123.46"},
		{typ: "numeric", args: []int{5, 2}, value: "1234", want: "!22003"},
		{typ: "boolean", value: "true", want: "t"},
		{typ: "boolean", value: "false", want: "f"},
		{typ: "boolean", value: "tru", want: "!22P02"},
		{typ: "boolean", value: "1", want: "!22P02"},
		{typ: "text", value: `"abc"`, want: "abc"},
		{typ: "text", value: `""`, want: ""},
		{typ: "text", value: `"häß 漢字 🎈, quite a long one"`, want: "häß 漢字 🎈, quite a long one"},
		{typ: "text", value: `"a\"\\\/\b\f\n\r\té"`, want: "a\"\\/\b\f\n\r\té"},
		{typ: "text", value: `"\ud83c\udf88!"`, want: "🎈!"},
		{typ: "text", value: `"\ud83c!"`, want: "!22P05"},
		{typ: "text", value: `"\udf88\ud83c"`, want: "!22P05"},
		{typ: "text", value: `"a\u0000b"`, want: "!22P05"},
		{typ: "text", value: `"\x"`, want: "!22P02"},
		{typ: "text", value: `"\u12g4"`, want: "!22P02"},
		{typ: "text", value: "\"a\nb\"", want: "!22P02"},
		{typ: "text", value: "\"a\xffb\"", want: "!22021"},
		{typ: "text", value: "\"\xed\xa0\x80\"", want: "!22021"},
		{typ: "text", value: "5", want: "!22P02"},
		{typ: "text", value: `{"a":1}`, want: "!22P02"},
		{typ: "varchar", args: []int{3}, value: `"äöü  "`, want: "äöü"},
		{typ: "varchar", args: []int{3}, value: `"äöüß"`, want: "!22001"},
		{typ: "char", args: []int{4}, value: `"äö"`, want: "äö  "},
		{typ: "char", args: []int{2}, value: `"\u00e4"`, want: "ä "},
		{typ: "timestamp", value: `"2026-01-02 03:04:05.678"`, want: "2026-01-02 03:04:05.678"},
		{typ: "timestamp", value: `"2026-01-02T03:04:05"`, want: "2026-01-02 03:04:05"},
		{typ: "timestamp", value: `"2026-01-02T03:04:05Z"`, want: "2026-01-02 03:04:05"},
		{typ: "timestamp", value: `"0004-02-29 00:00:00"`, want: "0004-02-29 00:00:00"},
		{typ: "timestamp", value: `"2026-02-29 00:00:00"`, want: "!22008"},
		{typ: "timestamp", value: `"2026-01-02"`, want: "2026-01-02 00:00:00"},
		{typ: "timestamp", value: `""`, want: "!22007"},
		{typ: "timestamp", value: "1767323045678", want: "!22P02"},
		{typ: "timestamp", opts: ms, value: "1767323045678", want: "2026-01-02 03:04:05.678"},
		{typ: "timestamp", opts: ms, value: "1767323045678.4321", want: "2026-01-02 03:04:05.678432"},
		{typ: "timestamp", opts: ms, value: "-1", want: "1969-12-31 23:59:59.999"},
		{typ: "timestamp", opts: ms, value: "1e18", want: "!22003"},
		{typ: "timestamp", opts: ms, value: "1e300", want: "!22003"},
		{typ: "timestamp", opts: ms, value: "-9223372036854775", want: "!22003"},
		{typ: "timestamp", opts: Options{TimeUnit: UnitSeconds}, value: "1767323045.5", want: "2026-01-02 03:04:05.5"},
		{typ: "timestamp", opts: Options{TimeUnit: UnitMicros}, value: "1767323045000001", want: "2026-01-02 03:04:05.000001"},
		{typ: "timestamp", opts: Options{TimeUnit: UnitNanos}, value: "1767323045000000999", want: "2026-01-02 03:04:05.000001"},
		{typ: "timestamp", opts: Options{TimeUnit: UnitNanos, ColumnUnit: map[string]Unit{"c": UnitSeconds}}, value: "1767323045", want: "2026-01-02 03:04:05"},
		{typ: "timestamp", args: []int{0}, value: `"2026-01-02 03:04:05.678"`, want: "2026-01-02 03:04:06"},
		{typ: "timestamp", args: []int{0}, opts: ms, value: "1767323045678", want: "2026-01-02 03:04:06"},
		{typ: "timestamptz", value: `"2026-01-02T03:04:05Z"`, want: "2026-01-02 03:04:05+00"},
		{typ: "timestamptz", value: `"2026-01-02T03:04:05+02:00"`, want: "2026-01-02 01:04:05+00"},
		{typ: "timestamptz", value: `"2026-01-02 03:04:05"`, want: "2026-01-02 03:04:05+00"},
		{typ: "date", value: `"2026-01-02"`, want: "2026-01-02"},
		{typ: "date", opts: Options{TimeUnit: UnitDays}, value: "20455", want: "2026-01-02"},
		{typ: "date", opts: ms, value: "1767323045678", want: "!22P02"},
		{typ: "interval", value: `"1 day 02:00:00"`, want: "1 day 02:00:00"},
		{typ: "time", value: `"03:04:05"`, want: "03:04:05"},
		{typ: "uuid", value: `"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"`, want: "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
		{typ: "uuid", value: `"a0"`, want: "!22P02"},
		{typ: "bytea", value: `"\\x00ff"`, want: `\x00ff`},
		{typ: "json", value: `{"b" :1, "a":[ ]}`, want: `{"b" :1, "a":[ ]}`},
		{typ: "jsonb", value: `{"b" :1, "a":[ ]}`, want: `{"a": [], "b": 1}`},
		{typ: "jsonb", value: "null", want: "NULL"},
		{typ: "jsonb", value: `"x"`, want: `"x"`},
		{typ: "json", value: deep, want: deep},
		{typ: "json", value: "[" + deep + "]", want: "!54001"},
		{typ: "json", value: strings.Repeat("[", 1e6), want: "!54001"},
	}
	for _, c := range cases {
		cols := []connector.Column{{Name: "c", Type: mustType(t, c.typ, c.args...)}}
		d := newDecoder(t, cols, nil, c.opts)
		err := d.Decode([]byte(`{"c":` + c.value + `}`))
		if code, bad := strings.CutPrefix(c.want, "!"); bad {
			if sqlerr.Code(err) != code {
				t.Errorf("%s %.60s: error %v, want %s", c.typ, c.value, err, code)
			}
			if err != nil && (len(err.Error()) > 400 || !utf8.ValidString(err.Error())) {
				t.Errorf("%s %.60s: message %q", c.typ, c.value, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s %.60s: %v", c.typ, c.value, err)
			continue
		}
		if got := text(&take(d, cols)[0], 0); got != c.want {
			t.Errorf("%s %.60s: got %s, want %s", c.typ, c.value, got, c.want)
		}
	}
}

func TestRecords(t *testing.T) {
	cols := []connector.Column{{Name: "a", Type: types.Int8}, {Name: "Bc", Type: types.Text}, {Name: "off", Type: types.Int8, Meta: connector.FromOffset}}
	cases := []struct{ record, want string }{
		{`{"a":1,"Bc":"x"}`, "1 x"},
		{` { "Bc" : "x" , "a" : 1 } `, "1 x"},
		{`{}`, "NULL NULL"},
		{`{"A":1}`, "1 NULL"},
		{`{"bC":"y"}`, "NULL y"},
		{`{"A":1,"a":2}`, "2 NULL"},
		{`{"a":2,"A":1}`, "2 NULL"},
		{`{"A":"bad","a":2}`, "2 NULL"},
		{`{"a":2,"A":"bad"}`, "2 NULL"},
		{`{"bc":"1","BC":"2"}`, "!22030"},
		{`{"bc":"1","BC":"2","Bc":"3"}`, "NULL 3"},
		{`{"a":1,"a":2}`, "2 NULL"},
		{`{"a":"bad","a":2}`, "2 NULL"},
		{`{"a":2,"a":"bad"}`, "!22P02"},
		{`{"a":2,"a":null}`, "NULL NULL"},
		{`{"a":null,"a":3}`, "3 NULL"},
		{`{"\u0061":7}`, "7 NULL"},
		{`{"off":9,"a":1}`, "1 NULL"},
		{`{"x":{"a":5,"y":[1,{"z":null}]},"a":1}`, "1 NULL"},
		{`{"a":1}x`, "!22P02"},
		{`{"a":1}{}`, "!22P02"},
		{`{"a":1`, "!22P02"},
		{`{"a":1,}`, "!22P02"},
		{`{,"a":1}`, "!22P02"},
		{`{"a" 1}`, "!22P02"},
		{`{"a":1 "Bc":"x"}`, "!22P02"},
		{`{"a":}`, "!22P02"},
		{`{"x":[1,]}`, "!22P02"},
		{`{"x":nul}`, "!22P02"},
		{``, "!22P02"},
		{`  `, "!22P02"},
		{`[1]`, "!22P02"},
		{`null`, "!22P02"},
		{`5 5`, "!22P02"},
		{"\ufeff{}", "!22P02"},
	}
	// Every record follows every other, so that nothing learned from one
	// changes the reading of the next.
	for _, first := range cases {
		for _, c := range cases {
			d := newDecoder(t, cols, nil, Options{})
			_ = d.Decode([]byte(first.record))
			take(d, cols)
			err := d.Decode([]byte(c.record))
			got := "!" + sqlerr.Code(err)
			if err == nil {
				vs := take(d, cols)
				got = text(&vs[0], 0) + " " + text(&vs[1], 0)
			} else if d.Rows() != 0 {
				t.Fatalf("%q after %q: a row is left", c.record, first.record)
			}
			if got != c.want {
				t.Fatalf("%q after %q: got %s (%v), want %s", c.record, first.record, got, err, c.want)
			}
		}
	}
}

// TestNoTrace mixes good and bad records: the columns must be those of the good
// ones alone, and errors must not depend on the projection.
func TestNoTrace(t *testing.T) {
	cols := []connector.Column{{Name: "a", Type: types.Int8}, {Name: "b", Type: types.Text}, {Name: "c", Type: types.Numeric}, {Name: "d", Type: types.Bool}, {Name: "e", Type: types.Float8}}
	values := [][]string{
		{"1", "-77", "null", `"x"`, "99999999999999999999", "2.0"},
		{`"x"`, `"y\n"`, `"ü"`, "null", "3", `"\ud800"`, `""`},
		{"1.5", "123456789012345678901234567890123456789012", "null", "{}"},
		{"true", "false", "null", "0"},
		{"1e3", "2.5", "null", "[1,2]", "1e999"},
	}
	rng := rand.New(rand.NewPCG(1, 2))
	mixed, clean, narrow := newDecoder(t, cols, nil, Options{}), newDecoder(t, cols, nil, Options{}), newDecoder(t, cols, []bool{false, true, false, false, true}, Options{})
	bad := 0
	for range 5000 {
		var sb strings.Builder
		sb.WriteByte('{')
		for k, n := 0, rng.IntN(8); k < n; k++ {
			col := rng.IntN(len(cols))
			if k > 0 {
				sb.WriteByte(',')
			}
			fmt.Fprintf(&sb, "%q:%s", cols[col].Name, values[col][rng.IntN(len(values[col]))])
		}
		sb.WriteByte('}')
		record := []byte(sb.String())
		err := mixed.Decode(record)
		other := narrow.Decode(record)
		if fmt.Sprint(err) != fmt.Sprint(other) {
			t.Fatalf("%s: %v with all columns, %v with two", record, err, other)
		}
		if err != nil {
			bad++
			continue
		}
		if err := clean.Decode(record); err != nil {
			t.Fatalf("%s: %v", record, err)
		}
	}
	if bad == 0 || mixed.Rows() == 0 {
		t.Fatal("the records are all good or all bad")
	}
	rows := mixed.Rows()
	got, want, part := take(mixed, cols), take(clean, cols), take(narrow, cols)
	for c := range cols {
		for r := range rows {
			if g, w := text(&got[c], r), text(&want[c], r); g != w {
				t.Fatalf("row %d column %s: %s, want %s", r, cols[c].Name, g, w)
			}
			if c == 1 || c == 4 {
				if g, w := text(&part[c], r), text(&want[c], r); g != w {
					t.Fatalf("row %d column %s: %s in the projection, want %s", r, cols[c].Name, g, w)
				}
			}
		}
	}
	if part[0].Int != nil || part[2].Dec != nil || part[3].Bool != nil {
		t.Error("a column that is not needed was filled")
	}
}

func TestAbsentColumns(t *testing.T) {
	var got []string
	cols := []connector.Column{{Name: "a", Type: types.Int8}, {Name: "b", Type: types.Int8}, {Name: "c", Type: types.Int8}}
	d := newDecoder(t, cols, []bool{true, false, false}, Options{Absent: func(c []string) { got = append(got, c...) }})
	for i := range 3 * absentAfter {
		record := `{"A":1}`
		if i == 7 {
			record = `{"c":1}`
		}
		if err := d.Decode([]byte(record)); err != nil {
			t.Fatal(err)
		}
		if i < absentAfter-1 && got != nil {
			t.Fatalf("reported after %d records", i+1)
		}
	}
	if fmt.Sprint(got) != "[b]" {
		t.Errorf("absent columns %v, want [b]", got)
	}
}

func TestManyFieldNames(t *testing.T) {
	cols := []connector.Column{{Name: "a", Type: types.Int8}}
	d := newDecoder(t, cols, nil, Options{})
	for i := range 3 * maxFields {
		if err := d.Decode(fmt.Appendf(nil, `{"f%d":1,"a":%d,"g%d":2}`, i, i, i)); err != nil {
			t.Fatal(err)
		}
	}
	if len(d.fields.list) > maxFields+4 {
		t.Errorf("%d names learned", len(d.fields.list))
	}
	if v := take(d, cols)[0]; v.Int[2*maxFields] != 2*maxFields {
		t.Errorf("value %d", v.Int[2*maxFields])
	}
}

func TestUnsupportedType(t *testing.T) {
	_, err := New([]connector.Column{{Name: "x", Type: types.Regclass}}, nil, Options{})
	if sqlerr.Code(err) != sqlerr.FeatureNotSupported {
		t.Errorf("error %v", err)
	}
}

func TestNoAllocations(t *testing.T) {
	records := bids(64)
	d := newDecoder(t, bidColumns(), nil, Options{})
	d.Grow(100_000, 0)
	for i := range d.cols {
		d.cols[i].vec.Data = make([]byte, 0, 1<<23)
	}
	i := 0
	if n := testing.AllocsPerRun(5000, func() {
		if err := d.Decode(records[i&63]); err != nil {
			t.Fatal(err)
		}
		i++
	}); n != 0 {
		t.Errorf("%v allocations a record", n)
	}
}

// reference decides with encoding/json what a record is to four columns.
func reference(record []byte) (row []string, good, known bool) {
	if !utf8.Valid(record) || !json.Valid(record) {
		return nil, false, true
	}
	var fields map[string]json.RawMessage
	if record = bytes.TrimSpace(record); record[0] != '{' || json.Unmarshal(record, &fields) != nil {
		return nil, false, true
	}
	for name := range fields {
		if strings.ContainsRune(name, utf8.RuneError) {
			return nil, false, false // names of lone surrogates fall together
		}
	}
	for i, name := range []string{"i", "f", "t", "b"} {
		raw, ok := fields[name]
		if !ok {
			n := 0
			for other, r := range fields {
				if strings.ToLower(other) == name {
					raw = r
					n++
				}
			}
			if n > 1 {
				return nil, false, true
			}
			ok = n == 1
		}
		if !ok || string(raw) == "null" {
			row = append(row, "NULL")
			continue
		}
		s, ok, known := referenceValue(i, raw)
		if !known || !ok {
			return nil, ok, known
		}
		row = append(row, s)
	}
	return row, true, true
}

func referenceValue(column int, raw json.RawMessage) (s string, good, known bool) {
	switch column {
	case 0:
		var n json.Number
		if raw[0] == '"' || json.Unmarshal(raw, &n) != nil {
			return "", false, true
		}
		if len(raw) > 100 || extreme(raw) {
			return "", false, false
		}
		r, ok := new(big.Rat).SetString(string(n))
		if !ok || !r.IsInt() || !r.Num().IsInt64() {
			return "", false, true
		}
		return r.Num().String(), true, true
	case 1:
		if raw[0] == '"' {
			return referenceNotFinite(raw)
		}
		var n json.Number
		if json.Unmarshal(raw, &n) != nil {
			return "", false, true
		}
		f, err := strconv.ParseFloat(string(n), 64)
		if err != nil || (f == 0 && strings.ContainsAny(strings.ToLower(string(n) + "e")[:strings.IndexByte(strings.ToLower(string(n))+"e", 'e')], "123456789")) {
			return "", false, true
		}
		return strconv.FormatFloat(f, 'g', -1, 64), true, true
	case 2:
		if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
			return "", false, true
		}
		if strings.ContainsRune(s, 0) {
			return "", false, true
		}
		return s, true, !strings.ContainsRune(s, utf8.RuneError)
	default:
		return string(raw), string(raw) == "true" || string(raw) == "false", true
	}
}

// referenceNotFinite reads the strings that are numbers.
func referenceNotFinite(raw json.RawMessage) (s string, good, known bool) {
	if json.Unmarshal(raw, &s) != nil {
		return "", false, true
	}
	switch s {
	case "NaN":
		return "NaN", true, true
	case "Infinity":
		return "+Inf", true, true
	case "-Infinity":
		return "-Inf", true, true
	}
	return "", false, true
}

// TestArrays: elements are read as a column of their type is; arrays of one dimension.
func TestArrays(t *testing.T) {
	numeric := types.Numeric.WithTypmod((5<<16 | 2) + 4)
	cases := []struct {
		elem  types.Type
		value string
		want  string // text, or ! and a SQLSTATE
	}{
		{types.Int4, `[1, -2 ,null,3e2 ]`, `{1,-2,NULL,300}`},
		{types.Int4, `[]`, `{}`},
		{types.Int4, ` [ ] `, `{}`},
		{types.Int4, `null`, `NULL`},
		{types.Int4, `[1,"2"]`, "!22P02"},
		{types.Int4, `[1,2.5]`, "!22P02"},
		{types.Int4, `[3000000000]`, "!22003"},
		{types.Int4, `[[1]]`, "!22P02"},
		{types.Int4, `{"a": 1}`, "!22P02"},
		{types.Int4, `1`, "!22P02"},
		{types.Int4, `[1,]`, "!22P02"},
		{types.Int4, `[1 2]`, "!22P02"},
		{types.Int4, `[1`, "!22P02"},
		{types.Int4, `"{{1,2},{3,4}}"`, "{{1,2},{3,4}}"},
		{types.Int4, `"{1,x}"`, "!22P02"},
		{types.Text, `["a","ä\n\"","\u0041",null,"NULL",""]`, "{a,\"ä\n\\\"\",A,NULL,\"NULL\",\"\"}"},
		{types.Text, `["\u0000"]`, "!22P05"},
		{types.Bool, `[true,false]`, `{t,f}`},
		{types.Float8, `[1.5,"NaN"]`, `{1.5,NaN}`},
		{numeric, `[1.5, 2]`, `{1.50,2.00}`},
		{numeric, `[12345]`, "!22003"},
		{types.Varchar.WithTypmod(4 + 2), `["ab","c"]`, `{ab,c}`},
		{types.Varchar.WithTypmod(4 + 2), `["abc"]`, "!22001"},
		{types.Timestamptz, `["2024-01-01T00:00:00Z"]`, `{"2024-01-01 00:00:00+00"}`},
		{types.UUID, `["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]`, `{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}`},
		{types.JSONB, `[{"a":[1]}, 2, null]`, `{"{\"a\": [1]}",2,NULL}`},
	}
	for _, c := range cases {
		cols := []connector.Column{{Name: "a", Type: c.elem.Array().WithTypmod(c.elem.Typmod())}, {Name: "b", Type: types.Int4}}
		d := newDecoder(t, cols, nil, Options{})
		for _, before := range []string{`{"a": [], "b": 1}`, `{"a": 7, "a": null}`, `{"a": [1, "x"]}`} {
			_ = d.Decode([]byte(before))
		}
		take(d, cols)
		err := d.Decode([]byte(`{"a":` + c.value + `,"b":2}`))
		got := "!" + sqlerr.Code(err)
		if err == nil {
			got = text(&take(d, cols)[0], 0)
		}
		if got != c.want {
			t.Errorf("%s %s: got %s, want %s: %v", c.elem, c.value, got, c.want, err)
		}
		unread := newDecoder(t, cols, []bool{false, true}, Options{})
		if again := unread.Decode([]byte(`{"a":` + c.value + `,"b":2}`)); sqlerr.Code(again) != sqlerr.Code(err) {
			t.Errorf("%s %s: %v where the column is not read", c.elem, c.value, again)
		}
	}
}

// FuzzArray: no value panics, and whether it is good does not depend on who reads it.
func FuzzArray(f *testing.F) {
	for _, s := range []string{`[1,null]`, `["a"]`, `[[1],{}]`, `"{1,2}"`, `[`, `[1,]`, `[]`, `"{{1},{2}}"`} {
		f.Add([]byte(s))
	}
	cols := []connector.Column{{Name: "i", Type: types.Int4Array}, {Name: "t", Type: types.TextArray}, {Name: "j", Type: types.JSONBArray}}
	f.Fuzz(func(t *testing.T, value []byte) {
		for i := range cols {
			record := fmt.Appendf(nil, `{%q: %s}`, cols[i].Name, value)
			read, unread := newDecoder(t, cols, nil, Options{}), newDecoder(t, cols, make([]bool, len(cols)), Options{})
			err, again := read.Decode(record), unread.Decode(record)
			if sqlerr.Code(err) != sqlerr.Code(again) {
				t.Fatalf("%s: %v where it is read, %v where not", record, err, again)
			}
			if err == nil {
				_ = text(&take(read, cols)[i], 0)
			}
		}
	})
}

// FuzzDecode compares with encoding/json: a record is good for one if and only
// if it is for the other, with the same values, whatever was read before.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"i":1,"f":2.5,"t":"x","b":true}`, `{"I":1e3, "x":{"t":[1,"\ud83c\udf88"]}, "t":"\u00e4"}`, `{"t":"ab\"","t":"c"}`, ` {"f":-0.0e-5}`, `{"f":"NaN"}`, `{"f":"-Infinity","t":"NaN"}`, `{}`, `{"i":5.0}{`} {
		f.Add([]byte(s), []byte(`{"t":"y","i":2}`))
		f.Add([]byte(s), []byte(`{"i": 2, "t": "y"}`))
	}
	cols := []connector.Column{{Name: "i", Type: types.Int8}, {Name: "f", Type: types.Float8}, {Name: "t", Type: types.Text}, {Name: "b", Type: types.Bool}}
	f.Fuzz(func(t *testing.T, record, before []byte) {
		if bytes.Count(record, []byte("["))+bytes.Count(record, []byte("{")) >= maxDepth {
			return
		}
		want, good, known := reference(record)
		if !known {
			return
		}
		d := newDecoder(t, cols, nil, Options{})
		_ = d.Decode(before)
		_ = d.Decode(record)
		take(d, cols)
		err := d.Decode(record)
		if (err == nil) != good {
			t.Fatalf("%q: error %v, encoding/json says good=%v", record, err, good)
		}
		if err != nil {
			return
		}
		vs := take(d, cols)
		var got []string
		for c := range vs {
			switch v := &vs[c]; {
			case v.IsNull(0):
				got = append(got, "NULL")
			case c == 0:
				got = append(got, strconv.FormatInt(v.Int[0], 10))
			case c == 1:
				got = append(got, strconv.FormatFloat(v.Flt[0], 'g', -1, 64))
			case c == 2:
				got = append(got, string(v.Bytes(0)))
			default:
				got = append(got, strconv.FormatBool(v.Bool[0]))
			}
		}
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Fatalf("%q: got %q, want %q", record, got, want)
		}
	})
}

// TestBlanksAfterColon: what was learned of a name must not refuse a record
// that has more or fewer blanks before the value.
func TestBlanksAfterColon(t *testing.T) {
	cols := []connector.Column{{Name: "id", Type: types.Int8}, {Name: "name", Type: types.Text}}
	records := []string{`{"id":1,"name":"a"}`, `{"id": 1,"name": "a"}`, "{\"id\":\t1,\"name\":\n\"a\"}", `{ "id" : 1 , "name" : "a" }`}
	for _, first := range records {
		for _, second := range records {
			d := newDecoder(t, cols, nil, Options{})
			for _, record := range []string{first, second, first, second} {
				if err := d.Decode([]byte(record)); err != nil {
					t.Errorf("%q after %q: %v", record, first, err)
				}
			}
		}
	}
}
