package dataflow

import (
	"testing"

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
	before := w.rt.Epoch()
	w.mustView(groupView(2, 1, 0, 20))
	err := w.rt.await(t.Context(), func(p *published) (bool, error) { return p.epoch >= before+2, nil })
	if err != nil {
		t.Fatal(err)
	}
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
