package kafka

import (
	"strings"
	"testing"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

func upsertColumns() []connector.Column {
	return []connector.Column{
		{Name: "name", Type: types.Text, NotNull: true},
		{Name: "id", Type: types.Int8, Meta: connector.FromKeyField},
		{Name: "at", Type: types.Timestamp},
		{Name: "offset", Type: types.Int8, Meta: connector.FromOffset},
		{Name: "raw", Type: types.Text, Meta: connector.FromPayload},
	}
}

func upsertOptions(t testing.TB) *Options {
	t.Helper()
	o, err := ParseOptions([]connector.Option{
		{Name: "brokers", Value: "b"}, {Name: "topic", Value: "t"}, {Name: "envelope", Value: "upsert"}, {Name: "timestamp_unit", Value: "ms"},
	}, upsertColumns())
	if err != nil {
		t.Fatal(err)
	}
	return &o
}

// TestUpsertRows decodes records of all kinds; each is one row, in order.
func TestUpsertRows(t *testing.T) {
	r, err := newRows(upsertOptions(t), nil, 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	records := []struct{ key, value, want string }{
		{`{"id": 1}`, `{"name": "a", "id": 99, "at": 1000}`, `0 3 a|1|1970-01-01 00:00:01|0|{"name": "a", "id": 99, "at": 1000}`},
		{`2`, `{"name": "b"}`, `0 3 b|2|NULL|1|{"name": "b"}`},
		{`1`, ``, `1 3 NULL|1|NULL|2|NULL`},
		{`1`, `{"name": 5}`, `2 3 NULL|1|NULL|3|{"name": 5} 22P02`},
		{`1`, `{"at": 5}`, `2 3 NULL|1|NULL|4|{"at": 5} 23502`},
		{`1`, `{`, `2 3 NULL|1|NULL|5|{ 22P02`},
		{`x`, `{"name": "b"}`, `3 3 NULL|NULL|NULL|6|{"name": "b"} 22P02`},
		{`{"id": null}`, ``, `3 3 NULL|NULL|NULL|7|NULL 23502`},
		{``, `{"name": "b"}`, `3 3 NULL|NULL|NULL|8|{"name": "b"} 23502`},
		{`3`, `{"name": "c"}`, `0 3 c|3|NULL|9|{"name": "c"}`},
	}
	for i, rec := range records {
		in := record{offset: int64(i), time: 1700000000000, key: bytesOrNil(rec.key), value: bytesOrNil(rec.value)}
		r.add(&in)
	}
	b := r.take(int64(len(records)))
	if b.Rows.N != len(records) || b.Errors != nil {
		t.Fatalf("%d rows, errors %v", b.Rows.N, b.Errors)
	}
	n := len(b.Rows.Cols) - len(operator.ChangeTypes())
	for i, rec := range records {
		var cols []string
		for c := range n {
			v := &b.Rows.Cols[c]
			if v.IsNull(i) {
				cols = append(cols, "NULL")
			} else {
				cols = append(cols, string(types.AppendText(nil, v.Type, v.Datum(i), nil)))
			}
		}
		kind := types.AppendText(nil, types.Int4, b.Rows.Cols[n].Datum(i), nil)
		part := types.AppendText(nil, types.Int4, b.Rows.Cols[n+1].Datum(i), nil)
		got := string(kind) + " " + string(part) + " " + strings.Join(cols, "|")
		if err := changeError(b.Rows, i); err != nil {
			got += " " + sqlerr.From(err).Code
		}
		if got != rec.want {
			t.Errorf("record %d: %s\nwant %s", i, got, rec.want)
		}
	}
	if again := r.take(10); again.Rows.N != 0 || again.Rows.Cols[n].Len() != 0 {
		t.Errorf("rows are left: %d", again.Rows.N)
	}
}

func bytesOrNil(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

// TestUpsertOptions: the envelope belongs to the kind of relation.
func TestUpsertOptions(t *testing.T) {
	event := []connector.Column{{Name: "name", Type: types.Text}}
	for _, c := range []struct {
		columns        []connector.Column
		envelope, want string
	}{
		{upsertColumns(), "upsert", ""},
		{upsertColumns(), "UPSERT", ""},
		{upsertColumns(), "", `22023 option "envelope" is required by connector "kafka"`},
		{upsertColumns(), "none", `22023 envelope "none" cannot be used here`},
		{upsertColumns(), "debezium", `0A000 envelope "debezium" is not supported yet`},
		{event, "upsert", `22023 envelope "upsert" cannot be used here`},
		{event, "none", ""},
		{event, "", ""},
		{[]connector.Column{{Name: "id", Type: types.Regclass, Meta: connector.FromKeyField}}, "upsert", `0A000 column "id": type regclass cannot be read from JSON`},
	} {
		list := []connector.Option{{Name: "brokers", Value: "b"}, {Name: "topic", Value: "t"}}
		if c.envelope != "" {
			list = append(list, connector.Option{Name: "envelope", Value: c.envelope})
		}
		got := ""
		if o, err := ParseOptions(list, c.columns); err != nil {
			e := sqlerr.From(err)
			got = e.Code + " " + e.Message
		} else if c.columns[0].Name == "name" && len(c.columns) > 1 && o.Envelope != envelopeUpsert {
			t.Errorf("envelope %q", o.Envelope)
		}
		if got != c.want {
			t.Errorf("%q: %s, want %s", c.envelope, got, c.want)
		}
	}
}

// FuzzUpsertRecord: every record is one row whose columns are all filled.
func FuzzUpsertRecord(f *testing.F) {
	f.Add([]byte(`{"id":1}`), []byte(`{"name":"a"}`))
	f.Add([]byte(`1`), []byte(``))
	f.Add([]byte(`x`), []byte(`{`))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		r, err := newRows(upsertOptions(t), nil, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		good := record{offset: 0, key: []byte("7"), value: []byte(`{"name": "good"}`)}
		r.add(&good)
		r.add(&record{offset: 1, key: key, value: value})
		r.add(&good)
		b := r.take(3)
		if b.Rows.N != 3 {
			t.Fatalf("%d rows", b.Rows.N)
		}
		for c := range b.Rows.Cols {
			if n := b.Rows.Cols[c].Len(); n != 3 {
				t.Fatalf("column %d has %d values", c, n)
			}
		}
		n := len(b.Rows.Cols) - len(operator.ChangeTypes())
		kind := b.Rows.Cols[n].Int[1]
		if bad := changeError(b.Rows, 1) != nil; bad != (kind == operator.ChangeBadKey || kind == operator.ChangeBadValue) {
			t.Fatalf("kind %d, error %v", kind, bad)
		}
		if kind != operator.ChangeBadKey && b.Rows.Cols[1].IsNull(1) || string(b.Rows.Cols[0].Bytes(2)) != "good" {
			t.Fatalf("kind %d, id %v, names %q %q, %v", kind, b.Rows.Cols[1].Datum(1), b.Rows.Cols[0].Bytes(1), b.Rows.Cols[0].Bytes(2), changeError(b.Rows, 2))
		}
	})
}
