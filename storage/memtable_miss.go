package storage

import (
	"bytes"
	"runtime"
	"sort"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamdb/streamdb/dataflow/zset"
)

const (
	// missShare is the least number of misses worth a goroutine.
	missShare = 64
	// coldReaders is the number of goroutines that read at once where blocks
	// come from the disk.
	coldReaders = 16
	// coldSample is the least number of misses that tells whether blocks come from
	// the disk.
	coldSample = 16
)

// missReader reads the rows that Fetch does not find in the row table from the
// runs: sorted, so that every block is read once, and in parallel.
type missReader struct {
	index   []uint32 // numbers of the missing keys
	items   []sortItem
	workers []missWorker
	cold    bool // the last blocks came from the disk
}

// missWorker reads a range of the sorted misses.
type missWorker struct {
	keys  []byte // as in runs, one behind the other
	todo  []missKey
	data  []byte // values found
	found []missFound
	mem   []byte
	maybe []bool // whether a run's filter lets a key pass
	cold  bool

	blocks, skips int64
	pages         int64 // read from the disk
	err           error
}

type missKey struct {
	index    uint32
	from, to uint32 // in keys
}

type missFound struct {
	index    uint32
	epoch    uint64
	from, to int // in data
}

// fetchMisses completes out and brings the rows into the row table.
func (s *Store) fetchMisses(arr Arrangement, p Placement, keys *zset.List, out Values) error {
	v := s.tree.acquire()
	defer s.tree.release(v)
	if len(v.trees[p]) == 0 {
		return nil
	}
	r := &s.misses
	start := time.Now()
	items := r.sort(keys)
	n := min(len(items)/missShare+1, runtime.GOMAXPROCS(0))
	if r.cold {
		n = min(len(items)/4+1, coldReaders)
	}
	for len(r.workers) < n {
		r.workers = append(r.workers, missWorker{})
	}
	read := func(i int) {
		w := &r.workers[i]
		w.cold, w.pages = r.cold, 0
		part := items[i*len(items)/n : (i+1)*len(items)/n]
		if len(items) < coldSample {
			w.read(v.trees[p], arr, keys, part, s.mem.hashes)
			return
		}
		w.pages = pagesRead(func() { w.read(v.trees[p], arr, keys, part, s.mem.hashes) })
	}
	var wg sync.WaitGroup
	for i := 1; i < n; i++ {
		wg.Go(func() { read(i) })
	}
	read(0)
	wg.Wait()
	return s.insertFound(arr, keys, out, n, time.Since(start))
}

// sort sorts the misses by key.
func (r *missReader) sort(keys *zset.List) []sortItem {
	n := len(r.index)
	if cap(r.items) < 2*n {
		r.items = make([]sortItem, 2*n+2*n/4)
	}
	items := r.items[:n]
	for k, i := range r.index {
		items[k] = sortItem{prefix: keyPrefix(keys.At(int(i))), ref: i}
	}
	return sortItems(items, r.items[n:2*n], func(a, b sortItem) int {
		return bytes.Compare(keys.At(int(a.ref)), keys.At(int(b.ref)))
	})
}

// insertFound adds what n workers found to the row table and to out.
func (s *Store) insertFound(arr Arrangement, keys *zset.List, out Values, n int, took time.Duration) error {
	blocks, skips, pages, found := int64(0), int64(0), int64(0), 0
	for i := range n {
		w := &s.misses.workers[i]
		if w.err != nil {
			return w.err
		}
		blocks += w.blocks
		skips += w.skips
		pages += w.pages
		found += len(w.found)
		for _, f := range w.found {
			val := w.data[f.from:f.to]
			h := s.mem.hashes[f.index]
			if out[f.index] = s.mem.insertClean(h, f.epoch, arr, keys.At(int(f.index)), val); out[f.index] == nil {
				out[f.index] = append([]byte{}, val...) // the row table is full
			}
		}
	}
	s.misses.judge(blocks, pages)
	s.stats.readBlocks.Add(blocks)
	s.stats.bloomSkips.Add(skips)
	s.stats.foundRows.Add(int64(found))
	s.stats.fetchNanos.Add(int64(took))
	return nil
}

// judge decides how the next blocks are read, after some were: they come from the
// disk if a quarter of the last ones did, until it is less than one in sixteen.
// Time would not tell, since a busy machine makes every read slow.
func (r *missReader) judge(blocks, pages int64) {
	if blocks < coldSample {
		return
	}
	share := int64(4)
	if r.cold {
		share = 16
	}
	r.cold = pages*share > blocks
}

// pagesRead calls read and returns how many pages of 4 KiB it had to read from
// the disk. The kernel counts that by thread.
func pagesRead(read func()) int64 {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := sectorsRead()
	read()
	return (sectorsRead() - before) / 8
}

// sectorsRead returns the sectors of 512 bytes that this thread has read, 0 where
// the kernel does not count them.
func sectorsRead() int64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_THREAD, &u) != nil {
		return 0
	}
	return u.Inblock
}

// read looks the keys up, newest run first.
func (w *missWorker) read(runs []*sortedRun, arr Arrangement, keys *zset.List, items []sortItem, hashes []uint64) {
	w.keys, w.todo, w.data, w.found = w.keys[:0], w.todo[:0], w.data[:0], w.found[:0]
	w.blocks, w.skips, w.err = 0, 0, nil
	for _, it := range items {
		from := len(w.keys)
		w.keys = appendRunKey(w.keys, arr, keys.At(int(it.ref)))
		w.todo = append(w.todo, missKey{index: it.ref, from: uint32(from), to: uint32(len(w.keys))})
	}
	for _, sr := range runs {
		if len(w.todo) == 0 {
			return
		}
		if w.err = w.readRun(sr, hashes); w.err != nil {
			return
		}
	}
}

// readRun looks up all keys that are still to be found, ascending, in one sorted
// run and drops those found from the list.
func (w *missWorker) readRun(sr *sortedRun, hashes []uint64) error {
	todo, piece := w.todo, 0
	w.todo = w.todo[:0]
	for len(todo) > 0 {
		if piece = sr.piece(w.key(todo[0]), piece); piece == len(sr.pieces) {
			break
		}
		r := sr.pieces[piece]
		// Keys before the piece are in none, since they are behind the one before.
		before := w.count(todo, func(key []byte) bool { return bytes.Compare(key, r.lo) < 0 })
		w.todo = append(w.todo, todo[:before]...)
		n := w.count(todo, func(key []byte) bool { return bytes.Compare(key, r.hi) <= 0 })
		if err := w.readPiece(r, todo[before:n], hashes); err != nil {
			return err
		}
		todo = todo[n:]
	}
	w.todo = append(w.todo, todo...)
	return nil
}

func (w *missWorker) key(k missKey) []byte { return w.keys[k.from:k.to] }

// count returns how many of the keys, from the first on, are within a bound.
func (w *missWorker) count(todo []missKey, within func(key []byte) bool) int {
	return sort.Search(len(todo), func(i int) bool { return !within(w.key(todo[i])) })
}

// readPiece looks up keys, ascending, in a run and puts those not found back on
// the list.
func (w *missWorker) readPiece(r *run, todo []missKey, hashes []uint64) error {
	if len(todo) == 0 {
		return nil
	}
	x, err := r.idx()
	if err != nil {
		return err
	}
	// A loop that only asks the filter lets the processor overlap the cache misses.
	w.maybe = w.maybe[:0]
	for _, k := range todo {
		w.maybe = append(w.maybe, x.mayHave(hashes[k.index]))
	}
	at, current := 0, -1
	var blk block
	for i, k := range todo {
		if !w.maybe[i] {
			w.skips++
			w.todo = append(w.todo, k)
			continue
		}
		key := w.key(k)
		if at = max(0, x.find(key, at)); at != current {
			if blk, err = w.block(r, at); err != nil {
				return err
			}
			current = at
		}
		row, found, ok := blk.find(key, maxEpoch)
		if !ok {
			return r.damaged(at)
		}
		w.take(k, row, found)
	}
	return nil
}

// take keeps the row of a key if it was found.
func (w *missWorker) take(k missKey, row blockRowView, found bool) {
	switch {
	case !found:
		w.todo = append(w.todo, k)
	case !row.tomb:
		from := len(w.data)
		w.data = append(w.data, row.val...)
		w.found = append(w.found, missFound{index: k.index, epoch: row.epoch, from: from, to: len(w.data)})
	}
}

// block reads a block: through the mapping if it is probably resident, else by a
// read call, during which another goroutine runs; a page fault holds its
// processor.
func (w *missWorker) block(r *run, i int) (block, error) {
	w.blocks++
	if cap(w.mem) == 0 && r.home == homeBadger {
		w.mem = make([]byte, 0, 2*badgerBlockSize)
	}
	if !w.cold {
		return r.block(i, w.mem)
	}
	err := r.store.Blocks(r.id, i, 1, func(_ int, b []byte) error {
		w.mem = append(w.mem[:0], b...)
		return nil
	})
	if err != nil {
		return block{}, err
	}
	k, ok := parseBlock(w.mem)
	if !ok {
		return block{}, r.damaged(i)
	}
	return k, nil
}
