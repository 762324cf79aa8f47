package storagetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/streamdb/streamdb/storage"
)

// errCrashed is what every call on a crashed or closed twin returns.
var errCrashed = errors.New("storagetest: crashed or closed")

type memRecord struct {
	epoch uint64
	data  []byte
}

// MemLog is a storage.Log in memory. A record is durable when Append returned.
type MemLog struct {
	mu       sync.Mutex
	synced   uint64 // epoch up to which a crash of the machine takes nothing back
	records  []memRecord
	last     uint64 // epoch of the last record ever
	cut      uint64
	replayed bool
	dead     bool
}

var _ storage.Log = (*MemLog)(nil)

// NewMemLog returns an empty log.
func NewMemLog() *MemLog { return &MemLog{} }

// Crash ends l and returns its successor over the same records.
func (l *MemLog) Crash() *MemLog {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
	return &MemLog{records: slices.Clone(l.records), last: l.last, cut: l.cut}
}

// PowerCut is Crash of the whole machine, for a log that does not sync each record: of
// the records since the last Sync it keeps the first few, and a cut stays. keep
// chooses how many of n.
func (l *MemLog) PowerCut(keep func(n int) int) *MemLog {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
	at := len(l.records)
	for at > 0 && l.records[at-1].epoch > l.synced {
		at--
	}
	at += keep(len(l.records) - at)
	next := &MemLog{records: slices.Clone(l.records[:at]), cut: l.cut}
	if at > 0 {
		next.last = next.records[at-1].epoch
	}
	next.synced = next.last
	return next
}

// Sync implements storage.Log.
func (l *MemLog) Sync() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return errCrashed
	}
	l.synced = l.last
	return nil
}

// Append implements storage.Log.
func (l *MemLog) Append(epoch uint64, parts ...[]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.dead:
		return errCrashed
	case !l.replayed:
		return errors.New("storagetest: Append before Replay")
	case epoch <= l.last:
		return fmt.Errorf("storagetest: epoch %d is not after %d", epoch, l.last)
	}
	l.records = append(l.records, memRecord{epoch, slices.Concat(parts...)})
	l.last = epoch
	return nil
}

// Replay implements storage.Log.
func (l *MemLog) Replay(fn func(epoch uint64, record []byte) error) error {
	l.mu.Lock()
	if l.dead || l.replayed {
		defer l.mu.Unlock()
		if l.dead {
			return errCrashed
		}
		return errors.New("storagetest: second Replay")
	}
	records := slices.Clone(l.records)
	l.mu.Unlock()
	for _, r := range records {
		buf := slices.Clone(r.data)
		if err := fn(r.epoch, buf); err != nil {
			return err
		}
		clear(buf) // the slice is valid only during the call
	}
	l.mu.Lock()
	l.replayed = true
	l.mu.Unlock()
	return nil
}

// LastEpoch implements storage.Log.
func (l *MemLog) LastEpoch() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(l.last, l.cut)
}

// Cut implements storage.Log.
func (l *MemLog) Cut(epoch uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return errCrashed
	}
	l.cut = max(l.cut, epoch)
	l.records = slices.DeleteFunc(l.records, func(r memRecord) bool { return r.epoch <= l.cut })
	return nil
}

// Size implements storage.Log.
func (l *MemLog) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := int64(0)
	for _, r := range l.records {
		n += int64(len(r.data)) + 64 // a record has a header in files, too
	}
	return n
}

// Close implements storage.Log.
func (l *MemLog) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
	return nil
}
