package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// EmbeddedOptions say how the embedded broker runs.
type EmbeddedOptions struct {
	Dir      string       // where its topics are; made if need be
	Listener net.Listener // bound by the caller; the broker closes it
	Sync     bool         // whether an acknowledged record is on the disk, not only in the system's cache
	// PartitionBytes bounds each partition: the oldest records go. 0: 64 MiB.
	PartitionBytes int64
	// RetentionInterval is the time between two looks at the bound. 0: 10 s.
	RetentionInterval time.Duration
	Log               *slog.Logger // nil: silent
}

// Embedded is a Kafka broker in this process, for trying things out and for
// demos: one node, topics on disk. It is franz-go's kfake; what is relied on:
//
//   - A record is written to its segment before it is acknowledged or can be
//     fetched, so kill -9 loses nothing that anybody has seen. With Sync
//     neither does a crash of the machine; without it offsets could go back
//     behind positions that readers have stored.
//   - After kill -9 the log's end is found from the segments. A partition
//     without any would begin at 0 again, so it must never lose its last one:
//     retention leaves the newest records, and DeleteRecords is refused.
//   - A topic is written down when it is created, not when a client's metadata
//     request makes it by the way: so topics must be created.
//   - After kill -9 some deleted records may be back: the log start is that of
//     the oldest file. For a reader this is as if they had not been deleted.
type Embedded struct {
	cluster *kfake.Cluster
	address string
	stop    chan struct{}
	done    sync.WaitGroup
	closing sync.Once
}

// Defaults of EmbeddedOptions.
const (
	defaultPartitionBytes    = 64 << 20
	defaultRetentionInterval = 10 * time.Second
)

// segmentsPerPartition is how many files a full partition has; whole files go.
const segmentsPerPartition = 8

// StartEmbedded recovers the broker's topics and serves them. It takes over the
// listener, also when it fails.
func StartEmbedded(opts EmbeddedOptions) (*Embedded, error) {
	if opts.Listener == nil || opts.Dir == "" {
		return nil, errors.New("kafka: the embedded broker needs a listener and a directory")
	}
	if opts.PartitionBytes <= 0 {
		opts.PartitionBytes = defaultPartitionBytes
	}
	if opts.RetentionInterval <= 0 {
		opts.RetentionInterval = defaultRetentionInterval
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	e := &Embedded{address: opts.Listener.Addr().String(), stop: make(chan struct{})}
	list := []kfake.Opt{
		kfake.NumBrokers(1), kfake.DataDir(opts.Dir), kfake.ClusterID("streamdb-embedded"),
		kfake.DefaultNumPartitions(1), kfake.WithLogger(brokerLog{opts.Log}),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return opts.Listener, nil }),
		kfake.BrokerConfigs(map[string]string{
			"log.retention.bytes": strconv.FormatInt(opts.PartitionBytes, 10),
			"log.retention.ms":    "-1",
			"log.segment.bytes":   strconv.FormatInt(max(opts.PartitionBytes/segmentsPerPartition, 1<<10), 10),
		}),
	}
	if opts.Sync {
		list = append(list, kfake.SyncWrites())
	}
	var err error
	if e.cluster, err = kfake.NewCluster(list...); err != nil {
		return nil, errors.Join(fmt.Errorf("start the embedded Kafka broker in %s: %w", opts.Dir, err), closed(opts.Listener))
	}
	e.cluster.ControlKey(int16(kmsg.DeleteRecords), e.refuseDeleteRecords)
	e.done.Go(func() { e.applyRetention(opts.RetentionInterval) })
	return e, nil
}

// closed closes a listener that may be closed already.
func closed(l net.Listener) error {
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// Address is where clients connect, host:port.
func (e *Embedded) Address() string { return e.address }

// Close writes everything down and ends the broker. It is idempotent.
func (e *Embedded) Close() error {
	e.closing.Do(func() {
		close(e.stop)
		e.done.Wait() // a closed cluster answers nobody, its own callers included
		e.cluster.Close()
	})
	return nil
}

// applyRetention keeps the partitions within their bound.
func (e *Embedded) applyRetention(every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			e.cluster.ApplyRetention()
		case <-e.stop:
			return
		}
	}
}

// refuseDeleteRecords answers every DeleteRecords: see Embedded.
func (e *Embedded) refuseDeleteRecords(req kmsg.Request) (kmsg.Response, error, bool) { //nolint:staticcheck // the order is kfake's
	e.cluster.KeepControl()
	r, ok := req.(*kmsg.DeleteRecordsRequest)
	if !ok {
		return nil, nil, false
	}
	resp, ok := r.ResponseKind().(*kmsg.DeleteRecordsResponse)
	if !ok {
		return nil, nil, false
	}
	for _, t := range r.Topics {
		answer := kmsg.NewDeleteRecordsResponseTopic()
		answer.Topic = t.Topic
		for _, p := range t.Partitions {
			refused := kmsg.NewDeleteRecordsResponseTopicPartition()
			refused.Partition, refused.LowWatermark, refused.ErrorCode = p.Partition, -1, kerr.PolicyViolation.Code
			answer.Partitions = append(answer.Partitions, refused)
		}
		resp.Topics = append(resp.Topics, answer)
	}
	return resp, nil, true
}

// brokerLog passes on what the broker says of troubles.
type brokerLog struct{ log *slog.Logger }

// Logf implements kfake.Logger.
func (b brokerLog) Logf(level kfake.LogLevel, format string, args ...any) {
	to := slog.LevelDebug
	switch level {
	case kfake.LogLevelError:
		to = slog.LevelError
	case kfake.LogLevelWarn:
		to = slog.LevelWarn
	}
	if ctx := context.Background(); b.log.Enabled(ctx, to) {
		b.log.Log(ctx, to, "embedded broker: "+fmt.Sprintf(format, args...))
	}
}
