package kafka

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/streamdb/streamdb/connector"
)

// testEvents go to two topics of two partitions in turn.
type testEvents struct{}

func (testEvents) Place(n int64) (topic int, partition int32, offset int64) {
	return int(n % 2), int32(n / 2 % 2), n / 4
}

func (testEvents) At(topic int, partition int32, offset int64) int64 {
	return offset*4 + int64(partition)*2 + int64(topic)
}

func (testEvents) Append(b []byte, n int64, _ time.Time) []byte {
	return append(strconv.AppendInt(append(b, `{"n":`...), n, 10), '}')
}

// TestFeedContinues interrupts a feed several times, also at uneven ends: the
// topics hold the sequence without gaps and repetitions.
func TestFeedContinues(t *testing.T) {
	e := embed(t, t.TempDir(), nil)
	opts := FeedOptions{Brokers: []string{EmbeddedBroker}, Embedded: e.Address(), Topics: []string{"a", "b"}, Partitions: 2, Rate: 3000, Events: testEvents{}}
	if err := opts.CreateTopics(t.Context()); err != nil {
		t.Fatal(err)
	}
	embeddedProduce(t, embeddedClient(t, e), "a", 0, 1) // {"n":0} is what event 0 is
	for range 4 {
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		Feed(ctx, opts)
		cancel()
	}
	total := 0
	for topic, name := range opts.Topics {
		src := embeddedSource(t, e.Address(), name)
		out := readTo(t, src, connector.Positions{0, 0}, mustEnds(t, src))
		for p := range int32(2) {
			for i, v := range out.values[p] {
				if want := (testEvents{}).At(topic, p, int64(i)); v != want {
					t.Fatalf("topic %s partition %d offset %d holds event %d, want %d", name, p, i, v, want)
				}
			}
			total += len(out.values[p])
		}
	}
	if total < 400 {
		t.Errorf("%d events in 0.6 s at 3,000 a second", total)
	}
}

// TestFeedNotAlone: another writer is noticed, not silently interleaved.
func TestFeedNotAlone(t *testing.T) {
	e := embed(t, t.TempDir(), nil)
	opts := FeedOptions{Brokers: []string{e.Address()}, Topics: []string{"a", "b"}, Partitions: 2, Rate: 1000, Events: testEvents{}}
	if err := opts.CreateTopics(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- feedOnce(ctx, &opts) }()
	src := embeddedSource(t, e.Address(), "a")
	for mustEnds(t, src)[0] == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	embeddedProduce(t, embeddedClient(t, e), "a", 7, 8)
	if err := <-done; err == nil || ctx.Err() != nil {
		t.Errorf("the feed ended with %v", err)
	} else if s := fmt.Sprint(err); len(s) < 20 {
		t.Errorf("the feed says %q", s)
	}
}
