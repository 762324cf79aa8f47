package storage

import (
	"encoding/binary"
	"math"
	"slices"
	"sync"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// Damage is something stored that is not what was written.
type Damage struct {
	Run   uint64 // 0: none
	Place string // what of the run, or of the directory
	// First and Last bound the arrangements whose rows may be affected.
	First, Last Arrangement
	Err         error
}

// DamageError is the error (XX001) of a read that met damage in the rows of an
// arrangement, or beside them in the same block.
type DamageError struct {
	Arr Arrangement
	err error
}

func (e *DamageError) Error() string { return e.err.Error() }
func (e *DamageError) Unwrap() error { return e.err }

// readError completes the error of a read: damage is told in the log once, and
// the caller learns whose it is.
func (s *Store) readError(arr Arrangement, err error) error {
	if err == nil || sqlerr.Code(err) != sqlerr.DataCorrupted {
		return err
	}
	s.noteDamage(Damage{Place: "read", First: arr, Last: arr, Err: err})
	return &DamageError{Arr: arr, err: err}
}

// damages are the findings of the last verification and of reads since.
type damages struct {
	mu    sync.Mutex
	found []Damage
}

// maxDamages bounds the list of findings.
const maxDamages = 1000

// noteDamage keeps a finding and logs it, once.
func (s *Store) noteDamage(d Damage) {
	if s.opts.Damaged != nil {
		defer s.opts.Damaged()
	}
	l := &s.damages
	l.mu.Lock()
	defer l.mu.Unlock()
	known := slices.ContainsFunc(l.found, func(o Damage) bool {
		return o.Place == d.Place && o.First == d.First && o.Last == d.Last && o.Err.Error() == d.Err.Error()
	})
	if known || len(l.found) >= maxDamages {
		return
	}
	l.found = append(l.found, d)
	s.opts.Log.Error("damaged data", "found_by", d.Place, "first_arrangement", d.First, "last_arrangement", d.Last, "error", d.Err)
}

// replaceDamages makes the findings of a whole verification the known ones: what
// it did not find again is gone, dropped and merged away.
func (s *Store) replaceDamages(found []Damage) {
	s.damages.mu.Lock()
	defer s.damages.mu.Unlock()
	s.damages.found = found
}

// Damages lists what is known to be damaged, without what was dropped since.
func (s *Store) Damages() []Damage {
	s.damages.mu.Lock()
	found := slices.Clone(s.damages.found)
	s.damages.mu.Unlock()
	if len(found) == 0 {
		return nil
	}
	f := s.newFilter(false)
	return slices.DeleteFunc(found, func(d Damage) bool { return f.allDead(d.First, d.Last) })
}

// damage is damage of which any row of the run may be affected.
func (r *run) damage(place string, err error) Damage {
	return Damage{Run: r.id, Place: place, First: runKeyArrangement(r.lo), Last: runKeyArrangement(r.hi), Err: err}
}

// runKeyArrangement returns the arrangement of a key as in runs. A key that is cut
// off, as fences are, gives the first arrangement that it may be of.
func runKeyArrangement(key []byte) Arrangement {
	var b [runKeyArr]byte
	copy(b[:], key)
	return Arrangement(binary.BigEndian.Uint32(b[:]))
}

// arrangements bounds the arrangements that block i has rows of, in a run whose
// last key is hi.
func (x *runIndex) arrangements(i int, hi []byte) (first, last Arrangement) {
	first = runKeyArrangement(x.fence(i))
	if i+1 >= x.blocks {
		return first, runKeyArrangement(hi)
	}
	next := x.fence(i + 1) // after all keys of the block
	last = runKeyArrangement(next)
	if len(next) <= runKeyArr && last > first {
		last--
	}
	return first, last
}

// allDead says whether every arrangement from first to last was dropped before
// all pins.
func (f *versionFilter) allDead(first, last Arrangement) bool {
	if f.alive == nil {
		f.alive = make([]Arrangement, 0, len(f.arrs))
		for arr := range f.arrs {
			if !f.isDead(arr) {
				f.alive = append(f.alive, arr)
			}
		}
		slices.Sort(f.alive)
	}
	i, _ := slices.BinarySearch(f.alive, first)
	return i == len(f.alive) || f.alive[i] > last
}

// everything bounds damage that may affect all.
func everything(place string, err error) Damage {
	return Damage{Place: place, Last: math.MaxUint32, Err: err}
}
