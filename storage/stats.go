package storage

import (
	"sync/atomic"
	"time"
)

// storeCounters count since Open; any goroutine reads them.
type storeCounters struct {
	epochs, rows, logBytes             atomic.Int64
	flushes, flushedRows, flushedBytes atomic.Int64
	merges, mergedRows, mergedBytes    atomic.Int64
	stalls, stallNanos                 atomic.Int64
	foundRows, readBlocks, bloomSkips  atomic.Int64
	flushFailures, mergeFailures       atomic.Int64
	droppedRuns, scans, fetchNanos     atomic.Int64
	verifiedBytes, verifyPasses        atomic.Int64
}

func (c *storeCounters) commit(ep *Epoch, size int64) {
	rows := 0
	for i := range ep.Changes {
		rows += ep.Changes[i].Keys.Len()
	}
	c.epochs.Add(1)
	c.rows.Add(int64(rows))
	c.logBytes.Add(size)
}

// Stats are sizes, and counters since Open.
type Stats struct {
	Epoch        uint64
	FlushedEpoch uint64
	Snapshots    int
	OldestPin    uint64 // epoch of the oldest snapshot; Epoch if there is none

	// Row table: bytes off the Go heap (rows and index) and keys in it.
	MemoryBytes, IndexBytes, MemoryKeys int64
	MemoryLimit                         int64
	UnflushedGenerations                int
	Arrangements                        int

	Log                     int64 // bytes that the log occupies
	Epochs, Rows, LogBytes  int64 // committed, replay included
	Hits, Misses, FoundRows int64 // Fetch: keys known in memory, not known, found in runs
	Evicted, Relocated      int64 // entries that left the row table or moved within it
	Overwritten             int64 // images replaced in place
	ReadBlocks, BloomSkips  int64 // Fetch: blocks read, runs passed by their filter
	FetchTime               time.Duration
	Scans                   int64

	Flushes, FlushedRows, FlushedBytes int64
	Merges, MergedRows, MergedBytes    int64
	DroppedRuns                        int64
	Stalls                             int64 // commits that waited for a flush
	StallTime                          time.Duration
	FlushFailures, MergeFailures       int64

	VerifiedBytes, VerifyPasses int64 // in the background
	Damages                     int   // known now

	State, Results TreeStats
}

// TreeStats describes the runs of one placement.
type TreeStats struct {
	Loose int // sorted runs above the base
	Runs  int // listed runs, pieces counted
	Rows  uint64
	Bytes uint64
}

// Stats returns sizes and counters; for any goroutine, also after Close.
func (s *Store) Stats() Stats {
	c, m := &s.stats, &s.mem.stats
	st := Stats{
		MemoryBytes: m.held.Load() + m.index.Load(), IndexBytes: m.index.Load(), MemoryKeys: m.keys.Load(),
		MemoryLimit: s.opts.MemoryLimit, FlushedEpoch: s.bg.flushedEpoch.Load(),
		Epochs: c.epochs.Load(), Rows: c.rows.Load(), LogBytes: c.logBytes.Load(),
		Hits: m.hits.Load(), Misses: m.misses.Load(), FoundRows: c.foundRows.Load(),
		Evicted: m.evicted.Load(), Relocated: m.relocated.Load(), Overwritten: m.overwritten.Load(),
		ReadBlocks: c.readBlocks.Load(), BloomSkips: c.bloomSkips.Load(),
		FetchTime: time.Duration(c.fetchNanos.Load()), Scans: c.scans.Load(),
		Flushes: c.flushes.Load(), FlushedRows: c.flushedRows.Load(), FlushedBytes: c.flushedBytes.Load(),
		Merges: c.merges.Load(), MergedRows: c.mergedRows.Load(), MergedBytes: c.mergedBytes.Load(),
		DroppedRuns: c.droppedRuns.Load(), Stalls: c.stalls.Load(), StallTime: time.Duration(c.stallNanos.Load()),
		FlushFailures: c.flushFailures.Load(), MergeFailures: c.mergeFailures.Load(),
	}
	st.VerifiedBytes, st.VerifyPasses = c.verifiedBytes.Load(), c.verifyPasses.Load()
	st.Damages = len(s.Damages())
	s.pinMu.Lock()
	st.Epoch, st.OldestPin = s.epoch, s.epoch
	for e, n := range s.pins {
		st.Snapshots += n
		st.OldestPin = min(st.OldestPin, e)
	}
	s.pinMu.Unlock()
	s.genMu.Lock()
	st.UnflushedGenerations = len(s.gens)
	s.genMu.Unlock()
	s.arrMu.RLock()
	st.Arrangements = len(s.arrs)
	s.arrMu.RUnlock()
	if s.enter() == nil {
		st.Log = s.seams.Log.Size()
		s.leave()
	}
	v := s.tree.acquire()
	st.State, st.Results = v.stats(State), v.stats(Result)
	s.tree.release(v)
	return st
}

func (v *version) stats(p Placement) (t TreeStats) {
	t.Loose = v.loose(p)
	for _, sr := range v.trees[p] {
		for _, r := range sr.pieces {
			t.Runs++
			t.Rows += r.rows
			t.Bytes += r.runDesc.bytes
		}
	}
	return t
}
