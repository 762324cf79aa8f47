package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// recover reads the manifest, deletes runs that it does not list (I3), and
// brings the epochs of the log that are in no run into the row table.
func (s *Store) recover(ctx context.Context) error {
	start := time.Now()
	man, err := readManifest(s.seams.Meta)
	if err != nil {
		return err
	}
	s.arrs = man.arrs
	s.bg.flushedEpoch.Store(man.flushed)
	s.epoch, s.clock, s.positions = man.flushed, man.clock, man.positions
	if err := s.dropOrphans(man); err != nil {
		return err
	}
	if s.tree, err = newTree(s, man); err != nil {
		return err
	}
	if s.mem, err = newMemtable(s.opts.MemoryLimit); err != nil {
		return err
	}
	s.gens = []*generation{s.mem.active}
	rows, err := s.replay(ctx, man)
	if err != nil {
		return err
	}
	s.opts.Log.Info("storage recovered", "epoch", s.epoch, "flushed_epoch", man.flushed,
		"runs", len(man.runs), "replayed_rows", rows, "duration", time.Since(start))
	return nil
}

// dropOrphans deletes the runs that a crash left behind unlisted.
func (s *Store) dropOrphans(man *manifest) error {
	listed := map[runPlace]bool{}
	for i := range man.runs {
		listed[runPlace{man.runs[i].home, man.runs[i].id}] = true
		man.nextRun = max(man.nextRun, man.runs[i].id+1)
	}
	for _, home := range []runHome{homeFiles, homeBadger} {
		store := s.blocks(home)
		runs, err := store.Runs()
		if err != nil {
			return fmt.Errorf("could not list the runs: %w", err)
		}
		present := map[uint64]bool{}
		for _, id := range runs {
			present[id] = true
			if listed[runPlace{home, id}] {
				continue
			}
			man.nextRun = max(man.nextRun, id+1)
			if err := store.Drop(id); err != nil {
				return fmt.Errorf("could not delete unlisted run %d: %w", id, err)
			}
		}
		for at := range listed {
			if at.home == home && !present[at.id] {
				return sqlerr.New(sqlerr.DataCorrupted, "run %d is listed in the manifest but missing", at.id)
			}
		}
	}
	return nil
}

// replay applies the log. Records of flushed epochs are skipped; catalog
// changes are applied from the first epoch on whose changes Meta does not have.
func (s *Store) replay(ctx context.Context, man *manifest) (rows int, err error) {
	var ep Epoch
	err = s.seams.Log.Replay(func(number uint64, record []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := decodeRecord(record, &ep); err != nil {
			return err
		}
		if ep.Number != number {
			return sqlerr.New(sqlerr.DataCorrupted, "log record of epoch %d says it is of epoch %d", number, ep.Number)
		}
		if number <= man.flushed {
			return nil
		}
		if number != s.epoch+1 {
			return sqlerr.New(sqlerr.DataCorrupted, "log has no record of epoch %d, the next one is of epoch %d", s.epoch+1, number)
		}
		if err := s.mem.prepare(ep.Changes); err != nil {
			return err
		}
		for i := range ep.Changes {
			rows += ep.Changes[i].Keys.Len()
		}
		return s.applyDurable(&ep, int64(len(record)), number > man.metaEpoch)
	})
	if err != nil {
		return rows, fmt.Errorf("could not replay the log: %w", err)
	}
	s.mem.tidy()
	s.mem.count()
	return rows, nil
}
