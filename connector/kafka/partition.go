package kafka

import (
	"context"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// partition is one partition while it is read. The first group of fields is
// guarded by run.mu; rows, inflater and bad belong to the one decoding
// goroutine that holds a piece of the partition (only the owner may ask for
// more while pieces are pending, so there is one).
type partition struct {
	run *run
	id  int32

	leader, epoch int32
	next          int64 // the position to ask for
	gen           int   // counts how often next was set back
	pending       int   // pieces that are not decoded yet
	owner         *fetcher
	waiting       bool // not to be asked for now
	retryAt       time.Time
	failures      int
	stalled       bool
	done          bool
	fresh         bool // nothing was read and the position was found by ourselves
	until         int64

	rows     *rows
	inflater *inflater
	bad      int64 // base of a batch whose records are damaged, -1: none
}

// decode appends a piece's records and pushes batches. On an error what was
// pushed stands and rows.first is where to go on.
func (p *partition) decode(ctx context.Context, pc *piece) error {
	w := p.run
	w.mu.Lock()
	stale := pc.gen != p.gen || p.done
	p.fresh = false
	w.mu.Unlock()
	if stale {
		return nil
	}
	p.rows.expected = pc.scanned.records
	pos, err := p.rows.first, error(nil)
	if pc.scanned.old {
		pos, err = p.oldFormat(ctx, pc, pos)
	} else {
		pos, err = p.batches(ctx, pc, pos)
	}
	if pos > p.rows.first && (err == nil || pos != p.bad) {
		if perr := p.flush(ctx, pos); perr != nil {
			return perr
		}
	}
	if err != nil {
		p.rows.discard(p.rows.first)
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case p.until >= 0 && pos >= p.until:
		w.finish(p)
	case pc.scanned.old:
		p.next, p.waiting = pos, false
	case pos < pc.scanned.next: // what is behind a damaged batch must be asked for again
		p.next, p.gen = pos, p.gen+1
	}
	return nil
}

// flush pushes the rows before the position next.
func (p *partition) flush(ctx context.Context, next int64) error {
	return p.run.deliver(ctx, p.rows.take(next))
}

// batches reads record batches of format 2 and returns the position reached. On
// an error it is the position before the damaged batch; if rows of that batch
// were appended already, bad is that position and they must be discarded.
func (p *partition) batches(ctx context.Context, pc *piece, pos int64) (int64, error) {
	var ab aborted
	committed := !p.run.source.opts.ReadUncommitted
	if committed {
		ab = newAborted(pc.resp.AbortedTransactions)
	}
	table := checksumTable()
	for b := pc.resp.RecordBatches; len(b) > 0 && (p.until < 0 || pos < p.until); {
		h, ok, err := readHeader(b)
		if err != nil || !ok {
			return pos, err
		}
		batch := b[:h.size]
		b = b[h.size:]
		if h.last < pos {
			continue
		}
		if p.bad >= 0 && h.base >= p.bad && p.rows.first < h.base {
			return pos, nil // push what is before the damaged batch first
		}
		if crc32.Checksum(batch[batchFromCRC:], table) != h.checksum {
			return pos, fmt.Errorf("at offset %d: %w", h.base, errChecksum)
		}
		skip := committed && ab.skips(&h)
		switch {
		case h.attrs&attrControl != 0:
			if err := p.control(&ab, &h, batch[batchHeader:]); err != nil {
				return pos, fmt.Errorf("at offset %d: %w", h.base, err)
			}
		case !skip:
			if pos, err = p.records(ctx, &h, batch[batchHeader:], pos); err != nil {
				return pos, err
			}
			if h.base == p.bad {
				p.bad = -1 // what was damaged was read again and is whole
			}
		}
		pos = max(pos, h.last+1)
		if p.until >= 0 {
			pos = min(pos, p.until)
		}
	}
	return pos, nil
}

// control reads a transaction's marker, the first record of a control batch.
func (p *partition) control(ab *aborted, h *header, b []byte) error {
	b, err := p.inflater.inflate(b, h.attrs)
	if err != nil {
		return err
	}
	var rec record
	for i := range h.records {
		var ok bool
		if b, ok = rec.next(h, b); !ok {
			return errDamaged
		}
		if i == 0 {
			ab.ended(h.producer, rec.key)
		}
	}
	return nil
}

// records appends the records of one batch.
func (p *partition) records(ctx context.Context, h *header, b []byte, pos int64) (int64, error) {
	b, err := p.inflater.inflate(b, h.attrs)
	if err != nil {
		return pos, fmt.Errorf("at offset %d: %w", h.base, err)
	}
	var rec record
	for range h.records {
		var ok bool
		if b, ok = rec.next(h, b); !ok {
			p.bad = h.base
			return h.base, fmt.Errorf("at offset %d: %w", h.base, errDamaged)
		}
		if rec.offset < pos {
			continue
		}
		if p.until >= 0 && rec.offset >= p.until {
			return p.until, nil
		}
		if p.rows.full() {
			if err := p.flush(ctx, rec.offset); err != nil {
				return pos, err
			}
		}
		p.rows.add(&rec)
		pos = rec.offset + 1
	}
	return pos, nil
}

// oldFormat reads message sets (formats 0 and 1), which brokers before Kafka 4
// may still hold, through the client's own parser.
func (p *partition) oldFormat(ctx context.Context, pc *piece, pos int64) (int64, error) {
	o := kgo.ProcessFetchPartitionOpts{Offset: pos, Topic: p.run.source.opts.Topic, Partition: p.id, IsolationLevel: kgo.ReadUncommitted()}
	if !p.run.source.opts.ReadUncommitted {
		o.IsolationLevel = kgo.ReadCommitted()
	}
	resp := *pc.resp
	fp, next := kgo.ProcessFetchPartition(o, &resp, kgo.DefaultDecompressor(), nil)
	for _, r := range fp.Records {
		if p.until >= 0 && r.Offset >= p.until {
			return p.until, nil
		}
		if p.rows.full() {
			if err := p.flush(ctx, r.Offset); err != nil {
				return pos, err
			}
		}
		p.rows.add(&record{offset: r.Offset, time: r.Timestamp.UnixMilli(), key: r.Key, value: r.Value})
		pos = r.Offset + 1
	}
	if fp.Err != nil {
		return pos, fp.Err
	}
	if pos = max(pos, next); p.until >= 0 {
		pos = min(pos, p.until)
	}
	return pos, nil
}
