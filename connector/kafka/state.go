package kafka

import (
	"fmt"
	"sync"

	"github.com/streamdb/streamdb/connector"
)

// wholeTopic is the key of reasons that concern all partitions.
const wholeTopic int32 = -1

// states collects why partitions do not advance and tells the whole when it
// changes.
type states struct {
	tell func(connector.State)

	mu      sync.Mutex
	reasons map[int32]string
	warning string
	topic   string
	told    connector.State
}

func newStates(tell func(connector.State)) *states {
	return &states{tell: tell, reasons: map[int32]string{}}
}

// stall notes why a partition (or the whole topic) does not advance.
func (s *states) stall(partition int32, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reasons[partition] = reason
	s.report()
}

// clear says that a partition (or the topic) goes on.
func (s *states) clear(partition int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.reasons[partition]; ok {
		delete(s.reasons, partition)
		s.report()
	}
}

// running tells the topic's id and the first sign of life.
func (s *states) running(topic string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.topic = topic
	delete(s.reasons, wholeTopic)
	s.report()
}

// warn sets what state running says beside.
func (s *states) warn(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.warning == "" {
		s.warning = text
		s.report()
	}
}

// report runs under the lock, so that states are told in order.
func (s *states) report() {
	state := connector.State{Name: connector.Running, Reason: s.warning, Incarnation: s.topic}
	if len(s.reasons) > 0 {
		state.Name, state.Reason = connector.Stalled, s.first()
	}
	if state != s.told && s.tell != nil {
		s.told = state
		s.tell(state)
	}
}

// first returns the reason of the topic, else of the first partition.
func (s *states) first() string {
	if r, ok := s.reasons[wholeTopic]; ok {
		return r
	}
	first := int32(maxPartitions)
	for p := range s.reasons {
		first = min(first, p)
	}
	if n := len(s.reasons) - 1; n > 0 {
		return fmt.Sprintf("partition %d: %s (and %d more partitions)", first, s.reasons[first], n)
	}
	return fmt.Sprintf("partition %d: %s", first, s.reasons[first])
}
