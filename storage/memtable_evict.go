package storage

import "sync/atomic"

// evictScratch is memory that eviction uses again.
type evictScratch struct {
	refs   []ref
	hashes []uint64
	parts  partition
}

// cacheAlloc returns size bytes among the clean rows, 0 if the arena is full.
func (m *memtable) cacheAlloc(size int64) ref {
	if size > segmentBytes {
		i := m.arena.alloc(int((size + segmentBytes - 1) / segmentBytes))
		if i < 0 {
			return 0
		}
		m.arena.segs[i].used = size
		m.addClean(uint32(i))
		return ref(i * segmentUnits)
	}
	if m.cache >= 0 {
		if seg := &m.arena.segs[m.cache]; seg.used+size <= segmentBytes {
			r := ref(m.cache*segmentUnits) + ref(seg.used/refUnit)
			seg.used += size
			m.cleanUsed += size
			return r
		}
	}
	i := m.arena.alloc(1)
	if i < 0 {
		return 0
	}
	m.cache = i
	m.arena.segs[i].used = size
	m.addClean(uint32(i))
	return ref(i * segmentUnits)
}

// addClean lists a segment among the clean ones, as the youngest.
func (m *memtable) addClean(i uint32) {
	seg := &m.arena.segs[i]
	seg.gen = 0
	m.clean = append(m.clean, i)
	m.cleanUsed += seg.used
	m.cleanLive += seg.live
}

// retire turns a flushed generation's rows into clean ones.
func (m *memtable) retire(g *generation) {
	for _, i := range g.segs {
		m.addClean(i)
	}
}

// insertClean adds a row that was read from a run; the key has no entry. It
// takes the shard's latch, since it may not break readers' probes.
func (m *memtable) insertClean(h, epoch uint64, arr Arrangement, key, val []byte) []byte {
	size := entrySize(len(key), len(val))
	sh := &m.shards[shardOf(h)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.reserve(1) != nil {
		return nil
	}
	slot, r := sh.find(m.arena, h, arr, key)
	if r != 0 {
		return m.arena.at(r).val()
	}
	if r = m.cacheAlloc(size); r == 0 {
		return nil
	}
	e := m.arena.at(r)
	e.write(0, epoch, arr, key, val, false)
	m.live(r, size)
	sh.set(slot, h, r)
	return e.val()
}

func (m *memtable) live(r ref, size int64) {
	m.arena.segs[m.first(r)].live += size
	m.cleanLive += size
}

// shrink evicts clean rows until the row table is within its limit, and cleans
// it when more is replaced images than rows. dead names dropped arrangements,
// whose rows are not worth keeping.
//
// While much of the clean memory is images that newer ones replaced, the
// segment with the least worth keeping is cleaned: its newest images move.
// Otherwise the oldest segment goes, and of its rows only those stay that were
// read since they came (a second chance).
//
// It does a bounded part of the work at a time, more than memory can have grown
// since the last time: a commit must not wait for a whole generation's eviction.
func (m *memtable) shrink(dead func(Arrangement) bool) {
	for tries := evictAtOnce + 4*m.arena.out; tries > 0 && len(m.clean) > 0; tries-- {
		replaced := m.cleanUsed - m.cleanLive
		full := m.memory() > m.limit
		if !full && replaced <= m.cleanLive+m.limit/8 {
			break
		}
		keepAll := !full || replaced > m.cleanUsed/4
		victim := m.victim(keepAll)
		if victim < 0 {
			break
		}
		m.evictSegment(victim, keepAll, dead)
	}
	m.arena.out = 0
	m.count()
}

// evictAtOnce is the number of segments evicted between two epochs in which no
// memory was taken.
const evictAtOnce = 16

func (m *memtable) memory() int64 {
	return int64(m.arena.held)*segmentBytes + m.stats.index.Load()
}

// victim takes a segment off the list of clean ones.
func (m *memtable) victim(leastLive bool) int {
	best, bestShare := -1, 2.0
	for k, i := range m.clean {
		if int(i) == m.cache {
			continue
		}
		if !leastLive {
			best = k
			break
		}
		seg := &m.arena.segs[i]
		if share := float64(seg.live) / float64(seg.span*segmentBytes); share < bestShare {
			best, bestShare = k, share
		}
	}
	if best < 0 {
		return -1
	}
	i := m.clean[best]
	m.clean = append(m.clean[:best], m.clean[best+1:]...)
	return int(i)
}

// evictSegment frees a segment. Newest images that are hot, or all of them, move
// to the cache; older images are cut off the chains, with all behind them.
func (m *memtable) evictSegment(i int, keepAll bool, dead func(Arrangement) bool) {
	sc := &m.evict
	sc.refs, sc.hashes = sc.refs[:0], sc.hashes[:0]
	seg := m.arena.segs[i]
	for at := int64(0); at < seg.used; {
		r := ref(i*segmentUnits) + ref(at/refUnit)
		e := m.arena.at(r)
		if e[9]&flagCut == 0 && e.vword()&voidBit == 0 {
			sc.refs = append(sc.refs, r)
			sc.hashes = append(sc.hashes, hashKey(e.arr(), e.key()))
		}
		at += e.size()
	}
	m.cleanUsed -= seg.used
	m.cleanLive -= seg.live
	sc.parts.split(sc.hashes)
	moved := int64(0)
	for s := range m.shards {
		rows := sc.parts.of(s)
		if len(rows) == 0 {
			continue
		}
		sh := &m.shards[s]
		sh.mu.Lock()
		m.touched += m.touch(sh, sc.hashes, rows)
		for _, k := range rows {
			if m.evictEntry(sh, sc.hashes[k], sc.refs[k], keepAll, dead) {
				moved++
			}
		}
		sh.mu.Unlock()
	}
	addCounter(&m.stats.relocated, moved)
	addCounter(&m.stats.evicted, int64(len(sc.refs))-moved)
	m.arena.release(i)
}

func addCounter(c *atomic.Int64, n int64) {
	if n != 0 {
		c.Add(n)
	}
}

// evictEntry removes one entry under the latch of its shard and says whether it
// moved.
func (m *memtable) evictEntry(sh *shard, h uint64, r ref, keepAll bool, dead func(Arrangement) bool) bool {
	e := m.arena.at(r)
	slot := sh.findRef(h, r)
	if slot < 0 {
		m.cutChain(sh, h, r, e)
		return false
	}
	if (keepAll || e[9]&flagHot != 0) && !e.tomb() && !dead(e.arr()) {
		size := e.size()
		if n := m.cacheAlloc(size); n != 0 {
			copy(m.arena.at(n)[:size], e[:size])
			to := m.arena.at(n)
			to.setPrev(0)
			to[9] = 0
			m.live(n, size)
			sh.set(slot, h, n)
			return true
		}
	}
	sh.remove(slot)
	return false
}

// cutChain cuts the key's chain before r, so that readers of older epochs go to
// the runs.
func (m *memtable) cutChain(sh *shard, h uint64, r ref, e entry) {
	_, at := sh.find(m.arena, h, e.arr(), e.key())
	for at != 0 {
		next := m.arena.at(at).prev()
		if next == r {
			m.cutBehind(at)
			return
		}
		at = next
	}
}
