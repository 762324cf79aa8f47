package storage

import (
	"bytes"
	"runtime"
	"sync"
	"time"

	"github.com/streamdb/streamdb/dataflow/zset"
)

const (
	// missShare is the least number of misses worth a goroutine.
	missShare = 64
	// coldReaders is the number of goroutines that read at once where blocks
	// come from the disk.
	coldReaders = 16
	// coldBlock is the time of reading a block, one reader, above which it came
	// from the disk; warmBlock the time a block, all readers together, below
	// which it did not.
	coldBlock = 60 * time.Microsecond
	warmBlock = 15 * time.Microsecond
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
	cold  bool

	blocks, skips int64
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
		w.cold = r.cold
		w.read(v.trees[p], arr, keys, items[i*len(items)/n:(i+1)*len(items)/n], s.mem.hashes, 2*s.opts.BlockSize)
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
	blocks, skips, found := int64(0), int64(0), 0
	for i := range n {
		w := &s.misses.workers[i]
		if w.err != nil {
			return w.err
		}
		blocks += w.blocks
		skips += w.skips
		found += len(w.found)
		for _, f := range w.found {
			val := w.data[f.from:f.to]
			h := s.mem.hashes[f.index]
			if out[f.index] = s.mem.insertClean(h, f.epoch, arr, keys.At(int(f.index)), val); out[f.index] == nil {
				out[f.index] = append([]byte{}, val...) // the row table is full
			}
		}
	}
	if blocks > 0 {
		if s.misses.cold {
			s.misses.cold = took/time.Duration(blocks) > warmBlock
		} else {
			s.misses.cold = took*time.Duration(n)/time.Duration(blocks) > coldBlock
		}
	}
	s.stats.readBlocks.Add(blocks)
	s.stats.bloomSkips.Add(skips)
	s.stats.foundRows.Add(int64(found))
	s.stats.fetchNanos.Add(int64(took))
	return nil
}

// read looks the keys up, newest run first.
func (w *missWorker) read(runs []*sortedRun, arr Arrangement, keys *zset.List, items []sortItem, hashes []uint64, mem int) {
	w.keys, w.todo, w.data, w.found = w.keys[:0], w.todo[:0], w.data[:0], w.found[:0]
	w.blocks, w.skips, w.err = 0, 0, nil
	if cap(w.mem) < mem {
		w.mem = make([]byte, 0, mem)
	}
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
	piece, at, current := 0, 0, -1
	var blk block
	left := w.todo[:0]
	for _, k := range w.todo {
		key := w.keys[k.from:k.to]
		if p := sr.piece(key, piece); p != piece {
			piece, at, current = p, 0, -1
		}
		if piece == len(sr.pieces) || bytes.Compare(key, sr.pieces[piece].lo) < 0 {
			left = append(left, k)
			continue
		}
		r := sr.pieces[piece]
		x, err := r.idx()
		if err != nil {
			return err
		}
		if !x.mayHave(hashes[k.index]) {
			w.skips++
			left = append(left, k)
			continue
		}
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
		if !found {
			left = append(left, k)
			continue
		}
		if !row.tomb {
			from := len(w.data)
			w.data = append(w.data, row.val...)
			w.found = append(w.found, missFound{index: k.index, epoch: row.epoch, from: from, to: len(w.data)})
		}
	}
	w.todo = left
	return nil
}

// block reads a block: through the mapping if it is probably resident, else by a
// read call, during which another goroutine runs; a page fault holds its
// processor.
func (w *missWorker) block(r *run, i int) (block, error) {
	w.blocks++
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
