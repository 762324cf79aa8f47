package operator

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// NoTimer is the moment at which a timer is due that nobody waits for.
const NoTimer int64 = math.MaxInt64

// Clock is what an epoch tells operators with timers of the time, in
// microseconds since 2000 like the values of timestamptz. The zero value but for
// Now says that nothing is known of the timers.
type Clock struct {
	Now int64 // the epoch's clock; it never goes back
	// Fired: all timers that are due at or before it have fired in committed
	// epochs. Due: no timer is due before it. What is known of the committed state
	// spares a look at it.
	Fired, Due int64
}

// UnknownTimers is the Clock before the state was looked at.
func UnknownTimers(now int64) Clock { return Clock{Now: now, Fired: math.MinInt64, Due: math.MinInt64} }

// TemporalSpec passes on the rows whose time it is: while the clock is at least
// all of From and less than all of Until. A row enters and leaves by timers,
// without any input. A NULL bound holds at no time.
//
// State: the moment of the row's next change (eight bytes in order) and row bytes
// -> multiplicity: of the rows that are yet to enter, at the time of that, and of
// those that are in, at the time of leaving. Rows that have left, or never will,
// are not in it.
type TemporalSpec struct {
	Input []types.Type        `json:"input"`
	From  []TimeBound         `json:"from,omitempty"`
	Until []TimeBound         `json:"until,omitempty"`
	Arr   storage.Arrangement `json:"arr"`
	// Forgets: the filter stands below a join that forgets what leaves
	// (JoinSpec.LeftForgets). Rows without a finite time do not leave.
	Forgets bool `json:"forgets,omitempty"`
}

// TimeBound is a column of type timestamp or timestamptz plus microseconds.
type TimeBound struct {
	Column int   `json:"column"`
	Shift  int64 `json:"shift,omitempty"`
}

// Arrangements returns what the operator writes.
func (t *TemporalSpec) Arrangements() []storage.Arrangement { return []storage.Arrangement{t.Arr} }

// Temporal is the operator of a TemporalSpec. It needs State.Clock, and its
// output says when it must be applied again (Output.Due).
type Temporal struct {
	spec *TemporalSpec
}

// NewTemporal checks spec.
func NewTemporal(spec *TemporalSpec) (*Temporal, error) {
	if len(spec.From)+len(spec.Until) == 0 {
		return nil, fmt.Errorf("a temporal filter without bounds")
	}
	for _, bounds := range [][]TimeBound{spec.From, spec.Until} {
		for _, b := range bounds {
			if b.Column < 0 || b.Column >= len(spec.Input) {
				return nil, fmt.Errorf("time column %d of an input of %d", b.Column, len(spec.Input))
			}
			if t := spec.Input[b.Column].Base(); t != types.Timestamp && t != types.Timestamptz {
				return nil, fmt.Errorf("time column %d has type %s", b.Column, t)
			}
		}
	}
	return &Temporal{spec: spec}, nil
}

// Apply fires the timers that are due and takes the delta in at the epoch's
// clock. Both add up in any order: a row of the delta that is past is nothing,
// and the same row in the state leaves in full.
func (t *Temporal) Apply(in []Delta, st State, _ uint64, out *Output) error {
	w := temporalWork{Temporal: t, clock: st.Clock(), out: out, due: NoTimer, pending: newBytesTable(),
		set: storage.ChangeSet{Arr: t.spec.Arr}}
	if w.clock.Now < w.clock.Due {
		w.due = w.clock.Due
	} else if err := w.fire(st); err != nil {
		return err
	}
	for _, b := range in[0] {
		w.take(b)
	}
	if err := w.store(st); err != nil {
		return err
	}
	w.emit()
	out.Due = w.due
	return nil
}

// temporalWork is one epoch.
type temporalWork struct {
	*Temporal
	clock Clock
	out   *Output
	due   int64

	pending bytesTable // keys of timers that change
	change  []int64    // by how much
	set     storage.ChangeSet
	fired   *zset.Batch // rows that enter and leave by timers
	key     []byte
}

// firedRows is how many rows a batch of fired timers has at most.
const firedRows = 4096

// fire takes the timers out of the state whose time has come.
func (w *temporalWork) fire(st State) error {
	var lo []byte
	if w.clock.Fired > math.MinInt64 {
		lo = appendTime(nil, w.clock.Fired+1)
	}
	var failed error
	err := st.Scan(w.spec.Arr, lo, nil, func(key, val []byte) bool {
		at, ok := timeOf(key)
		if ok && at > w.clock.Now {
			w.due = min(w.due, at)
			return false
		}
		failed = w.fireOne(key, at, val)
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	return err
}

func errDamagedTimer(arr storage.Arrangement, cause error) error {
	return sqlerr.Wrap(cause, sqlerr.DataCorrupted, "stored timer of arrangement %d is damaged", arr)
}

// fireOne lets the row of one timer enter or leave. One that should have done
// both since then does nothing.
func (w *temporalWork) fireOne(key []byte, at int64, val []byte) error {
	n, err := DecodeMultiplicity(val)
	if err != nil || len(key) < timeBytes {
		return errDamagedTimer(w.spec.Arr, err)
	}
	if w.fired == nil || w.fired.N >= firedRows {
		w.emit()
		w.fired = zset.NewBatch(w.spec.Input, 0)
	}
	row := key[timeBytes:]
	if len(w.spec.Input) == 0 {
		row = nil
	}
	if err := zset.DecodeRow(row, w.fired.Cols); err != nil {
		return errDamagedTimer(w.spec.Arr, err)
	}
	from, until, known := w.bounds(w.fired, w.fired.N)
	switch {
	case !known || at != from && at != until || from >= until:
		return errDamagedTimer(w.spec.Arr, nil)
	case at == until:
		n = -n
	case until <= w.clock.Now:
		n = 0
	default:
		w.key = append(appendTime(w.key[:0], until), row...)
		w.note(until, n)
	}
	w.fired.AddRow(n)
	w.set.Keys.Add(key)
	markDead(&w.set)
	w.set.Vals.End()
	return nil
}

// emit hands the fired rows on.
func (w *temporalWork) emit() {
	if w.fired != nil && w.fired.N > 0 && !w.out.Discard {
		w.out.Rows = append(w.out.Rows, w.fired)
	}
	w.fired = nil
}

// take passes on the rows of a batch that are in and sets timers for those that
// will enter or leave.
func (w *temporalWork) take(b *zset.Batch) {
	var sel []int32
	for i := range b.Len() {
		row := b.Row(i)
		from, until, known := w.bounds(b, row)
		if !known || from >= until || until <= w.clock.Now {
			continue
		}
		at := from
		if from <= w.clock.Now {
			at = until
			sel = append(sel, int32(row))
		}
		if weight := b.WeightAt(row); weight != 0 && at != NoTimer {
			w.key = zset.AppendRow(appendTime(w.key[:0], at), b.Cols, row)
			w.note(at, weight)
		}
	}
	if sel != nil && !w.out.Discard {
		w.out.Rows = append(w.out.Rows, &zset.Batch{Cols: b.Cols, N: b.N, Sel: sel, Weight: b.Weight})
	}
}

// note changes the timer whose key is w.key.
func (w *temporalWork) note(at, by int64) {
	if at == NoTimer {
		return
	}
	i, added := w.pending.add(w.key)
	if added {
		w.change = append(w.change, 0)
	}
	w.change[i] += by
	w.due = min(w.due, at)
}

// store writes the timers that changed.
func (w *temporalWork) store(st State) error {
	keys := &w.pending.keys
	if keys.Len() > 0 {
		var images storage.Values
		if err := st.Fetch(w.spec.Arr, keys, &images); err != nil {
			return err
		}
		for i, n := range w.change {
			if images[i] != nil {
				old, err := DecodeMultiplicity(images[i])
				if err != nil {
					return err
				}
				n += old
			}
			w.set.Keys.Add(keys.At(i))
			switch {
			case n < 0:
				return errNegative()
			case n == 0:
				markDead(&w.set)
			default:
				w.set.Vals.Data = AppendMultiplicity(w.set.Vals.Data, n)
			}
			w.set.Vals.End()
		}
	}
	if w.set.Keys.Len() > 0 {
		st.Change(w.set)
	}
	return nil
}

// bounds returns when a row is in: from <= clock < until.
func (t *Temporal) bounds(b *zset.Batch, row int) (from, until int64, known bool) {
	from, until = math.MinInt64, NoTimer
	for _, bound := range t.spec.From {
		v := &b.Cols[bound.Column]
		if v.Null.Get(row) {
			return 0, 0, false
		}
		from = max(from, shifted(v.Int[row], bound.Shift))
	}
	for _, bound := range t.spec.Until {
		v := &b.Cols[bound.Column]
		if t.spec.Forgets && (v.Null.Get(row) || types.TimestampIsInf(v.Int[row])) {
			continue
		}
		if v.Null.Get(row) {
			return 0, 0, false
		}
		until = min(until, shifted(v.Int[row], bound.Shift))
	}
	return from, until, true
}

// shifted moves a moment; the infinities stay where they are, and what is beyond
// a moment's range goes to its end.
func shifted(ts, by int64) int64 {
	switch sum := ts + by; {
	case types.TimestampIsInf(ts):
		return ts
	case (ts^sum)&(by^sum) >= 0:
		return sum
	case by > 0:
		return math.MaxInt64
	}
	return math.MinInt64
}

// timeBytes is the length of a moment in a key.
const timeBytes = 8

func appendTime(dst []byte, at int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(at)^1<<63)
}

func timeOf(key []byte) (at int64, ok bool) {
	if len(key) < timeBytes {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(key) ^ 1<<63), true
}
