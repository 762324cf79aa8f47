package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/kafkatest"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// testSink is a sink with columns id and v, and what it has been told.
type testSink struct {
	t     testing.TB
	c     *kafkatest.Cluster
	opts  SinkOptions
	sink  *Sink
	epoch uint64 // the last that Write has reported as written
}

func newTestSink(t testing.TB, c *kafkatest.Cluster, topic, envelope string) *testSink {
	t.Helper()
	s := &testSink{t: t, c: c, opts: SinkOptions{Brokers: c.Brokers, Topic: topic, Format: "json", Envelope: envelope, Partitions: 2,
		TransactionalID: "sink-" + c.Name(t),
		Columns:         []connector.Column{{Name: "id", Type: types.Int8}, {Name: "v", Type: types.Text}}}}
	if envelope == EnvelopeUpsert {
		s.opts.Key = []string{"id"}
	}
	s.reopen()
	t.Cleanup(func() { _ = s.sink.Close() })
	return s
}

// reopen is what a new process does.
func (s *testSink) reopen() {
	s.t.Helper()
	if s.sink != nil {
		_ = s.sink.Close()
	}
	var err error
	if s.sink, err = OpenSink(s.opts); err != nil {
		s.t.Fatal(err)
	}
}

// begin begins a session, trying until the cluster lets it.
func (s *testSink) begin() (connector.SinkSession, uint64) {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		session, at, err := s.sink.Begin(s.t.Context())
		if err == nil {
			return session, at.Epoch
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("begin: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// change is a row with its weight.
type change struct {
	id     int64
	v      string
	weight int64
}

func rowsOf(changes ...change) func(func(*zset.Batch) error) error {
	return func(emit func(*zset.Batch) error) error {
		for chunk := range slices.Chunk(changes, 3) {
			b := zset.NewBatch([]types.Type{types.Int8, types.Text}, len(chunk))
			for _, c := range chunk {
				b.AppendDatums([]types.Datum{{Int: c.id}, {Bytes: []byte(c.v)}}, c.weight)
			}
			if err := emit(b); err != nil {
				return err
			}
		}
		return nil
	}
}

// committed reads all committed records of the topic: how often each key and
// value appears, the last value of each key, and the number of records.
func (s *testSink) committed() (all map[string]int, last map[string]string, n int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	cl, err := newClient(s.c.Brokers, "")
	if err != nil {
		s.t.Fatal(err)
	}
	defer cl.Close()
	l, err := describe(ctx, cl, s.opts.Topic)
	if err != nil {
		s.t.Fatal(err)
	}
	ends, err := allOffsets(ctx, cl, s.opts.Topic, l, listLatest, false)
	if err != nil {
		s.t.Fatal(err)
	}
	at := connector.Positions{}
	for p := range ends {
		at = at.Set(int32(p), 0)
	}
	consumer, err := kgo.NewClient(kgo.SeedBrokers(s.c.Brokers...), kgo.ConsumeTopics(s.opts.Topic), kgo.DisableClientMetrics(),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(50*time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		s.t.Fatal(err)
	}
	defer consumer.Close()
	all, last = map[string]int{}, map[string]string{}
	for !at.Covers(ends) {
		fetches := consumer.PollFetches(ctx)
		if ctx.Err() != nil {
			s.t.Fatalf("committed records up to %v, want %v", at, ends)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			at = at.Set(r.Partition, r.Offset+1)
			if r.Attrs.IsControl() {
				return
			}
			n++
			all[string(r.Key)+string(r.Value)]++
			if last[string(r.Key)] = string(r.Value); r.Value == nil {
				delete(last, string(r.Key))
			}
		})
	}
	return all, last, n
}

// TestSinkUpserts: an update in one transaction is one record, the last; a
// removal is a tombstone.
func TestSinkUpserts(t *testing.T) {
	c := kafkatest.Start(t)
	s := newTestSink(t, c, c.Name(t), EnvelopeUpsert)
	if n, created, err := s.sink.Prepare(t.Context()); err != nil || n != 2 || !created {
		t.Fatalf("prepare: %d partitions, created %v, %v", n, created, err)
	}
	if n, created, err := s.sink.Prepare(t.Context()); err != nil || n != 2 || created {
		t.Fatalf("prepare again: %d partitions, created %v, %v", n, created, err)
	}
	session, epoch := s.begin()
	if epoch != 0 {
		t.Fatalf("a new sink is at epoch %d", epoch)
	}
	for epoch, changes := range [][]change{
		1: {{1, "a", 1}, {2, "b", 1}, {1, "a2", 1}, {3, "c", 1}, {3, "c", -1}, {3, "c3", 1}},
		2: {{2, "b", -1}, {4, "d", 1}},
	} {
		if epoch == 0 {
			continue
		}
		if err := session.Write(t.Context(), connector.Mark{Epoch: uint64(epoch)}, rowsOf(changes...)); err != nil {
			t.Fatal(err)
		}
	}
	session.Close()
	all, last, n := s.committed()
	want := map[string]string{`{"id":1}`: `{"id":1,"v":"a2"}`, `{"id":3}`: `{"id":3,"v":"c3"}`, `{"id":4}`: `{"id":4,"v":"d"}`}
	if !maps.Equal(last, want) || n != 5 {
		t.Errorf("%d records, the last of each key %v, want %v (%v)", n, last, want, all)
	}
	if session, epoch := s.begin(); epoch != 2 {
		t.Errorf("the next session begins at epoch %d", epoch)
	} else {
		session.Close()
	}
}

// TestSinkAppends: a row of weight n is n records without key.
func TestSinkAppends(t *testing.T) {
	c := kafkatest.Start(t)
	s := newTestSink(t, c, c.Topic(t, 3), EnvelopeAppend)
	session, _ := s.begin()
	if err := session.Write(t.Context(), connector.Mark{Epoch: 5}, rowsOf(change{1, "a", 2}, change{2, "b", 1}, change{1, "a", 1})); err != nil {
		t.Fatal(err)
	}
	session.Close()
	all, _, n := s.committed()
	if want := map[string]int{`{"id":1,"v":"a"}`: 3, `{"id":2,"v":"b"}`: 1}; !maps.Equal(all, want) || n != 4 {
		t.Errorf("%d records: %v, want %v", n, all, want)
	}
}

// TestSinkUnfinished: a session that dies in the middle of a transaction leaves
// nothing behind, at once, and can write no more when another has begun.
func TestSinkUnfinished(t *testing.T) {
	c := kafkatest.Start(t)
	s := newTestSink(t, c, c.Topic(t, 1), EnvelopeAppend)
	other := newTestSink(t, c, s.opts.Topic, EnvelopeAppend) // has progress in the same topic
	between, _ := other.begin()
	defer between.Close()
	first, _ := s.begin()
	if err := first.Write(t.Context(), connector.Mark{Epoch: 1}, rowsOf(change{1, "a", 1})); err != nil {
		t.Fatal(err)
	}
	dead := first.(*sinkSession)
	dead.watch = time.AfterFunc(time.Hour, func() {})
	if err := dead.client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := dead.add(t.Context(), batchOf(t, change{2, "lost", 1})); err != nil {
		t.Fatal(err)
	}
	if err := dead.client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	second, epoch := s.begin()
	defer second.Close()
	if epoch != 1 {
		t.Fatalf("the session after the crash begins at epoch %d", epoch)
	}
	if d := time.Since(start); d > transactionTimeout/4 {
		t.Errorf("it took %v to begin", d)
	}
	if err := between.Write(t.Context(), connector.Mark{Epoch: 9}, rowsOf(change{3, "other", 1})); err != nil {
		t.Fatalf("another sink was shut out, too: %v", err)
	}
	dead.client.Produce(t.Context(), &kgo.Record{Topic: s.opts.Topic, Value: []byte("zombie")}, nil)
	_ = dead.client.Flush(t.Context())
	if err := dead.client.EndTransaction(t.Context(), kgo.TryCommit); err == nil {
		t.Error("the former session could commit")
	}
	first.Close()
	if err := second.Write(t.Context(), connector.Mark{Epoch: 2}, rowsOf(change{2, "b", 1})); err != nil {
		t.Fatal(err)
	}
	all, _, _ := s.committed()
	if want := map[string]int{`{"id":1,"v":"a"}`: 1, `{"id":2,"v":"b"}`: 1, `{"id":3,"v":"other"}`: 1}; !maps.Equal(all, want) {
		t.Errorf("%v, want %v", all, want)
	}
}

// TestSinkBehindOpenTransaction: a writer that is gone in the middle of a transaction
// with its progress does not keep another sink from its own, before or behind it.
func TestSinkBehindOpenTransaction(t *testing.T) {
	c := kafkatest.Start(t)
	s := newTestSink(t, c, c.Topic(t, 1), EnvelopeAppend)
	write := func(epoch uint64) {
		t.Helper()
		session, _ := s.begin()
		if err := session.Write(t.Context(), connector.Mark{Epoch: epoch}, rowsOf(change{int64(epoch), "a", 1})); err != nil {
			t.Fatal(err)
		}
		session.Close()
	}
	write(3)
	gone := newTestSink(t, c, c.Topic(t, 1), EnvelopeAppend)
	gone.opts.TransactionalID += "-gone"
	gone.reopen()
	other, _ := gone.begin()
	dead := other.(*sinkSession)
	t.Cleanup(dead.client.Close)
	if err := dead.client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := dead.client.ProduceSync(t.Context(), &kgo.Record{Topic: progressTopic, Key: []byte(gone.opts.TransactionalID), Value: []byte(`{"epoch":7}`)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []uint64{3, 4, 5} {
		session, at, err := s.sink.Begin(t.Context())
		if err != nil || at.Epoch != want {
			t.Fatalf("it begins at %d, %v; want %d", at.Epoch, err, want)
		}
		session.Close()
		write(want + 1)
	}
}

// TestOwnProgress: which of a sink's records counts, by how transactions ended.
// a1 is a record of the sink by the producer 1, b1 one of another sink, n one outside of
// transactions, C1 and A1 are markers of commit and abort.
func TestOwnProgress(t *testing.T) {
	for _, test := range []struct {
		log  string
		want int64 // offset, -1: none
	}{
		{"", -1},
		{"b1 C1", -1},
		{"a1 C1", 0},
		{"a1 A1", -1},
		{"a1 C1 a1 C1", 2},
		{"a1 C1 a1 A1", 0},
		{"a1 b2 C1 a1 A1 C2", 0},
		{"a1 b2 A2 C1", 0},
		{"a1 A1 a2 C2", 2},
		{"a1 C1 A1", 0},
		{"n", 0},
		{"n a1 A1", 0},
		{"a1", 0},          // its marker was removed
		{"a1 a2 C2", 1},    // likewise
		{"a1 C1 b2 a1", 3}, // likewise
	} {
		own := ownProgress{id: []byte("a"), open: map[writer][]*kgo.Record{}}
		for i, word := range strings.Fields(test.log) {
			r := &kgo.Record{Offset: int64(i), Key: []byte(word[:1])}
			attrs := kgo.RecordAttrsOpts{Transactional: true}
			switch word[0] {
			case 'n':
				r.Key, attrs.Transactional = []byte("a"), false
			case 'A', 'C':
				r.Key, attrs.Control = []byte{0, 0, 0, map[byte]byte{'A': 0, 'C': 1}[word[0]]}, true
			}
			if len(word) > 1 {
				r.ProducerID = int64(word[1] - '0')
			}
			r.Attrs = kgo.NewRecordAttrs(attrs)
			own.see(r)
		}
		got := int64(-1)
		if last := own.final(); last != nil {
			got = last.Offset
		}
		if got != test.want {
			t.Errorf("%s: %d, want %d", test.log, got, test.want)
		}
	}
}

func batchOf(t testing.TB, changes ...change) *zset.Batch {
	t.Helper()
	var out *zset.Batch
	_ = rowsOf(changes...)(func(b *zset.Batch) error { out = b; return nil })
	return out
}

// writeAll writes epochs 1 to n of an appending sink, one row each, as the
// runtime does: after an error the session is given up (after two epochs, too),
// and the next one says where to go on.
func (s *testSink) writeAll(n uint64) {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		session, at, err := s.sink.Begin(s.t.Context())
		epoch := at.Epoch
		if err != nil {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		if epoch < s.epoch {
			s.t.Fatalf("a session begins at epoch %d, but %d was written", epoch, s.epoch)
		}
		for i := 0; err == nil && epoch < n && i < 2; i++ {
			if err = session.Write(s.t.Context(), connector.Mark{Epoch: epoch + 1}, rowsOf(change{int64(epoch + 1), "row", 1})); err == nil {
				epoch++
				s.epoch = epoch
			}
		}
		session.Close()
		if err == nil && epoch == n {
			return
		}
		if s.epoch%2 == 1 {
			s.reopen()
		}
	}
	s.t.Fatalf("waited in vain: epoch %d of %d", s.epoch, n)
}

// exactly checks that the topic has each of the rows 1 to n once.
func (s *testSink) exactly(n int) {
	s.t.Helper()
	all, _, records := s.committed()
	for i := range n {
		if row := fmt.Sprintf(`{"id":%d,"v":"row"}`, i+1); all[row] != 1 {
			s.t.Errorf("%s is there %d times", row, all[row])
		}
	}
	if records != n {
		s.t.Errorf("%d records, want %d", records, n)
	}
}

// TestSinkFaults: the connection is cut at the n-th request of each kind, and
// requests are refused, or done but reported as failed (REQUEST_TIMED_OUT).
func TestSinkFaults(t *testing.T) {
	keys := []kmsg.Key{kmsg.InitProducerID, kmsg.Produce, kmsg.EndTxn, kmsg.Metadata, kmsg.ListOffsets, kmsg.Fetch}
	for _, key := range keys {
		t.Run(key.Name(), func(t *testing.T) {
			c := kafkatest.StartFake(t, 1)
			for nth := int64(1); nth <= 6; nth++ {
				s := newTestSink(t, c, c.Topic(t, 1), EnvelopeAppend)
				cut := cutNth(c.Fake, key, nth)
				s.writeAll(4)
				if !cut() && nth == 1 {
					t.Error("no request was cut")
				}
				s.exactly(4)
			}
		})
	}
	for _, err := range []*kerr.Error{kerr.RequestTimedOut, kerr.InvalidProducerEpoch, kerr.UnknownServerError, kerr.CoordinatorNotAvailable, kerr.InvalidTxnState} {
		t.Run(err.Message, func(t *testing.T) {
			c := kafkatest.StartFake(t, 1)
			for _, key := range []kmsg.Key{kmsg.Produce, kmsg.EndTxn, kmsg.InitProducerID} {
				s := newTestSink(t, c, c.Topic(t, 1), EnvelopeAppend)
				session, _ := s.begin()
				if err := session.Write(t.Context(), connector.Mark{Epoch: 1}, rowsOf(change{1, "row", 1})); err != nil {
					t.Fatal(err)
				}
				s.epoch = 1
				session.Close()
				h := c.Fake.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: err, Count: 2, TopLevel: key != kmsg.Produce})
				s.writeAll(4)
				h.Remove()
				s.exactly(4)
			}
		})
	}
}

// cutNth closes the connection on the n-th request of a kind; remove says whether
// there was one.
func cutNth(c *kfake.Cluster, key kmsg.Key, nth int64) (remove func() bool) {
	var seen atomic.Int64
	c.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if seen.Add(1) == nth {
			return nil, errors.New("cut"), true
		}
		return nil, nil, false
	})
	return func() bool { return seen.Swap(nth) >= nth }
}

// TestSinkCommitLost: the transaction is committed, but nobody is told. The next
// session knows.
func TestSinkCommitLost(t *testing.T) {
	c := kafkatest.StartFake(t, 1)
	s := newTestSink(t, c, c.Topic(t, 1), EnvelopeAppend)
	session, _ := s.begin()
	inner := session.(*sinkSession)
	if err := session.Write(t.Context(), connector.Mark{Epoch: 1}, rowsOf(change{1, "row", 1})); err != nil {
		t.Fatal(err)
	}
	// The process dies between the commit and what it would have done then.
	inner.client.Close()
	s.reopen()
	again, epoch := s.begin()
	defer again.Close()
	if epoch != 1 {
		t.Fatalf("epoch %d", epoch)
	}
	s.exactly(1)
}

// TestSinkCommitAborted: a commit that becomes an abort on its way is noticed by the
// session's first write, and what was written comes again.
func TestSinkCommitAborted(t *testing.T) {
	c := kafkatest.StartFake(t, 1)
	s := newTestSink(t, c, c.Topic(t, 2), EnvelopeUpsert)
	var aborted atomic.Int64
	c.Fake.ControlKey(int16(kmsg.EndTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.Fake.KeepControl()
		if end := req.(*kmsg.EndTxnRequest); end.Commit && aborted.Add(1) == 1 {
			end.Commit = false
		}
		return nil, nil, false
	})
	session, _ := s.begin()
	err := session.Write(t.Context(), connector.Mark{Epoch: 3}, rowsOf(change{1, "a", 1}))
	if !errors.Is(err, errNotCommitted) {
		t.Fatalf("a write that was aborted: %v", err)
	}
	session.Close()
	session, at := s.begin()
	defer session.Close()
	if at != 0 {
		t.Fatalf("epoch %d is written, want none", at)
	}
	if err := session.Write(t.Context(), connector.Mark{Epoch: 3}, rowsOf(change{1, "a", 1})); err != nil {
		t.Fatal(err)
	}
	if _, last, n := s.committed(); n != 1 || len(last) != 1 {
		t.Fatalf("%d records are committed: %v", n, last)
	}
}

// TestSinkBrokerRestarts: the broker goes away before, between and during
// writes; the topics stay.
func TestSinkBrokerRestarts(t *testing.T) {
	c := kafkatest.StartFake(t, 1)
	s := newTestSink(t, c, c.Topic(t, 1), EnvelopeAppend)
	session, _ := s.begin()
	if err := session.Write(t.Context(), connector.Mark{Epoch: 1}, rowsOf(change{1, "row", 1})); err != nil {
		t.Fatal(err)
	}
	s.epoch = 1
	if err := session.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.StopFake()
	if err := session.Check(t.Context()); sqlerr.Code(err) != sqlerr.ExternalConnectionFailure {
		t.Fatalf("the check without a broker: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	err := session.Write(ctx, connector.Mark{Epoch: 2}, rowsOf(change{2, "row", 1}))
	cancel()
	if err == nil {
		t.Fatal("a write without a broker succeeded")
	}
	session.Close()
	if _, _, err := s.sink.Begin(t.Context()); err == nil {
		t.Fatal("a session began without a broker")
	}
	c.RestartFake(t)
	s.writeAll(5)
	s.exactly(5)
}

// TestSinkTopic: a topic that is missing before anything was written is made; one
// that is missing afterwards is an error; one that was made again is another.
func TestSinkTopic(t *testing.T) {
	c := kafkatest.StartFake(t, 1)
	s := newTestSink(t, c, c.Name(t), EnvelopeAppend)
	s.writeAll(1)
	session, _ := s.begin()
	defer session.Close()
	c.DeleteTopic(t, s.opts.Topic)
	if _, _, err := s.sink.Begin(t.Context()); err == nil || errors.Is(err, connector.ErrDiverged) {
		t.Fatalf("without its topic: %v", err)
	}
	if err := session.Check(t.Context()); sqlerr.Code(err) != sqlerr.UndefinedObject {
		t.Fatalf("the check without the topic: %v", err)
	}
	c.CreateTopic(t, s.opts.Topic, 1)
	if err := session.Check(t.Context()); !errors.Is(err, connector.ErrDiverged) {
		t.Fatalf("the check of another topic: %v", err)
	}
	if _, _, err := s.sink.Begin(t.Context()); !errors.Is(err, connector.ErrDiverged) {
		t.Fatalf("with another topic: %v", err)
	}
}

// TestSinkOptions: what is accepted, and the errors.
func TestSinkOptions(t *testing.T) {
	columns := []connector.Column{{Name: "id", Type: types.Int8}}
	parse := func(pairs ...string) (SinkOptions, error) {
		var list []connector.Option
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, connector.Option{Name: pairs[i], Value: pairs[i+1], Pos: i})
		}
		return ParseSinkOptions(list, columns)
	}
	o, err := parse("brokers", "a,b:1", "topic", "t", "format", "json", "envelope", "upsert", "key", " id , v", "partitions", "8")
	if err != nil || o.Envelope != "upsert" || !slices.Equal(o.Key, []string{"id", "v"}) || o.Partitions != 8 || !slices.Equal(o.Brokers, []string{"a:9092", "b:1"}) {
		t.Errorf("%+v, %v", o, err)
	}
	for _, test := range []struct {
		pairs []string
		want  string
	}{
		{[]string{"topic", "t"}, `option "brokers" is required by connector "kafka" (SQLSTATE 22023)`},
		{[]string{"brokers", "b"}, `option "topic" is required by connector "kafka" (SQLSTATE 22023)`},
		{[]string{"brokers", "b", "topic", "t", "key", "a,,b"}, `invalid value for option "key": "a,,b" (SQLSTATE 22023)`},
		{[]string{"brokers", "b", "topic", "t", "key", "a,a"}, `invalid value for option "key": "a,a" (SQLSTATE 22023)`},
		{[]string{"brokers", "b", "topic", "t", "partitions", "0"}, `invalid value for option "partitions": "0" (SQLSTATE 22023)`},
		{[]string{"brokers", "b", "topic", progressTopic}, `topic "__streamdb_progress" is reserved for the progress of sinks (SQLSTATE 22023)`},
		{[]string{"brokers", "b", "topic", "t", "envelope", "debezium"}, `envelope "debezium" is not supported yet (SQLSTATE 0A000)`},
		{[]string{"brokers", "b", "topic", "t", "envelop", "upsert"}, `unrecognized option "envelop" of connector "kafka" (SQLSTATE 42704)`},
		{[]string{"brokers", "b", "topic", "t", "topic", "t"}, `option "topic" is given twice (SQLSTATE 42601)`},
	} {
		if _, err := parse(test.pairs...); err == nil || err.Error() != test.want {
			t.Errorf("%v: %v, want %s", test.pairs, err, test.want)
		}
	}
}
