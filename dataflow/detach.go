package dataflow

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// A view that overruns its share of an epoch is detached: what it computed is
// thrown away, what it would have had to compute is written to its backlog
// (backlog.go), and the epoch goes on without it. It works the backlog off in
// pieces, as a backfill does; the streams that it shares with others it leaves in
// the same way that a new view joins them (backfill.go, phaseChasing). When
// nothing is left it takes part in the epochs again. Until then it is not ready:
// reads wait, subscribers get its changes when it is ready again, with its state
// in one piece.

// aside says whether the view works at its own pace: it is in backfill or behind.
func (v *view) aside() bool { return v.behind || !v.attached() }

// postpone writes to the backlog what a view has not computed in this epoch.
func (r *Runtime) postpone(ep *epochWork, v *view, over *overShare) error {
	if !v.divisible() || over.memory && v.fed <= 2 {
		return sqlerr.New(sqlerr.ProgramLimitExceeded, "%s, and that cannot be divided", over.reason)
	}
	ep.overruns++
	v.forgetEpoch()
	v.takeBack()
	if err := v.rebuild(r.opts.Build); err != nil {
		return err
	}
	if err := r.enqueueAll(ep, v); err != nil {
		return err
	}
	v.pace.overrun(v.fed)
	r.dirty = true
	if !v.behind {
		r.detach(v, over.reason, ep.commit.Number-1)
	}
	return nil
}

// forgetEpoch drops what the view has computed.
func (v *view) forgetEpoch() {
	for i := range v.nodes {
		v.nodes[i].rows = nil
	}
	v.out, v.changes, v.ran = nil, nil, false
	v.forgetTimers()
}

// detach takes a view out of the epochs from now on.
func (r *Runtime) detach(v *view, reason string, epoch uint64) {
	v.behind, v.worked = true, 0
	r.separate(v)
	r.stateChanged()
	r.opts.FailPoint("detach")
	if !v.ready {
		return // it is in backfill and stays so
	}
	r.opts.Log.Warn("view is detached", "view", v.spec.Name, "id", v.spec.ID, "epoch", epoch, "reason", reason)
	r.mu.Lock()
	r.stats.Detachments++
	r.mu.Unlock()
	r.unready(v, reason, epoch)
}

// unready notes that a view, and what reads it, is not at the moment of the rest.
func (r *Runtime) unready(v *view, reason string, epoch uint64) {
	if v.detached || !v.live() {
		return
	}
	r.stateChanged()
	v.holdHorizons()
	v.ready, v.detached, v.reason, v.since = false, true, reason, max(1, epoch)
	for _, s := range v.subs {
		s.beginHold()
	}
	for _, d := range v.dependents {
		r.unready(d, v.detachesReaders(), epoch)
	}
}

// detachesReaders is the reason of what reads a view that is detached.
func (v *view) detachesReaders() string {
	return fmt.Sprintf("view %q, which it reads, is detached", v.spec.Name)
}

// separate makes a view that is behind leave the streams that others read, too:
// they shall not wait for it. One that it reads alone goes at its pace instead.
func (r *Runtime) separate(v *view) {
	for _, in := range v.inputs {
		if in.stream == nil || in.phase != phaseAttached || in.stream.sharers() < 2 {
			continue
		}
		in.phase, in.positions = phaseChasing, in.stream.positions
		r.stateChanged()
	}
}

// sole returns the view that alone reads the stream's shared reader, nil if
// there are several.
func (s *stream) sole() *view {
	var only *view
	for _, in := range s.inputs {
		if in.shared() {
			if only != nil || in.phase != phaseAttached {
				return nil
			}
			only = in.view
		}
	}
	return only
}

// patience is in how many epochs running a view may be too slow for a full cut to
// be small enough.
const patience = 3

// observe learns from what a view took of the epoch. One that is slow row by row
// and so would make the epochs of all others small is detached.
func (r *Runtime) observe(ep *epochWork, v *view, aside bool, took time.Duration) {
	target := r.opts.EpochTarget
	if aside {
		ep.asideTime += took
	} else {
		v.pace.target = target
	}
	v.pace.observe(int64(v.fed+v.badRecords()), took, v.changeBytes())
	slow := !aside && took > target && v.fed <= firstCut && v.divisible() && v.shares()
	if !slow {
		v.slow = 0
		return
	}
	if v.slow++; v.slow >= patience {
		v.slow = 0
		r.detach(v, fmt.Sprintf("it takes %v for %d changes", took.Round(time.Millisecond), v.fed), ep.commit.Number)
	}
}

// badRecords counts the records of the cut that were no rows.
func (v *view) badRecords() (n int) {
	for _, in := range v.inputs {
		if in.stream == nil || in.phase != phaseAttached {
			continue
		}
		for _, b := range in.stream.taken {
			if b.Errors != nil {
				n += b.Errors.Len()
			}
		}
	}
	return n
}

// shares says whether others would wait for the view.
func (v *view) shares() bool {
	return slices.ContainsFunc(v.inputs, func(in *input) bool {
		return in.stream == nil && in.from != v || in.stream != nil && in.stream.sharers() > 1
	})
}

// changeBytes returns the size of what the view writes in the epoch.
func (v *view) changeBytes() (n int64) {
	for i := range v.changes {
		n += int64(len(v.changes[i].Keys.Data) + len(v.changes[i].Vals.Data))
	}
	return n
}

// becomeReady ends a detachment: held changes go to the subscribers as those of
// the published epoch, which is the first since then that the view is at.
func (r *Runtime) becomeReady(v *view) {
	v.ready = true
	r.stateChanged()
	// Who has read the view must be able to after a restart, too, even if the
	// sources, which would be asked again for their ends, are away then.
	r.unsaved = true
	if !v.detached {
		v.reason = "" // why it was built again
		return
	}
	r.opts.Log.Info("view is attached again", "view", v.spec.Name, "id", v.spec.ID, "epoch", r.pub.epoch, "worked", v.worked)
	v.detached, v.reason, v.since = false, "", 0
	for _, s := range v.subs {
		s.releaseHeld(r.pub.epoch, r.opts.SubscrBytes)
	}
	if v.spec.Committed != nil {
		r.reattached = append(r.reattached, v)
	}
}

// separateAll makes views that are behind leave the streams that others have come
// to read, too.
func (r *Runtime) separateAll() {
	r.list()
	for _, v := range r.busy {
		if v.behind {
			r.separate(v)
		}
	}
}

// most returns how many rows of the stream an epoch may take: a view that reads it
// alone has it at its own pace, and when it is behind it has rows enough.
func (s *stream) most() int {
	switch v := s.sole(); {
	case v == nil:
		return math.MaxInt
	case v.behind:
		return 0
	default:
		return v.pace.rows
	}
}
