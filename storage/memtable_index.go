package storage

import (
	"sync"
	"unsafe"
)

const (
	shardBits   = 6
	shardCount  = 1 << shardBits
	firstSlots  = 256
	slotTagBits = 32
)

// shard is one part of the hash index: open addressing with linear probing. A
// slot has the low half of the key's hash above and the reference of the
// newest entry below; 0 is empty.
type shard struct {
	mu    sync.RWMutex
	slots []uint64
	mem   []byte // slots' memory, off the Go heap
	n     int
}

func shardOf(h uint64) int { return int(h >> (64 - shardBits)) }

func tagOf(h uint64) uint64 { return h << slotTagBits }

// home returns the slot where the search for a tag begins. The number of slots
// need not be a power of two, so that the index grows in small steps.
func (s *shard) home(tag uint32) int { return int(uint64(tag) * uint64(len(s.slots)) >> 32) }

func (s *shard) after(i int) int {
	if i++; i == len(s.slots) {
		return 0
	}
	return i
}

// find returns the slot of the key and its newest entry; if there is none, the
// empty slot where it would go and 0.
func (s *shard) find(a *arena, h uint64, arr Arrangement, key []byte) (int, ref) {
	tag := tagOf(h)
	for i := s.home(uint32(h)); ; i = s.after(i) {
		w := s.slots[i]
		if w == 0 {
			return i, 0
		}
		if (w^tag)>>slotTagBits == 0 && a.at(ref(w)).is(arr, key) {
			return i, ref(w)
		}
	}
}

// near returns the newest entry of the first key with the tag, 0 if there is none:
// nearly always the one that is looked for. It does not read the entry.
func (s *shard) near(tag uint32) ref {
	for i := s.home(tag); ; i = s.after(i) {
		w := s.slots[i]
		if w == 0 || uint32(w>>slotTagBits) == tag {
			return ref(w)
		}
	}
}

// findRef returns the slot that points at r, or -1.
func (s *shard) findRef(h uint64, r ref) int {
	want := tagOf(h) | uint64(r)
	for i := s.home(uint32(h)); ; i = s.after(i) {
		switch s.slots[i] {
		case 0:
			return -1
		case want:
			return i
		}
	}
}

func (s *shard) set(i int, h uint64, r ref) {
	if s.slots[i] == 0 {
		s.n++
	}
	s.slots[i] = tagOf(h) | uint64(r)
}

// remove empties slot i and moves later ones back, so that no probe breaks.
func (s *shard) remove(i int) {
	s.n--
	for j := s.after(i); ; j = s.after(j) {
		w := s.slots[j]
		if w == 0 {
			break
		}
		// The entry may move to i only if its home is not between i and j.
		if s.distance(s.home(uint32(w>>slotTagBits)), j) >= s.distance(i, j) {
			s.slots[i] = w
			i = j
		}
	}
	s.slots[i] = 0
}

// distance is the number of steps from slot i to slot j.
func (s *shard) distance(i, j int) int {
	if j < i {
		return j - i + len(s.slots)
	}
	return j - i
}

// reserve makes room for n more keys: at most 7/8 of the slots are in use.
func (s *shard) reserve(n int) error {
	size := max(len(s.slots), firstSlots)
	for (s.n+n)*8 > size*7 {
		size += size / 3
	}
	if size == len(s.slots) {
		return nil
	}
	mem, err := mapBytes(size * 8)
	if err != nil {
		return err
	}
	old := shard{slots: s.slots, mem: s.mem}
	s.slots, s.mem = unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(mem))), size), mem
	for _, w := range old.slots {
		if w == 0 {
			continue
		}
		i := s.home(uint32(w >> slotTagBits))
		for s.slots[i] != 0 {
			i = s.after(i)
		}
		s.slots[i] = w
	}
	old.release()
	return nil
}

func (s *shard) release() {
	if s.mem != nil {
		unmapBytes(s.mem)
		s.mem, s.slots = nil, nil
	}
}
