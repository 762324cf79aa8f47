package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// recover reads the manifest, brings the epochs of the log that are in no run
// into the row table, and deletes runs that the manifest does not list (I3): last,
// since a manifest that turns out to be damaged may have forgotten them.
func (s *Store) recover(ctx context.Context) error {
	start := time.Now()
	man, err := readManifest(s.seams.Meta)
	if err != nil {
		return err
	}
	s.arrs = man.arrs
	s.bg.flushedEpoch.Store(man.flushed)
	s.epoch, s.clock, s.positions = man.flushed, man.clock, man.positions
	orphans, err := s.findOrphans(man)
	if err != nil {
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
	if err := s.dropOrphans(orphans); err != nil {
		return err
	}
	s.opts.Log.Info("storage recovered", "epoch", s.epoch, "flushed_epoch", man.flushed,
		"runs", len(man.runs), "replayed_rows", rows, "duration", time.Since(start))
	return nil
}

// findOrphans lists the runs that a crash left behind unlisted, and makes sure
// that the listed ones are there.
func (s *Store) findOrphans(man *manifest) (orphans []runPlace, err error) {
	listed := map[runPlace]bool{}
	for i := range man.runs {
		listed[runPlace{man.runs[i].home, man.runs[i].id}] = true
		man.nextRun = max(man.nextRun, man.runs[i].id+1)
	}
	for _, home := range []runHome{homeFiles, homeBadger} {
		runs, err := s.blocks(home).Runs()
		if err != nil {
			return nil, fmt.Errorf("could not list the runs: %w", err)
		}
		present := map[uint64]bool{}
		for _, id := range runs {
			present[id] = true
			man.nextRun = max(man.nextRun, id+1)
			if at := (runPlace{home, id}); !listed[at] {
				orphans = append(orphans, at)
			}
		}
		for at := range listed {
			if at.home == home && !present[at.id] {
				return nil, sqlerr.New(sqlerr.DataCorrupted, "run %d is listed in the manifest but missing", at.id)
			}
		}
	}
	return orphans, nil
}

func (s *Store) dropOrphans(orphans []runPlace) error {
	for _, at := range orphans {
		if err := s.blocks(at.home).Drop(at.id); err != nil {
			return fmt.Errorf("could not delete unlisted run %d: %w", at.id, err)
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
	if err := checkLogEnd(s.seams.Log, s.epoch); err != nil {
		return rows, err
	}
	s.mem.tidy()
	s.mem.count()
	return rows, nil
}

// checkLogEnd compares where the log ends with what manifest and records gave.
// Damaged files let Badger go back to an older state without a word; the log was
// cut behind the newer one.
func checkLogEnd(log Log, epoch uint64) error {
	if last := log.LastEpoch(); last > epoch {
		return sqlerr.New(sqlerr.DataCorrupted, "the log ends with epoch %d, but the manifest and its records only lead to epoch %d", last, epoch)
	}
	return nil
}
