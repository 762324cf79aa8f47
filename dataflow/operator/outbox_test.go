package operator

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// acks is the second input that removes the entries of some epochs.
func acks(first, last int64) Delta {
	b := zset.NewBatch(AckTypes(), 1)
	b.AppendDatums([]types.Datum{{Int: first}, {Int: last}}, 1)
	return Delta{b}
}

// replay applies a stored entry to what a reader of the sink would hold: the
// row of each key (upserting), or all rows with their number. It returns the key.
func replay(t *testing.T, spec *OutboxSpec, val []byte, upserts map[string]string, appends relation) string {
	t.Helper()
	b := zset.NewBatch(spec.Input, 1)
	if err := DecodeOutboxEntry(val, b); err != nil {
		t.Fatal(err)
	}
	row := string(zset.AppendRow(nil, b.Cols, 0))
	if !spec.Upsert {
		appends.add([]byte(row), b.WeightAt(0))
		return row
	}
	var cols []zset.Vector
	for _, c := range spec.Key {
		cols = append(cols, b.Cols[c])
	}
	key := string(zset.AppendRow(nil, cols, 0))
	if b.WeightAt(0) < 0 {
		delete(upserts, key)
	} else {
		upserts[key] = row
	}
	return key
}

// TestOutboxReplay: whoever applies the entries in their order holds, after each
// epoch, exactly the relation, also when entries are removed on the way; no key
// is written twice in an epoch; the same epochs give the same bytes.
func TestOutboxReplay(t *testing.T) {
	ts := []types.Type{types.Int8, types.Numeric, types.Text}
	specs := []*OutboxSpec{
		{Input: ts, Upsert: true, Key: []int{0}, Arr: 1},
		{Input: ts, Upsert: true, Key: []int{1, 0}, Arr: 1},
		{Input: ts, Arr: 1},
	}
	for i, spec := range specs {
		l := &law{inputs: [][]types.Type{ts}, unique: spec.Key, append: !spec.Upsert}
		for seed := range 60 {
			epochs := l.script(rand.New(rand.NewPCG(uint64(seed), uint64(i))))
			first := playOutbox(t, l, spec, epochs, seed)
			if second := playOutbox(t, l, spec, epochs, seed); first != second {
				t.Fatalf("spec %d seed %d: the same epochs gave different bytes", i, seed)
			}
		}
	}
}

func playOutbox(t *testing.T, l *law, spec *OutboxSpec, epochs [][]event, seed int) string {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(seed), 9))
	st := &recorder{MemState: NewMemState()}
	total, appends, upserts := relation{}, relation{}, map[string]string{}
	acked := int64(0)
	for n, es := range epochs {
		epoch := uint64(n + 1)
		op, err := NewOutbox(spec)
		if err != nil {
			t.Fatal(err)
		}
		in := []Delta{l.cut(r, es)[0], nil}
		if n > 0 && r.IntN(3) == 0 {
			next := acked + r.Int64N(int64(n)+1-acked)
			in[1] = acks(acked, next)
			acked = next
		}
		var out Output
		if err := op.Apply(in, st, epoch, &out); err != nil {
			t.Fatalf("seed %d epoch %d: %v", seed, epoch, err)
		}
		if len(out.Rows)+len(out.Errors) > 0 {
			t.Fatal("an outbox puts nothing out")
		}
		st.Commit()
		for _, e := range es {
			total.add(zset.AppendRowDatums(nil, spec.Input, e.row), e.weight)
		}
		entries := map[string]bool{}
		_ = st.Scan(1, OutboxKey(epoch), OutboxKey(epoch+1), func(_, val []byte) bool {
			key := replay(t, spec, val, upserts, appends)
			if spec.Upsert && entries[key] {
				t.Fatalf("seed %d epoch %d: a key is written twice", seed, epoch)
			}
			entries[key] = true
			return true
		})
		_ = st.Scan(1, nil, OutboxKey(uint64(acked)+1), func(key, _ []byte) bool {
			t.Fatalf("seed %d epoch %d: entry %x is left, epochs up to %d are acknowledged", seed, epoch, key, acked)
			return false
		})
		held := appends
		if spec.Upsert {
			held = relation{}
			for _, row := range upserts {
				held.add([]byte(row), 1)
			}
		}
		if got, want := held.text(spec.Input), total.text(spec.Input); got != want {
			t.Fatalf("seed %d epoch %d: a reader holds\n%swant\n%s", seed, epoch, got, want)
		}
	}
	return st.log.String()
}

// TestOutboxEntries shows the entries of one epoch of each kind.
func TestOutboxEntries(t *testing.T) {
	ts := []types.Type{types.Numeric, types.Text}
	row := func(n, s string, w int64) *zset.Batch {
		d, err := types.ParseDecimal([]byte(n))
		if err != nil {
			t.Fatal(err)
		}
		b := zset.NewBatch(ts, 1)
		b.AppendDatums([]types.Datum{{Dec: d}, {Bytes: []byte(s)}}, w)
		return b
	}
	tests := []struct {
		name  string
		spec  OutboxSpec
		delta Delta
		want  string
	}{
		{"insert, update, delete", OutboxSpec{Upsert: true, Key: []int{0}},
			Delta{row("1", "a", 1), row("2", "b", -1), row("2", "c", 1), row("3", "d", -1)}, "-1 3,d\n+1 1,a\n+1 2,c\n"},
		{"comes and goes", OutboxSpec{Upsert: true, Key: []int{0}}, Delta{row("1", "a", 1), row("1", "a", -1)}, ""},
		{"the key is written otherwise", OutboxSpec{Upsert: true, Key: []int{0}},
			Delta{row("1.0", "a", -1), row("1.00", "a", 1)}, "-1 1.0,a\n+1 1.00,a\n"},
		{"append", OutboxSpec{}, Delta{row("1", "a", 2), row("1", "a", 1), row("5", "e", 0)}, "+2 1,a\n+1 1,a\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			spec := test.spec
			spec.Input, spec.Arr = ts, 1
			op, _ := NewOutbox(&spec)
			st := NewMemState()
			if err := op.Apply([]Delta{test.delta, nil}, st, 7, &Output{}); err != nil {
				t.Fatal(err)
			}
			st.Commit()
			var got strings.Builder
			_ = st.Scan(1, nil, nil, func(key, val []byte) bool {
				if epoch, err := DecodeOutboxKey(key); err != nil || epoch != 7 {
					t.Fatalf("epoch %d, %v", epoch, err)
				}
				b := zset.NewBatch(ts, 1)
				if err := DecodeOutboxEntry(val, b); err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&got, "%+d %s,%s\n", b.WeightAt(0), types.AppendText(nil, types.Numeric, b.Cols[0].Datum(0), nil), b.Cols[1].Bytes(0))
				return true
			})
			if got.String() != test.want {
				t.Errorf("got\n%swant\n%s", got.String(), test.want)
			}
		})
	}
}

// TestOutboxBroken: what the planner has proved impossible is XX000, damage
// XX001.
func TestOutboxBroken(t *testing.T) {
	ts := []types.Type{types.Int8, types.Int8}
	row := func(k, v, w int64) *zset.Batch {
		b := zset.NewBatch(ts, 1)
		b.AppendDatums([]types.Datum{{Int: k}, {Int: v}}, w)
		return b
	}
	upsert := OutboxSpec{Input: ts, Upsert: true, Key: []int{0}, Arr: 1}
	for name, test := range map[string]struct {
		spec  OutboxSpec
		delta Delta
	}{
		"two rows of a key":    {upsert, Delta{row(1, 1, 1), row(1, 2, 1)}},
		"a row twice":          {upsert, Delta{row(1, 1, 2)}},
		"two rows gone":        {upsert, Delta{row(1, 1, -1), row(1, 2, -1)}},
		"append only retracts": {OutboxSpec{Input: ts, Arr: 1}, Delta{row(1, 1, -1)}},
	} {
		op, _ := NewOutbox(&test.spec)
		if err := op.Apply([]Delta{test.delta, nil}, NewMemState(), 1, &Output{}); sqlerr.Code(err) != sqlerr.InternalError {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewOutbox(&OutboxSpec{Input: ts, Upsert: true, Key: []int{2}}); err == nil {
		t.Error("a key column out of range was accepted")
	}
	for _, val := range []string{"", "\x00", "\x02", "\x02\xff\xff"} {
		if err := DecodeOutboxEntry([]byte(val), zset.NewBatch(ts, 1)); sqlerr.Code(err) != sqlerr.DataCorrupted {
			t.Errorf("%x: %v", val, err)
		}
	}
	if _, err := DecodeOutboxKey(bytes.Repeat([]byte{1}, 11)); sqlerr.Code(err) != sqlerr.DataCorrupted {
		t.Error("a short key was accepted")
	}
}
