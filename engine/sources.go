package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/connector/kafka"
	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/catalog"
)

// sources holds the opened sources by catalog.Object.SourceID.
type sources struct {
	mu   sync.Mutex
	open map[catalog.ID]connector.Source
}

func newSources() *sources { return &sources{open: map[catalog.ID]connector.Source{}} }

func (s *sources) get(id catalog.ID) connector.Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[id]
}

func (s *sources) put(id catalog.ID, source connector.Source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[id] = source
}

// drop closes the sources of dropped streams.
func (s *sources) drop(ids []catalog.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, id := range ids {
		if source := s.open[id]; source != nil {
			errs = append(errs, source.Close())
			delete(s.open, id)
		}
	}
	return errors.Join(errs...)
}

func (s *sources) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, source := range s.open {
		errs = append(errs, source.Close())
	}
	s.open = map[catalog.ID]connector.Source{}
	return errors.Join(errs...)
}

// openSource opens the source of a stream or table as its catalog entry describes it.
// It does not wait for the broker.
func (e *Engine) openSource(ctx context.Context, o *catalog.Object) (connector.Source, error) {
	if o.Connector != "kafka" {
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "connector %q is not supported", o.Connector)
	}
	var opts kafka.Options
	if err := json.Unmarshal(o.Options, &opts); err != nil {
		return nil, sqlerr.Wrap(err, sqlerr.DataCorrupted, "the options of %s %q are damaged", o.Kind, o.Name)
	}
	opts.TopicID, opts.Embedded = o.Identity, e.opts.EmbeddedBroker
	if opts.TopicID == "" { // the broker was down at CREATE STREAM
		opts.TopicID = e.runtime.Identity(dataflow.RelationID(o.SourceID()))
	}
	return kafka.Open(ctx, opts)
}

// restore installs the streams and views of the catalog in the runtime.
func (e *Engine) restore(ctx context.Context) error {
	var cmd dataflow.Command
	cmd.Restore = true
	writers := map[catalog.ID]*runningSink{}
	for _, o := range e.catalog.Load().Objects() {
		if id := o.SourceID(); id != 0 {
			source, err := e.openSource(ctx, o)
			if err != nil {
				return fmt.Errorf("restore %s %s: %w", o.Kind, o.Name, err)
			}
			e.sources.put(id, source)
			cmd.AddStreams = append(cmd.AddStreams, sourceSpec(o, source))
		}
		switch o.Kind {
		case catalog.MaterializedView, catalog.Table, catalog.Index, catalog.Sink:
			spec, err := e.viewSpec(o)
			if err != nil {
				return fmt.Errorf("restore %s %s: %w", o.Kind, o.Name, err)
			}
			if o.Kind == catalog.Sink {
				if writers[o.ID], err = e.openSink(o, &spec); err != nil {
					return fmt.Errorf("restore %s %s: %w", o.Kind, o.Name, err)
				}
			}
			cmd.AddViews = append(cmd.AddViews, spec)
		}
	}
	_, err := e.runtime.Do(ctx, cmd)
	for id, w := range writers { // they need the restored dataflow
		if w != nil {
			e.sinks.start(id, w)
		}
	}
	return err
}

// sourceSpec is what the dataflow is told of the source of a stream or table.
func sourceSpec(o *catalog.Object, source connector.Source) dataflow.StreamSpec {
	ts := o.Types()
	if o.Source != 0 {
		ts = append(ts, operator.ChangeTypes()...)
	}
	return dataflow.StreamSpec{
		ID: dataflow.RelationID(o.SourceID()), Name: o.Name, Types: ts, Source: source,
		Starts: connector.Positions(o.Starts), Identity: o.Identity, Watermark: watermarkSpec(o.Watermark),
	}
}

// viewSpec decodes the stored graph of a view or table.
func (e *Engine) viewSpec(o *catalog.Object) (dataflow.ViewSpec, error) {
	spec := dataflow.ViewSpec{ID: dataflow.RelationID(o.ID), Name: o.Name, Graph: &dataflow.Graph{}, Result: resultSpec(o), Derived: derived(o)}
	if err := json.Unmarshal(o.Graph, spec.Graph); err != nil {
		return spec, sqlerr.Wrap(err, sqlerr.DataCorrupted, "the dataflow graph of %q is damaged", o.Name)
	}
	if o.Kind == catalog.Table && spec.Graph.Timed() {
		// Rows that expire count as changed for transactions that have read them.
		spec.Committed = func(epoch uint64) { e.written[o.ID] = epoch }
	}
	return spec, nil
}

// resultSpecAt is resultSpec at a snapshot's epoch.
func resultSpecAt(snapshot *dataflow.Snapshot, o *catalog.Object) dataflow.ResultSpec {
	spec := resultSpec(o)
	if s, ok := snapshot.View(dataflow.RelationID(o.ID)); ok {
		spec.Arr = s.Arr
	}
	return spec
}

// resultSpec says how the rows of a stored relation are read.
func resultSpec(o *catalog.Object) dataflow.ResultSpec {
	return dataflow.ResultSpec{
		Arr: o.Stored.Arr, Grouped: o.Stored.Grouped, Keyed: !o.Stored.Grouped && o.Stored.Key != nil,
		Types: o.Types(), Key: o.Stored.KeyTypes,
	}
}
