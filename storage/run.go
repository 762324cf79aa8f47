package storage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// runHome says which block store holds a run. It is part of the manifest.
type runHome uint8

const (
	homeFiles runHome = iota
	homeBadger
)

// runPlace identifies a run in its block store.
type runPlace struct {
	home runHome
	id   uint64
}

// runDesc is what the manifest says of a run.
type runDesc struct {
	id     uint64
	home   runHome
	tree   Placement
	tier   uint8  // 0 from a flush, baseTier for the base
	rank   uint64 // age in the tree; runs of one rank are pieces of one sorted run
	bytes  uint64
	blocks uint64
	rows   uint64
	least  uint64 // least and largest epoch
	last   uint64
	lo, hi []byte // first and last key, as in runs
}

// baseTier is the tier of a tree's base, whose rank is 0.
const baseTier = 255

func (d *runDesc) encode() []byte {
	b := []byte{manifestVersion, byte(d.home), byte(d.tree), d.tier}
	for _, v := range []uint64{d.rank, d.bytes, d.blocks, d.rows, d.least, d.last} {
		b = binary.AppendUvarint(b, v)
	}
	return appendOptional(appendOptional(b, d.lo), d.hi)
}

// decode reads what encode wrote, behind the version.
func (d *runDesc) decode(r *decoder) {
	d.home, d.tree, d.tier = runHome(r.byte()), Placement(r.byte()), r.byte()
	for _, v := range []*uint64{&d.rank, &d.bytes, &d.blocks, &d.rows, &d.least, &d.last} {
		*v = r.uvarint()
	}
	d.lo, d.hi = cloneOptional(r.optional()), cloneOptional(r.optional())
	if d.home > homeBadger || d.tree > Result || d.lo == nil || d.hi == nil || d.blocks == 0 || d.blocks > 1<<31 {
		r.fail()
	}
}

// run is a listed run. Its index is loaded when it is first needed.
type run struct {
	runDesc
	store BlockStore
	refs  atomic.Int64 // versions that list it
	gone  atomic.Bool  // the manifest does not list it any more

	load  sync.Mutex
	index atomic.Pointer[runIndex]
}

// idx returns the parsed index.
func (r *run) idx() (*runIndex, error) {
	if x := r.index.Load(); x != nil {
		return x, nil
	}
	r.load.Lock()
	defer r.load.Unlock()
	if x := r.index.Load(); x != nil {
		return x, nil
	}
	b, err := r.store.Index(r.id)
	if err != nil {
		return nil, fmt.Errorf("could not read the index of run %d: %w", r.id, err)
	}
	x, ok := parseIndex(b)
	if !ok || uint64(x.blocks) != r.blocks {
		return nil, sqlerr.New(sqlerr.DataCorrupted, "index of run %d is damaged", r.id)
	}
	r.index.Store(x)
	return x, nil
}

// block reads block i, possibly into buf. The result may also be mapped memory,
// which must not be used as a buffer.
func (r *run) block(i int, buf []byte) (block, error) {
	b, err := r.store.Block(r.id, i, buf)
	if err != nil {
		return block{}, fmt.Errorf("could not read block %d of run %d: %w", i, r.id, err)
	}
	k, ok := parseBlock(b)
	if !ok {
		return block{}, r.damaged(i)
	}
	return k, nil
}

// blockBytes is the mean size of the run's blocks.
func (r *run) blockBytes() int { return int(max(1, r.runDesc.bytes/r.blocks)) }

// blocksIn is the number of blocks from block from on, at least one, that the
// given number of bytes is good for.
func (r *run) blocksIn(size, from int) int {
	return min(max(1, size/r.blockBytes()), int(r.blocks)-from)
}

func (r *run) damaged(i int) error {
	return sqlerr.New(sqlerr.DataCorrupted, "block %d of run %d is damaged", i, r.id)
}

// get looks up the newest image of the key (as in runs) with at most epoch. The
// row may share memory with buf.
func (r *run) get(key []byte, h, epoch uint64, buf []byte) (v blockRowView, found bool, err error) {
	if r.least > epoch {
		return v, false, nil
	}
	x, err := r.idx()
	if err != nil {
		return v, false, err
	}
	if !x.mayHave(h) {
		return v, false, nil
	}
	i := x.find(key, 0)
	if i < 0 {
		return v, false, nil
	}
	k, err := r.block(i, buf)
	if err != nil {
		return v, false, err
	}
	v, found, ok := k.find(key, epoch)
	if !ok {
		return v, false, r.damaged(i)
	}
	return v, found, nil
}

// sortedRun is a run that may be cut into pieces by key range.
type sortedRun struct {
	tier   uint8
	rank   uint64
	pieces []*run // ascending
}

func (s *sortedRun) bytes() (n uint64) {
	for _, r := range s.pieces {
		n += r.runDesc.bytes
	}
	return n
}

// without leaves out the pieces of which no row is wanted.
func (s *sortedRun) without(skip func(first, last Arrangement) bool) *sortedRun {
	out := &sortedRun{tier: s.tier, rank: s.rank}
	for _, r := range s.pieces {
		if !skip(runKeyArrangement(r.lo), runKeyArrangement(r.hi)) {
			out.pieces = append(out.pieces, r)
		}
	}
	return out
}

// piece returns the number of the first piece at or after from whose last key
// is not before key; the number of pieces if there is none.
func (s *sortedRun) piece(key []byte, from int) int {
	lo, hi := from, len(s.pieces)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if bytes.Compare(s.pieces[mid].hi, key) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}
