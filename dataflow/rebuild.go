package dataflow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/storage"
)

// A view whose stored rows are damaged is a function of its inputs and can be
// built again (docs/design/0007). That takes two steps:
//
//	hold     the view leaves the epochs and is computed no more. What reads it
//	         goes on with the rows that it has seen, but is not ready: nobody
//	         outside sees it, as when the view is detached.
//	rebuild  a new view over new arrangements takes its place (Command.Rebuild)
//	         and begins as a created one does.
//
// Readers of the view do not begin anew. When the new view is ready they are
// brought from its former rows, which are kept until then (a base), to its present
// ones, key by key (rebuild_scan.go): what is the same changes nothing, so that a
// sink writes the difference. A join that reads the view's arrangement itself, by
// key, cannot have two of them, and is held and built again with it.

// ErrNotYet says that a held view cannot be built again at this moment; it is to be
// tried again.
var ErrNotYet = errors.New("dataflow: the view cannot be built again yet")

// ErrIncomplete says that a source has lost records that a view was made of, so
// that it would not be the same if it were built again.
var ErrIncomplete = errors.New("dataflow: the view's inputs are incomplete")

// The reasons of views begin with these words while they wait and while they are
// built; then the cause follows.
const (
	waitsForRebuild = "waits to be rebuilt after "
	rebuiltAfter    = "rebuilt after "
)

// Hold takes a view that can be built again out of the epochs, until it is or
// Quarantine gives it up. The cause is told in its reason. One that is held or gone
// already stays as it is.
func (r *Runtime) Hold(ctx context.Context, id RelationID, cause string) error {
	return r.between(ctx, func() error {
		if v := r.views[id]; v != nil && v.spec.Derived {
			r.hold(v, cause, r.pub.epoch)
		}
		return nil
	})
}

// Quarantine gives up a held view, and what reads it. Why is told behind the cause.
func (r *Runtime) Quarantine(ctx context.Context, id RelationID, why string) error {
	return r.between(ctx, func() error {
		if v := r.views[id]; v != nil && v.held {
			r.giveUp(v, strings.TrimPrefix(v.reason, waitsForRebuild)+"; "+why)
		}
		return nil
	})
}

// between runs work in the loop between two epochs. What it changes is committed
// with the next one, which does not wait for input.
func (r *Runtime) between(ctx context.Context, work func() error) error {
	q := &request{done: make(chan struct{}), inspect: func() error {
		r.unsaved = true
		return work()
	}}
	_, err := r.submit(ctx, q)
	return err
}

// hold takes a view out of the epochs. Its error rows and its backlog are removed
// as those of a dropped view are.
func (r *Runtime) hold(v *view, cause string, epoch uint64) {
	if v.held {
		return
	}
	if v.live() {
		r.leave(v)
	}
	v.state, v.held, v.ready, v.detached = StateQuarantined, true, false, false
	v.reason, v.since = waitsForRebuild+cause, max(1, epoch)
	r.opts.Log.Warn("view is held", "view", v.spec.Name, "id", v.spec.ID, "epoch", epoch, "cause", cause)
	r.purgeLater(v.spec.ID)
	v.endSubscriptions(sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "view %q is rebuilt", v.spec.Name).
		WithDetail("The cause is %s.", cause).WithHint("Subscribe again."))
	r.stateChanged()
	why := fmt.Sprintf("view %q, which it reads, is rebuilt", v.spec.Name)
	for _, d := range v.dependents {
		switch {
		case d.spec.Derived && (!d.live() || d.joins(v)):
			r.hold(d, fmt.Sprintf("the rebuilding of view %q", v.spec.Name), epoch)
		case d.joins(v):
			r.retire(d, why, epoch)
		default:
			r.unready(d, why, epoch)
		}
	}
}

// purgeLater lets the next epochs remove a relation's error rows and backlog.
func (r *Runtime) purgeLater(id RelationID) {
	if !slices.Contains(r.purge, id) {
		r.purge = append(slices.Clone(r.purge), id)
	}
}

// joins says whether the view reads the rows of another one from its arrangement.
func (v *view) joins(from *view) bool {
	return slices.ContainsFunc(v.inputs, func(in *input) bool { return in.changesOnly && in.from == from })
}

// giveUp quarantines a held view for good, and what reads it.
func (r *Runtime) giveUp(v *view, reason string) {
	r.opts.Log.Error("view is quarantined", "view", v.spec.Name, "id", v.spec.ID, "reason", reason)
	v.held, v.reason = false, reason
	r.countQuarantine()
	r.stateChanged()
	for _, d := range v.dependents {
		if why := fmt.Sprintf("view %q, which it reads, is quarantined", v.spec.Name); d.held {
			r.giveUp(d, why)
		} else {
			r.retire(d, why, v.since)
		}
	}
}

// Rebuildable says whether a command could rebuild a view, as far as its inputs go:
// ErrIncomplete if it could not, ErrNotYet if a source cannot be asked.
func (r *Runtime) Rebuildable(ctx context.Context, cmd Command) error {
	q := &request{cmd: cmd, done: make(chan struct{})}
	if err := r.prepare(ctx, q); err != nil {
		return err
	}
	q.inspect = func() error {
		for _, in := range q.rebuilt.inputs {
			if err := r.mayRead(in, q); err != nil {
				return err
			}
		}
		return nil
	}
	_, err := r.submit(ctx, q)
	return err
}

// rebuild puts the command's new view in the place of the held one.
func (r *Runtime) rebuild(ep *epochWork, q *request) error {
	v := q.rebuilt
	old := r.views[v.spec.ID]
	if err := r.mayRebuild(old, v, q); err != nil {
		return err
	}
	used := false
	for _, d := range old.dependents {
		used = r.compareWith(d, old, v, q) || used
	}
	base := old.spec.Result.Arr
	for _, arr := range old.arrangements() {
		if arr != base || !used {
			ep.commit.Drop = append(ep.commit.Drop, arr)
		}
	}
	if used {
		r.bases = append(slices.Clone(r.bases), base)
	}
	r.views[v.spec.ID] = v
	r.order[slices.Index(r.order, old)] = v
	if err := r.resolve(v); err != nil {
		return err
	}
	v.reason = rebuiltAfter + strings.TrimPrefix(old.reason, waitsForRebuild)
	return r.startView(v, q)
}

// mayRebuild refuses what cannot be, or not yet.
func (r *Runtime) mayRebuild(old, v *view, q *request) error {
	switch {
	case old == nil:
		return sqlerr.New(sqlerr.UndefinedTable, "relation with id %d does not exist", v.spec.ID)
	case !old.held:
		return sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "view %q is not held", v.spec.Name)
	case slices.Contains(r.purge, v.spec.ID):
		return fmt.Errorf("%w: its error rows are being removed", ErrNotYet)
	}
	for _, d := range old.dependents {
		if d.live() && !d.settled(old) {
			return fmt.Errorf("%w: %q has not read all that it holds", ErrNotYet, d.spec.Name)
		}
	}
	for _, in := range v.inputs {
		if err := r.mayRead(in, q); err != nil {
			return err
		}
	}
	return nil
}

// mayRead refuses an input that would not give a rebuilt view all that it had.
func (r *Runtime) mayRead(in *input, q *request) error {
	from := r.views[in.rel]
	switch {
	case from == nil:
		if s := r.streams[in.rel]; s != nil {
			return complete(s, q)
		}
	case from.held && in.rel != in.view.spec.ID:
		return fmt.Errorf("%w: view %q, which it reads, comes first", ErrNotYet, from.spec.Name)
	case !from.live() && in.rel != in.view.spec.ID:
		return fmt.Errorf("%w: %q, which it reads, is quarantined", ErrIncomplete, from.spec.Name)
	}
	return nil
}

// settled says whether one set of rows is what the view has seen of another: all
// that it holds, or nothing of it yet.
func (v *view) settled(from *view) bool {
	return !v.behind && !slices.ContainsFunc(v.inputs, func(in *input) bool {
		return in.from == from && in.phase == phaseScanning && len(in.cursor) > 0
	})
}

// complete says whether a stream still gives all the records that a view began
// with, and nothing before them.
func complete(s *stream, q *request) error {
	switch err := q.unasked[s.spec.ID]; {
	case sqlerr.Code(err) == sqlerr.ObjectNotInPrerequisiteState, sqlerr.Code(err) == sqlerr.UndefinedObject:
		return fmt.Errorf("%w: stream %q: %w", ErrIncomplete, s.spec.Name, err)
	case err != nil:
		return fmt.Errorf("%w: the topic of stream %q cannot be asked", ErrNotYet, s.spec.Name)
	case q.compacts[s.spec.ID]:
		return fmt.Errorf("%w: the topic of stream %q is compacted, and may have lost records", ErrIncomplete, s.spec.Name)
	}
	oldest := q.oldest[s.spec.ID]
	began, known := q.cmd.Begins[s.spec.ID]
	if !known {
		began = s.spec.Starts
	}
	for p := range max(len(oldest), len(began)) {
		if at := oldest.At(int32(p)); at > max(began.At(int32(p)), 0) {
			return fmt.Errorf("%w: the oldest record that the topic of stream %q still holds in partition %d has offset %d, the view began at %d",
				ErrIncomplete, s.spec.Name, p, at, max(began.At(int32(p)), 0))
		}
	}
	return nil
}

// begins returns where the inputs of new views begin that do not begin where their
// streams do: behind what retention has removed by now.
func (r *Runtime) begins(q *request) map[RelationID]connector.Positions {
	out := map[RelationID]connector.Positions{}
	for id, oldest := range q.oldest {
		s := r.streams[id]
		if s == nil {
			continue // it begins with the command, and so do its views
		}
		if at := s.spec.Starts.From(oldest); !slices.Equal(at, s.spec.Starts) {
			out[id] = at
		}
	}
	return out
}

// dropBases drops the former rows of rebuilt views that nobody is compared with any
// more.
func (r *Runtime) dropBases(ep *epochWork) {
	if len(r.bases) == 0 {
		return
	}
	used := map[storage.Arrangement]bool{}
	for _, v := range r.order {
		for _, in := range v.inputs {
			used[in.base] = used[in.base] || v.live()
		}
	}
	var kept []storage.Arrangement
	for _, base := range r.bases {
		if used[base] {
			kept = append(kept, base)
		} else {
			ep.commit.Drop = append(ep.commit.Drop, base)
			r.dirty = true
		}
	}
	r.bases = kept
}
