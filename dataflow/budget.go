package dataflow

import (
	"fmt"
	"math"
	"time"
)

// budget is what a view may take of an epoch. Operators spend it as they go, so a
// computation that explodes ends when it is spent; it has written nothing shared.
type budget struct {
	now      func() time.Time
	deadline time.Time // zero: none
	limit    time.Duration
	bytes    int // of deltas and changes
	left     int // of them
}

// overShare is the error of a view that has spent its budget.
type overShare struct {
	reason string
	memory bool
}

func (e *overShare) Error() string { return e.reason }

// spend takes bytes from the budget and looks at the clock.
func (b *budget) spend(bytes int) error {
	if b.left -= bytes; b.left < 0 {
		return &overShare{fmt.Sprintf("it changes more than %s in one epoch", sizeText(b.bytes)), true}
	}
	if !b.deadline.IsZero() && b.now().After(b.deadline) {
		return &overShare{fmt.Sprintf("it takes more than %v of one epoch", b.limit), false}
	}
	return nil
}

// sizeText prints bytes the way settings are written.
func sizeText(n int) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}

// leastTime is the least time that a view gets when many are detached.
const leastTime = 50 * time.Millisecond

// allow gives a view its budget for the epoch. What takes part in the epoch has
// the whole share; after each view that overran it the others get half, so that a
// burst which hits many views does not add up. What works at its own pace has a
// part of an epoch's target. A single change cannot be divided: it has all the time
// that it needs, not all the memory.
func (r *Runtime) allow(ep *epochWork, v *view, aside bool) {
	b := &v.budget
	b.now, b.bytes, b.deadline = r.opts.Now, r.opts.ViewBytes, time.Time{}
	b.limit = max(r.opts.ViewTime>>ep.overruns, min(leastTime, r.opts.ViewTime))
	if aside {
		v.pace.target = r.opts.EpochTarget / 2 / time.Duration(max(1, ep.aside))
		b.limit = min(max(2*v.pace.aim(), leastTime), r.opts.ViewTime)
	}
	if v.ownRows() || v.fed <= 2 && r.fires(v, ep) {
		b.bytes = math.MaxInt // neither can a command be divided, nor the timers of a moment
	}
	if v.divisible() && v.fed > 2 {
		b.deadline = b.now().Add(b.limit)
		if aside {
			b.bytes /= 4
		}
	}
	b.left = b.bytes
}

// divisible says whether what the view gets in the epoch can be worked off in
// pieces. The rows of a command cannot: it is done or refused as a whole.
func (v *view) divisible() bool {
	if v.fresh || v.ownRows() {
		return false
	}
	for _, in := range v.inputs {
		if in.from != nil && in.from != v && in.from.spec.Result.Arr == 0 {
			return false // nothing says what a key was
		}
	}
	return true
}

// ownRows says whether the epoch brings rows of a command that changes the table,
// or tells the sink what it has written.
func (v *view) ownRows() bool {
	for _, in := range v.inputs {
		if in.from == v && in.delta != nil {
			return true
		}
	}
	return false
}
