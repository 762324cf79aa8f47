package storage

import (
	"math/bits"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

const (
	refUnit      = 4  // bytes; references count units, so that 32 bits reach 16 GiB
	segmentShift = 18 // a segment has 256 KiB
	segmentBytes = 1 << segmentShift
	segmentUnits = segmentBytes / refUnit
	// residentFree is the number of free segments whose pages are kept.
	residentFree = 64
)

// ref addresses an entry: the offset in the arena in units. 0 is no entry.
type ref = uint32

// segment is a piece of the arena that is filled from its start and freed as a
// whole. Entries larger than a segment get several in a row, of which the
// first carries the description.
type segment struct {
	gen  uint64 // generation whose changes it holds; 0: clean rows only
	used int64  // bytes filled
	live int64  // bytes of entries that the index points at
	span int    // segments in a row; 0: free, or a later one of a row
}

// arena hands out segments. Only the committing goroutine changes it; readers
// only look at the bytes of entries that they got under a latch.
type arena struct {
	data []byte
	segs []segment
	free []uint64 // bit set: free; covers len(segs)
	hint int      // no free segment below
	max  int      // number of segments in the address space
	held int      // segments in use
	idle int      // free segments whose pages are resident
	out  int      // segments given out since the last eviction
}

func newArena(want int64) (*arena, error) {
	data, err := reserveArena(want)
	if err != nil {
		return nil, sqlerr.Wrap(err, sqlerr.OutOfMemory, "out of memory: %v", err)
	}
	a := &arena{data: data, max: len(data) / segmentBytes}
	// Segment 0 is never given out: reference 0 means none.
	a.segs = append(a.segs, segment{})
	a.free = append(a.free, 0)
	a.hint = 1
	return a, nil
}

func (a *arena) close() {
	if a.data != nil {
		unmapBytes(a.data)
		a.data = nil
	}
}

// available says how many bytes can still be given out, counting free segments
// only one by one.
func (a *arena) available() int64 { return int64(a.max-1-a.held) * segmentBytes }

// alloc returns n free segments in a row, or -1.
func (a *arena) alloc(n int) int {
	i := a.findFree(n)
	if i < 0 {
		return -1
	}
	for j := i; j < i+n; j++ {
		a.free[j>>6] &^= 1 << (j & 63)
	}
	if i == a.hint {
		a.hint = i + n
	}
	a.segs[i] = segment{span: n}
	a.held += n
	a.out += n
	a.idle = max(0, a.idle-n)
	return i
}

// findFree finds n free segments in a row and extends the arena if there are
// none.
func (a *arena) findFree(n int) int {
	if n == 1 {
		for w := a.hint >> 6; w < len(a.free); w++ {
			if a.free[w] != 0 {
				a.hint = w<<6 + bits.TrailingZeros64(a.free[w])
				return a.hint
			}
		}
		a.hint = len(a.segs)
	} else {
		row := 0
		for i := a.hint; i < len(a.segs); i++ {
			if a.free[i>>6]>>(i&63)&1 == 0 {
				row = 0
				continue
			}
			if row++; row == n {
				return i - n + 1
			}
		}
	}
	i := len(a.segs)
	if i+n > a.max {
		return -1
	}
	for j := i; j < i+n; j++ {
		a.segs = append(a.segs, segment{})
		if j&63 == 0 {
			a.free = append(a.free, 0)
		}
		a.free[j>>6] |= 1 << (j & 63)
	}
	return i
}

// release frees the segment row that starts at i.
func (a *arena) release(i int) {
	n := a.segs[i].span
	for j := i; j < i+n; j++ {
		a.free[j>>6] |= 1 << (j & 63)
		a.segs[j] = segment{}
	}
	a.hint = min(a.hint, i)
	a.held -= n
	if a.idle+n > residentFree {
		releasePages(a.data[i<<segmentShift : (i+n)<<segmentShift])
		return
	}
	a.idle += n
}
