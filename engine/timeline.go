package engine

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/storage"
)

// openingPrefix is that of the keys under which openings are stored, by their
// first epochs.
const openingPrefix = "c/opening/"

// keptOpenings bounds the history. A sink that an older opening has written last
// and none since counts as diverged.
const keptOpenings = 1000

// timeline is the history of the database, this opening included. It is stored
// as soon as there is a sink that writes outside: only what such a sink has
// written can show that the database comes from a backup.
type timeline struct {
	history dataflow.Timeline
	change  []storage.MetaChange // what stores this opening and forgets the oldest
}

// loadTimeline reads the history and adds this opening.
func loadTimeline(store *storage.Store) (*timeline, error) {
	t := &timeline{}
	err := store.MetaScan([]byte(openingPrefix), func(_, value []byte) error {
		var o dataflow.Opening
		if err := json.Unmarshal(value, &o); err != nil {
			return sqlerr.Wrap(err, sqlerr.DataCorrupted, "the history of openings is damaged")
		}
		t.history = append(t.history, o)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for len(t.history) >= keptOpenings {
		t.change = append(t.change, storage.MetaChange{Key: openingKey(t.history[0])})
		t.history = t.history[1:]
	}
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	now := dataflow.Opening{ID: hex.EncodeToString(random[:]), First: store.Epoch() + 1}
	value, err := json.Marshal(now)
	if err != nil {
		return nil, err
	}
	t.history = append(t.history, now)
	t.change = append(t.change, storage.MetaChange{Key: openingKey(now), Value: value})
	return t, nil
}

func openingKey(o dataflow.Opening) []byte {
	return fmt.Appendf(nil, "%s%020d", openingPrefix, o.First)
}

// begin stores this opening, before anything else happens in it, if there are
// sinks that write outside.
func (t *timeline) begin(store *storage.Store, cat *catalog.Catalog, opts Options) error {
	outside := func(o *catalog.Object) bool { return o.Kind == catalog.Sink && o.Connector != blackhole }
	if !slices.ContainsFunc(cat.Objects(), outside) {
		return nil
	}
	ep := storage.Epoch{Number: store.Epoch() + 1, Clock: max(store.Clock(), opts.Now().UnixMicro()), Meta: t.change}
	err := store.Commit(&ep)
	if errors.Is(err, storage.ErrBroken) {
		return fmt.Errorf("note the opening of the database: %w", err)
	}
	if err != nil { // the disk is full: reads must go on, as a part of the former opening
		opts.Log.Warn("the opening of the database could not be noted", "err", err)
		t.history, t.change = t.history[:len(t.history)-1], nil
	}
	return nil
}
