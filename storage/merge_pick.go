package storage

import (
	"bytes"
	"maps"
)

// fanIn is the number of runs of a tier that are merged into one of the next.
const fanIn = 4

// baseMerge is a merge of everything above the base into it, piece by piece: the
// runs above stay listed until the last piece is done, so that readers find
// their rows first and the process may end at any time.
type baseMerge struct {
	uppers []*sortedRun
	top    uint64 // rank of the newest upper
	steps  []baseStep
	next   int
	purge  []Arrangement
}

// baseStep is a key range of the base.
type baseStep struct {
	pieces []*run
	lo, hi []byte
}

// pickMerge returns the next job of a tree, nil if there is none. Small merges
// of young runs go between the pieces of a base merge, so that a long one does
// not let loose runs pile up.
func (s *Store) pickMerge(v *version, p Placement) *mergeJob {
	runs := v.trees[p]
	loose := runs[:v.loose(p)]
	var base *sortedRun
	if len(loose) < len(runs) {
		base = runs[len(loose)]
	}
	if bm := s.bg.bases[p]; bm != nil {
		young := 0
		for young < len(loose) && loose[young].rank > bm.top {
			young++
		}
		if job := s.tierMerge(p, loose[:young]); job != nil {
			return job
		}
		return s.baseJob(p, bm)
	}
	above := uint64(0)
	for _, sr := range loose {
		above += sr.bytes()
	}
	if len(loose) >= fanIn && (base == nil || above >= base.bytes()/2) {
		s.bg.bases[p] = s.planBase(p, loose, base)
		return s.baseJob(p, s.bg.bases[p])
	}
	if job := s.tierMerge(p, loose); job != nil {
		return job
	}
	return s.purgeJob(p, runs)
}

// sizeTier returns the tier of a merged run: by its size, as runs of the same
// hot rows do not grow by being merged. It is at least 1.
func (s *Store) sizeTier(size uint64) (tier uint8) {
	tier = 1
	for limit := float64(s.opts.FlushUnit) * fanIn; float64(size) > limit && tier < baseTier-1; limit *= fanIn {
		tier++
	}
	return tier
}

// tierMerge merges neighbours of one tier, the youngest that are enough. A run
// that is older than a larger one counts as of that one's tier.
func (s *Store) tierMerge(p Placement, runs []*sortedRun) *mergeJob {
	for i := 0; i < len(runs); {
		j := i + 1
		for j < len(runs) && runs[j].tier <= runs[i].tier {
			j++
		}
		if j-i >= fanIn {
			in := runs[i:j]
			job := &mergeJob{tree: p, inputs: in, rank: in[0].rank, target: s.opts.PieceSize}
			for _, sr := range in {
				job.remove = append(job.remove, sr.pieces...)
			}
			return job
		}
		i = j
	}
	return nil
}

// planBase plans a base merge. Small neighbours of the base are merged together.
func (s *Store) planBase(p Placement, uppers []*sortedRun, base *sortedRun) *baseMerge {
	bm := &baseMerge{uppers: uppers, top: uppers[0].rank, purge: s.purgeable(p)}
	step := baseStep{}
	if base != nil {
		size := uint64(0)
		for _, r := range base.pieces {
			if len(step.pieces) > 0 && size+r.runDesc.bytes > uint64(s.opts.PieceSize) {
				step.hi = r.lo
				bm.steps = append(bm.steps, step)
				step, size = baseStep{lo: r.lo}, 0
			}
			step.pieces = append(step.pieces, r)
			size += r.runDesc.bytes
		}
	}
	bm.steps = append(bm.steps, step)
	return bm
}

// purgeJob rewrites a run above the base that is half of dropped arrangements,
// or a piece of the base that is to an eighth: space must come back though
// little else is written. A run that was rewritten has none of their rows, so
// that it is not chosen again.
func (s *Store) purgeJob(p Placement, runs []*sortedRun) *mergeJob {
	dead := s.purgeable(p)
	if len(dead) == 0 {
		return nil
	}
	for _, sr := range runs {
		if sr.tier == baseTier {
			for _, r := range sr.pieces {
				if r.deadBlocks(dead)*8 > r.blocks {
					in := &sortedRun{tier: baseTier, pieces: []*run{r}}
					return &mergeJob{tree: p, inputs: []*sortedRun{in}, tier: baseTier, remove: in.pieces, target: s.opts.PieceSize, single: true}
				}
			}
			continue
		}
		blocks, gone := uint64(0), uint64(0)
		for _, r := range sr.pieces {
			blocks += r.blocks
			gone += r.deadBlocks(dead)
		}
		if gone*2 > blocks {
			return &mergeJob{tree: p, inputs: []*sortedRun{sr}, rank: sr.rank, remove: sr.pieces, target: s.opts.PieceSize}
		}
	}
	return nil
}

// deadBlocks estimates the number of blocks that only have rows of the
// arrangements.
func (r *run) deadBlocks(dead []Arrangement) (n uint64) {
	x, err := r.idx()
	if err != nil {
		return 0 // the merge that reads it reports it
	}
	for _, arr := range dead {
		first, end := appendRunKey(nil, arr, nil), appendRunKey(nil, arr+1, nil)
		if bytes.Compare(r.hi, first) < 0 || bytes.Compare(r.lo, end) >= 0 {
			continue
		}
		to := x.find(end, 0)
		if bytes.Compare(r.hi, end) < 0 {
			to = x.blocks
		}
		// The block that the first key would be in may have others' rows, and a
		// fence between two arrangements says nothing about rows between them.
		n += uint64(max(0, to-max(0, x.find(first, 0))-1))
	}
	return n
}

// baseJob returns the next step of a base merge.
func (s *Store) baseJob(p Placement, bm *baseMerge) *mergeJob {
	step := &bm.steps[bm.next]
	job := &mergeJob{tree: p, lo: step.lo, hi: step.hi, tier: baseTier, target: s.opts.PieceSize}
	job.inputs = append(job.inputs, bm.uppers...)
	size, above := uint64(0), uint64(0)
	if len(step.pieces) > 0 {
		sr := &sortedRun{tier: baseTier, pieces: step.pieces}
		job.inputs = append(job.inputs, sr)
		job.remove = append(job.remove, step.pieces...)
		size = sr.bytes()
	}
	for _, sr := range bm.uppers {
		above += sr.bytes()
	}
	if bm.next == len(bm.steps)-1 {
		for _, sr := range bm.uppers {
			job.remove = append(job.remove, sr.pieces...)
		}
		job.purge = bm.purge
	}
	// What comes out is cut evenly, so that no small rest is left behind.
	size += above / uint64(len(bm.steps))
	if parts := size / uint64(s.opts.PieceSize); parts > 0 {
		job.target = int64(size/(parts+1)) + 1
	}
	return job
}

// done moves a base merge on after one of its jobs.
func (j *mergeJob) done(s *Store) {
	if j.tier != baseTier || j.single {
		return
	}
	bm := s.bg.bases[j.tree]
	if bm.next++; bm.next == len(bm.steps) {
		s.bg.bases[j.tree] = nil
	}
}

// purgeable lists the dropped arrangements that no run has rows of once
// everything listed now is merged: nothing unflushed is of them, and no reader
// is older than the drop. Which tree their rows are in does not change.
func (s *Store) purgeable(p Placement) (arrs []Arrangement) {
	f := s.newFilter(true)
	for arr, st := range f.arrs {
		if st.placement == p && st.dropped != arrangementAlive && st.dropped <= s.bg.flushedEpoch.Load() && f.isDead(arr) {
			arrs = append(arrs, arr)
		}
	}
	return arrs
}

// forget removes purged arrangements.
func (s *Store) forget(arrs []Arrangement) {
	if len(arrs) == 0 {
		return
	}
	s.arrMu.Lock()
	defer s.arrMu.Unlock()
	m := maps.Clone(s.arrs)
	for _, arr := range arrs {
		delete(m, arr)
	}
	s.arrs = m
}
