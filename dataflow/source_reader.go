package dataflow

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/streamdb/streamdb/connector"
)

// reader is a running connector.Reader and its queue. The goroutine belongs to
// the Runtime, which waits for it.
type reader struct {
	queue  *queue
	until  connector.Positions // nil: it never ends
	cancel context.CancelFunc
	done   chan struct{} // closed when the goroutine has ended
	learn  func()        // told that the state names what is read
	times  int           // the column of event times whose range is noted, -1: none

	mu       sync.Mutex
	source   connector.Reader // nil: it has not begun
	state    connector.State
	finished bool
	err      error
}

// startReader begins to read. A former reader of the same stream is waited for
// in the new goroutine, so that the loop is not held up by a slow stop.
func (r *Runtime) startReader(src connector.Source, need []bool, times int, from, until connector.Positions, former *reader) *reader {
	ctx, cancel := context.WithCancel(r.ctx)
	rd := &reader{
		queue:  &queue{limit: r.opts.QueueBytes, wake: r.wakeUp},
		until:  until,
		cancel: cancel,
		done:   make(chan struct{}),
		times:  times,
		learn:  func() { r.learned.Store(true); r.wakeUp() },
		state:  connector.State{Name: StateRunning},
	}
	r.goroutines.Add(1)
	go func() {
		defer r.goroutines.Done()
		defer cancel()
		defer close(rd.done)
		if former != nil {
			<-former.done
		}
		if ctx.Err() == nil {
			rd.end(ctx, rd.run(ctx, src, need, from.Clone()))
			r.wakeUp()
		}
	}()
	return rd
}

func (rd *reader) run(ctx context.Context, src connector.Source, need []bool, from connector.Positions) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in the source's reader: %v\n%s", p, debug.Stack())
		}
	}()
	cr, err := src.NewReader(need, rd.setState)
	if err != nil {
		return err
	}
	rd.mu.Lock()
	rd.source = cr
	rd.mu.Unlock()
	return cr.Run(ctx, from, rd.until, rd.push)
}

// caughtUp returns what the source says of the ends of its partitions.
func (rd *reader) caughtUp() []connector.CaughtUp {
	rd.mu.Lock()
	source := rd.source
	rd.mu.Unlock()
	if source == nil {
		return nil
	}
	return source.CaughtUp()
}

// push hands a batch to the queue. Where the reader has an end, nothing behind
// it enters: it is the shared reader's (partitions that the end does not name
// are wholly the shared reader's).
func (rd *reader) push(ctx context.Context, b *connector.Batch) error {
	if rd.until != nil && b.First >= rd.until.At(b.Partition) {
		return nil
	}
	if rd.times >= 0 {
		eventTimes(b, rd.times)
	}
	return rd.queue.push(ctx, b)
}

func (rd *reader) setState(s connector.State) {
	rd.mu.Lock()
	fresh := s.Incarnation != "" && s.Incarnation != rd.state.Incarnation
	rd.state = s
	rd.mu.Unlock()
	if fresh {
		rd.learn()
	}
}

// end records how the reader ended. An error of a cancelled reader says
// nothing; a reader without an end that returned is a failure, too.
func (rd *reader) end(ctx context.Context, err error) {
	rd.mu.Lock()
	defer rd.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	if err == nil && rd.until == nil {
		err = fmt.Errorf("the source ended unexpectedly")
	}
	rd.finished, rd.err = true, err
	if err != nil {
		rd.state = connector.State{Name: StateFailed, Reason: err.Error()}
	}
}

// ended says whether the reader has delivered all that it will.
func (rd *reader) ended() (bool, error) {
	rd.mu.Lock()
	defer rd.mu.Unlock()
	return rd.finished, rd.err
}

func (rd *reader) status() connector.State {
	rd.mu.Lock()
	defer rd.mu.Unlock()
	return rd.state
}

// stop ends the reader without waiting for it; what it has queued is dropped.
func (rd *reader) stop() {
	rd.cancel()
	rd.queue.close()
}
