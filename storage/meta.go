package storage

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// BadgerOptions configures OpenBadger. The zero value is usable.
type BadgerOptions struct {
	// MemTableSize is the size of Badger's memtables in bytes, 8 MiB if 0, at
	// least 4 MiB.
	MemTableSize int64
	// MinFree is the free space in bytes below which writes are refused with
	// SQLSTATE 53100; 0 means 64 MiB, negative no check.
	MinFree int64
	// Logger gets Badger's warnings and errors; nil discards them.
	Logger *slog.Logger
}

const (
	metaMemTableSize    = 8 << 20
	metaMinMemTableSize = 4 << 20
	metaMinFree         = 64 << 20
	metaMaxThreshold    = 1 << 20 // Badger's own limit
)

// Badger is the one Badger database of a data directory, shared by the meta
// data (Meta) and by the runs of results (Blocks). The first byte of a key says
// what it is, see metaKey and its neighbours.
//
// Commits are made one after the other, each at the next timestamp. Readers of
// meta data see the last published timestamp, so that they never see a part of
// a commit; versions that no reader can see any more may then be discarded.
type Badger struct {
	db    *badger.DB
	guard *SpaceGuard

	commitMu sync.Mutex
	ts       uint64                                 // of the last commit, published or not
	broken   error                                  // an earlier error: nobody knows what is on disk
	commit   func(txn *badger.Txn, ts uint64) error // replaced in tests of failures

	mu      sync.Mutex
	idle    sync.Cond // signalled when the last reader leaves
	visible uint64
	pins    map[uint64]int // readers by timestamp
	readers int
	closed  bool

	sum metaSum // guarded by commitMu

	blocks blockRuns
}

// OpenBadger opens the database in directory dir, or creates it.
func OpenBadger(dir string, opts BadgerOptions) (*Badger, error) {
	if err := fileMakeDir(dir); err != nil {
		return nil, err
	}
	if err := metaRemoveEmpty(dir); err != nil {
		return nil, err
	}
	watermark := uint64(metaMinFree)
	if opts.MinFree != 0 {
		watermark = uint64(max(0, opts.MinFree))
	}
	b := &Badger{
		guard:  NewSpaceGuard(dir, watermark),
		pins:   map[uint64]int{},
		commit: func(txn *badger.Txn, ts uint64) error { return txn.CommitAt(ts, nil) },
	}
	b.idle.L = &b.mu
	// Opening alone maps and writes new files.
	if err := b.guard.Check(); err != nil {
		return nil, err
	}
	var err error
	if b.db, err = metaOpen(metaBadgerOptions(dir, opts)); err != nil {
		return nil, err
	}
	b.ts = b.db.MaxVersion()
	b.visible = b.ts
	b.db.SetDiscardTs(b.ts)
	if err := b.load(); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// load reads what the two users need to know from the beginning.
func (b *Badger) load() (err error) {
	defer metaRecover(&err, "could not read the meta data")
	if err := b.redoIntent(); err != nil {
		return err
	}
	if err := b.checkSum(); err != nil {
		return err
	}
	return b.loadRuns()
}

// metaOpen opens Badger; damaged files let it panic at times.
func metaOpen(o badger.Options) (db *badger.DB, err error) {
	defer metaRecover(&err, "could not open the database in %q", o.Dir)
	db, err = badger.OpenManaged(o)
	switch {
	case err == nil:
		return db, nil
	case strings.Contains(err.Error(), "directory lock"):
		return nil, sqlerr.Wrap(err, sqlerr.ObjectInUse, "the data directory is in use by another server: %v", err)
	}
	return nil, sqlerr.Wrap(err, sqlerr.DataCorrupted, "could not open the database in %q: %v", o.Dir, err)
}

// metaRecover makes an error of a panic within Badger.
func metaRecover(err *error, format string, args ...any) {
	if p := recover(); p != nil {
		*err = sqlerr.New(sqlerr.DataCorrupted, "%s: %v", fmt.Sprintf(format, args...), p)
	}
}

func metaBadgerOptions(dir string, opts BadgerOptions) badger.Options {
	size := int64(metaMemTableSize)
	if opts.MemTableSize != 0 {
		size = max(opts.MemTableSize, metaMinMemTableSize)
	}
	o := badger.DefaultOptions(dir)
	// Also with sync off: the manifest says what may be deleted, the log behind what is
	// flushed and runs that were merged, so it must not go back to a former state.
	o.SyncWrites = true
	o.NumVersionsToKeep = 1
	o.DetectConflicts = false
	o.MetricsEnabled = false
	o.MemTableSize = size
	o.NumMemtables = 1 // waiting for the flush, besides the active one
	o.NumCompactors = 2
	o.NumGoroutines = 1
	// Compactions hold several tables in memory while they build them. With
	// sizes that double by level, 128 MB written took 40 MB more.
	o.BaseTableSize = 2 << 20
	o.TableSizeMultiplier = 1
	o.Compression = options.None
	o.BlockCacheSize = 0
	o.IndexCacheSize = 0
	// Nothing goes into the value log, as its space is not given back: the
	// threshold is above the largest value, see metaPieceSize.
	o.ValueThreshold = min(metaMaxThreshold, size*15/100)
	o.ValueLogFileSize = 1 << 20
	o.Logger = nil
	if opts.Logger != nil {
		o.Logger = metaLogger{opts.Logger}
	}
	return o
}

// Meta returns the meta data; closing it closes the database.
func (b *Badger) Meta() Meta { return metaStore{b} }

// Blocks returns the store of result runs; closing it closes the database.
func (b *Badger) Blocks() BlockStore { return blockBadger{b} }

// Size returns the bytes of Badger's tables.
func (b *Badger) Size() int64 {
	ts, err := b.enter()
	if err != nil {
		return 0
	}
	defer b.leave(ts)
	bytes := int64(0)
	for _, table := range b.db.Tables() {
		bytes += int64(table.OnDiskSize)
	}
	return bytes
}

// Verify reads every table and verifies its checksums. To be called in the
// background: Badger's iterators end early and without an error at damage.
func (b *Badger) Verify() (err error) {
	ts, err := b.enter()
	if err != nil {
		return err
	}
	defer b.leave(ts)
	defer metaRecover(&err, "the database is damaged")
	if err := b.db.VerifyChecksum(); err != nil {
		return sqlerr.Wrap(err, sqlerr.DataCorrupted, "the database is damaged: %v", err)
	}
	return nil
}

// Close waits for readers and closes the database; it is idempotent.
func (b *Badger) Close() (err error) {
	b.mu.Lock()
	closed := b.closed
	b.closed = true // no reader and no commit begins from here on
	for b.readers > 0 {
		b.idle.Wait()
	}
	b.mu.Unlock()
	b.commitMu.Lock()
	defer b.commitMu.Unlock()
	if closed {
		return nil
	}
	defer metaRecover(&err, "could not close the database")
	if err := b.db.Close(); err != nil {
		return fileError(err, "could not close the database")
	}
	return nil
}

// enter begins to read and returns the timestamp to read at; what is visible
// at it is kept until leave.
func (b *Badger) enter() (ts uint64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, os.ErrClosed
	}
	b.readers++
	b.pins[b.visible]++
	return b.visible, nil
}

func (b *Badger) leave(ts uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pins[ts]--; b.pins[ts] <= 0 {
		delete(b.pins, ts)
	}
	if b.readers--; b.readers == 0 {
		b.idle.Broadcast()
	}
}

// publish makes all commits visible and lets Badger discard what no reader
// sees.
func (b *Badger) publish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.visible = b.ts
	discard := b.visible
	for ts := range b.pins {
		discard = min(discard, ts)
	}
	b.db.SetDiscardTs(discard)
}

// metaOp is one change of Badger's own keys; a nil value deletes.
type metaOp struct {
	key, value []byte
}

// apply commits ops in one durable transaction, without publishing it. The
// caller holds commitMu.
func (b *Badger) apply(ops []metaOp) error {
	if b.broken != nil {
		return sqlerr.Wrap(b.broken, sqlerr.Code(b.broken), "the database is broken since an earlier error: %v", b.broken)
	}
	if b.db.IsClosed() {
		return os.ErrClosed
	}
	if err := b.guard.Check(); err != nil {
		return err
	}
	txn := b.db.NewTransactionAt(b.ts, true)
	defer txn.Discard()
	for _, op := range ops {
		var err error
		if op.value == nil {
			err = txn.Delete(op.key)
		} else {
			err = txn.Set(op.key, op.value)
		}
		if err != nil {
			return fmt.Errorf("transaction of %d keys: %w", len(ops), err)
		}
	}
	b.ts++
	if err := b.commit(txn, b.ts); err != nil {
		b.broken = fileError(err, "could not commit to the database")
		return b.broken
	}
	return nil
}

// fits says how many of the first ops one transaction holds, with some room to
// spare; at least one.
func (b *Badger) fits(ops []metaOp) int {
	maxSize, maxCount := b.db.MaxBatchSize()*7/8, int(b.db.MaxBatchCount()*7/8)
	size := int64(0)
	for i, op := range ops {
		size += int64(len(op.key)+len(op.value)) + 64
		if i > 0 && (size > maxSize || i >= maxCount) {
			return i
		}
	}
	return len(ops)
}

// applyAll commits ops in as many transactions as it takes.
func (b *Badger) applyAll(ops []metaOp) error {
	for len(ops) > 0 {
		n := b.fits(ops)
		if err := b.apply(ops[:n]); err != nil {
			return err
		}
		ops = ops[n:]
	}
	return nil
}

// get returns the value of one of Badger's own keys as of ts, nil if there is
// none. It is called between enter and leave, or with commitMu held.
func (b *Badger) get(ts uint64, key []byte) ([]byte, error) { return b.getInto(ts, key, nil) }

// getInto is get into the memory of buf, if that is large enough.
func (b *Badger) getInto(ts uint64, key, buf []byte) ([]byte, error) {
	txn := b.db.NewTransactionAt(ts, false)
	defer txn.Discard()
	item, err := txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fileError(err, "could not read from the database")
	}
	if buf == nil {
		buf = []byte{} // an empty value is not nil
	}
	err = item.Value(func(value []byte) error {
		buf = append(buf[:0], value...)
		return nil
	})
	if err != nil {
		return nil, fileError(err, "could not read from the database")
	}
	return buf, nil
}

// scan calls fn for the keys with the prefix as of ts, in order, beginning
// with start if that is not nil. The slices are valid during the call.
func (b *Badger) scan(ts uint64, prefix, start []byte, values bool, fn func(key, value []byte) error) error {
	txn := b.db.NewTransactionAt(ts, false)
	defer txn.Discard()
	o := badger.DefaultIteratorOptions
	o.PrefetchValues = false
	o.Prefix = prefix
	it := txn.NewIterator(o)
	defer it.Close()
	if start == nil {
		start = prefix
	}
	for it.Seek(start); it.ValidForPrefix(prefix); it.Next() {
		item := it.Item()
		if !values {
			if err := fn(item.Key(), nil); err != nil {
				return err
			}
			continue
		}
		err := item.Value(func(value []byte) error { return fn(item.Key(), value) })
		if err != nil {
			return err
		}
	}
	return nil
}

// metaLogger lets Badger's warnings and errors through.
type metaLogger struct{ log *slog.Logger }

func (l metaLogger) Errorf(format string, args ...any) {
	l.log.Error("badger", "message", strings.TrimSpace(fmt.Sprintf(format, args...)))
}

func (l metaLogger) Warningf(format string, args ...any) {
	l.log.Warn("badger", "message", strings.TrimSpace(fmt.Sprintf(format, args...)))
}

func (l metaLogger) Infof(string, ...any)  {}
func (l metaLogger) Debugf(string, ...any) {}
