package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const (
	blockFileSuffix = ".run"
	blockTempSuffix = ".tmp"
)

// FileBlocks is the BlockStore in files, one immutable file a run. Point reads
// (Block, Index) go through a mapping of the file, so that they copy nothing;
// Blocks reads with large sequential reads, because a mapping reads from a cold
// disk page by page. Every read verifies what it read.
//
// It may be used by any number of goroutines.
type FileBlocks struct {
	dir  string
	sync func(*os.File) error // replaced in tests of failures

	mu       sync.RWMutex
	open     map[uint64]*blockFile
	dropping map[uint64]bool // not to be opened again
	closed   bool

	buffers sync.Pool // *[]byte of blockScanSize, for Blocks
	freeing *freeing
}

var _ BlockStore = (*FileBlocks)(nil)

// OpenFileBlocks opens the store in directory dir, or creates it. Files are
// opened when they are first read.
func OpenFileBlocks(dir string) (*FileBlocks, error) {
	if err := fileMakeDir(dir); err != nil {
		return nil, err
	}
	s := &FileBlocks{dir: dir, sync: fileFdatasync, open: map[uint64]*blockFile{}, dropping: map[uint64]bool{}, freeing: startFreeing()}
	s.buffers.New = func() any { b := make([]byte, blockScanSize); return &b }
	return s, nil
}

func (s *FileBlocks) path(run uint64, suffix string) string {
	return filepath.Join(s.dir, fmt.Sprintf("%016x%s", run, suffix))
}

// Create implements BlockStore. What an earlier, unfinished Create of the same
// run left is overwritten.
func (s *FileBlocks) Create(run uint64) (RunWriter, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, os.ErrClosed
	}
	if _, err := os.Stat(s.path(run, blockFileSuffix)); err == nil {
		return nil, fmt.Errorf("run %d exists", run)
	}
	f, err := os.OpenFile(s.path(run, blockTempSuffix), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fileError(err, "could not create run %d", run)
	}
	return &blockFileWriter{store: s, run: run, file: f, buf: make([]byte, 0, blockBufferSize)}, nil
}

// acquire returns the opened file of a run; the caller releases it.
func (s *FileBlocks) acquire(run uint64) (*blockFile, error) {
	s.mu.RLock()
	f, closed := s.open[run], s.closed
	if f != nil {
		f.refs.Add(1)
	}
	s.mu.RUnlock()
	switch {
	case closed:
		if f != nil {
			f.release()
		}
		return nil, os.ErrClosed
	case f != nil:
		return f, nil
	}
	return s.acquireNew(run)
}

func (s *FileBlocks) acquireNew(run uint64) (*blockFile, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, os.ErrClosed
	}
	f := s.open[run]
	if s.dropping[run] {
		return nil, fmt.Errorf("run %d does not exist: %w", run, os.ErrNotExist)
	}
	if f == nil {
		var err error
		if f, err = blockOpenFile(s.path(run, blockFileSuffix), run); err != nil {
			return nil, err
		}
		s.open[run] = f
	}
	f.refs.Add(1)
	return f, nil
}

// Index implements BlockStore.
func (s *FileBlocks) Index(run uint64) ([]byte, error) {
	f, err := s.acquire(run)
	if err != nil {
		return nil, err
	}
	defer f.release()
	return f.index()
}

// Block implements BlockStore. The result is mapped memory.
func (s *FileBlocks) Block(run uint64, i int, _ []byte) ([]byte, error) {
	f, err := s.acquire(run)
	if err != nil {
		return nil, err
	}
	defer f.release()
	return f.block(i)
}

// Blocks implements BlockStore.
func (s *FileBlocks) Blocks(run uint64, from, n int, fn func(i int, block []byte) error) error {
	f, err := s.acquire(run)
	if err != nil {
		return err
	}
	defer f.release()
	buf := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(buf)
	return f.scan(from, n, *buf, fn)
}

// Drop implements BlockStore. Calls that are under way end before the mapping
// goes; slices that Index and Block returned must not be used any more. The space is
// freed a little later (freeing).
func (s *FileBlocks) Drop(run uint64) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return os.ErrClosed
	}
	f := s.open[run]
	delete(s.open, run)
	s.dropping[run] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.dropping, run)
		s.mu.Unlock()
	}()
	doomed, _ := os.OpenFile(s.path(run, blockFileSuffix), os.O_WRONLY, 0) // without it the space is freed at once
	var failed error
	for _, suffix := range []string{blockFileSuffix, blockTempSuffix} {
		if err := os.Remove(s.path(run, suffix)); err != nil && !errors.Is(err, os.ErrNotExist) {
			failed = fileError(err, "could not remove run %d", run)
		}
	}
	if failed != nil && doomed != nil { // it has its name still
		_ = doomed.Close()
		doomed = nil
	}
	if f == nil {
		s.freeing.add(doomed)
		return failed
	}
	f.unmapped = func() { s.freeing.add(doomed) }
	f.release()
	return failed
}

// Runs implements BlockStore.
func (s *FileBlocks) Runs() ([]uint64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, os.ErrClosed
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fileError(err, "could not read directory %q", s.dir)
	}
	var runs []uint64
	for _, e := range entries {
		base, suffix, _ := strings.Cut(e.Name(), ".")
		if len(base) != 16 || ("."+suffix != blockFileSuffix && "."+suffix != blockTempSuffix) {
			continue
		}
		if run, err := strconv.ParseUint(base, 16, 64); err == nil {
			runs = append(runs, run)
		}
	}
	slices.Sort(runs)
	return slices.Compact(runs), nil
}

// Close implements BlockStore. It is idempotent. Slices that Index and Block
// returned must not be used any more.
func (s *FileBlocks) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	for _, f := range s.open {
		f.release()
	}
	clear(s.open)
	s.freeing.close()
	return nil
}
