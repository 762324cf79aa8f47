package storage

// versionFilter decides which images a flush or merge keeps: of every key the
// newest one, and the newest one at or before every pinned epoch.
//
// The pins are those at the time the filter was made. A later snapshot is of an
// epoch that is not before any image in the input, so that it wants the newest.
type versionFilter struct {
	pins []uint64
	arrs map[Arrangement]arrState
	base bool // nothing is below: tombstones can go

	alive []Arrangement // ascending; see allDead
}

func (s *Store) newFilter(base bool) *versionFilter {
	f := &versionFilter{pins: s.appendPins(nil), base: base}
	s.arrMu.RLock()
	f.arrs = s.arrs // never changed, only replaced
	s.arrMu.RUnlock()
	return f
}

// isDead says whether the arrangement was dropped before all pins.
func (f *versionFilter) isDead(arr Arrangement) bool {
	st, ok := f.arrs[arr]
	if !ok {
		return true
	}
	return st.dropped != arrangementAlive && (len(f.pins) == 0 || f.pins[0] >= st.dropped)
}
