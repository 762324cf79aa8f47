package storage

import (
	"bytes"
	"sort"
)

// memScan walks the keys that unflushed generations have of an arrangement, in
// order, each once. It holds the generations, so that the keys' memory stays.
// It gives keys only: their images are found through the index.
type memScan struct {
	arena *arena
	gens  []*generation
	parts [][]ref
	heads [][]byte // first key of each part
}

// scanMemory starts a walk at the first key that is not before lo.
func (s *Store) scanMemory(arr Arrangement, lo []byte) *memScan {
	m := &memScan{arena: s.mem.arena}
	s.genMu.Lock()
	m.gens = append(m.gens, s.gens...)
	for _, g := range m.gens {
		g.readers.Add(1)
	}
	s.genMu.Unlock()
	for _, g := range m.gens {
		set := g.peek(arr)
		if set == nil {
			continue
		}
		for _, part := range set.parts(m.arena) {
			i := sort.Search(len(part), func(i int) bool {
				return bytes.Compare(m.arena.at(part[i]).key(), lo) >= 0
			})
			if i < len(part) {
				m.parts = append(m.parts, part[i:])
				m.heads = append(m.heads, m.arena.at(part[i]).key())
			}
		}
	}
	return m
}

func (m *memScan) close() {
	for _, g := range m.gens {
		g.readers.Add(-1)
	}
}

// peek returns the next key.
func (m *memScan) peek() ([]byte, bool) {
	best := -1
	for i, key := range m.heads {
		if best < 0 || bytes.Compare(key, m.heads[best]) < 0 {
			best = i
		}
	}
	if best < 0 {
		return nil, false
	}
	return m.heads[best], true
}

// next returns the next key and passes it in all parts.
func (m *memScan) next() ([]byte, bool) {
	key, ok := m.peek()
	for i := 0; ok && i < len(m.heads); {
		if !bytes.Equal(m.heads[i], key) {
			i++
			continue
		}
		if m.parts[i] = m.parts[i][1:]; len(m.parts[i]) > 0 {
			m.heads[i] = m.arena.at(m.parts[i][0]).key()
			i++
			continue
		}
		last := len(m.heads) - 1
		m.parts[i], m.heads[i] = m.parts[last], m.heads[last]
		m.parts, m.heads = m.parts[:last], m.heads[:last]
	}
	return key, ok
}
