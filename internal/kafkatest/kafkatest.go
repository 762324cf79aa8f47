// Package kafkatest gives tests a Kafka cluster: franz-go's kfake in this
// process, or a real broker where STREAMDB_TEST_KAFKA=host:port names one.
// Where STREAMDB_REQUIRE contains kafka, a missing real broker fails the test.
//
// The package is for tests and benchmarks only and knows nothing of sources.
package kafkatest

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Cluster is a running cluster.
type Cluster struct {
	Brokers []string
	Fake    *kfake.Cluster // nil: a real broker
	dir     string
	nodes   int
	ports   []int
	client  *kgo.Client
	admin   *kadm.Client
	topics  atomic.Int64
}

const patience = 30 * time.Second

// Start returns a cluster that ends with the test.
func Start(t testing.TB) *Cluster {
	t.Helper()
	return start(t, 1)
}

func start(t testing.TB, nodes int) *Cluster {
	t.Helper()
	c := &Cluster{nodes: nodes}
	if addr := os.Getenv("STREAMDB_TEST_KAFKA"); addr != "" {
		c.Brokers = strings.Split(addr, ",")
	} else {
		if slices.Contains(strings.Split(os.Getenv("STREAMDB_REQUIRE"), ","), "kafka") {
			t.Fatal("STREAMDB_REQUIRE asks for kafka, but STREAMDB_TEST_KAFKA names no broker")
		}
		c.dir = t.TempDir()
		c.startFake(t)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DisableClientMetrics(), kgo.ProducerLinger(0))
	if err != nil {
		t.Fatal(err)
	}
	c.client, c.admin = cl, kadm.NewClient(cl)
	t.Cleanup(func() {
		cl.Close()
		if c.Fake != nil {
			c.Fake.Close()
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := cl.Ping(ctx); err != nil {
		t.Fatalf("no broker at %v: %v", c.Brokers, err)
	}
	return c
}

// StartFake is Start that never uses a real broker, for tests that stop and
// disturb it.
func StartFake(t testing.TB, nodes int) *Cluster {
	t.Helper()
	t.Setenv("STREAMDB_TEST_KAFKA", "")
	t.Setenv("STREAMDB_REQUIRE", "")
	return start(t, nodes)
}

func (c *Cluster) startFake(t testing.TB) {
	t.Helper()
	opts := []kfake.Opt{kfake.NumBrokers(c.nodes), kfake.DataDir(c.dir)}
	if c.ports != nil {
		opts = append(opts, kfake.Ports(c.ports...))
	}
	var err error
	for range 50 { // the port may linger for a moment after a stop
		if c.Fake, err = kfake.NewCluster(opts...); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.Brokers = c.Fake.ListenAddrs()
	c.ports = nil
	for _, b := range c.Brokers {
		var port int
		if _, err := fmt.Sscanf(b[strings.LastIndexByte(b, ':')+1:], "%d", &port); err != nil {
			t.Fatal(err)
		}
		c.ports = append(c.ports, port)
	}
}

// StopFake stops the fake broker; its topics stay.
func (c *Cluster) StopFake() { c.Fake.Close() }

// RestartFake starts it again on the same port with the same topics.
func (c *Cluster) RestartFake(t testing.TB) {
	t.Helper()
	c.startFake(t)
}

// Client returns a producing client that partitions by Record.Partition.
func (c *Cluster) Client() *kgo.Client { return c.client }

// Name returns a topic name that no other test uses.
func (c *Cluster) Name(t testing.TB) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, t.Name())
	return fmt.Sprintf("%s-%d-%d", name, time.Now().UnixNano()%1e12, c.topics.Add(1))
}

// CreateTopic makes a topic.
func (c *Cluster) CreateTopic(t testing.TB, name string, partitions int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		resp, err := c.admin.CreateTopic(ctx, int32(partitions), 1, nil, name)
		if err == nil && resp.Err == nil {
			break
		}
		if err != nil && ctx.Err() != nil {
			t.Fatalf("create topic %s: %v", name, err)
		}
		time.Sleep(50 * time.Millisecond) // a deletion of the same name may still be under way
	}
	for { // a real broker answers before every partition has its leader
		m, err := c.admin.Metadata(ctx, name)
		if err == nil && m.Topics[name].Err == nil && len(m.Topics[name].Partitions) == partitions {
			ready := true
			for _, p := range m.Topics[name].Partitions {
				ready = ready && p.Leader >= 0 && p.Err == nil
			}
			if ready {
				return
			}
		}
		if ctx.Err() != nil {
			t.Fatalf("topic %s does not get ready: %v", name, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Topic makes a topic of a fresh name.
func (c *Cluster) Topic(t testing.TB, partitions int) string {
	t.Helper()
	name := c.Name(t)
	c.CreateTopic(t, name, partitions)
	return name
}

// DeleteTopic deletes a topic.
func (c *Cluster) DeleteTopic(t testing.TB, name string) {
	t.Helper()
	if _, err := c.admin.DeleteTopic(t.Context(), name); err != nil {
		t.Fatalf("delete topic %s: %v", name, err)
	}
	c.client.PurgeTopicsFromClient(name) // else it keeps to the old topic's id
}

// AddPartitions grows a topic to the given number of partitions.
func (c *Cluster) AddPartitions(t testing.TB, name string, total int) {
	t.Helper()
	resp, err := c.admin.UpdatePartitions(t.Context(), total, name)
	if err == nil {
		err = resp.Error()
	}
	if err != nil {
		t.Fatalf("add partitions to %s: %v", name, err)
	}
}

// DeleteRecords removes the records of a partition before an offset.
func (c *Cluster) DeleteRecords(t testing.TB, name string, partition int32, before int64) {
	t.Helper()
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: name, Partition: partition, At: before})
	resp, err := c.admin.DeleteRecords(t.Context(), offsets)
	if err == nil {
		err = resp.Error()
	}
	if err != nil {
		t.Fatalf("delete records of %s: %v", name, err)
	}
}

// Produce writes values to a partition and waits for them.
func (c *Cluster) Produce(t testing.TB, topic string, partition int32, values ...string) {
	t.Helper()
	records := make([]*kgo.Record, len(values))
	for i, v := range values {
		records[i] = &kgo.Record{Topic: topic, Partition: partition, Value: []byte(v)}
	}
	c.ProduceRecords(t, records...)
}

// ProduceRecords writes records to the partitions that they name.
func (c *Cluster) ProduceRecords(t testing.TB, records ...*kgo.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatalf("produce: %v", err)
	}
}

// Transaction writes values to a partition in one transaction and commits or
// aborts it.
func (c *Cluster) Transaction(t testing.TB, topic string, partition int32, commit bool, values ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DisableClientMetrics(),
		kgo.TransactionalID(c.Name(t)), kgo.TransactionTimeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for _, v := range values {
		cl.Produce(ctx, &kgo.Record{Topic: topic, Partition: partition, Value: []byte(v)}, nil)
	}
	if err := cl.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if err := cl.EndTransaction(ctx, kgo.TransactionEndTry(commit)); err != nil {
		t.Fatalf("end transaction: %v", err)
	}
}
