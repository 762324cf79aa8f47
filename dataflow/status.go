package dataflow

import (
	"context"
	"slices"
	"time"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/storage"
)

// The states of sources and views.
const (
	StateRunning     = "running"
	StateBackfilling = "backfilling"
	StateStalled     = "stalled"
	StateDetached    = "detached"
	StateQuarantined = "quarantined"
	StateFailed      = "failed"
	StateIdle        = "idle" // a stream that no view reads
)

// SourceStatus is a row of streamdb.sources.
type SourceStatus struct {
	ID          RelationID
	Name        string
	State       string
	Reason      string
	Positions   connector.Positions // nil: no view has caught up with it
	Ends        connector.Positions // as last asked (RefreshEnds), nil: never
	Counts      []PartitionCounts   // by partition; the last ones may be missing
	BytesQueued int
}

// PartitionCounts say what was read of a partition since the start of the process.
type PartitionCounts struct {
	Rows     int64
	Errors   int64 // records that did not decode
	Produced int64 // timestamp of the newest record, microseconds since 1970; 0: none
}

// Total adds up the counts of all partitions.
func (s *SourceStatus) Total() PartitionCounts {
	var out PartitionCounts
	for _, c := range s.Counts {
		out.Rows, out.Errors, out.Produced = out.Rows+c.Rows, out.Errors+c.Errors, max(out.Produced, c.Produced)
	}
	return out
}

// ViewStatus is a row of streamdb.views.
type ViewStatus struct {
	ID       RelationID
	Name     string
	State    string
	Reason   string
	Ready    bool // has processed what its inputs held when it was created, and has caught up with the others
	Progress Progress
	Epoch    uint64 // up to which it has processed its inputs
	Held     bool   // its rows are damaged, it waits to be built again
	Late     int64  // rows that it has left out since they came late
	// Arr has its rows: another arrangement after it was built again.
	Arr     storage.Arrangement
	private []privateReader
}

// privateReader reads a stream for one view.
type privateReader struct {
	stream RelationID
	reader *reader
}

// Progress says how far a view is with what its inputs held when it was
// created. Total is 0 while it is unknown (the broker was not reached, or rows
// of a relation are scanned, whose number nobody knows).
type Progress struct {
	Done, Total int64
}

// published is what is visible of one epoch. It is immutable.
type published struct {
	epoch   uint64
	clock   int64
	streams []streamStatus
	views   *viewTable
	errors  errorCounts
	timed   bool // some view has timers
}

type streamStatus struct {
	stream    *stream // only spec may be read
	reader    *reader
	fault     string
	positions connector.Positions
	counts    []PartitionCounts // never changed in place
	watermark *WatermarkStatus
}

// viewTable is shared by all epochs in which no view changed its state.
type viewTable struct {
	list []ViewStatus
	byID map[RelationID]int
}

// publishStatus builds what is to be visible with an epoch.
func (r *Runtime) publishStatus(epoch uint64, clock int64) *published {
	p := &published{epoch: epoch, clock: clock, views: r.viewTable, errors: r.errors}
	r.list()
	p.timed = len(r.timed) > 0
	p.streams = make([]streamStatus, len(r.streamOrder))
	for i, s := range r.streamOrder {
		p.streams[i] = streamStatus{s, s.reader, s.fault, s.positions, s.counts, nil}
		if s.mark != nil {
			p.streams[i].watermark = s.mark.status(s.spec.ID)
		}
	}
	if r.viewsChanged || p.views == nil {
		p.views = r.buildViewTable()
		r.viewTable, r.viewsChanged = p.views, false
	}
	return p
}

// buildViewTable collects the states of all views. A backfill changes them with
// every epoch, so the index is kept as long as there are the same views.
func (r *Runtime) buildViewTable() *viewTable {
	t := &viewTable{list: make([]ViewStatus, len(r.order))}
	same := r.viewTable != nil && len(r.viewTable.list) == len(r.order)
	for i, v := range r.order {
		t.list[i] = v.status()
		same = same && r.viewTable.list[i].ID == v.spec.ID
	}
	if same {
		t.byID = r.viewTable.byID
		return t
	}
	t.byID = make(map[RelationID]int, len(r.order))
	for i, v := range r.order {
		t.byID[v.spec.ID] = i
	}
	return t
}

func (v *view) status() ViewStatus {
	s := ViewStatus{ID: v.spec.ID, Name: v.spec.Name, State: v.state, Reason: v.reason, Ready: v.ready, Epoch: v.since, Held: v.held, Late: v.lateTotal(), Arr: v.spec.Result.Arr}
	if v.held {
		s.State = StateBackfilling
	}
	if !v.live() {
		return s
	}
	if v.detached {
		return v.detachedStatus(s)
	}
	s.Epoch = 0 // the published one
	known := true
	if v.behind {
		s.State = StateBackfilling
		s.Progress.Total = v.left
	}
	for _, in := range v.inputs {
		if in.reader != nil {
			s.private = append(s.private, privateReader{in.stream.spec.ID, in.reader})
		}
		p, ok := in.progress()
		s.Progress.Done += p.Done
		s.Progress.Total += p.Total
		known = known && ok
		if in.phase != phaseAttached || !in.reached {
			s.State = StateBackfilling
		}
		if fault := in.fault(); fault != "" {
			s.State, s.Reason = StateFailed, fault
		}
	}
	if !known {
		s.Progress.Total = 0
	}
	return s
}

// detachedStatus says how far a view, and what it reads, is with what has come since
// it was detached.
func (v *view) detachedStatus(s ViewStatus) ViewStatus {
	s.State = StateDetached
	s.Progress = Progress{Done: v.worked, Total: v.worked + v.left}
	for _, in := range v.inputs {
		if in.from != nil && in.from != v && in.from.detached {
			from := in.from.detachedStatus(ViewStatus{})
			s.Progress.Done += from.Progress.Done
			s.Progress.Total += from.Progress.Total
		}
		if in.stream == nil || in.phase == phaseAttached {
			continue // a stream that fails does not keep it from what it has
		}
		s.Progress.Total += advance(in.positions, in.stream.positions)
		if fault := in.fault(); fault != "" {
			s.State, s.Reason = StateFailed, fault
		}
	}
	return s
}

// current returns what is published now.
func (r *Runtime) current() *published {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pub
}

// Epoch returns the last published epoch.
func (r *Runtime) Epoch() uint64 { return r.current().epoch }

// Sources returns the state of all streams, in order of creation.
func (r *Runtime) Sources() []SourceStatus {
	p := r.current()
	out := make([]SourceStatus, 0, len(p.streams))
	for i := range p.streams {
		s := &p.streams[i]
		o := SourceStatus{
			ID: s.stream.spec.ID, Name: s.stream.spec.Name, State: StateIdle, Positions: s.positions.Clone(),
			Counts: s.counts,
		}
		if s.reader != nil {
			st := s.reader.status()
			o.State, o.Reason = st.Name, st.Reason
			_, _, o.BytesQueued = s.reader.queue.size()
		}
		if s.fault != "" {
			o.State, o.Reason = StateFailed, s.fault
		}
		r.mu.Lock()
		o.Ends = r.ends[o.ID].Clone()
		r.mu.Unlock()
		out = append(out, o)
	}
	return out
}

// RefreshEnds asks every source for its ends, for the lag in Sources. A source
// that does not answer keeps what it said last.
func (r *Runtime) RefreshEnds(ctx context.Context) {
	p := r.current()
	done := make(chan struct{}, len(p.streams))
	for i := range p.streams {
		s := p.streams[i].stream
		go func() {
			defer func() { done <- struct{}{} }()
			ask, cancel := context.WithTimeout(ctx, r.opts.AskTimeout)
			defer cancel()
			if ends, err := s.spec.Source.Ends(ask); err == nil {
				r.mu.Lock()
				r.ends[s.spec.ID] = ends
				r.mu.Unlock()
			}
		}()
	}
	for range p.streams {
		<-done
	}
}

// Views returns the state of all views and tables, in topological order.
func (r *Runtime) Views() []ViewStatus {
	p := r.current()
	out := append([]ViewStatus(nil), p.views.list...)
	for i := range out {
		if out[i].Epoch == 0 {
			out[i].Epoch = p.epoch
		}
	}
	return out
}

// view returns the published state of one view.
func (p *published) view(id RelationID) (ViewStatus, bool) {
	i, ok := p.views.byID[id]
	if !ok {
		return ViewStatus{}, false
	}
	s := p.views.list[i]
	if s.Epoch == 0 {
		s.Epoch = p.epoch
	}
	return s, true
}

func (p *published) stream(id RelationID) *streamStatus {
	for i := range p.streams {
		if p.streams[i].stream.spec.ID == id {
			return &p.streams[i]
		}
	}
	return nil
}

// Snapshot is one epoch of everything: the stored rows, and the positions and
// view states of the same epoch.
type Snapshot struct {
	StoreSnapshot
	pub *published
}

// Snapshot pins the last epoch. Release must be called.
func (r *Runtime) Snapshot() *Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &Snapshot{StoreSnapshot: r.store.Pin(), pub: r.pub}
	// The loop cannot begin another commit while mu is held, so the store is
	// either at the published epoch or at the one that is being committed.
	if r.next != nil && r.next.epoch == s.Epoch() {
		s.pub = r.next
	}
	return s
}

// Clock returns the epoch's clock, microseconds since 1970.
func (s *Snapshot) Clock() int64 { return s.pub.clock }

// Positions returns the positions of a stream, nil if no view reads it.
func (s *Snapshot) Positions(stream RelationID) connector.Positions {
	if st := s.pub.stream(stream); st != nil {
		return st.positions.Clone()
	}
	return nil
}

// View returns the state of a view or table.
func (s *Snapshot) View(id RelationID) (ViewStatus, bool) { return s.pub.view(id) }

// changed returns a channel that is closed at the next publication.
func (r *Runtime) changed() (*published, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.notify == nil {
		r.notify = make(chan struct{})
	}
	return r.pub, r.notify
}

// await blocks until met says true of a published epoch, or an error.
func (r *Runtime) await(ctx context.Context, met func(*published) (bool, error)) error {
	var tick *time.Ticker
	for {
		p, next := r.changed()
		if ok, err := met(p); ok || err != nil {
			return err
		}
		if tick == nil {
			tick = time.NewTicker(awaitTick)
			defer tick.Stop()
		}
		select {
		case <-next:
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-r.ended:
			return errEnded()
		}
	}
}

// Obstacle is a source that does not go on, and why.
type Obstacle struct {
	Source        RelationID
	State, Reason string
}

// Obstacles are the stalled and failed sources among the streams and of those that
// the views read for themselves.
func (r *Runtime) Obstacles(ids []RelationID) []Obstacle {
	p := r.current()
	var out []Obstacle
	note := func(id RelationID, rd *reader) {
		known := slices.ContainsFunc(out, func(o Obstacle) bool { return o.Source == id })
		if st := rd.status(); st.Name != StateRunning && !known {
			out = append(out, Obstacle{id, st.Name, st.Reason})
		}
	}
	for _, id := range ids {
		if s := p.stream(id); s != nil && s.reader != nil {
			note(id, s.reader)
		}
		if v, ok := p.view(id); ok {
			for _, own := range v.private {
				note(own.stream, own.reader)
			}
		}
	}
	return out
}

// awaitTick is how often who waits looks at what else may have changed: a source
// that does not go on makes no epochs.
const awaitTick = 250 * time.Millisecond

// WaitReady waits until the view has processed what its inputs held when it was
// created and is at the same epoch as all others. Progress, if not nil, is called in
// this goroutine with every epoch, and now and then where there is none.
// A view that is quarantined or failed gives 55000 with its reason.
func (r *Runtime) WaitReady(ctx context.Context, id RelationID, progress func(Progress)) error {
	return r.await(ctx, func(p *published) (bool, error) {
		s, ok := p.view(id)
		switch {
		case !ok:
			return false, sqlerr.New(sqlerr.UndefinedTable, "relation with id %d does not exist", id)
		case s.State == StateQuarantined || s.State == StateFailed && !s.Ready:
			return false, sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "view %q is %s", s.Name, s.State).WithDetail("%s", s.Reason)
		}
		if progress != nil && !s.Ready {
			progress(s.Progress)
		}
		return s.Ready, nil
	})
}

// WaitPositions waits until the stream's views have processed it up to the
// positions (real_time_recency). A stream that no view reads has nothing to
// wait for.
func (r *Runtime) WaitPositions(ctx context.Context, id RelationID, to connector.Positions) error {
	return r.await(ctx, func(p *published) (bool, error) {
		s := p.stream(id)
		if s == nil {
			return false, sqlerr.New(sqlerr.UndefinedTable, "relation with id %d does not exist", id)
		}
		if s.reader == nil && s.fault == "" || reached(s.positions, to, s.stream.spec.Starts) {
			return true, nil
		}
		reason := s.fault
		if s.reader != nil {
			if _, err := s.reader.ended(); err != nil {
				reason = err.Error()
			}
		}
		if reason != "" {
			return false, sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "stream %q has failed", s.stream.spec.Name).WithDetail("%s", reason)
		}
		return false, nil
	})
}

// reached says whether p is at or behind the target; partitions in which there
// is nothing between start and target are.
func reached(p, target, starts connector.Positions) bool {
	for i, want := range target {
		if want > 0 && want > starts.At(int32(i)) && p.At(int32(i)) < want {
			return false
		}
	}
	return true
}

// epochBuckets are the upper bounds of Stats.Histogram.
var epochBuckets = [...]time.Duration{
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second,
	2500 * time.Millisecond, 10 * time.Second,
}

// Stats are the counters of the epoch loop since the start of the process.
type Stats struct {
	Epochs, Rows                 int64
	CutNS, ComputeNS, CommitNS   int64
	EpochNS                      int64
	CutLimit                     int64                        // rows that an epoch may take now
	Waiting                      int64                        // commands that wait for their epoch, now
	Histogram                    [len(epochBuckets) + 1]int64 // epochs by duration, not cumulative; the last has no bound
	CommitRetries                int64
	CommitError                  string // why the commit that is being retried failed, "" if none is
	Quarantines, Detachments     int64
	Rebuilds                     int64 // views that were built again
	Backfills, Detached, Subscrs int64 // now
}

// EpochBuckets returns the upper bounds of Stats.Histogram, without the last.
func EpochBuckets() []time.Duration { return append([]time.Duration(nil), epochBuckets[:]...) }

// Stats returns the counters.
func (r *Runtime) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Waiting = r.waiting.Load()
	for i := range r.pub.views.list {
		switch r.pub.views.list[i].State {
		case StateBackfilling:
			s.Backfills++
		case StateDetached:
			s.Detached++
		}
	}
	return s
}

func (s *Stats) observe(d time.Duration) {
	i := 0
	for i < len(epochBuckets) && d > epochBuckets[i] {
		i++
	}
	s.Histogram[i]++
	s.EpochNS += int64(d)
	s.Epochs++
}
