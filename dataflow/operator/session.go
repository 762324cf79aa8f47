package operator

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// SessionSpec puts behind each row of its input the start and the end of the
// session that it is in: the rows of one partition, each of which is no more than
// the gap after one before it. A session ends a gap after its last row. Rows whose
// time is NULL or infinite are in none.
//
// A row stands for the times from Low to High, which are one column where rows are
// events, and the first and last event where they are groups of such.
//
// State: in Rows the partition's key, Low and row bytes -> multiplicity; in Sessions the
// partition's key and the session's end -> its start. A change reads and writes the
// sessions that it touches, and no other.
type SessionSpec struct {
	Input     []types.Type        `json:"input"`
	Partition []int               `json:"partition"`
	Low       int                 `json:"low"` // column: timestamp or timestamptz
	High      int                 `json:"high"`
	Gap       int64               `json:"gap"` // microseconds
	Rows      storage.Arrangement `json:"rows"`
	Sessions  storage.Arrangement `json:"sessions"`
}

// Output returns the types of the rows that the operator emits.
func (s *SessionSpec) Output() []types.Type {
	return append(append([]types.Type(nil), s.Input...), s.Input[s.Low], s.Input[s.Low])
}

// Arrangements returns what the operator writes.
func (s *SessionSpec) Arrangements() []storage.Arrangement {
	return []storage.Arrangement{s.Rows, s.Sessions}
}

// Session is the operator of SessionSpec.
type Session struct {
	spec *SessionSpec
}

// NewSession checks spec.
func NewSession(spec *SessionSpec) (*Session, error) {
	for _, c := range append([]int{spec.Low, spec.High}, spec.Partition...) {
		if c < 0 || c >= len(spec.Input) {
			return nil, fmt.Errorf("column %d of a session over %d columns", c, len(spec.Input))
		}
	}
	if t := spec.Input[spec.Low].Base(); t != types.Timestamp && t != types.Timestamptz || spec.Input[spec.High].Base() != t {
		return nil, fmt.Errorf("times of a session are of types %s and %s", t, spec.Input[spec.High])
	}
	if spec.Gap <= 0 {
		return nil, fmt.Errorf("a session with a gap of %d", spec.Gap)
	}
	return &Session{spec: spec}, nil
}

// sessionItem is a row of the state or of the delta.
type sessionItem struct {
	key       []byte // in Rows
	row       []byte // its end: the row
	low, high int64
	old, now  int64 // how often it is there, before and after the epoch; before in the delta: 0
}

// sessionSpan is a session or a part of one: the times of its first and last event.
type sessionSpan struct{ first, last int64 }

// Apply moves rows between sessions.
func (s *Session) Apply(in []Delta, st State, _ uint64, out *Output) error {
	if len(in[0]) == 0 {
		return nil
	}
	w := sessionWork{Session: s, st: st, out: out, batch: zset.NewBatch(s.spec.Output(), 0), errs: newErrorRows(s.spec.Input),
		rows: storage.ChangeSet{Arr: s.spec.Rows}, sessions: storage.ChangeSet{Arr: s.spec.Sessions}}
	parts := w.changes(zset.Consolidate(s.spec.Input, in[0]))
	for _, p := range parts {
		if err := w.partition(p); err != nil {
			return err
		}
	}
	for _, set := range []storage.ChangeSet{w.rows, w.sessions} {
		if set.Keys.Len() > 0 {
			st.Change(set)
		}
	}
	out.Errors = w.errs.moveTo(out.Errors)
	return w.emit()
}

// sessionWork is one epoch.
type sessionWork struct {
	*Session
	errs           *errorRows
	st             State
	out            *Output
	batch          *zset.Batch
	rows, sessions storage.ChangeSet
	key            []byte
}

// sessionPartition is a partition with its changes, in the order of their keys.
type sessionPartition struct {
	key     []byte
	changes []sessionItem
}

// changes sorts the rows of a delta by partition and time.
func (w *sessionWork) changes(b *zset.Batch) (parts []sessionPartition) {
	var keys zset.List
	items := make([]sessionItem, 0, b.N)
	prefix := make([]int, 0, b.N)
	low, high := &b.Cols[w.spec.Low], &b.Cols[w.spec.High]
	for r := range b.N {
		if low.IsNull(r) || high.IsNull(r) || types.TimestampIsInf(low.Int[r]) || types.TimestampIsInf(high.Int[r]) {
			continue
		}
		if !types.TimestampInRange(w.after(high.Int[r])) {
			w.errs.add(b, r, sqlerr.New(sqlerr.DatetimeFieldOverflow, "the end of the session is out of range"), b.WeightAt(r))
			continue
		}
		start := len(keys.Data)
		keys.Data = zset.AppendKeys(keys.Data, b.Cols, w.spec.Partition, r)
		prefix = append(prefix, len(keys.Data)-start)
		keys.Data = zset.AppendRow(appendTime(keys.Data, low.Int[r]), b.Cols, r)
		keys.End()
		items = append(items, sessionItem{low: low.Int[r], high: high.Int[r], now: b.WeightAt(r)})
	}
	order := make([]int, len(items))
	for i := range items {
		items[i].key = keys.At(i)
		items[i].row = items[i].key[prefix[i]+timeBytes:]
		order[i] = i
	}
	slices.SortFunc(order, func(x, y int) int { return bytes.Compare(items[x].key, items[y].key) })
	for _, i := range order {
		key := items[i].key[:prefix[i]]
		if n := len(parts); n == 0 || !bytes.Equal(parts[n-1].key, key) {
			parts = append(parts, sessionPartition{key: key})
		}
		p := &parts[len(parts)-1]
		p.changes = append(p.changes, items[i])
	}
	return parts
}

// partition works off the changes of one partition, region by region: a region is
// changes and sessions that touch each other.
func (w *sessionWork) partition(p sessionPartition) error {
	for left := p.changes; len(left) > 0; {
		n, former, region, err := w.region(p.key, left)
		if err != nil {
			return err
		}
		items, err := w.items(p.key, left[:n], former, region)
		if err != nil {
			return err
		}
		if err := w.reassign(p.key, items, former); err != nil {
			return err
		}
		left = left[n:]
	}
	return nil
}

// region finds the sessions that the first changes touch, and how many changes there
// are that touch these.
func (w *sessionWork) region(part []byte, changes []sessionItem) (n int, former []sessionSpan, region sessionSpan, err error) {
	region = sessionSpan{changes[0].low, changes[0].high}
	grow := func() {
		for n < len(changes) && changes[n].low <= w.after(region.last) {
			region.last = max(region.last, changes[n].high)
			n++
		}
	}
	grow()
	var failed error
	w.key = appendTime(append(w.key[:0], part...), region.first)
	end := append(slices.Clone(part), bytes.Repeat([]byte{0xFF}, timeBytes+1)...)
	err = w.st.Scan(w.spec.Sessions, w.key, end, func(key, val []byte) bool {
		at, ok := timeOf(key[min(len(part), len(key)):])
		if !ok || len(val) != timeBytes {
			failed = w.errDamaged(nil)
			return false
		}
		start, _ := timeOf(val)
		if start > w.after(region.last) {
			return false
		}
		s := sessionSpan{start, at - w.spec.Gap}
		former = append(former, s)
		region.first, region.last = min(region.first, s.first), max(region.last, s.last)
		grow()
		return true
	})
	if failed != nil {
		err = failed
	}
	return n, former, region, err
}

// after is the end of a session whose last event is at t.
func (w *Session) after(t int64) int64 {
	return shifted(t, w.spec.Gap)
}

func (w *Session) errDamaged(cause error) error {
	return sqlerr.Wrap(cause, sqlerr.DataCorrupted, "stored session of arrangement %d is damaged", w.spec.Sessions)
}

// items merges the stored rows of a region with its changes, in order.
func (w *sessionWork) items(part []byte, changes []sessionItem, former []sessionSpan, region sessionSpan) ([]sessionItem, error) {
	if len(former) == 0 {
		return changes, checkSessionItems(changes)
	}
	var items []sessionItem
	var failed error
	lo := appendTime(slices.Clone(part), region.first)
	hi := appendTime(slices.Clone(part), region.last+1)
	probe := zset.NewBatch(w.spec.Input, 1)
	err := w.st.Scan(w.spec.Rows, lo, hi, func(key, val []byte) bool {
		for len(changes) > 0 && bytes.Compare(changes[0].key, key) < 0 {
			items, changes = append(items, changes[0]), changes[1:]
		}
		item, err := w.stored(probe, part, key, val)
		if err != nil {
			failed = err
			return false
		}
		item.now = item.old
		if len(changes) > 0 && bytes.Equal(changes[0].key, key) {
			item.now, changes = item.old+changes[0].now, changes[1:]
		}
		items = append(items, item)
		return true
	})
	if failed == nil {
		failed = err
	}
	if failed != nil {
		return nil, failed
	}
	items = append(items, changes...)
	return items, checkSessionItems(items)
}

func checkSessionItems(items []sessionItem) error {
	for i := range items {
		if items[i].now < 0 {
			return errNegative()
		}
	}
	return nil
}

// stored decodes a row of the state.
func (w *sessionWork) stored(probe *zset.Batch, part, key, val []byte) (item sessionItem, err error) {
	if item.old, err = DecodeMultiplicity(val); err != nil || len(key) < len(part)+timeBytes {
		return item, w.errDamaged(err)
	}
	item.key = bytes.Clone(key)
	item.row = item.key[len(part)+timeBytes:]
	probe.Reset()
	if err := zset.DecodeRow(item.row, probe.Cols); err != nil {
		return item, w.errDamaged(err)
	}
	item.low, item.high = probe.Cols[w.spec.Low].Int[0], probe.Cols[w.spec.High].Int[0]
	return item, nil
}

// reassign works out the sessions of a region's rows and emits what changes.
func (w *sessionWork) reassign(part []byte, items []sessionItem, former []sessionSpan) error {
	sessions := w.cut(items)
	w.storeSessions(part, former, sessions)
	was, is := 0, 0
	for i := range items {
		item := &items[i]
		if item.old != item.now {
			w.storeRow(item)
		}
		before, now := spanOf(former, &was, item.low), spanOf(sessions, &is, item.low)
		if item.old > 0 && item.now > 0 && before == now {
			if err := w.row(item, now, item.now-item.old); err != nil {
				return err
			}
			continue
		}
		if err := w.row(item, before, -item.old); err != nil {
			return err
		}
		if err := w.row(item, now, item.now); err != nil {
			return err
		}
	}
	return nil
}

// cut parts the rows that are there after the epoch into sessions.
func (w *sessionWork) cut(items []sessionItem) (sessions []sessionSpan) {
	for i := range items {
		item := &items[i]
		if item.now == 0 {
			continue
		}
		if n := len(sessions); n > 0 && item.low <= w.after(sessions[n-1].last) {
			sessions[n-1].last = max(sessions[n-1].last, item.high)
			continue
		}
		sessions = append(sessions, sessionSpan{item.low, item.high})
	}
	return sessions
}

// spanOf returns the session of a time; times come in order.
func spanOf(sessions []sessionSpan, at *int, low int64) sessionSpan {
	for *at+1 < len(sessions) && sessions[*at+1].first <= low {
		*at++
	}
	if len(sessions) == 0 {
		return sessionSpan{}
	}
	return sessions[*at]
}

// storeSessions writes the sessions that are new and deletes those that are no more.
func (w *sessionWork) storeSessions(part []byte, former, sessions []sessionSpan) {
	starts := map[int64]int64{}
	for _, s := range sessions {
		starts[s.last] = s.first
	}
	for _, s := range former {
		first, still := starts[s.last]
		if still && first == s.first {
			delete(starts, s.last)
		} else if !still {
			w.storeSession(part, s, false)
		}
	}
	for _, s := range sessions {
		if _, changed := starts[s.last]; changed {
			w.storeSession(part, s, true)
		}
	}
}

func (w *sessionWork) storeSession(part []byte, s sessionSpan, there bool) {
	w.key = appendTime(append(w.key[:0], part...), w.after(s.last))
	w.sessions.Keys.Add(w.key)
	if there {
		w.sessions.Vals.Data = appendTime(w.sessions.Vals.Data, s.first)
	} else {
		markDead(&w.sessions)
	}
	w.sessions.Vals.End()
}

func (w *sessionWork) storeRow(item *sessionItem) {
	w.rows.Keys.Add(item.key)
	if item.now == 0 {
		markDead(&w.rows)
	} else {
		w.rows.Vals.Data = AppendMultiplicity(w.rows.Vals.Data, item.now)
	}
	w.rows.Vals.End()
}

// row puts out a row in a session.
func (w *sessionWork) row(item *sessionItem, s sessionSpan, weight int64) error {
	if weight == 0 || w.out.Discard {
		return nil
	}
	if w.batch.N >= functionRows {
		if err := w.emit(); err != nil {
			return err
		}
	}
	n := len(w.spec.Input)
	if err := zset.DecodeRow(item.row, w.batch.Cols[:n]); err != nil {
		return w.errDamaged(err)
	}
	w.batch.Cols[n].AppendInt(s.first)
	w.batch.Cols[n+1].AppendInt(w.after(s.last))
	w.batch.AddRow(weight)
	return nil
}

// emit hands on the rows that were put out.
func (w *sessionWork) emit() error {
	rows := w.batch
	w.batch = zset.NewBatch(w.spec.Output(), 0)
	if rows.N == 0 {
		rows = nil
	}
	return w.out.Emit(rows)
}
