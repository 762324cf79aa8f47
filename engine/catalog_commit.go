package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/sql/catalog"
)

// commitCatalogChange commits a transaction with DDL: catalog, dataflows and the
// rows of its DML in one epoch. The catalog is locked.
func (s *Session) commitCatalogChange(ctx context.Context, tx *transaction) error {
	e, c := s.engine, tx.ddl
	if c.empty() {
		return nil
	}
	draft, err := c.over(e.catalog.Load())
	if err != nil {
		return err
	}
	for _, id := range tx.tables() {
		if draft.Catalog().Object(id) == nil {
			return errCatalogConflict("Table %q was dropped meanwhile.", tx.writes[id].table.Name)
		}
	}
	cmd, err := c.command(draft)
	if err != nil {
		return err
	}
	rows := e.prepareRows(tx, nil)
	cmd.Prepare = func(epoch uint64, cmd *dataflow.Command) error {
		if err := rows(epoch, cmd); err != nil {
			return err
		}
		return c.noteBegins(cmd)
	}
	if _, err := e.runtime.Do(ctx, cmd); err != nil {
		return err
	}
	e.catalog.Store(draft.Catalog())
	s.startAdded(ctx, c)
	return nil
}

// empty says whether there is nothing to commit.
func (c *catalogChange) empty() bool { return c == nil || len(c.added)+len(c.removed) == 0 }

// dropped lists what was there before the transaction and is not after it.
func (c *catalogChange) dropped() []*catalog.Object {
	if c == nil {
		return nil
	}
	return c.removed
}

// over makes the change over the catalog as it is now. Others may have committed
// changes since the transaction's first DDL; what it builds on must still be there.
func (c *catalogChange) over(now *catalog.Catalog) (*catalog.Draft, error) {
	draft := now.Draft()
	removed := map[catalog.ID]bool{}
	for _, o := range c.removed {
		removed[o.ID] = true
	}
	for _, o := range c.removed {
		if now.Object(o.ID) == nil {
			return nil, errCatalogConflict("The %s %q was dropped meanwhile.", o.Kind, o.Name)
		}
		for _, dep := range now.Dependents(o.ID) {
			if !removed[dep.ID] {
				return nil, errCatalogConflict("The %s %q, which depends on %s %q, was created meanwhile.", dep.Kind, dep.Name, o.Kind, o.Name)
			}
		}
		draft.Remove(o)
	}
	for _, a := range c.added {
		for _, id := range a.object.DependsOn {
			if on := c.catalog.Object(id); draft.Catalog().Object(id) != on {
				return nil, errCatalogConflict("The %s %q, on which %s %q depends, was dropped or rebuilt meanwhile.", on.Kind, on.Name, a.object.Kind, a.object.Name)
			}
		}
		if err := draft.Add(a.object); err != nil {
			return nil, err
		}
	}
	return draft, nil
}

// command is the change as the runtime makes it.
func (c *catalogChange) command(draft *catalog.Draft) (cmd dataflow.Command, err error) {
	if cmd.Meta, err = draft.Meta(); err != nil {
		return cmd, err
	}
	for _, o := range c.removed {
		if id := o.SourceID(); id != 0 {
			cmd.Drop = append(cmd.Drop, dataflow.RelationID(id))
		}
		if o.Graph != nil {
			cmd.Drop = append(cmd.Drop, dataflow.RelationID(o.ID))
		}
		if err := c.engine.forgetBegins(o.ID, &cmd); err != nil {
			return cmd, err
		}
	}
	for _, a := range c.added {
		cmd.Create = append(cmd.Create, a.create...)
		if a.source != nil {
			cmd.AddStreams = append(cmd.AddStreams, sourceSpec(a.object, a.source))
		}
		if a.view != nil {
			cmd.AddViews = append(cmd.AddViews, *a.view)
		}
	}
	if slices.ContainsFunc(c.added, func(a *addition) bool { return a.sink != nil }) {
		cmd.Meta = append(cmd.Meta, c.engine.timeline.change...)
	}
	return cmd, nil
}

// noteBegins adds to the command where the streams of new views begin.
func (c *catalogChange) noteBegins(cmd *dataflow.Command) error {
	for _, a := range c.added {
		if !derived(a.object) {
			continue
		}
		if err := noteBegins(a.object.ID, cmd); err != nil {
			return err
		}
	}
	return nil
}

// startAdded ends what was dropped and starts what was created, now that it is
// durable. A sink that takes the place of another one begins after its end.
func (s *Session) startAdded(ctx context.Context, c *catalogChange) {
	e := s.engine
	var streams, sinks []catalog.ID
	for _, o := range c.removed {
		streams = append(streams, o.SourceID())
		sinks = append(sinks, o.ID)
	}
	c.closed(errors.Join(e.sources.drop(streams), e.sinks.stop(sinks)))
	added := c.added
	c.added = nil // the engine has them now
	for _, a := range added {
		if a.source != nil {
			e.sources.put(a.object.SourceID(), a.source)
		}
	}
	for _, a := range added {
		if a.sink != nil {
			s.prepareSink(ctx, a.object, a.sink)
			e.sinks.start(a.object.ID, a.sink)
		}
	}
}
