package dataflow

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/internal/sqlerr"
)

// commandEpochs runs commands in one epoch. A command that its Prepare refuses is
// left out. When the epoch is refused, nobody knows by whose fault: then each has
// an epoch of its own. The error is the loop's end.
func (r *Runtime) commandEpochs(ctx context.Context, group []*request) error {
	if len(group) == 1 {
		return r.commandEpoch(ctx, group[0])
	}
	var together []*request
	all := &request{}
	given := make([][]TableDelta, 0, len(group))
	for _, q := range group {
		rows := q.cmd.Rows
		q.cmd.Follows = len(together) > 0
		if q.err = r.check(q); q.err == nil {
			together, given = append(together, q), append(given, rows)
			all.cmd.Rows = append(all.cmd.Rows, q.cmd.Rows...)
		}
	}
	if len(together) == 0 {
		return nil
	}
	if err := r.runCommand(ctx, all); err != nil || all.err == nil {
		return err
	}
	for i, q := range together {
		q.cmd.Rows, q.cmd.Follows = given[i], false
		if err := r.commandEpoch(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// commandEpoch runs a command as an epoch of its own, without input from
// streams: so it can be refused without a trace, by its Check, by a new view's
// first computation or by the store. The error is the loop's end.
func (r *Runtime) commandEpoch(ctx context.Context, q *request) error {
	if q.err = r.check(q); q.err != nil {
		return nil
	}
	return r.runCommand(ctx, q)
}

// runCommand is commandEpoch without its checks.
func (r *Runtime) runCommand(ctx context.Context, q *request) error {
	former := r.topology
	if q.cmd.topology() {
		r.topology = former.clone()
	}
	ep := r.begin()
	gone, err := r.change(ep, q)
	if err == nil {
		r.markDue(ep)
		err = r.computeCommand(ep, q)
	}
	if err == nil {
		r.opts.FailPoint("computed")
		ep.compute = r.since(ep.started)
		if err = r.commit(ctx, ep, false); err == nil {
			r.commandDone(q, gone)
			return nil
		}
		if r.hopeless(err) {
			return err
		}
	}
	q.err = unresolved(err)
	r.releaseEpoch()
	for _, undo := range q.undo {
		undo()
	}
	r.abandon(former)
	if broken(err) {
		return err
	}
	return nil
}

// check runs the command's own checks on the state after the former epoch.
func (r *Runtime) check(q *request) error {
	if q.cmd.Check != nil {
		if err := q.cmd.Check(r.pub.epoch); err != nil {
			return err
		}
	}
	if q.cmd.Prepare != nil {
		if q.cmd.Begins == nil {
			q.cmd.Begins = r.begins(q)
		}
		return q.cmd.Prepare(r.pub.epoch, &q.cmd)
	}
	return nil
}

// change applies the command to the topology and to the epoch's commit.
func (r *Runtime) change(ep *epochWork, q *request) (gone dropped, err error) {
	ep.commit.Meta = q.cmd.Meta
	ep.commit.Create = append(ep.commit.Create, q.cmd.Create...)
	ep.tables = q.cmd.Rows
	if q.cmd.topology() {
		r.stateChanged()
		r.pace.restart()
		if gone, err = r.drop(ep, q.cmd.Drop); err != nil {
			return gone, err
		}
		if err := r.install(q); err != nil {
			return gone, err
		}
		if q.rebuilt != nil {
			if err := r.rebuild(ep, q); err != nil {
				return gone, err
			}
		}
	}
	for _, t := range ep.tables {
		v := r.views[t.Relation]
		if v == nil || !v.table() {
			return gone, sqlerr.New(sqlerr.UndefinedTable, "table with id %d does not exist", t.Relation)
		}
		if !v.live() {
			return gone, sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "table %q is %s", v.spec.Name, v.state).WithDetail("%s", v.reason)
		}
		v.marked = true
		for _, b := range t.Delta {
			ep.rows += int64(b.Len())
		}
	}
	return gone, nil
}

// dropped is what a command drops; its readers stop when that is durable.
type dropped struct {
	streams []*stream
	views   []*view
}

// table says whether the relation is fed by commands.
func (v *view) table() bool {
	return slices.ContainsFunc(v.inputs, func(in *input) bool { return in.from == v })
}

// drop removes relations and announces that their arrangements go. What reads
// them must go with them (2BP01).
func (r *Runtime) drop(ep *epochWork, ids []RelationID) (gone dropped, err error) {
	for _, id := range ids {
		s, v := r.streams[id], r.views[id]
		switch {
		case v != nil:
			ep.commit.Drop = append(ep.commit.Drop, v.arrangements()...)
			delete(r.views, id)
			r.order = slices.DeleteFunc(r.order, func(o *view) bool { return o == v })
			gone.views = append(gone.views, v)
		case s != nil:
			delete(r.streams, id)
			r.streamOrder = slices.DeleteFunc(r.streamOrder, func(o *stream) bool { return o == s })
			gone.streams = append(gone.streams, s)
		default:
			return gone, sqlerr.New(sqlerr.UndefinedTable, "relation with id %d does not exist", id)
		}
		r.purge = append(r.purge, id)
	}
	for _, v := range r.order {
		for _, in := range v.inputs {
			if slices.Contains(ids, in.rel) && r.views[in.rel] == nil && r.streams[in.rel] == nil {
				return gone, sqlerr.New(sqlerr.DependentObjectsStillExist, "cannot drop relation with id %d because other objects depend on it", in.rel).
					WithDetail("view %q depends on it", v.spec.Name)
			}
		}
	}
	r.link()
	return gone, nil
}

// install adds the command's streams and views.
func (r *Runtime) install(q *request) error {
	for i := range q.cmd.AddStreams {
		if err := r.addStream(newStream(q.cmd.AddStreams[i])); err != nil {
			return err
		}
	}
	for _, v := range q.built {
		if err := r.addView(v); err != nil {
			return err
		}
		if err := r.startView(v, q); err != nil {
			return err
		}
	}
	return nil
}

// startView lets a new view begin with the epoch.
func (r *Runtime) startView(v *view, q *request) error {
	v.fresh, v.marked = true, true
	for _, in := range v.inputs {
		if err := r.start(in, q); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runtime) addStream(s *stream) error {
	id := s.spec.ID
	if r.streams[id] != nil || r.views[id] != nil {
		return sqlerr.New(sqlerr.DuplicateTable, "relation with id %d already exists", id)
	}
	r.streams[id] = s
	r.streamOrder = append(r.streamOrder, s)
	return nil
}

// addView resolves what a view reads; those relations must exist.
func (r *Runtime) addView(v *view) error {
	id := v.spec.ID
	if r.streams[id] != nil || r.views[id] != nil {
		return sqlerr.New(sqlerr.DuplicateTable, "relation with id %d already exists", id)
	}
	r.views[id] = v
	r.order = append(r.order, v)
	return r.resolve(v)
}

// resolve finds what an installed view reads.
func (r *Runtime) resolve(v *view) error {
	for _, in := range v.inputs {
		in.stream, in.from = r.streams[in.rel], r.views[in.rel]
		if in.stream == nil && in.from == nil {
			return sqlerr.New(sqlerr.UndefinedTable, "relation with id %d, which %q reads, does not exist", in.rel, v.spec.Name)
		}
		if err := in.resolveLate(); err != nil {
			return err
		}
		if in.stream != nil && in.need != nil && len(in.need) != len(in.stream.spec.Types) {
			return sqlerr.New(sqlerr.InternalError, "%q reads stream %q with other columns than it has", v.spec.Name, in.stream.spec.Name)
		}
	}
	r.link()
	return nil
}

// start gives a new view's input its first phase.
func (r *Runtime) start(in *input, q *request) error {
	s := in.stream
	if s == nil && in.from.detached { // a sink must not write what is no state of an epoch
		in.view.detached, in.view.reason, in.view.since = true, in.from.detachesReaders(), max(1, r.pub.epoch)
	}
	switch {
	case s != nil:
		in.target, in.asked = q.targets[in.rel], q.targets[in.rel] != nil
		in.phase = phaseAttached
		begin := append(connector.Positions{}, s.spec.Starts.From(q.oldest[in.rel])...)
		switch {
		case in.view.waits():
			in.phase, in.positions = phaseReading, begin
		case s.positions == nil:
			s.positions = begin
		case !slices.Equal(s.positions, begin):
			in.phase, in.positions = phaseReading, begin
		}
	case in.lateOnly || in.from == in.view || in.from.fresh && !q.fills(in.rel):
		in.phase = phaseAttached
	case !in.from.live():
		return sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "view %q is %s", in.from.spec.Name, in.from.state).WithDetail("%s", in.from.reason)
	case in.changesOnly:
		in.phase = phaseAttached
	case in.from.spec.Result.Arr == 0:
		return sqlerr.New(sqlerr.FeatureNotSupported, "%q has no stored rows to read", in.from.spec.Name)
	default:
		in.phase = phaseScanning
	}
	return nil
}

// fills says whether the command brings rows of a table. If the table is new, too,
// they are read like those of an older one: they may be too many for one epoch.
func (q *request) fills(id RelationID) bool {
	return slices.ContainsFunc(q.cmd.Rows, func(t TableDelta) bool { return t.Relation == id })
}

// computeCommand computes the tables' changes with all that read them, and the
// first epoch of new views. A new view that cannot compute refuses the command;
// another one that cannot is quarantined.
func (r *Runtime) computeCommand(ep *epochWork, q *request) error {
	if err := r.computeTables(ep); err != nil {
		return err
	}
	if err := r.compute(ep); err != nil {
		return err
	}
	for _, v := range q.news() {
		if !v.live() {
			return sqlerr.New(sqlerr.InternalError, "view %q could not be started: %s", v.spec.Name, v.reason)
		}
	}
	return nil
}

// computeTables computes the tables that the command changes, before anything
// that reads them: what a table does not take refuses the command, and the
// table stays as it is. Its operators are made anew, since a failed one may
// have kept something of what it was given.
func (r *Runtime) computeTables(ep *epochWork) error {
	for _, t := range ep.tables {
		v := r.views[t.Relation]
		if v.ran {
			continue
		}
		ep.touched = append(ep.touched, v)
		if err := r.computeView(ep, v); err != nil {
			return errors.Join(err, v.rebuild(r.opts.Build))
		}
	}
	return nil
}

// commandDone does what must not happen before the command is durable.
func (r *Runtime) commandDone(q *request, gone dropped) {
	for _, s := range gone.streams {
		if s.reader != nil {
			s.reader.stop()
		}
	}
	for _, v := range gone.views {
		for _, in := range v.inputs {
			in.drop()
		}
		v.endSubscriptions(sqlerr.New(sqlerr.UndefinedTable, "relation %q was dropped", v.spec.Name))
	}
	if !q.cmd.topology() {
		return
	}
	r.mu.Lock()
	if q.rebuilt != nil {
		r.stats.Rebuilds++
	}
	clear(r.known)
	for id, s := range r.streams {
		r.known[id] = s
	}
	r.mu.Unlock()
	for _, v := range q.news() {
		r.askTargets(v)
	}
}

// abandon takes back what a refused command has changed.
func (r *Runtime) abandon(former topology) {
	r.topology = former
	r.link()
	for _, v := range r.order { // what was held in the refused epoch stays held
		if v.held {
			r.purgeLater(v.spec.ID)
		}
	}
	for _, s := range r.streamOrder {
		if s.sharers() == 0 && s.reader == nil {
			s.positions = nil
		}
	}
	r.stateChanged()
	r.mu.Lock()
	r.next = nil
	r.mu.Unlock()
}

// askTargets asks again, in the background, for the ends that Do could not get.
func (r *Runtime) askTargets(v *view) {
	for _, in := range v.inputs {
		if in.stream == nil || in.asked || in.asking || !v.live() {
			continue
		}
		in.asking = true
		r.goroutines.Add(1)
		go func() {
			defer r.goroutines.Done()
			r.askTarget(in)
		}()
	}
}

// askTarget asks until the source answers or the runtime ends.
func (r *Runtime) askTarget(in *input) {
	src := in.stream.spec.Source
	for pause := r.opts.RetryMin; ; pause = min(2*pause, r.opts.RetryMax) {
		ask, cancel := context.WithTimeout(r.ctx, r.opts.AskTimeout)
		ends, err := src.Ends(ask)
		cancel()
		if err == nil {
			q := &request{done: make(chan struct{}), inspect: func() error {
				in.target, in.asked = append(connector.Positions{}, ends...), true
				r.stateChanged()
				return nil
			}}
			select {
			case r.requests <- q:
			case <-r.ctx.Done():
			}
			return
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-r.ctx.Done():
			timer.Stop()
			return
		}
	}
}

// restore installs what the catalog holds over the positions that the last
// epoch committed. It writes nothing.
func (r *Runtime) restore(q *request) error {
	if r.restored && r.saved.written {
		return sqlerr.New(sqlerr.InternalError, "the dataflow runtime is restored already")
	}
	former := r.topology
	r.topology = former.clone()
	if err := r.restoreAll(q); err != nil {
		r.topology = former
		r.link()
		return err
	}
	r.restored = true
	r.purge, r.bases = r.saved.purge, r.saved.bases
	dirty := r.dirty
	r.stateChanged()
	r.dirty = dirty // nothing is written for what the store already says
	r.commandDone(q, dropped{})
	return nil
}

func (r *Runtime) restoreAll(q *request) error {
	backlog, err := r.countBacklog()
	if err != nil {
		return err
	}
	for i := range q.cmd.AddStreams {
		s := newStream(q.cmd.AddStreams[i])
		r.saved.restoreStream(s)
		r.saved.restoreWatermark(s, r.clock())
		if err := r.addStream(s); err != nil {
			return err
		}
	}
	left := q.built
	for len(left) > 0 {
		var later []*view
		for _, v := range left {
			if !r.resolvable(v) {
				later = append(later, v)
				continue
			}
			if err := r.addView(v); err != nil {
				return err
			}
			if err := r.saved.restoreView(v); err != nil {
				return err
			}
			v.left = backlog[v.spec.ID]
		}
		if len(later) == len(left) {
			return sqlerr.New(sqlerr.UndefinedTable, "view %q reads a relation that does not exist", later[0].spec.Name)
		}
		left = later
	}
	return nil
}

// resolvable says whether everything that the view reads is installed.
func (r *Runtime) resolvable(v *view) bool {
	for _, in := range v.inputs {
		if in.rel != v.spec.ID && r.streams[in.rel] == nil && r.views[in.rel] == nil {
			return false
		}
	}
	return true
}
