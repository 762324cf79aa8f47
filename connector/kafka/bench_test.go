package kafka

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/internal/kafkatest"
	"github.com/streamdb/streamdb/sql/types"
)

func bidColumns() []connector.Column {
	return []connector.Column{
		{Name: "auction", Type: types.Int8}, {Name: "bidder", Type: types.Int8}, {Name: "price", Type: types.Int8},
		{Name: "channel", Type: types.Text}, {Name: "url", Type: types.Text},
		{Name: "datetime", Type: types.Timestamp}, {Name: "extra", Type: types.Text},
	}
}

// fillBids writes n bids of about 190 bytes into two partitions.
func fillBids(b *testing.B, c *kafkatest.Cluster, topic string, n int) {
	b.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DisableClientMetrics(),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(100_000))
	if err != nil {
		b.Fatal(err)
	}
	defer cl.Close()
	for i := range n {
		cl.Produce(b.Context(), &kgo.Record{Topic: topic, Partition: int32(i / 50 % 2), Value: fmt.Appendf(nil,
			`{"auction":%d,"bidder":%d,"price":%d,"channel":"%s","url":"https://www.nexmark.com/%s/item.htm?query=1&channel_id=%d","dateTime":"2026-01-01 00:%02d:%02d.%03d","extra":"%s"}`,
			1000+i*7%9999, 1000+i*13%9999, 100+i*7919%10000000, [4]string{"Google", "Facebook", "Baidu", "Apple"}[i%4], "abc", i%4,
			i/60%60, i%60, i%1000, "ghijklmnopqrstuvwx"[:8+i%10])}, nil)
	}
	if err := cl.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// cpu returns the processor time of this process.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRead reads a topic of bids from start to end. With a real broker
// (STREAMDB_TEST_KAFKA) us-cpu/event is the client's alone, with kfake the
// broker's work is in it.
func BenchmarkRead(b *testing.B) {
	const n = 1_000_000
	c := kafkatest.Start(b)
	topic := c.Topic(b, 2)
	fillBids(b, c, topic, n)
	for _, k := range []struct {
		name string
		need []bool
	}{{"all", nil}, {"two-of-seven", []bool{true, false, true, false, false, false, false}}} {
		b.Run(k.name, func(b *testing.B) {
			src := open(b, c, topic, func(o *Options) { o.Columns = bidColumns() })
			ends, err := src.Ends(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			rows, batches, began := 0, 0, cpu()
			for b.Loop() {
				r, err := src.NewReader(k.need, nil)
				if err != nil {
					b.Fatal(err)
				}
				if err := r.Run(b.Context(), nil, ends, func(_ context.Context, batch *connector.Batch) error {
					rows += batch.Rows.N
					batches++
					return nil
				}); err != nil {
					b.Fatal(err)
				}
			}
			if rows != n*b.N {
				b.Fatalf("%d rows, want %d", rows, n*b.N)
			}
			b.ReportMetric(float64((cpu()-began).Microseconds())/float64(rows), "us-cpu/event")
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(rows)/float64(batches), "rows/batch")
		})
	}
}

// BenchmarkLatency produces at 10,000 records a second and reports the time
// from produce to push, and the processor time of this process, producer
// included (and broker, with kfake). Run it with -benchtime 1x.
func BenchmarkLatency(b *testing.B) {
	const perTick, ticks = 10, 3000
	c := kafkatest.Start(b)
	topic := c.Topic(b, 2)
	src := open(b, c, topic, nil)
	for b.Loop() {
		var lags []time.Duration
		pushes := 0
		done := make(chan struct{})
		ctx, cancel := context.WithCancel(b.Context())
		r, err := src.NewReader(nil, nil)
		if err != nil {
			b.Fatal(err)
		}
		ends, err := src.Ends(ctx)
		if err != nil {
			b.Fatal(err)
		}
		began := cpu()
		go func() {
			defer close(done)
			_ = r.Run(ctx, ends, nil, func(_ context.Context, batch *connector.Batch) error {
				now := time.Now().UnixNano()
				pushes++
				for _, at := range batch.Rows.Cols[0].Int {
					lags = append(lags, time.Duration(now-at))
				}
				if len(lags) >= perTick*ticks {
					cancel()
				}
				return nil
			})
		}()
		time.Sleep(200 * time.Millisecond)
		tick := time.NewTicker(time.Millisecond)
		for i := range ticks {
			<-tick.C
			for range perTick {
				c.Client().Produce(b.Context(), &kgo.Record{Topic: topic, Partition: int32(i % 2), Value: fmt.Appendf(nil, `{"n":%d}`, time.Now().UnixNano())}, nil)
			}
		}
		tick.Stop()
		<-done
		cancel()
		slices.Sort(lags)
		at := func(q float64) float64 { return float64(lags[int(q*float64(len(lags)-1))].Microseconds()) / 1000 }
		b.ReportMetric(at(0.5), "p50-ms")
		b.ReportMetric(at(0.99), "p99-ms")
		b.ReportMetric(float64((cpu()-began).Microseconds())/float64(len(lags)), "us-cpu/event")
		b.ReportMetric(float64(len(lags))/float64(pushes), "rows/push")
	}
}
