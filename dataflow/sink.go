package dataflow

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// SinkSpec says what a SinkWriter writes: the outbox that the dataflow of a sink
// (an operator.OutboxSpec at its end) fills.
type SinkSpec struct {
	ID    RelationID
	Name  string // for logs
	Arr   storage.Arrangement
	Types []types.Type
	Sink  connector.Sink
	// Timeline tells whether what the sink holds comes from this database.
	Timeline Timeline
}

// SinkOptions are the bounds and seams of a SinkWriter. Zero values choose the
// defaults.
type SinkOptions struct {
	Pace     time.Duration // between the beginnings of two writes (100 ms)
	AckEvery time.Duration // between two removals of what was written (1 s)
	Bytes    int           // of the entries of one write, unless one epoch alone has more (8 MiB)
	RetryMin time.Duration // first and longest pause after a failure (100 ms, 2 s)
	RetryMax time.Duration
	// CheckEvery is how often the external system is asked whether it is still
	// there; a failure is looked at again after a quarter of it (2 s).
	CheckEvery time.Duration

	Now       func() time.Time  // time.Now
	Log       *slog.Logger      // discarded
	FailPoint func(name string) // called at sink-begun, sink-written, sink-acknowledged
}

func (o SinkOptions) withDefaults() SinkOptions {
	for _, x := range []struct {
		p *time.Duration
		d time.Duration
	}{{&o.Pace, 100 * time.Millisecond}, {&o.AckEvery, time.Second}, {&o.RetryMin, 100 * time.Millisecond}, {&o.RetryMax, 2 * time.Second}, {&o.CheckEvery, 2 * time.Second}} {
		if *x.p <= 0 {
			*x.p = x.d
		}
	}
	if o.Bytes <= 0 {
		o.Bytes = 8 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.FailPoint == nil {
		o.FailPoint = func(string) {}
	}
	return o
}

// SinkStatus is what streamdb.sinks says of a sink's writing.
type SinkStatus struct {
	State  string // running, stalled, diverged
	Reason string
	Rows   int64  // entries written since the start of the process
	Epoch  uint64 // everything up to it is written
	Lag    uint64 // epochs behind the last published one
}

// SinkWriter moves what epochs leave in a sink's outbox to the external system
// (docs/design/0003):
//
//	epoch loop: commits entries with the epoch, calls Committed
//	Run:        Begin -> {pin a snapshot, read the entries of whole epochs, Write}...
//	            and now and then a command that removes what is written
//
// Entries are removed only after the external system has said that it holds
// them, and that system, not the outbox, says where to go on: it commits an
// epoch's entries and the epoch's number together. So an entry is written
// exactly once whatever is lost in between. Whatever fails, the session is
// closed and the next one finds out how far things got.
type SinkWriter struct {
	runtime *Runtime
	spec    SinkSpec
	opts    SinkOptions
	signal  chan struct{} // capacity 1: there may be new entries
	resumes chan resume   // for a writer that has diverged

	resuming sync.Mutex // one Resume at a time

	mu      sync.Mutex
	status  SinkStatus
	changed uint64 // the last epoch that the sink's dataflow computed in
	idle    bool   // there was nothing left to write at status.Epoch

	// Run's own.
	sent  uint64 // everything up to it is written
	acked uint64 // entries up to it are removed
	last  time.Time
	ackAt time.Time
}

// NewSinkWriter returns a writer; Run is its life.
func NewSinkWriter(r *Runtime, spec SinkSpec, opts SinkOptions) *SinkWriter {
	return &SinkWriter{runtime: r, spec: spec, opts: opts.withDefaults(), signal: make(chan struct{}, 1), resumes: make(chan resume),
		status: SinkStatus{State: StateStalled, Reason: "connecting"}}
}

// Committed is for the ViewSpec of the sink's dataflow.
func (w *SinkWriter) Committed(epoch uint64) {
	w.mu.Lock()
	w.changed = epoch
	w.mu.Unlock()
	select {
	case w.signal <- struct{}{}:
	default:
	}
}

// Status returns the state of the writing.
func (w *SinkWriter) Status() SinkStatus {
	epoch := w.runtime.Epoch()
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.status
	if s.State == StateRunning && w.idle && w.changed <= s.Epoch {
		s.Epoch = max(s.Epoch, epoch)
	}
	if s.Epoch < epoch {
		s.Lag = epoch - s.Epoch
	}
	return s
}

// Run writes until ctx ends. The runtime must have the sink's dataflow.
func (w *SinkWriter) Run(ctx context.Context) {
	pause := w.opts.RetryMin
	for ctx.Err() == nil {
		progress, err := w.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, connector.ErrDiverged) {
			w.opts.Log.Error("sink has diverged", "sink", w.spec.Name, "id", w.spec.ID, "err", err)
			w.setState(StateDiverged, strings.TrimPrefix(err.Error(), connector.ErrDiverged.Error()+": "))
			w.awaitResume(ctx)
			pause = w.opts.RetryMin
			continue
		}
		if progress {
			pause = w.opts.RetryMin
		}
		w.wait(ctx, pause, nil)
		pause = min(2*pause, w.opts.RetryMax)
	}
}

// reasonOf is an error's message without its SQLSTATE.
func reasonOf(err error) string {
	var e *sqlerr.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

func (w *SinkWriter) setState(state, reason string) (changed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	changed = w.status.State != state || w.status.Reason != reason
	w.status.State, w.status.Reason = state, reason
	return changed
}

// stall says what is wrong, in the log once until something else is.
func (w *SinkWriter) stall(ctx context.Context, err error) {
	if ctx.Err() != nil || errors.Is(err, connector.ErrDiverged) {
		return // it is stopped; Run tells the other
	}
	if w.setState(StateStalled, reasonOf(err)) {
		w.opts.Log.Warn("sink is stalled", "sink", w.spec.Name, "id", w.spec.ID, "err", err)
	}
}

// wait returns after d, or earlier at a signal (nil: none) or the end of ctx.
func (w *SinkWriter) wait(ctx context.Context, d time.Duration, signal <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-signal:
	case <-ctx.Done():
	}
}

// session writes until something fails; progress says whether it wrote.
func (w *SinkWriter) session(ctx context.Context) (progress bool, err error) {
	session, at, err := w.spec.Sink.Begin(ctx)
	if err != nil {
		w.stall(ctx, err)
		return false, err
	}
	defer session.Close()
	w.opts.FailPoint("sink-begun")
	if err := w.known(at); err != nil {
		return false, err
	}
	w.sent = at.Epoch
	w.written(at.Epoch, 0, false)
	w.setState(StateRunning, "")
	inner, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { w.watch(inner, session, cancel) })
	progress, err = w.follow(inner, session)
	if ctx.Err() == nil && inner.Err() != nil {
		err = context.Cause(inner) // what the watch found
	}
	w.stall(ctx, err) // before the session is closed, which may take a while
	cancel(nil)
	watch.Wait()
	return progress, err
}

// watch asks the external system from time to time whether it is still there,
// so that its absence is told even while there is nothing to write or a write
// waits. What fails twice in a row ends the session.
func (w *SinkWriter) watch(ctx context.Context, session connector.SinkSession, cancel context.CancelCauseFunc) {
	pause, failed := w.opts.CheckEvery, false
	for {
		w.wait(ctx, pause, nil)
		if ctx.Err() != nil {
			return
		}
		switch err := session.Check(ctx); {
		case err == nil:
			pause, failed = w.opts.CheckEvery, false
		case failed || errors.Is(err, connector.ErrDiverged):
			cancel(err)
			return
		default:
			pause, failed = w.opts.CheckEvery/4, true
		}
	}
}

// follow writes what epochs leave in the outbox and removes what is written.
func (w *SinkWriter) follow(ctx context.Context, session connector.SinkSession) (progress bool, err error) {
	for {
		wrote, err := w.step(ctx, session)
		progress = progress || wrote
		if err != nil {
			return progress, err
		}
		if err := w.acknowledge(ctx); err != nil {
			return progress, err
		}
		if !wrote {
			w.wait(ctx, w.ackPause(), w.signal)
		}
		if err := ctx.Err(); err != nil {
			return progress, err
		}
	}
}

// step writes what there is to write, or notes that there is nothing.
func (w *SinkWriter) step(ctx context.Context, session connector.SinkSession) (wrote bool, err error) {
	if early := w.opts.Pace - w.opts.Now().Sub(w.last); !w.last.IsZero() && early > 0 {
		w.wait(ctx, early, nil)
	}
	snap := w.runtime.Snapshot()
	defer snap.Release()
	if s, ok := snap.View(w.spec.ID); ok && s.State == StateDetached {
		w.written(0, 0, false) // what it has since is of no epoch yet
		return false, nil
	}
	p, err := w.plan(snap)
	if err != nil {
		return false, err
	}
	if p.entries == 0 {
		w.written(snap.Epoch(), 0, true)
		return false, nil
	}
	w.last = w.opts.Now()
	err = session.Write(ctx, w.spec.Timeline.Mark(p.to), func(emit func(*zset.Batch) error) error { return w.read(snap, p.to, emit) })
	if err != nil {
		return false, err
	}
	w.opts.FailPoint("sink-written")
	w.sent = p.to
	if p.all {
		w.written(snap.Epoch(), p.entries, true)
	} else {
		w.written(p.to, p.entries, false)
	}
	return true, nil
}

// written notes up to where everything is written; idle says that nothing was
// left there.
func (w *SinkWriter) written(epoch uint64, entries int, idle bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status.Epoch = max(w.status.Epoch, epoch)
	w.status.Rows += int64(entries)
	w.idle = idle
}

// plan is which epochs the next write takes.
type plan struct {
	to      uint64
	entries int
	all     bool // there are no entries behind these
}

// plan takes whole epochs behind what is written until they have enough bytes;
// an epoch that alone has more is taken alone.
func (w *SinkWriter) plan(snap *Snapshot) (plan, error) {
	var p plan
	var failed error
	var current uint64 // the epoch whose entries are being counted
	entries, bytes := 0, 0
	err := snap.Scan(w.spec.Arr, operator.OutboxKey(w.sent+1), nil, func(key, val []byte) bool {
		epoch, err := operator.DecodeOutboxKey(key)
		if err != nil {
			failed = err
			return false
		}
		if epoch != current {
			p = plan{to: current, entries: entries}
			current = epoch
		}
		if bytes > w.opts.Bytes && p.entries > 0 {
			return false
		}
		entries++
		bytes += len(key) + len(val)
		return true
	})
	if failed != nil {
		return p, failed
	}
	if bytes <= w.opts.Bytes || p.entries == 0 {
		p = plan{to: current, entries: entries, all: true}
	}
	return p, err
}

// read gives the entries of the epochs behind what is written up to last, in
// batches.
func (w *SinkWriter) read(snap *Snapshot, last uint64, emit func(*zset.Batch) error) error {
	b := zset.NewBatch(w.spec.Types, 0)
	var failed error
	err := snap.Scan(w.spec.Arr, operator.OutboxKey(w.sent+1), operator.OutboxKey(last+1), func(_, val []byte) bool {
		if failed = operator.DecodeOutboxEntry(val, b); failed == nil && b.N >= scanBatchRows {
			failed = emit(b)
			b.Reset()
		}
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	if err != nil || b.N == 0 {
		return err
	}
	return emit(b)
}

// ackPause is how long to wait for new entries before what was written is
// removed.
func (w *SinkWriter) ackPause() time.Duration {
	if w.acked >= w.sent {
		return time.Hour // a signal comes when there is something to do
	}
	return max(time.Millisecond, w.opts.AckEvery-w.opts.Now().Sub(w.ackAt))
}

// acknowledge removes what was written from the outbox, from time to time. It
// does not matter when, or whether an earlier process has done it already.
func (w *SinkWriter) acknowledge(ctx context.Context) error {
	now := w.opts.Now()
	if w.acked >= w.sent || !w.ackAt.IsZero() && now.Sub(w.ackAt) < w.opts.AckEvery {
		return nil
	}
	w.ackAt = now
	b := zset.NewBatch(operator.AckTypes(), 1)
	first := w.acked
	if first > 0 {
		first++
	}
	b.AppendDatums([]types.Datum{{Int: int64(first)}, {Int: int64(w.sent)}}, 1)
	cmd := Command{Rows: []TableDelta{{Relation: w.spec.ID, Delta: operator.Delta{b}}}}
	if _, err := w.runtime.Do(ctx, cmd); err != nil {
		return sqlerr.Wrap(err, sqlerr.Code(err), "the outbox of sink %q cannot be emptied: %s", w.spec.Name, reasonOf(err))
	}
	w.opts.FailPoint("sink-acknowledged")
	w.acked = w.sent
	return nil
}
