package dataflow

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/storage"
)

// Store is what the runtime needs of storage.Store (see there). Commit, Fetch
// and Scan are called by the epoch loop only.
type Store interface {
	Epoch() uint64
	Clock() int64
	Positions() []byte
	Fetch(arr storage.Arrangement, keys *zset.List, vals *storage.Values) error
	Scan(arr storage.Arrangement, lo, hi []byte, fn func(key, val []byte) bool) error
	Commit(e *storage.Epoch) error
	Pin() StoreSnapshot
}

// StoreSnapshot is one epoch of the store, readable from any goroutine until it
// is released.
type StoreSnapshot interface {
	StoredRows
	Epoch() uint64
	Release()
}

// broken says whether the store can do nothing more until it is opened again.
func broken(err error) bool { return errors.Is(err, storage.ErrBroken) }

// unresolved is what a command is told whose epoch may be durable or not.
func unresolved(err error) error {
	if !broken(err) {
		return err
	}
	return sqlerr.Wrap(err, sqlerr.TransactionResolutionUnknown, "the storage failed while the statement was committed: whether it took effect is unknown").
		WithDetail("%v", err).WithHint("The server restarts; look whether the changes are there before you repeat the statement.")
}

// OverStorage makes the runtime's Store of a storage.Store.
func OverStorage(s *storage.Store) Store { return storageStore{s} }

type storageStore struct{ *storage.Store }

// Pin returns a snapshot of the last committed epoch.
func (s storageStore) Pin() StoreSnapshot { return s.Snapshot() }

// permanent says whether committing the same epoch again cannot help: the store
// broke or was closed, or found the epoch itself to be wrong. What may pass are
// errors of the system (class 58, or without a SQLSTATE) and of resources (53).
func permanent(err error) bool {
	if broken(err) {
		return true
	}
	var e *sqlerr.Error
	return errors.As(err, &e) && !resources(err) && !strings.HasPrefix(e.Code, "58")
}

// resources says whether the store refuses for want of resources (class 53).
func resources(err error) bool {
	var e *sqlerr.Error
	return errors.As(err, &e) && strings.HasPrefix(e.Code, "53")
}

// readRetries is how often a read of the store that failed is tried again. The
// pauses add up to 1.5 s with the default Options.RetryMin.
const readRetries = 5

// patientStore reads again when a read fails, since one bad answer of a disk
// must not quarantine a view. Damaged data (XX001) is not read again.
type patientStore struct {
	Store
	pause time.Duration
	log   *slog.Logger
}

// Fetch implements Store.
func (s patientStore) Fetch(arr storage.Arrangement, keys *zset.List, vals *storage.Values) error {
	return s.try(func() error { return s.Store.Fetch(arr, keys, vals) })
}

// Scan implements Store. It goes on behind the last key that fn has seen.
func (s patientStore) Scan(arr storage.Arrangement, lo, hi []byte, fn func(key, val []byte) bool) error {
	ended := false
	var seen []byte // the key behind the last one
	return s.try(func() error {
		if ended {
			return nil
		}
		if seen != nil {
			lo = bytes.Clone(seen)
		}
		return s.Store.Scan(arr, lo, hi, func(key, val []byte) bool {
			seen = append(append(seen[:0], key...), 0)
			ended = !fn(key, val)
			return !ended
		})
	})
}

func (s patientStore) try(read func() error) error {
	pause := s.pause
	for n := 0; ; n++ {
		err := read()
		if err == nil || n == readRetries || broken(err) || sqlerr.Code(err) == sqlerr.DataCorrupted || sqlerr.Code(err) == sqlerr.AdminShutdown {
			return err
		}
		s.log.Warn("reading the store failed, it will be tried again", "pause", pause, "err", err)
		time.Sleep(pause)
		pause *= 2
	}
}
