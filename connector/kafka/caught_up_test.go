package kafka

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamdb/streamdb/internal/kafkatest"
)

// TestCaughtUp holds that the reader says of a partition that it has caught up
// when there is nothing behind its position, an open transaction included, and
// only while the broker answers.
func TestCaughtUp(t *testing.T) {
	c := kafkatest.Start(t)
	topic := c.Topic(t, 2)
	c.Produce(t, topic, 0, numbers(0, 5)...)
	src := open(t, c, topic, nil)
	out := newSink(t, nil)
	r, err := src.NewReader(nil, out.status)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.CaughtUp(); len(got) != 0 {
		t.Errorf("before it reads: %v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, nil, nil, out.push) }()
	t.Cleanup(func() { cancel(); <-done })
	// await waits until both partitions were heard of after now, and returns the
	// position of the first.
	await := func() (int64, bool) {
		since := time.Now().UnixMicro()
		for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			if at := r.CaughtUp(); len(at) == 2 && at[0].At > since && at[1].At > since && at[1].Position == 0 {
				return at[0].Position, true
			}
		}
		return 0, false
	}
	if at, ok := await(); !ok || at != 5 {
		t.Fatalf("caught up at %d, %v", at, ok)
	}
	producer, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers...), kgo.DefaultProduceTopic(topic), kgo.TransactionalID(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	if err := producer.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := producer.ProduceSync(ctx, &kgo.Record{Value: fmt.Appendf(nil, `{"n": 5}`)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if at, ok := await(); ok {
		t.Errorf("caught up at %d in front of an open transaction", at)
	}
	if err := producer.EndTransaction(ctx, kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	if at, ok := await(); !ok || at != 7 {
		t.Errorf("caught up at %d behind the transaction's marker, %v", at, ok)
	}
}
