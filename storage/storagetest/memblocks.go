package storagetest

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/streamdb/streamdb/storage"
)

type memRun struct {
	blocks   [][]byte
	index    []byte
	finished bool
}

// MemBlocks is a storage.BlockStore in memory. A run is durable when Finish
// returned; of a run that was not finished, a crash leaves an orphan.
type MemBlocks struct {
	mu   sync.RWMutex
	runs map[uint64]*memRun
	dead bool
}

var _ storage.BlockStore = (*MemBlocks)(nil)

// NewMemBlocks returns an empty store.
func NewMemBlocks() *MemBlocks { return &MemBlocks{runs: map[uint64]*memRun{}} }

// Crash ends s and returns its successor over the finished runs; unfinished
// ones are still listed by Runs, as the files of a killed process would be.
func (s *MemBlocks) Crash() *MemBlocks {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = true
	return &MemBlocks{runs: maps.Clone(s.runs)}
}

// Create implements storage.BlockStore.
func (s *MemBlocks) Create(run uint64) (storage.RunWriter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return nil, errCrashed
	}
	if r := s.runs[run]; r != nil && r.finished {
		return nil, fmt.Errorf("storagetest: run %d exists", run)
	}
	r := &memRun{}
	s.runs[run] = r
	return &memWriter{s: s, id: run, run: r}, nil
}

// find returns a finished run; the caller holds the lock.
func (s *MemBlocks) find(run uint64) (*memRun, error) {
	if s.dead {
		return nil, errCrashed
	}
	r := s.runs[run]
	if r == nil || !r.finished {
		return nil, fmt.Errorf("storagetest: run %d does not exist", run)
	}
	return r, nil
}

// Index implements storage.BlockStore.
func (s *MemBlocks) Index(run uint64) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, err := s.find(run)
	if err != nil {
		return nil, err
	}
	return slices.Clone(r.index), nil
}

// Block implements storage.BlockStore.
func (s *MemBlocks) Block(run uint64, i int, buf []byte) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, err := s.find(run)
	if err != nil {
		return nil, err
	}
	if i < 0 || i >= len(r.blocks) {
		return nil, fmt.Errorf("storagetest: run %d has no block %d", run, i)
	}
	return append(buf[:0], r.blocks[i]...), nil
}

// Blocks implements storage.BlockStore.
func (s *MemBlocks) Blocks(run uint64, from, n int, fn func(i int, block []byte) error) error {
	s.mu.RLock()
	r, err := s.find(run)
	s.mu.RUnlock()
	if err != nil {
		return err
	}
	if from < 0 || n < 0 || from+n > len(r.blocks) {
		return fmt.Errorf("storagetest: run %d has no blocks %d to %d", run, from, from+n-1)
	}
	for i := from; i < from+n; i++ {
		buf := slices.Clone(r.blocks[i])
		if err := fn(i, buf); err != nil {
			return err
		}
		clear(buf) // the slice is valid only during the call
	}
	return nil
}

// Drop implements storage.BlockStore.
func (s *MemBlocks) Drop(run uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return errCrashed
	}
	delete(s.runs, run)
	return nil
}

// Runs implements storage.BlockStore.
func (s *MemBlocks) Runs() ([]uint64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.dead {
		return nil, errCrashed
	}
	return slices.Sorted(maps.Keys(s.runs)), nil
}

// Close implements storage.BlockStore.
func (s *MemBlocks) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = true
	return nil
}

type memWriter struct {
	s    *MemBlocks
	id   uint64
	run  *memRun
	done bool
}

func (w *memWriter) Append(block []byte) error {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if w.s.dead || w.done {
		return errCrashed
	}
	w.run.blocks = append(w.run.blocks, slices.Clone(block))
	return nil
}

func (w *memWriter) Finish(index []byte) error {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if w.s.dead || w.done {
		return errCrashed
	}
	w.done = true
	w.run.index = slices.Clone(index)
	w.run.finished = true
	return nil
}

func (w *memWriter) Abort() {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if w.s.dead || w.done {
		return
	}
	w.done = true
	if w.s.runs[w.id] == w.run {
		delete(w.s.runs, w.id)
	}
}
