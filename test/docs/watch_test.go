package docs

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/twmb/franz-go/pkg/kgo"
)

// watch is a statement that runs beside the page, on a connection of its own.
type watch struct {
	fields chan []pgconn.FieldDescription
	rows   chan [][]byte
	cancel context.CancelFunc
	done   chan struct{}
}

// startWatch runs the statement and returns when its first row is there, so that
// what the page does next comes after it.
func startWatch(ctx context.Context, t *testing.T, db *database, text string) *watch {
	t.Helper()
	s, err := db.connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &watch{fields: make(chan []pgconn.FieldDescription, 1), rows: make(chan [][]byte, 1000), cancel: cancel, done: make(chan struct{})}
	started := make(chan struct{})
	go w.read(ctx, s, text, started)
	select {
	case <-started:
	case <-w.done:
	case <-ctx.Done():
	}
	return w
}

func (w *watch) read(ctx context.Context, s *session, text string, started chan struct{}) {
	defer close(w.done)
	defer s.conn.Close(ctx)
	results := s.conn.Exec(ctx, s.db.broker(strings.TrimSpace(text)))
	for first := true; results.NextResult(); {
		r := results.ResultReader()
		for r.NextRow() {
			row := make([][]byte, len(r.Values()))
			for i, v := range r.Values() {
				if v != nil {
					row[i] = append([]byte{}, v...)
				}
			}
			if first {
				w.fields <- append([]pgconn.FieldDescription(nil), r.FieldDescriptions()...)
				close(started)
				first = false
			}
			w.rows <- row
		}
	}
	results.Close() //nolint:errcheck // it was cancelled
}

// first waits for the first n rows, ends the statement and prints them. Epochs
// are counted from the first.
func (w *watch) first(ctx context.Context, t *testing.T, n int) []string {
	t.Helper()
	if w == nil {
		t.Fatal("nothing is watched")
	}
	defer w.stop()
	var rows [][][]byte
	for len(rows) < n {
		select {
		case row := <-w.rows:
			rows = append(rows, row)
		case <-w.done:
			t.Fatalf("the watched statement ended after %d of %d rows", len(rows), n)
		case <-ctx.Done():
			t.Fatalf("%d of %d rows came", len(rows), n)
		}
	}
	out := appendTable(nil, <-w.fields, rows, map[string]bool{"epoch": true})
	return out[:len(out)-1] // there is no end, so no count
}

func (w *watch) stop() {
	if w != nil {
		w.cancel()
		<-w.done
	}
}

// noValue stands for the value of a tombstone.
const noValue = "(no value)"

// produce writes records, "value" or "key => value" a line, to the partitions in
// turn.
func (r *runner) produce(topic string, partitions int, lines []string) {
	var records []*kgo.Record
	for i, line := range lines {
		record := &kgo.Record{Topic: topic, Partition: int32(i % partitions), Value: []byte(line),
			Timestamp: time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC)}
		if key, value, ok := strings.Cut(line, " => "); ok {
			if record.Key, record.Value = []byte(key), []byte(value); value == noValue {
				record.Value = nil
			}
		}
		records = append(records, record)
	}
	if len(records) > 0 {
		r.db.kafka.ProduceRecords(r.t, records...)
	}
}

// records prints the first n records of a topic, key and value.
func (r *runner) records(ctx context.Context, topic string, n int) []string {
	client, err := kgo.NewClient(kgo.SeedBrokers(r.db.kafka.Brokers...), kgo.ConsumeTopics(topic), kgo.DisableClientMetrics(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		r.t.Fatal(err)
	}
	defer client.Close()
	var out []string
	for len(out) < n {
		fetches := client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			r.t.Fatalf("%d of %d records of %s came: %v", len(out), n, topic, err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			value := string(record.Value)
			if record.Value == nil {
				value = noValue
			}
			if len(record.Key) > 0 {
				value = string(record.Key) + " => " + value
			}
			out = append(out, value)
		})
	}
	return out[:n]
}
