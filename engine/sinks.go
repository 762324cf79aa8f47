package engine

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/streamdb/streamdb/connector/kafka"
	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/catalog"
)

// sinks holds the running writer of each sink that writes outside.
type sinks struct {
	mu      sync.Mutex
	running map[catalog.ID]*runningSink
}

func newSinks() *sinks { return &sinks{running: map[catalog.ID]*runningSink{}} }

// runningSink is a writer and its goroutine.
type runningSink struct {
	writer *dataflow.SinkWriter
	kafka  *kafka.Sink
	cancel context.CancelFunc
	done   chan struct{}
}

// status returns the state of a sink's writing; false if it has none.
func (s *sinks) status(id catalog.ID) (dataflow.SinkStatus, bool) {
	if w := s.writer(id); w != nil {
		return w.Status(), true
	}
	return dataflow.SinkStatus{}, false
}

// writer returns the writer of a sink, nil if it has none.
func (s *sinks) writer(id catalog.ID) *dataflow.SinkWriter {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.running[id]; r != nil {
		return r.writer
	}
	return nil
}

// start runs a prepared writer.
func (s *sinks) start(id catalog.ID, r *runningSink) {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel, r.done = cancel, make(chan struct{})
	s.mu.Lock()
	s.running[id] = r
	s.mu.Unlock()
	go func() {
		defer close(r.done)
		r.writer.Run(ctx)
	}()
}

// stop ends the writers of dropped sinks.
func (s *sinks) stop(ids []catalog.ID) error {
	s.mu.Lock()
	var gone []*runningSink
	for _, id := range ids {
		if r := s.running[id]; r != nil {
			gone = append(gone, r)
			delete(s.running, id)
		}
	}
	s.mu.Unlock()
	return stopSinks(gone)
}

func (s *sinks) close() error {
	s.mu.Lock()
	gone := make([]*runningSink, 0, len(s.running))
	for _, r := range s.running {
		gone = append(gone, r)
	}
	s.running = map[catalog.ID]*runningSink{}
	s.mu.Unlock()
	return stopSinks(gone)
}

func stopSinks(gone []*runningSink) error {
	var errs []error
	for _, r := range gone {
		r.cancel()
	}
	for _, r := range gone {
		<-r.done
		errs = append(errs, r.kafka.Close())
	}
	return errors.Join(errs...)
}

// openSink opens the external end of a sink as its catalog entry describes it,
// and gives the ViewSpec what it needs to wake the writer; nil for a sink that
// writes nowhere. It does not wait for the broker.
func (e *Engine) openSink(o *catalog.Object, spec *dataflow.ViewSpec) (*runningSink, error) {
	if o.Connector == blackhole {
		return nil, nil
	}
	if o.Connector != kafkaConnector {
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "connector %q is not supported", o.Connector)
	}
	opts, err := kafkaSinkOptions(o)
	if err != nil {
		return nil, err
	}
	opts.Embedded = e.opts.EmbeddedBroker
	sink, err := kafka.OpenSink(opts)
	if err != nil {
		return nil, err
	}
	writer := dataflow.NewSinkWriter(e.runtime, dataflow.SinkSpec{
		ID: dataflow.RelationID(o.ID), Name: o.Name, Arr: o.Stored.Arr, Types: o.Types(), Sink: sink,
		Timeline: e.timeline.history,
	}, dataflow.SinkOptions{Log: e.opts.Log, FailPoint: e.opts.FailPoint})
	spec.Committed = writer.Committed
	return &runningSink{writer: writer, kafka: sink}, nil
}

// kafkaSinkOptions are the options in the catalog entry of a sink.
func kafkaSinkOptions(o *catalog.Object) (kafka.SinkOptions, error) {
	var opts kafka.SinkOptions
	if err := json.Unmarshal(o.Options, &opts); err != nil {
		return opts, sqlerr.Wrap(err, sqlerr.DataCorrupted, "the options of sink %q are damaged", o.Name)
	}
	return opts, nil
}
