package storage

import (
	"bytes"
)

// Scan calls fn for the newest images in key order, lo <= key < hi (nil: open),
// until it returns false. The slices are valid during the call. Only the
// goroutine that commits may call it; fn must not commit.
func (s *Store) Scan(arr Arrangement, lo, hi []byte, fn func(key, val []byte) bool) error {
	return s.scanAt(arr, lo, hi, s.Epoch(), fn)
}

// Scan calls fn for the rows in key order, lo <= key < hi (nil: open), until it
// returns false. The slices are valid during the call.
func (sn *Snapshot) Scan(arr Arrangement, lo, hi []byte, fn func(key, val []byte) bool) error {
	return sn.store.scanAt(arr, lo, hi, sn.epoch, fn)
}

func (s *Store) scanAt(arr Arrangement, lo, hi []byte, epoch uint64, fn func(key, val []byte) bool) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	st, exists := s.arrangement(arr)
	if !exists || st.dropped != arrangementAlive && st.dropped <= epoch {
		return nil
	}
	mem := s.scanMemory(arr, lo)
	defer mem.close()
	var buf []byte
	for {
		key, ok := mem.next()
		if !ok || hi != nil && bytes.Compare(key, hi) >= 0 {
			return nil
		}
		val, live, err := s.getAt(arr, st.placement, key, epoch, buf[:0])
		if err != nil {
			return err
		}
		buf = val
		if live && !fn(key, val) {
			return nil
		}
	}
}
