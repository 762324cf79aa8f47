package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/storage"
)

// A view or an index whose stored rows are damaged is built again from its inputs
// (docs/design/0007): whoever meets the damage, a view's computation, a query, a
// merge or the verification in the background, wakes the healer.

const (
	// mostRebuilds within rebuildWindow are tried of a view. More would only say
	// that the disk is not to be trusted.
	mostRebuilds  = 2
	rebuildWindow = time.Hour
	// rebuildPause is between two looks at a view that cannot be rebuilt yet.
	rebuildPause = 100 * time.Millisecond
	// brokerPause is between two looks at damage while a broker does not answer.
	brokerPause = 5 * time.Second
)

// healer rebuilds what is damaged, in a goroutine of its own.
type healer struct {
	wake   chan struct{} // capacity 1
	cancel context.CancelFunc
	done   chan struct{} // closed when the goroutine has ended

	examined map[string]bool            // damages; the goroutine's own
	rebuilds map[catalog.ID][]time.Time // guarded by Engine.ddl
}

func newHealer() *healer {
	return &healer{wake: make(chan struct{}, 1), examined: map[string]bool{}, rebuilds: map[catalog.ID][]time.Time{}}
}

// wakeUp may be called from any goroutine and does not wait.
func (h *healer) wakeUp() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// end stops the goroutine, if it was started, and waits for it.
func (h *healer) end() {
	if h.cancel != nil {
		h.cancel()
		<-h.done
	}
}

// startHealing starts the healer. Views may be held since before the restart.
func (e *Engine) startHealing() {
	ctx, cancel := context.WithCancel(context.Background())
	h := e.healer
	h.cancel, h.done = cancel, make(chan struct{})
	h.wakeUp()
	go func() {
		defer close(h.done)
		e.heal(ctx)
	}()
}

func (e *Engine) heal(ctx context.Context) {
	var again <-chan time.Time
	for {
		select {
		case <-e.healer.wake:
		case <-again:
		case <-ctx.Done():
			return
		}
		again = nil
		waits, err := e.examine(ctx)
		if err != nil && ctx.Err() == nil {
			e.opts.Log.Error("damage could not be looked at", "err", err)
		}
		switch {
		case e.rebuildHeld(ctx):
			again = time.After(rebuildPause)
		case waits:
			again = time.After(brokerPause)
		}
	}
}

// derived says whether an object is a function of others and can be built again from
// them. What was late for a view when it came would not be again, and what it has looked
// up may have changed.
func derived(o *catalog.Object) bool {
	switch o.Kind {
	case catalog.MaterializedView:
		return o.Late == catalog.LateCorrect && o.LateOf == 0 && !o.Lookups
	case catalog.Index:
		return true
	}
	return false
}

// examine holds the views and indexes that have rows in what is newly known to be
// damaged. It must look again at what a broker that is away keeps it from.
func (e *Engine) examine(ctx context.Context) (waits bool, err error) {
	for _, d := range e.store.Damages() {
		name := fmt.Sprint(d.Run, d.Place, d.First, d.Last, d.Err)
		if e.healer.examined[name] {
			continue
		}
		again := false
		for _, o := range e.catalog.Load().Objects() {
			if derived(o) && stores(o, d.First, d.Last) {
				wait, err := e.examineOne(ctx, o)
				if err != nil {
					return waits, err
				}
				again = again || wait
			}
		}
		e.healer.examined[name] = !again
		waits = waits || again
	}
	return waits, nil
}

// examineOne holds an object whose rows are damaged, if it can be rebuilt. If not it
// stays as it is: reads that do not meet the damage are right. What is known of damage
// is often no more than a range of arrangements, so all its rows are read.
func (e *Engine) examineOne(ctx context.Context, o *catalog.Object) (waits bool, err error) {
	damage := e.readAll(ctx, o)
	if damage == nil {
		return false, nil
	}
	if sqlerr.Code(damage) != sqlerr.DataCorrupted {
		return false, damage
	}
	select {
	case e.ddl <- struct{}{}:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	defer func() { <-e.ddl }()
	v, _ := e.viewStatus(dataflow.RelationID(o.ID))
	if e.catalog.Load().Object(o.ID) != o || v.Held || v.State == dataflow.StateQuarantined {
		return false, nil // dropped or rebuilt meanwhile, or nobody reads it
	}
	switch err := e.rebuildable(ctx, o); {
	case err == nil:
		return false, e.runtime.Hold(ctx, dataflow.RelationID(o.ID), "damage: "+sqlerr.From(damage).Message)
	case errors.Is(err, dataflow.ErrNotYet):
		return true, nil
	case sqlerr.Code(err) == sqlerr.AdminShutdown || ctx.Err() != nil:
		return false, err
	default:
		e.opts.Log.Error("view is damaged and cannot be rebuilt", "view", o.Name, "id", o.ID, "damage", damage, "why", err)
		return false, nil
	}
}

// rebuildable says why an object cannot be rebuilt, or what would be rebuilt with it:
// joins that read its arrangement. The caller has Engine.ddl.
func (e *Engine) rebuildable(ctx context.Context, o *catalog.Object) error {
	if err := e.hopeless(ctx, o, true); err != nil {
		return err
	}
	_, cmd, err := e.rebuildCommand(o)
	if err != nil {
		return err
	}
	if err := e.runtime.Rebuildable(ctx, cmd); err != nil {
		return err
	}
	for _, d := range e.catalog.Load().Dependents(o.ID) {
		copied := *d
		joins, err := renumber(&copied, map[storage.Arrangement]storage.Arrangement{o.Stored.Arr: 0})
		switch {
		case err != nil:
			return err
		case joins && !derived(d):
			return fmt.Errorf("%s %q reads it by key and cannot be rebuilt with it", d.Kind, d.Name)
		case joins:
			if err := e.rebuildable(ctx, d); err != nil {
				return fmt.Errorf("%q, which reads it by key: %w", d.Name, err)
			}
		}
	}
	return nil
}

// hopeless says why a rebuild would be in vain; all: also after a look at everything
// that is stored of its inputs.
func (e *Engine) hopeless(ctx context.Context, o *catalog.Object, all bool) error {
	if table := e.damagedTable(ctx, o, all); table != nil {
		return fmt.Errorf("table %q, which it reads, is damaged", table.Name)
	}
	if n := e.recentRebuilds(o.ID); n >= mostRebuilds {
		return fmt.Errorf("it was rebuilt %d times within an hour: is the disk sound?", n)
	}
	return nil
}

// readAll reads all that is stored of an object.
func (e *Engine) readAll(ctx context.Context, o *catalog.Object) error {
	snap := e.runtime.Snapshot()
	defer snap.Release()
	for _, arr := range append([]storage.Arrangement{o.Stored.Arr}, o.Stored.Others...) {
		n := 0
		err := snap.Scan(arr, nil, nil, func(_, _ []byte) bool {
			n++
			return n&0xfff != 0 || ctx.Err() == nil
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// rebuildHeld rebuilds the views that are held, those that others read first. waits
// says that some have to wait.
func (e *Engine) rebuildHeld(ctx context.Context) (waits bool) {
	for _, v := range e.runtime.Views() {
		if !v.Held {
			continue
		}
		select {
		case e.ddl <- struct{}{}:
		case <-ctx.Done():
			return false
		}
		err := e.rebuild(ctx, catalog.ID(v.ID))
		<-e.ddl
		switch {
		case ctx.Err() != nil || sqlerr.Code(err) == sqlerr.AdminShutdown:
			return false
		case err != nil:
			waits = true
			if !errors.Is(err, dataflow.ErrNotYet) {
				e.opts.Log.Error("view could not be rebuilt", "view", v.Name, "id", v.ID, "err", err)
			}
		}
	}
	return waits
}

// rebuild builds one held view again, or gives it up; the caller has Engine.ddl. An
// error says that it is still held.
func (e *Engine) rebuild(ctx context.Context, id catalog.ID) error {
	o := e.catalog.Load().Object(id)
	if o == nil {
		return nil // dropped meanwhile
	}
	if err := e.hopeless(ctx, o, false); err != nil {
		return e.giveUp(ctx, o, err.Error())
	}
	next, cmd, err := e.rebuildCommand(o)
	if err != nil {
		return err
	}
	_, err = e.runtime.Do(ctx, cmd)
	switch {
	case err == nil:
		e.catalog.Store(next)
		e.opts.Log.Info("view is rebuilt", "view", o.Name, "id", o.ID)
	case errors.Is(err, dataflow.ErrIncomplete):
		return e.giveUp(ctx, o, strings.TrimPrefix(err.Error(), dataflow.ErrIncomplete.Error()+": "))
	case errors.Is(err, dataflow.ErrNotYet) || ctx.Err() != nil:
		return err
	}
	e.healer.rebuilds[id] = append(e.healer.rebuilds[id], e.opts.Now())
	return err
}

// recentRebuilds counts the rebuilds of a view within the last hour.
func (e *Engine) recentRebuilds(id catalog.ID) int {
	since := e.opts.Now().Add(-rebuildWindow)
	recent := slices.DeleteFunc(e.healer.rebuilds[id], func(at time.Time) bool { return at.Before(since) })
	e.healer.rebuilds[id] = recent
	return len(recent)
}

// giveUp quarantines a held view.
func (e *Engine) giveUp(ctx context.Context, o *catalog.Object, why string) error {
	return e.runtime.Quarantine(ctx, dataflow.RelationID(o.ID), why+"; "+damageRemedy(o))
}

// damagedTable returns a table that an object reads and whose rows cannot be read,
// nil if there is none. Those of which nothing is known are read only if all is set: a
// rebuild would read them, too.
func (e *Engine) damagedTable(ctx context.Context, o *catalog.Object, all bool) *catalog.Object {
	cat := e.catalog.Load()
	for _, id := range o.DependsOn {
		in := cat.Object(id)
		if in == nil || in.Kind != catalog.Table {
			continue
		}
		suspect := all || slices.ContainsFunc(e.store.Damages(), func(d storage.Damage) bool { return stores(in, d.First, d.Last) })
		if suspect && sqlerr.Code(e.readAll(ctx, in)) == sqlerr.DataCorrupted {
			return in
		}
	}
	return nil
}

// rebuildCommand is the change that puts an object over new arrangements in its own
// place. Joins that name its arrangement are told of the new one.
func (e *Engine) rebuildCommand(o *catalog.Object) (*catalog.Catalog, dataflow.Command, error) {
	cmd := dataflow.Command{}
	draft := e.catalog.Load().Draft()
	stored := *o.Stored
	stored.Others = slices.Clone(stored.Others)
	to := map[storage.Arrangement]storage.Arrangement{}
	for _, arr := range slices.Concat([]*storage.Arrangement{&stored.Arr}, pointers(stored.Others)) {
		to[*arr] = draft.NewArrangement()
		*arr = to[*arr]
	}
	again := *o
	again.Stored = &stored
	if _, err := renumber(&again, to); err != nil {
		return nil, cmd, err
	}
	if err := draft.Replace(&again); err != nil {
		return nil, cmd, err
	}
	for _, d := range e.catalog.Load().Dependents(o.ID) {
		other := *d
		if changed, err := renumber(&other, to); err != nil || !changed {
			if err != nil {
				return nil, cmd, err
			}
			continue
		}
		if err := draft.Replace(&other); err != nil {
			return nil, cmd, err
		}
	}
	meta, err := draft.Meta()
	if err != nil {
		return nil, cmd, err
	}
	spec, err := e.viewSpec(&again)
	if err != nil {
		return nil, cmd, err
	}
	cmd.Meta, cmd.Create, cmd.Rebuild = meta, newArrangements(&stored), &spec
	cmd.Begins, err = e.begins(o.ID)
	return draft.Catalog(), cmd, err
}

func pointers(arrs []storage.Arrangement) (out []*storage.Arrangement) {
	for i := range arrs {
		out = append(out, &arrs[i])
	}
	return out
}

// renumber gives an object's graph other arrangements.
func renumber(o *catalog.Object, to map[storage.Arrangement]storage.Arrangement) (changed bool, err error) {
	if o.Graph == nil {
		return false, nil
	}
	var g dataflow.Graph
	if err := json.Unmarshal(o.Graph, &g); err != nil {
		return false, sqlerr.Wrap(err, sqlerr.DataCorrupted, "the dataflow graph of %q is damaged", o.Name)
	}
	if !g.Renumber(to) {
		return false, nil
	}
	o.Graph, err = json.Marshal(&g)
	return true, err
}
