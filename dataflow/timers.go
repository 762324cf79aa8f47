package dataflow

import (
	"math"
	"time"

	"github.com/streamdb/streamdb/dataflow/operator"
)

// Timers. An operator with timers (operator.Temporal, and an aggregate that frees
// closed groups) keeps them in its arrangement, in order of time; the loop knows of
// each such node when the next one is due, and starts an epoch then where the clock
// is the epoch's. Every epoch, whatever it was started for,
// fires all timers that are due at its clock, in all views that take part in it:
// so at each published epoch every view is at the moment of the epoch's clock.
// After a restart nothing is known, and the first epoch looks at the
// arrangements.

// epoch2000 is 2000-01-01 in microseconds since 1970: clocks of epochs count
// from the one, values of timestamps, and so timers, from the other.
const epoch2000 = 946684800 * 1_000_000

// longestSleep bounds how long the loop sleeps for a timer: the system's clock
// may be set forward meanwhile.
const longestSleep = time.Second

// timer is what the loop knows of the timers of one node.
type timer struct {
	streams    []RelationID // whose least watermark is the clock
	horizon    *view        // whose least horizon is the clock; neither: the epoch's clock
	fired, due int64        // as committed; see operator.Clock
	at, next   int64        // the clock of the epoch under way, and what is due after it, if set
	set        bool
}

// newTimer returns the timer of a node, nil if it has none.
func (v *view) newTimer(n *Node) *timer {
	t := &timer{streams: n.Watermarks, fired: math.MinInt64, due: math.MinInt64}
	switch {
	case n.Temporal != nil && !n.Temporal.Forgets:
		return t
	case n.Temporal != nil, n.Aggregate != nil && n.Aggregate.Closes != nil:
		t.horizon = v
		return t
	}
	return nil
}

// clockOf is the clock of a timer in an epoch: noTime while a watermark is not
// known.
func (r *Runtime) clockOf(t *timer, ep *epochWork) int64 {
	switch {
	case t.horizon != nil:
		return t.horizon.horizon()
	case len(t.streams) == 0:
		return ep.now()
	}
	least := int64(math.MaxInt64)
	for _, id := range t.streams {
		value := noTime
		if s := r.streams[id]; s != nil && s.mark != nil {
			value = s.mark.value
		}
		least = min(least, value)
	}
	return least
}

// timed says whether the view has operators with timers.
func (v *view) timed() bool {
	for i := range v.nodes {
		if v.nodes[i].timer != nil {
			return true
		}
	}
	return false
}

// Timed says whether any installed view has timers.
func (r *Runtime) Timed() bool { return r.current().timed }

// due returns when the view's next timer is due by the clock.
func (v *view) due() int64 {
	due := operator.NoTimer
	for i := range v.nodes {
		if t := v.nodes[i].timer; t != nil && len(t.streams) == 0 && t.horizon == nil {
			due = min(due, t.due)
		}
	}
	return due
}

// fires says whether a timer of the view is due in the epoch.
func (r *Runtime) fires(v *view, ep *epochWork) bool {
	for i := range v.nodes {
		if t := v.nodes[i].timer; t != nil && t.due <= r.clockOf(t, ep) {
			return true
		}
	}
	return false
}

// timersCommitted notes that the epoch in which the view ran is durable.
func (v *view) timersCommitted() {
	for i := range v.nodes {
		if t := v.nodes[i].timer; t != nil && t.set {
			t.fired, t.due = t.at, t.next
		}
	}
}

// forgetTimers forgets what the epoch under way found out.
func (v *view) forgetTimers() {
	for i := range v.nodes {
		if t := v.nodes[i].timer; t != nil {
			t.set = false
		}
	}
}

// clock returns what the next epoch's clock would be, in microseconds since
// 1970. It does not go back when the system's does.
func (r *Runtime) clock() int64 { return max(r.store.Clock(), r.opts.Now().UnixMicro()) }

// markDue marks the views that have timers due in the epoch.
func (r *Runtime) markDue(ep *epochWork) {
	r.list()
	for _, v := range r.timed {
		v.marked = v.marked || r.fires(v, ep)
	}
}

// now is the epoch's clock as operators see it.
func (ep *epochWork) now() int64 { return ep.commit.Clock - epoch2000 }

// nextDue returns when the first timer is due.
func (r *Runtime) nextDue() int64 {
	r.list()
	due := operator.NoTimer
	for _, v := range r.timed {
		due = min(due, v.due())
	}
	return due
}

// timersDue says whether an epoch would fire timers.
func (r *Runtime) timersDue() bool {
	due := r.nextDue()
	return due != operator.NoTimer && due <= r.clock()-epoch2000
}

// nextTimer returns how long the loop may sleep without input: until a timer is
// due, or a watermark is to be looked at. ok is false if there is neither.
func (r *Runtime) nextTimer() (wait time.Duration, ok bool) {
	next := r.nextWatermark()
	if due := r.nextDue(); due != operator.NoTimer {
		next = min(next, due+epoch2000)
	}
	if next == math.MaxInt64 {
		return 0, false
	}
	return time.Duration(min(max(next-r.clock(), 0), longestSleep.Microseconds())) * time.Microsecond, true
}
