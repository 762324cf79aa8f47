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
	_     [8]byte
}

func shardOf(h uint64) int { return int(h >> (64 - shardBits)) }

func tagOf(h uint64) uint64 { return h << slotTagBits }

// find returns the slot of the key and its newest entry; if there is none, the
// empty slot where it would go and 0.
func (s *shard) find(a *arena, h uint64, arr Arrangement, key []byte) (int, ref) {
	mask := len(s.slots) - 1
	tag := tagOf(h)
	for i := int(uint32(h)) & mask; ; i = (i + 1) & mask {
		w := s.slots[i]
		if w == 0 {
			return i, 0
		}
		if (w^tag)>>slotTagBits == 0 && a.at(ref(w)).is(arr, key) {
			return i, ref(w)
		}
	}
}

// findRef returns the slot that points at r, or -1.
func (s *shard) findRef(h uint64, r ref) int {
	mask := len(s.slots) - 1
	want := tagOf(h) | uint64(r)
	for i := int(uint32(h)) & mask; ; i = (i + 1) & mask {
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
	mask := len(s.slots) - 1
	s.n--
	for j := (i + 1) & mask; ; j = (j + 1) & mask {
		w := s.slots[j]
		if w == 0 {
			break
		}
		home := int(w>>slotTagBits) & mask
		// The entry may move to i only if its home is not between i and j.
		if (j-home)&mask >= (j-i)&mask {
			s.slots[i] = w
			i = j
		}
	}
	s.slots[i] = 0
}

// reserve makes room for n more keys: at most 7/8 of the slots are in use.
func (s *shard) reserve(n int) error {
	size := max(len(s.slots), firstSlots)
	for (s.n+n)*8 > size*7 {
		size *= 2
	}
	if size == len(s.slots) {
		return nil
	}
	mem, err := mapBytes(size * 8)
	if err != nil {
		return err
	}
	slots := unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(mem))), size)
	for _, w := range s.slots {
		if w == 0 {
			continue
		}
		i := int(w>>slotTagBits) & (size - 1)
		for slots[i] != 0 {
			i = (i + 1) & (size - 1)
		}
		slots[i] = w
	}
	s.release()
	s.slots, s.mem = slots, mem
	return nil
}

func (s *shard) release() {
	if s.mem != nil {
		unmapBytes(s.mem)
		s.mem, s.slots = nil, nil
	}
}
