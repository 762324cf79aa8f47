package dataflow

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow/zset"
)

func queued(partition int32, first int64, rows, size int) *connector.Batch {
	return &connector.Batch{Partition: partition, First: first, Next: first + int64(rows), Rows: &zset.Batch{N: rows}, Bytes: size}
}

func TestQueueOrderAndBounds(t *testing.T) {
	wakes := 0
	q := &queue{limit: 10_000, wake: func() { wakes++ }}
	ctx := context.Background()
	for _, b := range []*connector.Batch{queued(2, 0, 5, 1000), queued(0, 0, 5, 1000), queued(2, 5, 5, 1000), queued(1, 7, 5, 1000), queued(0, 5, 5, 1000)} {
		if err := q.push(ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	show := func(batches []*connector.Batch) (s string) {
		for _, b := range batches {
			s += fmt.Sprintf("%d@%d ", b.Partition, b.First)
		}
		return s
	}
	if got := show(q.take(20, 1<<20)); got != "0@0 1@7 2@0 2@5 " {
		t.Errorf("took %s", got)
	}
	if n, rows, size := q.size(); n != 1 || rows != 5 || size != 1000 || wakes != 5 {
		t.Errorf("left: %d batches, %d rows, %d bytes; %d wakes", n, rows, size, wakes)
	}
	if got := show(q.take(1, 1)); got != "0@5 " { // at least one
		t.Errorf("took %s", got)
	}
	if got := q.take(1, 1); len(got) != 0 {
		t.Errorf("took %s of nothing", show(got))
	}
}

func TestQueueWaits(t *testing.T) {
	q := &queue{limit: 1000, wake: func() {}}
	if err := q.push(context.Background(), queued(0, 0, 1, 5000)); err != nil { // larger than the limit, into the empty queue
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := q.push(ctx, queued(0, 1, 1, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("push into a full queue: %v", err)
	}
	pushed := make(chan error)
	for i := range 3 {
		go func() { pushed <- q.push(context.Background(), queued(int32(i), 1, 1, 400)) }()
	}
	q.take(1, 1)
	<-pushed
	<-pushed
	q.take(10, 10_000)
	if err := <-pushed; err != nil {
		t.Error(err)
	}
	if err := q.push(context.Background(), queued(0, 9, 1, 1)); err != nil {
		t.Error(err)
	}
	q.close()
	if err := q.push(context.Background(), queued(0, 9, 1, 1)); !errors.Is(err, errQueueClosed) {
		t.Errorf("push after close: %v", err)
	}
}

func TestPrivateReaderStopsAtItsEnd(t *testing.T) {
	rd := &reader{times: -1, queue: &queue{limit: 1 << 20, wake: func() {}}, until: connector.Positions{5, -1}}
	ctx := context.Background()
	for _, b := range []*connector.Batch{queued(0, 3, 2, 1), queued(0, 5, 2, 1), queued(1, 0, 1, 1), queued(2, 0, 1, 1)} {
		if err := rd.push(ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	if n, rows, _ := rd.queue.size(); n != 1 || rows != 2 {
		t.Errorf("%d batches with %d rows were queued, want those before the end", n, rows)
	}
}
