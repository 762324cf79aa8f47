package operator

import (
	"bytes"
	"encoding/binary"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/storage"
)

// multiset keeps the values of one aggregate argument for each group, with
// their counts, in the arrangement Multisets of the operator:
//
//	group key, tag of the multiset, candidate bytes -> varint count
//	    (for lossy types the length of the key and the count)
//
// Only values that an epoch changes are touched. Candidate bytes are ordered so
// that the first of a group is its min (or its max, for a descending one).
//
// An epoch goes: addRows for the input, keys and resolve when all is there,
// then transitions, gone and least; changes last.
type multiset struct {
	of     candidate
	filter int // input column, -1: none
	tag    byte
	once   bool // the input never retracts: a value that is there stays as it is

	tab     bytesTable // slot (4 bytes), candidate
	entries []multisetEntry
	raw     []byte

	// of the epoch, set by Aggregate before resolve
	st    State
	arr   storage.Arrangement
	group *zset.List // group keys by slot
}

type multisetEntry struct {
	slot     int32
	keyLen   int32
	old, add int64
}

func (e *multisetEntry) now() int64 { return e.old + e.add }

const slotBytes = 4

// argument returns the input column whose NULLs are left out, -1 for none.
func (m *multiset) argument() int {
	if m.of.keyed {
		return m.of.cols[0]
	}
	return -1
}

func newMultiset(of candidate, filter int, tag byte, once bool) *multiset {
	return &multiset{of: of, filter: filter, tag: tag, once: once, tab: newBytesTable()}
}

// addRows adds rows of a batch.
func (m *multiset) addRows(b *zset.Batch, in *rowSet) {
	for i, r := range in.rows {
		slot := in.slots[i]
		m.raw = binary.LittleEndian.AppendUint32(m.raw[:0], uint32(slot))
		var keyLen int
		m.raw, keyLen = m.of.append(m.raw, b, int(r))
		n, added := m.tab.add(m.raw)
		if added {
			m.entries = append(m.entries, multisetEntry{slot: slot, keyLen: int32(keyLen)})
		}
		m.entries[n].add += in.weightOf(r)
	}
}

// candidate returns the bytes of entry n.
func (m *multiset) candidate(n int) []byte { return m.tab.at(n)[slotBytes:] }

// prefix appends what the stored keys of a group begin with.
func (m *multiset) prefix(dst []byte, slot int) []byte {
	return append(append(dst, m.group.At(slot)...), m.tag)
}

// appendKeys appends the stored keys of all entries of the epoch.
func (m *multiset) appendKeys(keys *zset.List) {
	for n := range m.entries {
		keys.Data = m.prefix(keys.Data, int(m.entries[n].slot))
		keys.Data = append(keys.Data, m.candidate(n)...)
		keys.End()
	}
}

// resolve takes the images of the keys that appendKeys named.
func (m *multiset) resolve(images storage.Values) error {
	for n := range m.entries {
		e := &m.entries[n]
		if images[n] != nil {
			var err error
			if e.old, _, err = m.decodeImage(images[n]); err != nil {
				return err
			}
		}
		if m.once && e.old > 0 {
			e.add = 0 // the stored 1 stands for any number
		} else if m.once {
			e.add = min(e.add, 1)
		}
		if e.now() < 0 {
			return errNegative()
		}
	}
	return nil
}

// errNegative says that an input retracted what it had not delivered.
func errNegative() error {
	return sqlerr.New(sqlerr.InternalError, "more rows were retracted than had been inserted")
}

func (m *multiset) appendImage(dst []byte, e *multisetEntry) []byte {
	if m.of.lossy {
		return appendCounted(dst, int(e.keyLen), e.now())
	}
	return AppendMultiplicity(dst, e.now())
}

// decodeImage returns the count, and for lossy types the length of the key.
func (m *multiset) decodeImage(image []byte) (count int64, keyLen int, err error) {
	if m.of.lossy {
		return decodeCounted(image)
	}
	count, err = DecodeMultiplicity(image)
	return count, 0, err
}

// appendCounted is the image of a stored key that is an order key and a row: the
// length of the first, and the multiplicity.
func appendCounted(dst []byte, keyLen int, n int64) []byte {
	return AppendMultiplicity(binary.AppendUvarint(dst, uint64(keyLen)), n)
}

func decodeCounted(image []byte) (count int64, keyLen int, err error) {
	k, n := binary.Uvarint(image)
	if n <= 0 || k > 1<<31 {
		return 0, 0, errImage
	}
	count, err = DecodeMultiplicity(image[n:])
	return count, int(k), err
}

// changes appends the changed entries to set, whose keys are stored keys.
func (m *multiset) changes(set *storage.ChangeSet) {
	for n := range m.entries {
		e := &m.entries[n]
		if e.add == 0 {
			continue
		}
		set.Keys.Data = m.prefix(set.Keys.Data, int(e.slot))
		set.Keys.Data = append(set.Keys.Data, m.candidate(n)...)
		set.Keys.End()
		if e.now() == 0 {
			markDead(set)
		} else {
			set.Vals.Data = m.appendImage(set.Vals.Data, e)
		}
		set.Vals.End()
	}
}

// markDead deletes the key that was added last.
func markDead(set *storage.ChangeSet) {
	n := set.Keys.Len() - 1
	for len(set.Dead)*64 <= n {
		set.Dead = append(set.Dead, 0)
	}
	set.Dead.Set(n)
}

// entryOf returns the epoch's entry of a candidate, nil if it is not touched.
func (m *multiset) entryOf(slot int, raw []byte) *multisetEntry {
	m.raw = binary.LittleEndian.AppendUint32(m.raw[:0], uint32(slot))
	m.raw = append(m.raw, raw...)
	if n := m.tab.lookup(m.raw); n >= 0 {
		return &m.entries[n]
	}
	return nil
}

// gone says whether this epoch removes a stored candidate.
func (m *multiset) gone(slot int, raw []byte) bool {
	e := m.entryOf(slot, raw)
	return e != nil && e.now() == 0
}

// least finds the least stored candidate of a group that this epoch does not
// remove. New ones are not among them; they compete by offerAdded.
func (m *multiset) least(slot int) (raw []byte, keyLen int, found bool, err error) {
	err = m.scan(slot, nil, func(cand []byte, k int) bool {
		if m.gone(slot, cand) {
			return true
		}
		raw, keyLen, found = bytes.Clone(cand), k, true
		return false
	})
	return raw, keyLen, found, err
}

// scan calls fn for the stored candidates of a group that begin with some
// bytes, in order, as they were after the former epoch.
func (m *multiset) scan(slot int, begin []byte, fn func(cand []byte, keyLen int) bool) error {
	lo := m.prefix(nil, slot)
	head := len(lo)
	lo = append(lo, begin...)
	var failed error
	err := m.st.Scan(m.arr, lo, successor(lo), func(key, val []byte) bool {
		var keyLen int
		if _, keyLen, failed = m.decodeImage(val); failed != nil {
			return false
		}
		return fn(key[head:], keyLen)
	})
	if failed != nil {
		return failed
	}
	return err
}

// successor returns the least string above all that begin with prefix, nil if
// there is none.
func successor(prefix []byte) []byte {
	s := bytes.Clone(prefix)
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] != 0xff {
			s[i]++
			return s[:i+1]
		}
	}
	return nil
}

// offerAdded lets the values that this epoch brings in compete for a min.
func (m *multiset) offerAdded(a *extreme) {
	for n := range m.entries {
		if e := &m.entries[n]; e.old == 0 && e.now() > 0 {
			a.offer(int(e.slot), m.candidate(n), int(e.keyLen))
		}
	}
}

// distinct emits how this epoch changes the sets of different values, by SQL
// equality, of the groups: rows of one column with their slots, weights +1 and
// -1. Of equal values that differ as bytes the least one stands for all.
func (m *multiset) distinct(emit func(col *zset.Vector, in *rowSet)) error {
	col := zset.NewVectors(m.of.ts, len(m.entries))
	in := &rowSet{weight: []int64{}}
	put := func(slot int32, raw []byte, keyLen int, weight int64) error {
		in.rows = append(in.rows, int32(len(in.rows)))
		in.slots = append(in.slots, slot)
		in.weight = append(in.weight, weight)
		return m.of.decode(raw, keyLen, col)
	}
	var err error
	if m.of.lossy {
		err = m.lossyTransitions(put)
	} else {
		err = m.plainTransitions(put)
	}
	if err == nil && len(in.rows) > 0 {
		emit(&col[0], in)
	}
	return err
}

type putFunc func(slot int32, raw []byte, keyLen int, weight int64) error

func (m *multiset) plainTransitions(put putFunc) error {
	for n := range m.entries {
		e := &m.entries[n]
		weight := int64(0)
		switch {
		case e.old == 0 && e.now() > 0:
			weight = 1
		case e.old > 0 && e.now() == 0:
			weight = -1
		default:
			continue
		}
		if err := put(e.slot, m.candidate(n), int(e.keyLen), weight); err != nil {
			return err
		}
	}
	return nil
}

// lossyTransitions goes over the keys that the epoch touches and compares the
// least image before with the least one after.
func (m *multiset) lossyTransitions(put putFunc) error {
	seen := newBytesTable()
	var least [][]byte // of the images after the epoch that are new, by key
	var first []int32  // an entry of each key
	for n := range m.entries {
		e := &m.entries[n]
		k, added := seen.add(m.tab.at(n)[:slotBytes+int(e.keyLen)])
		if added {
			least, first = append(least, nil), append(first, int32(n))
		}
		if c := m.candidate(n); e.now() > 0 && (least[k] == nil || bytes.Compare(c, least[k]) < 0) {
			least[k] = c
		}
	}
	for k, n := range first {
		e := &m.entries[n]
		if err := m.lossyTransition(e.slot, m.candidate(int(n))[:e.keyLen], least[k], put); err != nil {
			return err
		}
	}
	return nil
}

func (m *multiset) lossyTransition(slot int32, key, after []byte, put putFunc) error {
	var before []byte
	err := m.scan(int(slot), key, func(cand []byte, _ int) bool {
		if before == nil {
			before = bytes.Clone(cand)
		}
		if m.gone(int(slot), cand) {
			return true
		}
		if after == nil || bytes.Compare(cand, after) < 0 {
			after = bytes.Clone(cand)
		}
		return false
	})
	if err != nil || bytes.Equal(before, after) {
		return err
	}
	if before != nil {
		if err := put(slot, before, len(key), -1); err != nil {
			return err
		}
	}
	if after != nil {
		return put(slot, after, len(key), 1)
	}
	return nil
}

func (m *multiset) reset() {
	m.tab.reset()
	m.entries = keep(m.entries)
	m.st, m.group = nil, nil
}

func (m *multiset) memory() int { return m.tab.memory() + 24*cap(m.entries) }
