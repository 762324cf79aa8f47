package storage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// Inspection is a data directory opened to be checked: nothing is replayed,
// merged or deleted.
type Inspection struct {
	store  *Store
	man    *manifest
	badger *Badger
	log    *FileLog // nil: could not be opened
	logErr error
}

// Inspected says what a check has read.
type Inspected struct {
	Runs    int
	Rows    uint64
	Records int    // of the log
	Epoch   uint64 // the last whole one
}

// Inspect opens a directory that no server uses. An error with XX001 means that
// the catalog or the manifest is damaged: then nobody knows what the runs are.
func Inspect(o Options) (*Inspection, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("storage options: %w", err)
	}
	// To open Badger would make a database of any directory.
	if _, err := os.Stat(filepath.Join(o.Dir, "meta", "MANIFEST")); err != nil {
		return nil, fileError(err, "%q is no data directory", o.Dir)
	}
	if _, err := checkDirectory(o.Dir); err != nil {
		return nil, err
	}
	badger, err := OpenBadger(filepath.Join(o.Dir, "meta"), BadgerOptions{Logger: o.Log})
	if err != nil {
		return nil, err
	}
	in := &Inspection{badger: badger}
	if err := in.open(o); err != nil {
		return nil, errors.Join(err, in.Close())
	}
	return in, nil
}

func (in *Inspection) open(o Options) (err error) {
	s := &Store{opts: o, pins: map[uint64]int{}, drained: make(chan struct{})}
	s.users.Store(1)
	s.seams = Seams{Meta: in.badger.Meta(), Results: in.badger.Blocks()}
	if s.seams.Files, err = OpenFileBlocks(filepath.Join(o.Dir, "runs")); err != nil {
		return err
	}
	in.store = s
	if in.man, err = readManifest(s.seams.Meta); err != nil {
		return err
	}
	s.arrs = in.man.arrs
	if s.tree, err = newTree(s, in.man); err != nil {
		return err
	}
	in.log, in.logErr = OpenFileLog(filepath.Join(o.Dir, "log"), LogOptions{})
	return nil
}

// MetaGet and MetaScan read the catalog as of the last flush or change.
func (in *Inspection) MetaGet(key []byte) ([]byte, error) { return in.store.MetaGet(key) }

// MetaScan is Store.MetaScan.
func (in *Inspection) MetaScan(prefix []byte, fn func(key, value []byte) error) error {
	return in.store.MetaScan(prefix, fn)
}

// Check verifies Badger's tables, all runs and the log. The error is only about
// why the check could not be finished.
func (in *Inspection) Check(ctx context.Context, found func(Damage)) (Inspected, error) {
	sum := Inspected{Runs: len(in.man.runs), Epoch: in.man.flushed}
	for i := range in.man.runs {
		sum.Rows += in.man.runs[i].rows
	}
	if err := in.badger.Verify(); err != nil {
		found(everything("Badger", err))
	}
	if err := in.store.Check(ctx, found); err != nil {
		return sum, err
	}
	err := in.logErr
	if err == nil {
		err = in.checkLog(ctx, &sum)
	}
	if ctx.Err() != nil {
		return sum, ctx.Err()
	}
	if err != nil {
		found(everything("log", err))
	}
	return sum, nil
}

// checkLog decodes what a server would replay.
func (in *Inspection) checkLog(ctx context.Context, sum *Inspected) error {
	var ep Epoch
	err := in.log.Replay(func(number uint64, record []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := decodeRecord(record, &ep); err != nil {
			return err
		}
		sum.Records++
		if number <= in.man.flushed {
			return nil
		}
		if ep.Number != number || number != sum.Epoch+1 {
			return sqlerr.New(sqlerr.DataCorrupted, "log has epoch %d (%d) after epoch %d", number, ep.Number, sum.Epoch)
		}
		sum.Epoch = number
		return nil
	})
	if err != nil {
		return err
	}
	return checkLogEnd(in.log, sum.Epoch)
}

// Close closes what Inspect opened.
func (in *Inspection) Close() error {
	var errs []error
	if in.log != nil {
		errs = append(errs, in.log.Close())
	}
	if in.store != nil {
		errs = append(errs, in.store.seams.Files.Close())
	}
	return errors.Join(append(errs, in.badger.Close())...)
}
