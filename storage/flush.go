package storage

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

const (
	// maxSealed is the number of sealed generations at which Commit waits.
	maxSealed = 3
	// maxFresh is the number of unmerged runs at which the flush waits.
	maxFresh = 12
	// sealLogUnits is the log size, in flush units, at which a generation is
	// sealed though its rows take little memory: it bounds the replay.
	sealLogUnits = 2

	firstRetry        = 10 * time.Millisecond
	longestFlushRetry = 2 * time.Second
	longestMergeRetry = time.Minute // where a run is damaged, it stays so
)

// background is the store's goroutines: one flushes, one merges, one verifies. Its fields are guarded by Store.genMu.
type background struct {
	wg     sync.WaitGroup
	ctx    context.Context
	cancel context.CancelFunc
	cond   *sync.Cond

	flushErr error // of the last flush, nil after a good one
	mergeErr error
	bases    [Result + 1]*baseMerge // base merges under way; only for the merging goroutine
	throttle throttle

	flushedEpoch atomic.Uint64
}

func (s *Store) startBackground() {
	s.bg.cond = sync.NewCond(&s.genMu)
	s.bg.ctx, s.bg.cancel = context.WithCancel(context.Background())
	s.bg.throttle.setRate(s.opts.MergeRate)
	s.bg.wg.Go(s.flushLoop)
	s.bg.wg.Go(s.mergeLoop)
	if s.opts.VerifyEvery > 0 {
		s.bg.wg.Go(s.verifyLoop)
	}
}

// stopBackground ends the goroutines and wakes a waiting Commit.
func (s *Store) stopBackground() {
	s.bg.cancel()
	s.genMu.Lock()
	s.bg.cond.Broadcast()
	s.genMu.Unlock()
	s.bg.wg.Wait()
}

func (s *Store) stopping() bool { return s.bg.ctx.Err() != nil }

// sleep waits, less long if the store is closed.
func (s *Store) sleep(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.bg.ctx.Done():
	}
}

// housekeeping is what the committing goroutine does between epochs: it seals
// the active generation, takes over flushed ones as clean rows, and evicts.
func (s *Store) housekeeping() {
	g, unit := s.mem.active, s.unit()
	if g.bytes >= unit || g.logBytes >= sealLogUnits*unit {
		s.seal()
	}
	s.genMu.Lock()
	waiting := s.flushed[:0]
	for _, g := range s.flushed {
		if g.readers.Load() == 0 {
			s.mem.retire(g)
		} else {
			waiting = append(waiting, g)
		}
	}
	clear(s.flushed[len(waiting):])
	s.flushed = waiting
	s.genMu.Unlock()
	s.mem.tidy()
	s.mem.shrink(s.isDropped)
}

// unit is the size at which a generation is sealed: more while memory is free,
// since large generations coalesce hot rows and give fewer runs to merge.
func (s *Store) unit() int64 {
	if !s.opts.growUnit {
		return s.opts.FlushUnit
	}
	free := s.opts.MemoryLimit - s.mem.cleanLive - s.mem.stats.index.Load()
	return max(s.opts.FlushUnit, min(free/8, maxFlushUnit))
}

// seal hands the active generation to the flush and opens a new one.
func (s *Store) seal() {
	s.genMu.Lock()
	defer s.genMu.Unlock()
	s.mem.active.seal(s.mem.arena)
	s.mem.active = s.mem.newGeneration()
	s.gens = append(s.gens, s.mem.active)
	s.bg.cond.Broadcast()
}

// backPressure waits while too many generations wait to be flushed.
func (s *Store) backPressure() error {
	s.genMu.Lock()
	defer s.genMu.Unlock()
	if len(s.gens)-1 < maxSealed {
		return nil
	}
	start := time.Now()
	for len(s.gens)-1 >= maxSealed {
		if s.stopping() {
			return errClosed
		}
		if s.bg.flushErr != nil {
			return fmt.Errorf("could not flush: %w", s.bg.flushErr)
		}
		s.bg.cond.Wait()
	}
	s.stats.stalls.Add(1)
	s.stats.stallNanos.Add(int64(time.Since(start)))
	return nil
}

// flushLoop flushes sealed generations, oldest first.
func (s *Store) flushLoop() {
	for {
		g := s.nextSealed()
		if g == nil {
			return
		}
		s.retry("flush", &s.bg.flushErr, longestFlushRetry, func() error { return s.flush(g) })
		if s.stopping() {
			return
		}
	}
}

// nextSealed waits for a generation to flush, and while merges are behind; nil
// when the store is closed.
func (s *Store) nextSealed() *generation {
	s.genMu.Lock()
	defer s.genMu.Unlock()
	for !s.stopping() {
		if len(s.gens) > 1 && (s.bg.mergeErr != nil || s.freshRuns() < maxFresh) {
			return s.gens[0]
		}
		s.bg.cond.Wait()
	}
	return nil
}

func (s *Store) freshRuns() int {
	v := s.tree.acquire()
	defer s.tree.release(v)
	return v.fresh()
}

// retry repeats work until it succeeds or the store is closed. The last error
// is kept where Commit sees it.
func (s *Store) retry(what string, last *error, longest time.Duration, work func() error) {
	for wait := firstRetry; ; wait = min(2*wait, longest) {
		err := work()
		if s.stopping() {
			return
		}
		s.genMu.Lock()
		*last = err
		s.bg.cond.Broadcast()
		s.genMu.Unlock()
		if err == nil {
			return
		}
		s.opts.Log.Error("could not "+what, "error", err, "retry_after", wait)
		if what == "flush" {
			s.stats.flushFailures.Add(1)
		} else {
			s.stats.mergeFailures.Add(1)
		}
		s.sleep(wait)
	}
}

// flush writes a sealed generation as runs and makes them, with the epoch, part
// of the manifest; then the log is cut (I5).
func (s *Store) flush(g *generation) error {
	if g.edit == nil {
		edit, err := s.writeGeneration(g)
		if err != nil {
			return err
		}
		g.edit = edit
	}
	if err := s.tree.commit(g.edit); err != nil {
		return err // the edit may be durable: only the same one may follow
	}
	g.edit = nil
	s.bg.flushedEpoch.Store(g.last)
	s.genMu.Lock()
	s.gens = s.gens[1:]
	s.flushed = append(s.flushed, g)
	s.bg.cond.Broadcast()
	s.genMu.Unlock()
	s.stats.flushes.Add(1)
	if err := s.seams.Log.Cut(g.last); err != nil {
		// The records are skipped at replay; the next flush cuts again.
		s.opts.Log.Warn("could not cut the log", "epoch", g.last, "error", err)
	}
	s.tree.collect()
	return nil
}

// writeGeneration writes the runs of a generation.
func (s *Store) writeGeneration(g *generation) (*treeEdit, error) {
	w := &flushWriter{store: s, filter: s.newFilter(false)}
	defer w.abort()
	items, free, err := s.sortGeneration(g)
	if err != nil {
		return nil, err
	}
	defer free()
	w.hint = len(items)
	a := s.mem.arena
	for i, near := 0, 0; i < len(items); {
		if i >= near {
			w.touch(a, items[i:min(i+touchAhead, len(items))])
			near = i + touchAhead
		}
		e := a.at(items[i].ref)
		j := i + 1
		for j < len(items) && compareItems(items[i], items[j]) == 0 && bytes.Equal(a.at(items[j].ref).key(), e.key()) {
			j++
		}
		if err := w.group(a, items[i:j]); err != nil {
			return nil, err
		}
		if i&1023 == 0 && s.stopping() {
			return nil, errClosed
		}
		i = j
	}
	return w.finish(g)
}

// sortGeneration returns the entries of a generation by arrangement and key,
// newest first, in memory off the heap.
func (s *Store) sortGeneration(g *generation) (items []sortItem, free func(), err error) {
	a := s.mem.arena
	n := 0
	for _, i := range g.segs {
		for b := entry(g.bytesOf(a, i)); len(b) > 0; b = b[b.size():] {
			n++
		}
	}
	if n == 0 {
		return nil, func() {}, nil
	}
	mem, err := mapBytes(2 * n * int(unsafe.Sizeof(sortItem{})))
	if err != nil {
		return nil, nil, fmt.Errorf("could not get memory to sort %d rows: %w", n, err)
	}
	all := unsafe.Slice((*sortItem)(unsafe.Pointer(unsafe.SliceData(mem))), 2*n)
	items = all[:0:n]
	for _, i := range g.segs {
		at := i * segmentUnits
		for b := entry(g.bytesOf(a, i)); len(b) > 0; {
			size := b.size()
			if b.vword()&voidBit == 0 {
				items = append(items, sortItem{prefix: keyPrefix(b.key()), arr: uint32(b.arr()), ref: at})
			}
			at += ref(size / refUnit)
			b = b[size:]
		}
	}
	items = sortItems(items, all[n:], func(x, y sortItem) int {
		ex, ey := a.at(x.ref), a.at(y.ref)
		if c := bytes.Compare(ex.key(), ey.key()); c != 0 {
			return c
		}
		if ex.epoch() > ey.epoch() {
			return -1
		}
		return 1
	})
	return items, func() { unmapBytes(mem) }, nil
}

// flushWriter writes the rows of a generation into one run a placement.
type flushWriter struct {
	store  *Store
	filter *versionFilter
	runs   [Result + 1]*runBuilder
	done   []runDesc // finished runs; dropped if the generation is not
	arr    Arrangement
	place  Placement
	dead   bool
	key    []byte
	hint   int
	rows   int64

	touched byte // keeps touch from being optimised away
}

// touchAhead is the number of entries that the flush brings near at once.
const touchAhead = 64

// touch reads the entries, which lie anywhere in the arena, so that the processor
// overlaps the cache misses (memtable.touch).
func (w *flushWriter) touch(a *arena, items []sortItem) {
	for _, it := range items {
		w.touched += a.data[int64(it.ref)*refUnit+12] // of those that never change
	}
}

// group writes the images of one key, newest first.
func (w *flushWriter) group(a *arena, items []sortItem) error {
	first := a.at(items[0].ref)
	arr := first.arr()
	if arr != w.arr || w.rows == 0 {
		w.arr, w.dead, w.place = arr, w.filter.isDead(arr), w.filter.arrs[arr].placement
	}
	if w.dead {
		return nil
	}
	b, err := w.run(w.place)
	if err != nil {
		return err
	}
	w.key = appendRunKey(w.key[:0], arr, first.key())
	h := hashKey(arr, first.key())
	newer := uint64(maxEpoch + 1)
	for _, it := range items {
		e := a.at(it.ref)
		epoch := e.epoch()
		if newer > maxEpoch || pinned(w.filter.pins, epoch, newer) {
			w.rows++
			if err := b.add(w.key, h, epoch, e.tomb(), e.val()); err != nil {
				return err
			}
		}
		newer = epoch
	}
	return nil
}

func (w *flushWriter) run(p Placement) (*runBuilder, error) {
	if w.runs[p] == nil {
		b, err := w.store.newRun(w.store.homeOf(p), runDesc{tree: p}, w.hint)
		if err != nil {
			return nil, err
		}
		b.desc.rank = b.desc.id
		w.runs[p] = b
	}
	return w.runs[p], nil
}

// finish makes the runs durable and returns the edit that lists them.
func (w *flushWriter) finish(g *generation) (*treeEdit, error) {
	t := w.store.tree
	edit := &treeEdit{}
	for p, b := range w.runs {
		if b == nil {
			continue
		}
		d, err := b.finish()
		if err != nil {
			return nil, err
		}
		w.runs[p] = nil
		w.done = append(w.done, d)
		edit.add = append(edit.add, t.newRun(d))
		w.store.stats.flushedBytes.Add(int64(d.bytes))
	}
	w.done = nil
	w.store.stats.flushedRows.Add(w.rows)
	edit.meta = []MetaChange{stateChange(g.last, g.clock, g.position, t.nextRun.Load())}
	return edit, nil
}

// abort removes what was not finished.
func (w *flushWriter) abort() {
	for _, b := range w.runs {
		if b != nil {
			b.abort()
		}
	}
	w.store.tree.discard(w.done)
}
