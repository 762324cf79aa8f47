package storage_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/storage"
	"github.com/streamdb/streamdb/storage/storagetest"
)

// disk is what survives a crash.
type disk struct {
	meta    *storagetest.MemMeta
	log     *storagetest.MemLog
	files   *storagetest.MemBlocks
	results *storagetest.MemBlocks
}

func newDisk() *disk {
	return &disk{storagetest.NewMemMeta(), storagetest.NewMemLog(), storagetest.NewMemBlocks(), storagetest.NewMemBlocks()}
}

// crash ends all users of the disk and returns what they left.
func (d *disk) crash() *disk {
	return &disk{d.meta.Crash(), d.log.Crash(), d.files.Crash(), d.results.Crash()}
}

func (d *disk) seams() storage.Seams {
	return storage.Seams{Meta: d.meta, Log: d.log, Files: d.files, Results: d.results}
}

// tiny makes every path run with few rows.
func tiny() storage.Options {
	return storage.Options{MemoryLimit: 2 << 20, FlushUnit: 1, BlockSize: 256, PieceSize: 4 << 10}
}

func open(t testing.TB, d *disk, o storage.Options) *storage.Store {
	t.Helper()
	s, err := storage.OpenWith(context.Background(), o, d.seams())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// table is an arrangement of the model.
type table map[string]string

// model is what a store should hold.
type model struct {
	epoch     uint64
	clock     int64
	positions []byte
	meta      table
	arrs      map[storage.Arrangement]table
	place     map[storage.Arrangement]storage.Placement
	nextArr   storage.Arrangement
}

func newModel() *model {
	return &model{meta: table{}, arrs: map[storage.Arrangement]table{}, place: map[storage.Arrangement]storage.Placement{}, nextArr: 1}
}

func (m *model) clone() *model {
	c := *m
	c.meta = maps.Clone(m.meta)
	c.place = maps.Clone(m.place)
	c.arrs = map[storage.Arrangement]table{}
	for arr, rows := range m.arrs {
		c.arrs[arr] = maps.Clone(rows)
	}
	return &c
}

// randomKey makes keys of very different lengths with shared prefixes.
func randomKey(r *rand.Rand) []byte {
	n := r.IntN(400)
	switch r.IntN(4) {
	case 0:
		return []byte(fmt.Sprintf("shared-prefix-%d", n))
	case 1:
		return []byte{byte(n)}[:n&1]
	default:
		return binary.BigEndian.AppendUint64(nil, uint64(n))
	}
}

func randomValue(r *rand.Rand, epoch uint64) []byte {
	v := fmt.Appendf(nil, "%d-", epoch)
	switch r.IntN(30) {
	case 0:
		return append(v, make([]byte, r.IntN(3000))...)
	case 1:
		return []byte{}
	}
	return append(v, make([]byte, r.IntN(20))...)
}

// epoch makes a random epoch that follows the model and returns the model after
// it.
func (m *model) next(r *rand.Rand) (*storage.Epoch, *model) {
	after := m.clone()
	after.epoch++
	after.clock += int64(r.IntN(3))
	ep := &storage.Epoch{Number: after.epoch, Clock: after.clock}
	if r.IntN(3) == 0 {
		ep.Positions = fmt.Appendf(nil, "position %d", ep.Number)
		after.positions = ep.Positions
	}
	if len(m.arrs) < 3 || r.IntN(20) == 0 {
		arr, p := after.nextArr, storage.Placement(r.IntN(2))
		after.nextArr++
		ep.Create = append(ep.Create, storage.NewArrangement{Arr: arr, Placement: p})
		after.arrs[arr], after.place[arr] = table{}, p
	}
	for range r.IntN(3) {
		key := fmt.Sprintf("c/%d", r.IntN(20))
		c := storage.MetaChange{Key: []byte(key)}
		if delete(after.meta, key); r.IntN(3) > 0 {
			c.Value = fmt.Appendf(nil, "v%d", ep.Number)
			after.meta[key] = string(c.Value)
		}
		ep.Meta = append(ep.Meta, c)
	}
	arrs := slices.Sorted(maps.Keys(after.arrs))
	if len(arrs) > 3 && r.IntN(15) == 0 {
		arr := arrs[r.IntN(len(arrs))]
		ep.Drop = append(ep.Drop, arr)
		delete(after.arrs, arr)
		arrs = slices.DeleteFunc(arrs, func(a storage.Arrangement) bool { return a == arr })
	}
	for _, arr := range arrs {
		if r.IntN(3) > 0 {
			ep.Changes = append(ep.Changes, randomChanges(r, arr, after.arrs[arr], ep.Number))
		}
	}
	return ep, after
}

func randomChanges(r *rand.Rand, arr storage.Arrangement, rows table, epoch uint64) storage.ChangeSet {
	cs := storage.ChangeSet{Arr: arr}
	n := r.IntN(60)
	if r.IntN(10) == 0 {
		n = 0
	}
	seen := map[string]bool{}
	cs.Dead = zset.NewBitmap(n)
	for range n {
		key := randomKey(r)
		if seen[string(key)] {
			continue
		}
		seen[string(key)] = true
		if r.IntN(4) == 0 {
			cs.Dead.Set(cs.Keys.Len())
			cs.Vals.Add(nil)
			delete(rows, string(key))
		} else {
			val := randomValue(r, epoch)
			cs.Vals.Add(val)
			rows[string(key)] = string(val)
		}
		cs.Keys.Add(key)
	}
	cs.Dead = cs.Dead[:(cs.Keys.Len()+63)/64]
	return cs
}

type getter func(arr storage.Arrangement, key, buf []byte) ([]byte, bool, error)
type scanner func(arr storage.Arrangement, lo, hi []byte, fn func(key, val []byte) bool) error

// compareScan compares a scan with the model.
func compareScan(t *testing.T, what string, scan scanner, arr storage.Arrangement, rows table, lo, hi []byte) {
	t.Helper()
	var want []string
	for k := range rows {
		if k >= string(lo) && (hi == nil || k < string(hi)) {
			want = append(want, k)
		}
	}
	slices.Sort(want)
	i := 0
	err := scan(arr, lo, hi, func(key, val []byte) bool {
		if i >= len(want) {
			t.Fatalf("%s, arrangement %d: scan of [%q, %q) gives %q after the last of %d", what, arr, lo, hi, key, len(want))
		}
		if string(key) != want[i] || string(val) != rows[want[i]] {
			t.Fatalf("%s, arrangement %d: scan gives %q = %.30q, want %q = %.30q", what, arr, key, val, want[i], rows[want[i]])
		}
		i++
		return true
	})
	must(t, err)
	if i != len(want) {
		t.Fatalf("%s, arrangement %d: scan of [%q, %q) gives %d rows, want %d", what, arr, lo, hi, i, len(want))
	}
}

func compareGets(t *testing.T, what string, r *rand.Rand, get getter, arr storage.Arrangement, rows table) {
	t.Helper()
	var buf []byte
	for range 40 {
		key := randomKey(r)
		val, ok, err := get(arr, key, buf[:0])
		must(t, err)
		want, exists := rows[string(key)]
		if ok != exists || ok && string(val) != want {
			t.Fatalf("%s, arrangement %d: %q = %.30q, %v; want %.30q, %v", what, arr, key, val, ok, want, exists)
		}
		buf = val
	}
}

// compareSnapshot compares everything a snapshot shows with the model.
func compareSnapshot(t *testing.T, what string, r *rand.Rand, sn *storage.Snapshot, m *model) {
	t.Helper()
	if sn.Epoch() != m.epoch {
		t.Fatalf("%s: snapshot is of epoch %d, want %d", what, sn.Epoch(), m.epoch)
	}
	for arr := storage.Arrangement(1); arr < m.nextArr; arr++ {
		compareScan(t, what, sn.Scan, arr, m.arrs[arr], nil, nil)
		lo, hi := randomKey(r), randomKey(r)
		compareScan(t, what, sn.Scan, arr, m.arrs[arr], lo, hi)
		compareGets(t, what, r, sn.Get, arr, m.arrs[arr])
	}
}

// compareStore compares what the committing goroutine sees with the model.
func compareStore(t *testing.T, r *rand.Rand, s *storage.Store, m *model) {
	t.Helper()
	if s.Epoch() != m.epoch || s.Clock() != m.clock || !bytes.Equal(s.Positions(), m.positions) {
		t.Fatalf("store is at epoch %d, clock %d, %q; want %d, %d, %q", s.Epoch(), s.Clock(), s.Positions(), m.epoch, m.clock, m.positions)
	}
	got := table{}
	must(t, s.MetaScan(nil, func(k, v []byte) error { got[string(k)] = string(v); return nil }))
	if !maps.Equal(got, m.meta) {
		t.Fatalf("catalog is %v, want %v", got, m.meta)
	}
	var vals storage.Values
	for arr := storage.Arrangement(1); arr < m.nextArr; arr++ {
		var keys zset.List
		for range 30 {
			keys.Add(randomKey(r))
		}
		must(t, s.Fetch(arr, &keys, &vals))
		for i, v := range vals {
			want, ok := m.arrs[arr][string(keys.At(i))]
			if (v != nil) != ok || string(v) != want {
				t.Fatalf("epoch %d, arrangement %d: fetch of %q gives %.30q (%v), want %.30q (%v)", m.epoch, arr, keys.At(i), v, v != nil, want, ok)
			}
		}
		lo := randomKey(r)
		compareScan(t, "store", s.Scan, arr, m.arrs[arr], lo, nil)
	}
}

// TestModel commits random epochs and compares everything readable with a
// model, with snapshots held over flushes and merges, and reopenings.
func TestModel(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { testModel(t, seed) })
	}
}

type heldSnapshot struct {
	sn *storage.Snapshot
	m  *model
}

func testModel(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	d := newDisk()
	o := tiny()
	o.FlushUnit = 1 << r.IntN(20)
	s := open(t, d, o)
	m := newModel()
	var held []heldSnapshot
	for range 250 {
		ep, after := m.next(r)
		must(t, s.Commit(ep))
		m = after
		compareStore(t, r, s, m)
		if r.IntN(10) == 0 {
			held = append(held, heldSnapshot{s.Snapshot(), m})
		}
		if len(held) > 0 && r.IntN(8) == 0 {
			i := r.IntN(len(held))
			compareSnapshot(t, fmt.Sprintf("epoch %d, snapshot of %d", m.epoch, held[i].m.epoch), r, held[i].sn, held[i].m)
			held[i].sn.Release()
			held = slices.Delete(held, i, i+1)
		}
		if r.IntN(60) == 0 {
			for _, h := range held {
				compareSnapshot(t, "before reopening", r, h.sn, h.m)
				h.sn.Release()
			}
			held = nil
			if r.IntN(2) == 0 {
				must(t, s.Close())
				d = d.crash()
			} else {
				old := s
				d = d.crash()
				_ = old.Close() // its disk is gone
			}
			s = open(t, d, o)
			compareStore(t, r, s, m)
			sn := s.Snapshot()
			compareSnapshot(t, "after reopening", r, sn, m)
			sn.Release()
		}
	}
	for _, h := range held {
		compareSnapshot(t, "at the end", r, h.sn, h.m)
		h.sn.Release()
	}
	checkRuns(t, s)
	st := s.Stats()
	t.Logf("%+v", st)
	must(t, s.Close())
	must(t, s.Close())
}

func checkRuns(t *testing.T, s *storage.Store) {
	t.Helper()
	must(t, s.Check(context.Background(), func(d storage.Damage) {
		t.Errorf("run %d, %s: %v", d.Run, d.Place, d.Err)
	}))
}
