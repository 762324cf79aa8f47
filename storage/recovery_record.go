package storage

import (
	"encoding/binary"
	"fmt"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
)

// Record format, version 1. Numbers are uvarints unless said otherwise.
//
//	version (1 byte), number, clock (varint), positions (n+1, bytes; 0: as before)
//	meta:   n, then n times key length, key, value length+1 (0: deleted), value
//	create: n, then n times arrangement, placement
//	drop:   n, then n times arrangement
//	sets:   n, then n times arrangement, rows, keys, values, dead
//
// keys and values are 0, width, data (all strings have the same width), or 1,
// the length of each string, data. dead is a number of 64-bit words, little
// endian; bits behind them are not set.
const recordVersion = 1

const (
	listFixed  = 0
	listLength = 1
)

// recordEncoder encodes an epoch into parts for Log.Append. The data of the
// lists is not copied.
type recordEncoder struct {
	buf   []byte
	cuts  []recordCut
	parts [][]byte
}

// recordCut says that data follows after the first n bytes of buf.
type recordCut struct {
	n    int
	data []byte
}

// encode returns the record's parts, valid until the next call or a change of
// the epoch's lists.
func (e *recordEncoder) encode(ep *Epoch) [][]byte {
	b := append(e.buf[:0], recordVersion)
	e.cuts = e.cuts[:0]
	b = binary.AppendUvarint(b, ep.Number)
	b = binary.AppendVarint(b, ep.Clock)
	b = appendOptional(b, ep.Positions)
	b = binary.AppendUvarint(b, uint64(len(ep.Meta)))
	for _, c := range ep.Meta {
		b = binary.AppendUvarint(b, uint64(len(c.Key)))
		b = append(b, c.Key...)
		b = appendOptional(b, c.Value)
	}
	b = binary.AppendUvarint(b, uint64(len(ep.Create)))
	for _, c := range ep.Create {
		b = binary.AppendUvarint(b, uint64(c.Arr))
		b = append(b, byte(c.Placement))
	}
	b = binary.AppendUvarint(b, uint64(len(ep.Drop)))
	for _, arr := range ep.Drop {
		b = binary.AppendUvarint(b, uint64(arr))
	}
	b = binary.AppendUvarint(b, uint64(len(ep.Changes)))
	for i := range ep.Changes {
		cs := &ep.Changes[i]
		b = binary.AppendUvarint(b, uint64(cs.Arr))
		b = binary.AppendUvarint(b, uint64(cs.Keys.Len()))
		b = e.appendList(b, &cs.Keys)
		b = e.appendList(b, &cs.Vals)
		b = binary.AppendUvarint(b, uint64(len(cs.Dead)))
		for _, w := range cs.Dead {
			b = binary.LittleEndian.AppendUint64(b, w)
		}
	}
	e.buf = b
	return e.split()
}

// split cuts buf where list data belongs.
func (e *recordEncoder) split() [][]byte {
	e.parts = e.parts[:0]
	at := 0
	for _, c := range e.cuts {
		e.parts = append(e.parts, e.buf[at:c.n], c.data)
		at = c.n
	}
	e.parts = append(e.parts, e.buf[at:])
	return e.parts
}

func (e *recordEncoder) appendList(b []byte, l *zset.List) []byte {
	n := l.Len()
	if n == 0 {
		return append(b, listFixed, 0)
	}
	width := l.Off[0]
	fixed := true
	for i, end := range l.Off {
		if end != uint32(i+1)*width {
			fixed = false
			break
		}
	}
	if fixed {
		b = append(b, listFixed)
		b = binary.AppendUvarint(b, uint64(width))
	} else {
		b = append(b, listLength)
		start := uint32(0)
		for _, end := range l.Off {
			b = binary.AppendUvarint(b, uint64(end-start))
			start = end
		}
	}
	e.cuts = append(e.cuts, recordCut{n: len(b), data: l.Data[:l.Off[n-1]]})
	return b
}

// appendOptional appends nil as 0 and bytes with their length plus one.
func appendOptional(b, v []byte) []byte {
	if v == nil {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(v))+1)
	return append(b, v...)
}

// decoder reads the primitives of records and manifest values; the first
// malformed one makes it fail for good.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) fail() {
	d.bad = true
	d.b = nil
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail()
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.fail()
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

// count reads the number of things that take at least one byte each.
func (d *decoder) count() int {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.fail()
		return 0
	}
	return int(n)
}

// uint32 reads a number below 2^32.
func (d *decoder) uint32() uint32 {
	v := d.uvarint()
	if v > 1<<32-1 {
		d.fail()
	}
	return uint32(v)
}

// optional reads what appendOptional wrote.
func (d *decoder) optional() []byte {
	n := d.uvarint()
	if n == 0 {
		return nil
	}
	v := d.bytes(n - 1)
	if v == nil && !d.bad {
		v = []byte{}
	}
	return v
}

// decodeRecord decodes a record into ep. The epoch shares the record's memory;
// ep's slices are used again.
func decodeRecord(record []byte, ep *Epoch) error {
	d := &decoder{b: record}
	if v := d.byte(); v != recordVersion && !d.bad {
		return fmt.Errorf("log record has format version %d, this server knows %d", v, recordVersion)
	}
	ep.Number = d.uvarint()
	ep.Clock = d.varint()
	ep.Positions = d.optional()
	ep.Meta, ep.Create, ep.Drop = ep.Meta[:0], ep.Create[:0], ep.Drop[:0]
	for n := d.count(); n > 0 && !d.bad; n-- {
		key := d.bytes(d.uvarint())
		ep.Meta = append(ep.Meta, MetaChange{Key: key, Value: d.optional()})
	}
	for n := d.count(); n > 0 && !d.bad; n-- {
		ep.Create = append(ep.Create, NewArrangement{Arr: Arrangement(d.uint32()), Placement: Placement(d.byte())})
	}
	for n := d.count(); n > 0 && !d.bad; n-- {
		ep.Drop = append(ep.Drop, Arrangement(d.uint32()))
	}
	n := d.count()
	if cap(ep.Changes) < n {
		ep.Changes = make([]ChangeSet, n)
	}
	ep.Changes = ep.Changes[:n]
	for i := range ep.Changes {
		d.changeSet(&ep.Changes[i])
	}
	if d.bad || len(d.b) != 0 {
		return sqlerr.New(sqlerr.DataCorrupted, "log record of epoch %d is malformed", ep.Number)
	}
	return nil
}

func (d *decoder) changeSet(cs *ChangeSet) {
	cs.Arr = Arrangement(d.uint32())
	n := d.uvarint()
	d.list(&cs.Keys, n)
	d.list(&cs.Vals, n)
	words := d.uvarint()
	if words > uint64(len(d.b))/8 {
		d.fail()
		return
	}
	cs.Dead = cs.Dead[:0]
	for range words {
		cs.Dead = append(cs.Dead, binary.LittleEndian.Uint64(d.bytes(8)))
	}
}

// list reads n strings.
func (d *decoder) list(l *zset.List, n uint64) {
	l.Off, l.Data = l.Off[:0], nil
	switch kind := d.byte(); {
	case d.bad:
		return
	case kind == listFixed:
		width := d.uvarint()
		// The strings of width 0 take no bytes: their number is bounded by what
		// an epoch can hold at all.
		if width > 1<<32-1 || n > 1<<32-1 || width*n > uint64(len(d.b)) || width == 0 && n > 1<<26 {
			d.fail()
			return
		}
		for i := range uint32(n) {
			l.Off = append(l.Off, (i+1)*uint32(width))
		}
		l.Data = d.bytes(width * n)
	case kind == listLength:
		if n > uint64(len(d.b)) {
			d.fail()
			return
		}
		end := uint64(0)
		for range n {
			if end += d.uvarint(); end > uint64(len(d.b)) || end > 1<<32-1 {
				d.fail()
				return
			}
			l.Off = append(l.Off, uint32(end))
		}
		l.Data = d.bytes(end)
	default:
		d.fail()
	}
}
