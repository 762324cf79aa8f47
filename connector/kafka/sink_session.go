package kafka

import (
	"context"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/connector/format/json"
	"github.com/streamdb/streamdb/dataflow/zset"
)

// sinkBuffer is how many bytes of records an upserting session keeps back so
// that a later one of the same key can take the place of an earlier one.
const sinkBuffer = 8 << 20

// sinkSession writes transactions, one at a time.
type sinkSession struct {
	sink   *Sink
	client *kgo.Client
	topic  string // its id
	keys   *json.Encoder
	values *json.Encoder
	open   bool // a transaction is
	proved bool // a transaction of this session is known to be committed

	// Of the transaction under way.
	pending []*kgo.Record
	byKey   map[string]int // place in pending
	bytes   int
	arena   []byte
	records []kgo.Record

	mu     sync.Mutex
	failed error
	watch  *time.Timer // fires when no answer has come for too long
}

var errStalled = errors.New("the brokers do not answer")

func newSinkSession(s *Sink, cl *kgo.Client, topic string) *sinkSession {
	out := &sinkSession{sink: s, client: cl, topic: topic, byKey: map[string]int{}, values: json.NewEncoder(s.opts.Columns, nil)}
	if len(s.key) > 0 {
		out.keys = json.NewEncoder(s.opts.Columns, s.key)
	}
	return out
}

// Write is one Kafka transaction.
func (s *sinkSession) Write(ctx context.Context, at connector.Mark, rows func(emit func(*zset.Batch) error) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.watch = time.AfterFunc(stallTimeout, func() { cancel(errStalled) })
	defer s.watch.Stop()
	err := s.write(ctx, at, rows)
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		err = errStalled
	}
	return s.sink.error(err)
}

func (s *sinkSession) write(ctx context.Context, at connector.Mark, rows func(emit func(*zset.Batch) error) error) error {
	if err := s.client.BeginTransaction(); err != nil {
		return err
	}
	s.open = true
	if err := rows(func(b *zset.Batch) error { return s.add(ctx, b) }); err != nil {
		return err
	}
	if err := s.send(ctx); err != nil {
		return err
	}
	value, err := stdjson.Marshal(progress{Epoch: at.Epoch, TopicID: s.topic, Opening: at.Opening})
	if err != nil {
		return fmt.Errorf("encode the progress: %w", err)
	}
	s.client.Produce(ctx, &kgo.Record{Topic: progressTopic, Key: []byte(s.sink.opts.TransactionalID), Value: value}, s.answered)
	if err := s.client.Flush(ctx); err != nil {
		return err
	}
	if err := s.failure(); err != nil {
		return err
	}
	s.watch.Reset(stallTimeout)
	return s.commit(ctx, at)
}

// Check asks for the topic, with the connections that ask questions.
func (s *sinkSession) Check(ctx context.Context) error {
	_, err := s.sink.known(ctx, s.topic)
	return s.sink.error(err)
}

// answered is told of every record.
func (s *sinkSession) answered(_ *kgo.Record, err error) {
	s.watch.Reset(stallTimeout)
	if err != nil {
		s.mu.Lock()
		if s.failed == nil {
			s.failed = err
		}
		s.mu.Unlock()
	}
}

func (s *sinkSession) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// add makes records of rows.
func (s *sinkSession) add(ctx context.Context, b *zset.Batch) error {
	upsert := s.sink.opts.Envelope == EnvelopeUpsert
	for i := range b.Len() {
		r := b.Row(i)
		weight := b.WeightAt(r)
		rec, err := s.record(b, r, weight < 0)
		if err != nil {
			return err
		}
		if upsert {
			s.keep(rec)
			continue
		}
		for range weight {
			again := s.newRecord()
			again.Key, again.Value = rec.Key, rec.Value
			s.client.Produce(ctx, again, s.answered)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if s.bytes > sinkBuffer {
		return s.send(ctx)
	}
	return s.failure()
}

// keep holds an upsert's record back, in the place of an earlier one of its key.
func (s *sinkSession) keep(rec *kgo.Record) {
	s.bytes += len(rec.Key) + len(rec.Value)
	if at, ok := s.byKey[string(rec.Key)]; ok {
		s.bytes -= len(s.pending[at].Key) + len(s.pending[at].Value)
		s.pending[at] = rec
		return
	}
	s.byKey[string(rec.Key)] = len(s.pending)
	s.pending = append(s.pending, rec)
}

// send produces what was kept back.
func (s *sinkSession) send(ctx context.Context) error {
	for _, rec := range s.pending {
		s.client.Produce(ctx, rec, s.answered) // waits while too much is under way
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	clear(s.pending)
	clear(s.byKey)
	s.pending, s.bytes = s.pending[:0], 0
	return s.failure()
}

// record encodes one row; without a value it removes its key.
func (s *sinkSession) record(b *zset.Batch, row int, remove bool) (*kgo.Record, error) {
	rec := s.newRecord()
	var err error
	if s.keys != nil {
		if rec.Key, err = s.encode(s.keys, b, row); err != nil {
			return nil, err
		}
	}
	if !remove {
		rec.Value, err = s.encode(s.values, b, row)
	}
	return rec, err
}

// newRecord takes a record from a chunk of them.
func (s *sinkSession) newRecord() *kgo.Record {
	if len(s.records) == 0 {
		s.records = make([]kgo.Record, 256)
	}
	rec := &s.records[0]
	s.records = s.records[1:]
	rec.Topic = s.sink.opts.Topic
	return rec
}

// arenaBytes is the size of the chunks that records' bytes lie in; they live as
// long as any record in them.
const arenaBytes = 64 << 10

func (s *sinkSession) encode(e *json.Encoder, b *zset.Batch, row int) ([]byte, error) {
	if cap(s.arena)-len(s.arena) < 1024 {
		s.arena = make([]byte, 0, arenaBytes)
	}
	start := len(s.arena)
	out, err := e.Append(s.arena, b.Cols, row)
	if err != nil {
		return nil, err
	}
	s.arena = out
	return out[start:len(out):len(out)], nil
}

// Close ends the session. A transaction that is open is aborted, so that those
// who read committed records need not wait for its timeout.
func (s *sinkSession) Close() {
	if s.open {
		ctx, cancel := context.WithTimeout(context.Background(), abortTimeout)
		defer cancel()
		if err := s.client.AbortBufferedRecords(ctx); err == nil {
			_ = s.client.EndTransaction(ctx, kgo.TryAbort) // the next session does it otherwise
		}
		s.open = false
	}
	s.client.Close()
}
