package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/storage"
	"github.com/streamdb/streamdb/storage/storagetest"
)

// waitFlushed waits until the store has flushed up to an epoch.
func waitFlushed(t testing.TB, s *storage.Store, epoch uint64) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); s.Stats().FlushedEpoch < epoch; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("epoch %d is not flushed: %+v", epoch, s.Stats())
		}
	}
}

// TestDamage flips a byte of each run's file in turn and reads everything: an
// answer is right or an error with SQLSTATE XX001, and Check finds it.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	o := storage.Options{Dir: dir, ResultStore: "files", FlushUnit: 1, BlockSize: 512, MemoryLimit: 1 << 20}
	s, err := storage.Open(context.Background(), o)
	must(t, err)
	rows := table{}
	r := rand.New(rand.NewPCG(1, 6))
	ep := &storage.Epoch{Number: 1, Create: []storage.NewArrangement{{Arr: 1}}}
	for n := uint64(1); n <= 3; n++ { // not enough for a merge
		ep.Changes = []storage.ChangeSet{randomChanges(r, 1, rows, n)}
		must(t, s.Commit(ep))
		ep = &storage.Epoch{Number: n + 1}
	}
	waitFlushed(t, s, 3)
	must(t, s.Close())
	files, err := filepath.Glob(filepath.Join(dir, "runs", "*.run"))
	must(t, err)
	if len(files) != 3 {
		t.Fatalf("there are %d runs, want 3", len(files))
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		must(t, err)
		for range 5 {
			at := r.IntN(len(data))
			bad := bytes.Clone(data)
			bad[at] ^= 1 << r.IntN(8)
			must(t, os.WriteFile(file, bad, 0o600))
			readDamaged(t, fmt.Sprintf("byte %d of %d", at, len(data)), o, rows)
		}
		must(t, os.WriteFile(file, data, 0o600))
	}
}

func readDamaged(t *testing.T, what string, o storage.Options, rows table) {
	t.Helper()
	corrupt := func(err error) bool {
		if err != nil && sqlerr.Code(err) != sqlerr.DataCorrupted {
			t.Fatalf("%s: error is %v, want SQLSTATE %s", what, err, sqlerr.DataCorrupted)
		}
		return err != nil
	}
	s, err := storage.Open(context.Background(), o)
	if corrupt(err) {
		return
	}
	defer func() { must(t, s.Close()) }()
	found := 0
	must(t, s.Check(context.Background(), func(d storage.Damage) { found++; corrupt(d.Err) }))
	if found == 0 {
		t.Errorf("%s: Check finds nothing", what)
	}
	sn := s.Snapshot()
	defer sn.Release()
	var vals storage.Values
	for key, want := range rows {
		if val, ok, err := sn.Get(1, []byte(key), nil); !corrupt(err) && (!ok || string(val) != want) {
			t.Fatalf("%s: %q is %.30q, want %.30q", what, key, val, want)
		}
		var keys zset.List
		keys.Add([]byte(key))
		if err := s.Fetch(1, &keys, &vals); !corrupt(err) && string(vals[0]) != want {
			t.Fatalf("%s: fetched %q is %.30q, want %.30q", what, key, vals[0], want)
		}
	}
	seen := 0
	err = sn.Scan(1, nil, nil, func(key, val []byte) bool {
		if rows[string(key)] != string(val) {
			t.Fatalf("%s: scan gives %q = %.30q", what, key, val)
		}
		seen++
		return true
	})
	if !corrupt(err) && seen != len(rows) {
		t.Fatalf("%s: scan gives %d rows, want %d", what, seen, len(rows))
	}
}

// TestLargeRows has keys and values beyond segments, blocks and Badger's values,
// in both stores, over a change of the result store.
func TestLargeRows(t *testing.T) {
	dir := t.TempDir()
	o := storage.Options{Dir: dir, FlushUnit: 1, MemoryLimit: 4 << 20}
	big := func(n int, c byte) []byte { return bytes.Repeat([]byte{c}, n) }
	rows := table{
		"small": "x", string(big(70_000, 'k')): "long key", "long value": string(big(900_000, 'v')),
		string(big(65_535, 'e')): string(big(65_536, 'f')), "": "", string(big(300_000, 'k')): string(big(300_000, 'w')),
	}
	m := newModel()
	s, err := storage.Open(context.Background(), o)
	must(t, err)
	for n := uint64(1); n <= 12; n++ {
		ep := &storage.Epoch{Number: n}
		if n == 1 {
			ep.Create = []storage.NewArrangement{{Arr: 1}, {Arr: 2, Placement: storage.Result}}
		}
		for arr := storage.Arrangement(1); arr <= 2; arr++ {
			cs := storage.ChangeSet{Arr: arr}
			for k, v := range rows {
				cs.Keys.Add([]byte(k))
				cs.Vals.Add([]byte(v))
			}
			ep.Changes = append(ep.Changes, cs)
		}
		must(t, s.Commit(ep))
		if n == 6 {
			must(t, s.Close())
			o.ResultStore = "files"
			s, err = storage.Open(context.Background(), o)
			must(t, err)
		}
	}
	waitFlushed(t, s, 11)
	m.epoch, m.nextArr = 12, 3
	m.arrs[1], m.arrs[2] = rows, rows
	sn := s.Snapshot()
	compareSnapshot(t, "large rows", rand.New(rand.NewPCG(1, 1)), sn, m)
	for k, v := range rows {
		if val, ok, err := sn.Get(2, []byte(k), nil); err != nil || !ok || string(val) != v {
			t.Errorf("key of %d bytes: %d bytes, %v, %v", len(k), len(val), ok, err)
		}
	}
	sn.Release()
	checkRuns(t, s)
	must(t, s.Close())
}

// stubborn is a block store that cannot create runs until it is told.
type stubborn struct {
	storage.BlockStore
	err chan error
}

func (b *stubborn) Create(run uint64) (storage.RunWriter, error) {
	select {
	case err, ok := <-b.err:
		if ok {
			b.err <- err
			return nil, err
		}
	default:
	}
	return b.BlockStore.Create(run)
}

func oneRow(n uint64) *storage.Epoch {
	ep := &storage.Epoch{Number: n}
	if n == 1 {
		ep.Create = []storage.NewArrangement{{Arr: 1}}
	}
	cs := storage.ChangeSet{Arr: 1}
	cs.Keys.Add(fmt.Appendf(nil, "%d", n))
	cs.Vals.Add([]byte("v"))
	ep.Changes = []storage.ChangeSet{cs}
	return ep
}

// TestFlushFails lets flushes fail for want of space: commits go on while there
// is room, then fail with 53100 and without effect, then go on.
func TestFlushFails(t *testing.T) {
	d := newDisk()
	seams := d.seams()
	full := &stubborn{BlockStore: d.files, err: make(chan error, 1)}
	full.err <- sqlerr.New(sqlerr.DiskFull, "disk is full")
	seams.Files = full
	s, err := storage.OpenWith(context.Background(), tiny(), seams)
	must(t, err)
	n := uint64(1)
	for ; n < 100; n++ {
		if err = s.Commit(oneRow(n)); err != nil {
			break
		}
	}
	if sqlerr.Code(err) != sqlerr.DiskFull || s.Epoch() != n-1 {
		t.Fatalf("error after %d epochs: %v", s.Epoch(), err)
	}
	<-full.err
	close(full.err)
	for end := time.Now().Add(20 * time.Second); s.Commit(oneRow(n)) != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("commits do not go on")
		}
	}
	must(t, s.Close())
}

func TestSpaceGuard(t *testing.T) {
	seams := newDisk().seams()
	var full error
	seams.Space = func() error { return full }
	s, err := storage.OpenWith(context.Background(), tiny(), seams)
	must(t, err)
	must(t, s.Commit(oneRow(1)))
	full = sqlerr.New(sqlerr.DiskFull, "disk is full")
	if err := s.Commit(oneRow(2)); sqlerr.Code(err) != sqlerr.DiskFull || s.Epoch() != 1 {
		t.Fatalf("commit on a full disk: %v", err)
	}
	full = nil
	must(t, s.Commit(oneRow(2)))
	must(t, s.Close())
}

// TestBroken lets the catalog's transaction fail after the record is durable.
func TestBroken(t *testing.T) {
	d := newDisk()
	seams := d.seams()
	meta := &failingMeta{Meta: d.meta}
	seams.Meta = meta
	s, err := storage.OpenWith(context.Background(), tiny(), seams)
	must(t, err)
	must(t, s.Commit(oneRow(1)))
	waitFlushed(t, s, 1)
	meta.fail = true
	ep := oneRow(2)
	ep.Meta = []storage.MetaChange{{Key: []byte("c/x"), Value: []byte("y")}}
	if err := s.Commit(ep); !errors.Is(err, storage.ErrBroken) || s.Epoch() != 1 {
		t.Fatalf("commit gives %v at epoch %d", err, s.Epoch())
	}
	if err := s.Commit(ep); !errors.Is(err, storage.ErrBroken) {
		t.Fatalf("commit on a broken store gives %v", err)
	}
	d = d.crash()
	_ = s.Close() // its disk is gone
	s = open(t, d, tiny())
	v, err := s.MetaGet([]byte("c/x"))
	if err != nil || string(v) != "y" || s.Epoch() != 2 {
		t.Fatalf("after reopening: epoch %d, %q, %v", s.Epoch(), v, err)
	}
	must(t, s.Close())
}

type failingMeta struct {
	storage.Meta
	fail bool
}

func (m *failingMeta) Commit(changes []storage.MetaChange) error {
	if m.fail {
		return storagetest.ErrFault
	}
	return m.Meta.Commit(changes)
}

// TestRefused lists what Commit refuses before anything is written.
func TestRefused(t *testing.T) {
	s := open(t, newDisk(), tiny())
	first := oneRow(1)
	first.Clock = 10
	must(t, s.Commit(first))
	long := storage.ChangeSet{Arr: 1}
	long.Keys.Add([]byte("a"))
	for name, ep := range map[string]*storage.Epoch{
		"number":        {Number: 3, Clock: 10},
		"clock":         {Number: 2, Clock: 9},
		"catalog key":   {Number: 2, Clock: 10, Meta: []storage.MetaChange{{Key: []byte("s/state"), Value: []byte("x")}}},
		"created twice": {Number: 2, Clock: 10, Create: []storage.NewArrangement{{Arr: 1}}},
		"placement":     {Number: 2, Clock: 10, Create: []storage.NewArrangement{{Arr: 2, Placement: 9}}},
		"drop":          {Number: 2, Clock: 10, Drop: []storage.Arrangement{5}},
		"unknown":       {Number: 2, Clock: 10, Changes: []storage.ChangeSet{{Arr: 6}}},
		"lengths":       {Number: 2, Clock: 10, Changes: []storage.ChangeSet{long}},
	} {
		if err := s.Commit(ep); err == nil || errors.Is(err, storage.ErrBroken) || s.Epoch() != 1 {
			t.Errorf("%s: error is %v, epoch %d", name, err, s.Epoch())
		}
	}
	sn := s.Snapshot()
	must(t, s.Close())
	sn.Release()
	sn.Release()
	if _, _, err := sn.Get(1, nil, nil); sqlerr.Code(err) != sqlerr.AdminShutdown {
		t.Errorf("read after close: %v", err)
	}
	if err := s.Commit(oneRow(2)); sqlerr.Code(err) != sqlerr.AdminShutdown {
		t.Errorf("commit after close: %v", err)
	}
}

func TestOptions(t *testing.T) {
	_, err := storage.Open(context.Background(), storage.Options{MemoryLimit: -1, ResultStore: "tape", BlockSize: 1 << 20})
	for _, want := range []string{"memory limit", "tape", "block size"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not mention %s", err, want)
		}
	}
}

// TestMissingRun opens a store of which a listed run is gone.
func TestMissingRun(t *testing.T) {
	d := newDisk()
	s := open(t, d, tiny())
	must(t, s.Commit(oneRow(1)))
	waitFlushed(t, s, 1)
	must(t, s.Close())
	d = d.crash()
	runs, err := d.files.Runs()
	must(t, err)
	must(t, d.files.Drop(runs[0]))
	if _, err := storage.OpenWith(context.Background(), tiny(), d.seams()); sqlerr.Code(err) != sqlerr.DataCorrupted {
		t.Fatalf("open gives %v", err)
	}
}
