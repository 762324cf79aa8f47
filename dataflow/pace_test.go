package dataflow

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streamdb/streamdb/dataflow/operator"
)

func TestPace(t *testing.T) {
	const ms = time.Millisecond
	p := newPace(250*ms, 64<<10)
	for i, step := range []struct {
		rows  int64
		took  time.Duration
		bytes int64
		want  int
	}{
		{100, 1 * ms, 0, 4096},                       // quick, but not full: nothing is learned
		{4096, 10 * ms, 0, 8192},                     // quick and full
		{8192, 130 * ms, 0, 8192},                    // half of the target: it stays
		{8192, 249 * ms, 0, 8192},                    //
		{8192, 300 * ms, 0, 3413},                    // too long
		{3413, 25 * time.Second, 0, 64},              // a hundred times too long
		{4096, 40 * time.Second, 0, 64},              // one batch is taken in any case
		{64, ms, 0, 128},                             //
		{4096, ms, 0, 256},                           //
		{256, ms, largestDelta + largestDelta/2, 85}, // quick to compute, much to write
		{85, ms, largestDelta / 10, 170},
	} {
		if p.observe(step.rows, step.took, step.bytes); p.rows != step.want {
			t.Errorf("step %d: the next epoch takes %d rows, want %d", i, p.rows, step.want)
		}
	}
	for range 20 {
		p.observe(int64(p.rows), ms, 0)
	}
	if p.rows != 64<<10 {
		t.Errorf("it does not grow to the bound: %d", p.rows)
	}
	if p.restart(); p.rows != firstCut {
		t.Errorf("it begins with %d rows", p.rows)
	}
	if p := newPace(250*ms, 3); p.rows != 3 {
		t.Errorf("it begins above its bound: %d", p.rows)
	}
}

// slow is an operator of which a row costs so much time on the test's clock.
type slow struct {
	operator.Operator
	clock *atomic.Int64
	cost  time.Duration
}

func (s slow) Apply(in []operator.Delta, st operator.State, epoch uint64, out *operator.Output) error {
	for _, b := range in[0] {
		for range b.Len() {
			s.clock.Add(int64(s.cost))
			if err := out.Spend(0); err != nil {
				return err
			}
		}
	}
	return s.Operator.Apply(in, st, epoch, out)
}

// TestPaceOfEpochs reads a long topic with a view that costs 1 ms a row: the
// first epochs are too long, then they are small enough, in the live stream, in
// the backfill of a stream and in that of a view.
func TestPaceOfEpochs(t *testing.T) {
	var clock atomic.Int64
	clock.Store(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	var cutAt int64
	var long, epochs int
	w := newWorld(t, Options{
		Now: func() time.Time { return time.Unix(0, clock.Load()) },
		Build: func(n *Node) (operator.Operator, error) {
			op, err := BuildOperator(n)
			return slow{op, &clock, time.Millisecond}, err
		},
		FailPoint: func(name string) { // called by the loop alone
			switch name {
			case "cut":
				cutAt = clock.Load()
			case "computed":
				if epochs++; clock.Load()-cutAt > int64(250*time.Millisecond) {
					long++
				}
			}
		},
	})
	w.run()
	rng := rand.New(rand.NewPCG(4, 4))
	topic := newFakeTopic(3, 1, 9)
	topic.produce(0, someRecords(rng, 6000, 0)...)
	w.stream(1, topic)
	w.mustView(passView(2, 1, 20))
	w.caughtUp()
	w.mustView(groupView(3, 1, 0, 21))
	topic.produce(0, someRecords(rng, 1000, 0)...)
	w.mustView(passView(4, 2, 22))
	w.caughtUp()
	w.check(nil)
	w.stop()
	// What rows cost each view is not known when it comes and when it attaches.
	if 5*long > epochs || epochs < 40 {
		t.Errorf("%d of %d epochs were too long", long, epochs)
	}
}

// TestPaceOfFixedCost has pieces that cost 100 ms and 10 ms a row: more than the
// target whatever their size, so that small ones would take forever.
func TestPaceOfFixedCost(t *testing.T) {
	const ms = time.Millisecond
	p := newPace(50*ms, 64<<10)
	p.least, p.longest = 1, 500*ms
	var took time.Duration
	done := 0
	for range 100 {
		took = 100*ms + time.Duration(p.rows)*10*ms
		if p.rows > 2 && took > 2*p.aim() {
			p.overrun(p.rows)
			continue
		}
		done += p.rows
		p.observe(int64(p.rows), took, 0)
	}
	if done < 800 {
		t.Errorf("100 pieces have done %d rows, now %d at once in %v", done, p.rows, took)
	}
}
