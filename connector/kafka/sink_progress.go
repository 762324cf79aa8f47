package kafka

import (
	"bytes"
	"context"
	stdjson "encoding/json"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/sql/types"
)

// progressTopic holds for each sink, by its transactional id, how far it has
// written. It is compacted, so the last record of each sink stays.
const progressTopic = "__streamdb_progress"

// progress is the value of a record in the progress topic.
type progress struct {
	Epoch   uint64 `json:"epoch"`    // all changes up to it are in the sink's topic
	TopicID string `json:"topic_id"` // of the topic that they were written to
	Opening string `json:"opening,omitempty"`
}

func (p progress) mark() connector.Mark { return connector.Mark{Epoch: p.Epoch, Opening: p.Opening} }

// ensureProgress makes the progress topic if there is none.
func ensureProgress(ctx context.Context, cl *kgo.Client) error {
	_, err := describe(ctx, cl, progressTopic)
	if !errors.Is(err, errMissing) {
		return err
	}
	if _, err := newTopic(ctx, cl, progressTopic, 1, map[string]string{"cleanup.policy": "compact"}); err != nil {
		return err
	}
	_, err = awaitTopic(ctx, cl, progressTopic)
	return err
}

// readProgress returns the last committed progress of a sink. It reads up to
// what was in the topic when it was called, open transactions included, and so
// waits for these to end: behind one of them lies what others, this sink among
// them, have committed since.
func readProgress(ctx context.Context, cl *kgo.Client, sink *SinkOptions) (progress, error) {
	var out progress
	id := sink.TransactionalID
	opts := Options{Brokers: sink.Brokers, Embedded: sink.Embedded, Topic: progressTopic, Format: "json", Envelope: "none", Columns: []connector.Column{
		{Name: "id", Type: types.Bytea, Meta: connector.FromKey},
		{Name: "progress", Type: types.Bytea, Meta: connector.FromPayload},
	}}
	l, err := describe(ctx, cl, progressTopic)
	if err != nil {
		return out, err
	}
	starts, err := allOffsets(ctx, cl, progressTopic, l, listEarliest, false)
	if err != nil {
		return out, err
	}
	ends, err := allOffsets(ctx, cl, progressTopic, l, listLatest, false)
	if err != nil {
		return out, err
	}
	reader := &Reader{source: &Source{opts: opts, client: cl, refresh: refreshEvery}, state: newStates(nil)}
	err = reader.Run(ctx, starts, ends, func(_ context.Context, b *connector.Batch) error {
		for r := range b.Rows.N {
			if !bytes.Equal(b.Rows.Cols[0].Bytes(r), []byte(id)) {
				continue
			}
			if err := stdjson.Unmarshal(b.Rows.Cols[1].Bytes(r), &out); err != nil {
				return fmt.Errorf("%w: the progress of \"%s\" in topic \"%s\" cannot be read: %w", connector.ErrDiverged, id, progressTopic, err)
			}
		}
		return nil
	})
	return out, err
}
