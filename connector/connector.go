// Package connector defines what a source and a sink are to the rest of the
// house: batches of decoded rows with positions. It knows no Kafka, no SQL
// statement and no dataflow.
package connector

import (
	"context"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
)

// Positions are the next offsets to read, by partition number; -1 or a missing
// entry: not begun (the source's start option decides).
type Positions []int64

// Clone returns a copy.
func (p Positions) Clone() Positions { return append(Positions(nil), p...) }

// At returns the position of a partition, -1 if it has none.
func (p Positions) At(partition int32) int64 {
	if int(partition) >= len(p) {
		return -1
	}
	return p[partition]
}

// Set sets the position of a partition and returns the grown slice.
func (p Positions) Set(partition int32, next int64) Positions {
	for int(partition) >= len(p) {
		p = append(p, -1)
	}
	p[partition] = next
	return p
}

// Covers says whether p is at or behind every position of q (q's -1 entries
// ask for nothing).
func (p Positions) Covers(q Positions) bool {
	for i, want := range q {
		if want > 0 && p.At(int32(i)) < want {
			return false
		}
	}
	return true
}

// From returns the positions raised to the oldest ones that a source still
// holds. Partitions that have not begun stay so: the start option decides.
func (p Positions) From(oldest Positions) Positions {
	out := p.Clone()
	for i, at := range out {
		if at >= 0 {
			out[i] = max(at, oldest.At(int32(i)))
		}
	}
	return out
}

// Column is one column of a source's rows.
type Column struct {
	Name    string
	Type    types.Type
	Meta    Meta // what fills it
	NotNull bool `json:",omitempty"` // a record without a value for it does not decode
}

// Meta says where a source column's value comes from.
type Meta uint8

// The origins of a column.
const (
	FromValue     Meta = iota // the decoded value (JSON field)
	FromKey                   // INCLUDE KEY: the record's key as bytea or text
	FromPartition             // INCLUDE PARTITION (int4)
	FromOffset                // INCLUDE OFFSET (int8)
	FromTimestamp             // INCLUDE TIMESTAMP (timestamptz)
	FromHeaders
	FromTopic
	FromPayload // INCLUDE PAYLOAD: the value's bytes
	// FromKeyField is a column of an upsert table's primary key: the field of
	// the decoded record key, or the key itself if it is the only one.
	FromKeyField
)

// Batch is what a source delivers: rows of one partition in offset order and
// the error rows (operator.ErrorSchema) of the records that did not decode.
// Rows has all columns of the source; those that nobody asked for have a nil
// Off/Int/... and must not be read.
type Batch struct {
	Partition int32
	First     int64 // offset of the first record covered
	Next      int64 // the position after everything seen, control records included
	Rows      *zset.Batch
	Errors    *zset.Batch // nil: none
	Bytes     int         // memory held, for the queue's bound
	Produced  int64       // the newest record's timestamp, microseconds since 1970 (0: no record)
	// EventMin and EventMax are the range of the event times in Rows, where the
	// stream has event time; they belong to the runtime.
	EventMin, EventMax int64
}

// CaughtUp says that nothing was behind a position.
type CaughtUp struct {
	Position int64
	At       int64 // when the source said so, microseconds since 1970; 0: it has not
}

// Names of a source's states. Stalled: part or all of it does not advance, by
// itself it goes on as soon as the reason is gone. Failed: it will not.
const (
	Running = "running"
	Stalled = "stalled"
	Failed  = "failed"
)

// State is what streamdb.sources says of a source.
type State struct {
	Name   string // running, stalled, failed
	Reason string // why; in state running a warning, mostly ""
	// Incarnation is the identity of what is read, once it is known (a Kafka
	// topic's id). Positions belong to it: whoever stores positions stores it
	// with them and opens the source with it, so that a topic that was deleted
	// and created again is noticed (kafka.Options.TopicID).
	Incarnation string
}

// Reader delivers one source from given positions on. Run blocks until ctx
// ends, or until the positions reach `until` (nil: never), calling push in
// order per partition and never twice at a time; push blocks for back-pressure.
// A batch may have no rows: its positions count all the same; one that goes from
// a position to the same one tells where a partition begins. Broker trouble is
// retried inside and told to status; an error returned is final, that of ctx or
// of push included. Run may be called once.
type Reader interface {
	Run(ctx context.Context, from, until Positions, push func(context.Context, *Batch) error) error
	// CaughtUp returns, by partition number, when the source last said that it has
	// no record behind a position. It may be called at any time.
	CaughtUp() []CaughtUp
}

// Source is an opened external source.
type Source interface {
	// Ends returns the positions after the last record now in the source.
	Ends(ctx context.Context) (Positions, error)
	// Starts returns the positions at which reading begins by the start option.
	Starts(ctx context.Context) (Positions, error)
	// Oldest returns the positions of the oldest records that the source still
	// holds: what was deleted before them can no longer be read.
	Oldest(ctx context.Context) (Positions, error)
	// Compacts says whether records between the oldest and the last one may be gone,
	// replaced by later ones. 55000 if nobody can tell.
	Compacts(ctx context.Context) (bool, error)
	// NewReader returns a reader that decodes the columns whose index is set in
	// need (nil: all).
	NewReader(need []bool, status func(State)) (Reader, error)
	// Sample reads and decodes up to n records for the NOTICE of CREATE STREAM.
	Sample(ctx context.Context, n int) (*Sample, error)
	Close() error
}

// Sample is what CREATE STREAM tells of a topic.
type Sample struct {
	Starts, Ends Positions
	Record       string   // the first record that decodes as text, "" if there is none
	Good, Bad    int      // records that decode, and that do not
	Err          error    // the decoding error of the first of these
	Missing      []string // columns that none of the records has
	Without      int      // how many good records these are
	Incarnation  string   // see State
}
