package storage

import (
	"bytes"
	"math"
	"sync/atomic"
	"time"
)

// mergeJob merges sorted runs, or a key range of them, into new pieces.
type mergeJob struct {
	tree   Placement
	inputs []*sortedRun // newest first
	lo, hi []byte       // range, as in runs; empty, nil: open
	tier   uint8        // baseTier, or 0: by the size of what comes out
	rank   uint64
	remove []*run
	purge  []Arrangement // dropped ones of which no run has rows afterwards
	target int64         // size of the pieces
	single bool          // not a step of a base merge, though into the base

	edit *treeEdit // from when the pieces are written
}

// mergeLoop merges whenever the trees want it.
func (s *Store) mergeLoop() {
	for {
		job := s.nextMerge()
		if job == nil {
			return
		}
		s.retry("merge", &s.bg.mergeErr, longestMergeRetry, func() error { return s.tellDamage(job, s.merge(job)) })
		if s.stopping() {
			return
		}
		s.tree.collect()
	}
}

// nextMerge waits for something to merge; nil when the store is closed.
func (s *Store) nextMerge() *mergeJob {
	s.genMu.Lock()
	defer s.genMu.Unlock()
	for !s.stopping() {
		v := s.tree.acquire()
		first, second := State, Result
		if v.loose(Result) > v.loose(State) {
			first, second = Result, State
		}
		job := s.pickMerge(v, first)
		if job == nil {
			job = s.pickMerge(v, second)
		}
		s.tree.release(v)
		if job != nil {
			return job
		}
		s.bg.cond.Wait()
	}
	return nil
}

// merge runs a job: writes the new pieces, then lists them instead of the old.
func (s *Store) merge(j *mergeJob) error {
	if j.edit == nil {
		add, err := s.writeMerge(j)
		if err != nil {
			return err
		}
		j.edit = &treeEdit{add: add, remove: j.remove}
		for _, arr := range j.purge {
			j.edit.meta = append(j.edit.meta, MetaChange{Key: arrKey(arr)})
		}
	}
	if err := s.tree.commit(j.edit); err != nil {
		return err // the edit may be durable: only the same one may follow
	}
	s.forget(j.purge)
	s.stats.merges.Add(1)
	for _, r := range j.edit.add {
		s.stats.mergedBytes.Add(int64(r.runDesc.bytes))
	}
	j.done(s)
	return nil
}

// mergeWriter writes the output of a merge.
type mergeWriter struct {
	store  *Store
	job    *mergeJob
	filter *versionFilter
	out    *runBuilder
	descs  []runDesc
	rows   int

	arr   Arrangement
	key   []byte
	hash  uint64
	dead  bool
	newer uint64
	tombs []uint64 // tombstones at the base that are kept only if an older image is
	paid  int64    // bytes that the throttle has seen
}

// writeMerge writes the new pieces.
func (s *Store) writeMerge(j *mergeJob) ([]*run, error) {
	w := &mergeWriter{store: s, job: j, filter: s.newFilter(j.tier == baseTier)}
	defer w.abort()
	it, err := newMergeIter(j.inputs, j.lo, j.hi, longChunk, w.filter.allDead)
	if err != nil {
		return nil, err
	}
	for n := 0; ; n++ {
		head := it.head()
		if head == nil || j.hi != nil && bytes.Compare(head.key, j.hi) >= 0 {
			break
		}
		if err := w.add(head); err != nil {
			return nil, err
		}
		if n&255 == 0 {
			if s.stopping() {
				return nil, errClosed
			}
			w.pay()
		}
		if err := it.advance(); err != nil {
			return nil, err
		}
	}
	if err := w.cut(); err != nil {
		return nil, err
	}
	s.stats.mergedRows.Add(int64(w.rows))
	runs := make([]*run, len(w.descs))
	size := uint64(0)
	for i := range w.descs {
		size += w.descs[i].bytes
	}
	for i := range w.descs {
		if j.tier != baseTier {
			w.descs[i].tier = s.sizeTier(size)
		}
		runs[i] = s.tree.newRun(w.descs[i])
	}
	w.descs = nil
	return runs, nil
}

// pay waits as long as the throttle wants for what was written.
func (w *mergeWriter) pay() {
	if w.out == nil {
		return
	}
	size := w.out.size()
	w.store.payFuel(size - w.paid)
	w.paid = size
}

// add takes one image.
func (w *mergeWriter) add(it *runIter) error {
	w.rows++
	if w.newer == 0 || !bytes.Equal(it.key, w.key) {
		if err := w.begin(it); err != nil {
			return err
		}
	}
	epoch := it.row.epoch
	if w.dead || epoch == w.newer {
		return nil
	}
	keep := w.newer > maxEpoch || pinned(w.filter.pins, epoch, w.newer)
	w.newer = epoch
	if !keep {
		return nil
	}
	if it.row.tomb && w.filter.base {
		w.tombs = append(w.tombs, epoch)
		return nil
	}
	for _, e := range w.tombs {
		if err := w.write(e, true, nil); err != nil {
			return err
		}
	}
	w.tombs = w.tombs[:0]
	return w.write(epoch, it.row.tomb, it.row.val)
}

// begin starts a key.
func (w *mergeWriter) begin(it *runIter) error {
	if w.out != nil && w.out.size() >= w.job.target {
		if err := w.cut(); err != nil {
			return err
		}
	}
	w.key = append(w.key[:0], it.key...)
	arr := Arrangement(it.arr)
	if arr != w.arr || w.newer == 0 {
		w.arr, w.dead = arr, w.filter.isDead(arr)
	}
	w.hash = hashKey(arr, it.key[runKeyArr:])
	w.newer = math.MaxUint64
	w.tombs = w.tombs[:0]
	return nil
}

func (w *mergeWriter) write(epoch uint64, tomb bool, val []byte) error {
	if w.out == nil {
		j := w.job
		d := runDesc{tree: j.tree, tier: j.tier, rank: j.rank}
		b, err := w.store.newRun(w.store.homeOf(j.tree), d, j.rowsPerPiece())
		if err != nil {
			return err
		}
		w.out, w.paid = b, 0
	}
	return w.out.add(w.key, w.hash, epoch, tomb, val)
}

// rowsPerPiece estimates the rows of one piece from the inputs'.
func (j *mergeJob) rowsPerPiece() int {
	rows, size := uint64(0), uint64(1)
	for _, sr := range j.inputs {
		for _, r := range sr.pieces {
			rows += r.rows
			size += r.runDesc.bytes
		}
	}
	return int(min(float64(rows), 1.1*float64(rows)*float64(j.target)/float64(size)))
}

// cut ends the current piece.
func (w *mergeWriter) cut() error {
	if w.out == nil {
		return nil
	}
	d, err := w.out.finish()
	if err != nil {
		return err
	}
	w.out = nil
	w.descs = append(w.descs, d)
	return nil
}

// abort removes what was written unless all of it is finished.
func (w *mergeWriter) abort() {
	if w.out != nil {
		w.out.abort()
	}
	w.store.tree.discard(w.descs)
}

// throttle bounds the bytes a second that merges write.
type throttle struct {
	rate atomic.Int64
	next time.Time // when the written bytes are paid for; only for the merging goroutine
}

func (t *throttle) setRate(bytesPerSecond int64) { t.rate.Store(bytesPerSecond) }

// SetMergeRate sets the bytes a second that merges write while they are not
// behind; not positive: no bound.
func (s *Store) SetMergeRate(bytesPerSecond int64) { s.bg.throttle.setRate(bytesPerSecond) }

const (
	// relaxedFresh runs may wait to be merged at the throttle's rate; with each
	// one more the rate doubles, and with urgentFresh it has no bound.
	relaxedFresh = 4
	urgentFresh  = 9
	// maxDebt is the longest wait that merges save up while they need not wait.
	maxDebt = 20 * time.Millisecond
)

// payFuel waits until n written bytes are within the rate.
func (s *Store) payFuel(n int64) {
	t := &s.bg.throttle
	rate := t.rate.Load()
	fresh := s.freshRuns()
	if rate <= 0 || fresh >= urgentFresh {
		return
	}
	rate <<= max(0, fresh-relaxedFresh)
	now := time.Now()
	if floor := now.Add(-maxDebt); t.next.Before(floor) {
		t.next = floor
	}
	t.next = t.next.Add(time.Duration(float64(n) / float64(rate) * float64(time.Second)))
	if wait := t.next.Sub(now); wait > time.Millisecond {
		s.sleep(wait)
	}
}
