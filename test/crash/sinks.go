package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// sinkReader reads what a sink has committed, as a consumer of committed
// records does, and keeps what such a consumer would hold.
type sinkReader struct {
	name    string // of the sink
	of      string // the relation whose model the sink must equal
	columns []string
	upsert  bool

	topic  string
	client *kgo.Client
	admin  *kadm.Client
	at     map[int32]int64
	rows   map[string]int    // appended rows
	keyed  map[string]string // upserted rows by key
	seen   int
}

// sinkReaders are the sinks of the test: over a grouped view, over a table, and
// an appending one over the stream.
func sinkReaders(topic string) []*sinkReader {
	return []*sinkReader{
		{name: "out_groups", of: "groups", columns: []string{"k", "n", "s", "m"}, upsert: true, topic: topic + "-groups"},
		{name: "out_rows", of: "rows", columns: []string{"id", "batch", "v"}, upsert: true, topic: topic + "-rows"},
		{name: "out_big", of: "big", columns: []string{"k", "v", "s"}, topic: topic + "-big"},
	}
}

// lateSink begins when the relation has many rows already.
func lateSink(topic string, i int) *sinkReader {
	return &sinkReader{name: fmt.Sprintf("late_groups%d", i), of: "groups", columns: []string{"k", "n", "s", "m"}, upsert: true,
		topic: fmt.Sprintf("%s-late%d", topic, i)}
}

// statement creates the sink.
func (s *sinkReader) statement(brokers string) string {
	from, key := "FROM "+s.of, ", envelope = 'upsert', key = '"+s.columns[0]+"'"
	if !s.upsert {
		from, key = "AS SELECT k, v, s FROM events WHERE v % 7 = 0", ", envelope = 'append'"
	}
	return fmt.Sprintf("CREATE SINK %s %s WITH (connector = 'kafka', brokers = '%s', topic = '%s', format = 'json', partitions = 2%s)",
		s.name, from, brokers, s.topic, key)
}

func (s *sinkReader) open(brokers string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.ConsumeTopics(s.topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		return err
	}
	s.client, s.admin = client, kadm.NewClient(client)
	s.at, s.rows, s.keyed = map[int32]int64{}, map[string]int{}, map[string]string{}
	return nil
}

// sinkPatience bounds how long a sink may take to catch up.
const sinkPatience = 60 * time.Second

// caughtUp waits until the sink says that it has written everything.
func (s *sinkReader) caughtUp(ctx context.Context, conn *pgx.Conn) error {
	var state, reason string
	var lag int64
	for start := time.Now(); time.Since(start) < sinkPatience; time.Sleep(10 * time.Millisecond) {
		err := conn.QueryRow(ctx, "SELECT state, coalesce(reason, ''), lag FROM streamdb.sinks WHERE name = $1", s.name).Scan(&state, &reason, &lag)
		if err != nil {
			return err
		}
		if state == "running" && lag == 0 {
			return nil
		}
	}
	return fmt.Errorf("sink %s is %s (%s) and %d epochs behind after %s", s.name, state, reason, lag, sinkPatience)
}

// read reads up to the topic's end.
func (s *sinkReader) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sinkPatience)
	defer cancel()
	ends, err := s.ends(ctx)
	if err != nil {
		return err
	}
	for !s.reached(ends) {
		fetches := s.client.PollFetches(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("sink %s: the committed records end at %v, the topic does not", s.name, s.at)
		}
		for _, e := range fetches.Errors() {
			return fmt.Errorf("read topic %s: %w", s.topic, e.Err)
		}
		for it := fetches.RecordIter(); !it.Done(); {
			r := it.Next()
			s.at[r.Partition] = r.Offset + 1
			if r.Attrs.IsControl() {
				continue
			}
			if err := s.apply(r); err != nil {
				return fmt.Errorf("sink %s, record %d/%d: %w", s.name, r.Partition, r.Offset, err)
			}
		}
	}
	return nil
}

// ends asks for the topic's end until the broker, which may be away, answers.
func (s *sinkReader) ends(ctx context.Context) (kadm.ListedOffsets, error) {
	for {
		ends, err := s.admin.ListEndOffsets(ctx, s.topic)
		if err == nil {
			err = ends.Error()
		}
		if err == nil {
			return ends, nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, fmt.Errorf("ends of topic %s: %w", s.topic, err)
		}
	}
}

func (s *sinkReader) reached(ends kadm.ListedOffsets) bool {
	all := true
	ends.Each(func(o kadm.ListedOffset) { all = all && s.at[o.Partition] >= o.Offset })
	return all
}

func (s *sinkReader) apply(r *kgo.Record) error {
	s.seen++
	if s.upsert && r.Value == nil {
		delete(s.keyed, string(r.Key))
		return nil
	}
	var value map[string]json.RawMessage
	if err := json.Unmarshal(r.Value, &value); err != nil {
		return err
	}
	fields := make([]string, len(s.columns))
	for i, c := range s.columns {
		fields[i] = string(value[c])
		if text := ""; json.Unmarshal(value[c], &text) == nil && fields[i] != "null" {
			fields[i] = text
		}
	}
	row := strings.Join(fields, "|")
	if !s.upsert {
		s.rows[row]++
		return nil
	}
	if want := fmt.Sprintf(`{"%s":%s}`, s.columns[0], value[s.columns[0]]); string(r.Key) != want {
		return fmt.Errorf("key %s of row %s", r.Key, r.Value)
	}
	s.keyed[string(r.Key)] = row
	return nil
}

// compare compares what a consumer holds with the model.
func (s *sinkReader) compare(ctx context.Context, want []string) error {
	if err := s.read(ctx); err != nil {
		return err
	}
	var got []string
	for _, row := range s.keyed {
		got = append(got, row)
	}
	for row, n := range s.rows {
		for range n {
			got = append(got, row)
		}
	}
	sort.Strings(got)
	return sameRows("the topic of sink "+s.name, got, want)
}
