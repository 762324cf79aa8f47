package dataflow

import (
	"context"
	"errors"
	"sync"

	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// Subscription gives a relation's rows at one epoch and every change after it.
type Subscription struct {
	runtime *Runtime
	rel     RelationID
	start   *Snapshot

	mu        sync.Mutex
	queue     []Change
	bytes     int
	last      uint64 // the epoch up to which Next has told
	holds     bool   // the view is detached: nothing is told until it is ready again
	held      operator.Delta
	heldBytes int
	err       error // why there is no more; told after what is queued
	signal    chan struct{}
}

// Change is what one epoch changes. Rows is nil when Next only tells progress:
// nothing has changed up to and including Epoch.
type Change struct {
	Epoch uint64
	Rows  operator.Delta
}

// Subscribe pins the last epoch and collects all later changes of a view or
// table; of a view that is detached it begins when the view is ready again. At most
// Options.SubscrBytes wait: a subscriber that is slower ends with 55000. Close must
// be called.
func (r *Runtime) Subscribe(ctx context.Context, rel RelationID) (*Subscription, error) {
	sub := &Subscription{runtime: r, rel: rel, signal: make(chan struct{}, 1)}
	for {
		err := r.subscribe(ctx, sub)
		if !errors.Is(err, errDetached) {
			if err != nil {
				return nil, err
			}
			return sub, nil
		}
		if err := r.WaitReady(ctx, rel, nil); err != nil {
			return nil, err
		}
	}
}

// errDetached says that a view has no state of the present epoch.
var errDetached = errors.New("dataflow: the view is detached")

func (r *Runtime) subscribe(ctx context.Context, sub *Subscription) error {
	q := &request{done: make(chan struct{}), inspect: func() error {
		rel := sub.rel
		v := r.views[rel]
		if v == nil {
			return sqlerr.New(sqlerr.UndefinedTable, "relation with id %d does not exist", rel)
		}
		if v.held {
			return errDetached
		}
		if !v.live() {
			return sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "view %q is %s", v.spec.Name, v.state).WithDetail("%s", v.reason)
		}
		if v.detached {
			return errDetached
		}
		sub.start = r.Snapshot()
		sub.last = sub.start.Epoch()
		v.subs = append(v.subs, sub)
		r.countSubscriptions(1)
		return nil
	}}
	_, err := r.submit(ctx, q)
	return err
}

func (r *Runtime) countSubscriptions(n int64) {
	r.mu.Lock()
	r.stats.Subscrs += n
	r.mu.Unlock()
}

// Snapshot is the state that the changes follow; Close releases it.
func (s *Subscription) Snapshot() *Snapshot { return s.start }

// Next waits for the next change, or with progress for the next epoch. After
// the last one it returns why there are no more: 55000 when the subscriber was
// too slow or the view is quarantined, 42P01 when it was dropped, 57P01 when
// the runtime ends.
func (s *Subscription) Next(ctx context.Context, progress bool) (Change, error) {
	for {
		pub, next := s.runtime.changed()
		if c, ok, err := s.take(pub.epoch, progress); ok || err != nil {
			return c, err
		}
		if !progress {
			next = nil // changes come with a signal
		}
		select {
		case <-s.signal:
		case <-next:
		case <-ctx.Done():
			return Change{}, context.Cause(ctx)
		}
	}
}

func (s *Subscription) take(published uint64, progress bool) (c Change, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(s.queue) > 0:
		c = s.queue[0]
		s.queue[0] = Change{}
		s.queue = s.queue[1:]
		s.bytes -= deltaBytes(c.Rows)
		s.last = max(s.last, c.Epoch)
		return c, true, nil
	case s.err != nil:
		return Change{}, false, s.err
	case progress && published > s.last && !s.holds:
		s.last = published
		return Change{Epoch: published}, true, nil
	}
	return Change{}, false, nil
}

func deltaBytes(d operator.Delta) int {
	n := minBatchBytes
	for _, b := range d {
		n += b.ByteSize()
	}
	return n
}

// offer queues a change, or ends the subscription if too much waits.
func (s *Subscription) offer(c Change, limit int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enqueue(c, limit)
}

// enqueue is offer under the lock.
func (s *Subscription) enqueue(c Change, limit int) {
	size := deltaBytes(c.Rows)
	if s.err != nil {
		return
	}
	if len(s.queue) > 0 && s.bytes+size > limit {
		s.queue, s.bytes = nil, 0
		s.err = sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "the subscriber is too slow: more than %d bytes of changes wait for it", limit).
			WithHint("Read faster, or subscribe again and begin with a snapshot.")
	} else {
		s.queue = append(s.queue, c)
		s.bytes += size
	}
	s.tell()
}

// beginHold keeps changes back from now on: a view that is detached shows states
// that are none of an epoch's.
func (s *Subscription) beginHold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holds = true
}

// hold keeps changes until the view is ready again, summed up when they are many.
func (s *Subscription) hold(ts []types.Type, rows operator.Delta, limit int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || len(rows) == 0 {
		return
	}
	s.held = append(s.held, rows...)
	s.heldBytes += deltaBytes(rows)
	if s.heldBytes <= limit {
		return
	}
	s.held = operator.Delta{zset.Consolidate(ts, s.held)}
	if s.heldBytes = deltaBytes(s.held); s.heldBytes > limit/2 {
		s.held, s.heldBytes = nil, 0
		s.err = sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "the view was detached and has changed by more than %d bytes since", limit/2).
			WithHint("Subscribe again and begin with a snapshot.")
		s.tell()
	}
}

// releaseHeld tells what was held as the change of an epoch.
func (s *Subscription) releaseHeld(epoch uint64, limit int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.held
	s.holds, s.held, s.heldBytes = false, nil, 0
	if len(held) > 0 {
		s.enqueue(Change{Epoch: epoch, Rows: held}, limit)
	}
	s.tell()
}

func (s *Subscription) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	s.tell()
}

func (s *Subscription) tell() {
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

// Close ends the subscription and releases its snapshot. It is idempotent.
func (s *Subscription) Close() {
	s.mu.Lock()
	start := s.start
	s.start, s.queue, s.bytes = nil, nil, 0
	if s.err == nil {
		s.err = sqlerr.New(sqlerr.QueryCanceled, "the subscription was closed")
	}
	s.mu.Unlock()
	if start == nil {
		return
	}
	start.Release()
	s.runtime.countSubscriptions(-1)
}

func (s *Subscription) closed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err != nil
}

// feedSubscriptions hands the epoch's output to all subscribers and forgets
// those that have ended. It runs before the epoch is published, so that nobody
// is told of progress past a change that was not queued.
func (v *view) feedSubscriptions(epoch uint64) {
	live := v.subs[:0]
	for _, s := range v.subs {
		switch {
		case v.detached:
			s.hold(v.spec.Result.Types, v.out, s.runtime.opts.SubscrBytes)
		case len(v.out) > 0:
			s.offer(Change{Epoch: epoch, Rows: v.out}, s.runtime.opts.SubscrBytes)
		}
		if !s.closed() {
			live = append(live, s)
		}
	}
	clear(v.subs[len(live):])
	v.subs = live
}

func (v *view) endSubscriptions(err error) {
	for _, s := range v.subs {
		s.end(err)
	}
	v.subs = nil
}

func (r *Runtime) endSubscriptions() {
	for _, v := range r.order {
		v.endSubscriptions(errEnded())
	}
}
