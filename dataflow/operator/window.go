package operator

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// WindowSpec puts out each row of its input once for every window of time that
// it belongs to, with the window's start or end, or both, behind it: tumbling,
// hopping and cumulating windows. The time is cut into steps, and all windows begin and end
// where steps do. Rows whose time is NULL or infinite are in no window. The
// operator has no state.
type WindowSpec struct {
	Input []types.Type `json:"input"`
	Time  int          `json:"time"` // column: timestamp or timestamptz
	// Step is the length of a step: months, days or microseconds, and only one of
	// them unless Zone is empty, where a day has 24 hours.
	Step types.IntervalValue `json:"step"`
	// Steps is how many steps a window has at most. A window begins with every step;
	// with Cumulate one in Steps does, and there is one for each step that has begun.
	Steps    int64 `json:"steps"`
	Cumulate bool  `json:"cumulate,omitempty"`
	// Origin is where a step begins, a timestamp on the clock of Zone.
	Origin int64 `json:"origin"`
	// Zone is where days and months begin for a time of timestamptz; "" is UTC.
	Zone string `json:"zone,omitempty"`
	// NoStart and NoEnd leave out a bound, which then follows from the other one.
	NoStart bool `json:"noStart,omitempty"`
	NoEnd   bool `json:"noEnd,omitempty"`
}

// MaxWindows bounds in how many windows a row may be.
const MaxWindows = 10_000

// Output returns the types of the rows that the operator emits.
func (s *WindowSpec) Output() []types.Type {
	out := append([]types.Type(nil), s.Input...)
	for _, without := range []bool{s.NoStart, s.NoEnd} {
		if !without {
			out = append(out, s.Input[s.Time])
		}
	}
	return out
}

// Window is the operator of WindowSpec.
type Window struct {
	spec  *WindowSpec
	steps stepClock
	last  windowSpan // of the row before: the next one is often in the same step
}

// windowSpan are the windows of the times from ≤ t < to.
type windowSpan struct {
	from, to     int64
	starts, ends []int64
}

// NewWindow checks spec.
func NewWindow(spec *WindowSpec) (*Window, error) {
	if spec.Time < 0 || spec.Time >= len(spec.Input) {
		return nil, fmt.Errorf("time of a window is column %d of %d", spec.Time, len(spec.Input))
	}
	if t := spec.Input[spec.Time].Base(); t != types.Timestamp && t != types.Timestamptz {
		return nil, fmt.Errorf("time of a window is of type %s", t)
	}
	if spec.Steps < 1 || spec.Steps > MaxWindows {
		return nil, fmt.Errorf("a window of %d steps", spec.Steps)
	}
	w := &Window{spec: spec}
	var err error
	w.steps, err = newStepClock(spec.Step, spec.Origin, spec.Zone)
	return w, err
}

// Apply puts the windows beside each row of the delta.
func (w *Window) Apply(in []Delta, _ State, _ uint64, out *Output) error {
	errs := newErrorRows(w.spec.Input)
	for _, b := range in[0] {
		if err := w.batch(b, errs, out); err != nil {
			return err
		}
	}
	out.Errors = errs.moveTo(out.Errors)
	return nil
}

// windowRows collects output rows: which row of the input, and the window.
type windowRows struct {
	rows         []int32
	starts, ends []int64
}

func (w *Window) batch(b *zset.Batch, errs *errorRows, out *Output) error {
	var found windowRows
	for i := range b.Len() {
		r := b.Row(i)
		v := &b.Cols[w.spec.Time]
		if b.WeightAt(r) == 0 || v.IsNull(r) || types.TimestampIsInf(v.Int[r]) {
			continue
		}
		if err := w.find(v.Int[r]); err != nil {
			errs.add(b, r, sqlerr.From(err), b.WeightAt(r))
			continue
		}
		for range w.last.starts {
			found.rows = append(found.rows, int32(r))
		}
		found.starts = append(found.starts, w.last.starts...)
		found.ends = append(found.ends, w.last.ends...)
		if len(found.rows) >= functionRows {
			if err := w.emit(b, &found, out); err != nil {
				return err
			}
		}
	}
	return w.emit(b, &found, out)
}

// emit hands on the rows that were found.
func (w *Window) emit(b *zset.Batch, found *windowRows, out *Output) error {
	if len(found.rows) == 0 || out.Discard {
		return out.Emit(nil)
	}
	rows := zset.NewBatch(w.spec.Output(), len(found.rows))
	for c := range w.spec.Input {
		rows.Cols[c].Gather(&b.Cols[c], found.rows)
	}
	bounds := rows.Cols[len(w.spec.Input):]
	if !w.spec.NoStart {
		bounds[0].Int = append(bounds[0].Int, found.starts...)
		bounds = bounds[1:]
	}
	if !w.spec.NoEnd {
		bounds[0].Int = append(bounds[0].Int, found.ends...)
	}
	for _, r := range found.rows {
		rows.AddRow(b.WeightAt(int(r)))
	}
	*found = windowRows{found.rows[:0], found.starts[:0], found.ends[:0]}
	return out.Emit(rows)
}

// find sets w.last to the windows of a moment.
func (w *Window) find(t int64) error {
	if w.last.from <= t && t < w.last.to {
		return nil
	}
	step, err := w.steps.at(t)
	if err != nil {
		return err
	}
	first, last := step-w.spec.Steps+1, step+w.spec.Steps
	if w.spec.Cumulate {
		first = floorDiv(step, w.spec.Steps) * w.spec.Steps
		last = first + w.spec.Steps
	}
	bounds := make([]int64, 0, last-first+1)
	for i := first; i <= last; i++ {
		bound, err := w.steps.bound(i)
		if err != nil {
			return err
		}
		bounds = append(bounds, bound)
	}
	begun := step - first // the step in bounds
	w.last.from, w.last.to = bounds[begun], bounds[begun+1]
	if w.spec.Cumulate {
		w.last.ends = bounds[begun+1 : w.spec.Steps+1]
		w.last.starts = slices.Repeat(bounds[:1], len(w.last.ends))
		return nil
	}
	w.last.starts = bounds[:w.spec.Steps]
	w.last.ends = bounds[w.spec.Steps : 2*w.spec.Steps]
	return nil
}

// StepSpec says how the windows of a WindowSpec cut time; the fields are its own.
type StepSpec struct {
	Step   types.IntervalValue `json:"step"`
	Origin int64               `json:"origin"`
	Zone   string              `json:"zone,omitempty"`
}

// Steps are the steps of a StepSpec.
type Steps struct {
	clock stepClock
}

// NewSteps checks spec.
func NewSteps(spec *StepSpec) (*Steps, error) {
	clock, err := newStepClock(spec.Step, spec.Origin, spec.Zone)
	return &Steps{clock}, err
}

// Begin returns where the step of a finite moment begins; 22008 out of range.
func (s *Steps) Begin(t int64) (int64, error) {
	i, err := s.clock.at(t)
	if err != nil {
		return 0, err
	}
	return s.clock.bound(i)
}

// stepClock numbers the steps of time: step i is from bound(i) to bound(i+1).
type stepClock struct {
	step   types.IntervalValue
	micros int64 // the length of a step, 0 if steps are counted on the calendar
	origin int64
	zone   *time.Location // nil: none
}

func newStepClock(step types.IntervalValue, origin int64, zone string) (c stepClock, err error) {
	if step.Micros < 0 || step.Days < 0 || step.Months < 0 || step == (types.IntervalValue{}) || !types.TimestampInRange(origin) {
		return c, fmt.Errorf("windows of %s from %d on", step, origin)
	}
	c = stepClock{step: step, origin: origin}
	if zone != "" && (step.Days != 0 || step.Months != 0) {
		if c.zone, err = types.LoadZone(zone); err != nil {
			return c, err
		}
	}
	switch {
	case step.Months != 0 && (step.Days != 0 || step.Micros != 0), c.zone != nil && step.Micros != 0:
		return c, fmt.Errorf("a step of %s is of mixed units", step)
	case step.Months == 0 && c.zone == nil:
		c.micros, err = step.FixedMicros()
	}
	return c, err
}

// bound is where a step begins; 22008 out of range.
func (c *stepClock) bound(i int64) (int64, error) {
	if c.micros != 0 {
		length := i * c.micros
		if length/c.micros != i {
			length = math.MaxInt64
		}
		return types.TimestampAdd(c.origin, types.IntervalValue{Micros: length})
	}
	v, err := types.NewInterval(i*int64(c.step.Months), i*int64(c.step.Days), 0)
	if err != nil {
		return 0, err
	}
	local, err := types.TimestampAdd(c.origin, v)
	if err != nil || c.zone == nil {
		return local, err
	}
	return types.TimestampToTimestamptz(local, c.zone)
}

// at returns the step of a finite moment.
func (c *stepClock) at(t int64) (int64, error) {
	if c.micros != 0 {
		since := t - c.origin
		if (t^c.origin)&(t^since) < 0 {
			since = math.MaxInt64 // its step has no end
		}
		return floorDiv(since, c.micros), nil
	}
	i, err := c.guess(t)
	if err != nil {
		return 0, err
	}
	// A guess by months does not see days and hours; one by days may be off near a
	// change of the zone's offset.
	for {
		from, err := c.bound(i)
		if err != nil {
			return 0, err
		}
		to, err := c.bound(i + 1)
		if err != nil {
			return 0, err
		}
		switch {
		case t < from:
			i--
		case t >= to:
			i++
		default:
			return i, nil
		}
	}
}

// guess returns the step of a moment or one beside it.
func (c *stepClock) guess(t int64) (int64, error) {
	local := t
	if c.zone != nil {
		var err error
		if local, err = types.TimestamptzToTimestamp(t, c.zone); err != nil {
			return 0, err
		}
	}
	if c.step.Months == 0 {
		return floorDiv(local-c.origin, int64(c.step.Days)*types.MicrosPerDay), nil
	}
	return floorDiv(monthOf(local)-monthOf(c.origin), int64(c.step.Months)), nil
}

func floorDiv(a, n int64) int64 {
	q := a / n
	if a%n < 0 {
		q--
	}
	return q
}

// monthOf numbers the months.
func monthOf(ts int64) int64 {
	y, m, _ := types.CivilFromDays(types.TimestampToDate(ts))
	return int64(y)*12 + int64(m)
}
