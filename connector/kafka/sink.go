package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
)

// Timeouts of a sink.
const (
	// transactionTimeout is after what time the cluster ends a transaction whose
	// writer is gone; until then nobody who reads committed records gets past it.
	// A writer that comes back ends it at once.
	transactionTimeout = 2 * time.Minute
	// stallTimeout is how long a session waits for the next answer.
	stallTimeout = 10 * time.Second
	// takeoverTimeout is how long the beginning of a session waits for the end
	// of what earlier ones have left, before it says so and tries again.
	takeoverTimeout = 15 * time.Second
	// abortTimeout bounds the attempt to end a transaction politely.
	abortTimeout = 2 * time.Second
)

// Sink writes to one topic. Everything between Begin and the end of a session
// is in Kafka transactions of the sink's own transactional id, each of which
// also writes how far it got to the progress topic (sink_progress.go). So a
// session that begins after a crash shuts its predecessor out, then reads what
// that has committed.
type Sink struct {
	opts   SinkOptions
	key    []int
	client *kgo.Client // for questions
}

var _ connector.Sink = (*Sink)(nil)

// OpenSink opens a sink. It does not wait for the cluster.
func OpenSink(opts SinkOptions) (*Sink, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	key, err := opts.keyColumns()
	if err != nil {
		return nil, err
	}
	cl, err := newClient(opts.Brokers, opts.Embedded)
	if err != nil {
		return nil, sqlerr.Wrap(err, sqlerr.InvalidParameterValue, "could not open brokers \"%s\": %s", strings.Join(opts.Brokers, ","), err)
	}
	return &Sink{opts: opts, key: key, client: cl}, nil
}

// Close ends the client.
func (s *Sink) Close() error {
	s.client.Close()
	return nil
}

// Prepare makes the topic if there is none; created says so.
func (s *Sink) Prepare(ctx context.Context) (partitions int, created bool, err error) {
	l, created, err := s.topic(ctx, true)
	if err != nil {
		return 0, false, s.error(err)
	}
	return len(l.partitions), created, nil
}

// topic describes the topic, making it if that is allowed and needed.
func (s *Sink) topic(ctx context.Context, mayCreate bool) (l *layout, created bool, err error) {
	l, err = describe(ctx, s.client, s.opts.Topic)
	if !errors.Is(err, errMissing) || !mayCreate {
		return l, false, err
	}
	if created, err = newTopic(ctx, s.client, s.opts.Topic, s.opts.Partitions, nil); err != nil {
		return nil, false, err
	}
	l, err = awaitTopic(ctx, s.client, s.opts.Topic)
	return l, created, err
}

// newTopic makes a topic with the cluster's replication factor. It is no
// error if somebody else was quicker.
func newTopic(ctx context.Context, cl *kgo.Client, topic string, partitions int32, configs map[string]string) (created bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req := kmsg.NewPtrCreateTopicsRequest()
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic, partitions, -1
	for name, value := range configs {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = name, kmsg.StringPtr(value)
		t.Configs = append(t.Configs, c)
	}
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return false, err
	}
	for i := range resp.Topics {
		switch err := kerr.ErrorForCode(resp.Topics[i].ErrorCode); {
		case errors.Is(err, kerr.TopicAlreadyExists):
			return false, nil
		case err != nil && resp.Topics[i].ErrorMessage != nil:
			return false, fmt.Errorf("create topic \"%s\": %w: %s", topic, err, *resp.Topics[i].ErrorMessage)
		case err != nil:
			return false, fmt.Errorf("create topic \"%s\": %w", topic, err)
		}
	}
	return true, nil
}

// awaitTopic waits until all partitions of a new topic have a leader.
func awaitTopic(ctx context.Context, cl *kgo.Client, topic string) (*layout, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	for {
		l, err := describe(ctx, cl, topic)
		if err != nil && !errors.Is(err, errMissing) {
			return nil, err
		}
		ready := err == nil && len(l.partitions) > 0
		for i := 0; ready && i < len(l.partitions); i++ {
			ready = l.partitions[i].leader >= 0
		}
		if ready {
			return l, nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, fmt.Errorf("topic \"%s\" does not get ready: %w", topic, ctx.Err())
		}
	}
}

// Begin opens a session.
func (s *Sink) Begin(ctx context.Context) (connector.SinkSession, connector.Mark, error) {
	session, at, err := s.begin(ctx)
	if err != nil {
		return nil, connector.Mark{}, s.error(err)
	}
	return session, at.mark(), nil
}

func (s *Sink) begin(ctx context.Context) (*sinkSession, progress, error) {
	// From here on an earlier session cannot write any more, and what it had
	// begun has been committed or aborted: only then its progress is final.
	cl, err := s.takeOver(ctx, s.opts.TransactionalID)
	if err != nil {
		return nil, progress{}, err
	}
	at, topic, err := s.recover(ctx)
	if err != nil {
		cl.Close()
		return nil, at, err
	}
	return newSinkSession(s, cl, topic), at, nil
}

// recover reads what earlier sessions have committed, and the id of the topic.
func (s *Sink) recover(ctx context.Context) (at progress, topic string, err error) {
	if at, err = s.progress(ctx); err != nil {
		return at, "", err
	}
	if at.Epoch > 0 {
		topic, err = s.known(ctx, at.TopicID)
		return at, topic, err
	}
	if s.opts.Replaces != "" {
		cl, err := s.takeOver(ctx, s.opts.Replaces)
		if err != nil {
			return at, "", err
		}
		cl.Close()
	}
	l, _, err := s.topic(ctx, true)
	if err != nil {
		return at, "", err
	}
	return at, l.id, nil
}

// Rebase writes a transaction without rows.
func (s *Sink) Rebase(ctx context.Context, at connector.Mark) error {
	cl, err := s.takeOver(ctx, s.opts.TransactionalID)
	if err != nil {
		return s.error(err)
	}
	topic, err := s.known(ctx, "")
	if err != nil {
		cl.Close()
		return s.error(err)
	}
	session := newSinkSession(s, cl, topic)
	defer session.Close()
	return session.Write(ctx, at, func(func(*zset.Batch) error) error { return nil })
}

// takeOver shuts out earlier sessions with a transactional id, ends their
// transaction, and returns a client that may write.
func (s *Sink) takeOver(ctx context.Context, id string) (*kgo.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, takeoverTimeout)
	defer cancel()
	if err := ensureProgress(ctx, s.client); err != nil {
		return nil, err
	}
	cl, err := s.producer(id)
	if err != nil {
		return nil, err
	}
	_, _, err = cl.ProducerID(ctx)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, kerr.ConcurrentTransactions) {
		err = fmt.Errorf("the transaction coordinator of \"%s\" is still ending a former transaction, or does not answer", id)
	}
	if err != nil {
		cl.Close()
		return nil, err
	}
	return cl, nil
}

// progress returns what earlier sessions have committed.
func (s *Sink) progress(ctx context.Context) (progress, error) {
	ctx, cancel := context.WithTimeout(ctx, takeoverTimeout)
	defer cancel()
	at, err := readProgress(ctx, s.client, &s.opts)
	if errors.Is(err, context.DeadlineExceeded) {
		return at, fmt.Errorf("topic \"%s\" cannot be read to its end", progressTopic)
	}
	return at, err
}

// known asks for the topic and its id, which must be the one given unless that
// is empty.
func (s *Sink) known(ctx context.Context, id string) (string, error) {
	l, err := describe(ctx, s.client, s.opts.Topic)
	if err == nil && id != "" && l.id != "" && id != l.id {
		err = fmt.Errorf("%w: topic \"%s\" was deleted and created again (its id is %s, it was %s)", connector.ErrDiverged, s.opts.Topic, l.id, id)
	}
	if err != nil {
		return "", err
	}
	return l.id, nil
}

// producer makes the client of a session.
func (s *Sink) producer(id string) (*kgo.Client, error) {
	return kgo.NewClient(append(reach(s.opts.Brokers, s.opts.Embedded),
		kgo.ClientID("streamdb"),
		kgo.DisableClientMetrics(),
		kgo.RequestRetries(10),
		kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond }),
		kgo.MetadataMinAge(50*time.Millisecond),
		kgo.TransactionalID(id),
		kgo.TransactionTimeout(transactionTimeout),
		kgo.RequiredAcks(kgo.AllISRAcks()),
	)...)
}

// error makes of a failure what streamdb.sinks says of it.
func (s *Sink) error(err error) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, connector.ErrDiverged):
		return err
	case errors.Is(err, errMissing), errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return sqlerr.Wrap(err, sqlerr.UndefinedObject, "topic \"%s\" does not exist", s.opts.Topic)
	case errors.Is(err, kerr.ProducerFenced), errors.Is(err, kerr.InvalidProducerEpoch):
		return sqlerr.Wrap(err, sqlerr.ObjectInUse, "another writer with the transactional id \"%s\" has taken over, or the transaction lasted too long: %s", s.opts.TransactionalID, err)
	}
	return sqlerr.Wrap(err, sqlerr.ExternalConnectionFailure, "could not write to topic \"%s\" at brokers \"%s\": %s", s.opts.Topic, strings.Join(s.opts.Brokers, ","), err)
}
