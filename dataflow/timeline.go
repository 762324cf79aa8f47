package dataflow

import (
	"slices"

	"github.com/streamdb/streamdb/connector"
)

// Opening is one life of a database: what a process has made of it that opened
// it, under an id that no other has.
type Opening struct {
	ID    string `json:"id"`
	First uint64 `json:"first"` // the first epoch that it may have made
}

// Timeline is the history of a database, oldest opening first; the last one is
// the present. A copy of the database shares the history up to the copy: what
// either does later is no part of the other's.
type Timeline []Opening

// Mark is the state after an epoch of this history.
func (t Timeline) Mark(epoch uint64) connector.Mark {
	at := connector.Mark{Epoch: epoch}
	if len(t) > 0 {
		at.Opening = t[len(t)-1].ID
	}
	return at
}

// Contains says whether a state is one of this history. One that does not say
// which opening had it is taken for one.
func (t Timeline) Contains(at connector.Mark) bool {
	if at.Opening == "" || len(t) == 0 {
		return true
	}
	i := slices.IndexFunc(t, func(o Opening) bool { return o.ID == at.Opening })
	return i >= 0 && (i == len(t)-1 || at.Epoch < t[i+1].First)
}
