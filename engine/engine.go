package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/storage"
)

// ServerVersion is the PostgreSQL version that clients branch on.
const ServerVersion = "15.18"

// Options say how an engine is opened.
type Options struct {
	DataDir     string
	MemoryLimit int64  // bytes; the budget of storage, queues and queries together
	Sync        bool   // whether commits wait for the disk
	ResultStore string // "badger" (default) or "files"
	// EmbeddedBroker is the address that brokers = 'embedded' stands for, "" if
	// there is none.
	EmbeddedBroker string
	Version        string // of streamdb, for version()
	Database       string // name of the only database; default "streamdb"
	User           string // the superuser; default "streamdb"
	Log            *slog.Logger
	// Now is the clock: of the epochs, and of what statements mean by now().
	// time.Now if nil.
	Now func() time.Time
	// FailPoint is called at the named points of the epoch loop, for crash tests.
	FailPoint func(name string)
}

// Engine is an opened database.
type Engine struct {
	opts    Options
	store   *storage.Store
	runtime *dataflow.Runtime
	catalog atomic.Pointer[catalog.Catalog]
	sources *sources
	sinks   *sinks
	healer  *healer
	// timeline is fixed before the loop starts.
	timeline *timeline

	// written holds the epoch of each table's last change since the start; only
	// the epoch loop's goroutine uses it (Command.Prepare).
	written map[catalog.ID]uint64
	// together holds what the transactions of the epoch in the making have
	// written; used as written is.
	together map[catalog.ID]*epochWrites

	ddl  chan struct{} // capacity 1: who has put something in may commit a change of the catalog
	stop context.CancelFunc
	done chan struct{} // closed when the loop has ended
	err  error         // why it ended; read after done

	nextPID  atomic.Int32
	sessions atomic.Int64
	closing  sync.Once
}

// Open recovers the database in the data directory and starts its epoch loop.
// It returns when reads can be answered; sources connect in the background.
func Open(ctx context.Context, opts Options) (*Engine, error) {
	if opts.Database == "" {
		opts.Database = "streamdb"
	}
	if opts.User == "" {
		opts.User = "streamdb"
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	syncMode := storage.SyncOff
	if opts.Sync {
		syncMode = storage.SyncFull
	}
	healer := newHealer()
	store, err := storage.Open(ctx, storage.Options{
		Dir: opts.DataDir, MemoryLimit: opts.MemoryLimit / 2, Sync: syncMode, ResultStore: opts.ResultStore, Log: opts.Log, Damaged: healer.wakeUp,
	})
	if err != nil {
		return nil, fmt.Errorf("open storage in %s: %w", opts.DataDir, adviseCheck(err, opts.DataDir))
	}
	e := &Engine{opts: opts, store: store, done: make(chan struct{}), sources: newSources(), sinks: newSinks(), healer: healer, ddl: make(chan struct{}, 1), written: map[catalog.ID]uint64{}}
	if err := e.start(ctx); err != nil {
		return nil, errors.Join(adviseCheck(err, opts.DataDir), e.abandon())
	}
	return e, nil
}

// mostViewBytes is the most that a view may change in one epoch; with little memory
// it is a quarter of that.
const mostViewBytes = 256 << 20

// start loads the catalog, starts the loop and installs what the catalog holds.
func (e *Engine) start(ctx context.Context) error {
	cat, err := catalog.Load(e.store, systemObjects())
	if err != nil {
		return err
	}
	e.catalog.Store(cat)
	if e.timeline, err = loadTimeline(e.store); err != nil {
		return err
	}
	if err := e.timeline.begin(e.store, cat, e.opts); err != nil {
		return err
	}
	runtimeOptions := dataflow.Options{Log: e.opts.Log, Now: e.opts.Now, FailPoint: e.opts.FailPoint, Held: e.healer.wakeUp,
		ViewBytes: int(min(e.opts.MemoryLimit/4, mostViewBytes))}
	if e.runtime, err = dataflow.New(dataflow.OverStorage(e.store), runtimeOptions); err != nil {
		return err
	}
	loop, cancel := context.WithCancel(context.WithoutCancel(ctx))
	e.stop = cancel
	go func() {
		defer close(e.done)
		e.err = e.runtime.Run(loop)
	}()
	if err := e.restore(ctx); err != nil {
		return err
	}
	e.fireMissed(ctx)
	e.startHealing()
	return nil
}

// missedTimers bounds how long the start waits for timers that came due while the
// server was down.
const missedTimers = 10 * time.Second

// fireMissed lets an epoch fire them, so that the first read sees the views as of
// now. Without success the views are as of the last epoch, as during any epoch,
// until the loop has caught up.
func (e *Engine) fireMissed(ctx context.Context) {
	if !e.runtime.Timed() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, missedTimers)
	defer cancel()
	if _, err := e.runtime.Do(ctx, dataflow.Command{}); err != nil {
		e.opts.Log.Warn("timers that came due while the server was down have not fired yet", "err", err)
	}
}

// Done is closed when the epoch loop has ended: after Close, or because commit
// or apply broke. Err tells which.
func (e *Engine) Done() <-chan struct{} { return e.done }

// Err returns why the loop ended, nil after Close. It may be called after Done.
func (e *Engine) Err() error { return e.err }

// Close stops sources and loop and closes the store. What was acknowledged is
// durable. It is idempotent.
func (e *Engine) Close() error {
	var err error
	e.closing.Do(func() { err = e.abandon() })
	return err
}

func (e *Engine) abandon() error {
	e.healer.end() // it and the sinks use the loop
	err := e.sinks.close()
	if e.stop != nil {
		e.stop()
		<-e.done
	}
	return errors.Join(err, e.err, e.sources.close(), e.store.Close())
}

// Stats returns the counters of the epoch loop and of the store.
func (e *Engine) Stats() (dataflow.Stats, storage.Stats) { return e.runtime.Stats(), e.store.Stats() }

// EpochBuckets returns the upper bounds of the histogram in dataflow.Stats.
func EpochBuckets() []time.Duration { return dataflow.EpochBuckets() }

// Epoch returns the last published epoch.
func (e *Engine) Epoch() uint64 { return e.runtime.Epoch() }

// Sources returns the state of all streams.
func (e *Engine) Sources() []dataflow.SourceStatus { return e.runtime.Sources() }

// Views returns the state of all materialized views, tables and indexes.
func (e *Engine) Views() []dataflow.ViewStatus { return e.runtime.Views() }
