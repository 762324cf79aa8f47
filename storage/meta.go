package storage

import (
	"log/slog"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// BadgerOptions configures OpenBadger. The zero value is usable.
type BadgerOptions struct {
	// NoSync leaves out the sync of each commit.
	NoSync bool
	// MemTableSize is the size of Badger's memtables, 8 MiB if 0.
	MemTableSize int64
	// MinFree is the free space in bytes below which writes are refused with
	// SQLSTATE 53100; 0 means 64 MiB, negative no check.
	MinFree int64
	// Logger gets Badger's warnings and errors; nil discards them.
	Logger *slog.Logger
}

// Badger is the one Badger database, shared by meta data and result blocks.
type Badger struct{}

// OpenBadger opens or creates the database in dir.
func OpenBadger(dir string, opts BadgerOptions) (*Badger, error) {
	return nil, sqlerr.New(sqlerr.FeatureNotSupported, "meta is being built")
}

// Meta returns the meta data map.
func (b *Badger) Meta() Meta { return nil }

// Blocks returns the block store.
func (b *Badger) Blocks() BlockStore { return nil }

// Close closes the database; it is idempotent.
func (b *Badger) Close() error { return nil }
