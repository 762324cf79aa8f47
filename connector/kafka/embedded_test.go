package kafka

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/internal/copytree"
	"github.com/streamdb/streamdb/sql/types"
)

// embed starts an embedded broker that ends with the test.
func embed(t testing.TB, dir string, change func(*EmbeddedOptions)) *Embedded {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	opts := EmbeddedOptions{Dir: dir, Listener: l}
	if change != nil {
		change(&opts)
	}
	e, err := StartEmbedded(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func embeddedClient(t testing.TB, e *Embedded) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(e.Address()), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	if _, err := newTopic(t.Context(), cl, "t", 1, nil); err != nil {
		t.Fatal(err)
	}
	return cl
}

func embeddedSource(t testing.TB, address, topic string) *Source {
	t.Helper()
	src, err := Open(t.Context(), Options{Brokers: []string{EmbeddedBroker}, Embedded: address, Topic: topic, Format: "json",
		Envelope: "none", Columns: []connector.Column{{Name: "n", Type: types.Int8}, {Name: "off", Type: types.Int8, Meta: connector.FromOffset}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = src.Close() })
	return src.(*Source)
}

func embeddedProduce(t testing.TB, cl *kgo.Client, topic string, from, to int) {
	t.Helper()
	var recs []*kgo.Record
	for _, v := range numbers(from, to) {
		recs = append(recs, &kgo.Record{Topic: topic, Value: []byte(v)})
	}
	if err := cl.ProduceSync(t.Context(), recs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// TestEmbeddedSurvives stops the broker cleanly, and copies its files in the
// middle of its work, as kill -9 leaves them: all that was acknowledged is there.
func TestEmbeddedSurvives(t *testing.T) {
	dir := t.TempDir()
	e := embed(t, dir, func(o *EmbeddedOptions) { o.Sync = true })
	embeddedProduce(t, embeddedClient(t, e), "t", 0, 100)
	id := embeddedSource(t, e.Address(), "t")
	if ends := mustEnds(t, id); fmt.Sprint(ends) != "[100]" {
		t.Fatalf("ends %v", ends)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}

	e = embed(t, dir, nil)
	embeddedProduce(t, embeddedClient(t, e), "t", 100, 150)
	killed := t.TempDir()
	copyTree(t, dir, killed)
	e = embed(t, killed, nil)
	src := embeddedSource(t, e.Address(), "t")
	out := readTo(t, src, connector.Positions{0}, mustEnds(t, src))
	if got := fmt.Sprint(out.values[0]); got != fmt.Sprint(sequence(0, 150)) {
		t.Errorf("records after the kill: %s", got)
	}
	first, _ := id.adopt("")
	if after, _ := src.adopt(""); after != first || first == "" {
		t.Errorf("the topic's id is %q, was %q", after, first)
	}
	embeddedProduce(t, embeddedClient(t, e), "t", 150, 151)
	if ends := mustEnds(t, src); fmt.Sprint(ends) != "[151]" {
		t.Errorf("ends %v", ends)
	}
}

func copyTree(t testing.TB, from, to string) {
	t.Helper()
	if err := copytree.Live(from, to); err != nil {
		t.Fatal(err)
	}
}

// TestEmbeddedRetention fills a topic over its bound: the oldest records go, a
// reader at the end does not notice, and offsets never go back.
func TestEmbeddedRetention(t *testing.T) {
	dir := t.TempDir()
	e := embed(t, dir, func(o *EmbeddedOptions) {
		o.PartitionBytes, o.RetentionInterval = 64<<10, 10*time.Millisecond
	})
	cl := embeddedClient(t, e)
	src := embeddedSource(t, e.Address(), "t")
	for i := range 50 {
		embeddedProduce(t, cl, "t", i*200, (i+1)*200)
	}
	var oldest connector.Positions
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		var err error
		if oldest, err = src.Oldest(t.Context()); err != nil {
			t.Fatal(err)
		}
		if oldest[0] > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing was deleted")
		}
	}
	if ends := mustEnds(t, src); fmt.Sprint(ends) != "[10000]" || oldest[0] >= 10000 {
		t.Errorf("records %v to %v", oldest, ends)
	}
	e.cluster.ApplyRetention() // Nothing is left to delete while files are copied.
	killed := t.TempDir()
	copyTree(t, dir, killed)
	e = embed(t, killed, nil)
	if ends := mustEnds(t, embeddedSource(t, e.Address(), "t")); fmt.Sprint(ends) != "[10000]" {
		t.Errorf("ends after the kill: %v", ends)
	}
}

func TestEmbeddedRefusesDeleteRecords(t *testing.T) {
	e := embed(t, t.TempDir(), nil)
	cl := embeddedClient(t, e)
	embeddedProduce(t, cl, "t", 0, 10)
	for range 2 {
		at := kadm.Offsets{}
		at.AddOffset("t", 0, 10, -1)
		resp, err := kadm.NewClient(cl).DeleteRecords(t.Context(), at)
		if err != nil || resp["t"][0].Err != kerr.PolicyViolation {
			t.Fatalf("%v %v", resp, err)
		}
	}
}

func TestEmbeddedOff(t *testing.T) {
	src := embeddedSource(t, "", "t")
	if _, err := src.Ends(t.Context()); err == nil || !strings.Contains(err.Error(), "the embedded broker is off") {
		t.Errorf("%v", err)
	}
	if _, err := StartEmbedded(EmbeddedOptions{}); err == nil {
		t.Error("a broker without listener started")
	}
}
