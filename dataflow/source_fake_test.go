package dataflow

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
)

// record is a record of a fake topic: (k, v), or one that does not decode.
type record struct {
	k, v int64
	bad  bool
}

// fakeTopic is a topic in memory; an offset is an index.
type fakeTopic struct {
	maxBatch int // records of a batch, a random number up to it

	mu       sync.Mutex
	parts    [][]record
	starts   connector.Positions
	oldest   connector.Positions // records before were deleted; nil: none
	changed  chan struct{}
	compacts bool
	rng      *rand.Rand
	down     bool  // Ends fails
	broken   error // readers end with it
	readers  int   // NewReader calls
	running  int
	needs    [][]bool
	caught   []connector.CaughtUp
}

func newFakeTopic(seed uint64, partitions, maxBatch int) *fakeTopic {
	return &fakeTopic{
		maxBatch: maxBatch, parts: make([][]record, partitions), starts: make(connector.Positions, partitions),
		changed: make(chan struct{}), rng: rand.New(rand.NewPCG(seed, 7)),
	}
}

func topicTypes() []types.Type { return []types.Type{types.Int8, types.Int8} }

// produce appends a record to a partition.
func (f *fakeTopic) produce(partition int, rs ...record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.parts[partition] = append(f.parts[partition], rs...)
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakeTopic) setDown(down bool) {
	f.mu.Lock()
	f.down = down
	f.mu.Unlock()
}

func (f *fakeTopic) Ends(context.Context) (connector.Positions, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return nil, errors.New("no broker")
	}
	return f.ends(), nil
}

func (f *fakeTopic) ends() connector.Positions {
	var p connector.Positions
	for i := range f.parts {
		p = p.Set(int32(i), int64(len(f.parts[i])))
	}
	return p
}

func (f *fakeTopic) Starts(context.Context) (connector.Positions, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.starts.Clone(), nil
}

// Oldest is the start unless the test has deleted records (trim).
func (f *fakeTopic) Oldest(context.Context) (connector.Positions, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return nil, errors.New("no broker")
	}
	return f.oldest.Clone(), nil
}

func (f *fakeTopic) Compacts(context.Context) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.compacts, nil
}

func (f *fakeTopic) setCompacts(compacts bool) {
	f.mu.Lock()
	f.compacts = compacts
	f.mu.Unlock()
}

// trim deletes the records before the positions, as retention does.
func (f *fakeTopic) trim(oldest connector.Positions) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.oldest = oldest
}

func (f *fakeTopic) Sample(context.Context, int) (*connector.Sample, error) { return nil, nil }
func (f *fakeTopic) Close() error                                           { return nil }

func (f *fakeTopic) NewReader(need []bool, status func(connector.State)) (connector.Reader, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.readers++
	f.needs = append(f.needs, need)
	status(connector.State{Name: StateRunning})
	return &fakeReader{f, need}, nil
}

type fakeReader struct {
	topic *fakeTopic
	need  []bool
}

// CaughtUp says what the test has set (fakeTopic.caught).
func (r *fakeReader) CaughtUp() []connector.CaughtUp {
	r.topic.mu.Lock()
	defer r.topic.mu.Unlock()
	return slices.Clone(r.topic.caught)
}

// Run delivers batches of random length, partition after partition.
func (r *fakeReader) Run(ctx context.Context, from, until connector.Positions, push func(context.Context, *connector.Batch) error) error {
	f := r.topic
	f.mu.Lock()
	f.running++
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.running--
		f.mu.Unlock()
	}()
	if f.broken != nil {
		return f.broken
	}
	at := from.Clone()
	for i := range f.parts {
		if at.At(int32(i)) < 0 {
			at = at.Set(int32(i), f.starts.At(int32(i)))
		}
	}
	for ctx.Err() == nil {
		if until != nil && at.Covers(until) {
			return nil
		}
		batches, changed := r.fetch(at, until)
		for _, b := range batches {
			if err := push(ctx, b); err != nil {
				return err
			}
			at = at.Set(b.Partition, b.Next)
		}
		if len(batches) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

func (r *fakeReader) fetch(at, until connector.Positions) ([]*connector.Batch, <-chan struct{}) {
	f := r.topic
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []*connector.Batch
	for p := range f.parts {
		from, to := at[p], int64(len(f.parts[p]))
		if until != nil {
			to = min(to, until.At(int32(p)))
		}
		if from >= to || from < f.oldest.At(int32(p)) { // nothing new, or what is asked for was deleted
			continue
		}
		to = min(to, from+1+f.rng.Int64N(int64(f.maxBatch)))
		out = append(out, r.batch(int32(p), from, f.parts[p][from:to]))
	}
	return out, f.changed
}

func (r *fakeReader) batch(partition int32, first int64, rs []record) *connector.Batch {
	b := &connector.Batch{Partition: partition, First: first, Next: first + int64(len(rs)), Bytes: 32 * len(rs), Produced: first + 1}
	rows := &zset.Batch{Cols: make([]zset.Vector, 2)}
	for c := range rows.Cols {
		rows.Cols[c].Type = types.Int8
	}
	for i, rec := range rs {
		if rec.bad {
			if b.Errors == nil {
				b.Errors = zset.NewBatch(operator.ErrorSchema(), 1)
			}
			b.Errors.AppendDatums([]types.Datum{
				{Int: int64(partition)}, {Int: first + int64(i)}, {Null: true}, {Null: true},
				{Bytes: []byte("junk")}, {Bytes: []byte("22P02")}, {Bytes: []byte("bad record")},
			}, 1)
			continue
		}
		for c, x := range []int64{rec.k, rec.v} {
			if r.need == nil || r.need[c] {
				rows.Cols[c].Int = append(rows.Cols[c].Int, x)
			}
		}
		rows.N++
	}
	b.Rows = rows
	return b
}

// gatedTopic's readers begin when the gate opens.
type gatedTopic struct {
	*fakeTopic
	gate chan struct{}
}

func (g *gatedTopic) NewReader(need []bool, status func(connector.State)) (connector.Reader, error) {
	r, err := g.fakeTopic.NewReader(need, status)
	return &gatedReader{r, g.gate}, err
}

type gatedReader struct {
	connector.Reader
	gate chan struct{}
}

func (g *gatedReader) Run(ctx context.Context, from, until connector.Positions, push func(context.Context, *connector.Batch) error) error {
	select {
	case <-g.gate:
	case <-ctx.Done():
		return ctx.Err()
	}
	return g.Reader.Run(ctx, from, until, push)
}
