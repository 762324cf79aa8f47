package operator

import (
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// Delta is what one input or output changes in one epoch, in order.
type Delta []*zset.Batch

// State is an operator's view of arrangements: reads give them as they were
// after the previous epoch, writes belong to this one and are not read back
// within it.
type State interface {
	// Fetch looks up all keys at once; vals gets one image a key, nil if absent.
	// The images are valid until the epoch ends.
	Fetch(arr storage.Arrangement, keys *zset.List, vals *storage.Values) error
	// Scan calls fn for lo <= key < hi (nil: open) in key order until fn returns
	// false.
	Scan(arr storage.Arrangement, lo, hi []byte, fn func(key, val []byte) bool) error
	// Change takes the changes of one arrangement for this epoch. An operator
	// calls it at most once an epoch and arrangement and gives up the set.
	Change(set storage.ChangeSet)
	// Clock returns the epoch's clock, an input like any other, with what is known
	// of the operator's timers.
	Clock() Clock
}

// Output receives what an operator emits in one epoch. Discard is set by a
// caller that does not read Rows (nothing consumes the last operator of a stored
// view): then operators need not make them.
//
// Spend, when set, bounds what one Apply may take: an operator that makes more
// than it is given calls it for each block of work with the bytes that the block
// keeps, and ends with the error that it returns. It makes the operators impure in
// one respect only: whether Apply succeeds.
type Output struct {
	Rows    Delta
	Errors  Delta // rows of ErrorSchema
	Discard bool
	// Due, of an operator with timers, is when it must be applied again though no
	// input has come: the moment of its next timer or an earlier one, NoTimer
	// without any.
	Due   int64
	Spend func(bytes int) error
	// Take, where it is set, gets what Emit is given instead of Rows: joins and
	// table functions may emit far more rows than they were given, so a caller
	// that has to bound memory or to end the work early cannot wait for Apply. Its
	// error ends Apply, which returns it as it is.
	Take func(*zset.Batch) error
}

// Emit hands rows on and pays for those that are kept. No rows, nil, is a sign of
// life of an operator that works long without emitting, so that Spend and Take can
// end it. Errors holds all that has failed by then.
func (o *Output) Emit(rows *zset.Batch) error {
	if o.Take != nil {
		return o.Take(rows)
	}
	if rows == nil {
		return o.spend(0)
	}
	o.Rows = append(o.Rows, rows)
	return o.spend(rows.ByteSize())
}

func (o *Output) spend(bytes int) error {
	if o.Spend == nil {
		return nil
	}
	return o.Spend(bytes)
}

// Operator is one node of a dataflow graph. Apply is called at most once an
// epoch, with one delta an input (nil if that input has none), and never
// concurrently. It returns an error only for broken state or a failed read.
type Operator interface {
	Apply(in []Delta, st State, epoch uint64, out *Output) error
}

// ErrorSchema is the shape of error rows: what streamdb.errors shows behind
// schema and name. A row is a deterministic function of the input that failed,
// so it vanishes when that input is retracted. For expressions that fail
// inside a view partition, offset, timestamp and key are NULL and value is the
// text of the operator's input row.
func ErrorSchema() []types.Type {
	return []types.Type{
		types.Int4,        // partition
		types.Int8,        // offset
		types.Timestamptz, // timestamp
		types.Bytea,       // key
		types.Bytea,       // value
		types.Text,        // sqlstate
		types.Text,        // message
	}
}
