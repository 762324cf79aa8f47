package operator

import (
	"math/rand/v2"
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
)

// The naive query of Checksum puts nothing out; what it stores is compared in
// TestChecksumState.
func TestChecksumLaw(t *testing.T) {
	ts := []types.Type{types.Int8, types.Text, types.Numeric, types.Float8, types.Bool, types.Interval}
	l := &law{
		name: "checksum", inputs: [][]types.Type{ts}, seeds: 60,
		make:  func() (Operator, error) { return NewChecksum(&ChecksumSpec{Input: ts, Arr: 1}) },
		naive: func([]relation) (relation, relation) { return relation{}, relation{} },
	}
	l.run(t, nil)
}

// TestChecksumState: after random epochs with retractions the stored numbers are
// those of the rows that are left, each hashed alone.
func TestChecksumState(t *testing.T) {
	ts := []types.Type{types.Int8, types.Text, types.Date, types.Bytea}
	spec := &ChecksumSpec{Input: ts, Arr: 1}
	l := &law{inputs: [][]types.Type{ts}}
	for seed := range 60 {
		r := rand.New(rand.NewPCG(uint64(seed), 3))
		op, _ := NewChecksum(spec)
		st := NewMemState()
		total := relation{}
		for n, es := range l.script(r) {
			var out Output
			if err := op.Apply(l.cut(r, es), st, uint64(n+1), &out); err != nil {
				t.Fatal(err)
			}
			st.Commit()
			for _, e := range es {
				total.add(zset.AppendRowDatums(nil, ts, e.row), e.weight)
			}
			var rows int64
			var sum uint64
			for row, w := range total {
				alone, _ := NewChecksum(spec)
				b := zset.NewBatch(ts, 1)
				b.AppendDatums(datums(ts, row), 1)
				_, h := alone.batch(b)
				rows, sum = rows+w, sum+uint64(w)*h
			}
			if gotRows, gotSum := storedChecksum(t, st); gotRows != rows || gotSum != sum {
				t.Fatalf("seed %d epoch %d: %d rows, checksum %d, want %d, %d", seed, n, gotRows, gotSum, rows, sum)
			}
		}
	}
}

func storedChecksum(t *testing.T, st State) (rows int64, sum uint64) {
	t.Helper()
	err := st.Scan(1, nil, nil, func(_, val []byte) bool {
		var err error
		if rows, sum, err = DecodeChecksum(val); err != nil {
			t.Fatal(err)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows, sum
}

// TestChecksumPostgreSQL holds the answers of PostgreSQL 15 for
// hash_record_extended over rows of all types, those that have no hash of their
// own cast to text, and for the sum of them.
func TestChecksumPostgreSQL(t *testing.T) {
	ts := []types.Type{types.Bool, types.Int2, types.Int4, types.Int8, types.Float4, types.Float8, types.Text, types.BPChar,
		types.Bytea, types.Date, types.Time, types.Timestamp, types.Timestamptz, types.UUID, types.Numeric, types.Interval,
		types.JSONB, types.Int4Array}
	const null = "\x00"
	tests := []struct {
		row  []string
		hash int64
	}{
		{[]string{"true", "1", "2", "3", "1.5", "2.25", "hello", "ab   ", `\x0102ff`, "2026-01-02", "12:34:56.789", "2026-01-02 03:04:05.678",
			"2026-01-02 03:04:05+00", "00112233-4455-6677-8899-aabbccddeeff", "1.50", "1 mon 2 days 03:04:05", `{"a": [1, null]}`, "{1,2,NULL}"}, -8438282043101916666},
		{[]string{"false", "-1", "-2147483648", "-9223372036854775808", "-0", "NaN", "", "     ", "", "1999-12-31", "00:00", "1970-01-01",
			"infinity", "ffffffff-ffff-ffff-ffff-ffffffffffff", "-12345678901234567890.001", "-1 day", "[]", "{}"}, 1999657485961502641},
		{[]string{null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null}, 0},
		{[]string{null, "0", "0", "4294967296", "Infinity", "1e300", "twelve bytes", "a b  ", `\x00`, "4000-01-01", "24:00", "-infinity",
			"0044-01-01 BC", null, "NaN", null, `"x"`, "{{1,2},{3,4}}"}, -1875192805102417441},
		{[]string{"true", "32767", "2147483647", "9223372036854775807", "3.4e38", "-1e-300", "ä long text of more than twenty-four bytes, to be sure",
			"ä    ", `\xdeadbeef`, "infinity", "23:59:59.999999", "2000-01-01", "2000-01-01", null, "0.000", "1 year", "{}", null}, -6484874354174884583},
	}
	c, err := NewChecksum(&ChecksumSpec{Input: ts, Arr: 1})
	if err != nil {
		t.Fatal(err)
	}
	all := zset.NewBatch(ts, len(tests))
	for _, test := range tests {
		row := make([]types.Datum, len(ts))
		for i, text := range test.row {
			row[i] = types.NullDatum()
			if text == null {
				continue
			}
			if row[i], err = types.ParseText(ts[i], []byte(text), nil); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
		b := zset.NewBatch(ts, 1)
		b.AppendDatums(row, 1)
		if _, h := c.batch(b); h != uint64(test.hash) {
			t.Errorf("%q: %d, want %d", test.row, int64(h), test.hash)
		}
		all.AppendDatums(row, 1)
	}
	if rows, sum := c.batch(all); rows != 5 || sum != 3648052357291835567 {
		t.Errorf("%d rows, checksum %d", rows, sum)
	}
	// SELECT generate_series(1, 1000), 'x'::text
	b := zset.NewBatch([]types.Type{types.Int4, types.Text}, 1000)
	for i := range int64(1000) {
		b.AppendDatums([]types.Datum{{Int: i + 1}, {Bytes: []byte("x")}}, 1)
	}
	if rows, sum := c.batch(b); rows != 1000 || sum != 7161260303370430452 {
		t.Errorf("%d rows, checksum %d", rows, sum)
	}
}

// TestChecksumBroken: more retractions than rows, and a damaged image.
func TestChecksumBroken(t *testing.T) {
	ts := []types.Type{types.Int8}
	op, _ := NewChecksum(&ChecksumSpec{Input: ts, Arr: 1})
	b := zset.NewBatch(ts, 1)
	b.AppendDatums([]types.Datum{{Int: 1}}, -1)
	if err := op.Apply([]Delta{{b}}, NewMemState(), 1, &Output{}); err == nil {
		t.Error("a negative count was stored")
	}
	for _, image := range []string{"", "\x01", "\x01123456789", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x0112345678"} {
		if _, _, err := DecodeChecksum([]byte(image)); err == nil {
			t.Errorf("%q was accepted", image)
		}
	}
}

// BenchmarkChecksum folds rows of the shape of Nexmark's bids.
func BenchmarkChecksum(b *testing.B) {
	ts := []types.Type{types.Int8, types.Int8, types.Int8, types.Text, types.Text, types.Timestamp, types.Text}
	batch := zset.NewBatch(ts, 2048)
	r := rand.New(rand.NewPCG(1, 1))
	url := []byte("https://www.nexmark.com/ivcd/jxxc/cqmt/item.htm?query=1&channel_id=1234567890")
	for range 2048 {
		extra := make([]byte, 40+r.IntN(50))
		batch.AppendDatums([]types.Datum{{Int: r.Int64N(1e6)}, {Int: r.Int64N(1e6)}, {Int: r.Int64N(1e8)}, {Bytes: []byte("channel-1234")},
			{Bytes: url[:50+r.IntN(25)]}, {Int: r.Int64()}, {Bytes: extra}}, 1)
	}
	batch.Weight = nil
	op, _ := NewChecksum(&ChecksumSpec{Input: ts, Arr: 1})
	st := NewMemState()
	in := []Delta{{batch}}
	b.ReportAllocs()
	for b.Loop() {
		if err := op.Apply(in, st, 1, &Output{}); err != nil {
			b.Fatal(err)
		}
		st.Commit()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2048, "ns/row")
}
