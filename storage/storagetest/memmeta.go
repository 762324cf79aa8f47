package storagetest

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/streamdb/streamdb/storage"
)

// MemMeta is a storage.Meta in memory. A change is durable when Commit
// returned.
type MemMeta struct {
	mu   sync.RWMutex
	m    map[string][]byte
	dead bool
}

var _ storage.Meta = (*MemMeta)(nil)

// NewMemMeta returns an empty map.
func NewMemMeta() *MemMeta { return &MemMeta{m: map[string][]byte{}} }

// Crash ends m and returns its successor over the same content.
func (m *MemMeta) Crash() *MemMeta {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = true
	return &MemMeta{m: maps.Clone(m.m)}
}

// Get implements storage.Meta.
func (m *MemMeta) Get(key []byte) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.dead {
		return nil, errCrashed
	}
	v, ok := m.m[string(key)]
	if !ok {
		return nil, nil
	}
	return append([]byte{}, v...), nil
}

// Scan implements storage.Meta.
func (m *MemMeta) Scan(prefix []byte, fn func(key, value []byte) error) error {
	m.mu.RLock()
	if m.dead {
		m.mu.RUnlock()
		return errCrashed
	}
	view := map[string][]byte{}
	for k, v := range m.m {
		if strings.HasPrefix(k, string(prefix)) {
			view[k] = v
		}
	}
	m.mu.RUnlock()
	for _, k := range slices.Sorted(maps.Keys(view)) {
		key, value := []byte(k), append([]byte{}, view[k]...)
		if err := fn(key, value); err != nil {
			return err
		}
		clear(key) // the slices are valid only during the call
		clear(value)
	}
	return nil
}

// Commit implements storage.Meta.
func (m *MemMeta) Commit(changes []storage.MetaChange) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return errCrashed
	}
	for _, c := range changes {
		if c.Value == nil {
			delete(m.m, string(c.Key))
		} else {
			m.m[string(c.Key)] = append([]byte{}, c.Value...)
		}
	}
	return nil
}

// Close implements storage.Meta.
func (m *MemMeta) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = true
	return nil
}
