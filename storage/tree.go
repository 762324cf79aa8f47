package storage

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// tree holds the runs of both placements. Its current version is replaced as a
// whole; readers hold the one they took. A run is deleted when the manifest
// does not list it and no version that is in use has it.
type tree struct {
	store   *Store
	nextRun atomic.Uint64

	// editMu orders changes of the manifest's runs.
	editMu sync.Mutex

	mu      sync.Mutex
	current *version
	garbage []*run // not listed and not used: to be deleted
}

// version is a list of runs; it does not change.
type version struct {
	refs  int // guarded by tree.mu
	trees [Result + 1][]*sortedRun
}

// newTree makes the tree of the listed runs.
func newTree(s *Store, man *manifest) (*tree, error) {
	t := &tree{store: s, current: &version{refs: 1}}
	t.nextRun.Store(man.nextRun)
	runs := make([]*run, 0, len(man.runs))
	for i := range man.runs {
		runs = append(runs, t.newRun(man.runs[i]))
	}
	t.install(runs, nil)
	for p := range t.current.trees {
		for _, sr := range t.current.trees[p] {
			for i := 1; i < len(sr.pieces); i++ {
				if bytes.Compare(sr.pieces[i-1].hi, sr.pieces[i].lo) >= 0 {
					return nil, sr.pieces[i].damaged(0)
				}
			}
		}
	}
	return t, nil
}

func (t *tree) newRun(d runDesc) *run { return &run{runDesc: d, store: t.store.blocks(d.home)} }

func (t *tree) newRunID() uint64 { return t.nextRun.Add(1) - 1 }

// blocks returns the block store of a home.
func (s *Store) blocks(home runHome) BlockStore {
	if home == homeFiles {
		return s.seams.Files
	}
	return s.seams.Results
}

// homeOf says where new runs of a placement go.
func (s *Store) homeOf(p Placement) runHome {
	if p == Result && s.opts.ResultStore == resultBadger {
		return homeBadger
	}
	return homeFiles
}

// acquire returns the current version; the caller releases it.
func (t *tree) acquire() *version {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current.refs++
	return t.current
}

func (t *tree) release(v *version) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unref(v)
}

// unref gives up a reference under mu. Runs that nobody needs become garbage.
func (t *tree) unref(v *version) {
	if v.refs--; v.refs > 0 {
		return
	}
	for _, sorted := range v.trees {
		for _, sr := range sorted {
			for _, r := range sr.pieces {
				if r.refs.Add(-1) == 0 && r.gone.Load() {
					t.garbage = append(t.garbage, r)
				}
			}
		}
	}
}

// install replaces the current version by one with and without some runs.
func (t *tree) install(add, remove []*run) {
	t.mu.Lock()
	defer t.mu.Unlock()
	gone := map[*run]bool{}
	for _, r := range remove {
		r.gone.Store(true)
		gone[r] = true
	}
	v := &version{refs: 1}
	for p := range v.trees {
		var runs []*run
		for _, sr := range t.current.trees[p] {
			for _, r := range sr.pieces {
				if !gone[r] {
					runs = append(runs, r)
				}
			}
		}
		for _, r := range add {
			if int(r.tree) == p {
				runs = append(runs, r)
			}
		}
		v.trees[p] = sortRuns(runs)
		for _, r := range runs {
			r.refs.Add(1)
		}
	}
	old := t.current
	t.current = v
	t.unref(old)
}

// sortRuns groups runs into sorted runs, newest first.
func sortRuns(runs []*run) []*sortedRun {
	slices.SortFunc(runs, func(a, b *run) int {
		if c := cmp.Compare(b.rank, a.rank); c != 0 {
			return c
		}
		return bytes.Compare(a.lo, b.lo)
	})
	var sorted []*sortedRun
	for _, r := range runs {
		if n := len(sorted); n == 0 || sorted[n-1].rank != r.rank {
			sorted = append(sorted, &sortedRun{tier: r.tier, rank: r.rank})
		}
		last := sorted[len(sorted)-1]
		last.pieces = append(last.pieces, r)
	}
	return sorted
}

// treeEdit is one change of the manifest's runs.
type treeEdit struct {
	add    []*run
	remove []*run
	meta   []MetaChange // what else becomes durable with it
}

// commit makes the edit durable and installs it. An error leaves open whether
// the edit is durable, so that the only ways on are the same edit again, or the
// end of the process: the new runs must not be deleted.
func (t *tree) commit(e *treeEdit) error {
	t.editMu.Lock()
	defer t.editMu.Unlock()
	changes := slices.Clone(e.meta)
	for _, r := range e.add {
		changes = append(changes, runChange(&r.runDesc))
	}
	for _, r := range e.remove {
		changes = append(changes, MetaChange{Key: runKey(r.id)})
	}
	if err := t.store.seams.Meta.Commit(changes); err != nil {
		return fmt.Errorf("could not write the manifest: %w", err)
	}
	t.install(e.add, e.remove)
	return nil
}

// discard deletes finished runs that were never listed.
func (t *tree) discard(runs []runDesc) {
	for i := range runs {
		if err := t.store.blocks(runs[i].home).Drop(runs[i].id); err != nil {
			// The next open deletes it.
			t.store.opts.Log.Warn("could not delete an unlisted run", "run", runs[i].id, "error", err)
		}
	}
}

// collect deletes the runs that nobody needs.
func (t *tree) collect() {
	t.mu.Lock()
	garbage := t.garbage
	t.garbage = nil
	t.mu.Unlock()
	for _, r := range garbage {
		if err := r.store.Drop(r.id); err != nil {
			// It is not listed: the next open deletes it.
			t.store.opts.Log.Warn("could not delete a merged run", "run", r.id, "error", err)
		}
		t.store.stats.droppedRuns.Add(1)
	}
}

// loose returns the number of sorted runs above the base.
func (v *version) loose(p Placement) int {
	n := len(v.trees[p])
	if n > 0 && v.trees[p][n-1].tier == baseTier {
		n--
	}
	return n
}

// fresh returns the number of runs that came from a flush and were not merged
// yet. Merging them is always possible, so that waiting for it ends; runs of
// other tiers may well wait for more of their kind.
func (v *version) fresh() (most int) {
	for _, sorted := range v.trees {
		n := 0
		for _, sr := range sorted {
			if sr.tier == 0 {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

// get appends the newest value with at most epoch to buf. mem is memory for
// blocks.
func (v *version) get(p Placement, arr Arrangement, key []byte, h, epoch uint64, buf, mem []byte) ([]byte, bool, error) {
	var space [128]byte
	runKey := appendRunKey(space[:0], arr, key)
	for _, sr := range v.trees[p] {
		i := sr.piece(runKey, 0)
		if i == len(sr.pieces) || bytes.Compare(runKey, sr.pieces[i].lo) < 0 {
			continue
		}
		row, found, err := sr.pieces[i].get(runKey, h, epoch, mem)
		if err != nil {
			return buf, false, err
		}
		if found && row.tomb {
			return buf, false, nil
		}
		if found {
			return append(buf, row.val...), true, nil
		}
	}
	return buf, false, nil
}
