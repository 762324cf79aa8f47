package kafka

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow/zset"
)

// How often the cluster is asked for new partitions and the topic's id when
// nothing else makes the reader ask.
const refreshEvery = 5 * time.Second

// Back-off after failures: doubled each time between these.
const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 2 * time.Second
)

func backoff(failures int) time.Duration {
	return min(firstBackoff<<min(failures, 10), lastBackoff)
}

// Reader is one run over a source.
type Reader struct {
	source *Source
	need   []bool
	state  *states
	ends   caughtUp
	// lacks, if it is set, is told at a partition's end which columns none of its
	// first records has, and how many records these are.
	lacks func(columns []string, records int)
}

// run is what one call of Run works on.
type run struct {
	*Reader
	client  *kgo.Client
	from    connector.Positions
	until   connector.Positions
	bounded bool // until was given
	begun   bool // from has a position: partitions without one are new
	push    func(context.Context, *connector.Batch) error
	cancel  context.CancelCauseFunc
	kicked  chan struct{} // ask the cluster now
	workers sync.WaitGroup
	pushing sync.Mutex

	mu         sync.Mutex
	halted     bool // the topic is missing or another: nothing may be fetched
	topic      [16]byte
	partitions map[int32]*partition
	fetchers   map[int32]*fetcher
	remaining  int // partitions that have not reached until
}

var errFinished = errors.New("all positions reached")

// Run reads until ctx ends, push fails, or all positions of until are reached.
func (r *Reader) Run(ctx context.Context, from, until connector.Positions, push func(context.Context, *connector.Batch) error) error {
	if until != nil && from.Covers(until) {
		return nil
	}
	cl, err := newClient(r.source.opts.Brokers, r.source.opts.Embedded)
	if err != nil {
		return err
	}
	defer cl.Close()
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := &run{
		Reader: r, client: cl, from: from, until: until, bounded: until != nil, push: push, cancel: cancel,
		kicked: make(chan struct{}, 1), partitions: map[int32]*partition{}, fetchers: map[int32]*fetcher{},
	}
	for _, at := range from {
		w.begun = w.begun || at >= 0
	}
	for p, end := range until {
		if end > 0 && from.At(int32(p)) < end {
			w.remaining++
		}
	}
	w.coordinate(inner)
	w.workers.Wait()
	if err := context.Cause(inner); !errors.Is(err, errFinished) {
		return err
	}
	return nil
}

// kick makes the coordinator ask the cluster soon.
func (w *run) kick() {
	select {
	case w.kicked <- struct{}{}:
	default:
	}
}

// coordinate keeps partitions, leaders and the topic's id up to date until the
// run ends.
func (w *run) coordinate(ctx context.Context) {
	failures := 0
	for {
		wait := w.source.refresh
		err := w.refresh(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			w.state.stall(wholeTopic, w.reason(err))
			wait = backoff(failures)
			failures++
		} else {
			failures = 0
		}
		if !w.pause(ctx, wait, err == nil) {
			return
		}
	}
}

// pause waits; kicks end it after the shortest back-off. It returns false when
// the run ends.
func (w *run) pause(ctx context.Context, wait time.Duration, kicks bool) bool {
	kicked := w.kicked
	if !kicks {
		kicked = nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	case <-kicked:
	}
	timer.Reset(firstBackoff)
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (w *run) reason(err error) string {
	var again *recreatedError
	switch {
	case errors.As(err, &again):
		return err.Error()
	case errors.Is(err, errMissing):
		return "topic \"" + w.source.opts.Topic + "\" does not exist"
	}
	return fmt.Sprintf("brokers \"%s\" do not answer: %s", strings.Join(w.source.opts.Brokers, ","), err)
}

// refresh asks for the topic and applies what is new.
func (w *run) refresh(ctx context.Context) error {
	l, err := w.source.describe(ctx, w.client)
	var again *recreatedError
	if errors.Is(err, errMissing) || errors.As(err, &again) {
		w.mu.Lock()
		w.halted = true
		w.begun = w.begun || errors.Is(err, errMissing) // what appears now is new: read all of it
		w.mu.Unlock()
	}
	if err != nil {
		return err
	}
	if err := w.addPartitions(ctx, l); err != nil {
		return err
	}
	w.state.running(l.id) // before anything is read: what it is read from must be known
	w.place(ctx, l)
	return nil
}

// addPartitions makes partitions of those not known yet, with their positions.
func (w *run) addPartitions(ctx context.Context, l *layout) error {
	var fresh layout
	for _, at := range l.partitions {
		if w.partitions[at.partition] == nil && w.wanted(at.partition) {
			if w.from.At(at.partition) >= 0 {
				p, err := w.newPartition(at.partition, w.from.At(at.partition))
				if err != nil {
					return err
				}
				w.addPartition(p)
				continue
			}
			fresh.partitions = append(fresh.partitions, at)
		}
	}
	if len(fresh.partitions) == 0 {
		return nil
	}
	return w.addFresh(ctx, &fresh)
}

// addFresh makes partitions that have no position yet. Where there is nothing to
// read yet the position is delivered by itself: were it told with the first
// record only, a process that is started again after records have come and gone
// would not know that it has lost them.
func (w *run) addFresh(ctx context.Context, l *layout) error {
	start := w.source.opts.Start
	if w.begun {
		start = Start{}
	}
	at, err := startPositions(ctx, w.client, &w.source.opts, l, start)
	if err != nil {
		return err
	}
	ends, err := allOffsets(ctx, w.client, w.source.opts.Topic, l, listLatest, false)
	if err != nil {
		return err
	}
	for _, placed := range l.partitions {
		id := placed.partition
		p, err := w.newPartition(id, at.At(id))
		if err != nil {
			return err
		}
		if p.fresh = w.bounded || at.At(id) < ends.At(id); !p.fresh {
			err := w.deliver(ctx, &connector.Batch{Partition: id, First: p.next, Next: p.next, Rows: zset.NewBatch(p.rows.types, 0)})
			if err != nil {
				return err
			}
		}
		w.addPartition(p)
	}
	w.begun = true // partitions that come later are new
	return nil
}

func (w *run) wanted(partition int32) bool { return !w.bounded || w.until.At(partition) > 0 }

func (w *run) newPartition(id int32, at int64) (*partition, error) {
	p := &partition{run: w, id: id, next: at, until: -1, bad: -1, inflater: newInflater()}
	if w.bounded {
		p.until = w.until.At(id)
	}
	var err error
	if p.rows, err = newRows(&w.source.opts, w.need, id, w.absent); err != nil {
		return nil, err
	}
	p.rows.first = at
	return p, nil
}

func (w *run) addPartition(p *partition) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.partitions[p.id] = p
	w.state.clear(p.id)
	if p.until >= 0 && p.next >= p.until && w.from.At(p.id) < p.until {
		w.finish(p)
	} else {
		p.done = p.until >= 0 && p.next >= p.until
	}
}

// caught makes a panic of a worker, a bug or a record nobody thought of, the
// end of this run instead of the process's.
func (w *run) caught() {
	if p := recover(); p != nil {
		w.cancel(fmt.Errorf("panic while reading topic %q: %v\n%s", w.source.opts.Topic, p, debug.Stack()))
	}
}

// absent is told the columns that no record had.
func (w *run) absent(columns []string) {
	noun := "columns"
	if len(columns) == 1 {
		noun = "column"
	}
	w.state.warn(fmt.Sprintf("none of the first 1,000 records has the %s \"%s\"", noun, strings.Join(columns, "\", \"")))
}

// finish marks a partition that has reached its end; under w.mu.
func (w *run) finish(p *partition) {
	if p.done {
		return
	}
	p.done = true
	if w.lacks != nil {
		w.lacks(p.rows.decoder.Missing())
	}
	if w.remaining--; w.remaining == 0 {
		w.cancel(errFinished)
	}
}

// place puts every partition to the fetcher of its leader.
func (w *run) place(ctx context.Context, l *layout) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.halted = false
	w.topic = l.rawID
	for _, at := range l.partitions {
		p := w.partitions[at.partition]
		if p == nil {
			continue
		}
		p.leader, p.epoch = at.leader, at.epoch
		if at.leader < 0 {
			w.stall(p, "it has no leader")
			continue
		}
		f := w.fetchers[at.leader]
		if f == nil {
			f = newFetcher(w, at.leader)
			w.fetchers[at.leader] = f
			w.workers.Go(func() { defer w.caught(); f.fetch(ctx) })
			w.workers.Go(func() { defer w.caught(); f.decode(ctx) })
		}
		f.wake()
	}
	for p := range w.until {
		if w.bounded && w.wanted(int32(p)) && w.partitions[int32(p)] == nil {
			w.state.stall(int32(p), "it does not exist")
		}
	}
}

// stall notes that a partition does not advance; under w.mu.
func (w *run) stall(p *partition, reason string) {
	p.stalled = true
	w.state.stall(p.id, reason)
}

// deliver pushes one batch.
func (w *run) deliver(ctx context.Context, b *connector.Batch) error {
	w.pushing.Lock()
	defer w.pushing.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	err := w.push(ctx, b)
	if err != nil {
		w.cancel(err)
	}
	return err
}
