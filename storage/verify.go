package storage

import (
	"time"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

const (
	// firstVerify is the part of the interval after which the first verification
	// begins, so that a server that is started every day gets to it, too.
	firstVerify = 24
	// defaultVerifyEvery and defaultVerifyRate read 300 GiB a day.
	defaultVerifyEvery = 24 * time.Hour
	defaultVerifyRate  = 4 << 20
)

// verifyLoop reads and verifies all runs again and again, slowly: damage is to be
// found while there is a second copy somewhere, not when somebody asks.
func (s *Store) verifyLoop() {
	for wait := s.opts.VerifyEvery / firstVerify; ; wait = s.opts.VerifyEvery {
		s.sleep(wait)
		if s.stopping() {
			return
		}
		s.verify()
	}
}

// verify makes one pass over the runs that are listed when it begins.
func (s *Store) verify() {
	start := time.Now()
	v := s.tree.acquire()
	runs := v.runs()
	s.tree.release(v)
	var found []Damage
	for _, r := range runs {
		if err := s.verifyRun(r, func(d Damage) { found = append(found, d) }); err != nil {
			return // the store is closed
		}
	}
	s.replaceDamages(found)
	s.stats.verifyPasses.Add(1)
	s.opts.Log.Info("storage verified", "runs", len(runs), "damages", len(found), "duration", time.Since(start))
}

// verifyRun verifies a run unless it was merged away. It holds the list of runs
// only for that long: their space must come back while a pass goes on.
func (s *Store) verifyRun(r *run, found func(Damage)) error {
	v := s.tree.acquire()
	defer s.tree.release(v)
	if r.gone.Load() {
		return nil
	}
	f := s.newFilter(false)
	wanted := func(d Damage) {
		if !f.allDead(d.First, d.Last) {
			s.noteDamage(d)
			found(d)
		}
	}
	return checkRun(s.bg.ctx, r, wanted, func(size int) {
		s.stats.verifiedBytes.Add(int64(size))
		s.sleep(time.Duration(float64(size) / float64(s.opts.VerifyRate) * float64(time.Second)))
	})
}

// tellDamage verifies the inputs of a merge that met damage: a merge knows no
// more than the run that it could not read, the verification whose rows they are.
func (s *Store) tellDamage(j *mergeJob, err error) error {
	if sqlerr.Code(err) != sqlerr.DataCorrupted {
		return err
	}
	for _, sr := range j.inputs {
		for _, r := range sr.pieces {
			if s.verifyRun(r, func(Damage) {}) != nil {
				return err // the store is closed
			}
		}
	}
	return err
}
