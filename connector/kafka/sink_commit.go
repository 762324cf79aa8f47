package kafka

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamdb/streamdb/connector"
)

// errNotCommitted: the client reported a commit that did not happen.
var errNotCommitted = errors.New("the transaction was aborted instead of committed")

// commit ends the transaction whose records have all been answered.
//
// The client (franz-go 1.22) commits if a partition of the topics that it has
// loaded is in the transaction, and otherwise aborts without an error. Of a topic
// that is new to it, it sends the waiting records first and stores the partitions
// then, so a quick answer can be overtaken by the end of the transaction: what
// has been reported as written would be lost. So a session's first transaction
// waits until the partitions are stored, then looks whether it was committed. Later ones
// have the same progress topic, which is loaded then.
func (s *sinkSession) commit(ctx context.Context, at connector.Mark) error {
	if !s.proved {
		// Nothing is left to abort. It takes the lock under which partitions are stored.
		if err := s.client.AbortBufferedRecords(ctx); err != nil {
			return err
		}
	}
	if err := s.client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return err
	}
	s.open = false
	if s.proved {
		return nil
	}
	is, err := s.sink.progress(ctx)
	if err == nil && is.mark() != at {
		err = errNotCommitted
	}
	s.proved = err == nil
	return err
}
