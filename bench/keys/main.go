// Command keys writes JSON records {"k": ..., "v": ...} with a given number of
// distinct keys to a Kafka topic, the same for the same flags: the load of the
// memory and restart benchmarks.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	brokers := flag.String("brokers", "127.0.0.1:9092", "address of a broker")
	topic := flag.String("topic", "keys", "the topic; it must not exist")
	partitions := flag.Int("partitions", 2, "its partitions")
	keys := flag.Int64("keys", 1_000_000, "distinct keys")
	records := flag.Int64("records", 2_000_000, "records")
	bad := flag.Int64("bad", 0, "every n-th record is no JSON; 0: none")
	flag.Parse()
	if err := run(context.Background(), *brokers, *topic, int32(*partitions), *keys, *records, *bad); err != nil {
		fmt.Fprintln(os.Stderr, "keys:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, brokers, topic string, partitions int32, keys, records, bad int64) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(1<<16))
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(ctx, partitions, 1, nil, topic); err != nil {
		return err
	}
	var failed error
	for i := range records {
		k := i * 7919 % keys // every key once a round, in scattered order
		value := strconv.AppendInt([]byte(`{"k": `), k, 10)
		value = strconv.AppendInt(append(value, `, "v": `...), i%1000, 10)
		if bad == 0 || i%bad != bad-1 {
			value = append(value, '}')
		}
		client.Produce(ctx, &kgo.Record{Partition: int32(i % int64(partitions)), Value: value}, func(_ *kgo.Record, err error) {
			if err != nil && failed == nil {
				failed = err
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	return failed
}
