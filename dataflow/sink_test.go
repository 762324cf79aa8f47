package dataflow

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
)

// memSink is an external system with transactions: what a committed Write
// brought, and up to which epoch. It outlives sessions and runtimes.
type memSink struct {
	upsert bool

	mu      sync.Mutex
	epoch   uint64
	opening string
	keyed   map[string]string // upserting: key -> row
	rows    map[string]int64  // appending
	writes  int
	largest int // rows of one write
	states  map[uint64]map[string]string
	calls   int
	fail    func(call int) sinkFault // nil: nothing fails
	session int                      // the only one that may write
	failure error                    // of an inconsistent use
	gone    error                    // what Check says
}

type sinkFault int

const (
	sinkFine   sinkFault = iota
	sinkBefore           // fails, and nothing has happened
	sinkAfter            // happens, but the caller sees an error
	sinkHalf             // fails in the middle of the rows
)

var errSinkDown = errors.New("the sink is down")

func newMemSink(upsert bool) *memSink {
	return &memSink{upsert: upsert, keyed: map[string]string{}, rows: map[string]int64{}, states: map[uint64]map[string]string{}}
}

func (m *memSink) fault() sinkFault {
	m.calls++
	if m.fail == nil {
		return sinkFine
	}
	return m.fail(m.calls)
}

func (m *memSink) Begin(ctx context.Context) (connector.SinkSession, connector.Mark, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.session++
	if m.fault() != sinkFine {
		return nil, connector.Mark{}, errSinkDown
	}
	return &memSession{sink: m, id: m.session}, connector.Mark{Epoch: m.epoch, Opening: m.opening}, ctx.Err()
}

func (m *memSink) Rebase(ctx context.Context, at connector.Mark) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.session++
	fault := m.fault()
	if fault == sinkFine || fault == sinkAfter {
		m.epoch, m.opening = at.Epoch, at.Opening
	}
	if fault != sinkFine {
		return errSinkDown
	}
	return ctx.Err()
}

func (m *memSink) Close() error { return nil }

type memSession struct {
	sink   *memSink
	id     int
	closed bool
}

func (s *memSession) Close() { s.closed = true }

func (s *memSession) Check(context.Context) error {
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	return s.sink.gone
}

func (s *memSession) Write(ctx context.Context, at connector.Mark, rows func(emit func(*zset.Batch) error) error) error {
	m, epoch := s.sink, at.Epoch
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.closed || s.id != m.session {
		m.failure = errors.New("write of a session that is closed or shut out")
		return m.failure
	}
	if epoch <= m.epoch {
		m.failure = fmt.Errorf("write of epoch %d after %d", epoch, m.epoch)
		return m.failure
	}
	fault := m.fault()
	if fault == sinkBefore {
		return errSinkDown
	}
	keyed, plain, n := maps.Clone(m.keyed), maps.Clone(m.rows), 0
	err := rows(func(b *zset.Batch) error {
		for r := range b.N {
			n++
			row := fmt.Sprintf("%d,%d", b.Cols[0].Int[r], b.Cols[1].Int[r])
			key := fmt.Sprint(b.Cols[0].Int[r])
			switch w := b.WeightAt(r); {
			case !m.upsert:
				plain[row] += w
			case w < 0:
				delete(keyed, key)
			default:
				keyed[key] = row
			}
		}
		if fault == sinkHalf {
			return errSinkDown
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	m.keyed, m.rows, m.epoch, m.opening = keyed, plain, epoch, at.Opening
	m.writes++
	m.largest = max(m.largest, n)
	m.states[epoch] = keyed
	if fault == sinkAfter {
		return errSinkDown
	}
	return nil
}

const (
	sinkTable RelationID = 10
	sinkID    RelationID = 20
)

// keyedTable is a table with column 0 as its key.
func keyedTable() ViewSpec {
	v := passView(sinkTable, sinkTable, 110)
	v.Graph.Nodes[1].Materialize.Key = []int{0}
	v.Result.Keyed, v.Result.Key = true, v.Result.Types[:1]
	return v
}

// outboxView is the dataflow of a sink over a relation.
func outboxView(from RelationID, upsert bool, committed func(uint64)) ViewSpec {
	ts := topicTypes()
	spec := &operator.OutboxSpec{Input: ts, Upsert: upsert, Arr: 120}
	if upsert {
		spec.Key = []int{0}
	}
	return ViewSpec{ID: sinkID, Name: "sink", Committed: committed, Graph: &Graph{Version: GraphVersion, Nodes: []Node{
		{Relation: &RelationInput{Relation: from, Types: ts}},
		{Relation: &RelationInput{Relation: sinkID, Types: operator.AckTypes()}},
		{Inputs: []int{0, 1}, Outbox: spec},
	}}}
}

// sinkWorld is a world with a table and a sink over it.
type sinkWorld struct {
	*world
	sink   *memSink
	opts   SinkOptions
	writer *SinkWriter
	told   atomic.Pointer[SinkWriter] // the writer, for the loop
	stop   func()
	model  map[int64]int64
	states map[uint64]map[string]string // of the table by the epoch that made it
}

func newSinkWorld(t *testing.T, upsert bool) *sinkWorld {
	w := &sinkWorld{world: newWorld(t, Options{}), sink: newMemSink(upsert), model: map[int64]int64{}, states: map[uint64]map[string]string{}}
	w.sinkOptions()
	return w
}

func (w *sinkWorld) sinkOptions() {
	w.opts = SinkOptions{Pace: time.Microsecond, AckEvery: time.Millisecond, RetryMin: time.Microsecond, RetryMax: time.Millisecond, Bytes: 300}
}

// write runs a new writer.
func (w *sinkWorld) write() {
	w.newWriter()
	w.run()
}

func (w *sinkWorld) newWriter() {
	w.writer = NewSinkWriter(w.rt, SinkSpec{ID: sinkID, Name: "sink", Arr: 120, Types: topicTypes(), Sink: w.sink}, w.opts)
	w.told.Store(w.writer)
}

func (w *sinkWorld) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	writer := w.writer
	go func() { defer close(done); writer.Run(ctx) }()
	w.stop = func() { cancel(); <-done }
}

func (w *sinkWorld) committed(epoch uint64) {
	if writer := w.told.Load(); writer != nil {
		writer.Committed(epoch)
	}
}

// again stops the writer, and with it perhaps the runtime, and starts anew.
func (w *sinkWorld) again(runtime bool) {
	w.stop()
	if runtime {
		if err := w.world.stop(); err != nil {
			w.t.Fatal(err)
		}
		w.store.reopen()
		w.start()
	}
	w.write()
}

// change sets some keys of the table, or deletes them, in one epoch.
func (w *sinkWorld) change(r *rand.Rand, n int) {
	w.t.Helper()
	b := zset.NewBatch(topicTypes(), n)
	add := func(k, v, weight int64) {
		b.Cols[0].AppendInt(k)
		b.Cols[1].AppendInt(v)
		b.AddRow(weight)
	}
	for _, k := range r.Perm(40)[:n] {
		old, ok := w.model[int64(k)]
		if ok {
			add(int64(k), old, -1)
			delete(w.model, int64(k))
		}
		if !ok || r.IntN(4) > 0 {
			v := r.Int64N(1000)
			add(int64(k), v, 1)
			w.model[int64(k)] = v
		}
	}
	epoch, err := w.rt.Do(context.Background(), Command{Rows: []TableDelta{{sinkTable, operator.Delta{b}}}})
	if err != nil {
		w.t.Fatal(err)
	}
	state := map[string]string{}
	for k, v := range w.model {
		state[fmt.Sprint(k)] = fmt.Sprintf("%d,%d", k, v)
	}
	w.states[epoch] = state
}

// settled waits until everything is written and removed from the outbox.
func (w *sinkWorld) settled() {
	w.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		w.sink.mu.Lock()
		failure := w.sink.failure
		w.sink.mu.Unlock()
		if failure != nil {
			w.t.Fatal(failure)
		}
		s := w.writer.Status()
		if s.State == StateRunning && s.Lag == 0 && w.pending() == 0 {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("waited in vain: %+v, %d entries in the outbox", s, w.pending())
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// pending counts the entries of the outbox.
func (w *sinkWorld) pending() (n int) {
	snap := w.rt.Snapshot()
	defer snap.Release()
	if err := snap.Scan(120, nil, nil, func(_, _ []byte) bool { n++; return true }); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// TestSinkUpsert: a table changes while sinks fail in every way, writers and
// runtimes stop and start. What the sink holds after each write is the table
// exactly as it was after the epoch that the write names.
func TestSinkUpsert(t *testing.T) {
	for seed := range 12 {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		w := newSinkWorld(t, true)
		w.start()
		w.mustView(keyedTable())
		w.change(r, 30) // the snapshot that the sink begins with
		w.mustView(outboxView(sinkTable, true, w.committed))
		faults := rand.New(rand.NewPCG(uint64(seed), 2))
		w.sink.fail = func(int) sinkFault {
			if faults.IntN(3) > 0 {
				return sinkFine
			}
			return []sinkFault{sinkBefore, sinkAfter, sinkHalf}[faults.IntN(3)]
		}
		w.write()
		for range 40 {
			w.change(r, 1+r.IntN(10))
			if r.IntN(4) == 0 {
				w.again(r.IntN(2) == 0)
			}
		}
		w.sink.mu.Lock()
		w.sink.fail = nil
		w.sink.mu.Unlock()
		w.settled()
		w.stop()
		w.verify()
	}
}

// verify compares every state of the sink with the table's.
func (w *sinkWorld) verify() {
	w.t.Helper()
	last := uint64(0)
	for epoch := range w.sink.states {
		last = max(last, epoch)
	}
	if !maps.Equal(w.sink.states[last], w.sink.keyed) {
		w.t.Fatal("the last state is not the sink's")
	}
	for epoch, got := range w.sink.states {
		want := map[string]string{}
		for e := epoch; e > 0; e-- {
			if s, ok := w.states[e]; ok {
				want = s
				break
			}
		}
		if !maps.Equal(got, want) {
			w.t.Fatalf("after epoch %d the sink holds %v, want %v", epoch, got, want)
		}
	}
	if want := w.states[w.lastChange()]; !maps.Equal(w.sink.keyed, want) {
		w.t.Fatalf("the sink holds %v, want %v", w.sink.keyed, want)
	}
}

func (w *sinkWorld) lastChange() (last uint64) {
	for epoch := range w.states {
		last = max(last, epoch)
	}
	return last
}

// TestSinkAppend: every record of a topic arrives exactly once, whichever call
// of the sink fails in whichever way.
func TestSinkAppend(t *testing.T) {
	for _, fault := range []sinkFault{sinkBefore, sinkAfter, sinkHalf} {
		for nth := 1; nth <= 8; nth++ {
			w := newSinkWorld(t, false)
			w.start()
			topic := newFakeTopic(1, 2, 100)
			w.stream(1, topic)
			w.mustView(outboxView(1, false, w.committed))
			w.sink.fail = func(call int) sinkFault {
				if call == nth || call == nth+2 {
					return fault
				}
				return sinkFine
			}
			w.write()
			want := map[string]int64{}
			for i := range int64(60) {
				topic.produce(int(i%2), record{k: i % 7, v: i})
				want[fmt.Sprintf("%d,%d", i%7, i)]++
				if i%10 == 9 {
					w.caughtUp()
					if i%20 == 19 {
						w.again(i%40 == 39)
					}
				}
			}
			w.caughtUp()
			w.settled()
			w.stop()
			if !maps.Equal(w.sink.rows, want) {
				t.Fatalf("fault %d at call %d: the sink has %v, want %v", fault, nth, w.sink.rows, want)
			}
		}
	}
}

// TestSinkPieces: writes take whole epochs up to a bound, one that is larger
// alone.
func TestSinkPieces(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	w := newSinkWorld(t, true)
	w.start()
	w.mustView(keyedTable())
	w.mustView(outboxView(sinkTable, true, func(uint64) {}))
	sizes := []int{1, 1, 1, 40, 2, 2, 30, 1}
	for _, n := range sizes {
		w.change(r, n)
	}
	w.opts.Bytes = 150 // an entry has about 20
	w.write()
	w.settled()
	w.stop()
	w.verify()
	if w.sink.writes < 4 || w.sink.writes > 7 || w.sink.largest != 40 {
		t.Errorf("%d writes, the largest of %d rows", w.sink.writes, w.sink.largest)
	}
}

// TestSinkDiverged: a sink that is ahead of the database is left alone, and so
// is one that a copy of the database has written, and one that says so itself.
func TestSinkDiverged(t *testing.T) {
	for _, how := range []string{"ahead", "another way", "says so"} {
		w := newSinkWorld(t, true)
		w.start()
		w.mustView(keyedTable())
		w.mustView(outboxView(sinkTable, true, func(uint64) {}))
		w.change(rand.New(rand.NewPCG(1, 1)), 5)
		spec := SinkSpec{ID: sinkID, Name: "sink", Arr: 120, Types: topicTypes(), Sink: w.sink}
		switch how {
		case "ahead":
			w.sink.epoch = 1000
		case "another way":
			w.sink.epoch, w.sink.opening, spec.Timeline = 1, "other", Timeline{{"mine", 1}}
		default:
			spec.Sink = divergedSink{w.sink}
		}
		w.writer = NewSinkWriter(w.rt, spec, w.opts)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); w.writer.Run(ctx) }()
		for w.writer.Status().State != StateDiverged {
			time.Sleep(100 * time.Microsecond)
		}
		cancel()
		<-done
		if s := w.writer.Status(); s.Reason == "" || w.sink.writes != 0 {
			t.Errorf("%s: %+v, %d writes", how, s, w.sink.writes)
		}
	}
}

// TestSinkResume: a sink that was written by a later state of the database goes
// on from what it holds when it is told to: what was pending is never written,
// all later changes are. An answer that is lost does not lose the resumption.
func TestSinkResume(t *testing.T) {
	for _, fault := range []sinkFault{sinkFine, sinkBefore, sinkAfter} {
		w := newSinkWorld(t, true)
		w.start()
		w.mustView(keyedTable())
		w.mustView(outboxView(sinkTable, true, w.committed))
		r := rand.New(rand.NewPCG(1, uint64(fault)))
		w.change(r, 30)
		w.sink.epoch = 1000
		w.newWriter()
		if _, err := w.writer.Resume(t.Context()); err == nil {
			t.Fatal("a sink that has not looked yet resumes")
		}
		w.run()
		diverged := func() bool { return w.writer.Status().State == StateDiverged }
		for !diverged() {
			time.Sleep(100 * time.Microsecond)
		}
		w.sink.mu.Lock()
		first := true
		w.sink.fail = func(int) sinkFault {
			if !first {
				return sinkFine
			}
			first = false
			return fault
		}
		w.sink.mu.Unlock()
		epoch, err := w.writer.Resume(t.Context())
		if (err == nil) != (fault == sinkFine) {
			t.Fatalf("fault %d: %v", fault, err)
		}
		if fault == sinkBefore { // nothing has happened: it is still where it was
			for !diverged() {
				time.Sleep(100 * time.Microsecond)
			}
			if epoch, err = w.writer.Resume(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		w.settled()
		if w.sink.writes != 0 || fault != sinkAfter && w.sink.epoch != epoch {
			t.Fatalf("fault %d: %d writes up to epoch %d, resumed at %d", fault, w.sink.writes, w.sink.epoch, epoch)
		}
		if _, err := w.writer.Resume(t.Context()); sqlerr.Code(err) != sqlerr.ObjectNotInPrerequisiteState {
			t.Fatalf("a running sink resumes: %v", err)
		}
		before := maps.Clone(w.model)
		w.change(r, 10)
		w.again(true)
		w.settled()
		w.stop()
		if n := changedKeys(before, w.model); len(w.sink.keyed) != n {
			t.Fatalf("fault %d: the sink has %d rows, %d have changed", fault, len(w.sink.keyed), n)
		}
	}
}

// changedKeys counts the keys with another row than before.
func changedKeys(before, after map[int64]int64) (n int) {
	for k, v := range after {
		if old, ok := before[k]; !ok || old != v {
			n++
		}
	}
	return n
}

type divergedSink struct{ *memSink }

func (divergedSink) Begin(context.Context) (connector.SinkSession, connector.Mark, error) {
	return nil, connector.Mark{}, fmt.Errorf("%w: the topic is another one", connector.ErrDiverged)
}

// TestSinkStatus: what is wrong is told, and that it is over.
func TestSinkStatus(t *testing.T) {
	w := newSinkWorld(t, true)
	w.start()
	w.mustView(keyedTable())
	w.mustView(outboxView(sinkTable, true, w.committed))
	w.sink.fail = func(int) sinkFault { return sinkBefore }
	w.write()
	w.change(rand.New(rand.NewPCG(1, 1)), 5)
	await := func(what string, ok func(SinkStatus) bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !ok(w.writer.Status()); time.Sleep(100 * time.Microsecond) {
			if time.Now().After(deadline) {
				t.Fatalf("waited in vain for %s: %+v", what, w.writer.Status())
			}
		}
	}
	await("stalled", func(s SinkStatus) bool {
		return s.State == StateStalled && s.Reason == errSinkDown.Error() && s.Lag > 0
	})
	w.sink.mu.Lock()
	w.sink.fail = nil
	w.sink.mu.Unlock()
	await("running", func(s SinkStatus) bool { return s.State == StateRunning && s.Lag == 0 && s.Rows == 5 })
	w.stop()
}

// TestSinkChecked: that the external system is away is told while there is
// nothing to write, and that it is another one stops the sink.
func TestSinkChecked(t *testing.T) {
	w := newSinkWorld(t, true)
	w.opts.CheckEvery = time.Millisecond
	w.start()
	w.mustView(keyedTable())
	w.mustView(outboxView(sinkTable, true, w.committed))
	w.write()
	await := func(state, reason string) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Microsecond) {
			s := w.writer.Status()
			if s.State == state && s.Reason == reason {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("waited in vain for %s: %+v", state, s)
			}
		}
	}
	gone := func(err error, fail func(int) sinkFault) {
		w.sink.mu.Lock()
		defer w.sink.mu.Unlock()
		w.sink.gone, w.sink.fail = err, fail
	}
	await(StateRunning, "")
	gone(errSinkDown, func(int) sinkFault { return sinkBefore })
	await(StateStalled, errSinkDown.Error())
	gone(nil, nil)
	await(StateRunning, "")
	w.change(rand.New(rand.NewPCG(1, 1)), 5)
	w.settled()
	other := fmt.Errorf("%w: it is another one", connector.ErrDiverged)
	gone(other, nil)
	await(StateDiverged, "it is another one")
	w.stop()
	w.verify()
}

// TestSinkLag: a writer that has just begun does not say that it is done before
// it has written what was left to it.
func TestSinkLag(t *testing.T) {
	w := newSinkWorld(t, true)
	w.start()
	w.mustView(keyedTable())
	w.mustView(outboxView(sinkTable, true, w.committed))
	w.change(rand.New(rand.NewPCG(1, 1)), 5)
	hold := make(chan struct{})
	w.opts.FailPoint = func(name string) {
		if name == "sink-written" {
			<-hold
		}
	}
	w.write()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Microsecond) {
		w.sink.mu.Lock()
		writes := w.sink.writes
		w.sink.mu.Unlock()
		if s := w.writer.Status(); s.State == StateRunning && s.Lag == 0 {
			t.Fatalf("%+v before anything was written", s)
		}
		if writes > 0 || time.Now().After(deadline) {
			break
		}
	}
	close(hold)
	w.settled()
	w.stop()
}

// TestSinkDropped: the writer of a sink that is dropped stops in peace.
func TestSinkDropped(t *testing.T) {
	w := newSinkWorld(t, true)
	w.start()
	w.mustView(keyedTable())
	w.mustView(outboxView(sinkTable, true, w.committed))
	w.write()
	r := rand.New(rand.NewPCG(1, 1))
	w.change(r, 5)
	w.settled()
	w.drop(sinkID)
	w.change(r, 5)
	w.stop()
	if w.store.content(120) != "none" {
		t.Error("the outbox is left")
	}
}
