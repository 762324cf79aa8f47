package dataflow

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/storage"
)

// memStore is the memory twin of the store: maps, one version per snapshot.
// What is committed survives a "crash" of the runtime.
type memStore struct {
	mu        sync.Mutex
	epoch     uint64
	clock     int64
	positions []byte
	arrs      map[storage.Arrangement]*memArr
	meta      map[string]string
	pins      int
	commits   int
	broken    bool
	cause     error // of refused commits
	// outcome decides what the n-th commit (from 1) does; nil: it succeeds.
	outcome func(n int) commitOutcome
}

type commitOutcome int

const (
	commitOK commitOutcome = iota
	commitRefused
	commitBroken // durable, but the caller sees ErrBroken
)

var errRefused = errors.New("the disk said no")

// memArr is one version of an arrangement; it is replaced by commits.
type memArr struct {
	rows map[string][]byte
	keys []string // sorted, made when first scanned
}

func newMemStore() *memStore {
	return &memStore{cause: errRefused, arrs: map[storage.Arrangement]*memArr{}, meta: map[string]string{}}
}

// reopen is what recovery does after a crash.
func (m *memStore) reopen() *memStore {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken, m.outcome, m.pins = false, nil, 0
	return m
}

// failFrom gives the n-th commit from now on an outcome.
func (m *memStore) failFrom(nth int, outcome commitOutcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := m.commits + nth
	m.outcome = func(n int) commitOutcome {
		if n == at {
			return outcome
		}
		return commitOK
	}
}

// refuse lets the next n commits fail.
func (m *memStore) refuse(cause error, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	last := m.commits + n
	m.cause = cause
	m.outcome = func(n int) commitOutcome {
		if n <= last {
			return commitRefused
		}
		return commitOK
	}
}

// disarm lets all later commits succeed and says whether one has broken.
func (m *memStore) disarm() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.outcome = nil
	return m.broken
}

func (m *memStore) Epoch() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.epoch
}

func (m *memStore) Clock() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.clock
}

func (m *memStore) Positions() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.positions
}

// len is the number of keys of an arrangement.
func (m *memStore) len(arr storage.Arrangement) int {
	if a := m.arr(arr); a != nil {
		return len(a.rows)
	}
	return 0
}

func (m *memStore) arr(a storage.Arrangement) *memArr {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.arrs[a]
}

func (m *memStore) Fetch(arr storage.Arrangement, keys *zset.List, vals *storage.Values) error {
	a := m.arr(arr)
	*vals = make(storage.Values, keys.Len())
	if a == nil {
		return nil
	}
	for i := range *vals {
		(*vals)[i] = a.rows[string(keys.At(i))]
	}
	return nil
}

func (m *memStore) Scan(arr storage.Arrangement, lo, hi []byte, fn func(key, val []byte) bool) error {
	m.arr(arr).scan(&m.mu, lo, hi, fn)
	return nil
}

func (a *memArr) scan(mu *sync.Mutex, lo, hi []byte, fn func(key, val []byte) bool) {
	if a == nil {
		return
	}
	mu.Lock()
	if a.keys == nil {
		a.keys = slices.Sorted(maps.Keys(a.rows))
	}
	keys := a.keys
	mu.Unlock()
	from, _ := slices.BinarySearch(keys, string(lo))
	for _, k := range keys[from:] {
		if hi != nil && k >= string(hi) || !fn([]byte(k), a.rows[k]) {
			return
		}
	}
}

func (m *memStore) Commit(e *storage.Epoch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken {
		return storage.ErrBroken
	}
	if e.Number != m.epoch+1 || e.Clock < m.clock {
		return fmt.Errorf("epoch %d after %d, clock %d after %d", e.Number, m.epoch, e.Clock, m.clock)
	}
	m.commits++
	outcome := commitOK
	if m.outcome != nil {
		outcome = m.outcome(m.commits)
	}
	if outcome == commitRefused {
		return m.cause
	}
	for _, c := range e.Create {
		if m.arrs[c.Arr] != nil {
			panic(fmt.Sprintf("arrangement %d is created twice", c.Arr))
		}
		m.arrs[c.Arr] = &memArr{rows: map[string][]byte{}}
	}
	m.apply(e)
	for _, arr := range e.Drop {
		delete(m.arrs, arr)
	}
	for _, c := range e.Meta {
		m.meta[string(c.Key)] = string(c.Value)
	}
	m.epoch, m.clock = e.Number, e.Clock
	if e.Positions != nil {
		m.positions = bytes.Clone(e.Positions)
	}
	if outcome == commitBroken {
		m.broken = true
		return fmt.Errorf("apply: %w", storage.ErrBroken)
	}
	return nil
}

func (m *memStore) apply(e *storage.Epoch) {
	seen := map[storage.Arrangement]bool{}
	for i := range e.Changes {
		set := &e.Changes[i]
		old := m.arrs[set.Arr]
		if old == nil || seen[set.Arr] {
			panic(fmt.Sprintf("epoch %d: bad change set of arrangement %d", e.Number, set.Arr))
		}
		seen[set.Arr] = true
		rows := old.rows
		if m.pins > 0 {
			rows = maps.Clone(rows)
		}
		for k := range set.Keys.Len() {
			key := string(set.Keys.At(k))
			if k < 64*len(set.Dead) && set.Dead.Get(k) {
				delete(rows, key)
			} else {
				rows[key] = bytes.Clone(set.Vals.At(k))
			}
		}
		m.arrs[set.Arr] = &memArr{rows: rows}
	}
}

func (m *memStore) Pin() StoreSnapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pins++
	return &memSnapshot{m: m, epoch: m.epoch, arrs: maps.Clone(m.arrs)}
}

type memSnapshot struct {
	m     *memStore
	epoch uint64
	arrs  map[storage.Arrangement]*memArr
}

func (s *memSnapshot) Epoch() uint64 { return s.epoch }

func (s *memSnapshot) Get(arr storage.Arrangement, key, _ []byte) ([]byte, bool, error) {
	a := s.arrs[arr]
	if a == nil {
		return nil, false, nil
	}
	v, ok := a.rows[string(key)]
	return v, ok, nil
}

func (s *memSnapshot) Scan(arr storage.Arrangement, lo, hi []byte, fn func(key, val []byte) bool) error {
	s.arrs[arr].scan(&s.m.mu, lo, hi, fn)
	return nil
}

func (s *memSnapshot) Release() {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.m != nil && s.m.pins > 0 {
		s.m.pins--
	}
}
