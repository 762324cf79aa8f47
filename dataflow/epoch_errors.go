package dataflow

import (
	"encoding/binary"

	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/storage"
)

// ErrorArrangement holds the error rows of all relations: the key is the
// relation's id (4 bytes, big endian) and the error row (zset.AppendRow over
// operator.ErrorSchema), the image its weight as a varint. The runtime creates
// it in the first epoch; the catalog gives out ids from FirstArrangement on.
const (
	ErrorArrangement storage.Arrangement = 1
	FirstArrangement storage.Arrangement = 16
)

// purgePiece is how many error rows of dropped relations one epoch removes.
const purgePiece = 16 << 10

// errorChanges are changes of the error arrangement.
type errorChanges struct {
	set   storage.ChangeSet
	delta int64 // sum of the weights that were added
}

// total is by how much the number of error rows changes.
func (c *errorChanges) total() int64 {
	if c == nil {
		return 0
	}
	return c.delta
}

func (c *errorChanges) put(key []byte, weight int64) {
	i := c.set.Keys.Len()
	c.set.Keys.Add(key)
	if weight != 0 {
		c.set.Vals.Data = binary.AppendVarint(c.set.Vals.Data, weight)
	} else {
		for i >= 64*len(c.set.Dead) {
			c.set.Dead = append(c.set.Dead, 0)
		}
		c.set.Dead.Set(i)
	}
	c.set.Vals.End()
}

// add appends the changes of another relation; their keys differ in the id.
func (c *errorChanges) add(d *errorChanges) {
	if d == nil {
		return
	}
	if c.set.Keys.Len() == 0 {
		*c = *d
		return
	}
	for i := range d.set.Keys.Len() {
		var w int64
		if i >= 64*len(d.set.Dead) || !d.set.Dead.Get(i) {
			w, _ = binary.Varint(d.set.Vals.At(i))
		}
		c.put(d.set.Keys.At(i), w)
	}
}

func errorPrefix(rel RelationID) []byte { return binary.BigEndian.AppendUint32(nil, uint32(rel)) }

// errorRows adds the error rows of a relation in this epoch to their stored
// weights. A weight below zero is a broken operator: XX000.
func (r *Runtime) errorRows(rel RelationID, delta operator.Delta) (*errorChanges, error) {
	if len(delta) == 0 {
		return nil, nil
	}
	rows := zset.Consolidate(operator.ErrorSchema(), delta)
	if rows.N == 0 {
		return nil, nil
	}
	var keys zset.List
	for i := range rows.N {
		keys.Data = binary.BigEndian.AppendUint32(keys.Data, uint32(rel))
		keys.Data = zset.AppendRow(keys.Data, rows.Cols, i)
		keys.End()
	}
	var old storage.Values
	if err := r.store.Fetch(ErrorArrangement, &keys, &old); err != nil {
		return nil, err
	}
	var out errorChanges
	for i := range rows.N {
		weight := rows.WeightAt(i)
		out.delta += weight
		if old[i] != nil {
			was, n := binary.Varint(old[i])
			if n <= 0 {
				return nil, sqlerr.New(sqlerr.DataCorrupted, "the weight of an error row is damaged")
			}
			weight += was
		}
		if weight < 0 {
			return nil, sqlerr.New(sqlerr.InternalError, "an error row was retracted more often than it was emitted")
		}
		out.put(keys.At(i), weight)
	}
	return &out, nil
}

// purgeDropped removes a piece of what dropped relations have left: error rows,
// then the backlog.
func (r *Runtime) purgeDropped(ep *epochWork) error {
	if len(r.purge) == 0 {
		return nil
	}
	id := r.purge[0]
	var errs storage.ChangeSet
	more, err := r.purgeRange(&errs, ErrorArrangement, errorPrefix(id), errorPrefix(id+1))
	if err != nil {
		return err
	}
	ep.dropErrors(errs)
	if !more {
		ep.countErrors(id, -r.errors[id])
		if more, err = r.purgeRange(&ep.backlog, BacklogArrangement, errorPrefix(id), errorPrefix(id+1)); err != nil {
			return err
		}
	}
	r.dirty = true
	if !more {
		r.purge = append([]RelationID(nil), r.purge[1:]...)
	}
	return nil
}

// purgeRange deletes a piece of a range of keys and says whether there are more.
func (r *Runtime) purgeRange(set *storage.ChangeSet, arr storage.Arrangement, lo, hi []byte) (more bool, err error) {
	n := 0
	err = r.store.Scan(arr, lo, hi, func(key, _ []byte) bool {
		if more = n == purgePiece; !more {
			putEntry(set, key, nil)
			n++
		}
		return !more
	})
	return more, err
}

// dropErrors adds deletions to the epoch's changes of error rows.
func (ep *epochWork) dropErrors(gone storage.ChangeSet) {
	if gone.Keys.Len() == 0 {
		return
	}
	gone.Arr = ErrorArrangement
	for i := range ep.commit.Changes {
		if set := &ep.commit.Changes[i]; set.Arr == ErrorArrangement {
			for k := range gone.Keys.Len() {
				putEntry(set, gone.Keys.At(k), nil)
			}
			return
		}
	}
	ep.commit.Changes = append(ep.commit.Changes, gone)
}

// ErrorRows emits the error rows of a relation in batches of
// operator.ErrorSchema; a row's weight is how often the error stands.
func (r *Runtime) ErrorRows(s *Snapshot, rel RelationID, emit func(*zset.Batch) error) error {
	hi := errorPrefix(rel + 1)
	if rel == ^RelationID(0) {
		hi = nil
	}
	batch := zset.NewBatch(operator.ErrorSchema(), 0)
	var failed error
	err := s.Scan(ErrorArrangement, errorPrefix(rel), hi, func(key, val []byte) bool {
		weight, n := binary.Varint(val)
		if failed = zset.DecodeRow(key[4:], batch.Cols); failed != nil || n <= 0 {
			failed = sqlerr.New(sqlerr.DataCorrupted, "an error row is damaged")
			return false
		}
		batch.AddRow(weight)
		if batch.N < scanBatchRows {
			return true
		}
		failed = emit(batch)
		batch = zset.NewBatch(operator.ErrorSchema(), 0)
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	if err != nil || batch.N == 0 {
		return err
	}
	return emit(batch)
}
