package storage

import (
	"bytes"
	"encoding/binary"
)

// longChunk is the bytes of blocks that a long walk reads at once, shortChunk
// those that a walk which may be short begins with: one block.
const (
	longChunk  = 512 << 10
	shortChunk = 1
)

// runIter walks the images of a sorted run in order. A short walk reads one
// block first; then chunks grow, up to large sequential reads.
type runIter struct {
	pieces []*run
	chunk  int // bytes to read next, at least one block
	// skip, if not nil, says whether no row of these arrangements is wanted: blocks
	// that have no others are not read, so that a merge passes their damage.
	skip func(first, last Arrangement) bool
	// hi, if not nil, ends the walk: blocks that have only keys from hi on are not
	// read, since damage of another arrangement's rows must not end it with an error.
	hi []byte

	at     int // piece
	next   int // next block of the piece to read
	mem    []byte
	ends   []int // ends of the read blocks in mem
	inMem  int   // number of the block of ends that is current
	source int   // number of the current block in its run

	blk block
	i   int

	ok    bool
	key   []byte // as in runs
	arr   uint32
	first uint64 // first eight bytes of the key behind the arrangement
	row   blockRowView
}

// newRunIter starts a walk at the first key not before lo; keys from hi on may be
// left out. chunk is the bytes of blocks read first.
func newRunIter(s *sortedRun, lo, hi []byte, chunk int, skip func(first, last Arrangement) bool) (*runIter, error) {
	if skip != nil {
		s = s.without(skip)
	}
	it := &runIter{pieces: s.pieces, chunk: chunk, skip: skip, hi: hi}
	it.at = s.piece(lo, 0)
	if it.at == len(it.pieces) || hi != nil && bytes.Compare(it.pieces[it.at].lo, hi) >= 0 {
		return it, nil
	}
	x, err := it.pieces[it.at].idx()
	if err != nil {
		return nil, err
	}
	it.next = max(0, x.find(lo, 0))
	if ok, err := it.read(); !ok {
		return it, err
	}
	i, ok := it.blk.search(lo)
	if !ok {
		return nil, it.pieces[it.at].damaged(it.source)
	}
	it.i = i - 1
	return it, it.advance()
}

// advance goes to the next image; ok is false at the end.
func (it *runIter) advance() error {
	it.i++
	if it.i >= it.blk.n {
		if ok, err := it.read(); !ok {
			it.ok = false
			return err
		}
		it.i = 0
	}
	row, ok := it.blk.row(it.i)
	n := len(it.blk.prefix) + len(row.rest)
	if !ok || n < runKeyArr {
		it.ok = false
		return it.pieces[it.at].damaged(it.source)
	}
	it.key = append(append(it.key[:0], it.blk.prefix...), row.rest...)
	it.arr = binary.BigEndian.Uint32(it.key)
	it.first = keyPrefix(it.key[runKeyArr:])
	it.row, it.ok = row, true
	return nil
}

// read makes the next block current; false at the end.
func (it *runIter) read() (bool, error) {
	if it.inMem+1 < len(it.ends) {
		it.inMem++
		it.source++
		return it.parse(it.mem[it.ends[it.inMem-1]:it.ends[it.inMem]])
	}
	n, err := it.toRead()
	if n == 0 || err != nil {
		return false, err
	}
	r := it.pieces[it.at]
	it.chunk = min(4*max(it.chunk, r.blockBytes()), longChunk)
	it.source = it.next
	it.next += n
	it.mem, it.ends, it.inMem = it.mem[:0], it.ends[:0], 0
	if n == 1 {
		k, err := r.block(it.source, it.mem)
		it.blk = k
		return err == nil, err
	}
	err = r.store.Blocks(r.id, it.source, n, func(_ int, b []byte) error {
		it.mem = append(it.mem, b...)
		it.ends = append(it.ends, len(it.mem))
		return nil
	})
	if len(it.ends) == 0 {
		return false, err
	}
	it.next = it.source + len(it.ends) // an error is met again when its block comes
	return it.parse(it.mem[:it.ends[0]])
}

// toRead goes to the next blocks that are to be read and returns their number, 0
// at the end.
func (it *runIter) toRead() (n int, err error) {
	for ; it.at < len(it.pieces); it.at, it.next = it.at+1, 0 {
		r := it.pieces[it.at]
		if it.hi != nil && it.next == 0 && bytes.Compare(r.lo, it.hi) >= 0 {
			return 0, nil
		}
		x, err := r.idx()
		if err != nil {
			return 0, err
		}
		for it.skip != nil && it.next < x.blocks && it.skip(x.arrangements(it.next, r.hi)) {
			it.next++
		}
		if it.next == x.blocks {
			continue
		}
		most := r.blocksIn(it.chunk, it.next)
		for n < most && it.wants(r, x, it.next+n) {
			n++
		}
		return n, nil
	}
	return 0, nil
}

// wants says whether block i may have rows that the walk is to give.
func (it *runIter) wants(r *run, x *runIndex, i int) bool {
	if it.hi != nil && bytes.Compare(x.fence(i), it.hi) >= 0 {
		return false
	}
	return it.skip == nil || !it.skip(x.arrangements(i, r.hi))
}

func (it *runIter) parse(b []byte) (bool, error) {
	k, ok := parseBlock(b)
	if !ok {
		return false, it.pieces[it.at].damaged(it.source)
	}
	it.blk = k
	return true, nil
}

// before orders images: by key, newest first.
func (it *runIter) before(o *runIter) bool {
	if c := compareHeads(it, o); c != 0 {
		return c < 0
	}
	return it.row.epoch > o.row.epoch
}

func compareHeads(a, b *runIter) int {
	switch {
	case a.arr != b.arr:
		if a.arr < b.arr {
			return -1
		}
		return 1
	case a.first != b.first:
		if a.first < b.first {
			return -1
		}
		return 1
	}
	return bytes.Compare(a.key, b.key)
}

// mergeIter walks several sorted runs in order. Where two have the same image of
// a key, both are given.
type mergeIter struct {
	heap []*runIter
}

func newMergeIter(runs []*sortedRun, lo, hi []byte, chunk int, skip func(first, last Arrangement) bool) (*mergeIter, error) {
	m := &mergeIter{}
	for _, s := range runs {
		it, err := newRunIter(s, lo, hi, chunk, skip)
		if err != nil {
			return nil, err
		}
		if it.ok {
			m.heap = append(m.heap, it)
		}
	}
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.down(i)
	}
	return m, nil
}

// head returns the iterator at the next image, nil at the end.
func (m *mergeIter) head() *runIter {
	if len(m.heap) == 0 {
		return nil
	}
	return m.heap[0]
}

// advance passes the next image.
func (m *mergeIter) advance() error {
	it := m.heap[0]
	if err := it.advance(); err != nil {
		return err
	}
	if !it.ok {
		last := len(m.heap) - 1
		m.heap[0] = m.heap[last]
		m.heap = m.heap[:last]
	}
	m.down(0)
	return nil
}

func (m *mergeIter) down(i int) {
	h := m.heap
	for {
		c := 2*i + 1
		if c >= len(h) {
			return
		}
		if c+1 < len(h) && h[c+1].before(h[c]) {
			c++
		}
		if !h[c].before(h[i]) {
			return
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
}
