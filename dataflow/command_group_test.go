package dataflow

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// TestCommandsShareAnEpoch lets commands come while an epoch is being committed:
// they share the next one; one that is refused by its Prepare is left out; and
// when a table's operator refuses the epoch, only the command at fault is
// refused.
func TestCommandsShareAnEpoch(t *testing.T) {
	for _, faulty := range []bool{false, true} {
		var armed atomic.Bool
		reached, release := make(chan struct{}), make(chan struct{})
		w := newWorld(t, Options{FailPoint: func(name string) {
			if name == "before-commit" && armed.CompareAndSwap(true, false) {
				close(reached)
				<-release
			}
		}})
		w.run()
		w.mustView(tableView(10, 50))
		w.mustView(groupView(11, 10, 0, 51))
		do := func(cmd Command) error {
			cmd.Shares = true
			_, err := w.rt.Do(context.Background(), cmd)
			return err
		}
		before := w.rt.Epoch()
		armed.Store(true)
		var all sync.WaitGroup
		all.Go(func() {
			if err := do(Command{Rows: []TableDelta{insert(10, 1, record{k: 0})}}); err != nil {
				t.Error(err)
			}
		})
		<-reached
		var wrong, follows atomic.Int64
		const n = 8
		for i := range int64(n) {
			all.Go(func() {
				weight, refuse := int64(1), i == 3
				if faulty && i == 5 {
					weight = -1 // of a row that is not there
				}
				err := do(Command{Prepare: func(_ uint64, c *Command) error {
					if refuse {
						return errCrash
					}
					if c.Follows {
						follows.Add(1)
					}
					c.Rows = append(c.Rows, insert(10, weight, record{k: i, v: 1}))
					return nil
				}})
				switch {
				case refuse && !errors.Is(err, errCrash), !refuse && (err != nil) != (weight < 0):
					t.Errorf("command %d: %v", i, err)
				case err != nil:
					wrong.Add(1)
				}
			})
		}
		waitSenders(w.rt, n+1)
		close(release)
		all.Wait()
		want := map[string]int64{"0,0": 1}
		for _, k := range []string{"0,1", "1,1", "2,1", "4,1", "5,1", "6,1", "7,1"} {
			if !faulty || k != "5,1" {
				want[k] = 1
			}
		}
		if n := w.check(map[RelationID]map[string]int64{10: want}); n != 2 {
			t.Errorf("%d views compared", n)
		}
		// Some may not yet have been sent when the epoch of the others began.
		if epochs := w.rt.Epoch() - before; follows.Load() == 0 || !faulty && epochs >= n {
			t.Errorf("%d epochs, %d commands joined others", epochs, follows.Load())
		}
		if got := wrong.Load(); faulty && got != 2 || !faulty && got != 1 {
			t.Errorf("%d commands were refused", got)
		}
		w.stop()
	}
}

// waitSenders waits until so many commands wait for the loop.
func waitSenders(r *Runtime, n int64) {
	for r.Stats().Waiting < n {
		runtime.Gosched()
	}
}
