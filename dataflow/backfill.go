package dataflow

import (
	"slices"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// phase says where an input of a view takes its rows from.
//
// A stream's input goes
//
//	reading -> reading -> ... -> finishing -> chasing -> attached
//
// In rounds of reading a private reader runs up to where the shared reader was
// when the round began; each round is shorter than the one before. When about
// one epoch is missing the next cut H is named: the private reader stops
// exactly at H, and the shared batches behind H are kept for the view
// (finishing), which works them off in pieces (chasing). An epoch that leaves
// none attaches the view. If too much had to be kept, it is let go and another
// round of reading begins. Nobody else waits at any point (I5).
//
// An input from a relation goes scanning -> attached: each epoch reads a piece
// of the relation's arrangement in key order, as it was after the former epoch,
// and besides takes the epoch's changes of the keys that were scanned already.
// So the view is at each moment its query over the rows below a key, nothing
// needs to be pinned or kept, and a restart goes on at the committed key.
type phase uint8

const (
	phaseAttached phase = iota
	phaseReading
	phaseFinishing
	phaseChasing
	phaseScanning
)

// input is one relation that a view reads. All fields belong to the loop.
type input struct {
	view   *view
	rel    RelationID
	stream *stream // what it reads: a stream,
	from   *view   // or a view or table (possibly view itself: a table)
	types  []types.Type
	need   []bool // columns, nil: all
	// changesOnly: the relation's rows are read by a join; the input is attached
	// from the beginning.
	changesOnly bool
	lateOnly    bool      // it reads the late rows of a view; always attached
	lateness    *lateness // nil: no rows are late

	phase     phase
	positions connector.Positions // of a stream, not attached: next offsets; never changed in place
	reader    *reader             // private
	former    *reader
	kept      []*connector.Batch // behind the named cut
	keptBytes int
	cursor    []byte // scanning: keys below it are in the view
	// base is the arrangement whose rows from the cursor on are in the view, too: those
	// that the relation had before it was rebuilt. 0: none.
	base    storage.Arrangement
	scanned int64 // rows
	horizon int64 // at least; rows from before it are late (late.go), noTime: none

	target  connector.Positions // what the stream held at creation
	asked   bool                // target is known
	asking  bool
	reached bool // the target
	failed  bool // the private reader's error was published

	// Of the epoch under way.
	delta   operator.Delta
	late    operator.Delta // was taken out of delta
	before  connector.Positions
	lastKey []byte
	atEnd   bool // the scan has seen the last key
}

// own returns the positions up to which the view has processed its stream.
func (in *input) own() connector.Positions {
	if in.phase == phaseAttached {
		return in.stream.positions
	}
	return in.positions
}

// progress returns how far the input is, and whether its end is known.
func (in *input) progress() (Progress, bool) {
	if in.stream == nil {
		return Progress{Done: in.scanned, Total: in.scanned}, in.phase == phaseAttached
	}
	starts := in.stream.spec.Starts
	total := advance(starts, in.target)
	done := advance(starts, in.own())
	if in.asked {
		done = min(done, total)
	}
	return Progress{Done: done, Total: total}, in.asked
}

// fault returns why the input gets no rows, "" if nothing is wrong.
func (in *input) fault() string {
	if in.stream == nil {
		return ""
	}
	if in.stream.fault != "" {
		return in.stream.fault
	}
	reader := in.reader
	if in.phase == phaseAttached {
		reader = in.stream.reader
	}
	if reader != nil {
		if _, err := reader.ended(); err != nil {
			return err.Error()
		}
	}
	return ""
}

func (in *input) stopReader() {
	if in.reader != nil {
		in.reader.stop()
		in.former, in.reader = in.reader, nil
	}
}

// drop lets go of everything that feeds the input.
func (in *input) drop() {
	in.stopReader()
	in.kept, in.keptBytes = nil, 0
}

// attach makes the input take part in every epoch's delta from now on.
func (r *Runtime) attach(in *input) {
	in.drop()
	in.phase, in.positions, in.cursor, in.base = phaseAttached, nil, nil, 0
	r.stateChanged()
	r.opts.FailPoint("attach")
}

// settle moves every backfill on that can be moved between two epochs, makes
// the shared readers what is needed now, and notes which views are ready.
func (r *Runtime) settle() {
	r.learnIdentities()
	r.list()
	for _, v := range r.busy {
		for _, in := range v.inputs {
			if in.stream != nil {
				r.settleInput(in)
			}
		}
	}
	for _, s := range r.streamOrder {
		r.noteFailure(s)
	}
	if r.needsChanged {
		r.needsChanged = false
		for _, s := range r.streamOrder {
			r.settleStream(s)
		}
	}
	r.list()
	for _, v := range r.busy { // topological: what a view reads comes first
		r.settleReady(v)
	}
}

// settleInput moves a stream's input on.
func (r *Runtime) settleInput(in *input) {
	if in.phase == phaseFinishing || in.phase == phaseReading {
		if in.reader != nil && !r.roundOver(in) {
			return
		}
	}
	shared := in.stream.positions
	switch in.phase {
	case phaseReading:
		r.nextRound(in, shared)
	case phaseFinishing:
		in.phase = phaseChasing
		r.settleInput(in)
	case phaseChasing:
		if len(in.kept) == 0 && !in.view.behind {
			r.attach(in)
		}
	}
}

// roundOver says whether the private reader has delivered all of its round and
// it was consumed; the positions are then those of the round's end.
func (r *Runtime) roundOver(in *input) bool {
	ended, err := in.reader.ended()
	if !ended || err != nil {
		r.viewsChanged = r.viewsChanged || err != nil && !in.failed
		in.failed = err != nil
		return false
	}
	if n, _, _ := in.reader.queue.size(); n > 0 {
		return false
	}
	in.positions = furthest(in.positions, in.reader.until)
	in.stopReader()
	return true
}

// furthest returns the larger position of each partition.
func furthest(p, q connector.Positions) connector.Positions {
	out := p.Clone()
	for i, x := range q {
		if x > out.At(int32(i)) {
			out = out.Set(int32(i), x)
		}
	}
	return out
}

// nextRound begins another round of reading, names the cut at which the view
// will join, or attaches it if nothing is missing. A view that is ahead of the
// shared reader in some partition waits for it.
func (r *Runtime) nextRound(in *input, shared connector.Positions) {
	s := in.stream
	if in.view.waits() || s.sharers() == 0 || s.fault != "" || !shared.Covers(in.positions) {
		return
	}
	missing := advance(in.positions, shared)
	if missing == 0 {
		r.attach(in)
		return
	}
	if missing <= int64(r.opts.CutRows) {
		in.phase, r.needsChanged = phaseFinishing, true
		r.opts.FailPoint("named")
	}
	r.viewsChanged = true
	in.reader = r.startReader(s.spec.Source, in.need, -1, in.positions, shared.Clone(), in.former)
	in.former = nil
}

// follow keeps the batches that the epoch cut from the shared reader for the
// views that will join behind a named cut.
func (r *Runtime) follow(in *input) {
	for _, b := range in.stream.taken {
		in.kept = append(in.kept, b)
		in.keptBytes += batchBytes(b)
	}
	if in.keptBytes <= r.opts.KeepBytes {
		return
	}
	// The view is too slow: the broker keeps its rows better than we do.
	in.kept, in.keptBytes = nil, 0
	in.phase = phaseReading
	r.viewsChanged, r.needsChanged = true, true
}

// cutInput takes the view's piece of the epoch from its private reader or from
// what was kept.
func (r *Runtime) cutInput(in *input, rows, bytes int) {
	var taken []*connector.Batch
	if in.phase == phaseFinishing || in.phase == phaseChasing {
		r.follow(in)
	}
	switch {
	case in.view.behind: // what it has is enough
	case in.phase == phaseChasing:
		n := prefix(in.kept, rows, bytes)
		taken = append(taken, in.kept[:n]...)
		clear(in.kept[:n])
		in.kept = in.kept[n:]
		for _, b := range taken {
			in.keptBytes -= batchBytes(b)
		}
		sortBatches(taken)
	case in.reader != nil && (in.phase == phaseReading || in.phase == phaseFinishing):
		taken = in.reader.queue.take(rows, bytes)
	}
	in.before = in.positions
	if len(taken) == 0 {
		return
	}
	in.positions = consumed(in.positions, taken)
	in.delta = rowsOf(taken)
	r.viewsChanged = true
}

// waits says whether the view may not begin: it would look rows up in a relation that
// has not been loaded yet.
func (v *view) waits() bool {
	return v.lookups && slices.ContainsFunc(v.inputs, func(in *input) bool { return in.changesOnly && !in.from.ready && !in.from.detached })
}

// work says whether the input has something for an epoch to take.
func (in *input) work() bool {
	if in.view.waits() {
		return false
	}
	switch in.phase {
	case phaseScanning:
		return in.compares()
	case phaseChasing:
		return len(in.kept) > 0
	case phaseReading, phaseFinishing:
		if in.reader != nil {
			n, _, _ := in.reader.queue.size()
			return n > 0
		}
	}
	return false
}

// settleReady notes whether the view has processed what its inputs held when it
// was created, and is at the same moment as all others (I1). It stays so until it
// is detached.
func (r *Runtime) settleReady(v *view) {
	if v.ready || !v.live() {
		return
	}
	ready, done := !v.behind, int64(0)
	for _, in := range v.inputs {
		p, _ := in.progress()
		done += p.Done
		if !in.reached {
			in.reached = in.met()
			r.viewsChanged = r.viewsChanged || in.reached
		}
		ready = ready && in.reached && in.phase == phaseAttached && (in.from == nil || in.from == v || in.from.ready)
	}
	if done != v.done {
		v.done, r.viewsChanged = done, true
	}
	if ready {
		r.becomeReady(v)
	}
}

// met says whether the input's target is reached now.
func (in *input) met() bool {
	if in.stream != nil {
		return in.asked && reached(in.own(), in.target, in.stream.spec.Starts)
	}
	return in.phase == phaseAttached && (in.from == in.view || in.from.ready)
}
