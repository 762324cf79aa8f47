package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/storage"
)

// A row is a key of 8 bytes and a value of 32 that begins with a counter.
const (
	valueBytes  = 32
	rowBytes    = 8 + valueBytes
	arrangement = 1
)

// load updates rows of one arrangement.
type load struct {
	config
	store   *storage.Store
	random  *rand.Rand
	keys    zset.List
	vals    zset.List
	got     storage.Values
	seen    map[uint64]bool
	updates uint64
}

func open(ctx context.Context, c config) (*load, error) {
	s, err := storage.Open(ctx, storage.Options{Dir: c.dir, MemoryLimit: c.limit})
	if err != nil {
		return nil, err
	}
	if s.Epoch() != 0 {
		return nil, errors.Join(fmt.Errorf("%s is not empty", c.dir), s.Close())
	}
	return &load{config: c, store: s, random: rand.New(rand.NewPCG(1, 2)), seen: map[uint64]bool{}}, nil
}

// scatter spreads consecutive numbers over the key space.
func scatter(i uint64) uint64 { return i * 0x9e3779b97f4a7c15 }

func (l *load) addKey(k uint64) {
	l.keys.Data = binary.BigEndian.AppendUint64(l.keys.Data, k)
	l.keys.End()
}

func (l *load) commit() error {
	ep := &storage.Epoch{Number: l.store.Epoch() + 1, Changes: []storage.ChangeSet{{Arr: arrangement, Keys: l.keys, Vals: l.vals}}}
	if ep.Number == 1 {
		place := storage.State
		if l.results {
			place = storage.Result
		}
		ep.Create = []storage.NewArrangement{{Arr: arrangement, Placement: place}}
	}
	return l.store.Commit(ep)
}

// fill writes all rows with counters of zero.
func (l *load) fill(ctx context.Context) error {
	for i := 0; i < l.rows; {
		if err := ctx.Err(); err != nil {
			return err
		}
		l.keys.Reset()
		l.vals.Reset()
		for ; i < l.rows && l.keys.Len() < l.epochRows; i++ {
			l.addKey(scatter(uint64(i)))
			l.vals.Add(make([]byte, valueBytes))
		}
		if err := l.commit(); err != nil {
			return err
		}
	}
	return nil
}

// pick chooses the different rows of the next epoch.
func (l *load) pick() {
	l.keys.Reset()
	clear(l.seen)
	for l.keys.Len() < l.epochRows {
		among := uint64(l.rows)
		if l.hot && l.random.IntN(10) > 0 {
			among /= 100
		}
		k := scatter(l.random.Uint64N(among))
		if !l.seen[k] {
			l.seen[k] = true
			l.addKey(k)
		}
	}
}

// update reads the picked rows, which takes so long, adds one to their counters and
// commits.
func (l *load) update() (read time.Duration, err error) {
	begin := time.Now()
	if err := l.store.Fetch(arrangement, &l.keys, &l.got); err != nil {
		return 0, err
	}
	read = time.Since(begin)
	l.vals.Reset()
	for _, v := range l.got {
		if len(v) != valueBytes {
			return read, fmt.Errorf("a row has %d bytes", len(v))
		}
		at := len(l.vals.Data)
		l.vals.Data = append(l.vals.Data, v...)
		counter := l.vals.Data[at:]
		binary.LittleEndian.PutUint64(counter, binary.LittleEndian.Uint64(counter)+1)
		l.vals.End()
	}
	l.updates += uint64(l.keys.Len())
	return read, l.commit()
}

// verify reads all rows.
func (l *load) verify() error {
	rows, sum := 0, uint64(0)
	s := l.store.Snapshot()
	defer s.Release()
	err := s.Scan(arrangement, nil, nil, func(_, val []byte) bool {
		rows++
		sum += binary.LittleEndian.Uint64(val)
		return true
	})
	if err == nil && (rows != l.rows || sum != l.updates) {
		err = fmt.Errorf("WRONG: %d rows with %d updates, not %d with %d", rows, sum, l.rows, l.updates)
	}
	return err
}
