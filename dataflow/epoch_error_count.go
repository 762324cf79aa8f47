package dataflow

import (
	"encoding/binary"
	"maps"
)

// errorCounts say how many error rows each relation has. A map is never
// changed once it is published.
type errorCounts map[RelationID]int64

// with returns the counts after an epoch's changes.
func (c errorCounts) with(delta map[RelationID]int64) errorCounts {
	if len(delta) == 0 {
		return c
	}
	out := maps.Clone(c)
	for id, n := range delta {
		out[id] += n
	}
	return out
}

// countErrors notes that an epoch changes a relation's error rows.
func (ep *epochWork) countErrors(rel RelationID, n int64) {
	if n == 0 {
		return
	}
	if ep.errorDelta == nil {
		ep.errorDelta = map[RelationID]int64{}
	}
	ep.errorDelta[rel] += n
}

// loadErrorCounts counts the error rows that the store holds.
func (r *Runtime) loadErrorCounts() error {
	r.errors = errorCounts{}
	return r.store.Scan(ErrorArrangement, nil, nil, func(key, val []byte) bool {
		if n, ok := binary.Varint(val); ok > 0 && len(key) >= 4 {
			r.errors[RelationID(binary.BigEndian.Uint32(key))] += n
		}
		return true
	})
}

// CountErrors returns how many error rows a relation has.
func (s *Snapshot) CountErrors(rel RelationID) int64 { return s.pub.errors[rel] }
