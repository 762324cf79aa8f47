package storage

import (
	"bytes"
	"math"
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
	s.stats.scans.Add(1)
	// Unflushed generations come first and the runs afterwards: what is flushed
	// in between is in both.
	mem := s.scanMemory(arr, lo)
	defer mem.close()
	v := s.tree.acquire()
	defer s.tree.release(v)
	sc := &scan{store: s, arr: arr, placement: st.placement, epoch: epoch, mem: mem}
	sc.setEnd(hi)
	var err error
	if sc.runs, err = newMergeIter(v.trees[st.placement], appendRunKey(nil, arr, lo), sc.end, shortChunk, nil); err != nil {
		return s.readError(arr, err)
	}
	for {
		key, val, ok, err := sc.next()
		if err != nil || !ok || !fn(key, val) {
			return s.readError(arr, err)
		}
	}
}

// scan merges the keys that memory has with the images of the runs.
type scan struct {
	store     *Store
	arr       Arrangement
	placement Placement
	epoch     uint64
	mem       *memScan
	runs      *mergeIter
	end       []byte // exclusive end, as in runs; nil: open
	hi        []byte
	val       []byte
	key       []byte // as in runs: key of the row last given
}

// setEnd sets the end of the range: hi, or the end of the arrangement.
func (sc *scan) setEnd(hi []byte) {
	sc.hi = hi
	switch {
	case hi != nil:
		sc.end = appendRunKey(nil, sc.arr, hi)
	case sc.arr < math.MaxUint32:
		sc.end = appendRunKey(nil, sc.arr+1, nil)
	}
}

// next returns the next row.
func (sc *scan) next() (key, val []byte, ok bool, err error) {
	for {
		memKey, inMem := sc.mem.peek()
		if inMem && sc.hi != nil && bytes.Compare(memKey, sc.hi) >= 0 {
			inMem = false
		}
		head := sc.runs.head()
		if head != nil && sc.end != nil && bytes.Compare(head.key, sc.end) >= 0 {
			head = nil
		}
		switch {
		case !inMem && head == nil:
			return nil, nil, false, nil
		case inMem && (head == nil || bytes.Compare(memKey, head.key[runKeyArr:]) <= 0):
			val, ok, err = sc.memRow(memKey)
			key = memKey
		default:
			val, ok, err = sc.runRow(head)
			key = sc.key[runKeyArr:]
		}
		if err != nil || ok {
			return key, val, ok, err
		}
	}
}

// memRow reads a key that memory lists, and passes it in memory and runs.
func (sc *scan) memRow(key []byte) (val []byte, ok bool, err error) {
	sc.mem.next()
	sc.val, ok, err = sc.store.getAt(sc.arr, sc.placement, key, sc.epoch, sc.val[:0])
	if err != nil {
		return nil, false, err
	}
	for head := sc.runs.head(); head != nil && bytes.Equal(head.key[runKeyArr:], key) && Arrangement(head.arr) == sc.arr; head = sc.runs.head() {
		if err := sc.runs.advance(); err != nil {
			return nil, false, err
		}
	}
	return sc.val, ok, nil
}

// runRow takes the newest image that the epoch sees of the runs' next key, and
// passes the key.
func (sc *scan) runRow(head *runIter) (val []byte, ok bool, err error) {
	sc.key = append(sc.key[:0], head.key...)
	seen := false
	for head != nil && bytes.Equal(head.key, sc.key) {
		if !seen && head.row.epoch <= sc.epoch {
			seen, ok = true, !head.row.tomb
			sc.val = append(sc.val[:0], head.row.val...)
		}
		if err := sc.runs.advance(); err != nil {
			return nil, false, err
		}
		head = sc.runs.head()
	}
	return sc.val, ok, nil
}
