package json

import (
	stdjson "encoding/json"
	"testing"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
)

// encodings are values of all types, by PostgreSQL's text, and their JSON.
func encodings() []struct {
	typ        types.Type
	text, json string
} {
	return []struct {
		typ        types.Type
		text, json string
	}{
		{types.Bool, "t", "true"},
		{types.Bool, "f", "false"},
		{types.Int2, "-32768", "-32768"},
		{types.Int4, "2147483647", "2147483647"},
		{types.Int8, "-9223372036854775808", "-9223372036854775808"},
		{types.Numeric, "1.50", "1.50"},
		{types.Numeric, "-12345678901234567890123456789.000", "-12345678901234567890123456789.000"},
		{types.Numeric, "NaN", `"NaN"`},
		{types.Numeric, "-Infinity", `"-Infinity"`},
		{types.Float8, "0.1", "0.1"},
		{types.Float8, "1e300", "1e+300"},
		{types.Float8, "-0", "-0"},
		{types.Float4, "3.4e38", "3.4e+38"},
		{types.Float8, "NaN", `"NaN"`},
		{types.Float8, "-Infinity", `"-Infinity"`},
		{types.Text, "", `""`},
		{types.Text, "a \"quoted\" \\ line\nand\ttab ä €", `"a \"quoted\" \\ line\nand\ttab ä €"`},
		{types.Varchar, "\x01", `"\u0001"`},
		{types.Bytea, `\x00ff`, `"\\x00ff"`},
		{types.Date, "2026-01-02", `"2026-01-02"`},
		{types.Date, "infinity", `"infinity"`},
		{types.Time, "12:34:56.789", `"12:34:56.789"`},
		{types.Timestamp, "2026-01-02 03:04:05.678", `"2026-01-02T03:04:05.678"`},
		{types.Timestamp, "-infinity", `"-infinity"`},
		{types.Timestamptz, "2026-01-02 03:04:05+02", `"2026-01-02T01:04:05+00:00"`},
		{types.Timestamptz, "0044-03-15 12:00:00+00 BC", `"0044-03-15T12:00:00+00:00 BC"`},
		{types.Interval, "1 mon 2 days 03:04:05", `"1 mon 2 days 03:04:05"`},
		{types.UUID, "00112233-4455-6677-8899-aabbccddeeff", `"00112233-4455-6677-8899-aabbccddeeff"`},
		{types.JSON, `{"b": 1,"a":[ ]}`, `{"b": 1,"a":[ ]}`},
		{types.JSONB, `{"b": 1, "a": [1.0, null]}`, `{"a": [1.0, null], "b": 1}`},
		{types.Int4Array, "{1,NULL,3}", "[1,null,3]"},
		{types.TextArray, `{"a b","\"",NULL}`, `["a b","\"",null]`},
		{types.Int4Array, "{}", "[]"},
		{types.Int4Array, "{{1,2},{3,4}}", `"{{1,2},{3,4}}"`},
	}
}

func TestEncode(t *testing.T) {
	for _, test := range encodings() {
		b, columns := oneValue(t, test.typ, test.text)
		got, err := NewEncoder(columns, nil).Append(nil, b.Cols, 0)
		if want := `{"c":` + test.json + `}`; err != nil || string(got) != want {
			t.Errorf("%s %s: %s, want %s (%v)", test.typ, test.text, got, want, err)
		}
		if !stdjson.Valid(got) {
			t.Errorf("%s is no JSON", got)
		}
	}
}

func oneValue(t *testing.T, typ types.Type, text string) (*zset.Batch, []connector.Column) {
	t.Helper()
	d, err := types.ParseText(typ, []byte(text), nil)
	if err != nil {
		t.Fatalf("%s %s: %v", typ, text, err)
	}
	b := zset.NewBatch([]types.Type{typ}, 1)
	b.AppendDatums([]types.Datum{d}, 1)
	return b, []connector.Column{{Name: "c", Type: typ}}
}

// TestEncodeDecode: a stream over the sink's topic has the same values.
func TestEncodeDecode(t *testing.T) {
	for _, test := range encodings() {
		if _, ok := opOf(test.typ); !ok {
			continue // a stream cannot have columns of this type
		}
		b, columns := oneValue(t, test.typ, test.text)
		record, err := NewEncoder(columns, nil).Append(nil, b.Cols, 0)
		if err != nil {
			t.Fatal(err)
		}
		d := newDecoder(t, columns, nil, Options{})
		if err := d.Decode(record); err != nil {
			t.Errorf("%s: %v", record, err)
			continue
		}
		back := take(d, columns)
		want, got := zset.AppendRow(nil, b.Cols, 0), zset.AppendRow(nil, back, 0)
		if string(got) != string(want) {
			t.Errorf("%s comes back as %x, was %x", record, got, want)
		}
	}
}

// TestEncodeColumns: NULLs, the order and choice of columns, names that need
// escapes.
func TestEncodeColumns(t *testing.T) {
	columns := []connector.Column{{Name: "id", Type: types.Int8}, {Name: `a "b"`, Type: types.Text}, {Name: "ä", Type: types.Bool}}
	b := zset.NewBatch([]types.Type{types.Int8, types.Text, types.Bool}, 2)
	b.AppendDatums([]types.Datum{{Int: 1}, {Bytes: []byte("x")}, {Bool: true}}, 1)
	b.AppendDatums([]types.Datum{{Int: 2}, types.NullDatum(), types.NullDatum()}, 1)
	for _, test := range []struct {
		which []int
		row   int
		want  string
	}{
		{nil, 0, `{"id":1,"a \"b\"":"x","ä":true}`},
		{nil, 1, `{"id":2,"a \"b\"":null,"ä":null}`},
		{[]int{2, 0}, 0, `{"ä":true,"id":1}`},
		{[]int{}, 0, `{}`},
	} {
		got, err := NewEncoder(columns, test.which).Append([]byte("> "), b.Cols, test.row)
		if err != nil || string(got) != "> "+test.want {
			t.Errorf("%v row %d: %s, want %s (%v)", test.which, test.row, got, test.want, err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	columns := []connector.Column{{Name: "auction", Type: types.Int8}, {Name: "n", Type: types.Int8}, {Name: "sum", Type: types.Numeric},
		{Name: "channel", Type: types.Text}, {Name: "at", Type: types.Timestamp}}
	ts := []types.Type{types.Int8, types.Int8, types.Numeric, types.Text, types.Timestamp}
	sum, _ := types.ParseDecimal([]byte("123456789.25"))
	batch := zset.NewBatch(ts, 1)
	batch.AppendDatums([]types.Datum{{Int: 1234567}, {Int: 42}, {Dec: sum}, {Bytes: []byte("channel-1234")}, {Int: 820_000_000_123_456}}, 1)
	e := NewEncoder(columns, nil)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = e.Append(dst[:0], batch.Cols, 0); err != nil {
			b.Fatal(err)
		}
	}
}
