package dataflow

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/streamdb/streamdb/connector"
)

// minBatchBytes is what a batch costs at least, so that batches that carry
// nothing but positions cannot fill a queue without limit.
const minBatchBytes = 256

func batchBytes(b *connector.Batch) int { return max(b.Bytes, minBatchBytes) }

func batchRows(b *connector.Batch) int {
	n := 0
	if b.Rows != nil {
		n = b.Rows.Len()
	}
	if b.Errors != nil {
		n += b.Errors.Len()
	}
	return n
}

var errQueueClosed = errors.New("dataflow: the reader was stopped")

// queue holds the decoded batches of one reader until an epoch takes them. It
// is bounded in bytes: push waits, so the fetch behind it pauses.
type queue struct {
	limit int
	wake  func() // tells the loop that there is input

	mu      sync.Mutex
	batches []*connector.Batch
	bytes   int
	rows    int
	room    chan struct{} // closed when something was taken; nil: nobody waits
	closed  bool
}

// push appends a batch, waiting while the queue is full. A batch that is larger
// than the limit enters an empty queue.
func (q *queue) push(ctx context.Context, b *connector.Batch) error {
	size := batchBytes(b)
	for {
		q.mu.Lock()
		if q.closed {
			q.mu.Unlock()
			return errQueueClosed
		}
		if len(q.batches) == 0 || q.bytes+size <= q.limit {
			q.batches = append(q.batches, b)
			q.bytes += size
			q.rows += batchRows(b)
			q.mu.Unlock()
			q.wake()
			return nil
		}
		if q.room == nil {
			q.room = make(chan struct{})
		}
		room := q.room
		q.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// size returns what is queued.
func (q *queue) size() (batches, rows, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.batches), q.rows, q.bytes
}

// take removes batches from the front until one of the bounds is reached, at
// least one if there is any, and returns them by (partition, offset): the
// order of an epoch's input (I2).
func (q *queue) take(rows, bytes int) []*connector.Batch {
	q.mu.Lock()
	n := prefix(q.batches, rows, bytes)
	taken := slices.Clone(q.batches[:n])
	rest := copy(q.batches, q.batches[n:])
	clear(q.batches[rest:])
	q.batches = q.batches[:rest]
	for _, b := range taken {
		q.bytes -= batchBytes(b)
		q.rows -= batchRows(b)
	}
	if q.room != nil && n > 0 {
		close(q.room)
		q.room = nil
	}
	q.mu.Unlock()
	sortBatches(taken)
	return taken
}

// prefix returns how many of the batches fit the bounds, at least one.
func prefix(batches []*connector.Batch, rows, bytes int) int {
	for i, b := range batches {
		rows -= batchRows(b)
		bytes -= batchBytes(b)
		if i > 0 && (rows < 0 || bytes < 0) {
			return i
		}
	}
	return len(batches)
}

// sortBatches orders by partition; within a partition the order of arrival is
// that of the offsets.
func sortBatches(batches []*connector.Batch) {
	slices.SortStableFunc(batches, func(a, b *connector.Batch) int {
		return int(a.Partition) - int(b.Partition)
	})
}

// close drops what is queued; whoever pushes gets an error.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.batches, q.bytes, q.rows = nil, 0, 0
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
}
