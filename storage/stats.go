package storage

import "sync/atomic"

// storeCounters count since Open; any goroutine reads them.
type storeCounters struct {
	epochs, rows, logBytes                    atomic.Int64
	flushes, flushedRows, flushedBytes        atomic.Int64
	merges, mergedRows, mergedBytes           atomic.Int64
	stalls, stallNanos                        atomic.Int64
	missedRows, foundRows, readBlocks         atomic.Int64
	bloomSkips, flushFailures, mergeFailures  atomic.Int64
	droppedRuns, scans, fetchNanos, sealNanos atomic.Int64
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
