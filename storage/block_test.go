package storage

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

func blockTestOpen(t testing.TB, dir string) *FileBlocks {
	t.Helper()
	s, err := OpenFileBlocks(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func blockTestWrite(t testing.TB, s BlockStore, run uint64, blocks int, size int) {
	t.Helper()
	w, err := s.Create(run)
	if err != nil {
		t.Fatal(err)
	}
	for i := range blocks {
		if err := w.Append(bytes.Repeat([]byte{byte(i + 1)}, size)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Finish([]byte("index")); err != nil {
		t.Fatal(err)
	}
}

// blockTestRead reads everything in all ways, and counts wrong answers.
func blockTestRead(t testing.TB, s BlockStore, run uint64, blocks, size int) (failed int) {
	t.Helper()
	check := func(i int, b []byte) {
		if !bytes.Equal(b, bytes.Repeat([]byte{byte(i + 1)}, size)) {
			t.Errorf("block %d has the wrong content", i)
		}
	}
	if index, err := s.Index(run); err != nil {
		failed++
	} else if string(index) != "index" {
		t.Error("the index has the wrong content")
	}
	for i := range blocks {
		b, err := s.Block(run, i, nil)
		if err != nil {
			failed++
			continue
		}
		check(i, b)
	}
	next := 0
	err := s.Blocks(run, 0, blocks, func(i int, b []byte) error {
		if i != next {
			t.Errorf("block %d after %d", i, next-1)
		}
		next++
		check(i, b)
		return nil
	})
	if err != nil {
		failed++
	} else if next != blocks {
		t.Errorf("a scan ended at block %d without an error", next)
	}
	return failed
}

// Every byte of a file counts: a flipped one is an error, never an answer.
func TestFileBlocksFlippedBytes(t *testing.T) {
	dir := t.TempDir()
	const blocks, size = 3, 50
	blockTestWrite(t, blockTestOpen(t, dir), 7, blocks, size)
	path := filepath.Join(dir, "0000000000000007.run")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := range whole {
		damaged := bytes.Clone(whole)
		damaged[at] ^= 0x10
		copied := t.TempDir()
		if err := os.WriteFile(filepath.Join(copied, filepath.Base(path)), damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := OpenFileBlocks(copied)
		if err != nil {
			t.Fatal(err)
		}
		if blockTestRead(t, s, 7, blocks, size) == 0 {
			t.Errorf("byte %d of %d is flipped and nothing failed", at, len(whole))
		}
		s.Close()
	}
}

func TestFileBlocksTruncated(t *testing.T) {
	dir := t.TempDir()
	s := blockTestOpen(t, dir)
	blockTestWrite(t, s, 1, 40, 1000)
	path := filepath.Join(dir, "0000000000000001.run")
	if n := blockTestRead(t, s, 1, 40, 1000); n != 0 {
		t.Fatalf("%d reads failed", n)
	}
	// The file is mapped; what is cut off faults when it is read.
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	_, err := s.Block(1, 30, nil)
	if sqlerr.Code(err) != sqlerr.IOError {
		t.Errorf("a block behind the end of the file: %v", err)
	}
	if n := blockTestRead(t, s, 1, 40, 1000); n == 0 {
		t.Error("nothing failed")
	}
	for _, size := range []int64{0, 63, 64, 100} {
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		if _, err := blockTestOpen(t, dir).Block(1, 0, nil); sqlerr.Code(err) != sqlerr.DataCorrupted {
			t.Errorf("a file of %d bytes: %v", size, err)
		}
	}
	if err := os.Rename(path, filepath.Join(dir, "0000000000000002.run")); err != nil {
		t.Fatal(err)
	}
	blockTestWrite(t, s, 3, 4, 10)
	if err := os.Rename(filepath.Join(dir, "0000000000000003.run"), filepath.Join(dir, "0000000000000004.run")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Block(4, 0, nil); sqlerr.Code(err) != sqlerr.DataCorrupted {
		t.Errorf("the file of another run: %v", err)
	}
}

// A run whose sync failed does not exist.
func TestFileBlocksSyncFails(t *testing.T) {
	s := blockTestOpen(t, t.TempDir())
	s.sync = func(*os.File) error { return unix.EIO }
	w, err := s.Create(1)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append([]byte("block")); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(nil); sqlerr.Code(err) != sqlerr.IOError {
		t.Errorf("Finish: %v", err)
	}
	s.sync = fileFdatasync
	if err := w.Finish(nil); sqlerr.Code(err) != sqlerr.IOError {
		t.Errorf("Finish again: %v", err)
	}
	if _, err := s.Block(1, 0, nil); err == nil {
		t.Error("the run exists")
	}
	w.Abort()
	if runs, err := s.Runs(); err != nil || len(runs) != 0 {
		t.Errorf("runs %v, %v", runs, err)
	}
}

// Drop waits with the unmapping for the calls that are under way.
func TestFileBlocksDropWhileReading(t *testing.T) {
	s := blockTestOpen(t, t.TempDir())
	for run := uint64(1); run <= 30; run++ {
		blockTestWrite(t, s, run, 20, 5000)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for {
					for i := range 20 {
						if _, err := s.Block(run, i, nil); err != nil {
							if !errors.Is(err, os.ErrNotExist) {
								t.Error(err)
							}
							return
						}
					}
				}
			})
		}
		if err := s.Blocks(run, 0, 20, func(i int, _ []byte) error {
			if i == 10 {
				return s.Drop(run)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		wg.Wait()
	}
}

// FuzzFileBlocks lets a file have any content behind its blocks.
func FuzzFileBlocks(f *testing.F) {
	base := f.TempDir()
	const blocks, size = 3, 50
	blockTestWrite(f, blockTestOpen(f, base), 7, blocks, size)
	whole, err := os.ReadFile(filepath.Join(base, "0000000000000007.run"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole[blocks*size:], uint8(0))
	f.Add(whole[blocks*size:len(whole)-1], uint8(3))
	f.Add([]byte{}, uint8(100))
	f.Fuzz(func(t *testing.T, tail []byte, cut uint8) {
		b := append(bytes.Clone(whole[:blocks*size-min(blocks*size, int(cut))]), tail...)
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "0000000000000007.run"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		s := blockTestOpen(t, dir)
		failed := blockTestRead(t, s, 7, blocks, size)
		if failed == 0 && !bytes.Equal(b, whole) {
			t.Error("a damaged file was read without an error")
		}
	})
}

func TestBlockFooter(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		f := blockFooter{run: r.Uint64(), blocks: r.Uint64N(1000), table: r.Uint64N(1 << 40), indexLen: r.Uint64N(1 << 30), tableCRC: r.Uint32(), indexCRC: r.Uint32()}
		f.index = f.table + f.blocks*blockEntrySize
		size := f.index + f.indexLen + blockFooterSize
		if got, ok := blockDecodeFooter(f.encode(), size); !ok || got != f {
			t.Fatalf("got %+v, %v, want %+v", got, ok, f)
		}
		for _, wrong := range []uint64{0, 63, size - 1, size + 1, 1 << 63} {
			if _, ok := blockDecodeFooter(f.encode(), wrong); ok {
				t.Fatalf("footer %+v fits a file of %d bytes", f, wrong)
			}
		}
		f.blocks = 1 << 63
		if _, ok := blockDecodeFooter(f.encode(), size); ok {
			t.Fatalf("footer %+v fits", f)
		}
	}
}

const blockBenchBlocks = 1024

func blockBenchRun(b *testing.B, s BlockStore, run uint64, block []byte) {
	w, err := s.Create(run)
	if err != nil {
		b.Fatal(err)
	}
	for range blockBenchBlocks {
		if err := w.Append(block); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Finish(make([]byte, 20<<10)); err != nil {
		b.Fatal(err)
	}
}

// blockBenchWrite writes runs of 16 MiB and drops the one before.
func blockBenchWrite(b *testing.B, s BlockStore) {
	block := make([]byte, 16<<10)
	b.SetBytes(blockBenchBlocks * int64(len(block)))
	b.ReportAllocs()
	for run := uint64(1); b.Loop(); run++ {
		blockBenchRun(b, s, run, block)
		if err := s.Drop(run - 1); err != nil {
			b.Fatal(err)
		}
	}
}

func blockBenchPoint(b *testing.B, s BlockStore) {
	blockBenchRun(b, s, 1, make([]byte, 16<<10))
	r := rand.New(rand.NewPCG(1, 1))
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = s.Block(1, r.IntN(blockBenchBlocks), buf); err != nil {
			b.Fatal(err)
		}
	}
}

func blockBenchScan(b *testing.B, s BlockStore) {
	blockBenchRun(b, s, 1, make([]byte, 16<<10))
	b.SetBytes(blockBenchBlocks * 16 << 10)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Blocks(1, 0, blockBenchBlocks, func(int, []byte) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFileBlocksWrite(b *testing.B) { blockBenchWrite(b, blockTestOpen(b, b.TempDir())) }
func BenchmarkFileBlocksPoint(b *testing.B) { blockBenchPoint(b, blockTestOpen(b, b.TempDir())) }
func BenchmarkFileBlocksScan(b *testing.B)  { blockBenchScan(b, blockTestOpen(b, b.TempDir())) }
