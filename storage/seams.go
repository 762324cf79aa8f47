package storage

// The three seams to the disk. Each has a real implementation here, a memory
// twin and a faulty twin (fail the n-th call) in storagetest, and one shared
// test-suite.

// MetaChange sets (Value not nil) or deletes (Value nil) a key.
type MetaChange struct {
	Key   []byte
	Value []byte
}

// Meta is a small transactional map: catalog, manifest, timelines.
type Meta interface {
	// Get returns the value of key, nil if there is none.
	Get(key []byte) ([]byte, error)
	// Scan calls fn for the keys with the prefix, in order. The slices are
	// valid only during the call.
	Scan(prefix []byte, fn func(key, value []byte) error) error
	// Commit applies all changes in one durable transaction, also with sync off.
	Commit(changes []MetaChange) error
	Close() error
}

// Log is the write-ahead log of epochs.
type Log interface {
	// Append writes one record for epoch, which must be greater than any
	// before, and returns when it is durable (with sync on). The record is the
	// concatenation of the parts. An error leaves the log as before the call;
	// one that wraps ErrBroken leaves it broken: nobody knows whether the record
	// is there, and every later Append fails, too.
	Append(epoch uint64, parts ...[]byte) error
	// Sync makes all that was appended durable. An error breaks the log.
	Sync() error
	// Replay calls fn for every whole record after the last cut, in order. The
	// slice is valid only during the call. To be called once, before Append.
	Replay(fn func(epoch uint64, record []byte) error) error
	// LastEpoch returns, after Replay, the last epoch that was appended or cut.
	LastEpoch() uint64
	// Cut says that records up to and including epoch are not needed any more.
	Cut(epoch uint64) error
	// Size returns the bytes that uncut records occupy.
	Size() int64
	Close() error
}

// BlockStore keeps runs: immutable sequences of blocks with an index blob.
type BlockStore interface {
	// Create begins to write a run. The run is durable when Finish returned.
	Create(run uint64) (RunWriter, error)
	// Index returns the index blob of a finished run. It may be mapped memory,
	// valid until Drop.
	Index(run uint64) ([]byte, error)
	// Block returns block i (0-based) of a finished run, verified. The result
	// may use buf's memory or be mapped memory, valid until Drop.
	Block(run uint64, i int, buf []byte) ([]byte, error)
	// Blocks reads blocks from .. from+n-1 with large sequential reads (merges
	// and scans) and calls fn for each; the slice is valid during the call.
	Blocks(run uint64, from, n int, fn func(i int, block []byte) error) error
	// Drop removes a run. A run that does not exist is no error.
	Drop(run uint64) error
	// Runs lists the runs present, finished or not (orphans are found so).
	Runs() ([]uint64, error)
	Close() error
}

// RunWriter writes one run, block by block.
type RunWriter interface {
	Append(block []byte) error
	// Finish writes the index blob and makes the run durable.
	Finish(index []byte) error
	// Abort removes what was written; after Finish it does nothing.
	Abort()
}
