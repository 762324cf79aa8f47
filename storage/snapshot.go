package storage

import (
	"slices"
	"sync/atomic"
)

// Snapshot reads the store as of one epoch, from any goroutine, until it is
// released.
type Snapshot struct {
	store    *Store
	epoch    uint64
	released atomic.Bool
}

// Snapshot pins the last committed epoch. The caller releases it.
func (s *Store) Snapshot() *Snapshot {
	s.pinMu.Lock()
	defer s.pinMu.Unlock()
	s.pins[s.epoch]++
	return &Snapshot{store: s, epoch: s.epoch}
}

// Epoch returns the epoch that the snapshot shows.
func (sn *Snapshot) Epoch() uint64 { return sn.epoch }

// Release ends the snapshot; it is idempotent. It must not be read afterwards.
func (sn *Snapshot) Release() {
	if sn.released.Swap(true) {
		return
	}
	s := sn.store
	s.pinMu.Lock()
	defer s.pinMu.Unlock()
	if s.pins[sn.epoch]--; s.pins[sn.epoch] == 0 {
		delete(s.pins, sn.epoch)
	}
}

// pinned returns the pinned epochs, ascending, in a buffer of the committing
// goroutine.
func (s *Store) pinned() []uint64 {
	s.pinBuf = s.appendPins(s.pinBuf[:0])
	return s.pinBuf
}

func (s *Store) appendPins(buf []uint64) []uint64 {
	s.pinMu.Lock()
	for e := range s.pins {
		buf = append(buf, e)
	}
	s.pinMu.Unlock()
	slices.Sort(buf)
	return buf
}

// Get appends the row's value to buf; ok is false if the key is not there.
func (sn *Snapshot) Get(arr Arrangement, key, buf []byte) (val []byte, ok bool, err error) {
	s := sn.store
	if err := s.enter(); err != nil {
		return buf, false, err
	}
	defer s.leave()
	st, exists := s.arrangement(arr)
	if !exists || st.dropped != arrangementAlive && st.dropped <= sn.epoch {
		return buf, false, nil
	}
	return s.getAt(arr, st.placement, key, sn.epoch, buf)
}

// getAt reads the newest image with at most epoch. Memory comes first and the
// list of runs is taken afterwards: a row leaves memory only when the list has
// it.
func (s *Store) getAt(arr Arrangement, p Placement, key []byte, epoch uint64, buf []byte) ([]byte, bool, error) {
	h := hashKey(arr, key)
	if val, live, known := s.mem.read(h, epoch, arr, key, buf); known {
		return val, live, nil
	}
	v := s.tree.acquire()
	defer s.tree.release(v)
	mem := s.blockMem.Get().(*[]byte)
	defer s.blockMem.Put(mem)
	val, live, err := v.get(p, arr, key, h, epoch, buf, *mem)
	return val, live, s.readError(arr, err)
}
