package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// feed produces records and keeps the model of those that were acknowledged.
type feed struct {
	brokers string
	topic   string
	model   model
	users   users
	late    []string // views made on the way
	rate    int
	client  *kgo.Client
	rnd     *rand.Rand
	made    int
}

const partitions = 3

// newFeed makes the topics.
func newFeed(ctx context.Context, o options, brokers string) (*feed, error) {
	f := &feed{brokers: brokers, rate: o.rate, rnd: rand.New(rand.NewPCG(o.seed, 2)),
		topic: fmt.Sprintf("crash-%d", time.Now().UnixNano())}
	client, err := kgo.NewClient(kgo.SeedBrokers(f.brokers), kgo.DefaultProduceTopic(f.topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.UnknownTopicRetries(-1))
	if err != nil {
		return nil, err
	}
	f.client, f.users = client, newUsers(f.topic)
	for _, topic := range []string{f.topic, f.users.topic} {
		if _, err := kadm.NewClient(client).CreateTopic(ctx, partitions, 1, nil, topic); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *feed) close() { f.client.Close() }

func (f *feed) records() int { return f.made }

// run produces at the feed's rate for d and returns when all is acknowledged.
func (f *feed) run(d time.Duration) error {
	n := max(1, int(float64(f.rate)*d.Seconds()))
	step := max(1, n/10)
	for n > 0 {
		batch := min(step, n)
		if err := f.produce(batch); err != nil {
			return err
		}
		n -= batch
		time.Sleep(d / 10)
	}
	return nil
}

// produce sends n records and waits for them: one in 8 is of a user, one in 100
// of the others is bad.
func (f *feed) produce(n int) error {
	records := make([]*kgo.Record, n)
	for i := range records {
		if f.rnd.IntN(8) == 0 {
			records[i] = f.users.record(f.rnd)
			continue
		}
		e := event{k: int64(f.rnd.IntN(2000)), v: int64(f.rnd.IntN(1000)), s: fmt.Sprintf("s%d ä", f.rnd.IntN(50)), at: f.eventTime(i)}
		value := fmt.Sprintf(`{"k": %d, "v": %d, "s": %q, "at": %q, "other": [1, {"x": null}]}`, e.k, e.v, e.s, timeText(e.at))
		switch f.rnd.IntN(200) {
		case 0:
			value = fmt.Sprintf(`{"k": %d, "v": "many"}`, e.k)
			f.model.bad++
		case 1:
			value = fmt.Sprintf(`{"k": %d, "v": `, e.k)
			f.model.bad++
		default:
			f.model.events = append(f.model.events, e)
		}
		records[i] = &kgo.Record{Partition: int32(f.rnd.IntN(partitions)), Value: []byte(value)}
	}
	f.made += n
	if err := f.client.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	return nil
}
