package storage

import (
	"sync"
	"sync/atomic"
)

// generation is what is flushed together: the changes of a row of epochs. The
// active one grows by commits; sealed ones are read by the flush.
type generation struct {
	id       uint64
	segs     []uint32 // first segments of the rows of segments, in order of filling
	bytes    int64    // memory in segments
	logBytes int64    // log records since it was opened
	used     map[uint32]int64
	first    uint64 // first epoch in it
	last     uint64 // last epoch in it
	clock    int64  // clock and positions as of last
	position []byte
	edit     *treeEdit // its flush, from when its runs are written; only for the flush

	mu   sync.RWMutex // guards the map, not the sets
	refs map[Arrangement]*refSet

	// readers counts scans that hold references into the generation. It rises
	// only while the generation is listed as unflushed.
	readers atomic.Int64
}

func (m *memtable) newGeneration() *generation {
	g := &generation{id: m.nextGen, refs: map[Arrangement]*refSet{}}
	m.nextGen++
	return g
}

// alloc returns size bytes in the generation, 0 if the arena is full.
func (g *generation) alloc(m *memtable, size int64) ref {
	if size > segmentBytes {
		i := m.arena.alloc(int((size + segmentBytes - 1) / segmentBytes))
		if i < 0 {
			return 0
		}
		seg := &m.arena.segs[i]
		seg.gen, seg.used = g.id, size
		g.bytes += int64(seg.span) * segmentBytes
		// The row is full; the segment that is being filled stays the last.
		g.segs = append(g.segs, uint32(i))
		if n := len(g.segs); n > 1 {
			g.segs[n-1], g.segs[n-2] = g.segs[n-2], g.segs[n-1]
		}
		return ref(i * segmentUnits)
	}
	if n := len(g.segs); n > 0 {
		i := g.segs[n-1]
		if seg := &m.arena.segs[i]; seg.used+size <= segmentBytes {
			r := i*segmentUnits + uint32(seg.used/refUnit)
			seg.used += size
			return r
		}
	}
	i := m.arena.alloc(1)
	if i < 0 {
		return 0
	}
	seg := &m.arena.segs[i]
	seg.gen, seg.used = g.id, size
	g.bytes += segmentBytes
	g.segs = append(g.segs, uint32(i))
	return ref(i * segmentUnits)
}

// bytesOf returns the filled part of one of the generation's rows of segments.
// The generation is sealed; the arena's descriptions belong to the committing
// goroutine, so that the size is the one noted at sealing.
func (g *generation) bytesOf(a *arena, i uint32) []byte {
	start := int64(i) << segmentShift
	return a.data[start : start+g.used[i]]
}

// seal notes how far the segments are filled.
func (g *generation) seal(a *arena) {
	g.used = make(map[uint32]int64, len(g.segs))
	for _, i := range g.segs {
		g.used[i] = a.segs[i].used
	}
}

// refsOf returns the set of the arrangement's keys in the generation.
func (g *generation) refsOf(arr Arrangement) *refSet {
	if s := g.peek(arr); s != nil {
		return s
	}
	s := &refSet{}
	g.mu.Lock()
	g.refs[arr] = s
	g.mu.Unlock()
	return s
}

// peek returns the set, nil if the generation has none; for any goroutine.
func (g *generation) peek(arr Arrangement) *refSet {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.refs[arr]
}

// refSet lists one entry for each key that the arrangement has in a
// generation, for scans in key order. It is sorted lazily, by parts: a scan
// sorts what came since the last one and merges parts of similar size, so that
// a scan every epoch does not sort the whole generation each time.
type refSet struct {
	pending []ref // of the running commit; only for the committing goroutine

	mu   sync.Mutex
	tail []ref // not sorted yet

	sortMu sync.Mutex
	sorted [][]ref // each in key order, larger ones first; the slices never change
}

// publish hands the running commit's keys to the readers.
func (s *refSet) publish() {
	if len(s.pending) == 0 {
		return
	}
	s.mu.Lock()
	s.tail = append(s.tail, s.pending...)
	s.mu.Unlock()
	s.pending = s.pending[:0]
}

// parts returns the sorted parts. The caller holds the generation.
func (s *refSet) parts(a *arena) [][]ref {
	s.sortMu.Lock()
	defer s.sortMu.Unlock()
	s.mu.Lock()
	tail := s.tail
	s.tail = nil
	s.mu.Unlock()
	if len(tail) > 0 {
		sortRefs(a, tail)
		s.sorted = append(s.sorted, tail)
		for n := len(s.sorted); n > 1 && len(s.sorted[n-2]) < 2*len(s.sorted[n-1]); n = len(s.sorted) {
			s.sorted[n-2] = mergeRefs(a, s.sorted[n-2], s.sorted[n-1])
			s.sorted = s.sorted[:n-1]
		}
	}
	return append([][]ref(nil), s.sorted...)
}
