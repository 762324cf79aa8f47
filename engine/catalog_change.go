package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// catalogChange is what the DDL of a transaction has done and not committed. Only
// its session knows of it; nothing runs yet, and nothing outside was changed. A
// statement outside of a transaction block has one for itself. See
// docs/design/0006-transactional-ddl.md.
type catalogChange struct {
	engine  *Engine
	catalog *catalog.Catalog  // as of the first DDL, with the changes
	removed []*catalog.Object // of those that others see, dependents first
	added   []*addition       // what an object depends on comes before it
}

// addition is an object on its way into the catalog, with what it needs to run.
type addition struct {
	object   *catalog.Object
	create   []storage.NewArrangement
	source   connector.Source   // of a stream or of a table over a topic
	view     *dataflow.ViewSpec // of everything that has a dataflow; add makes it
	sink     *runningSink       // of a sink that writes outside; add opens it
	retained bool               // a view whose rows expire
}

// catalog is what the session's statements are bound against: with the changes of
// its open transaction.
func (s *Session) catalog() *catalog.Catalog {
	if s.tx.ddl != nil {
		return s.tx.ddl.catalog
	}
	return s.engine.catalog.Load()
}

// ddl wraps a statement that changes the catalog. In a transaction it is committed
// with it, outside at once: then no other one comes between.
func (s *Session) ddl(st *Statement, run func(context.Context) (string, error)) func(context.Context, []types.Datum, Rows) (string, error) {
	return func(ctx context.Context, _ []types.Datum, _ Rows) (string, error) {
		if err := s.refuseReadOnly(st); err != nil {
			return "", err
		}
		if s.tx.open {
			s.beginCatalogChange()
			return run(ctx)
		}
		unlock, err := s.engine.lockCatalog(ctx)
		if err != nil {
			return "", err
		}
		defer unlock()
		s.beginCatalogChange()
		defer s.tx.end()
		tag, err := run(ctx)
		if err != nil {
			return "", err
		}
		return tag, s.commitCatalogChange(ctx, &s.tx)
	}
}

// beginCatalogChange fixes the version of the catalog that the transaction sees
// from now on.
func (s *Session) beginCatalogChange() {
	if s.tx.ddl == nil {
		s.tx.ddl = &catalogChange{engine: s.engine, catalog: s.engine.catalog.Load()}
	}
}

// lockCatalog waits until no other session commits a change of the catalog.
func (e *Engine) lockCatalog(ctx context.Context) (unlock func(), err error) {
	select {
	case e.ddl <- struct{}{}:
		return func() { <-e.ddl }, nil
	case <-ctx.Done(): // statement_timeout or cancel
		return nil, context.Cause(ctx)
	}
}

// add puts an object into the draft and makes that the transaction's catalog. What
// is opened already is closed when that fails.
func (s *Session) add(draft *catalog.Draft, a *addition) error {
	err := draft.Add(a.object)
	if err == nil {
		err = s.engine.describeDataflow(a)
	}
	if err != nil {
		if failed := a.close(); failed != nil {
			return fmt.Errorf("%w (and closing it: %w)", err, failed)
		}
		return err
	}
	c := s.tx.ddl
	c.added, c.catalog = append(c.added, a), draft.Catalog()
	return nil
}

// describeDataflow makes the ViewSpec of what has a dataflow, of the stored bytes:
// what runs now is what a restart runs.
func (e *Engine) describeDataflow(a *addition) error {
	if a.object.Graph == nil {
		return nil
	}
	spec, err := e.viewSpec(a.object)
	if err != nil {
		return err
	}
	a.view = &spec
	if a.object.Kind == catalog.Sink {
		a.sink, err = e.openSink(a.object, a.view)
	}
	return err
}

// remove takes an object out of the draft, which becomes the transaction's catalog.
// What the transaction has written to it, or created, is gone as if it had not
// been.
func (s *Session) remove(draft *catalog.Draft, o *catalog.Object) {
	draft.Remove(o)
	c := s.tx.ddl
	c.catalog = draft.Catalog()
	delete(s.tx.writes, o.ID)
	if a := c.find(o.ID); a != nil {
		c.added = slices.DeleteFunc(c.added, func(other *addition) bool { return other == a })
		c.closed(a.close())
		return
	}
	c.removed = append(c.removed, o)
}

// find returns an object that the transaction has created, nil if it has not.
func (c *catalogChange) find(id catalog.ID) *addition {
	if c == nil {
		return nil
	}
	for _, a := range c.added {
		if a.object.ID == id {
			return a
		}
	}
	return nil
}

// close lets go of what was opened for objects that do not come to be.
func (c *catalogChange) close() {
	if c == nil {
		return
	}
	for _, a := range c.added {
		c.closed(a.close())
	}
	c.added = nil
}

// closed reports an error that concerns nobody's data.
func (c *catalogChange) closed(err error) {
	if err != nil {
		c.engine.opts.Log.Warn("what is not in use any more did not close well", "err", err)
	}
}

func (a *addition) close() error {
	var err error
	if a.source != nil {
		err = a.source.Close()
	}
	if a.sink != nil {
		err = errors.Join(err, a.sink.kafka.Close())
	}
	return err
}

// unstored says of a relation that is read whether its query takes its place: a
// materialized view that the transaction has created has no rows before COMMIT. It
// is an error where the query would not have the same rows.
func (s *Session) unstored(o *catalog.Object) (bool, error) {
	a := s.tx.ddl.find(o.ID)
	if a == nil || o.Kind != catalog.MaterializedView && o.Source == 0 {
		return false, nil
	}
	refuse := func(why string) (bool, error) {
		return false, sqlerr.New(sqlerr.FeatureNotSupported, "%s %q cannot be read by the transaction that creates it", o.Kind, o.Name).
			WithDetail("%s", why).WithHint("Read it after COMMIT.")
	}
	switch {
	case o.Source != 0:
		return refuse("It is read from its topic after COMMIT.")
	case a.retained:
		return refuse("Its rows expire, which begins with COMMIT.")
	}
	return true, nil
}

// source returns the source of a stream, also of one that the transaction has
// created.
func (s *Session) source(id catalog.ID) connector.Source {
	if a := s.tx.ddl.find(id); a != nil {
		return a.source
	}
	return s.engine.sources.get(id)
}

// present refuses to read what others have dropped between the first DDL of the
// transaction and its snapshot.
func (c *catalogChange) present(pinned *dataflow.Snapshot, reads []catalog.ID) error {
	if c == nil {
		return nil
	}
	for _, id := range reads {
		o := c.catalog.Object(id)
		if o == nil || o.Stored == nil || c.find(id) != nil {
			continue
		}
		if _, ok := pinned.View(dataflow.RelationID(id)); !ok {
			return errCatalogConflict("The transaction does not see %s %q at the moment at which it reads.", o.Kind, o.Name)
		}
	}
	return nil
}

// errCatalogConflict says that others have changed what the transaction builds on.
func errCatalogConflict(detail string, args ...any) error {
	return sqlerr.New(sqlerr.SerializationFailure, "could not serialize access due to a concurrent change of the catalog").
		WithDetail(detail, args...).WithHint("The transaction might succeed if retried.")
}
