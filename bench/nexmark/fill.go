package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/streamdb/streamdb/connector/datagen"
)

// fill writes the topics. Each partition is written by one goroutine in order,
// so the same flags give the same topics.
func fill(ctx context.Context, o *options) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(o.brokers, ",")...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(20*time.Millisecond), kgo.MaxBufferedRecords(100_000), kgo.ProducerBatchMaxBytes(900_000))
	if err != nil {
		return err
	}
	defer cl.Close()
	there, err := o.ensureTopics(ctx, cl)
	if err != nil || there {
		return err
	}
	var failed atomic.Pointer[error]
	var bytes atomic.Int64
	began := time.Now()
	var group errgroup.Group
	for p := range int32(o.partitions) {
		group.Go(func() error {
			g := o.generator()
			for n := range o.events {
				if at, _ := datagen.Place(n, int32(o.partitions)); at != p {
					continue
				}
				millis := g.Time(n)
				value := g.Append(make([]byte, 0, 640), n, millis)
				bytes.Add(int64(len(value)))
				r := &kgo.Record{Topic: o.topic(datagen.KindOf(n)), Partition: p, Value: value, Timestamp: time.UnixMilli(millis)}
				cl.Produce(ctx, r, func(_ *kgo.Record, err error) {
					if err != nil {
						failed.Store(&err)
					}
				})
			}
			return nil
		})
	}
	_ = group.Wait() // never fails
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	if err := failed.Load(); err != nil {
		return *err
	}
	return printJSON(map[string]any{"topics": o.prefix(), "events": o.events, "bytes": bytes.Load(), "seconds": time.Since(began).Seconds()})
}

// ensureTopics makes the topics and says whether they hold the events already.
// Half filled ones are an error: nobody knows what is in them.
func (o *options) ensureTopics(ctx context.Context, cl *kgo.Client) (there bool, err error) {
	admin := kadm.NewClient(cl)
	full := 0
	for k := range datagen.Kinds {
		topic := o.topic(datagen.Kind(k))
		_, err := admin.CreateTopic(ctx, int32(o.partitions), 1, nil, topic)
		if err == nil {
			continue
		}
		if !errors.Is(err, kerr.TopicAlreadyExists) {
			return false, fmt.Errorf("create topic %s: %w", topic, err)
		}
		ends, err := admin.ListEndOffsets(ctx, topic)
		if err == nil {
			err = ends.Error()
		}
		if err != nil {
			return false, err
		}
		for p := range int32(o.partitions) {
			at, ok := ends.Lookup(topic, p)
			if want := o.count(datagen.Kind(k), p); !ok || at.Offset != want {
				return false, fmt.Errorf("topic %s partition %d holds %d records instead of %d: delete it", topic, p, at.Offset, want)
			}
		}
		full++
	}
	if full > 0 && full < datagen.Kinds {
		return false, fmt.Errorf("some of the topics %s-* were missing: delete all of them", o.prefix())
	}
	return full > 0, nil
}
