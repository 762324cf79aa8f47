package operator

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"maps"
	"slices"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/storage"
)

// MemState is a State in memory, for ad hoc queries and tests. Reads see what
// was there at the last Commit; the changes since wait for the next one. It is
// for one goroutine.
type MemState struct {
	tables  map[storage.Arrangement]*memTable
	pending []storage.ChangeSet
	now     int64
}

// NewMemState returns an empty state.
func NewMemState() *MemState { return &MemState{tables: map[storage.Arrangement]*memTable{}} }

// SetNow sets the clock that operators see, in microseconds since 2000.
func (m *MemState) SetNow(now int64) { m.now = now }

// Clock returns what SetNow set, and nothing of timers.
func (m *MemState) Clock() Clock { return UnknownTimers(m.now) }

// Fetch looks up many keys.
func (m *MemState) Fetch(arr storage.Arrangement, keys *zset.List, vals *storage.Values) error {
	*vals = extend((*vals)[:0], keys.Len())
	if t := m.tables[arr]; t != nil {
		t.fetch(keys, *vals)
	}
	return nil
}

// Scan calls fn for the pairs of a range in key order.
func (m *MemState) Scan(arr storage.Arrangement, lo, hi []byte, fn func(key, val []byte) bool) error {
	if t := m.tables[arr]; t != nil {
		t.scan(lo, hi, fn)
	}
	return nil
}

// Get returns the image of one key.
func (m *MemState) Get(arr storage.Arrangement, key, _ []byte) (val []byte, ok bool, err error) {
	var keys zset.List
	keys.Add(key)
	var vals storage.Values
	err = m.Fetch(arr, &keys, &vals)
	return vals[0], vals[0] != nil, err
}

// Change takes changes of the epoch.
func (m *MemState) Change(set storage.ChangeSet) { m.pending = append(m.pending, set) }

// Commit ends an epoch: what was changed can be read. Images that were fetched
// before are no longer valid.
func (m *MemState) Commit() {
	for i := range m.pending {
		set := &m.pending[i]
		t := m.tables[set.Arr]
		if t == nil {
			t = &memTable{seed: maphash.MakeSeed()}
			m.tables[set.Arr] = t
		}
		t.apply(set)
	}
	clear(m.pending)
	m.pending = m.pending[:0]
}

// Rollback forgets the changes since the last Commit.
func (m *MemState) Rollback() {
	clear(m.pending)
	m.pending = m.pending[:0]
}

// Len returns the number of keys of an arrangement.
func (m *MemState) Len(arr storage.Arrangement) int {
	if t := m.tables[arr]; t != nil {
		return t.live
	}
	return 0
}

// Arrangements returns those that have been written to, in ascending order.
func (m *MemState) Arrangements() []storage.Arrangement {
	return slices.Sorted(maps.Keys(m.tables))
}

// Memory returns the bytes that the state takes.
func (m *MemState) Memory() int {
	n := 0
	for _, t := range m.tables {
		n += 8*cap(t.index) + cap(t.arena) + 8*cap(t.sorted)
	}
	for i := range m.pending {
		set := &m.pending[i]
		n += cap(set.Keys.Data) + cap(set.Vals.Data) + 4*(cap(set.Keys.Off)+cap(set.Vals.Off))
	}
	return n
}

// memTable is a flat hash table: an index of tag and offset, and records in one
// arena without pointers. A key that is deleted keeps its record until the table
// is built anew.
type memTable struct {
	seed    maphash.Seed
	index   []uint64 // tag above, offset + 1 in the low 40 bits; 0 is free
	arena   []byte
	used    int // index entries, dead ones included
	live    int
	garbage int // bytes of the arena that no live record needs

	sorted  []int // offsets of all records in key order; nil: must be made
	touched byte  // keeps the loads of each that are for the cache
}

// A record is: key length, capacity and length of the value (4 bytes each), key,
// value.
const (
	memHead    = 12
	memDead    = 1<<32 - 1 // length of the value of a key that is not there
	offsetBits = 40
	offsetMask = 1<<offsetBits - 1
)

func (t *memTable) key(off int) []byte {
	n := int(binary.LittleEndian.Uint32(t.arena[off:]))
	return t.arena[off+memHead : off+memHead+n]
}

// val returns a record's value, nil if the key is dead.
func (t *memTable) val(off int) []byte {
	n := binary.LittleEndian.Uint32(t.arena[off+8:])
	if n == memDead {
		return nil
	}
	start := off + memHead + int(binary.LittleEndian.Uint32(t.arena[off:]))
	return t.arena[start : start+int(n) : start+int(n)]
}

// fetchGroup is how many keys are looked up side by side, so that their cache
// misses overlap.
const fetchGroup = 32

func (t *memTable) fetch(keys *zset.List, vals storage.Values) {
	if len(t.index) == 0 {
		return
	}
	// The images are copied next to each other while their cache lines are at
	// hand: a large epoch would have to bring them in a second time.
	copies := make([]byte, 0, keys.Len()*32)
	t.each(keys, func(i int, off int) {
		if off < 0 {
			return
		}
		v := t.val(off)
		if v == nil {
			return
		}
		if cap(copies)-len(copies) < len(v) {
			copies = make([]byte, 0, max(len(v), cap(copies)/4, 1024))
		}
		start := len(copies)
		copies = append(copies, v...)
		vals[i] = copies[start:len(copies):len(copies)]
	})
}

// each calls fn with the record of each key, -1 if there is none.
func (t *memTable) each(keys *zset.List, fn func(i, off int)) {
	var hash, entry [fetchGroup]uint64
	for from := 0; from < keys.Len(); from += fetchGroup {
		n := min(fetchGroup, keys.Len()-from)
		mask := uint64(len(t.index) - 1)
		for j := range n {
			hash[j] = maphash.Bytes(t.seed, keys.At(from+j))
			entry[j] = t.index[hash[j]&mask]
		}
		var sum byte
		for j := range n {
			if e := entry[j]; e != 0 && (e^hash[j])>>offsetBits == 0 {
				off := e&offsetMask - 1
				sum += t.arena[off] + t.arena[min(off+63, uint64(len(t.arena)-1))]
			}
		}
		t.touched += sum
		for j := range n {
			_, off := t.find(hash[j], keys.At(from+j))
			fn(from+j, off)
		}
	}
}

// find returns the place of a key in the index and its record, -1 if it has
// none.
func (t *memTable) find(h uint64, key []byte) (at uint64, off int) {
	mask := uint64(len(t.index) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		e := t.index[i]
		if e == 0 {
			return i, -1
		}
		if (e^h)>>offsetBits == 0 {
			if off := int(e&offsetMask) - 1; string(t.key(off)) == string(key) {
				return i, off
			}
		}
	}
}

func (t *memTable) apply(set *storage.ChangeSet) {
	t.reserve(set.Keys.Len())
	t.each(&set.Keys, func(i, off int) {
		dead := i>>6 < len(set.Dead) && set.Dead.Get(i)
		switch {
		case dead && off >= 0:
			t.kill(off)
		case !dead && off >= 0:
			t.overwrite(set.Keys.At(i), off, set.Vals.At(i))
		case !dead:
			t.insert(set.Keys.At(i), set.Vals.At(i))
		}
	})
}

func (t *memTable) kill(off int) {
	if t.val(off) == nil {
		return
	}
	t.live--
	t.garbage += t.size(off)
	binary.LittleEndian.PutUint32(t.arena[off+8:], memDead)
	t.sorted = nil
}

// size returns the bytes of a record.
func (t *memTable) size(off int) int {
	return memHead + int(binary.LittleEndian.Uint32(t.arena[off:])) + int(binary.LittleEndian.Uint32(t.arena[off+4:]))
}

func (t *memTable) overwrite(key []byte, off int, val []byte) {
	if t.val(off) == nil {
		t.live++
		t.garbage -= t.size(off)
		t.sorted = nil
	}
	if room := int(binary.LittleEndian.Uint32(t.arena[off+4:])); len(val) <= room {
		binary.LittleEndian.PutUint32(t.arena[off+8:], uint32(len(val)))
		copy(t.arena[off+memHead+len(key):], val)
		return
	}
	t.garbage += t.size(off)
	h := maphash.Bytes(t.seed, key)
	at, _ := t.find(h, key)
	t.index[at] = h&^offsetMask | uint64(t.append(key, val)+1)
	t.sorted = nil
}

func (t *memTable) insert(key, val []byte) {
	h := maphash.Bytes(t.seed, key)
	at, _ := t.find(h, key)
	t.index[at] = h&^offsetMask | uint64(t.append(key, val)+1)
	t.used++
	t.live++
	t.sorted = nil
}

// append adds a record and leaves its value room to grow a little.
func (t *memTable) append(key, val []byte) (off int) {
	off = len(t.arena)
	room := (len(val) + 7) &^ 3
	t.arena = binary.LittleEndian.AppendUint32(t.arena, uint32(len(key)))
	t.arena = binary.LittleEndian.AppendUint32(t.arena, uint32(room))
	t.arena = binary.LittleEndian.AppendUint32(t.arena, uint32(len(val)))
	t.arena = append(t.arena, key...)
	t.arena = append(t.arena, val...)
	for len(t.arena) < off+memHead+len(key)+room {
		t.arena = append(t.arena, 0)
	}
	return off
}

// reserve makes room for n more keys, and drops garbage when it is much.
func (t *memTable) reserve(n int) {
	if (t.used+n)*4 <= len(t.index)*3 && t.garbage*2 <= len(t.arena)+1<<16 {
		return
	}
	size := minIndex
	for (t.live+n)*4 > size*3 {
		size *= 2
	}
	old := t.index
	arena := t.arena
	if t.garbage*4 > len(t.arena) {
		t.arena = make([]byte, 0, len(arena)-t.garbage)
	}
	compact := len(t.arena) == 0 && len(arena) > 0
	t.index = make([]uint64, size)
	t.used, t.sorted = 0, nil
	mask := uint64(size - 1)
	from := memTable{arena: arena}
	for _, e := range old {
		if e == 0 {
			continue
		}
		off := int(e&offsetMask) - 1
		if from.val(off) == nil {
			continue
		}
		h := maphash.Bytes(t.seed, from.key(off))
		if compact {
			off = t.append(from.key(off), from.val(off))
		}
		i := h & mask
		for t.index[i] != 0 {
			i = (i + 1) & mask
		}
		t.index[i] = h&^offsetMask | uint64(off+1)
		t.used++
	}
	if compact {
		t.garbage = 0
	}
}

func (t *memTable) scan(lo, hi []byte, fn func(key, val []byte) bool) {
	if t.sorted == nil {
		t.sort()
	}
	i, _ := slices.BinarySearchFunc(t.sorted, lo, func(off int, lo []byte) int { return bytes.Compare(t.key(off), lo) })
	for _, off := range t.sorted[i:] {
		key := t.key(off)
		if hi != nil && bytes.Compare(key, hi) >= 0 {
			return
		}
		if !fn(key, t.val(off)) {
			return
		}
	}
}

func (t *memTable) sort() {
	t.sorted = make([]int, 0, t.live)
	for _, e := range t.index {
		if e == 0 {
			continue
		}
		if off := int(e&offsetMask) - 1; t.val(off) != nil {
			t.sorted = append(t.sorted, off)
		}
	}
	slices.SortFunc(t.sorted, func(a, b int) int { return bytes.Compare(t.key(a), t.key(b)) })
}
