package connector

import (
	"context"
	"errors"

	"github.com/streamdb/streamdb/dataflow/zset"
)

// Mark says how far a sink is written: everything up to an epoch, in the life of
// the database that began with an opening. Epochs alone do not tell whether a
// database that comes from a backup has made the changes that were written.
type Mark struct {
	Epoch   uint64 // 0: nothing is written
	Opening string // "": not known
}

// Sink is an external system that takes the changes of one relation, whole
// epochs at a time, exactly once.
type Sink interface {
	// Begin opens a session. It ends whatever an earlier session of the same
	// sink has left open and shuts that session out, then tells what the
	// last Write has marked. An error is tried again, unless
	// it is ErrDiverged.
	Begin(ctx context.Context) (session SinkSession, at Mark, err error)
	// Rebase ends what earlier sessions have left as Begin does, and makes what
	// the external system holds now count as everything up to the mark, whatever
	// was written before. No session is open meanwhile.
	Rebase(ctx context.Context, at Mark) error
	// Close gives up the sink's connections. Sessions are closed before.
	Close() error
}

// SinkSession is used by one goroutine, beside one that calls Check. After an
// error of Write nobody knows whether it happened: the session is closed and the
// next one tells.
type SinkSession interface {
	// Write writes changes and the fact that everything up to the mark is
	// written; both happen or neither does. Rows gives the changes in the order
	// of epochs; a batch is valid until emit returns. A positive weight is a
	// row, as often as it says; a negative one, of an upserting sink, says that
	// its key has no row any more.
	Write(ctx context.Context, at Mark, rows func(emit func(*zset.Batch) error) error) error
	// Check asks whether the external system can be reached and is still what
	// the session writes to. Unlike the other methods it may be called while one
	// of them runs. Its error ends the session.
	Check(ctx context.Context) error
	// Close ends the session; an unfinished Write did not happen.
	Close()
}

// ErrDiverged says that what the external system holds cannot be continued: it
// was written by a later state of this database, or is not what was written to.
var ErrDiverged = errors.New("the sink has diverged")
