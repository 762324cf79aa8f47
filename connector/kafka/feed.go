package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Events is a sequence of numbered records over some topics. Place and At are
// inverse to each other, so that what a topic holds says where to go on.
type Events interface {
	// Place returns where event n goes, and the offset it has there.
	Place(n int64) (topic int, partition int32, offset int64)
	// At returns the number of the event at an offset.
	At(topic int, partition int32, offset int64) int64
	// Append appends the value of event n, which happens at the given time.
	Append(b []byte, n int64, at time.Time) []byte
}

// FeedOptions say what a Feed writes where.
type FeedOptions struct {
	Brokers    []string // host:port, or EmbeddedBroker alone
	Embedded   string   // where the embedded broker listens
	Topics     []string // made where they are missing
	Partitions int32
	Rate       float64 // events a second
	Events     Events
	Log        *slog.Logger // nil: silent
}

// feedLinger is how long the feed collects records for a batch: a broker that
// syncs pays for each.
const feedLinger = 50 * time.Millisecond

// Feed writes events to topics at a rate until ctx ends. It goes on where the
// topics end, partition by partition: the topics always hold the sequence
// without gaps and repetitions, whatever interrupts the feed. It is tried again
// while the cluster is in trouble.
func Feed(ctx context.Context, opts FeedOptions) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	for failures := 0; ctx.Err() == nil; failures++ {
		began := time.Now()
		err := feedOnce(ctx, &opts)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			failures = 0
		}
		opts.Log.Warn("the event generator was interrupted", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(backoff(failures)):
		}
	}
}

// feedOnce writes until the first failure.
func feedOnce(ctx context.Context, opts *FeedOptions) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cl, err := kgo.NewClient(append(reach(opts.Brokers, opts.Embedded),
		kgo.ClientID("streamdb-feed"), kgo.DisableClientMetrics(), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(feedLinger), kgo.MaxBufferedRecords(20_000), kgo.MetadataMinAge(50*time.Millisecond))...)
	if err != nil {
		return err
	}
	defer cl.Close()
	n, ends, err := feedStart(ctx, cl, opts)
	if err != nil {
		return err
	}
	began := time.Now()
	for pace := newPace(opts.Rate, began); ; n++ {
		topic, partition, offset := opts.Events.Place(n)
		if offset < ends[topic][partition] {
			continue // it was written before the interruption
		}
		if err := pace.wait(ctx); err != nil {
			return feedEnd(ctx, cl)
		}
		now, event := time.Now(), n
		r := &kgo.Record{Topic: opts.Topics[topic], Partition: partition, Timestamp: now,
			Value: opts.Events.Append(make([]byte, 0, 640), n, now)}
		cl.Produce(ctx, r, func(r *kgo.Record, err error) {
			if err == nil && r.Offset != offset {
				err = fmt.Errorf("topic %q is written by others, too: offset %d is event %d's", r.Topic, r.Offset, event)
			}
			if err != nil {
				cancel(err)
			}
		})
	}
}

// feedEnd lets what was produced go out, and says why the feed ends.
func feedEnd(ctx context.Context, cl *kgo.Client) error {
	flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	return errors.Join(context.Cause(ctx), cl.Flush(flush))
}

// feedStart makes the topics that are missing and finds the first event that
// some partition does not have yet.
func feedStart(ctx context.Context, cl *kgo.Client, opts *FeedOptions) (first int64, ends [][]int64, err error) {
	first = -1
	for topic, name := range opts.Topics {
		if _, err := newTopic(ctx, cl, name, opts.Partitions, nil); err != nil {
			return 0, nil, err
		}
		l, err := describe(ctx, cl, name)
		if err != nil {
			return 0, nil, fmt.Errorf("topic %q: %w", name, err)
		}
		if len(l.partitions) != int(opts.Partitions) {
			return 0, nil, fmt.Errorf("topic %q has %d partitions instead of %d", name, len(l.partitions), opts.Partitions)
		}
		at, err := allOffsets(ctx, cl, name, l, listLatest, false)
		if err != nil {
			return 0, nil, fmt.Errorf("topic %q: %w", name, err)
		}
		ends = append(ends, at)
		for p, end := range at {
			if n := opts.Events.At(topic, int32(p), end); first < 0 || n < first {
				first = n
			}
		}
	}
	return max(first, 0), ends, nil
}

// CreateTopics makes the topics that a feed writes, unless they are there.
func (o *FeedOptions) CreateTopics(ctx context.Context) error {
	cl, err := newClient(o.Brokers, o.Embedded)
	if err != nil {
		return err
	}
	defer cl.Close()
	for _, name := range o.Topics {
		if _, err := newTopic(ctx, cl, name, o.Partitions, nil); err != nil {
			return err
		}
	}
	return nil
}

// pace lets through as many as the rate allows.
type pace struct {
	rate  float64
	began time.Time
	count float64
}

// What the pace sleeps at least, and what it catches up with at most.
const (
	paceStep = 5 * time.Millisecond
	paceLag  = time.Second
)

func newPace(rate float64, now time.Time) *pace { return &pace{rate: rate, began: now} }

// wait returns when the next one is due.
func (p *pace) wait(ctx context.Context) error {
	due := p.began.Add(time.Duration(p.count / p.rate * float64(time.Second)))
	p.count++
	switch early := time.Until(due); {
	case early < -paceLag: // it was held up, e.g. the machine slept: do not catch up
		p.began, p.count = time.Now(), 1
	case early > 0:
		select {
		case <-ctx.Done():
		case <-time.After(max(early, paceStep)):
		}
	}
	return ctx.Err()
}
