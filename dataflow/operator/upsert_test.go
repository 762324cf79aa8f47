package operator

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

func upsertSpec() *UpsertSpec {
	return &UpsertSpec{Columns: []types.Type{types.Text, types.Int8, types.Numeric}, Key: []int{1, 0}, Arr: 1, Counts: 2}
}

// change is one record of an upsert table.
type change struct {
	kind, partition int64
	row             []types.Datum
	err             []byte
}

func (c *change) appendTo(b *zset.Batch) {
	bad := types.NullDatum()
	if c.err != nil {
		bad = types.Datum{Bytes: c.err}
	}
	b.AppendDatums(append(slices.Clone(c.row), types.Datum{Int: c.kind}, types.Datum{Int: c.partition}, bad), 1)
}

// badRow is the error row of a record.
func badRow(partition, offset int64, message string) []byte {
	return zset.AppendRowDatums(nil, ErrorSchema(), []types.Datum{{Int: partition}, {Int: offset}, {Int: 7}, types.NullDatum(),
		{Bytes: []byte("value")}, {Bytes: []byte("22P02")}, {Bytes: []byte(message)}})
}

// randomChanges makes records in order; a key mostly stays in its partition.
func randomChanges(r *rand.Rand, n int) []change {
	spec := upsertSpec()
	out := make([]change, n)
	for i := range out {
		c := &out[i]
		c.row = randomRow(r, spec.Columns)
		for _, k := range spec.Key {
			for c.row[k].Null {
				c.row[k] = randomDatum(r, spec.Columns[k])
			}
		}
		c.partition = c.row[1].Int & 3
		if r.IntN(20) == 0 {
			c.partition = r.Int64N(4)
		}
		switch c.kind = []int64{ChangePut, ChangePut, ChangePut, ChangeDelete, ChangeBadValue, ChangeBadKey}[r.IntN(6)]; c.kind {
		case ChangeBadValue:
			c.err = badRow(c.partition, int64(i), "bad value")
		case ChangeBadKey:
			c.err = badRow(c.partition, int64(i), "bad key")
			for k := range c.row {
				c.row[k] = types.NullDatum()
			}
		}
	}
	return out
}

// upsertModel is the naive table.
type upsertModel struct {
	rows, errs map[string][]byte
	partition  map[string]int64
	bad        [][]byte // error rows of keys
	counts     UpsertCounts
}

func (m *upsertModel) apply(c *change) {
	if c.kind == ChangeBadKey {
		m.bad = append(m.bad, c.err)
		return
	}
	spec := upsertSpec()
	var key []byte
	for _, k := range spec.Key {
		key = zset.AppendKeyDatum(key, spec.Columns[k], c.row[k])
	}
	k := string(key)
	known := m.rows[k] != nil || m.errs[k] != nil
	if known && m.partition[k] != c.partition {
		m.counts.Moved++
	}
	m.partition[k] = c.partition
	switch c.kind {
	case ChangePut:
		m.rows[k] = zset.AppendRowDatums(nil, spec.Columns, c.row)
		delete(m.errs, k)
	case ChangeBadValue:
		m.errs[k] = c.err
	case ChangeDelete:
		if !known {
			m.counts.UnknownTombstones++
		}
		delete(m.rows, k)
		delete(m.errs, k)
	}
}

func (m *upsertModel) relations() (rows, errs relation) {
	rows, errs = relation{}, relation{}
	for _, row := range m.rows {
		rows.add(row, 1)
	}
	for _, row := range m.errs {
		errs.add(row, 1)
	}
	for _, row := range m.bad {
		errs.add(row, 1)
	}
	return rows, errs
}

// cutChanges makes a delta of an epoch's records.
func cutChanges(r *rand.Rand, cs []change) Delta {
	var in Delta
	var b *zset.Batch
	for i := range cs {
		if b == nil || r.IntN(5) == 0 {
			b = zset.NewBatch(upsertSpec().Input(), 0)
			in = append(in, b)
		}
		cs[i].appendTo(b)
	}
	for i := range in {
		if r.IntN(3) == 0 {
			in[i].Sel = []int32{}
			for k := range in[i].N {
				in[i].Sel = append(in[i].Sel, int32(k))
			}
		}
	}
	return in
}

// TestUpsertLaw plays records in epochs cut at random: after each the sum of the
// outputs is the table and the errors that the records make, the stored images
// show the same rows, and the state does not depend on the cuts. Epochs are
// computed twice and operators made anew on the way.
func TestUpsertLaw(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 9))
		all := randomChanges(r, r.IntN(200))
		var states []string
		for range 3 {
			states = append(states, playChanges(t, seed, r, all))
		}
		if states[0] != states[1] || states[0] != states[2] {
			t.Fatalf("seed %d: the state depends on the cuts:\n%s", seed, strings.Join(states, "---\n"))
		}
	}
}

func playChanges(t *testing.T, seed uint64, r *rand.Rand, all []change) string {
	t.Helper()
	spec := upsertSpec()
	st := NewMemState()
	m := upsertModel{rows: map[string][]byte{}, errs: map[string][]byte{}, partition: map[string]int64{}}
	rows, errs := relation{}, relation{}
	var op *Upsert
	for epoch := uint64(1); len(all) > 0; epoch++ {
		n := 1 + r.IntN(len(all))
		if r.IntN(2) == 0 {
			n = min(n, 3)
		}
		if op == nil || r.IntN(4) == 0 { // a restart
			var err error
			if op, err = NewUpsert(spec); err != nil {
				t.Fatal(err)
			}
		}
		if r.IntN(4) == 0 { // computed, but not committed
			if err := op.Apply([]Delta{cutChanges(r, all[:n])}, st, epoch, &Output{}); err != nil {
				t.Fatal(err)
			}
			st.Rollback()
		}
		var out Output
		if err := op.Apply([]Delta{cutChanges(r, all[:n])}, st, epoch, &out); err != nil {
			t.Fatalf("seed %d epoch %d: %v", seed, epoch, err)
		}
		st.Commit()
		for i := range all[:n] {
			m.apply(&all[i])
		}
		all = all[n:]
		rows.addDelta(out.Rows)
		errs.addDelta(out.Errors)
		checkUpsert(t, fmt.Sprintf("seed %d epoch %d", seed, epoch), &m, rows, errs, st)
	}
	return dump(st)
}

func checkUpsert(t *testing.T, at string, m *upsertModel, rows, errs relation, st *MemState) {
	t.Helper()
	spec := upsertSpec()
	wantRows, wantErrs := m.relations()
	if got, want := rows.text(spec.Columns), wantRows.text(spec.Columns); got != want {
		t.Fatalf("%s: rows\n%swant\n%s", at, got, want)
	}
	if got, want := errs.text(ErrorSchema()), wantErrs.text(ErrorSchema()); got != want {
		t.Fatalf("%s: errors\n%swant\n%s", at, got, want)
	}
	stored := relation{}
	_ = st.Scan(spec.Arr, nil, nil, func(_, val []byte) bool {
		row, ok, err := DecodeGroupImage(val)
		if err != nil {
			t.Fatalf("%s: %v", at, err)
		}
		if ok {
			stored.add(row, 1)
		}
		return true
	})
	if got, want := stored.text(spec.Columns), wantRows.text(spec.Columns); got != want {
		t.Fatalf("%s: stored rows\n%swant\n%s", at, got, want)
	}
	var counts UpsertCounts
	if image, ok, _ := st.Get(spec.Counts, UpsertCountsKey(), nil); ok {
		var err error
		if counts, err = DecodeUpsertCounts(image); err != nil {
			t.Fatal(err)
		}
	}
	if counts != m.counts {
		t.Fatalf("%s: counts %+v, want %+v", at, counts, m.counts)
	}
}

// TestUpsertCollapse looks at single epochs: what a key goes through within one
// leaves its last state only.
func TestUpsertCollapse(t *testing.T) {
	row := func(name string, v int64) []types.Datum {
		return []types.Datum{{Bytes: []byte(name)}, {Int: 1}, {Dec: types.DecimalFromInt64(v)}}
	}
	put := func(v int64) change { return change{kind: ChangePut, row: row("a", v)} }
	gone := change{kind: ChangeDelete, row: row("a", 0)}
	bad := func(n int64) change { return change{kind: ChangeBadValue, row: row("a", 0), err: badRow(0, n, "bad")} }
	for _, c := range []struct {
		name         string
		before, then []change
		rows, errs   int // in the output, with their signs counted
		state        int
	}{
		{"insert", nil, []change{put(1)}, 1, 0, 1},
		{"last of three", nil, []change{put(1), put(2), put(3)}, 1, 0, 1},
		{"comes and goes", nil, []change{put(1), gone}, 0, 0, 0},
		{"the same again", []change{put(1)}, []change{put(2), put(1)}, 0, 0, 1},
		{"update", []change{put(1)}, []change{put(2)}, 2, 0, 1},
		{"gone and back", []change{put(1)}, []change{gone, put(2)}, 2, 0, 1},
		{"bad value keeps the row", []change{put(1)}, []change{bad(1)}, 0, 1, 1},
		{"good value takes the error", []change{put(1), bad(1)}, []change{put(2)}, 2, 1, 1},
		{"next bad value replaces the error", []change{bad(1)}, []change{bad(2)}, 0, 2, 1},
		{"tombstone takes row and error", []change{put(1), bad(1)}, []change{gone}, 1, 1, 0},
		{"bad and good within an epoch", []change{put(1)}, []change{bad(1), put(1)}, 0, 0, 1},
		{"tombstone of an error alone", []change{bad(1)}, []change{gone}, 0, 1, 0},
		{"unknown tombstone", nil, []change{gone}, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			op, err := NewUpsert(upsertSpec())
			if err != nil {
				t.Fatal(err)
			}
			st := NewMemState()
			var out Output
			for i, cs := range [][]change{c.before, c.then} {
				out = Output{}
				if err := op.Apply([]Delta{cutChanges(rand.New(rand.NewPCG(1, 1)), cs)}, st, uint64(i+1), &out); err != nil {
					t.Fatal(err)
				}
				st.Commit()
			}
			count := func(d Delta) (n int) {
				for _, b := range d {
					n += b.Len()
				}
				return n
			}
			if count(out.Rows) != c.rows || count(out.Errors) != c.errs || st.Len(1) != c.state {
				t.Errorf("%d rows, %d errors, %d keys stored; want %d, %d, %d", count(out.Rows), count(out.Errors), st.Len(1), c.rows, c.errs, c.state)
			}
		})
	}
}

// TestUpsertDamage gives the operator images that it did not write: XX001, never
// a panic or an answer.
func TestUpsertDamage(t *testing.T) {
	op, err := NewUpsert(upsertSpec())
	if err != nil {
		t.Fatal(err)
	}
	c := change{kind: ChangeDelete, row: []types.Datum{{Bytes: []byte("a")}, {Int: 1}, types.NullDatum()}}
	in := []Delta{cutChanges(rand.New(rand.NewPCG(1, 1)), []change{c})}
	for _, image := range [][]byte{{}, {0x80}, {0}, {1 + 2*4}, {1 + 2*4, 1, 2}, {2, 0}, {0, 0, 9}, binary.AppendUvarint(nil, 1<<62)} {
		st := NewMemState()
		set := storage.ChangeSet{Arr: 1}
		key := zset.AppendKeyDatum(nil, types.Int8, types.Datum{Int: 1})
		set.Keys.Add(zset.AppendKeyDatum(key, types.Text, types.Datum{Bytes: []byte("a")}))
		set.Vals.Add(image)
		st.Change(set)
		st.Commit()
		if err := op.Apply(in, st, 1, &Output{}); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("image %x: %v", image, err)
		}
	}
	for _, image := range [][]byte{{}, {1}, {0x80, 1}, {1, 1, 1}} {
		if _, err := DecodeUpsertCounts(image); err == nil {
			t.Errorf("counts %x: no error", image)
		}
	}
	if got, err := DecodeUpsertCounts(bytes.Clone([]byte{3, 5})); err != nil || got != (UpsertCounts{3, 5}) {
		t.Errorf("%+v %v", got, err)
	}
}

func TestUpsertSpecChecked(t *testing.T) {
	for _, key := range [][]int{nil, {3}, {-1}} {
		spec := upsertSpec()
		spec.Key = key
		if _, err := NewUpsert(spec); err == nil {
			t.Errorf("key %v: no error", key)
		}
	}
}

func BenchmarkUpsert(b *testing.B) {
	const n = 4096
	spec := &UpsertSpec{Columns: []types.Type{types.Int8, types.Text}, Key: []int{0}, Arr: 1, Counts: 2}
	op, err := NewUpsert(spec)
	if err != nil {
		b.Fatal(err)
	}
	batch := zset.NewBatch(spec.Input(), n)
	for i := range int64(n) {
		batch.AppendDatums([]types.Datum{{Int: i * 7919 % 3000}, {Bytes: []byte("a name of some length")}, {}, {}, types.NullDatum()}, 1)
	}
	st := NewMemState()
	b.ReportAllocs()
	for b.Loop() {
		if err := op.Apply([]Delta{{batch}}, st, 1, &Output{}); err != nil {
			b.Fatal(err)
		}
		st.Commit()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/record")
}
