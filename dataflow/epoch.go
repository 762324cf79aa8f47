package dataflow

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/storage"
)

// epochWork is the epoch under way: what it will commit, and its cost.
type epochWork struct {
	commit storage.Epoch
	errors errorChanges
	// errorDelta is by how much the number of error rows changes.
	errorDelta map[RelationID]int64
	tables     []TableDelta
	touched    []*view // had input
	backlog    storage.ChangeSet
	rows       int64
	live       int64         // of them from the shared readers
	aside      int           // views that work at their own pace
	asideTime  time.Duration // that they took
	liveBytes  int64         // that the others change
	overruns   int           // views that were detached
	started    time.Time
	cut        time.Duration
	compute    time.Duration
}

// begin starts the next epoch.
func (r *Runtime) begin() *epochWork {
	now := r.opts.Now()
	r.epoch = epochWork{started: now, touched: r.epoch.touched}
	ep := &r.epoch
	ep.commit.Number = r.store.Epoch() + 1
	ep.commit.Clock = r.clock()
	if !r.saved.written {
		// The very first epoch: the error rows need a place.
		ep.commit.Create = append(ep.commit.Create, storage.NewArrangement{Arr: ErrorArrangement, Placement: storage.Result})
		r.dirty = true
	}
	if !r.saved.backlog {
		ep.commit.Create = append(ep.commit.Create, storage.NewArrangement{Arr: BacklogArrangement, Placement: storage.State})
		r.dirty = true
	}
	return ep
}

// inputEpoch takes what the inputs have, bounded, through cut, compute, commit
// and publish. It is never given up: a commit that fails is tried again.
func (r *Runtime) inputEpoch(ctx context.Context) error {
	ep := r.begin()
	r.cut(ep)
	r.markDue(ep)
	r.opts.FailPoint("cut")
	ep.cut = r.since(ep.started)
	if err := r.compute(ep); err != nil {
		return err
	}
	if err := r.purgeDropped(ep); err != nil {
		return err
	}
	r.opts.FailPoint("computed")
	ep.compute = r.since(ep.started) - ep.cut
	r.pace.observe(ep.live, ep.cut+ep.compute-ep.asideTime, ep.liveBytes)
	if err := r.commit(ctx, ep, true); err != nil {
		if ctx.Err() != nil && !permanent(err) {
			return nil // stopped while the store refused: the epoch did not happen
		}
		return err
	}
	return nil
}

func (r *Runtime) since(t time.Time) time.Duration { return r.opts.Now().Sub(t) }

// cut takes from every queue its share of the epoch's bounds, in proportion to
// what waits, so that no stream starves.
func (r *Runtime) cut(ep *epochWork) {
	var rows, bytes int
	for _, s := range r.streamOrder {
		if s.reader != nil {
			_, n, b := s.reader.queue.size()
			rows, bytes = rows+n, bytes+b
		}
	}
	r.separateAll()
	for _, s := range r.streamOrder {
		if s.reader == nil {
			continue
		}
		batches, n, b := s.reader.queue.size()
		most := s.most()
		if batches == 0 || most == 0 {
			continue
		}
		s.cut(min(share(r.pace.rows, n, rows), most), share(r.opts.CutBytes, b, bytes))
		r.dirty = true
		for _, batch := range s.taken {
			ep.live += int64(batchRows(batch))
		}
		if s.delta == nil {
			continue
		}
		for _, in := range s.inputs {
			in.view.marked = in.view.marked || in.phase == phaseAttached
		}
	}
	ep.rows = ep.live
	r.moveWatermarks(ep)
	r.cutBackfills(ep, rows > 0)
}

// share returns the part of a bound that belongs to one of many.
func share(bound, mine, all int) int {
	if all <= bound || all == 0 {
		return bound
	}
	return max(1, int(int64(bound)*int64(mine)/int64(all)))
}

// cutBackfills takes a piece for every view that works at its own pace: small ones
// while there is live input, for others do not wait (I5).
func (r *Runtime) cutBackfills(ep *epochWork, live bool) {
	r.list()
	for _, v := range r.busy {
		if v.aside() {
			ep.aside++
		}
	}
	most := r.opts.CutRows
	if live {
		most = min(most, r.opts.PieceRows)
	}
	for _, v := range r.busy {
		if !v.aside() {
			continue
		}
		v.share = max(1, min(v.pace.rows, most/ep.aside))
		v.marked = v.marked || v.behind
		for _, in := range v.inputs {
			switch in.phase {
			case phaseAttached:
			case phaseScanning:
				v.marked = v.marked || in.compares()
			default:
				r.cutBackfill(ep, in)
			}
		}
	}
}

// cutBackfill takes a piece for an input that has not caught up with a stream.
func (r *Runtime) cutBackfill(ep *epochWork, in *input) {
	v := in.view
	before := in.positions
	rows, bytes := r.pieceOf(in, v.share)
	r.cutInput(in, rows, bytes)
	r.dirty = r.dirty || len(before) != len(in.positions) || advance(before, in.positions) > 0
	v.marked = v.marked || in.delta != nil
	for _, b := range in.delta {
		ep.rows += int64(b.Len())
	}
}

// pieceOf returns the bounds of an input's piece. One that works off what was
// kept takes more than this epoch adds to it, or it would never attach; unless
// that is too much for it.
func (r *Runtime) pieceOf(in *input, piece int) (rows, bytes int) {
	rows, bytes = piece, r.opts.PieceBytes
	if in.phase != phaseChasing {
		return rows, bytes
	}
	var n, size int
	for _, b := range in.stream.taken {
		n, size = n+batchRows(b), size+batchBytes(b)
	}
	return max(rows, min(2*n, in.view.pace.rows)), max(bytes, 2*size)
}

// compute runs every view that has input, in topological order, and collects
// changes and error rows. The error is fatal; what goes wrong in a view
// quarantines it and those that read it.
func (r *Runtime) compute(ep *epochWork) error {
	for _, s := range r.streamOrder {
		if len(s.taken) == 0 {
			continue
		}
		errs, err := r.errorRows(s.spec.ID, s.newErrors())
		if err != nil {
			return fmt.Errorf("dataflow: error rows of stream %q: %w", s.spec.Name, err)
		}
		ep.countErrors(s.spec.ID, errs.total())
		ep.errors.add(errs)
	}
	for _, v := range r.order {
		if !v.marked || v.ran {
			continue
		}
		ep.touched = append(ep.touched, v)
		if !v.live() {
			continue
		}
		if err := r.computeView(ep, v); err != nil {
			if broken(err) {
				return err
			}
			r.quarantine(v, err, ep.commit.Number-1)
		}
	}
	if ep.errors.set.Keys.Len() > 0 {
		ep.errors.set.Arr = ErrorArrangement
		ep.commit.Changes = append(ep.commit.Changes, ep.errors.set)
	}
	return nil
}

// computeView runs one view and, if all went well, hands its changes on. A view
// that overruns its share is detached.
func (r *Runtime) computeView(ep *epochWork, v *view) error {
	aside := v.aside()
	started := r.opts.Now()
	err := r.tryView(ep, v, aside)
	var over *overShare
	if errors.As(err, &over) {
		if err = r.postpone(ep, v, over); err == nil && aside {
			ep.asideTime += r.since(started)
		}
		return err
	}
	if err == nil && v.fed > 0 {
		r.observe(ep, v, aside, r.since(started))
	}
	return err
}

// tryView feeds and runs a view. Only when it has succeeded something of it is
// kept.
func (r *Runtime) tryView(ep *epochWork, v *view, aside bool) error {
	behind := v.behind
	if err := r.feedView(ep, v); err != nil {
		return err
	}
	if v.fed > 0 || v.fresh || r.fires(v, ep) {
		r.allow(ep, v, aside)
		if err := r.runView(ep, v); err != nil {
			return err
		}
		if !aside {
			ep.liveBytes += v.changeBytes()
		}
	}
	if behind {
		return r.workedOff(ep, v)
	}
	for _, in := range v.inputs {
		if in.phase != phaseScanning {
			continue
		}
		in.scanDone(r)
		r.dirty = true
		if in.atEnd {
			r.attach(in)
		}
	}
	return nil
}

// feedView sets the deltas of the view's inputs and counts their rows, of which it
// may leave late ones out.
func (r *Runtime) feedView(ep *epochWork, v *view) error {
	if v.behind {
		if err := r.feedBehind(ep, v); err != nil {
			return err
		}
	}
	v.fed = 0
	for _, in := range v.inputs {
		if !v.behind {
			if err := r.feed(ep, in); err != nil {
				return err
			}
		}
		for _, b := range in.delta {
			v.fed += b.Len()
		}
	}
	if v.judgeLate() > 0 {
		r.dirty, r.viewsChanged = true, true
	}
	return nil
}

// runView computes a view and collects its changes.
func (r *Runtime) runView(ep *epochWork, v *view) error {
	st := viewState{Store: r.store, view: v, clock: func(t *timer) int64 { return r.clockOf(t, ep) }}
	failed, err := v.run(&st, ep.commit.Number)
	if err != nil {
		return err
	}
	errs, err := r.errorRows(v.spec.ID, failed)
	if err != nil {
		return err
	}
	ep.countErrors(v.spec.ID, errs.total())
	ep.errors.add(errs)
	ep.commit.Changes = append(ep.commit.Changes, v.changes...)
	v.ran = true
	for _, d := range v.dependents {
		d.marked = true
	}
	return nil
}

// feed sets the delta of an input that the cut did not set.
func (r *Runtime) feed(ep *epochWork, in *input) error {
	switch {
	case in.phase == phaseScanning:
		return r.scanInput(in, in.view.share)
	case in.phase != phaseAttached:
		return nil
	case in.appends():
		in.delta = in.appended()
	case in.from != in.view:
		in.delta = in.from.out
	default:
		in.delta = nil
		for _, t := range ep.tables {
			if t.Relation == in.rel {
				in.delta = append(in.delta, t.Delta...)
			}
		}
	}
	return nil
}

// quarantine takes a view and all that read it out of the epochs. What it
// computed in this epoch is forgotten; its positions stay those of the epoch
// before, so that it could be taken up again from there.
func (r *Runtime) quarantine(v *view, cause error, epoch uint64) {
	reason, _, _ := strings.Cut(cause.Error(), "\n")
	if sqlerr.Code(cause) == sqlerr.DataCorrupted && v.spec.Derived {
		r.hold(v, "damage: "+reason, epoch)
		r.tellHeld = true
		return
	}
	r.opts.Log.Error("view is quarantined", "view", v.spec.Name, "id", v.spec.ID, "epoch", epoch, "err", cause)
	if sqlerr.Code(cause) == sqlerr.DataCorrupted {
		reason = "stored data is damaged: " + reason
	}
	r.retire(v, reason, epoch)
}

func (r *Runtime) retire(v *view, reason string, epoch uint64) {
	if !v.live() {
		return
	}
	v.state, v.reason, v.since = StateQuarantined, reason, max(1, epoch)
	r.leave(v)
	v.endSubscriptions(sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "view %q is quarantined", v.spec.Name).WithDetail("%s", reason))
	r.stateChanged()
	r.countQuarantine()
	for _, d := range v.dependents {
		r.retire(d, fmt.Sprintf("view %q, which it reads, is quarantined", v.spec.Name), epoch)
	}
}

func (r *Runtime) countQuarantine() {
	r.mu.Lock()
	r.stats.Quarantines++
	r.mu.Unlock()
}

// leave stops what feeds a view and forgets what it has computed in the epoch.
func (r *Runtime) leave(v *view) {
	for _, in := range v.inputs {
		switch {
		case in.stream == nil:
		case in.phase == phaseAttached:
			in.positions = in.stream.positions
			if in.stream.taken != nil {
				in.positions = in.stream.before
			}
			in.phase = phaseReading
		default:
			if in.delta != nil {
				in.positions = in.before
			}
			in.phase = phaseReading
		}
		in.drop()
	}
	v.out, v.changes, v.ran = nil, nil, false
}

// commit makes the epoch durable, then visible. With retry a store that refuses
// is asked again, with back-off, until ctx ends or it breaks.
func (r *Runtime) commit(ctx context.Context, ep *epochWork, retry bool) error {
	if ep.backlog.Keys.Len() > 0 {
		ep.backlog.Arr = BacklogArrangement
		ep.commit.Changes = append(ep.commit.Changes, ep.backlog)
	}
	r.dropBases(ep)
	if r.dirty {
		ep.commit.Positions = r.encodePositions()
	}
	next := r.publishStatus(ep.commit.Number, ep.commit.Clock)
	next.errors = r.errors.with(ep.errorDelta)
	r.mu.Lock()
	r.next = next
	r.mu.Unlock()
	r.opts.FailPoint("before-commit")
	before := r.opts.Now()
	if err := r.commitStore(ctx, ep, retry); err != nil {
		return err
	}
	took := r.since(before)
	r.opts.FailPoint("after-commit")
	r.dirty, r.unsaved, r.errors = false, false, next.errors
	r.saved.written, r.saved.backlog = true, true
	r.finish(ep, next, took)
	r.opts.FailPoint("published")
	return nil
}

func (r *Runtime) commitStore(ctx context.Context, ep *epochWork, retry bool) error {
	pause := r.opts.RetryMin
	for {
		err := r.store.Commit(&ep.commit)
		if err == nil {
			r.commitFailed(nil)
			return nil
		}
		r.commitFailed(err)
		if permanent(err) || r.hopeless(err) || !retry {
			return err
		}
		r.opts.Log.Warn("commit failed, it will be tried again", "epoch", ep.commit.Number, "pause", pause, "err", err)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(err, ctx.Err())
		}
		pause = min(2*pause, r.opts.RetryMax)
	}
}

// commitFailed shows that a commit failed, or with nil that one succeeded.
func (r *Runtime) commitFailed(err error) {
	if err == nil && r.failing.IsZero() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.failing, r.stats.CommitError = time.Time{}, ""
		return
	}
	if r.failing.IsZero() && !permanent(err) {
		r.failing = r.opts.Now()
	}
	r.stats.CommitRetries++
	r.stats.CommitError = err.Error()
}

// hopeless says whether commits have failed for so long that only opening the
// store again can help. Want of resources (a full disk) may take an operator
// any time to mend.
func (r *Runtime) hopeless(err error) bool {
	return !r.failing.IsZero() && !resources(err) && r.since(r.failing) >= r.opts.RetryFor
}

// finish publishes the epoch, hands subscribers their deltas and lets go of
// everything that belonged to it.
func (r *Runtime) finish(ep *epochWork, next *published, commit time.Duration) {
	for _, v := range ep.touched {
		if v.ran {
			v.timersCommitted()
			v.late = v.lateTotal()
		}
		if v.ran && v.subs != nil {
			v.feedSubscriptions(ep.commit.Number)
		}
		if v.ran && v.spec.Committed != nil { // a sink that is detached finds out that it must wait
			v.spec.Committed(ep.commit.Number)
		}
	}
	r.mu.Lock()
	r.stats.Rows += ep.rows
	r.stats.CutLimit = int64(r.pace.rows)
	r.stats.CutNS += int64(ep.cut)
	r.stats.ComputeNS += int64(ep.compute)
	r.stats.CommitNS += int64(commit)
	r.stats.observe(r.since(ep.started))
	r.mu.Unlock()
	r.publish(next)
	r.releaseEpoch()
}

func (r *Runtime) releaseEpoch() {
	for _, s := range r.streamOrder {
		s.taken, s.delta, s.before = nil, nil, nil
	}
	for _, v := range r.epoch.touched {
		v.release()
	}
	for _, v := range r.busy {
		v.clearInputs()
	}
	touched := r.epoch.touched
	clear(touched)
	r.epoch = epochWork{touched: touched[:0]}
}

func (v *view) clearInputs() {
	for _, in := range v.inputs {
		in.delta, in.late, in.before = nil, nil, nil
	}
}
