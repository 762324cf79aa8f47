package dataflow

import (
	"context"
	"testing"
	"time"

	"github.com/streamdb/streamdb/connector"
)

// namedTopic is a topic that says what it is only when it is read.
type namedTopic struct {
	*fakeTopic
	name string
}

func (n namedTopic) NewReader(need []bool, status func(connector.State)) (connector.Reader, error) {
	return n.fakeTopic.NewReader(need, func(s connector.State) {
		s.Incarnation = n.name
		status(s)
	})
}

// TestIdentityLearned holds that what a reader says of its topic is committed
// without waiting for a record, and that another topic is not read afterwards.
func TestIdentityLearned(t *testing.T) {
	w := newWorld(t, Options{})
	w.run()
	topic := newFakeTopic(1, 1, 4)
	w.stream(1, topic)
	w.rt.mu.Lock()
	w.rt.known[1].spec.Source = namedTopic{topic, "first"}
	w.rt.mu.Unlock()
	w.mustView(groupView(2, 1, 0, 20))
	w.eventually(func() bool { return w.rt.streams[1].spec.Identity != "" && !w.rt.unsaved })
	w.stop()
	w.run()
	if got := w.rt.Identity(1); got != "first" {
		t.Fatalf("the committed identity is %q", got)
	}
	topic.produce(0, record{k: 1})
	w.streams[0].Identity = "second"
	if err := w.restore(); err != nil {
		t.Fatal(err)
	}
	if s := w.rt.Sources()[0]; s.State != StateFailed || s.Reason == "" {
		t.Errorf("the source is %+v", s)
	}
}

// TestReadyStays: a view that could be read can be read after a restart, too,
// when no record has come since and the source does not tell its ends any more.
func TestReadyStays(t *testing.T) {
	w := newWorld(t, Options{})
	w.start()
	topic := newFakeTopic(1, 1, 4)
	topic.produce(0, record{k: 1})
	w.stream(1, topic)
	topic.setDown(true) // so that the view does not know its ends at first
	w.mustView(groupView(2, 1, 0, 20))
	topic.setDown(false)
	for i := range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if err := w.rt.WaitReady(ctx, 2, nil); err != nil {
			t.Fatalf("restart %d: %v", i, err)
		}
		cancel()
		w.eventually(func() bool { return !w.rt.unsaved })
		topic.setDown(true)
		if err := w.stop(); err != nil {
			t.Fatal(err)
		}
		w.store.reopen()
		w.start()
	}
}

// eventually waits until something holds between two epochs.
func (w *world) eventually(holds func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		ok := false
		q := &request{done: make(chan struct{}), inspect: func() error { ok = holds(); return nil }}
		w.rt.requests <- q
		if <-q.done; ok {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatal("waited in vain")
		}
	}
}
