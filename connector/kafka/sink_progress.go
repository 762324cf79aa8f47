package kafka

import (
	"bytes"
	"context"
	"encoding/binary"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamdb/streamdb/connector"
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

// readProgress returns the last committed progress of a sink whose transactions have
// all ended. It reads up to what was in the topic when it was called. To a reader of
// committed records an open transaction of another writer would hide what lies
// behind it, this sink's progress among it, for up to two minutes if that writer is
// gone. So it reads all records, and the markers that say how a transaction ended.
func readProgress(ctx context.Context, cl *kgo.Client, sink *SinkOptions) (progress, error) {
	var out progress
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
	own := ownProgress{id: []byte(sink.TransactionalID), open: map[writer][]*kgo.Record{}}
	for _, at := range l.partitions {
		if err := readAll(ctx, cl, l, at, starts.At(at.partition), ends.At(at.partition), own.see); err != nil {
			return out, err
		}
	}
	last := own.final()
	if last == nil {
		return out, nil
	}
	if err := stdjson.Unmarshal(last.Value, &out); err != nil {
		return out, fmt.Errorf("%w: the progress of \"%s\" in topic \"%s\" cannot be read: %w", connector.ErrDiverged, sink.TransactionalID, progressTopic, err)
	}
	return out, nil
}

// readAll gives the records of a partition of the progress topic to see, markers and
// those of open and aborted transactions too. It goes by the offsets that batches
// cover: compaction may have left nothing in the last one.
func readAll(ctx context.Context, cl *kgo.Client, l *layout, at placement, from, end int64, see func(*kgo.Record)) error {
	for next := from; next < end; {
		fetched, err := fetchOnce(ctx, cl, l, at, next)
		if err != nil {
			return err
		}
		o := kgo.ProcessFetchPartitionOpts{Offset: next, Topic: progressTopic, Partition: at.partition,
			KeepControlRecords: true, IsolationLevel: kgo.ReadUncommitted()}
		records, after := kgo.ProcessFetchPartition(o, fetched, kgo.DefaultDecompressor(), nil)
		if records.Err != nil {
			return records.Err
		}
		for _, r := range records.Records {
			if r.Offset < end {
				see(r)
			}
		}
		next = max(next, after)
	}
	return nil
}

// fetchOnce asks the leader of a partition of the progress topic once.
func fetchOnce(ctx context.Context, cl *kgo.Client, l *layout, at placement, offset int64) (*kmsg.FetchResponseTopicPartition, error) {
	if at.leader < 0 {
		return nil, fmt.Errorf("partition %d of topic \"%s\" has no leader", at.partition, progressTopic)
	}
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = int32(fetchWait/time.Millisecond), 1, fetchBytes
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = progressTopic, l.rawID
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.CurrentLeaderEpoch, p.PartitionMaxBytes = at.partition, offset, at.epoch, fetchPartitionBytes
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	resp, err := cl.Broker(int(at.leader)).Request(ctx, req)
	if err == nil {
		err = topError(resp)
	}
	if err != nil {
		return nil, err
	}
	fetched, ok := resp.(*kmsg.FetchResponse)
	if !ok || len(fetched.Topics) != 1 || len(fetched.Topics[0].Partitions) != 1 {
		return nil, fmt.Errorf("unexpected response %T to a fetch", resp)
	}
	out := &fetched.Topics[0].Partitions[0]
	return out, kerr.ErrorForCode(out.ErrorCode)
}

// writer is whose transactions a marker ends: of each there is one at a time in a
// partition.
type writer struct {
	partition  int32
	producerID int64
}

// ownProgress finds the committed records of one sink. A transaction has one of them
// at most.
type ownProgress struct {
	id   []byte
	open map[writer][]*kgo.Record // whose marker was not seen yet
	last *kgo.Record              // of those that were committed
}

func (o *ownProgress) see(r *kgo.Record) {
	w := writer{r.Partition, r.ProducerID}
	switch open := o.open[w]; {
	case r.Attrs.IsControl() && len(open) > 0:
		o.open[w] = open[:len(open)-1]
		if committed(r) {
			o.commit(open[len(open)-1])
		}
	case r.Attrs.IsControl() || !bytes.Equal(r.Key, o.id):
	case r.Attrs.IsTransactional():
		o.open[w] = append(open, r)
	default:
		o.commit(r)
	}
}

func (o *ownProgress) commit(r *kgo.Record) {
	if o.last == nil || r.Offset > o.last.Offset {
		o.last = r
	}
}

// final returns the sink's last committed record. What has no marker was committed,
// too: compaction removes what was aborted before its marker, and nothing is open.
func (o *ownProgress) final() *kgo.Record {
	for _, left := range o.open {
		for _, r := range left {
			o.commit(r)
		}
	}
	return o.last
}

// committed says whether a control record is the marker of a commit: its key is a
// version and a type, 0 for an abort and 1 for a commit.
func committed(marker *kgo.Record) bool {
	return len(marker.Key) >= 4 && binary.BigEndian.Uint16(marker.Key[2:]) == 1
}
