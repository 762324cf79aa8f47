// Command freshness measures the time from producing a record to seeing its
// effect: it writes records at a rate to a Kafka topic, subscribes to a group-by
// over them, and takes, for every group that changes, the age of its newest
// record when the change arrives. One line of JSON; the sums are checked.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamdb/streamdb/test/harness"
)

type options struct {
	binary, brokers, dir string
	rate, groups         int
	warmup, duration     time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/streamdb", "the server's binary")
	flag.StringVar(&o.brokers, "brokers", "127.0.0.1:9092", "a broker")
	flag.StringVar(&o.dir, "dir", os.TempDir(), "where the data directory is made")
	flag.IntVar(&o.rate, "rate", 10_000, "records per second")
	flag.IntVar(&o.groups, "groups", 10_000, "distinct keys")
	flag.DurationVar(&o.warmup, "warmup", 5*time.Second, "time before samples count")
	flag.DurationVar(&o.duration, "duration", 20*time.Second, "time in which samples count")
	flag.Parse()
	if err := run(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, "freshness:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp(o.dir, "freshness-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fsync, err := fsyncTime(dir)
	if err != nil {
		return err
	}
	server, err := harness.Start(ctx, o.binary, filepath.Join(dir, "data"), nil, "--log-level", "error")
	if err != nil {
		return err
	}
	defer server.Kill()
	topic := fmt.Sprintf("freshness-%d", time.Now().UnixNano())
	client, err := kgo.NewClient(kgo.SeedBrokers(o.brokers), kgo.DefaultProduceTopic(topic), kgo.ProducerLinger(0))
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(ctx, 2, 1, nil, topic); err != nil {
		return err
	}
	if err := setup(ctx, server, o, topic); err != nil {
		return err
	}
	return measure(ctx, server, o, client, fsync)
}

func setup(ctx context.Context, server *harness.Server, o options, topic string) error {
	conn, err := server.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range []string{
		fmt.Sprintf("CREATE STREAM e (k bigint, sent bigint) WITH (connector = 'kafka', brokers = '%s', topic = '%s', format = 'json')", o.brokers, topic),
		"CREATE MATERIALIZED VIEW v AS SELECT k, count(*) AS n, sum(sent) AS s, max(sent) AS newest FROM e GROUP BY k",
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// measure runs producer and subscriber and prints the percentiles.
func measure(ctx context.Context, server *harness.Server, o options, client *kgo.Client, fsync time.Duration) error {
	conn, err := server.Connect(ctx)
	if err != nil {
		return err
	}
	begin := time.Now()
	produced := make(chan int, 1)
	go func() { produced <- produce(ctx, client, o, begin) }()
	ages, err := subscribe(ctx, conn, begin.Add(o.warmup), begin.Add(o.warmup+o.duration))
	if err != nil {
		return err
	}
	n := <-produced
	if err := check(ctx, server, n); err != nil {
		return err
	}
	slices.Sort(ages)
	at := func(q float64) float64 {
		return float64(ages[int(q*float64(len(ages)-1))].Microseconds()) / 1000
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"rate": o.rate, "groups": o.groups, "records": n, "samples": len(ages), "sync": "on",
		"p50_ms": at(0.5), "p90_ms": at(0.9), "p99_ms": at(0.99), "fsync_p50_ms": float64(fsync.Microseconds()) / 1000,
	})
}

// produce writes records at the rate, in steps of a millisecond, and returns
// their number when all are acknowledged.
func produce(ctx context.Context, client *kgo.Client, o options, begin time.Time) int {
	rnd := rand.New(rand.NewPCG(1, 2))
	n := 0
	for time.Since(begin) < o.warmup+o.duration {
		due := int(time.Since(begin).Seconds() * float64(o.rate))
		for ; n < due; n++ {
			value := fmt.Appendf(nil, `{"k": %d, "sent": %d, "pad": "some more bytes as events have them"}`, rnd.IntN(o.groups), time.Now().UnixMicro())
			client.Produce(ctx, &kgo.Record{Value: value}, nil)
		}
		time.Sleep(time.Millisecond)
	}
	if err := client.Flush(ctx); err != nil {
		return -1
	}
	return n
}

// subscribe reads the view's changes until the end and returns the ages of the
// newest records of the groups that changed.
func subscribe(ctx context.Context, conn *pgx.Conn, from, until time.Time) ([]time.Duration, error) {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, "SUBSCRIBE TO v WITH (SNAPSHOT = false)")
	if err != nil {
		return nil, err
	}
	var ages []time.Duration
	for rows.Next() {
		var epoch, diff, k, count, newest int64
		var sum any
		if err := rows.Scan(&epoch, &diff, &k, &count, &sum, &newest); err != nil {
			return nil, err
		}
		if now := time.Now(); diff > 0 && now.After(from) {
			ages = append(ages, now.Sub(time.UnixMicro(newest)))
		}
	}
	if err := rows.Err(); err != nil && ctx.Err() == nil {
		return nil, err
	}
	if len(ages) == 0 {
		return nil, errors.New("no change arrived")
	}
	return ages, nil
}

// check compares the view's counts with what was produced.
func check(ctx context.Context, server *harness.Server, n int) error {
	conn, err := server.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "SET real_time_recency = on"); err != nil {
		return err
	}
	var got int
	if err := conn.QueryRow(ctx, "SELECT sum(n)::bigint FROM v").Scan(&got); err != nil {
		return err
	}
	if got != n {
		return fmt.Errorf("the view counts %d records, %d were produced", got, n)
	}
	return nil
}

// fsyncTime is the median time of a small write with fdatasync.
func fsyncTime(dir string) (time.Duration, error) {
	f, err := os.Create(filepath.Join(dir, "fsync"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	times := make([]time.Duration, 101)
	for i := range times {
		begin := time.Now()
		if _, err := f.WriteAt(make([]byte, 4096), 0); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		times[i] = time.Since(begin)
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}
