package dataflow

import (
	"errors"
	"strings"

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
	return errors.As(err, &e) && !strings.HasPrefix(e.Code, "53") && !strings.HasPrefix(e.Code, "58")
}
