package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"
)

// Options configures a Store. All but Dir may be left zero.
type Options struct {
	// Dir is the data directory; Open creates it.
	Dir string
	// MemoryLimit is the memory in bytes for the row table and unflushed
	// changes, 256 MiB if 0.
	MemoryLimit int64
	// Sync makes Commit wait until the record is on the disk (SyncFull), or
	// only in the system's hands (SyncOff): then a crash of the machine may
	// lose the last epochs, a crash of the process loses none.
	Sync SyncMode
	// ResultStore says where runs of results go: "badger" (default) or "files".
	// What is there already is read wherever it lies.
	ResultStore string
	// Log gets life cycle and trouble; nil discards it.
	Log *slog.Logger
	// Damaged, when set, is told that a read, a merge or the verification has met
	// damage (Store.Damages). Any goroutine may call it; it must not wait.
	Damaged func()
	// FlushUnit is the memory in bytes of a generation; 0 derives it from
	// MemoryLimit and what is free of it.
	FlushUnit int64
	// BlockSize is the size in bytes that a run's block is closed at. 0 is 4 KiB in
	// files, where a point read costs the checksum of the block, and 16 KiB in
	// Badger, where it costs a search in its tables.
	BlockSize int
	// PieceSize is the size in bytes at which a sorted run is cut, 64 MiB if 0.
	PieceSize int64
	// MergeRate bounds the bytes a second that merges write while few runs wait
	// to be merged, 64 MiB if 0; negative: no bound.
	MergeRate int64
	// VerifyEvery is the time from the end of one verification of all runs in the
	// background to the next one, a day if 0; negative: none. VerifyRate is the
	// bytes a second that it reads, 4 MiB if 0.
	VerifyEvery time.Duration
	VerifyRate  int64
	// MinFree is the free disk space in bytes below which commits are refused
	// with SQLSTATE 53100, DefaultWatermark if 0; negative: no check.
	MinFree int64

	growUnit bool // FlushUnit was not given
}

// SyncMode says what Commit waits for.
type SyncMode uint8

const (
	SyncFull SyncMode = iota
	SyncOff
)

const (
	resultBadger = "badger"
	resultFiles  = "files"
)

// withDefaults validates the options and fills in what is zero. It reports all
// errors at once.
func (o Options) withDefaults() (Options, error) {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if o.Sync > SyncOff {
		bad("unknown sync mode %d", o.Sync)
	}
	switch o.ResultStore {
	case "":
		o.ResultStore = resultBadger
	case resultBadger, resultFiles:
	default:
		bad("result store %q is neither %q nor %q", o.ResultStore, resultBadger, resultFiles)
	}
	for name, v := range map[string]int64{
		"memory limit": o.MemoryLimit, "flush unit": o.FlushUnit, "block size": int64(o.BlockSize), "piece size": o.PieceSize,
		"verify rate": o.VerifyRate,
	} {
		if v < 0 {
			bad("%s %d is negative", name, v)
		}
	}
	if o.BlockSize > maxBlockSize {
		bad("block size %d exceeds %d", o.BlockSize, maxBlockSize)
	}
	setDefault(&o.MemoryLimit, 256<<20)
	o.growUnit = o.FlushUnit == 0 || o.growUnit
	setDefault(&o.FlushUnit, flushUnit(o.MemoryLimit))
	setDefault(&o.PieceSize, 64<<20)
	setDefault(&o.MergeRate, 64<<20)
	setDefault(&o.MinFree, DefaultWatermark)
	setDefault(&o.VerifyEvery, defaultVerifyEvery)
	setDefault(&o.VerifyRate, defaultVerifyRate)
	o.MemoryLimit = min(o.MemoryLimit, maxArenaBytes/4*3)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, errors.Join(errs...)
}

func setDefault[T int | int64 | time.Duration](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

const (
	fileBlockSize   = 4 << 10
	badgerBlockSize = 16 << 10
)

// blockSize is the size at which a block in home is closed.
func (o *Options) blockSize(home runHome) int {
	switch {
	case o.BlockSize > 0:
		return o.BlockSize
	case home == homeFiles:
		return fileBlockSize
	}
	return badgerBlockSize
}

const maxFlushUnit = 64 << 20

// flushUnit is 8 MiB at a limit of 256 MiB and less down to 128 MiB, 64 MiB from
// 2 GiB on, so that hot rows coalesce, and in proportion elsewhere.
func flushUnit(limit int64) int64 {
	small := min(8<<20, limit/16)
	return min(max(limit/32, small, segmentBytes), maxFlushUnit)
}

// Seams are a store's ways to the disk. OpenWith takes them from outside, for
// tests. Files and Results must be different. Close closes Log, Files, Results
// and Meta in this order.
type Seams struct {
	Meta    Meta
	Log     Log
	Files   BlockStore // runs of operator state
	Results BlockStore // runs of results in Badger
	Space   func() error
}

func (s *Seams) close() error {
	var errs []error
	for _, c := range []interface{ Close() error }{s.Log, s.Files, s.Results, s.Meta} {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// Open opens or creates the store in a directory and recovers it.
func Open(ctx context.Context, o Options) (*Store, error) {
	o, err := o.withDefaults()
	if err == nil && o.Dir == "" {
		err = errors.New("no data directory is given")
	}
	if err != nil {
		return nil, fmt.Errorf("storage options: %w", err)
	}
	seams, err := openSeams(o)
	if err != nil {
		return nil, err
	}
	return OpenWith(ctx, o, seams)
}

// openSeams opens the disk's side of the store.
func openSeams(o Options) (s Seams, err error) {
	if err := claimDirectory(o.Dir); err != nil {
		return s, err
	}
	opened := []func() error{}
	defer func() {
		if err != nil {
			for _, closeIt := range opened {
				err = errors.Join(err, closeIt())
			}
		}
	}()
	// Badger refuses later than Commit does: an epoch that Commit let pass must
	// find room for its catalog changes.
	minFree := o.MinFree
	if minFree > 0 {
		minFree = minFree/4 + 1
	}
	badger, err := OpenBadger(filepath.Join(o.Dir, "meta"), BadgerOptions{MinFree: minFree, Logger: o.Log})
	if err != nil {
		return s, err
	}
	opened = append(opened, badger.Close)
	files, err := OpenFileBlocks(filepath.Join(o.Dir, "runs"))
	if err != nil {
		return s, err
	}
	opened = append(opened, files.Close)
	log, err := OpenFileLog(filepath.Join(o.Dir, "log"), LogOptions{NoSync: o.Sync == SyncOff})
	if err != nil {
		return s, err
	}
	s = Seams{Meta: badger.Meta(), Log: log, Files: files, Results: badger.Blocks()}
	if o.MinFree > 0 {
		s.Space = NewSpaceGuard(o.Dir, uint64(o.MinFree)).Check
	}
	return s, nil
}
