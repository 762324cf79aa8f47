package dataflow

import (
	"encoding/binary"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/storage"
)

// positionsVersion is the format of the blob that each epoch commits with its
// changes. All numbers are varints.
//
//	version
//	streams: n, {id, identity, starts, positions, recorded}
//	views:   n, {id, flags, since, reason, inputs: n, {relation, phase,
//	         flags, positions, cursor, scanned, target, base, horizon}}
//	purge:   n, {id}
//	watermarks (appendWatermarks), since version 2
//
// A view that is ready, running and attached to all its inputs is not in it, so
// the blob does not grow with the number of views.
//
// Format 2 was written before there was a BacklogArrangement. Format 4 has the
// bases: behind the watermarks a list of arrangements, and in each input its own.
// Format 5 has in each input its horizon, and at the end the numbers of late rows
// (appendLate).
const positionsVersion = 5

const (
	flagReady       = 1 << 0 // of a view
	flagQuarantined = 1 << 1
	flagDetached    = 1 << 2
	flagBehind      = 1 << 3
	flagHeld        = 1 << 4
	flagAsked       = 1 << 0 // of an input
	flagReached     = 1 << 1
)

// savedPositions is a decoded blob.
type savedPositions struct {
	written bool // there is one
	backlog bool // there is a BacklogArrangement
	streams map[RelationID]savedStream
	views   map[RelationID]savedView
	purge   []RelationID
	bases   []storage.Arrangement

	watermarks map[RelationID]savedWatermark
	late       map[RelationID]int64
}

type savedStream struct {
	identity                    string
	starts, positions, recorded connector.Positions
}

type savedView struct {
	flags  uint64
	since  uint64
	reason string
	inputs map[RelationID]savedInput
}

type savedInput struct {
	phase     phase
	flags     uint64
	positions connector.Positions
	cursor    []byte
	scanned   int64
	target    connector.Positions
	base      storage.Arrangement
	horizon   int64
}

// encodePositions encodes the state after the epoch under way.
func (r *Runtime) encodePositions() []byte {
	b := make([]byte, 0, 256)
	b = binary.AppendUvarint(b, positionsVersion)
	b = binary.AppendUvarint(b, uint64(len(r.streamOrder)))
	for _, s := range r.streamOrder {
		b = binary.AppendUvarint(b, uint64(s.spec.ID))
		b = appendString(b, s.spec.Identity)
		b = appendPositions(b, s.spec.Starts)
		b = appendPositions(b, s.positions)
		b = appendPositions(b, s.recorded)
	}
	r.list()
	b = binary.AppendUvarint(b, uint64(len(r.notables)))
	for _, v := range r.notables {
		b = v.appendState(b)
	}
	b = binary.AppendUvarint(b, uint64(len(r.purge)))
	for _, id := range r.purge {
		b = binary.AppendUvarint(b, uint64(id))
	}
	b = r.appendWatermarks(b)
	b = binary.AppendUvarint(b, uint64(len(r.bases)))
	for _, base := range r.bases {
		b = binary.AppendUvarint(b, uint64(base))
	}
	return r.appendLate(b)
}

// notable says whether the view's state must be in the blob.
func (v *view) notable() bool { return !v.live() || !v.ready || !v.attached() }

func (v *view) appendState(b []byte) []byte {
	var flags uint64
	if v.ready {
		flags |= flagReady
	}
	if !v.live() {
		flags |= flagQuarantined
	}
	if v.detached {
		flags |= flagDetached
	}
	if v.behind {
		flags |= flagBehind
	}
	if v.held {
		flags |= flagHeld
	}
	b = binary.AppendUvarint(b, uint64(v.spec.ID))
	b = binary.AppendUvarint(b, flags)
	b = binary.AppendUvarint(b, v.since)
	b = appendString(b, v.reason)
	n := len(v.inputs)
	for _, in := range v.inputs {
		if in.changesOnly { // attached, and perhaps beside another input of the same relation
			n--
		}
	}
	b = binary.AppendUvarint(b, uint64(n))
	for _, in := range v.inputs {
		if !in.changesOnly {
			b = in.appendState(b)
		}
	}
	return b
}

func (in *input) appendState(b []byte) []byte {
	var flags uint64
	if in.asked {
		flags |= flagAsked
	}
	if in.reached {
		flags |= flagReached
	}
	b = binary.AppendUvarint(b, uint64(in.rel))
	b = append(b, byte(in.phase))
	b = binary.AppendUvarint(b, flags)
	b = appendPositions(b, in.positions)
	b = appendString(b, string(in.cursor))
	b = binary.AppendVarint(b, in.scanned)
	b = appendPositions(b, in.target)
	b = binary.AppendUvarint(b, uint64(in.base))
	return binary.AppendVarint(b, in.horizon)
}

// appendPositions tells nil from empty: 0 is nil, else length + 1.
func appendPositions(b []byte, p connector.Positions) []byte {
	if p == nil {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(p))+1)
	for _, x := range p {
		b = binary.AppendVarint(b, x)
	}
	return b
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// decodePositions decodes a blob; nil gives one that was never written.
func decodePositions(b []byte) (*savedPositions, error) {
	saved := &savedPositions{streams: map[RelationID]savedStream{}, views: map[RelationID]savedView{}}
	if len(b) == 0 {
		return saved, nil
	}
	d := blob{b: b, ok: true}
	version := d.uint()
	if d.ok && (version < 1 || version > positionsVersion) {
		return nil, sqlerr.New(sqlerr.DataCorrupted, "the positions have format %d, this program knows format %d", version, positionsVersion)
	}
	saved.written, saved.backlog = true, version > 2
	for range d.count() {
		id := d.id()
		saved.streams[id] = savedStream{d.string(), d.positions(), d.positions(), d.positions()}
	}
	for range d.count() {
		id := d.id()
		saved.views[id] = d.view(version)
	}
	for range d.count() {
		saved.purge = append(saved.purge, d.id())
	}
	if version >= 2 {
		saved.watermarks = d.watermarks()
	}
	if version >= 4 {
		for range d.count() {
			saved.bases = append(saved.bases, storage.Arrangement(d.id()))
		}
	}
	if version >= 5 {
		saved.late = d.late()
	}
	if !d.ok || len(d.b) != 0 {
		return nil, sqlerr.New(sqlerr.DataCorrupted, "the positions of the last epoch are damaged")
	}
	return saved, nil
}

// blob reads; once something is wrong it returns zeros and ok stays false.
type blob struct {
	b  []byte
	ok bool
}

func (d *blob) uint() uint64 {
	x, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.b, d.ok = nil, false
		return 0
	}
	d.b = d.b[n:]
	return x
}

func (d *blob) int() int64 {
	x, n := binary.Varint(d.b)
	if n <= 0 {
		d.b, d.ok = nil, false
		return 0
	}
	d.b = d.b[n:]
	return x
}

// count reads the length of a list whose elements take at least a byte.
func (d *blob) count() int {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.b, d.ok = nil, false
		return 0
	}
	return int(n)
}

func (d *blob) id() RelationID {
	x := d.uint()
	if x > uint64(^RelationID(0)) {
		d.ok = false
	}
	return RelationID(x)
}

func (d *blob) string() string {
	n := d.count()
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

func (d *blob) positions() connector.Positions {
	n := d.uint()
	if n == 0 {
		return nil
	}
	if n-1 > uint64(len(d.b)) {
		d.b, d.ok = nil, false
		return nil
	}
	p := make(connector.Positions, n-1)
	for i := range p {
		p[i] = d.int()
	}
	return p
}

func (d *blob) view(version uint64) savedView {
	v := savedView{flags: d.uint(), since: d.uint(), reason: d.string(), inputs: map[RelationID]savedInput{}}
	for range d.count() {
		id := d.id()
		var in savedInput
		if len(d.b) == 0 || phase(d.b[0]) > phaseScanning {
			d.b, d.ok = nil, false
			return v
		}
		in.phase, d.b = phase(d.b[0]), d.b[1:]
		in.flags = d.uint()
		in.positions = d.positions()
		in.cursor = []byte(d.string())
		in.scanned = d.int()
		in.target = d.positions()
		if version >= 4 {
			in.base = storage.Arrangement(d.id())
		}
		if in.horizon = noTime; version >= 5 {
			in.horizon = d.int()
		}
		v.inputs[id] = in
	}
	return v
}

// restoreStream gives a stream its committed positions. A source that is
// another object than the one they belong to is not read.
func (p *savedPositions) restoreStream(s *stream) {
	saved, ok := p.streams[s.spec.ID]
	if !ok {
		return
	}
	if saved.identity != "" && s.spec.Identity != "" && saved.identity != s.spec.Identity {
		s.fault = "the topic was recreated: its identity is " + s.spec.Identity + ", the committed positions belong to " + saved.identity
	}
	if saved.identity != "" {
		s.spec.Identity = saved.identity
	}
	if saved.starts != nil {
		s.spec.Starts = saved.starts
	}
	s.positions, s.recorded = saved.positions, saved.recorded
}

// restoreView gives a view its committed state. Without one it is ready and
// attached, and then its streams have positions.
func (p *savedPositions) restoreView(v *view) error {
	saved, ok := p.views[v.spec.ID]
	v.ready = !ok || saved.flags&flagReady != 0
	v.reason, v.held = saved.reason, saved.flags&flagHeld != 0
	if saved.flags&flagQuarantined != 0 {
		v.state, v.reason, v.since = StateQuarantined, saved.reason, max(1, saved.since)
	}
	if saved.flags&(flagDetached|flagQuarantined) == flagDetached {
		v.detached, v.reason, v.since = true, saved.reason, max(1, saved.since)
	}
	v.behind, v.late = saved.flags&flagBehind != 0, p.late[v.spec.ID]
	for _, in := range v.inputs {
		at, known := saved.inputs[in.rel]
		if !ok || in.changesOnly {
			at, known = savedInput{flags: flagAsked, horizon: noTime}, true
			if v.ready || v.detached {
				at.flags |= flagReached
			}
		}
		if !known {
			return sqlerr.New(sqlerr.DataCorrupted, "the positions of view %q do not name relation %d, which it reads", v.spec.Name, in.rel)
		}
		in.phase, in.positions, in.target = at.phase, at.positions, at.target
		in.cursor, in.scanned, in.base, in.horizon = at.cursor, at.scanned, at.base, at.horizon
		in.asked, in.reached = at.flags&flagAsked != 0, at.flags&flagReached != 0
		if in.phase == phaseFinishing || in.phase == phaseChasing {
			in.phase = phaseReading // what was kept is gone; the broker has it
		}
		lost := in.phase == phaseReading && in.positions == nil || in.phase == phaseAttached && in.stream != nil && in.stream.positions == nil
		if v.live() && in.stream != nil && lost {
			return sqlerr.New(sqlerr.DataCorrupted, "the positions of view %q in stream %q are missing", v.spec.Name, in.stream.spec.Name)
		}
	}
	return nil
}
