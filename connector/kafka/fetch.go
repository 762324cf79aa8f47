package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Sizes and times of a fetch. The broker answers as soon as there is a byte, so
// the wait costs no latency; it only bounds how often an idle reader asks.
const (
	fetchBytes          = 16 << 20
	fetchPartitionBytes = 4 << 20
	fetchWait           = 500 * time.Millisecond
)

// tellAfter is how many failures in a row are told: a leader that moves is no
// news.
const tellAfter = 2

// fetcher long-polls one broker for the partitions that it leads.
type fetcher struct {
	run    *run
	broker int32
	woken  chan struct{}
	work   chan []piece // unbuffered: one response is decoded while the next is fetched

	failures int
	req      *kmsg.FetchRequest
	sent     map[int32]asked
}

// asked is what was asked of a partition.
type asked struct {
	p    *partition
	next int64
	gen  int
}

// piece is what a response has of one partition.
type piece struct {
	p       *partition
	gen     int
	resp    *kmsg.FetchResponseTopicPartition
	scanned scanned
}

func newFetcher(w *run, broker int32) *fetcher {
	f := &fetcher{run: w, broker: broker, woken: make(chan struct{}, 1), work: make(chan []piece), sent: map[int32]asked{}}
	f.req = kmsg.NewPtrFetchRequest()
	f.req.MaxWaitMillis = int32(fetchWait / time.Millisecond)
	f.req.MinBytes = 1
	f.req.MaxBytes = fetchBytes
	if !w.source.opts.ReadUncommitted {
		f.req.IsolationLevel = 1
	}
	t := kmsg.NewFetchRequestTopic()
	t.Topic = w.source.opts.Topic
	f.req.Topics = append(f.req.Topics, t)
	return f
}

// wake makes the fetcher look at its partitions again.
func (f *fetcher) wake() {
	select {
	case f.woken <- struct{}{}:
	default:
	}
}

// fetch asks the broker until ctx ends.
func (f *fetcher) fetch(ctx context.Context) {
	defer close(f.work)
	for ctx.Err() == nil {
		if retry, any := f.ask(time.Now()); !any {
			f.sleep(ctx, retry)
			continue
		}
		resp, err := f.run.client.Broker(int(f.broker)).Request(ctx, f.req)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = topError(resp)
		}
		if err != nil {
			f.failed(err)
			f.sleep(ctx, backoff(f.failures))
			f.failures++
			continue
		}
		f.failures = 0
		fetched, ok := resp.(*kmsg.FetchResponse)
		if !ok {
			panic(fmt.Sprintf("kafka: response %T to a fetch", resp))
		}
		if work := f.receive(ctx, fetched); len(work) > 0 {
			select {
			case f.work <- work:
			case <-ctx.Done():
			}
		}
	}
}

func topError(resp kmsg.Response) error {
	if r, ok := resp.(*kmsg.FetchResponse); ok {
		return kerr.ErrorForCode(r.ErrorCode)
	}
	return nil
}

func (f *fetcher) sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-f.woken:
	}
}

// ask fills the request with the partitions that may be fetched now. Without
// any it says when to look again.
func (f *fetcher) ask(now time.Time) (retry time.Duration, any bool) {
	w := f.run
	w.mu.Lock()
	defer w.mu.Unlock()
	t := &f.req.Topics[0]
	t.TopicID = w.topic
	t.Partitions = t.Partitions[:0]
	clear(f.sent)
	retry = lastBackoff
	if w.halted {
		return retry, false
	}
	for _, p := range w.partitions { // in random order, so that none starves
		if p.leader != f.broker || p.done || p.waiting || (p.pending > 0 && p.owner != f) {
			continue
		}
		if d := p.retryAt.Sub(now); d > 0 {
			retry = min(retry, d)
			continue
		}
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.Partition, rp.FetchOffset, rp.CurrentLeaderEpoch, rp.PartitionMaxBytes = p.id, p.next, p.epoch, fetchPartitionBytes
		t.Partitions = append(t.Partitions, rp)
		f.sent[p.id] = asked{p, p.next, p.gen}
	}
	return retry, len(t.Partitions) > 0
}

// failed notes that the broker did not answer.
func (f *fetcher) failed(err error) {
	w := f.run
	w.mu.Lock()
	defer w.mu.Unlock()
	if f.failures+1 >= tellAfter {
		for _, s := range f.sent {
			w.stall(s.p, fmt.Sprintf("broker %d does not answer: %s", f.broker, err))
		}
	}
	w.kick()
}

// receive looks at the headers of a response: what to ask for next is known
// before anything is decoded.
func (f *fetcher) receive(ctx context.Context, resp *kmsg.FetchResponse) []piece {
	w := f.run
	var work []piece
	var lost []*partition
	w.mu.Lock()
	for i := range resp.Topics {
		t := &resp.Topics[i]
		if t.Topic != w.source.opts.Topic && t.TopicID != f.req.Topics[0].TopicID {
			continue
		}
		for k := range t.Partitions {
			rp := &t.Partitions[k]
			s, ok := f.sent[rp.Partition]
			if !ok || s.p.gen != s.gen {
				continue
			}
			err := kerr.ErrorForCode(rp.ErrorCode)
			if errors.Is(err, kerr.OffsetOutOfRange) {
				s.p.waiting = true
				lost = append(lost, s.p)
				continue
			}
			if err != nil {
				f.refused(s.p, err)
				continue
			}
			if len(rp.RecordBatches) == 0 {
				w.recovered(s.p)
				if s.next >= rp.HighWatermark { // and not only for want of room in the response
					w.ends.note(rp.Partition, s.next)
				}
				continue
			}
			if pc, ok := f.accept(s, rp); ok {
				work = append(work, pc)
			}
		}
	}
	w.mu.Unlock()
	for _, p := range lost {
		f.outOfRange(ctx, p)
	}
	return work
}

// accept takes a partition's bytes; under w.mu.
func (f *fetcher) accept(s asked, rp *kmsg.FetchResponseTopicPartition) (piece, bool) {
	p := s.p
	sc, err := scanHeaders(rp.RecordBatches, s.next)
	if err != nil {
		f.refused(p, fmt.Errorf("at offset %d: %w", sc.next, err))
		if sc.next == s.next {
			return piece{}, false
		}
	}
	if sc.next == s.next && !sc.old {
		return piece{}, false // less than one batch: it had no room behind other partitions
	}
	p.next = sc.next
	p.waiting = sc.old // the next position shows only when it is decoded
	p.pending++
	p.owner = f
	return piece{p: p, gen: s.gen, resp: rp, scanned: sc}, true
}

// refused notes an error of one partition; under w.mu. Errors that a new look
// at the cluster can mend are told only when they last.
func (f *fetcher) refused(p *partition, err error) {
	p.retryAt = time.Now().Add(backoff(p.failures))
	p.failures++
	if !kerr.IsRetriable(err) || p.failures >= tellAfter {
		f.run.stall(p, err.Error())
	}
	f.run.kick()
}

// recovered notes that a partition was answered; under w.mu.
func (w *run) recovered(p *partition) {
	p.failures = 0
	if p.stalled {
		p.stalled = false
		w.state.clear(p.id)
	}
}

// outOfRange handles a position that the broker no longer has, or not yet. Only
// a partition of which nothing was read may begin elsewhere: at the log's start.
func (f *fetcher) outOfRange(ctx context.Context, p *partition) {
	w := f.run
	committed := !w.source.opts.ReadUncommitted
	starts, failed, err := listOffsets(ctx, w.client, w.source.opts.Topic, []int32{p.id}, listEarliest, committed)
	var ends map[int32]int64
	if err == nil && failed[p.id] == nil {
		ends, failed, err = listOffsets(ctx, w.client, w.source.opts.Topic, []int32{p.id}, listLatest, committed)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	p.waiting = false
	if err != nil || failed[p.id] != nil {
		f.refused(p, errors.Join(err, failed[p.id]))
		return
	}
	if start := starts[p.id]; p.fresh && p.next < start && p.pending == 0 {
		p.next, p.rows.first = start, start
		if p.until >= 0 && start >= p.until {
			w.finish(p)
		}
		return
	}
	p.retryAt = time.Now().Add(backoff(p.failures))
	p.failures++
	if p.next >= starts[p.id] && p.next <= ends[p.id] && p.failures < tellAfter {
		return // it is in range by now
	}
	w.stall(p, fmt.Sprintf("offset %d is out of range: the topic has %d to %d, records are lost", p.next, starts[p.id], ends[p.id]))
}

// decode decodes responses in order until the fetcher ends.
func (f *fetcher) decode(ctx context.Context) {
	w := f.run
	for work := range f.work {
		for i := range work {
			p := work[i].p
			err := p.decode(ctx, &work[i])
			w.mu.Lock()
			p.pending--
			if err != nil && ctx.Err() == nil {
				f.refused(p, err)
				p.next, p.waiting, p.gen = p.rows.first, false, p.gen+1
			} else if err == nil && work[i].gen == p.gen {
				w.recovered(p)
			}
			if next := w.fetchers[p.leader]; next != nil && (next != f || work[i].scanned.old || err != nil) {
				next.wake()
			}
			w.mu.Unlock()
		}
	}
}
