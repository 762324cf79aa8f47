package storage_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/storage"
	"github.com/streamdb/streamdb/storage/storagetest"
)

// damagedStore makes a store with three runs of arrangements 1 and 2, of which
// the first blocks, which are arrangement 1's, are damaged in one run, and opens
// it. It returns the rows of arrangement 2 and the damaged file.
func damagedStore(t *testing.T, o storage.Options) (*storage.Store, table, string) {
	t.Helper()
	s, err := storage.Open(context.Background(), o)
	must(t, err)
	r := rand.New(rand.NewPCG(1, 7))
	rows := table{}
	for n := uint64(1); n <= 3; n++ {
		ep := &storage.Epoch{Number: n}
		if n == 1 {
			ep.Create = []storage.NewArrangement{{Arr: 1}, {Arr: 2}}
		}
		first := storage.ChangeSet{Arr: 1}
		for i := range 200 {
			first.Keys.Add([]byte{byte(i), byte(n)})
			first.Vals.Add([]byte("a value of some length"))
		}
		ep.Changes = []storage.ChangeSet{first, randomChanges(r, 2, rows, n)}
		must(t, s.Commit(ep))
	}
	waitFlushed(t, s, 3)
	must(t, s.Close())
	files, err := filepath.Glob(filepath.Join(o.Dir, "runs", "*.run"))
	must(t, err)
	data, err := os.ReadFile(files[1])
	must(t, err)
	data[100] ^= 1
	data[700] ^= 1
	must(t, os.WriteFile(files[1], data, 0o600))
	s, err = storage.Open(context.Background(), o)
	must(t, err)
	return s, rows, files[1]
}

// TestDropHealsDamage drops the arrangement whose blocks are damaged: merges, which
// cannot pass them before, then do, and nothing damaged is left.
func TestDropHealsDamage(t *testing.T) {
	s, rows, file := damagedStore(t, storage.Options{Dir: t.TempDir(), FlushUnit: 1, BlockSize: 512, MemoryLimit: 1 << 20, VerifyEvery: -1})
	defer func() { must(t, s.Close()) }()
	must(t, s.Commit(&storage.Epoch{Number: 4, Drop: []storage.Arrangement{1}}))
	r := rand.New(rand.NewPCG(1, 8))
	for n := uint64(5); n <= 30; n++ {
		must(t, s.Commit(&storage.Epoch{Number: n, Changes: []storage.ChangeSet{randomChanges(r, 2, rows, n)}}))
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the damaged run is not merged away: %+v", s.Stats())
		}
	}
	checkRuns(t, s)
	if found := s.Damages(); len(found) != 0 {
		t.Errorf("known damages: %+v", found)
	}
	got := table{}
	sn := s.Snapshot()
	defer sn.Release()
	must(t, sn.Scan(2, nil, nil, func(key, val []byte) bool { got[string(key)] = string(val); return true }))
	if len(got) != len(rows) {
		t.Fatalf("%d rows, want %d", len(got), len(rows))
	}
	for k, v := range rows {
		if got[k] != v {
			t.Fatalf("%q is %.30q, want %.30q", k, got[k], v)
		}
	}
}

// TestVerification finds damage in the background, and reads say whose it is.
func TestVerification(t *testing.T) {
	s, _, _ := damagedStore(t, storage.Options{Dir: t.TempDir(), FlushUnit: 1, BlockSize: 512, MemoryLimit: 1 << 20,
		VerifyEvery: time.Millisecond, VerifyRate: 1 << 30})
	defer func() { must(t, s.Close()) }()
	for end := time.Now().Add(30 * time.Second); s.Stats().VerifyPasses < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no verification: %+v", s.Stats())
		}
	}
	found := s.Damages()
	if len(found) != 2 || s.Stats().Damages != 2 || s.Stats().VerifiedBytes == 0 {
		t.Fatalf("found %+v", found)
	}
	for _, d := range found {
		if d.First != 1 || d.Last != 1 || !strings.HasPrefix(d.Place, "block ") {
			t.Errorf("found %+v", d)
		}
	}
	sn := s.Snapshot()
	defer sn.Release()
	err := sn.Scan(1, nil, nil, func(_, _ []byte) bool { return true })
	var d *storage.DamageError
	if !errors.As(err, &d) || d.Arr != 1 || sqlerr.Code(err) != sqlerr.DataCorrupted {
		t.Errorf("scan gives %v", err)
	}
	must(t, sn.Scan(2, nil, nil, func(_, _ []byte) bool { return true }))
}

// TestManifestWentBack opens a log with a manifest that is older than the log's
// cut: it must not start with what is left, nor delete what the manifest forgot.
func TestManifestWentBack(t *testing.T) {
	d := newDisk()
	s := open(t, d, tiny())
	must(t, s.Commit(oneRow(1)))
	waitFlushed(t, s, 1)
	must(t, s.Close())
	d = d.crash()
	d.meta = storagetest.NewMemMeta()
	before, err := d.files.Runs()
	must(t, err)
	if _, err := storage.OpenWith(context.Background(), tiny(), d.seams()); sqlerr.Code(err) != sqlerr.DataCorrupted {
		t.Fatalf("open gives %v", err)
	}
	d = d.crash()
	after, err := d.files.Runs()
	must(t, err)
	if len(before) == 0 || len(after) != len(before) {
		t.Errorf("runs %v before, %v after", before, after)
	}
}

func TestInspect(t *testing.T) {
	o := storage.Options{Dir: t.TempDir(), FlushUnit: 1, BlockSize: 512, MemoryLimit: 1 << 20, VerifyEvery: -1}
	if _, err := storage.Inspect(o); err == nil {
		t.Fatal("an empty directory is inspected")
	}
	s, _, _ := damagedStore(t, o)
	if _, err := storage.Inspect(o); sqlerr.Code(err) != sqlerr.ObjectInUse {
		t.Fatalf("inspection beside a server: %v", err)
	}
	must(t, s.Close())
	in, err := storage.Inspect(o)
	must(t, err)
	defer func() { must(t, in.Close()) }()
	n := 0
	sum, err := in.Check(context.Background(), func(d storage.Damage) {
		if d.First != 1 || d.Last != 1 {
			t.Errorf("found %+v", d)
		}
		n++
	})
	if err != nil || n != 2 || sum.Epoch != 3 || sum.Runs != 3 || sum.Rows < 600 {
		t.Errorf("%d damages, %+v, %v", n, sum, err)
	}
}
