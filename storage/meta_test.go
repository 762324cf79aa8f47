package storage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/sys/unix"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

func metaTestOpen(t testing.TB, dir string) *Badger {
	t.Helper()
	b, err := OpenBadger(dir, BadgerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func metaTestGet(t testing.TB, b *Badger, key string) string {
	t.Helper()
	v, err := b.Meta().Get([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return string(v)
}

func metaTestSet(t testing.TB, b *Badger, key, value string) {
	t.Helper()
	if err := b.Meta().Commit([]MetaChange{{[]byte(key), []byte(value)}}); err != nil {
		t.Fatal(err)
	}
}

// A kill between creation and first write of a file leaves it empty; Badger
// alone would not open.
func TestBadgerEmptyFiles(t *testing.T) {
	dir := t.TempDir()
	b := metaTestOpen(t, dir)
	metaTestSet(t, b, "k", "v")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"000099.vlog", "00099.mem"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := metaTestGet(t, metaTestOpen(t, dir), "k"); got != "v" {
		t.Errorf("got %q", got)
	}
	// Open now: a second process leaves the files of the first alone.
	fresh := filepath.Join(dir, "00100.mem")
	if err := os.WriteFile(fresh, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenBadger(dir, BadgerOptions{}); err == nil {
		t.Error("opened twice")
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Error(err)
	}
}

// metaTestDamaged opens a damaged copy: an error is right, also that nothing
// was lost, but not a panic and not a wrong answer.
func metaTestDamaged(t *testing.T, dir, what string) {
	t.Helper()
	b, err := OpenBadger(dir, BadgerOptions{})
	if err != nil {
		if code := sqlerr.Code(err); code != sqlerr.DataCorrupted && code != sqlerr.IOError {
			t.Errorf("%s: %v", what, err)
		}
		return
	}
	defer b.Close()
	n := 0
	err = b.Meta().Scan(nil, func(_, _ []byte) error { n++; return nil })
	if err == nil && n != 500 {
		t.Errorf("%s: %d of 500 keys and no error", what, n)
	}
}

func TestBadgerDamagedFiles(t *testing.T) {
	dir := t.TempDir()
	b := metaTestOpen(t, dir)
	for i := range 500 {
		metaTestSet(t, b, fmt.Sprintf("key%03d", i), strings.Repeat("v", 100))
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".sst") && f.Name() != "MANIFEST" && f.Name() != "KEYREGISTRY" {
			continue
		}
		info, _ := f.Info()
		for _, at := range []int64{0, 9, info.Size() / 20, info.Size() / 2, info.Size() - 10} {
			copied := t.TempDir()
			if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			logTestPatch(t, filepath.Join(copied, f.Name()), at, []byte{0xff, 0x5a, 0xa5})
			metaTestDamaged(t, copied, fmt.Sprintf("%s damaged at %d", f.Name(), at))
		}
	}
}

func TestBadgerLocked(t *testing.T) {
	dir := t.TempDir()
	metaTestOpen(t, dir)
	if _, err := OpenBadger(dir, BadgerOptions{}); err == nil {
		t.Error("the same database was opened twice")
	}
}

func TestBadgerRefusesOnFullDisk(t *testing.T) {
	if _, err := OpenBadger(t.TempDir(), BadgerOptions{MinFree: math.MaxInt64}); sqlerr.Code(err) != sqlerr.DiskFull {
		t.Errorf("open: %v", err)
	}
	b := metaTestOpen(t, t.TempDir())
	metaTestSet(t, b, "k", "v")
	w, err := b.Blocks().Create(1)
	if err != nil {
		t.Fatal(err)
	}
	b.guard.watermark = math.MaxUint64
	if err := b.Meta().Commit([]MetaChange{{[]byte("k"), []byte("w")}}); sqlerr.Code(err) != sqlerr.DiskFull {
		t.Errorf("commit: %v", err)
	}
	if err := w.Append(make([]byte, 10)); err != nil {
		t.Errorf("append: %v", err)
	}
	if err := w.Finish(nil); sqlerr.Code(err) != sqlerr.DiskFull {
		t.Errorf("finish: %v", err)
	}
	b.guard.watermark = 0
	w.Abort()
	if got := metaTestGet(t, b, "k"); got != "v" {
		t.Errorf("got %q", got)
	}
	metaTestSet(t, b, "k", "w") // it goes on when there is space again
	if runs, err := b.Blocks().Runs(); err != nil || len(runs) != 0 {
		t.Errorf("runs %v, %v", runs, err)
	}
}

// metaTestBigCommit is more than one transaction of Badger, with a value that
// is more than one piece.
func metaTestBigCommit(value string) []MetaChange {
	changes := []MetaChange{{[]byte("big"), bytes.Repeat([]byte(value), 3<<20)}}
	for i := range 30 {
		changes = append(changes, MetaChange{[]byte(fmt.Sprintf("k%02d", i)), []byte(value)})
	}
	return changes
}

// A commit that takes several transactions happens wholly or not at all,
// wherever it is interrupted.
func TestMetaIntentInterrupted(t *testing.T) {
	for stop := 1; ; stop++ {
		dir := t.TempDir()
		b := metaTestOpen(t, dir)
		if err := b.Meta().Commit(metaTestBigCommit("a")); err != nil {
			t.Fatal(err)
		}
		// The second commit gets as far as its n-th transaction.
		last := b.ts + uint64(stop)
		b.commit = func(txn *badger.Txn, ts uint64) error {
			if ts >= last {
				return unix.EIO
			}
			return txn.CommitAt(ts, nil)
		}
		err := b.Meta().Commit(metaTestBigCommit("b"))
		if err != nil {
			if got := metaTestGet(t, b, "k07"); got != "a" {
				t.Fatalf("stop %d: a part of the commit is visible: %q", stop, got)
			}
		}
		b.Close()
		b = metaTestOpen(t, dir)
		v := metaTestGet(t, b, "k00")
		if (v != "a" && v != "b") || (err == nil && v != "b") {
			t.Fatalf("stop %d: %q after %v", stop, v, err)
		}
		for i := range 30 {
			if got := metaTestGet(t, b, fmt.Sprintf("k%02d", i)); got != v {
				t.Fatalf("stop %d: k%02d is %q, k00 is %q", stop, i, got, v)
			}
		}
		if got := metaTestGet(t, b, "big"); got != strings.Repeat(v, 3<<20) {
			t.Fatalf("stop %d: big is not of the commit %q", stop, v)
		}
		n := 0
		err2 := b.scan(b.ts, nil, nil, false, func(key, _ []byte) error {
			if key[0] == metaIntentPrefix || key[0] == metaIntentHead {
				t.Errorf("stop %d: %q stays", stop, key)
			}
			if key[0] == metaPiecePrefix {
				n++
			}
			return nil
		})
		if err2 != nil || n != 3<<20/metaPieceSize {
			t.Errorf("stop %d: %d pieces, %v", stop, n, err2)
		}
		b.Close()
		if err == nil {
			if stop < 8 {
				t.Errorf("the commit took only %d transactions", stop-1)
			}
			return
		}
	}
}

// Keys that Badger lost silently are missed at the next opening.
func TestMetaSum(t *testing.T) {
	dir := t.TempDir()
	b := metaTestOpen(t, dir)
	for i := range 20 {
		metaTestSet(t, b, fmt.Sprint(i%7), fmt.Sprint(i))
	}
	b.commitMu.Lock()
	err := b.apply([]metaOp{{metaKey([]byte("3")), nil}})
	b.commitMu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	if _, err := OpenBadger(dir, BadgerOptions{}); sqlerr.Code(err) != sqlerr.DataCorrupted {
		t.Errorf("a lost key: %v", err)
	}
}

// Old versions and dropped runs give their space back, and nothing goes into
// the value log.
func TestBadgerSpace(t *testing.T) {
	dir := t.TempDir()
	b, err := OpenBadger(dir, BadgerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	block := make([]byte, 16<<10)
	for run := uint64(1); run <= 80; run++ {
		w, err := b.Blocks().Create(run)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 64 {
			binary.LittleEndian.PutUint64(block, run*1000+uint64(i))
			if err := w.Append(block); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Finish(make([]byte, 300<<10)); err != nil {
			t.Fatal(err)
		}
		if run > 2 {
			if err := b.Blocks().Drop(run - 2); err != nil {
				t.Fatal(err)
			}
		}
		metaTestSet(t, b, "manifest", strings.Repeat("m", 1000))
	}
	for _, h := range b.blocks.heads {
		if h.slot > 3 {
			t.Errorf("slot %d: the slots of dropped runs are not used again", h.slot)
		}
	}
	// 105 MiB were written, 2.6 MiB are live. Badger leaves up to five tables
	// of 8 MiB unmerged; what is merged has to be gone.
	for deadline := time.Now().Add(20 * time.Second); b.Size() > 64<<20; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d MiB of tables stay", b.Size()>>20)
		}
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.vlog"))
	for _, f := range files {
		if content, err := os.ReadFile(f); err != nil || len(bytes.Trim(content[20:], "\x00")) > 0 {
			t.Errorf("%s is not empty, %v", filepath.Base(f), err)
		}
	}
	if err := b.Verify(); err != nil {
		t.Error(err)
	}
	if b.Size() <= 0 || b.Close() != nil || b.Size() != 0 || b.Verify() == nil {
		t.Error("Size and Verify of a closed database")
	}
}

// What a slot held for an earlier run is never taken for the new one's.
func TestBadgerBlocksMisplaced(t *testing.T) {
	b := metaTestOpen(t, t.TempDir())
	w, err := b.Blocks().Create(1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		if err := w.Append(bytes.Repeat([]byte{byte(i)}, 100)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Finish([]byte("index")); err != nil {
		t.Fatal(err)
	}
	slot := b.blocks.heads[1].slot
	other, err := b.get(b.ts, blockPieceKey(slot, 1, 0))
	if err != nil {
		t.Fatal(err)
	}
	flipped := slices.Clone(other)
	flipped[50] ^= 1
	for _, op := range []metaOp{
		{blockPieceKey(slot, 2, 0), other},
		{blockPieceKey(slot, 2, 0), flipped},
		{blockPieceKey(slot, 2, 0), other[:20]},
		{blockPieceKey(slot, 2, 0), []byte{}},
		{blockPieceKey(slot, 2, 0), nil},
	} {
		b.commitMu.Lock()
		err := b.apply([]metaOp{op})
		b.publish()
		b.commitMu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Blocks().Block(1, 2, nil); sqlerr.Code(err) != sqlerr.DataCorrupted {
			t.Errorf("Block: %v", err)
		}
		err = b.Blocks().Blocks(1, 0, 4, func(int, []byte) error { return nil })
		if sqlerr.Code(err) != sqlerr.DataCorrupted {
			t.Errorf("Blocks: %v", err)
		}
		if _, err := b.Blocks().Block(1, 1, nil); err != nil {
			t.Errorf("a whole block: %v", err)
		}
	}
}

func FuzzMetaDecodeOps(f *testing.F) {
	f.Add(metaEncodeOps([]metaOp{{[]byte("a"), []byte("b")}, {[]byte(""), nil}, {[]byte("c"), []byte{}}}))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, blob []byte) {
		ops, ok := metaDecodeOps(blob)
		if !ok {
			return
		}
		again, ok := metaDecodeOps(metaEncodeOps(ops))
		if !ok || len(again) != len(ops) {
			t.Fatal("encoding and decoding differ")
		}
		for i := range ops {
			if !bytes.Equal(ops[i].key, again[i].key) || !bytes.Equal(ops[i].value, again[i].value) ||
				(ops[i].value == nil) != (again[i].value == nil) {
				t.Fatalf("op %d differs", i)
			}
		}
	})
}

func BenchmarkMetaCommit(b *testing.B) {
	db := metaTestOpen(b, b.TempDir())
	value := make([]byte, 300)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := db.Meta().Commit([]MetaChange{{binary.BigEndian.AppendUint64(nil, uint64(i%1000)), value}}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBadgerBlocksWrite(b *testing.B) {
	db := metaTestOpen(b, b.TempDir())
	blockBenchWrite(b, db.Blocks())
}

func BenchmarkBadgerBlocksPoint(b *testing.B) {
	db := metaTestOpen(b, b.TempDir())
	blockBenchPoint(b, db.Blocks())
}

func BenchmarkBadgerBlocksScan(b *testing.B) {
	db := metaTestOpen(b, b.TempDir())
	blockBenchScan(b, db.Blocks())
}
