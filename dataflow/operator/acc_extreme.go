package operator

import (
	"encoding/binary"
	"slices"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// intExtreme is min and max of a value of KindInt64 over an input that never
// retracts: one slot a group. State: 0, or 1 and the value.
type intExtreme struct {
	max  bool
	slot []intExtremeSlot
}

type intExtremeSlot struct {
	v   int64
	has bool
}

func (a *intExtreme) grow(n int) { a.slot = extend(a.slot, n) }

func (a *intExtreme) add(v *zset.Vector, in *rowSet) {
	vals := v.Int
	for i, r := range in.rows {
		a.slot[in.slots[i]].take(vals[r], a.max)
	}
}

func (s *intExtremeSlot) take(x int64, greatest bool) {
	if !s.has || (x > s.v) == greatest {
		s.v, s.has = x, true
	}
}

func (a *intExtreme) merge(slot int, _ int64, state []byte) ([]byte, error) {
	if len(state) == 0 {
		return nil, errImage
	}
	if state[0] == 0 {
		return state[1:], nil
	}
	x, rest, err := readVarint(state[1:])
	if err == nil {
		a.slot[slot].take(x, a.max)
	}
	return rest, err
}

func (a *intExtreme) appendState(dst []byte, slot int, _ int64) []byte {
	s := &a.slot[slot]
	if !s.has {
		return append(dst, 0)
	}
	return binary.AppendVarint(append(dst, 1), s.v)
}

func (a *intExtreme) empty(slot int) bool { return !a.slot[slot].has }

func (a *intExtreme) result(slot int, out *zset.Vector) *sqlerr.Error {
	if s := &a.slot[slot]; s.has {
		out.AppendInt(s.v)
	} else {
		out.AppendNull()
	}
	return nil
}

func (a *intExtreme) reset()      { a.slot = keep(a.slot) }
func (a *intExtreme) memory() int { return 16 * cap(a.slot) }

// candidate says how the values of a min or max, or the images of a group's key
// columns, become bytes of which the least one wins: the key, descending for
// max, and for lossy types the row image behind it, so that ties end at the
// row's bytes.
type candidate struct {
	cols  []int // input columns; a composite image has no key
	ts    []types.Type
	keyed bool
	desc  bool
	lossy bool
}

func newCandidate(col int, t types.Type, desc bool) candidate {
	return candidate{cols: []int{col}, ts: []types.Type{t}, keyed: true, desc: desc, lossy: zset.KeyLossy(t)}
}

// append appends the bytes of a row and returns the length of the key in them.
func (c *candidate) append(dst []byte, b *zset.Batch, row int) (out []byte, keyLen int) {
	start := len(dst)
	if c.keyed {
		dst = zset.AppendKeyOrdered(dst, &b.Cols[c.cols[0]], row, c.desc, false)
	}
	keyLen = len(dst) - start
	if c.lossy {
		var few [8]zset.Vector
		vs := few[:0]
		for _, col := range c.cols {
			vs = append(vs, b.Cols[col])
		}
		dst = zset.AppendRow(dst, vs, row)
	}
	return dst, keyLen
}

// decode appends the values of bytes that append made.
func (c *candidate) decode(raw []byte, keyLen int, dst []zset.Vector) error {
	if c.lossy {
		return zset.DecodeRow(raw[keyLen:], dst)
	}
	_, err := zset.DecodeKeyOrdered(raw, c.ts[0], &dst[0], c.desc)
	return err
}

// extreme keeps the least candidate of each slot. Over an input that may
// retract, set holds them all; then the slot's candidate is found when the
// stored one is merged, and the next one is looked for if that one is gone.
// State: 0, or length + 1, for lossy types the length of the key, the bytes.
type extreme struct {
	of   candidate
	set  *multiset // nil: the input never retracts
	slot []extremeSlot
	data []byte
	raw  []byte
}

type extremeSlot struct {
	off    int
	len    int32
	keyLen int32
	has    bool
}

func (a *extreme) grow(n int) { a.slot = extend(a.slot, n) }

func (a *extreme) add(*zset.Vector, *rowSet) {} // addRows, or the multiset, does it

// addRows adds rows of a batch; only without a multiset.
func (a *extreme) addRows(b *zset.Batch, in *rowSet) {
	for i, r := range in.rows {
		var keyLen int
		a.raw, keyLen = a.of.append(a.raw[:0], b, int(r))
		a.offer(int(in.slots[i]), a.raw, keyLen)
	}
}

// offer lets a candidate compete.
func (a *extreme) offer(slot int, raw []byte, keyLen int) {
	s := &a.slot[slot]
	if s.has && string(raw) >= string(a.bytes(s)) {
		return
	}
	if !s.has || len(raw) > int(s.len) {
		s.off = len(a.data)
		a.data = append(a.data, raw...)
	} else {
		copy(a.data[s.off:], raw)
	}
	s.has, s.len, s.keyLen = true, int32(len(raw)), int32(keyLen)
}

func (a *extreme) bytes(s *extremeSlot) []byte { return a.data[s.off : s.off+int(s.len)] }

func (a *extreme) merge(slot int, _ int64, state []byte) ([]byte, error) {
	h, n := binary.Uvarint(state)
	if n <= 0 {
		return nil, errImage
	}
	state = state[n:]
	if h == 0 {
		return state, nil
	}
	size := h - 1
	keyLen := size
	if a.of.lossy {
		k, n := binary.Uvarint(state)
		if n <= 0 || k > size {
			return nil, errImage
		}
		keyLen, state = k, state[n:]
	}
	if size > uint64(len(state)) {
		return nil, errImage
	}
	raw := state[:size]
	if a.set == nil || !a.set.gone(slot, raw) {
		a.offer(slot, raw, int(keyLen))
		return state[size:], nil
	}
	next, nextKey, found, err := a.set.least(slot)
	if found {
		a.offer(slot, next, nextKey)
	}
	return state[size:], err
}

func (a *extreme) appendState(dst []byte, slot int, _ int64) []byte {
	s := &a.slot[slot]
	if !s.has {
		return append(dst, 0)
	}
	dst = binary.AppendUvarint(dst, uint64(s.len)+1)
	if a.of.lossy {
		dst = binary.AppendUvarint(dst, uint64(s.keyLen))
	}
	return append(dst, a.bytes(s)...)
}

// empty is always true over a multiset: its counts are checked there.
func (a *extreme) empty(slot int) bool { return a.set != nil || !a.slot[slot].has }

func (a *extreme) result(slot int, out *zset.Vector) *sqlerr.Error {
	s := &a.slot[slot]
	if !s.has {
		out.AppendNull()
		return nil
	}
	cols := [1]zset.Vector{*out}
	err := a.of.decode(a.bytes(s), int(s.keyLen), cols[:])
	*out = cols[0]
	if err != nil {
		out.AppendNull()
		return sqlerr.Wrap(err, sqlerr.DataCorrupted, "stored group is damaged")
	}
	return nil
}

func (a *extreme) reset() {
	a.slot, a.data = keep(a.slot), keep(a.data)
	a.raw = slices.Grow(a.raw[:0], 64)
}

func (a *extreme) memory() int { return 32*cap(a.slot) + cap(a.data) }
