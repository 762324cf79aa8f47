package dataflow

import (
	"slices"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
)

// stream is a stream at runtime: one shared reader for all views that have
// caught up. All fields but the reader's insides belong to the loop.
type stream struct {
	spec   StreamSpec
	fault  string   // why it is not read, "" if nothing is wrong
	failed bool     // the reader's error was published
	inputs []*input // of all views that read it, in order of creation
	need   []bool   // what the reader decodes; nil: all
	reader *reader  // nil: no view has caught up
	former *reader  // stopped, perhaps not yet ended

	positions connector.Positions // after the last epoch; never changed in place: published
	recorded  connector.Positions // error rows of records before these are in the store
	counts    []PartitionCounts   // by partition; copied by cut, so what was published stays
	mark      *watermark          // nil: without event time

	// Of the epoch under way.
	taken  []*connector.Batch
	delta  operator.Delta
	before connector.Positions
}

func newStream(spec StreamSpec) *stream {
	s := &stream{spec: spec}
	if spec.Watermark != nil {
		s.mark = newWatermark(spec.Watermark)
	}
	return s
}

// shared says whether the input takes its rows from the stream's shared
// reader, now or after the cut that was named for it.
func (in *input) shared() bool {
	return in.view.live() && (in.phase == phaseAttached || in.phase == phaseFinishing || in.phase == phaseChasing)
}

// sharers counts the inputs that need the shared reader.
func (s *stream) sharers() int {
	n := 0
	for _, in := range s.inputs {
		if in.shared() {
			n++
		}
	}
	return n
}

// union returns the columns that the shared reader must decode; nil: all.
func (s *stream) union() []bool {
	need := make([]bool, len(s.spec.Types))
	for _, in := range s.inputs {
		if !in.shared() {
			continue
		}
		if in.need == nil {
			return nil
		}
		for i, want := range in.need {
			need[i] = need[i] || want
		}
	}
	if c := s.timeColumn(); c >= 0 {
		need[c] = true
	}
	return need
}

// timeColumn is the column of the event time, -1 if there is none.
func (s *stream) timeColumn() int {
	if s.mark == nil {
		return -1
	}
	return s.mark.spec.Column
}

// settleStream makes the shared reader what the views need: none, or one from
// the committed positions that decodes the union of their columns.
func (r *Runtime) settleStream(s *stream) {
	if s.sharers() == 0 {
		r.promote(s)
	}
	if s.sharers() == 0 {
		if s.reader != nil {
			s.reader.stop()
			s.former, s.reader = s.reader, nil
			r.viewsChanged = true
		}
		r.dirty = r.dirty || s.positions != nil
		s.positions = nil
		if s.mark != nil && !r.isClock(s.spec.ID) {
			s.mark.reset()
		}
		return
	}
	need := s.union()
	if s.fault != "" || s.reader != nil && slices.Equal(need, s.need) && (need == nil) == (s.need == nil) {
		return
	}
	if s.reader != nil {
		s.reader.stop()
		s.former = s.reader
	}
	s.need = need
	s.reader = r.startReader(s.spec.Source, need, s.timeColumn(), s.positions, nil, s.former)
	s.former, s.failed = nil, false
	r.viewsChanged = true
}

// noteFailure publishes that the shared reader has given up.
func (r *Runtime) noteFailure(s *stream) {
	if s.reader == nil || s.failed {
		return
	}
	if _, err := s.reader.ended(); err != nil {
		s.failed, r.viewsChanged = true, true
	}
}

// learnIdentities takes over what streams are that did not say so when they were
// created. It must be durable before the positions that belong to it mean
// something else, so it does not wait for input.
func (r *Runtime) learnIdentities() {
	if !r.learned.Swap(false) {
		return
	}
	for _, s := range r.streamOrder {
		if s.spec.Identity == "" {
			if s.spec.Identity = s.seenIdentity(); s.spec.Identity != "" {
				r.dirty, r.unsaved = true, true
			}
		}
	}
}

// seenIdentity returns what a reader of the stream says that it reads.
func (s *stream) seenIdentity() string {
	if s.reader != nil && s.reader.status().Incarnation != "" {
		return s.reader.status().Incarnation
	}
	for _, in := range s.inputs {
		if in.reader != nil && in.reader.status().Incarnation != "" {
			return in.reader.status().Incarnation
		}
	}
	return ""
}

// Identity returns what the committed positions of a stream belong to, as far as
// that was known; "" for a stream that is not there. It is for those who open
// the sources that Restore installs.
func (r *Runtime) Identity(id RelationID) string { return r.saved.streams[id].identity }

// promote attaches the foremost backfilling view when no view is left on the
// shared reader: its positions become the stream's. Others that are behind or
// ahead in some partition go on by themselves until they meet.
func (r *Runtime) promote(s *stream) {
	var first *input
	for _, in := range s.inputs {
		if in.view.live() && in.phase == phaseReading && !in.view.waits() &&
			(first == nil || advance(nil, in.positions) > advance(nil, first.positions)) {
			first = in
		}
	}
	if first == nil {
		return
	}
	first.stopReader()
	if s.reader != nil { // it reads on from elsewhere
		s.reader.stop()
		s.former, s.reader = s.reader, nil
	}
	s.positions = first.positions
	r.attach(first)
	r.wakeUp() // the others may begin a round now
}

// cutStream takes a piece of the queue into the epoch.
func (s *stream) cut(rows, bytes int) {
	s.taken = s.reader.queue.take(rows, bytes)
	s.before = s.positions
	s.positions = consumed(s.positions, s.taken)
	s.delta = rowsOf(s.taken)
	s.counts = slices.Clone(s.counts)
	for _, b := range s.taken {
		c := s.partitionCounts(b.Partition)
		if b.Rows != nil {
			c.Rows += int64(b.Rows.Len())
		}
		c.Produced = max(c.Produced, b.Produced)
	}
}

// partitionCounts returns the counts of a partition that the epoch under way reads.
func (s *stream) partitionCounts(p int32) *PartitionCounts {
	for int(p) >= len(s.counts) {
		s.counts = append(s.counts, PartitionCounts{})
	}
	return &s.counts[p]
}

// newErrors returns the error rows of the epoch that no former reading of the
// same records has recorded (a stream is read again from its start when its
// last view was dropped and another one comes).
func (s *stream) newErrors() operator.Delta {
	var out operator.Delta
	for _, b := range s.taken {
		if b.Errors == nil || b.Errors.Len() == 0 {
			continue
		}
		if errs := errorsFrom(b.Errors, s.recorded.At(b.Partition)); errs.Len() > 0 {
			out = append(out, errs)
			s.partitionCounts(b.Partition).Errors += int64(errs.Len())
		}
	}
	recorded := s.recorded.Clone()
	for _, b := range s.taken {
		if recorded.At(b.Partition) < b.Next {
			recorded = recorded.Set(b.Partition, b.Next)
		}
	}
	s.recorded = recorded
	return out
}

// errorsFrom selects the error rows whose record's offset is at least from.
func errorsFrom(b *zset.Batch, from int64) *zset.Batch {
	offsets := &b.Cols[1] // operator.ErrorSchema
	if from <= 0 {
		return b
	}
	sel := make([]int32, 0, b.Len())
	for i := range b.Len() {
		row := b.Row(i)
		if offsets.Null.Get(row) || offsets.Int[row] >= from {
			sel = append(sel, int32(row))
		}
	}
	if len(sel) == b.Len() {
		return b
	}
	return &zset.Batch{Cols: b.Cols, N: b.N, Sel: sel, Weight: b.Weight}
}

// consumed returns the positions after the batches, in a slice of its own.
func consumed(p connector.Positions, batches []*connector.Batch) connector.Positions {
	out := p.Clone()
	for _, b := range batches {
		if out.At(b.Partition) < b.Next {
			out = out.Set(b.Partition, b.Next)
		}
	}
	return out
}

// rowsOf returns the batches' rows as a delta, nil if there are none.
func rowsOf(batches []*connector.Batch) operator.Delta {
	var out operator.Delta
	for _, b := range batches {
		if b.Rows != nil && b.Rows.Len() > 0 {
			out = append(out, b.Rows)
		}
	}
	return out
}

// advance returns how many offsets lie between two positions; partitions that
// have not begun count from 0.
func advance(from, to connector.Positions) int64 {
	var n int64
	for i, p := range to {
		n += max(0, max(p, 0)-max(from.At(int32(i)), 0))
	}
	return n
}
