package storage

import (
	"sync/atomic"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
)

// memtable is the row table: the newest images of unflushed and of hot rows,
// each with older ones behind it as long as a reader may want them.
//
// One goroutine, the committing one, changes it, and it needs no latch to read.
// Others read a key's chain under the latch of the key's shard. A chain that
// ends without an image old enough says nothing: the reader goes on to the
// runs, which hold everything that a chain was cut off (evict.go).
type memtable struct {
	arena  *arena
	shards [shardCount]shard
	limit  int64 // bytes that clean rows may fill up to

	active  *generation
	nextGen uint64
	clean   []uint32 // segments without unflushed rows, oldest first
	cache   int      // segment that clean rows are added to, -1: none

	cleanUsed, cleanLive int64

	// Scratch of the committing goroutine.
	hashes   []uint64
	heads    []ref
	prepared []preparedSet
	touched  byte // keeps touch from being optimised away
	evict    evictScratch

	stats memCounters
}

// memCounters are read by Stats from any goroutine.
type memCounters struct {
	held, index, keys                atomic.Int64
	hits, misses, evicted, relocated atomic.Int64
	overwritten                      atomic.Int64
}

func newMemtable(limit int64) (*memtable, error) {
	a, err := newArena(4*limit + 64<<20)
	if err != nil {
		return nil, err
	}
	m := &memtable{arena: a, limit: limit, nextGen: 1, cache: -1}
	for i := range m.shards {
		if err := m.shards[i].reserve(1); err != nil {
			m.close()
			return nil, sqlerr.Wrap(err, sqlerr.OutOfMemory, "out of memory: %v", err)
		}
	}
	m.active = m.newGeneration()
	m.count()
	return m, nil
}

func (m *memtable) close() {
	for i := range m.shards {
		m.shards[i].release()
	}
	m.arena.close()
}

// count publishes the sizes.
func (m *memtable) count() {
	index, keys := 0, 0
	for i := range m.shards {
		index += len(m.shards[i].slots) * 8
		keys += m.shards[i].n
	}
	m.stats.held.Store(int64(m.arena.held) * segmentBytes)
	m.stats.index.Store(int64(index))
	m.stats.keys.Store(int64(keys))
}

// partition is the result of sorting rows by shard.
type partition struct {
	order []uint32
	start [shardCount + 1]uint32
}

// split sorts the numbers of the hashes by shard.
func (p *partition) split(hashes []uint64) {
	var n [shardCount]uint32
	for _, h := range hashes {
		n[shardOf(h)]++
	}
	at := uint32(0)
	for i := range n {
		p.start[i] = at
		at += n[i]
		n[i] = p.start[i]
	}
	p.start[shardCount] = at
	if cap(p.order) < len(hashes) {
		p.order = make([]uint32, len(hashes)*5/4)
	}
	p.order = p.order[:len(hashes)]
	for i, h := range hashes {
		s := shardOf(h)
		p.order[n[s]] = uint32(i)
		n[s]++
	}
}

func (p *partition) of(s int) []uint32 { return p.order[p.start[s]:p.start[s+1]] }

// preparedSet is what prepare finds out about a change set for apply.
type preparedSet struct {
	hashes []uint64
	parts  partition
}

// maxScratchRows is the size up to which scratch memory is kept between epochs.
const maxScratchRows = 1 << 18

// hashKeys fills buf with the hashes of the keys.
func hashKeys(buf []uint64, arr Arrangement, keys *zset.List) []uint64 {
	n := keys.Len()
	if cap(buf) < n {
		buf = make([]uint64, n*5/4)
	}
	buf = buf[:n]
	for i := range buf {
		buf[i] = hashKey(arr, keys.At(i))
	}
	return buf
}

// prepare hashes the keys and makes sure that apply cannot fail for want of
// memory.
func (m *memtable) prepare(changes []ChangeSet) error {
	need := int64(0)
	for len(m.prepared) < len(changes) {
		m.prepared = append(m.prepared, preparedSet{})
	}
	for c := range changes {
		cs := &changes[c]
		for i := range cs.Keys.Len() {
			need += entrySize(len(cs.Keys.At(i)), len(cs.Vals.At(i)))
		}
		p := &m.prepared[c]
		p.hashes = hashKeys(p.hashes, cs.Arr, &cs.Keys)
		p.parts.split(p.hashes)
		for s := range m.shards {
			rows := len(p.parts.of(s))
			if rows == 0 {
				continue
			}
			if err := m.reserve(s, rows); err != nil {
				return err
			}
		}
	}
	// Half of a segment may stay unused behind large rows.
	if m.arena.available() < 2*need+16*segmentBytes {
		return sqlerr.New(sqlerr.OutOfMemory, "out of memory").
			WithDetail("An epoch of %d bytes does not fit into the row table.", need)
	}
	return nil
}

// tidy gives back scratch memory that an unusually large epoch took.
func (m *memtable) tidy() {
	for i := range m.prepared {
		if cap(m.prepared[i].hashes) > maxScratchRows {
			m.prepared[i] = preparedSet{}
		}
	}
	if cap(m.hashes) > maxScratchRows {
		m.hashes, m.heads = nil, nil
	}
}

func (m *memtable) reserve(s, rows int) error {
	sh := &m.shards[s]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if err := sh.reserve(rows); err != nil {
		return sqlerr.Wrap(err, sqlerr.OutOfMemory, "out of memory: %v", err)
	}
	return nil
}

// apply makes change set c of those prepared the newest images as of epoch,
// shard by shard under a latch. pins are the epochs that readers may still
// want. It reports false if memory ran out, which prepare should have prevented.
func (m *memtable) apply(epoch uint64, c int, cs *ChangeSet, pins []uint64) bool {
	p := &m.prepared[c]
	set := m.active.refsOf(cs.Arr)
	ok := true
	for s := range m.shards {
		rows := p.parts.of(s)
		if len(rows) == 0 || !ok {
			continue
		}
		sh := &m.shards[s]
		sh.mu.Lock()
		ok = sh.reserve(len(rows)) == nil
		m.touched += m.touch(sh, p.hashes, rows)
		for k := 0; k < len(rows) && ok; k++ {
			i := int(rows[k])
			ok = m.put(sh, set, p.hashes[i], epoch, cs, i, pins)
		}
		sh.mu.Unlock()
	}
	set.publish()
	return ok
}

// put adds one row under the latch of its shard.
func (m *memtable) put(sh *shard, set *refSet, h, epoch uint64, cs *ChangeSet, i int, pins []uint64) bool {
	key, val, dead := cs.Keys.At(i), cs.Vals.At(i), cs.dead(i)
	slot, head := sh.find(m.arena, h, cs.Arr, key)
	prev := head
	if head != 0 {
		old := m.arena.at(head)
		m.unlive(head, old)
		switch {
		case !m.inActive(head):
		case old.epoch() == epoch:
			// A second change of the key in one epoch replaces the first.
			prev = old.prev()
			old.setPrev(0)
			putVoid(old)
		case m.overwrite(sh, slot, h, head, epoch, val, dead, pins):
			return true
		}
	}
	if prev != 0 && (len(pins) == 0 || pins[0] >= m.arena.at(prev).epoch()) {
		m.cutBehind(prev)
	}
	size := entrySize(len(key), len(val))
	r := m.active.alloc(m, size)
	if r == 0 {
		return false
	}
	m.arena.at(r).write(prev, epoch, cs.Arr, key, val, dead)
	m.arena.segs[r/segmentUnits].live += size
	sh.set(slot, h, r)
	if head == 0 || !m.inActive(head) {
		set.pending = append(set.pending, r)
	}
	return true
}

// overwrite reuses the image before the newest one, if both are in the active
// generation, it has the right size and no reader can want it: a reader of
// epoch E with old.epoch <= E < head.epoch would need a pin, and new readers
// start at the last epoch, which is not before head's.
func (m *memtable) overwrite(sh *shard, slot int, h uint64, head ref, epoch uint64, val []byte, dead bool, pins []uint64) bool {
	top := m.arena.at(head)
	r := top.prev()
	if r == 0 || !m.inActive(r) {
		return false
	}
	old := m.arena.at(r)
	klen := len(old.key())
	if old.vword()&voidBit != 0 || entrySize(klen, int(old.vword()&lenMask)) != entrySize(klen, len(val)) {
		return false
	}
	if pinned(pins, old.epoch(), top.epoch()) {
		return false
	}
	top.setPrev(old.prev())
	old.setPrev(head)
	old.setEpoch(epoch)
	old.setVlen(len(val), dead)
	copy(old.val(), val)
	sh.set(slot, h, r)
	m.arena.segs[r/segmentUnits].live += old.size()
	m.stats.overwritten.Add(1)
	return true
}

// cutBehind ends the chain behind r: no reader is older than r's image. What is
// cut off is marked, so that its eviction need not look for it.
func (m *memtable) cutBehind(r ref) {
	e := m.arena.at(r)
	at := e.prev()
	if at == 0 {
		return
	}
	e.setPrev(0)
	for at != 0 {
		old := m.arena.at(at)
		old[9] |= flagCut
		at = old.prev()
	}
}

// touch reads a byte of the slot and of the newest entries of each hash. Loops
// that do nothing else let the processor overlap the cache misses, which the work
// that follows would wait for one by one.
func (m *memtable) touch(sh *shard, hashes []uint64, rows []uint32) (sum byte) {
	for _, i := range rows {
		sum += byte(sh.slots[sh.home(uint32(hashes[i]))])
	}
	m.heads = m.heads[:0]
	for _, i := range rows {
		if r := sh.near(uint32(hashes[i])); r != 0 {
			sum += m.arena.data[int64(r)*refUnit+12]
			m.heads = append(m.heads, r)
		}
	}
	for _, r := range m.heads {
		sum += m.arena.data[int64(m.arena.at(r).prev())*refUnit+12]
	}
	return sum
}

func putVoid(e entry) {
	w := e.vword()
	e[16+3] = byte((w | voidBit) >> 24)
}

// pinned says whether one of the pins is at or after lo and before hi.
func pinned(pins []uint64, lo, hi uint64) bool {
	for _, p := range pins {
		if p >= lo && p < hi {
			return true
		}
	}
	return false
}

func (m *memtable) inActive(r ref) bool {
	return m.arena.segs[m.first(r)].gen == m.active.id
}

// first returns the segment that describes the row of segments that an entry
// starts in. An entry starts in the first segment of its row, as rows of more
// than one hold a single entry.
func (m *memtable) first(r ref) int { return int(r / segmentUnits) }

// unlive takes an entry that is the newest no more out of the count of bytes
// worth keeping.
func (m *memtable) unlive(r ref, e entry) {
	seg := &m.arena.segs[m.first(r)]
	size := e.size()
	seg.live -= size
	if seg.gen == 0 {
		m.cleanLive -= size
	}
}

// chain looks up the newest image with at most epoch. Others than the
// committing goroutine hold the shard's latch.
func (m *memtable) chain(sh *shard, h, epoch uint64, arr Arrangement, key []byte) (entry, bool) {
	_, r := sh.find(m.arena, h, arr, key)
	for r != 0 {
		e := m.arena.at(r)
		if e.epoch() <= epoch {
			return e, true
		}
		r = e.prev()
	}
	return nil, false
}

// read appends the newest image with at most epoch to buf, for any goroutine.
// known is false if the runs have to be asked.
func (m *memtable) read(h, epoch uint64, arr Arrangement, key, buf []byte) (val []byte, live, known bool) {
	sh := &m.shards[shardOf(h)]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	e, known := m.chain(sh, h, epoch, arr, key)
	if !known || e.tomb() {
		return buf, false, known
	}
	return append(buf, e.val()...), true, true
}

// fetch fills out with the newest images and returns the numbers of the keys
// that it does not know, with their hashes in m.hashes.
func (m *memtable) fetch(arr Arrangement, keys *zset.List, out Values, misses []uint32) []uint32 {
	m.hashes = hashKeys(m.hashes, arr, keys)
	hashes := m.hashes
	if cap(m.heads) < len(hashes) {
		m.heads = make([]ref, len(hashes)*5/4)
	}
	// The first loop only reads one slot a key: the processor overlaps the cache
	// misses, which a loop that does everything per key would wait for.
	heads := m.heads[:len(hashes)]
	for _, h := range hashes {
		sh := &m.shards[shardOf(h)]
		m.touched += byte(sh.slots[sh.home(uint32(h))])
	}
	for i, h := range hashes {
		heads[i] = m.shards[shardOf(h)].near(uint32(h))
	}
	for _, r := range heads {
		m.touched += m.arena.data[int64(r)*refUnit+12]
	}
	hits := 0
	for i, h := range hashes {
		key := keys.At(i)
		r := heads[i]
		if r == 0 || !m.arena.at(r).is(arr, key) {
			_, r = m.shards[shardOf(h)].find(m.arena, h, arr, key)
		}
		out[i] = nil
		if r == 0 {
			misses = append(misses, uint32(i))
			continue
		}
		hits++
		e := m.arena.at(r)
		e[9] |= flagHot
		if !e.tomb() {
			out[i] = e.val()
		}
	}
	m.stats.hits.Add(int64(hits))
	m.stats.misses.Add(int64(len(misses)))
	return misses
}

// dead says whether row i is a deletion.
func (cs *ChangeSet) dead(i int) bool {
	return i>>6 < len(cs.Dead) && cs.Dead.Get(i)
}
