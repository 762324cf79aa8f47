package json

import (
	"bytes"
	"testing"
	"unicode/utf8"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// TestDecodeBare reads keys of one column that must have a value.
func TestDecodeBare(t *testing.T) {
	for _, c := range []struct {
		typ, key, want string // want: text, or ! and a SQLSTATE
	}{
		{"bigint", `1`, "1"},
		{"bigint", ` 1 `, "1"},
		{"bigint", `{"id": 1}`, "1"},
		{"bigint", ` {"ID": 1, "other": [2]}`, "1"},
		{"bigint", `1 2`, "!22P02"},
		{"bigint", `1,"x":2`, "!22P02"},
		{"bigint", `"1"`, "!22P02"},
		{"bigint", ``, "!22P02"},
		{"bigint", ` `, "!22P02"},
		{"bigint", `null`, "!23502"},
		{"bigint", `{"id": null}`, "!23502"},
		{"bigint", `{}`, "!23502"},
		{"bigint", `abc`, "!22P02"},
		{"bigint", `9223372036854775808`, "!22003"},
		{"text", `abc`, "abc"},
		{"text", `a "b\`, `a "b\`},
		{"text", ``, ""},
		{"text", `1`, "1"},
		{"text", `null`, "null"},
		{"text", `"a\u00e4"`, "aä"},
		{"text", `"a`, "!22P02"},
		{"text", `"a" b`, "!22P02"},
		{"text", `{"id": "x"}`, "x"},
		{"text", `{x`, "!22P02"},
		{"text", "a\xff", "!22021"},
		{"text", "a\x00", "!22P05"},
		{"varchar", `äö`, "äö"},
		{"uuid", `550e8400-e29b-41d4-a716-446655440000`, "550e8400-e29b-41d4-a716-446655440000"},
		{"uuid", `"550e8400-e29b-41d4-a716-446655440000"`, "550e8400-e29b-41d4-a716-446655440000"},
		{"uuid", `550e8400`, "!22P02"},
		{"date", `2026-01-02`, "2026-01-02"},
		{"date", `"2026-01-02"`, "2026-01-02"},
		{"timestamp", `2026-01-02 03:04:05`, "2026-01-02 03:04:05"},
		{"boolean", `true`, "t"},
		{"boolean", `t`, "!22P02"},
		{"numeric", `1.50`, "1.50"},
		{"numeric", `"NaN"`, "NaN"},
		{"numeric", `{"id": "Infinity"}`, "Infinity"},
		{"numeric", `NaN`, "!22P02"},
		{"double precision", ` "-Infinity"`, "-Infinity"},
		{"double precision", `-Infinity`, "!22P02"},
	} {
		cols := []connector.Column{{Name: "id", Type: mustType(t, c.typ), NotNull: true}}
		d := newDecoder(t, cols, nil, Options{})
		_ = d.DecodeBare([]byte(`{"id"`)) // a failure before it leaves nothing behind
		if err := d.DecodeBare([]byte(c.key)); err != nil {
			if got := "!" + sqlerr.From(err).Code; got != c.want {
				t.Errorf("%s %q: %v, want %s", c.typ, c.key, err, c.want)
			}
			if d.Rows() != 0 {
				t.Errorf("%s %q: a row was left", c.typ, c.key)
			}
			continue
		}
		vs := take(d, cols)
		if got := text(&vs[0], 0); got != c.want || vs[0].Len() != 1 {
			t.Errorf("%s %q: %s, want %s", c.typ, c.key, got, c.want)
		}
	}
}

// TestDecodeBareNeedsOneColumn: with two only an object says which is which.
func TestDecodeBareNeedsOneColumn(t *testing.T) {
	cols := []connector.Column{{Name: "a", Type: types.Int8, NotNull: true}, {Name: "b", Type: types.Text, NotNull: true}}
	d := newDecoder(t, cols, nil, Options{})
	for key, want := range map[string]string{`1`: "22P02", `abc`: "22P02", `{"a": 1}`: "23502", `{"a": 1, "b": "x"}`: ""} {
		code := ""
		if err := d.DecodeBare([]byte(key)); err != nil {
			code = sqlerr.From(err).Code
		}
		if code != want {
			t.Errorf("%s: %q, want %q", key, code, want)
		}
	}
}

// TestNotNull: columns that must have a value are checked also where nobody
// reads them, and rows of NULLs pass.
func TestNotNull(t *testing.T) {
	cols := []connector.Column{{Name: "a", Type: types.Int8}, {Name: "b", Type: types.Text, NotNull: true}}
	d := newDecoder(t, cols, []bool{true, false}, Options{})
	for record, want := range map[string]string{
		`{"a": 1}`: "23502", `{"a": 1, "b": null}`: "23502", `{"b": "x", "b": null}`: "23502", `{"b": null, "b": "x"}`: "", `{"a": "x"}`: "22P02",
	} {
		code := ""
		if err := d.Decode([]byte(record)); err != nil {
			code = sqlerr.From(err).Code
		}
		if code != want {
			t.Errorf("%s: %q, want %q", record, code, want)
		}
	}
	d.AppendNulls()
	vs := take(d, cols)
	if vs[0].Len() != 2 || vs[1].Len() != 2 || !vs[1].IsNull(1) {
		t.Errorf("rows %v", vs)
	}
}

// FuzzDecodeBare: whatever the key, there is one row or an error and none, and
// plain text comes back as it was.
func FuzzDecodeBare(f *testing.F) {
	for _, s := range []string{"1", "abc", `"a"`, `{"id":1}`, `{"id":"x"}`, "null", "", " ", "2026-01-02", `1,"x":2`, `"NaN"`, "-Infinity", "a\xff", `"\ud800"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		for _, typ := range []types.Type{types.Text, types.Int8, types.UUID, types.Timestamp, types.Numeric, types.Float8, types.JSONB} {
			cols := []connector.Column{{Name: "id", Type: typ, NotNull: true}}
			d := newDecoder(t, cols, nil, Options{})
			err := d.DecodeBare(key)
			if (err == nil) != (d.Rows() == 1) {
				t.Fatalf("%s %q: %d rows, error %v", typ, key, d.Rows(), err)
			}
			vs := take(d, cols)
			if err != nil {
				continue
			}
			if vs[0].Len() != 1 || vs[0].IsNull(0) {
				t.Fatalf("%s %q: %d values", typ, key, vs[0].Len())
			}
			trimmed := bytes.TrimLeft(key, " \t\r\n")
			plain := len(trimmed) == 0 || trimmed[0] != '"' && trimmed[0] != '{'
			if typ == types.Text && plain && !bytes.Equal(vs[0].Bytes(0), key) {
				t.Fatalf("%q became %q", key, vs[0].Bytes(0))
			}
			if typ == types.Text && !utf8.Valid(vs[0].Bytes(0)) {
				t.Fatalf("%q became %q", key, vs[0].Bytes(0))
			}
		}
	})
}
