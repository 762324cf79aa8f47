package kafka

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// Source is one topic. Its methods may be called from several goroutines.
type Source struct {
	opts    Options
	refresh time.Duration
	client  *kgo.Client // for questions; every reader has its own, because one long poll delays what comes after it on a connection

	mu    sync.Mutex
	topic string // the topic's id once it is known
}

var _ connector.Source = (*Source)(nil)

// Open opens a source. It does not wait for the cluster: a broker that is down
// is a state of the readers, not an error.
func Open(_ context.Context, opts Options) (connector.Source, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	cl, err := newClient(opts.Brokers, opts.Embedded)
	if err != nil {
		return nil, sqlerr.Wrap(err, sqlerr.InvalidParameterValue, "could not open brokers \"%s\": %s", strings.Join(opts.Brokers, ","), err)
	}
	return &Source{opts: opts, client: cl, topic: opts.TopicID, refresh: refreshEvery}, nil
}

// Close ends the client. Readers end by their contexts.
func (s *Source) Close() error {
	s.client.Close()
	return nil
}

// adopt compares a topic's id with the one that positions belong to and takes
// the first it sees.
func (s *Source) adopt(id string) (known string, same bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.topic == "" {
		s.topic = id
	}
	return s.topic, s.topic == id || id == ""
}

// describe asks for the topic and refuses one that was created again.
func (s *Source) describe(ctx context.Context, cl *kgo.Client) (*layout, error) {
	l, err := describe(ctx, cl, s.opts.Topic)
	if err != nil {
		return nil, err
	}
	if known, same := s.adopt(l.id); !same {
		return nil, &recreatedError{topic: s.opts.Topic, known: known, found: l.id}
	}
	return l, nil
}

// recreatedError says that the topic is not the one that positions belong to.
type recreatedError struct{ topic, known, found string }

func (e *recreatedError) Error() string {
	return "topic \"" + e.topic + "\" was deleted and created again (its id is " + e.found + ", it was " + e.known + "): offsets mean other records now"
}

// Ends returns the positions after the last record that can be read now: up to
// the first open transaction unless the isolation is read_uncommitted.
func (s *Source) Ends(ctx context.Context) (connector.Positions, error) {
	l, err := s.describe(ctx, s.client)
	if err != nil {
		return nil, s.error(err)
	}
	ends, err := allOffsets(ctx, s.client, s.opts.Topic, l, listLatest, !s.opts.ReadUncommitted)
	return ends, s.error(err)
}

// Starts returns the positions at which reading begins by the start option. A
// timestamp after the last record means the end, an offset before the first
// one or after the last one means that one.
func (s *Source) Starts(ctx context.Context) (connector.Positions, error) {
	l, err := s.describe(ctx, s.client)
	if err != nil {
		return nil, s.error(err)
	}
	starts, err := startPositions(ctx, s.client, &s.opts, l, s.opts.Start)
	return starts, s.error(err)
}

// Oldest returns each partition's log start: what retention or DeleteRecords
// has left.
func (s *Source) Oldest(ctx context.Context) (connector.Positions, error) {
	l, err := s.describe(ctx, s.client)
	if err != nil {
		return nil, s.error(err)
	}
	oldest, err := allOffsets(ctx, s.client, s.opts.Topic, l, listEarliest, false)
	return oldest, s.error(err)
}

func (s *Source) error(err error) error {
	var again *recreatedError
	if errors.As(err, &again) {
		return sqlerr.Wrap(err, sqlerr.ObjectNotInPrerequisiteState, "%s", err)
	}
	return clientError(err, &s.opts)
}

// startPositions resolves a start for all partitions of a layout.
func startPositions(ctx context.Context, cl *kgo.Client, o *Options, l *layout, start Start) (connector.Positions, error) {
	earliest, err := allOffsets(ctx, cl, o.Topic, l, listEarliest, false)
	if err != nil || start.At == StartEarliest {
		return earliest, err
	}
	ends, err := allOffsets(ctx, cl, o.Topic, l, listLatest, !o.ReadUncommitted)
	if err != nil || start.At == StartLatest {
		return ends, err
	}
	if start.At == StartOffsets {
		for p := range earliest {
			if at, ok := start.Offsets[int32(p)]; ok {
				earliest[p] = min(max(at, earliest[p]), max(ends[p], earliest[p]))
			}
		}
		return earliest, nil
	}
	at, err := allOffsets(ctx, cl, o.Topic, l, start.Millis, !o.ReadUncommitted)
	if err != nil {
		return nil, err
	}
	for p := range at {
		if at[p] < 0 {
			at[p] = ends[p]
		}
	}
	return at, nil
}

// NewReader returns a reader of its own connections; status may be nil.
func (s *Source) NewReader(need []bool, status func(connector.State)) (connector.Reader, error) {
	return s.newReader(need, status)
}

func (s *Source) newReader(need []bool, status func(connector.State)) (*Reader, error) {
	if _, err := newRows(&s.opts, need, 0, nil); err != nil {
		return nil, err
	}
	return &Reader{source: s, need: need, state: newStates(status)}, nil
}

// sampleTimeout bounds how long CREATE STREAM waits for a sample.
const sampleTimeout = 3 * time.Second

// Sample reads up to n records of the first partition that has some.
func (s *Source) Sample(ctx context.Context, n int) (*connector.Sample, error) {
	starts, err := s.Starts(ctx)
	if err != nil {
		return nil, err
	}
	ends, err := s.Ends(ctx)
	if err != nil {
		return nil, err
	}
	out := &connector.Sample{Starts: starts, Ends: ends}
	out.Incarnation, _ = s.adopt("")
	until := make(connector.Positions, len(ends))
	for p := range ends {
		if until[p] = -1; starts.At(int32(p)) < ends[p] && n > 0 {
			until[p] = min(ends[p], starts.At(int32(p))+int64(n))
			until = until[:p+1]
			break
		}
	}
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	reader, err := s.newReader(nil, nil)
	if err != nil {
		return nil, err
	}
	reader.lacks = func(columns []string, records int) {
		if records > 0 {
			out.Missing, out.Without = columns, records
		}
	}
	err = reader.Run(ctx, starts, until, func(_ context.Context, b *connector.Batch) error {
		s.sampleBatch(out, b)
		return nil
	})
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil // no sample in time is no reason to fail
	}
	return out, err
}

func (s *Source) sampleBatch(out *connector.Sample, b *connector.Batch) {
	bad := func(err error) {
		out.Bad++
		if out.Err == nil {
			out.Err = err
		}
	}
	for i := range b.Rows.N {
		if s.opts.Envelope == envelopeUpsert {
			if err := changeError(b.Rows, i); err != nil {
				bad(err)
				continue
			}
		}
		if out.Good++; out.Record == "" {
			out.Record = rowText(s.opts.Columns, b, i)
		}
	}
	if e := b.Errors; e != nil {
		for i := range e.N {
			bad(sqlerr.New(string(e.Cols[5].Bytes(i)), "%s", e.Cols[6].Bytes(i)))
		}
	}
}

// maxSampleValue is how many bytes of a value a sample shows.
const maxSampleValue = 60

// rowText prints a row of a batch.
func rowText(columns []connector.Column, b *connector.Batch, row int) string {
	var sb strings.Builder
	for i := range columns {
		if i > 0 {
			sb.WriteString(", ")
		}
		sb.WriteString(columns[i].Name + "=")
		v := &b.Rows.Cols[i]
		if v.IsNull(row) {
			sb.WriteString("NULL")
			continue
		}
		text := []rune(string(types.AppendText(nil, v.Type, v.Datum(row), nil)))
		if len(text) > maxSampleValue {
			text = append(text[:maxSampleValue], []rune("...")...)
		}
		sb.WriteString(string(text))
	}
	return sb.String()
}
