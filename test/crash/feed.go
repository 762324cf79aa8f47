package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
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

	fake   *kfake.Cluster // nil with a real broker
	dir    string         // of the fake broker, which keeps its topics there
	client *kgo.Client
	rnd    *rand.Rand
	made   int
}

const partitions = 3

// newFeed connects to the broker, or starts one, and makes the topic.
func newFeed(ctx context.Context, o options, dir string) (*feed, error) {
	f := &feed{brokers: o.kafka, rate: o.rate, rnd: rand.New(rand.NewPCG(o.seed, 2)),
		topic: fmt.Sprintf("crash-%d", time.Now().UnixNano())}
	if o.kafka == "" {
		f.dir = filepath.Join(dir, "broker")
		if err := f.startBroker(0); err != nil {
			return nil, err
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(f.brokers), kgo.DefaultProduceTopic(f.topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
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

// startBroker starts a broker in this process; port 0 chooses one.
func (f *feed) startBroker(port int) error {
	var err error
	for range 50 { // the port of a former one may linger for a moment
		if f.fake, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.DataDir(f.dir), kfake.Ports(port)); err == nil {
			f.brokers = f.fake.ListenAddrs()[0]
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

// restartBroker takes the broker away for a moment, under load. A real one is
// left alone: others may use it.
func (f *feed) restartBroker(away time.Duration) error {
	if f.fake == nil {
		return nil
	}
	_, port, err := net.SplitHostPort(f.brokers)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	f.fake.Close()
	time.Sleep(away)
	return f.startBroker(n)
}

func (f *feed) close() {
	f.client.Close()
	if f.fake != nil {
		f.fake.Close()
	}
}

func (f *feed) records() int { return f.made }

// run produces at the feed's rate for d and returns when all is acknowledged.
func (f *feed) run(d time.Duration) {
	n := max(1, int(float64(f.rate)*d.Seconds()))
	step := max(1, n/10)
	for n > 0 {
		batch := min(step, n)
		f.produce(batch)
		n -= batch
		time.Sleep(d / 10)
	}
}

// produce sends n records and waits for them: one in 8 is of a user, one in 100
// of the others is bad.
func (f *feed) produce(n int) {
	records := make([]*kgo.Record, n)
	for i := range records {
		if f.rnd.IntN(8) == 0 {
			records[i] = f.users.record(f.rnd)
			continue
		}
		e := event{k: int64(f.rnd.IntN(2000)), v: int64(f.rnd.IntN(1000)), s: fmt.Sprintf("s%d ä", f.rnd.IntN(50))}
		value := fmt.Sprintf(`{"k": %d, "v": %d, "s": %q, "other": [1, {"x": null}]}`, e.k, e.v, e.s)
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
		panic(errors.Join(errors.New("produce"), err)) // the broker of the test is broken
	}
}
