package dataflow

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
)

// Watermarks. The watermark of a stream is the event time before which no more
// rows are expected: in each partition the greatest event time so far, less a
// delay; over all partitions the least of these. It never goes back, and it is
// committed with the epoch that moved it. A row is late in an epoch if its event
// time is before the watermark of the epoch before.
//
// A partition that is idle holds nothing back: nothing has come for the idle
// timeout, and the source has said since then, and only just, that there is
// nothing behind the position. So a partition that lags, or whose broker does not
// answer, is never idle. When all are idle the watermark follows the clock, as of
// the source's last word. What the source says is an input of the epoch like the
// clock and the rows.

// WatermarkSpec declares the event time of a stream.
type WatermarkSpec struct {
	Column int   // of type timestamp or timestamptz
	Delay  int64 // microseconds that rows of one partition may be out of order
	// Idle is the idle timeout in microseconds, 0: none.
	Idle int64
	// MaxFuture is how far ahead of the clock an event may be, in microseconds, and
	// still move the watermark.
	MaxFuture int64
	// Zone is that of a timestamp without time zone; nil for a timestamptz.
	Zone *time.Location
}

// noTime is the event time of what has none.
const noTime int64 = math.MinInt64

// fresh is how long the word of a source counts, in microseconds.
const fresh = 5_000_000

// How often the loop looks whether partitions have become idle, and how often the
// watermark follows the clock when all have.
const (
	idleCheck  = 250 * time.Millisecond
	followStep = time.Second
)

// watermark is the watermark of a stream at runtime. It belongs to the loop.
type watermark struct {
	spec    *WatermarkSpec
	value   int64 // noTime: unknown
	former  int64 // before the last epoch that took rows: they are late if they are before it
	parts   []partitionTime
	late    int64
	behind  int32 // the partition that holds it back, -1: none
	checkAt int64 // the clock at which to look again, microseconds since 1970
}

type partitionTime struct {
	newest int64 // event time
	moved  int64 // the clock when its position last moved
}

func newWatermark(spec *WatermarkSpec) *watermark {
	return &watermark{spec: spec, value: noTime, former: noTime, behind: -1}
}

// reset forgets the watermark of a stream that is no longer read.
func (m *watermark) reset() {
	m.value, m.former, m.parts, m.behind, m.checkAt = noTime, noTime, nil, -1, 0
}

// local is a clock, in microseconds since 1970, as an event time.
func (w *WatermarkSpec) local(clock int64) int64 {
	at := clock - epoch2000
	if w.Zone == nil {
		return at
	}
	if local, err := types.TimestamptzToTimestamp(at, w.Zone); err == nil {
		return local
	}
	return at
}

// moment is an event time as a timestamptz.
func (w *WatermarkSpec) moment(at int64) int64 {
	if w.Zone == nil {
		return at
	}
	if moment, err := types.TimestampToTimestamptz(at, w.Zone); err == nil {
		return moment
	}
	return at
}

// partition returns what is known of a partition; those that are new have moved
// just now.
func (m *watermark) partition(p int32, now int64) *partitionTime {
	for int(p) >= len(m.parts) {
		m.parts = append(m.parts, partitionTime{newest: noTime, moved: now})
	}
	return &m.parts[p]
}

// take notes the event times of an epoch's batches and counts the late rows.
func (m *watermark) take(batches []*connector.Batch, now int64) {
	limit := m.spec.local(now) + m.spec.MaxFuture
	for _, b := range batches {
		part := m.partition(b.Partition, now)
		part.moved = now
		if b.Rows == nil || b.EventMax == noTime {
			continue
		}
		newest := b.EventMax
		if newest > limit {
			newest = newestUpTo(b.Rows, m.spec.Column, limit)
		}
		part.newest = max(part.newest, newest)
		if b.EventMin < m.value {
			m.late += countBefore(b.Rows, m.spec.Column, m.value)
		}
	}
}

// judge works out the watermark from what has come and what the source says.
func (m *watermark) judge(positions connector.Positions, queued bool, caught []connector.CaughtUp, now int64) (value int64, behind int32) {
	n := max(len(m.parts), len(positions), len(caught))
	if n == 0 {
		return m.value, -1
	}
	m.partition(int32(n-1), now)
	least, clock, check := int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64)
	behind = -1
	for p := range m.parts {
		part := &m.parts[p]
		if at, idle := m.idle(int32(p), positions, queued, caught, now); idle {
			clock = min(clock, at)
			continue
		}
		check = min(check, part.moved+m.spec.Idle)
		if behind < 0 || part.newest < least {
			least, behind = part.newest, int32(p)
		}
	}
	m.checkAt = math.MaxInt64
	switch {
	case behind < 0:
		least = m.spec.local(clock)
		m.checkAt = now + followStep.Microseconds()
	case m.spec.Idle > 0:
		m.checkAt = max(check, now+idleCheck.Microseconds())
	}
	if least == noTime {
		return m.value, behind
	}
	return max(m.value, least-m.spec.Delay), behind
}

// idle says whether a partition is idle, and as of when the source has said that
// nothing is behind its position.
func (m *watermark) idle(p int32, positions connector.Positions, queued bool, caught []connector.CaughtUp, now int64) (at int64, idle bool) {
	if m.spec.Idle <= 0 || queued || int(p) >= len(caught) {
		return 0, false
	}
	c := caught[p]
	reached := positions.At(p) < 0 || positions.At(p) >= c.Position
	return c.At, c.At > 0 && reached && c.At >= m.parts[p].moved+m.spec.Idle && now-c.At <= fresh
}

// watches says whether the stream's watermark moves: its shared reader is on.
func (s *stream) watches() bool { return s.mark != nil && s.reader != nil }

// judgeWatermark is watermark.judge for a stream that watches.
func (s *stream) judgeWatermark(now int64) (value int64, behind int32) {
	n, _, _ := s.reader.queue.size()
	return s.mark.judge(s.positions, n > 0, s.reader.caughtUp(), now)
}

// isClock says whether a view's timers, or what is late for it, go by the watermark
// of a stream, which must not be forgotten then.
func (r *Runtime) isClock(id RelationID) bool {
	for _, v := range r.views {
		if slices.ContainsFunc(v.inputs, func(in *input) bool { return in.rel == id && in.lateness != nil }) {
			return true
		}
		for i := range v.nodes {
			if t := v.nodes[i].timer; t != nil && slices.Contains(t.streams, id) {
				return true
			}
		}
	}
	return false
}

// moveWatermarks brings the watermarks up to date with what the epoch cut.
func (r *Runtime) moveWatermarks(ep *epochWork) {
	for _, s := range r.streamOrder {
		if !s.watches() {
			continue
		}
		s.mark.former = s.mark.value
		s.mark.take(s.taken, ep.commit.Clock)
		value, behind := s.judgeWatermark(ep.commit.Clock)
		r.dirty = r.dirty || value != s.mark.value
		s.mark.value, s.mark.behind = value, behind
	}
}

// watermarksMove says whether a watermark moves without input. What holds one back
// is published without an epoch.
func (r *Runtime) watermarksMove() bool {
	for _, s := range r.streamOrder {
		if !s.watches() {
			continue
		}
		now := r.clock()
		if now < s.mark.checkAt {
			continue
		}
		value, behind := s.judgeWatermark(now)
		if value != s.mark.value {
			return true
		}
		if behind != s.mark.behind { // nothing moves, but another partition is to blame
			s.mark.behind, r.viewsChanged = behind, true
		}
	}
	return false
}

// nextWatermark returns when, by the clock, to look at watermarks again.
func (r *Runtime) nextWatermark() int64 {
	next := int64(math.MaxInt64)
	for _, s := range r.streamOrder {
		if s.watches() {
			next = min(next, s.mark.checkAt)
		}
	}
	return next
}

// eventTimes sets the range of the event times of a batch; it runs in the
// reader's goroutine. NULL and the infinities are no event times.
func eventTimes(b *connector.Batch, column int) {
	b.EventMin, b.EventMax = math.MaxInt64, noTime
	if b.Rows == nil || b.Rows.Len() == 0 {
		return
	}
	v := &b.Rows.Cols[column]
	if b.Rows.Sel == nil && v.Null == nil {
		least, newest := int64(math.MaxInt64), noTime
		for _, at := range v.Int[:b.Rows.N] {
			if at < least { // quicker than min and max
				least = at
			}
			if at > newest {
				newest = at
			}
		}
		if !types.TimestampIsInf(least) && !types.TimestampIsInf(newest) {
			b.EventMin, b.EventMax = least, newest
			return
		}
	}
	eachTime(b.Rows, column, func(at int64) {
		b.EventMin, b.EventMax = min(b.EventMin, at), max(b.EventMax, at)
	})
}

func eachTime(b *zset.Batch, column int, fn func(at int64)) {
	v := &b.Cols[column]
	for i := range b.Len() {
		if row := b.Row(i); !v.Null.Get(row) && !types.TimestampIsInf(v.Int[row]) {
			fn(v.Int[row])
		}
	}
}

// newestUpTo is the greatest event time that is not above limit.
func newestUpTo(b *zset.Batch, column int, limit int64) int64 {
	newest := noTime
	eachTime(b, column, func(at int64) {
		if at <= limit {
			newest = max(newest, at)
		}
	})
	return newest
}

func countBefore(b *zset.Batch, column int, watermark int64) (n int64) {
	if v := &b.Cols[column]; b.Sel == nil && v.Null == nil {
		for _, at := range v.Int[:b.N] {
			if at < watermark && at != types.TimestampNegInf {
				n++
			}
		}
		return n
	}
	eachTime(b, column, func(at int64) {
		if at < watermark {
			n++
		}
	})
	return n
}

// WatermarkStatus is a row of streamdb.watermarks.
type WatermarkStatus struct {
	ID        RelationID
	Column    int
	Watermark int64 // a timestamptz; Known says whether there is one
	Known     bool
	Behind    int32 // the partition that holds it back, -1: none, all are idle or not known
	Newest    int64 // the event time of that partition; NewestKnown says whether there is one
	NewestOK  bool
	Late      int64 // rows that came after the watermark had passed them
}

func (m *watermark) status(id RelationID) *WatermarkStatus {
	st := &WatermarkStatus{ID: id, Column: m.spec.Column, Behind: m.behind, Late: m.late}
	if m.value != noTime {
		st.Watermark, st.Known = m.spec.moment(m.value), true
	}
	if m.behind >= 0 && m.parts[m.behind].newest != noTime {
		st.Newest, st.NewestOK = m.spec.moment(m.parts[m.behind].newest), true
	}
	return st
}

// Watermarks returns the watermarks of all streams that have event time, in the
// order of creation.
func (s *Snapshot) Watermarks() []WatermarkStatus {
	var out []WatermarkStatus
	for i := range s.pub.streams {
		if m := s.pub.streams[i].watermark; m != nil {
			out = append(out, *m)
		}
	}
	return out
}

// appendWatermarks is the part of the positions blob that holds watermarks:
// n, {id, value, late, n, {newest}}.
func (r *Runtime) appendWatermarks(b []byte) []byte {
	n := 0
	for _, s := range r.streamOrder {
		if s.mark != nil {
			n++
		}
	}
	b = binary.AppendUvarint(b, uint64(n))
	for _, s := range r.streamOrder {
		if m := s.mark; m != nil {
			b = binary.AppendUvarint(b, uint64(s.spec.ID))
			b = binary.AppendVarint(b, m.value)
			b = binary.AppendVarint(b, m.late)
			b = binary.AppendUvarint(b, uint64(len(m.parts)))
			for _, part := range m.parts {
				b = binary.AppendVarint(b, part.newest)
			}
		}
	}
	return b
}

// savedWatermark is a decoded one.
type savedWatermark struct {
	value, late int64
	newest      []int64
}

func (d *blob) watermarks() map[RelationID]savedWatermark {
	out := map[RelationID]savedWatermark{}
	for range d.count() {
		id := d.id()
		m := savedWatermark{value: d.int(), late: d.int()}
		for range d.count() {
			m.newest = append(m.newest, d.int())
		}
		out[id] = m
	}
	return out
}

// restoreWatermark gives a stream its committed watermark. How long its
// partitions have been quiet is counted anew.
func (p *savedPositions) restoreWatermark(s *stream, now int64) {
	saved, ok := p.watermarks[s.spec.ID]
	if !ok || s.mark == nil {
		return
	}
	s.mark.value, s.mark.former, s.mark.late = saved.value, saved.value, saved.late
	for i, newest := range saved.newest {
		s.mark.partition(int32(i), now).newest = newest
		if behind := s.mark.behind; behind < 0 || newest < s.mark.parts[behind].newest {
			s.mark.behind = int32(i)
		}
	}
}
