package dataflow

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// explosions makes operators overrun their share of an epoch now and then: they
// let the test's clock go on.
type explosions struct {
	build func(*Node) (operator.Operator, error)
	every int // about so many calls

	mu  sync.Mutex
	now time.Time
	rng *rand.Rand
	off bool
}

func newExplosions(seed uint64, every int) *explosions {
	return &explosions{build: BuildOperator, every: every, now: time.Unix(1e9, 0), rng: rand.New(rand.NewPCG(seed, 77))}
}

func (e *explosions) time() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.now
}

func (e *explosions) operator(n *Node) (operator.Operator, error) {
	op, err := e.build(n)
	return explosive{op, e}, err
}

// options sets the seams.
func (e *explosions) options(o *Options) {
	if o.Build != nil {
		e.build = o.Build
	}
	o.Now, o.Build = e.time, e.operator
}

type explosive struct {
	operator.Operator
	*explosions
}

func (e explosive) Apply(in []operator.Delta, st operator.State, epoch uint64, out *operator.Output) error {
	err := e.Operator.Apply(in, st, epoch, out)
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.off && e.rng.IntN(e.every) == 0 {
		e.now = e.now.Add(time.Hour)
	}
	return err
}

// TestDetachSharedJoins is TestSharedJoins with views that overrun their share at
// random: they are detached, behind the relation whose arrangement they share, too.
func TestDetachSharedJoins(t *testing.T) {
	compared, detached := 0, int64(0)
	for seed := range uint64(25) {
		e := newExplosions(seed, 3)
		var opts Options
		e.options(&opts)
		counted := countDetached(&opts)
		compared += sharedJoins(t, seed, opts)
		detached += *counted
	}
	if compared < 150 || detached < 50 {
		t.Errorf("%d comparisons, %d detachments", compared, detached)
	}
}

// TestDetachAnywhere is TestBackfill with views that overrun their share at random,
// also while they are in backfill: whatever stops, crashes and restarts, a view that
// is running is its query over the prefix that the snapshot names.
func TestDetachAnywhere(t *testing.T) {
	detached := int64(0)
	for seed := range uint64(25) {
		t.Run(fmt.Sprintf("seed%d", seed), func(t *testing.T) {
			b := newBackfill(t, seed, nil)
			e := newExplosions(seed, 2+b.rng.IntN(6))
			e.options(&b.opts)
			counted := countDetached(&b.opts)
			b.run()
			detached += *counted
		})
	}
	if detached < 50 {
		t.Errorf("%d views were detached", detached)
	}
}

// countDetached counts views that leave the epochs.
func countDetached(o *Options) *int64 {
	var n int64
	point := o.FailPoint
	o.FailPoint = func(name string) { // called by the loop alone
		if name == "detach" {
			n++
		}
		if point != nil {
			point(name)
		}
	}
	return &n
}

// slowBuild makes operators of views whose arrangement is arr cost so much time a row, on
// a clock that only they move.
func slowBuild(clock *atomic.Int64, cost time.Duration, o *Options) {
	build := o.Build
	if build == nil {
		build = BuildOperator
	}
	clock.Store(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	o.Now = func() time.Time { return time.Unix(0, clock.Load()) }
	o.Build = func(n *Node) (operator.Operator, error) {
		op, err := build(n)
		if n.Materialize != nil {
			op = slow{op, clock, cost}
		}
		return op, err
	}
}

// TestDetachedDoesNotHoldUpOthers reads a topic with a view that costs 5 ms a row
// beside one that costs nothing: the slow one is detached, the other goes on at
// full speed, and in the end both are right. A subscriber of the slow one sees
// states of epochs only.
func TestDetachedDoesNotHoldUpOthers(t *testing.T) {
	var clock atomic.Int64
	var cutAt, longest int64
	opts := Options{FailPoint: func(name string) { // called by the loop alone
		switch name {
		case "cut":
			cutAt = clock.Load()
		case "computed":
			if cutAt > 0 { // else it is a command's epoch
				longest = max(longest, clock.Load()-cutAt)
			}
			cutAt = 0
		}
	}}
	slowBuild(&clock, 5*time.Millisecond, &opts)
	w := newWorld(t, opts)
	w.run()
	rng := rand.New(rand.NewPCG(4, 4))
	topic := newFakeTopic(3, 1, 50)
	w.stream(1, topic)
	w.mustView(groupView(2, 1, 0, 20))
	w.mustView(passView(3, 1, 21))
	w.mustView(groupView(4, 3, 0, 22)) // detached with what it reads
	w.caughtUp()
	sub, err := w.rt.Subscribe(context.Background(), 4)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	sum := map[string]int64{}
	told := make(chan uint64, 1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go w.follow(ctx, sub, sum, told)
	behind := false
	for range 20 {
		topic.produce(0, someRecords(rng, 1000, 0)...)
		if err := w.rt.WaitPositions(context.Background(), 1, topic.endsNow()); err != nil {
			t.Fatal(err)
		}
		w.check(nil)
		now := w.rt.current()
		fast, _ := now.view(2)
		slow, _ := now.view(3)
		reader, _ := now.view(4)
		if fast.State != StateRunning {
			t.Fatalf("the fast view is %+v", fast)
		}
		if slow.State == StateDetached {
			behind = true
			if reader.Progress != slow.Progress {
				t.Errorf("a reader says that it is at %v, what it reads at %v", reader.Progress, slow.Progress)
			}
			if slow.Reason == "" || slow.Epoch == 0 || reader.State != StateDetached || !strings.Contains(reader.Reason, "pass3") {
				t.Errorf("detached: %+v, its reader %+v", slow, reader)
			}
		}
	}
	if !behind {
		t.Error("the slow view was never detached")
	}
	w.caughtUp()
	if n := w.check(nil); n != 3 {
		t.Errorf("%d views compared", n)
	}
	if limit := int64(1300 * time.Millisecond); longest > limit {
		t.Errorf("an epoch computed for %v", time.Duration(longest))
	}
	s := w.rt.Snapshot()
	defer s.Release()
	for last := range told {
		if last >= s.Epoch() {
			break
		}
	}
	cancel()
	for range told { // the end of follow
	}
	if want := rows(t, s, w.views[2].Result); !maps.Equal(sum, want) {
		t.Errorf("the subscriber has %v, want %v", clip(sum), clip(want))
	}
}

func (f *fakeTopic) endsNow() []int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ends()
}

// follow adds up the changes of a subscription that began with nothing, and tells
// up to which epoch.
func (w *world) follow(ctx context.Context, sub *Subscription, sum map[string]int64, told chan<- uint64) {
	defer close(told)
	last := uint64(0)
	for {
		c, err := sub.Next(ctx, true)
		if err != nil {
			return
		}
		if c.Epoch < last || c.Epoch == last && len(c.Rows) > 0 && last > 0 {
			w.t.Errorf("a change of epoch %d after %d was told", c.Epoch, last)
		}
		last = c.Epoch
		for _, b := range c.Rows {
			addRows(sum, b)
		}
		for _, n := range sum {
			if n < 0 {
				w.t.Errorf("epoch %d: a row was taken away that is not there: %v", c.Epoch, clip(sum))
			}
		}
		told <- last
	}
}

// pairsView counts the pairs of rows of two relations with the same k, by k.
func pairsView(id, left, right RelationID, arr storage.Arrangement) ViewSpec {
	v := lookupView(id, left, right, 0, nil, arr)
	v.Graph.Nodes[1].Relation.Shared = false
	join := v.Graph.Nodes[2].Join
	join.RightArr = arr + 1
	spec := groupSpec(0, arr+2)
	spec.Input = join.Output()
	v.Graph.Nodes[3] = Node{Inputs: []int{2}, Aggregate: spec}
	v.Result = ResultSpec{Arr: arr + 2, Grouped: true, Types: spec.Output(), Key: []types.Type{types.Int8}}
	return v
}

// explodingJoin puts n rows of one key into each of two tables that a view joins.
func explodingJoin(t *testing.T, opts Options, n int) *world {
	w := newWorld(t, opts)
	w.run()
	w.mustView(tableView(10, 50))
	w.mustView(tableView(11, 51))
	w.mustView(pairsView(12, 10, 11, 60))
	w.mustView(groupView(13, 10, 0, 70))
	rs := make([]record, n)
	for i := range rs {
		rs[i] = record{k: 7, v: int64(i)}
	}
	cmd := Command{Rows: []TableDelta{insert(10, 1, rs...), insert(11, 1, rs...)}}
	if _, err := w.rt.Do(context.Background(), cmd); err != nil {
		t.Fatal(err)
	}
	s := w.rt.Snapshot()
	defer s.Release()
	if got, want := rows(t, s, w.views[3].Result), (map[string]int64{fmt.Sprintf("7,%d", n): 1}); !maps.Equal(got, want) {
		t.Errorf("the view beside it has %v, want %v", got, want)
	}
	return w
}

// TestExplodingJoin joins 600 rows with 600 of the same key, of which the view may
// only make a small part at once.
func TestExplodingJoin(t *testing.T) {
	var opts Options
	opts.ViewBytes = 1 << 20
	detached := countDetached(&opts)
	w := explodingJoin(t, opts, 600)
	w.stop()
	w.start() // it goes on with what is left
	w.caughtUp()
	s := w.rt.Snapshot()
	if got, want := rows(t, s, w.views[2].Result), (map[string]int64{"7,360000": 1}); !maps.Equal(got, want) {
		t.Errorf("the join has %v, want %v", got, want)
	}
	s.Release()
	w.stop()
	if *detached != 1 {
		t.Errorf("it was detached %d times", *detached)
	}
	if left := w.store.content(BacklogArrangement); left != "" {
		t.Errorf("the backlog has %d bytes left", len(left))
	}
}

// TestIndivisibleChange joins one row with more than the view may make: it is
// quarantined rather than given all the memory there is.
func TestIndivisibleChange(t *testing.T) {
	w := explodingJoin(t, Options{ViewBytes: 10 << 10}, 600)
	waitFor(t, func() bool { st, _ := w.rt.current().view(12); return st.State == StateQuarantined })
	st, _ := w.rt.current().view(12)
	if !strings.Contains(st.Reason, "10240 bytes") || !strings.Contains(st.Reason, "cannot be divided") {
		t.Errorf("%+v", st)
	}
	if err := w.rt.WaitReady(context.Background(), 12, nil); err == nil {
		t.Error("a quarantined view is ready")
	}
}

// TestDropDetached drops a view that has a backlog, which goes with it.
func TestDropDetached(t *testing.T) {
	gate := make(chan struct{})
	var opts Options
	opts.ViewBytes = 1 << 20
	detached := false
	opts.FailPoint = func(name string) { // called by the loop alone
		detached = detached || name == "detach"
		if name == "cut" && detached {
			<-gate
		}
	}
	w := explodingJoin(t, opts, 600)
	if w.store.content(BacklogArrangement) == "" {
		t.Fatal("there is no backlog")
	}
	done := make(chan struct{})
	go func() {
		w.drop(12)
		close(done)
	}()
	close(gate)
	<-done
	waitFor(t, func() bool { return w.store.content(BacklogArrangement) == "" })
	w.check(nil)
}

// TestDetachedSink writes the changes of a table by a sink whose dataflow overruns its share
// at random, through restarts: nothing is written while it is detached, and in the
// end the sink holds the table.
func TestDetachedSink(t *testing.T) {
	detached := int64(0)
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := newSinkWorld(t, true)
		e := newExplosions(seed, 4)
		e.options(&w.world.opts)
		counted := countDetached(&w.world.opts)
		w.start()
		w.mustView(keyedTable())
		w.change(r, 30)
		w.mustView(outboxView(sinkTable, true, w.committed))
		w.write()
		for range 40 {
			w.change(r, 1+r.IntN(10))
			if r.IntN(6) == 0 {
				w.again(r.IntN(2) == 0)
			}
		}
		w.caughtUp()
		w.settled()
		w.stop()
		if want := w.states[w.lastChange()]; !maps.Equal(w.sink.keyed, want) {
			t.Fatalf("the sink holds %v, want %v", w.sink.keyed, want)
		}
		w.world.stop()
		detached += *counted
	}
	if detached < 20 {
		t.Errorf("the sink was detached %d times", detached)
	}
}
