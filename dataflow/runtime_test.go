package dataflow

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/storage"
)

// someRecords returns n records whose keys repeat; every bad-th does not decode.
func someRecords(rng *rand.Rand, n, bad int) []record {
	rs := make([]record, n)
	for i := range rs {
		rs[i] = record{k: rng.Int64N(17), v: rng.Int64N(5), bad: bad > 0 && rng.IntN(bad) == 0}
	}
	return rs
}

func TestStreamToViewsAndRestart(t *testing.T) {
	w := newWorld(t, Options{})
	w.run()
	rng := rand.New(rand.NewPCG(1, 2))
	topic := newFakeTopic(1, 3, 7)
	for p := range 3 {
		topic.produce(p, someRecords(rng, 100, 10)...)
	}
	w.stream(1, topic)
	w.mustView(groupView(2, 1, 0, 20))
	w.mustView(passView(3, 1, 21))
	w.mustView(groupView(4, 2, 1, 22)) // over a view
	w.caughtUp()
	if n := w.check(nil); n != 3 {
		t.Fatalf("%d views compared, want 3: %+v", n, w.rt.Views())
	}
	bad := w.errorCount(1)
	if bad == 0 {
		t.Fatal("no error rows")
	}
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	before := [3]string{w.store.content(20), w.store.content(21), w.store.content(22)}

	w.start()
	w.caughtUp()
	if after := [3]string{w.store.content(20), w.store.content(21), w.store.content(22)}; after != before {
		t.Error("a restart without new input changed the content")
	}
	topic.produce(1, someRecords(rng, 50, 0)...)
	w.caughtUp()
	if n := w.check(nil); n != 3 {
		t.Fatalf("%d views compared, want 3", n)
	}
	if n := w.errorCount(1); n != bad {
		t.Errorf("%d error rows, want %d", n, bad)
	}
	st := w.rt.Sources()[0]
	if st.State != StateRunning || st.Positions.At(1) != 150 {
		t.Errorf("source: %+v", st)
	}
}

// TestAnyCut holds that the stored bytes do not depend on how the input is cut
// into epochs and batches (error rows included).
func TestAnyCut(t *testing.T) {
	contents := map[string]bool{}
	for seed := range uint64(6) {
		w := newWorld(t, Options{CutRows: []int{1, 2, 10, 1000, 64, 5}[seed], QueueBytes: 2000})
		w.run()
		topic := newFakeTopic(seed, 2, 1+int(seed)*9)
		rng := rand.New(rand.NewPCG(3, 4))
		for p := range 2 {
			topic.produce(p, someRecords(rng, 150, 9)...)
		}
		w.stream(1, topic)
		w.mustView(groupView(2, 1, 0, 20))
		w.mustView(passView(3, 2, 21))
		w.caughtUp()
		w.check(nil)
		contents[w.store.content(20)+w.store.content(21)+w.store.content(ErrorArrangement)] = true
		w.stop()
	}
	if len(contents) != 1 {
		t.Errorf("%d different contents", len(contents))
	}
}

var errCrash = errors.New("crash")

// TestCrash ends the process at every fail point and at every commit, in all
// ways a commit can fail, and holds that the restarted one comes to the same
// content: nothing lost, nothing twice.
func TestCrash(t *testing.T) {
	for _, name := range []string{"cut", "computed", "before-commit", "after-commit", "published", "named", "attach"} {
		t.Run(name, func(t *testing.T) { crashLoop(t, name, commitOK) })
	}
	t.Run("refused", func(t *testing.T) { crashLoop(t, "", commitRefused) })
	t.Run("broken", func(t *testing.T) { crashLoop(t, "", commitBroken) })
}

func crashLoop(t *testing.T, point string, outcome commitOutcome) {
	crashes := 0
	for nth := 1; nth <= 12; nth++ {
		if crashOnce(t, point, outcome, nth, uint64(nth)) {
			crashes++
		}
	}
	// Whether a cut is named at all is up to the scheduler.
	for seed := uint64(13); crashes == 0 && seed < 100; seed++ {
		if crashOnce(t, point, outcome, 1, seed) {
			crashes++
		}
	}
	if outcome != commitRefused && crashes == 0 {
		t.Errorf("the fail point was never reached")
	}
}

func crashOnce(t *testing.T, point string, outcome commitOutcome, nth int, seed uint64) (crashed bool) {
	var mu sync.Mutex
	armed, count := false, 0
	w := newWorld(t, Options{CutRows: 32, PieceRows: 16, FailPoint: func(name string) {
		mu.Lock()
		defer mu.Unlock()
		if armed && name == point {
			if count++; count == nth {
				panic(errCrash)
			}
		}
	}})
	w.run()
	rng := rand.New(rand.NewPCG(seed, 5))
	topic := newFakeTopic(seed, 2, 9)
	produce := func(n int) {
		topic.produce(0, someRecords(rng, n, 8)...)
		topic.produce(1, someRecords(rng, n, 0)...)
	}
	produce(60)
	w.stream(1, topic)
	w.mustView(passView(9, 1, 29))
	w.caughtUp()
	w.mustView(groupView(2, 1, 0, 20))
	w.mustView(passView(3, 2, 21))
	gate := w.gate(1)
	mu.Lock()
	armed = true
	mu.Unlock()
	w.store.failFrom(nth, outcome)
	// The late view backfills while data comes. Whether it exists after a crash
	// is what the store says, not the runtime.
	late := groupView(4, 1, 1, 22)
	if err := w.view(late); err != nil {
		if outcome == commitRefused {
			w.mustView(late)
		} else if w.store.arr(22) != nil {
			w.views = append(w.views, late)
		}
	}
	for i := range 15 {
		if produce(4); i == 3 {
			waitShared(w) // so that something is missing after the first round
			close(gate)
		}
		runtime.Gosched()
	}
	waitEndOrCaughtUp(w)
	mu.Lock()
	armed = false
	crashed = count >= nth
	mu.Unlock()
	if w.store.disarm() || crashed {
		crashed = true
		if err := w.crashed(); err == nil {
			t.Fatal("Run returned nil after a crash")
		}
		w.start()
		if w.store.arr(22) == nil {
			w.mustView(late)
		}
	}
	produce(30)
	w.caughtUp()
	if n := w.check(nil); n != 4 {
		t.Fatalf("crash %d at %q: %d views compared: %+v", nth, point, n, w.rt.Views())
	}
	w.checkErrors(t, topic)
	w.stop()
	return crashed
}

// waitEndOrCaughtUp waits until the runtime has ended or caught up.
func waitEndOrCaughtUp(w *world) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if waitShared(w) != nil {
		return
	}
	for _, v := range w.views {
		if w.rt.WaitReady(ctx, v.ID, nil) != nil {
			return
		}
	}
	_ = w.attached(ctx) // an error says that the runtime has ended
}

// waitShared waits until the shared reader has reached the topic's end.
func waitShared(w *world) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	ends, _ := w.topics[1].Ends(ctx)
	return w.rt.WaitPositions(ctx, 1, ends)
}

func (w *world) checkErrors(t *testing.T, topic *fakeTopic) {
	t.Helper()
	var want int64
	topic.mu.Lock()
	for _, p := range topic.parts {
		for _, r := range p {
			if r.bad {
				want++
			}
		}
	}
	topic.mu.Unlock()
	if got := w.errorCount(1); got != want {
		t.Errorf("%d error rows, want %d", got, want)
	}
}

func TestRefusedCommands(t *testing.T) {
	w := newWorld(t, Options{})
	w.run()
	topic := newFakeTopic(1, 1, 4)
	topic.produce(0, record{k: 1}, record{k: 2})
	w.stream(1, topic)
	ctx := context.Background()
	code := func(cmd Command) string {
		_, err := w.rt.Do(ctx, cmd)
		return sqlerr.Code(err)
	}
	refusal := sqlerr.New(sqlerr.UniqueViolation, "no")
	if got := code(Command{Check: func(uint64) error { return refusal }}); got != sqlerr.UniqueViolation {
		t.Errorf("Check: %s", got)
	}
	if got := code(w.createView(groupView(5, 4, 0, 30))); got != sqlerr.UndefinedTable {
		t.Errorf("unknown input: %s", got)
	}
	if got := code(Command{Drop: []RelationID{77}}); got != sqlerr.UndefinedTable {
		t.Errorf("drop of nothing: %s", got)
	}
	w.mustView(groupView(2, 1, 0, 20))
	if got := code(w.createView(groupView(2, 1, 0, 40))); got != sqlerr.DuplicateTable {
		t.Errorf("twice: %s", got)
	}
	if got := code(Command{Drop: []RelationID{1}}); got != sqlerr.DependentObjectsStillExist {
		t.Errorf("drop of an input: %s", got)
	}
	if got := code(Command{Rows: []TableDelta{{Relation: 2}}}); got != sqlerr.UndefinedTable {
		t.Errorf("rows for a view: %s", got)
	}
	if got := code(Command{Restore: true}); got != sqlerr.InternalError {
		t.Errorf("second restore: %s", got)
	}
	// A store that refuses refuses the command, and input goes on.
	w.store.mu.Lock()
	n := w.store.commits
	w.store.outcome = func(c int) commitOutcome { return map[bool]commitOutcome{true: commitRefused}[c == n+1] }
	w.store.mu.Unlock()
	w.rt.WaitReady(ctx, 2, nil)
	w.caughtUp()
	w.check(nil)
}

// TestBrokenCommand holds that a command whose epoch may be durable is neither
// refused nor confirmed, and that Run ends without trying again.
func TestBrokenCommand(t *testing.T) {
	w := newWorld(t, Options{})
	w.run()
	w.mustView(tableView(1, 10))
	w.store.failFrom(1, commitBroken)
	_, err := w.rt.Do(context.Background(), Command{Rows: []TableDelta{insert(1, 1, record{k: 1, v: 2})}})
	if got := sqlerr.Code(err); got != sqlerr.TransactionResolutionUnknown {
		t.Errorf("the command's error is %v", err)
	}
	if err := w.crashed(); !errors.Is(err, storage.ErrBroken) {
		t.Errorf("Run ended with %v", err)
	}
}

// TestConsistency reads snapshots all the time: two views over one stream are
// at the same epoch, whatever the loop is doing.
func TestConsistency(t *testing.T) {
	w := newWorld(t, Options{CutRows: 40})
	w.run()
	topic := newFakeTopic(9, 2, 11)
	w.stream(1, topic)
	w.mustView(groupView(2, 1, 0, 20))
	w.mustView(groupView(3, 1, 1, 21))
	w.mustView(passView(4, 2, 22))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Add(1)
	compared := 0
	go func() {
		defer wg.Done()
		for {
			select {
			case <-stop:
				return
			default:
				compared += w.check(nil)
			}
		}
	}()
	rng := rand.New(rand.NewPCG(8, 8))
	for range 60 {
		topic.produce(rng.IntN(2), someRecords(rng, 30, 0)...)
		time.Sleep(100 * time.Microsecond)
	}
	w.caughtUp()
	close(stop)
	wg.Wait()
	if compared == 0 {
		t.Error("nothing was compared")
	}
}

// panicky fails when it sees a value.
type panicky struct{ mode string }

func (p panicky) Apply(in []operator.Delta, st operator.State, _ uint64, out *operator.Output) error {
	for _, b := range in[0] {
		for i := range b.Len() {
			if b.Cols[0].Int[b.Row(i)] != 666 {
				continue
			}
			if p.mode == "panic" {
				panic("an invariant is broken")
			}
			return sqlerr.New(sqlerr.InternalError, "state is broken")
		}
	}
	out.Rows = in[0]
	return nil
}

func TestQuarantine(t *testing.T) {
	for _, mode := range []string{"panic", "error"} {
		t.Run(mode, func(t *testing.T) { quarantineOne(t, mode) })
	}
}

func quarantineOne(t *testing.T, mode string) {
	build := func(n *Node) (operator.Operator, error) {
		if n.Map != nil {
			return panicky{mode}, nil
		}
		return BuildOperator(n)
	}
	w := newWorld(t, Options{Build: build})
	w.run()
	topic := newFakeTopic(1, 1, 4)
	topic.produce(0, record{k: 1}, record{k: 2})
	w.stream(1, topic)
	bad := passView(2, 1, 20)
	bad.Graph.Nodes = []Node{bad.Graph.Nodes[0], {Inputs: []int{0}, Map: &operator.MapSpec{Input: topicTypes()}}, bad.Graph.Nodes[1]}
	bad.Graph.Nodes[2].Inputs = []int{1}
	w.mustView(bad)
	w.mustView(groupView(3, 2, 0, 21)) // reads it
	w.mustView(groupView(4, 1, 0, 22)) // does not
	w.caughtUp()
	content := w.store.content(20)
	topic.produce(0, record{k: 666}, record{k: 3})
	w.caughtUp()
	quarantined := func() {
		t.Helper()
		for _, v := range w.rt.Views() {
			want := StateQuarantined
			if v.ID == 4 {
				want = StateRunning
			}
			if v.State != want || (want == StateQuarantined) != (v.Reason != "") {
				t.Errorf("view %d: %+v", v.ID, v)
			}
		}
		if err := w.rt.WaitReady(context.Background(), 3, nil); sqlerr.Code(err) != sqlerr.ObjectNotInPrerequisiteState {
			t.Errorf("WaitReady of a quarantined view: %v", err)
		}
	}
	quarantined()
	if got := w.store.content(20); got != content {
		t.Error("a quarantined view changed")
	}
	if n := w.check(nil); n != 1 {
		t.Errorf("%d views compared, want 1", n)
	}
	w.stop()
	w.start()
	topic.produce(0, record{k: 5})
	w.caughtUp()
	quarantined()
	w.check(nil)
	w.drop(3)
	w.drop(2)
	w.check(nil)
}

func TestBackPressure(t *testing.T) {
	gate := make(chan struct{})
	var blocked atomic.Bool
	w := newWorld(t, Options{QueueBytes: 1000, FailPoint: func(name string) {
		if name == "before-commit" && blocked.Load() {
			<-gate
		}
	}})
	w.run()
	topic := newFakeTopic(1, 2, 3)
	w.stream(1, topic)
	w.mustView(groupView(2, 1, 0, 20))
	blocked.Store(true)
	rng := rand.New(rand.NewPCG(1, 1))
	topic.produce(0, someRecords(rng, 500, 0)...)
	topic.produce(1, someRecords(rng, 500, 0)...)
	// The loop hangs in its commit; the queue fills to its limit and no further.
	deadline := time.Now().Add(10 * time.Second)
	for w.rt.Sources()[0].BytesQueued < 700 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if n := w.rt.Sources()[0].BytesQueued; n < 700 || n > 1000 {
		t.Errorf("%d bytes are queued, the limit is 1000", n)
	}
	blocked.Store(false)
	close(gate)
	w.caughtUp()
	w.check(nil)
}

func TestCommitRetry(t *testing.T) {
	w := newWorld(t, Options{})
	w.run()
	topic := newFakeTopic(1, 1, 3)
	w.stream(1, topic)
	w.mustView(groupView(2, 1, 0, 20))
	w.store.mu.Lock()
	first := w.store.commits
	w.store.outcome = func(n int) commitOutcome {
		if n <= first+3 {
			return commitRefused
		}
		return commitOK
	}
	w.store.mu.Unlock()
	topic.produce(0, record{k: 1}, record{k: 1})
	w.caughtUp()
	w.check(nil)
	if st := w.rt.Stats(); st.CommitRetries != 3 || st.CommitError != "" {
		t.Errorf("stats: %+v", st)
	}
}

// A store that goes on refusing ends Run, so that the process recovers; one
// that lacks space is waited for.
func TestCommitNeverSucceeds(t *testing.T) {
	for _, cause := range []error{errRefused, sqlerr.New(sqlerr.DiskFull, "no space")} {
		w := newWorld(t, Options{RetryFor: time.Nanosecond})
		w.run()
		topic := newFakeTopic(1, 1, 3)
		w.stream(1, topic)
		w.mustView(groupView(2, 1, 0, 20))
		w.store.refuse(cause, 20)
		topic.produce(0, record{k: 1})
		if cause == errRefused {
			if err := w.crashed(); !errors.Is(err, errRefused) {
				t.Errorf("Run: %v", err)
			}
			w.start()
		}
		w.caughtUp()
		w.check(nil)
		w.stop()
	}
}

// A store that never takes an epoch does not keep Run from ending.
func TestStopWhileCommitFails(t *testing.T) {
	w := newWorld(t, Options{RetryMin: time.Hour, RetryMax: time.Hour})
	w.run()
	topic := newFakeTopic(1, 1, 3)
	w.stream(1, topic)
	w.mustView(groupView(2, 1, 0, 20))
	w.store.mu.Lock()
	w.store.outcome = func(int) commitOutcome { return commitRefused }
	w.store.mu.Unlock()
	topic.produce(0, record{k: 1})
	for w.rt.Stats().CommitError == "" {
		time.Sleep(time.Millisecond)
	}
	if err := w.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	w.store.reopen()
	w.start()
	w.caughtUp()
	w.check(nil)
}

func TestNeedsDecideWhatIsDecoded(t *testing.T) {
	w := newWorld(t, Options{})
	w.run()
	topic := newFakeTopic(1, 1, 3)
	topic.produce(0, record{k: 1, v: 2}, record{k: 1, v: 3})
	w.stream(1, topic)
	w.mustView(groupView(2, 1, 0, 20))
	w.caughtUp()
	w.mustView(groupView(3, 1, 1, 21))
	w.caughtUp()
	topic.produce(0, record{k: 4, v: 4})
	w.caughtUp()
	w.check(nil)
	w.drop(2)
	topic.produce(0, record{k: 5, v: 5})
	w.caughtUp()
	w.check(nil)
	topic.mu.Lock()
	defer topic.mu.Unlock()
	if got := fmt.Sprint(topic.needs[0], topic.needs[len(topic.needs)-1]); got != "[true false] [false true]" {
		t.Errorf("needs: %v", topic.needs)
	}
}

func TestLastViewStopsReader(t *testing.T) {
	w := newWorld(t, Options{})
	w.run()
	topic := newFakeTopic(1, 1, 3)
	topic.produce(0, record{k: 1}, record{bad: true})
	w.stream(1, topic)
	w.mustView(groupView(2, 1, 0, 20))
	w.caughtUp()
	w.drop(2)
	if st := w.rt.Sources()[0]; st.State != StateIdle || st.Positions != nil {
		t.Errorf("source: %+v", st)
	}
	// Another first view begins at the start again; errors are not recorded twice.
	w.mustView(groupView(3, 1, 0, 21))
	topic.produce(0, record{k: 7}, record{bad: true})
	w.caughtUp()
	w.check(nil)
	w.checkErrors(t, topic)
	w.drop(3)
	w.drop(1)
	if got := w.rt.Sources(); len(got) != 0 {
		t.Errorf("sources: %+v", got)
	}
	waitFor(t, func() bool { return w.errorCount(1) == 0 })
	waitFor(t, func() bool {
		topic.mu.Lock()
		defer topic.mu.Unlock()
		return topic.running == 0
	})
}

// TestDropTogether drops a stream with all that read it: its reader ends.
func TestDropTogether(t *testing.T) {
	w := newWorld(t, Options{})
	w.run()
	topic := newFakeTopic(1, 1, 3)
	topic.produce(0, record{k: 1}, record{bad: true})
	w.stream(1, topic)
	w.mustView(groupView(2, 1, 0, 20))
	w.mustView(groupView(3, 2, 1, 21))
	w.caughtUp()
	if _, err := w.rt.Do(context.Background(), Command{Drop: []RelationID{3, 1}}); sqlerr.Code(err) != sqlerr.DependentObjectsStillExist {
		t.Errorf("drop of a stream that is read: %v", err)
	}
	w.check(nil)
	if _, err := w.rt.Do(context.Background(), Command{Drop: []RelationID{3, 2, 1}}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		topic.mu.Lock()
		defer topic.mu.Unlock()
		return topic.running == 0 && w.errorCount(1) == 0
	})
	if len(w.rt.Views())+len(w.rt.Sources()) != 0 {
		t.Errorf("%v %v", w.rt.Views(), w.rt.Sources())
	}
}

// TestFailedSource: a reader that gives up is visible, and who waits is told.
func TestFailedSource(t *testing.T) {
	w := newWorld(t, Options{})
	w.run()
	topic := newFakeTopic(1, 1, 3)
	topic.produce(0, record{k: 1})
	w.stream(1, topic)
	topic.broken = errors.New("the topic is gone")
	w.mustView(groupView(2, 1, 0, 20))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, err := range []error{w.rt.WaitReady(ctx, 2, nil), w.rt.WaitPositions(ctx, 1, connector.Positions{1})} {
		if sqlerr.Code(err) != sqlerr.ObjectNotInPrerequisiteState {
			t.Errorf("waiting for a failed source: %v", err)
		}
	}
	if st := w.rt.Sources()[0]; st.State != StateFailed || st.Reason != "the topic is gone" {
		t.Errorf("source: %+v", st)
	}
}

func waitFor(t *testing.T, met func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !met() {
		if time.Now().After(deadline) {
			t.Fatal("not met within 10 s")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestRecreatedTopicIsNotRead(t *testing.T) {
	w := newWorld(t, Options{})
	w.run()
	topic := newFakeTopic(1, 1, 3)
	topic.produce(0, record{k: 1})
	w.topics[1] = topic
	spec := StreamSpec{ID: 1, Name: "s1", Types: topicTypes(), Source: topic, Identity: "one"}
	if _, err := w.rt.Do(context.Background(), Command{AddStreams: []StreamSpec{spec}}); err != nil {
		t.Fatal(err)
	}
	w.streams = append(w.streams, spec)
	w.mustView(groupView(2, 1, 0, 20))
	w.caughtUp()
	w.stop()
	w.streams[0].Identity = "two"
	w.start()
	if st := w.rt.Sources()[0]; st.State != StateFailed || st.Reason == "" {
		t.Errorf("source: %+v", st)
	}
	if v := w.rt.Views()[0]; v.State != StateFailed {
		t.Errorf("view: %+v", v)
	}
}

func TestBrokerDownAtCreate(t *testing.T) {
	w := newWorld(t, Options{})
	w.run()
	topic := newFakeTopic(1, 1, 3)
	w.stream(1, topic)
	topic.produce(0, record{k: 1})
	topic.setDown(true)
	w.mustView(groupView(2, 1, 0, 20))
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	if err := w.rt.WaitReady(ctx, 2, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("WaitReady without a broker: %v", err)
	}
	cancel()
	topic.setDown(false)
	w.caughtUp()
	w.check(nil)
}

func TestStartingUp(t *testing.T) {
	w := newWorld(t, Options{})
	w.run()
	w.stream(1, newFakeTopic(1, 1, 3))
	w.stop()
	w.run()
	if _, err := w.rt.Do(context.Background(), Command{}); sqlerr.Code(err) != sqlerr.CannotConnectNow {
		t.Errorf("a command before Restore: %v", err)
	}
	if err := w.restore(); err != nil {
		t.Error(err)
	}
	w.stop()
}

func tableView(id RelationID, arr storage.Arrangement) ViewSpec { return passView(id, id, arr) }

func insert(id RelationID, weight int64, rs ...record) TableDelta {
	b := zset.NewBatch(topicTypes(), len(rs))
	for _, r := range rs {
		b.Cols[0].AppendInt(r.k)
		b.Cols[1].AppendInt(r.v)
		b.AddRow(weight)
	}
	return TableDelta{Relation: id, Delta: operator.Delta{b}}
}

func TestTables(t *testing.T) {
	w := newWorld(t, Options{CutRows: 3})
	w.run()
	ctx := context.Background()
	w.mustView(tableView(10, 50))
	model := map[string]int64{}
	put := func(weight int64, rs ...record) {
		t.Helper()
		e, err := w.rt.Do(ctx, Command{Rows: []TableDelta{insert(10, weight, rs...)}})
		if err != nil {
			t.Fatal(err)
		}
		if e != w.rt.Epoch() && w.rt.Epoch() < e {
			t.Errorf("Do returned epoch %d before it was visible", e)
		}
		for _, r := range rs {
			key := fmt.Sprintf("%d,%d", r.k, r.v)
			if model[key] += weight; model[key] == 0 {
				delete(model, key)
			}
		}
		w.check(map[RelationID]map[string]int64{10: model})
	}
	put(1, record{k: 1, v: 1}, record{k: 1, v: 2})
	w.mustView(groupView(11, 10, 0, 51))
	for i := range int64(20) {
		put(1, record{k: i, v: 2}, record{k: 3, v: i})
	}
	w.mustView(groupView(12, 11, 1, 52))
	put(-1, record{k: 1, v: 1}, record{k: 3, v: 2})
	w.caughtUp()
	if n := w.check(map[RelationID]map[string]int64{10: model}); n != 3 {
		t.Errorf("%d views compared", n)
	}
	// A row that is not there: the table's operator refuses, nothing changes.
	if _, err := w.rt.Do(ctx, Command{Rows: []TableDelta{insert(10, -1, record{k: 99, v: 99})}}); err == nil {
		t.Error("a row below zero was taken")
	}
	put(1, record{k: 99, v: 99})
	if n := w.check(map[RelationID]map[string]int64{10: model}); n != 3 {
		t.Errorf("%d views compared after a refused change: %+v", n, w.rt.Views())
	}
	prepared := false
	_, err := w.rt.Do(ctx, Command{Prepare: func(e uint64, c *Command) error {
		prepared = e == w.rt.Epoch()
		return errCrash
	}})
	if !errors.Is(err, errCrash) || !prepared {
		t.Errorf("Prepare: %v, %v", err, prepared)
	}
}

func TestSubscribe(t *testing.T) {
	w := newWorld(t, Options{CutRows: 10})
	w.run()
	topic := newFakeTopic(2, 2, 5)
	rng := rand.New(rand.NewPCG(1, 9))
	topic.produce(0, someRecords(rng, 50, 0)...)
	w.stream(1, topic)
	view := groupView(2, 1, 0, 20)
	w.mustView(view)
	ctx := context.Background()
	sub, err := w.rt.Subscribe(ctx, 2)
	if err != nil {
		t.Fatal(err)
	}
	state := rows(t, sub.Snapshot(), view.Result)
	go func() {
		for range 50 {
			topic.produce(1, someRecords(rng, 8, 0)...)
		}
	}()
	at := sub.Snapshot().Epoch()
	for topicRows(state) < 450 {
		c, err := sub.Next(ctx, true)
		if err != nil {
			t.Fatal(err)
		}
		if c.Epoch <= at {
			t.Fatalf("epoch %d after %d", c.Epoch, at)
		}
		at = c.Epoch
		for _, b := range c.Rows {
			addRows(state, b)
		}
	}
	w.caughtUp()
	s := w.rt.Snapshot()
	if got := rows(t, s, view.Result); fmt.Sprint(got) != fmt.Sprint(state) {
		t.Errorf("snapshot and changes give %v, the view is %v", state, got)
	}
	s.Release()
	w.drop(2)
	for err = nil; err == nil; {
		_, err = sub.Next(ctx, true)
	}
	if sqlerr.Code(err) != sqlerr.UndefinedTable {
		t.Errorf("after the drop: %v", err)
	}
	sub.Close()
	sub.Close()
	if n := w.rt.Stats().Subscrs; n != 0 {
		t.Errorf("%d subscriptions", n)
	}
	if w.store.pins != 0 {
		t.Errorf("%d pins", w.store.pins)
	}
}

func TestSlowSubscriber(t *testing.T) {
	w := newWorld(t, Options{CutRows: 10, SubscrBytes: 1})
	w.run()
	topic := newFakeTopic(2, 1, 5)
	w.stream(1, topic)
	w.mustView(groupView(2, 1, 0, 20))
	ctx := context.Background()
	sub, err := w.rt.Subscribe(ctx, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	for k := range int64(3) {
		topic.produce(0, record{k: k})
		w.caughtUp()
	}
	if _, err = sub.Next(ctx, false); sqlerr.Code(err) != sqlerr.ObjectNotInPrerequisiteState {
		t.Errorf("slow subscriber: %v", err)
	}
	if _, err := w.rt.Subscribe(ctx, 7); sqlerr.Code(err) != sqlerr.UndefinedTable {
		t.Errorf("subscription to nothing: %v", err)
	}
}

// topicRows counts the rows behind a count view, whose state may be in the
// middle of nothing: epochs are whole.
func topicRows(state map[string]int64) (n int64) {
	for row := range state {
		var k, c int64
		fmt.Sscanf(row, "%d,%d", &k, &c)
		n += c
	}
	return n
}

func TestPositionsOf(t *testing.T) {
	p := connector.Positions{5, -1, 7}
	if got := advance(connector.Positions{2}, p); got != 10 {
		t.Errorf("advance: %d", got)
	}
	if !reached(connector.Positions{5}, connector.Positions{5, 3}, connector.Positions{0, 3}) {
		t.Error("a partition without records must not be waited for")
	}
	if got := furthest(connector.Positions{1, 9}, connector.Positions{4, -1, 2}); fmt.Sprint(got) != "[4 9 2]" {
		t.Errorf("furthest: %v", got)
	}
}
