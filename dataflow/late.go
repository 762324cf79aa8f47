package dataflow

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// Late rows. A view may leave them out (RelationInput.Lateness): it judges the rows
// of a stream with event time before its operators get them, and those from before
// the input's horizon are late. The horizon follows the watermark after the epoch
// before, so that the rows of one epoch do not judge each other, as long as the view
// is ready, and stands still while it is not. So nothing is late in a backfill, and
// what a detached view works off is judged as if it had never been detached. A row
// is judged once, where it reaches the view, whatever way it has come: the view is
// its query over the rows that are not late, and the late ones are counted and handed
// to the views that read them (RelationInput.Late), in the same epoch.
//
// What is before the horizon is final: no row that the operators get is before a
// horizon that the input has had.

// lateness is a Lateness that is ready for use.
type lateness struct {
	grace   int64
	windows []*operator.Steps
}

func newLateness(spec *Lateness) (*lateness, error) {
	if spec == nil {
		return nil, nil
	}
	if spec.Grace < 0 {
		return nil, sqlerr.New(sqlerr.InternalError, "a grace of %d", spec.Grace)
	}
	l := &lateness{grace: spec.Grace}
	for i := range spec.Windows {
		steps, err := operator.NewSteps(&spec.Windows[i])
		if err != nil {
			return nil, err
		}
		l.windows = append(l.windows, steps)
	}
	return l, nil
}

// horizon is what a watermark gives: no row from there on belongs to a window that is
// closed by it, of whatever kind.
func (l *lateness) horizon(watermark int64) int64 {
	if watermark < noTime+l.grace {
		return noTime
	}
	bar := watermark - l.grace
	if len(l.windows) == 0 {
		return bar
	}
	latest := noTime
	for _, steps := range l.windows {
		if begin, err := steps.Begin(bar); err == nil { // else there are no windows yet
			latest = max(latest, begin)
		}
	}
	return latest
}

// judgeLate takes the late rows out of what the view was fed and says how many they
// are.
func (v *view) judgeLate() (n int) {
	for _, in := range v.inputs {
		if in.lateness != nil {
			n += in.judgeLate()
		}
	}
	return n
}

func (in *input) judgeLate() (n int) {
	bar, column := in.bar(), in.stream.timeColumn()
	if bar == noTime {
		return 0
	}
	var kept operator.Delta
	for _, b := range in.delta {
		if late := int(countBefore(b, column, bar)); late > 0 {
			after, before := splitAt(b, column, bar, late)
			b, in.late, n = after, append(in.late, before), n+late
		}
		if b.Len() > 0 {
			kept = append(kept, b)
		}
	}
	in.delta = kept // the stream's own slice is that of other views, too
	return n
}

// bar is the horizon of the epoch under way.
func (in *input) bar() int64 {
	if in.view.ready {
		return max(in.horizon, in.lateness.horizon(in.stream.mark.former))
	}
	return in.horizon
}

// horizon is the least of its inputs': what is before it is final.
func (v *view) horizon() int64 {
	least := int64(math.MaxInt64)
	for _, in := range v.inputs {
		if in.lateness != nil {
			least = min(least, in.bar())
		}
	}
	if least == math.MaxInt64 {
		return noTime
	}
	return least
}

// holdHorizons lets the horizons stand still where they are.
func (v *view) holdHorizons() {
	for _, in := range v.inputs {
		if in.lateness != nil {
			in.horizon = in.bar()
		}
	}
}

// leavesLate says whether the view leaves late rows out.
func (v *view) leavesLate() bool {
	return slices.ContainsFunc(v.inputs, func(in *input) bool { return in.lateness != nil })
}

// splitAt divides the rows of a batch: late ones are before the event time bar.
func splitAt(b *zset.Batch, column int, bar int64, late int) (after, before *zset.Batch) {
	v := &b.Cols[column]
	sel := make([]int32, b.Len())
	old, rest := sel[:0:late], sel[late:late]
	for i := range b.Len() {
		row := b.Row(i)
		if at := v.Int[row]; !v.Null.Get(row) && at < bar && at != types.TimestampNegInf {
			old = append(old, int32(row))
		} else {
			rest = append(rest, int32(row))
		}
	}
	part := func(sel []int32) *zset.Batch { return &zset.Batch{Cols: b.Cols, N: b.N, Sel: sel, Weight: b.Weight} }
	return part(rest), part(old)
}

// lateRows are those of the epoch under way.
func (v *view) lateRows() (out operator.Delta) {
	for _, in := range v.inputs {
		out = append(out, in.late...)
	}
	return out
}

// takeBack gives a view that could not compute its late rows back: they are judged
// again when it gets them again.
func (v *view) takeBack() {
	for _, in := range v.inputs {
		if in.late != nil {
			in.delta, in.late = append(in.delta, in.late...), nil
		}
	}
}

// lateTotal counts the late rows up to the epoch under way, of which it has a part
// if it has computed it.
func (v *view) lateTotal() int64 {
	n := v.late
	if v.ran {
		for _, b := range v.lateRows() {
			n += int64(b.Len())
		}
	}
	return n
}

// resolveLate checks that there is event time where rows are judged, and that a view
// reads late rows where some are left out.
func (in *input) resolveLate() error {
	switch {
	case in.lateness != nil && (in.stream == nil || in.stream.mark == nil):
		return sqlerr.New(sqlerr.InternalError, "the rows of relation %d, which %q reads, have no event time", in.rel, in.view.spec.Name)
	case in.lateOnly && (in.from == nil || !in.from.leavesLate()):
		return sqlerr.New(sqlerr.InternalError, "relation %d, whose late rows %q reads, leaves none out", in.rel, in.view.spec.Name)
	}
	return nil
}

// appends says whether the input's relation only adds rows and keeps none: a stream,
// or the late rows of a view.
func (in *input) appends() bool { return in.stream != nil || in.lateOnly }

// appended are the rows of the epoch that come to such an input from the others'
// reading, not by itself.
func (in *input) appended() operator.Delta {
	switch {
	case in.lateOnly:
		return in.from.lateRows()
	case in.phase == phaseAttached:
		return in.stream.delta
	}
	return nil
}

// appendLate is the part of the positions blob that counts late rows: n, {view, rows}.
func (r *Runtime) appendLate(b []byte) []byte {
	r.list()
	b = binary.AppendUvarint(b, uint64(len(r.judges)))
	for _, v := range r.judges {
		b = binary.AppendUvarint(b, uint64(v.spec.ID))
		b = binary.AppendVarint(b, v.lateTotal())
	}
	return b
}

func (d *blob) late() map[RelationID]int64 {
	out := map[RelationID]int64{}
	for range d.count() {
		id := d.id()
		out[id] = d.int()
	}
	return out
}
