package dataflow

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/storage"
)

// Options are the bounds and seams of a Runtime. Zero values choose the
// defaults.
type Options struct {
	CutRows     int // rows of an epoch, over all streams, at most (64k)
	CutBytes    int // bytes of an epoch (16 MiB)
	QueueBytes  int // bytes that wait in front of the loop, per reader (32 MiB)
	PieceRows   int // rows of all backfills in an epoch that has live input (32k); without, they have CutRows
	PieceBytes  int // bytes of one backfill's piece (16 MiB)
	KeepBytes   int // shared batches kept for one view that is about to attach (64 MiB)
	SubscrBytes int // deltas that wait for one subscriber (16 MiB)

	// ViewTime and ViewBytes are a view's share of an epoch: one that computes longer
	// or makes more deltas is detached (1 s, 256 MiB).
	ViewTime  time.Duration
	ViewBytes int

	// EpochTarget is how long an epoch shall compute at most (250 ms): when one took
	// longer, the next ones take fewer rows.
	EpochTarget time.Duration

	AskTimeout time.Duration // for questions to a source outside of the loop (5 s)
	RetryMin   time.Duration // first and longest pause before a commit is tried again (50 ms, 2 s)
	RetryMax   time.Duration
	RetryFor   time.Duration // then Run gives up, unless the store wants resources: a full disk (30 s)

	Now       func() time.Time                       // time.Now
	Build     func(*Node) (operator.Operator, error) // BuildOperator
	Log       *slog.Logger                           // discarded
	Held      func()                                 // called by the loop when it holds a view whose rows are damaged; it must not wait
	FailPoint func(name string)                      // called at cut, computed, before-commit, after-commit, published, named, attach, detach
}

func (o Options) withDefaults() Options {
	ints := []struct {
		p *int
		d int
	}{
		{&o.CutRows, 64 << 10}, {&o.CutBytes, 16 << 20}, {&o.QueueBytes, 32 << 20},
		{&o.PieceRows, 32 << 10}, {&o.PieceBytes, 16 << 20}, {&o.KeepBytes, 64 << 20}, {&o.SubscrBytes, 16 << 20}, {&o.ViewBytes, 256 << 20},
	}
	for _, x := range ints {
		if *x.p <= 0 {
			*x.p = x.d
		}
	}
	for _, x := range []struct {
		p *time.Duration
		d time.Duration
	}{{&o.EpochTarget, 250 * time.Millisecond}, {&o.ViewTime, time.Second}, {&o.AskTimeout, 5 * time.Second}, {&o.RetryMin, 50 * time.Millisecond}, {&o.RetryMax, 2 * time.Second}, {&o.RetryFor, 30 * time.Second}} {
		if *x.p <= 0 {
			*x.p = x.d
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Build == nil {
		o.Build = BuildOperator
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Held == nil {
		o.Held = func() {}
	}
	if o.FailPoint == nil {
		o.FailPoint = func(string) {}
	}
	return o
}

// topology is which relations exist. A command that changes it works on a copy
// that replaces the former one when the epoch is durable.
type topology struct {
	streams     map[RelationID]*stream
	streamOrder []*stream // in order of creation: the order of an epoch's input
	views       map[RelationID]*view
	order       []*view      // topological
	purge       []RelationID // dropped or held, and their error rows are yet to go
	// bases are the former rows of rebuilt views with which readers are compared.
	bases []storage.Arrangement
}

func (t *topology) clone() topology {
	return topology{maps.Clone(t.streams), slices.Clone(t.streamOrder), maps.Clone(t.views), slices.Clone(t.order), slices.Clone(t.purge), slices.Clone(t.bases)}
}

// link derives who reads what.
func (t *topology) link() {
	for _, s := range t.streamOrder {
		s.inputs = nil
	}
	for _, v := range t.order {
		v.dependents = nil
	}
	for _, v := range t.order {
		for _, in := range v.inputs {
			switch {
			case in.stream != nil:
				in.stream.inputs = append(in.stream.inputs, in)
			case in.from != v:
				in.from.dependents = append(in.from.dependents, v)
			}
		}
	}
}

// Runtime runs the views over their inputs. New makes one; Run is its life.
type Runtime struct {
	store Store
	opts  Options

	requests   chan *request
	waiting    atomic.Int64  // commands on their way
	wake       chan struct{} // capacity 1
	ended      chan struct{} // closed when Run has returned
	goroutines sync.WaitGroup
	ctx        context.Context // of the goroutines that Run starts

	// The loop's own.
	topology
	heldBack     *request // received, and served next
	restored     bool
	saved        *savedPositions // of the store's epoch, until Restore
	errors       errorCounts     // as of the last epoch
	failing      time.Time       // since when commits fail; zero: they do not
	dirty        bool            // the positions blob is to be written
	viewsChanged bool
	viewTable    *viewTable
	learned      atomic.Bool // a reader has said what it reads; any goroutine sets it
	unsaved      bool        // something is to be committed that cannot wait for input
	pace         pace
	needsChanged bool    // what views need of the shared readers may have changed
	listed       bool    // busy and notables are up to date
	busy         []*view // live, but not yet ready or attached
	notables     []*view // busy or quarantined: those that the positions blob names
	timed        []*view // live, with timers
	judges       []*view // leave late rows out
	reattached   []*view // with a sink; to be told when that is published
	tellHeld     bool    // a view is held; to be told when that is published
	epoch        epochWork

	mu     sync.Mutex
	pub    *published
	next   *published // of the commit under way
	notify chan struct{}
	stats  Stats
	ends   map[RelationID]connector.Positions
	known  map[RelationID]*stream // installed streams, for Do's questions
}

// New returns a Runtime over the store's last epoch. It reads the positions
// blob; XX001 if that is damaged or of another version.
func New(store Store, opts Options) (*Runtime, error) {
	opts = opts.withDefaults()
	r := &Runtime{
		store:    patientStore{store, opts.RetryMin, opts.Log},
		opts:     opts,
		requests: make(chan *request),
		wake:     make(chan struct{}, 1),
		ended:    make(chan struct{}),
		topology: topology{streams: map[RelationID]*stream{}, views: map[RelationID]*view{}},
		ends:     map[RelationID]connector.Positions{},
		known:    map[RelationID]*stream{},
		pace:     newPace(opts.EpochTarget, opts.CutRows),
	}
	saved, err := decodePositions(store.Positions())
	if err != nil {
		return nil, err
	}
	r.saved = saved
	r.restored = len(saved.streams)+len(saved.views)+len(saved.purge) == 0 && !saved.written
	if err := r.loadErrorCounts(); err != nil {
		return nil, fmt.Errorf("dataflow: count error rows: %w", err)
	}
	r.pub = r.publishStatus(store.Epoch(), store.Clock())
	r.pub.errors = r.errors
	return r, nil
}

func (r *Runtime) wakeUp() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run is the epoch loop. It returns nil when ctx ends, after the epoch under
// way and all readers have ended, and an error when the store broke or an
// invariant did: then the process must end and recover. It may be called once.
func (r *Runtime) Run(ctx context.Context) (err error) {
	inner, cancel := context.WithCancel(ctx)
	r.ctx = inner
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("dataflow: panic in epoch %d: %v\n%s", r.store.Epoch()+1, p, debug.Stack())
		}
		cancel()
		r.goroutines.Wait()
		r.endSubscriptions()
		close(r.ended)
	}()
	return r.loop(ctx)
}

func (r *Runtime) loop(ctx context.Context) error {
	for ctx.Err() == nil {
		group := r.nextRequests(ctx)
		if err := r.serve(ctx, group); err != nil {
			finishAll(group, 0, unresolved(err))
			return err
		}
		// Readers must decode what new views need before their rows are cut.
		r.settle()
		if len(group) > 0 {
			r.publishSettled()
			finishAll(group, r.pub.epoch, nil)
		}
		if r.work() {
			if err := r.inputEpoch(ctx); err != nil {
				return err
			}
			r.settle()
		}
		r.publishSettled()
	}
	return nil
}

// largestGroup is how many commands may share an epoch.
const largestGroup = 256

// nextRequests returns the requests to serve now: one, or those that wait and may
// share an epoch, in their order. They have come while the former epoch was
// being committed.
func (r *Runtime) nextRequests(ctx context.Context) (group []*request) {
	q := r.heldBack
	if r.heldBack = nil; q == nil {
		q = r.nextRequest(ctx)
	}
	if q == nil {
		return nil
	}
	group = append(group, q)
	for q.shares() && len(group) < largestGroup {
		select {
		case q = <-r.requests:
		default:
			return group
		}
		if !q.shares() {
			r.heldBack = q
			return group
		}
		group = append(group, q)
	}
	return group
}

// nextRequest returns the next request, nil if there is none. A request that waits goes first, the input has
// its turn after it; with nothing to do it waits.
func (r *Runtime) nextRequest(ctx context.Context) *request {
	if r.work() {
		select {
		case q := <-r.requests:
			return q
		default:
			return nil
		}
	}
	var due <-chan time.Time
	if wait, ok := r.nextTimer(); ok {
		sleep := time.NewTimer(wait)
		defer sleep.Stop()
		due = sleep.C
	}
	select {
	case q := <-r.requests:
		return q
	case <-r.wake:
	case <-due:
	case <-ctx.Done():
	}
	return nil
}

// work says whether there is something for an epoch besides commands.
func (r *Runtime) work() bool {
	if !r.restored {
		return false
	}
	if len(r.purge) > 0 || r.unsaved {
		return true
	}
	for _, s := range r.streamOrder {
		if s.reader != nil {
			if n, _, _ := s.reader.queue.size(); n > 0 {
				return true
			}
		}
	}
	r.list()
	for _, v := range r.busy {
		if v.behind {
			return true
		}
		for _, in := range v.inputs {
			if in.work() {
				return true
			}
		}
	}
	return r.timersDue() || r.watermarksMove()
}

// serve runs requests between two epochs; their err is the outcome. The error is
// the loop's end.
func (r *Runtime) serve(ctx context.Context, group []*request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			finishAll(group, 0, sqlerr.New(sqlerr.InternalError, "panic in the dataflow runtime: %v", p))
			panic(p)
		}
	}()
	if len(group) == 0 {
		return nil
	}
	q := group[0]
	switch {
	case q.inspect != nil:
		q.err = q.inspect()
	case q.cmd.Restore:
		q.err = r.restore(q)
	case !r.restored:
		q.err = sqlerr.New(sqlerr.CannotConnectNow, "the database system is starting up")
	default:
		return r.commandEpochs(ctx, group)
	}
	return nil
}

// stateChanged notes that views have other states: they are to be published and
// committed, and the lists of views that need attention are made again.
func (r *Runtime) stateChanged() {
	r.viewsChanged, r.needsChanged, r.dirty, r.listed = true, true, true, false
}

// list makes the lists of views that need attention, so that an epoch does not
// visit those that are ready and idle.
func (r *Runtime) list() {
	if r.listed {
		return
	}
	r.busy, r.notables, r.timed, r.judges = nil, nil, nil, nil
	for _, v := range r.order {
		if v.live() && v.timed() {
			r.timed = append(r.timed, v)
		}
		if v.leavesLate() {
			r.judges = append(r.judges, v)
		}
		if v.notable() {
			r.notables = append(r.notables, v)
			if v.live() {
				r.busy = append(r.busy, v)
			}
		}
	}
	r.listed = true
}

// publishSettled shows what changed between two epochs: states and readers.
func (r *Runtime) publishSettled() {
	if !r.viewsChanged {
		return
	}
	r.publish(r.publishStatus(r.pub.epoch, r.pub.clock))
	for _, v := range r.reattached {
		v.spec.Committed(r.pub.epoch) // its sink has waited to write
	}
	r.reattached = nil
}

// publish makes p visible and wakes everybody who waits.
func (r *Runtime) publish(p *published) {
	r.mu.Lock()
	r.pub, r.next = p, nil
	notify := r.notify
	r.notify = nil
	r.mu.Unlock()
	if notify != nil {
		close(notify)
	}
	if r.tellHeld {
		r.tellHeld = false
		r.opts.Held()
	}
}
