package dataflow

import (
	"bytes"

	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/storage"
)

// scanInput gives a scanning input its delta of the epoch: the next piece of
// the relation's rows as they were after the former epoch, at most rows of
// them, and this epoch's changes of all keys scanned so far. The cursor moves
// when the view's computation has succeeded (scanDone).
func (r *Runtime) scanInput(in *input, rows int) error {
	in.lastKey, in.atEnd = in.cursor, false
	var out operator.Delta
	switch {
	case rows == 0, in.view.waits():
	case in.base != 0:
		var err error
		if out, err = r.comparing(in, rows); err != nil {
			return err
		}
	default:
		piece := newResultDecoder(in.from.spec.Result, nil)
		if err := r.scanPiece(in, piece, rows); err != nil {
			return err
		}
		if piece.batch.N > 0 {
			out = append(out, piece.take())
		}
	}
	changed, err := r.scannedChanges(in)
	if err != nil {
		return err
	}
	in.delta = append(out, changed...)
	if len(in.delta) == 0 {
		in.delta = nil
	}
	return nil
}

// scanPiece decodes the rows behind the cursor.
func (r *Runtime) scanPiece(in *input, piece *resultDecoder, rows int) error {
	var failed error
	more := false
	var last []byte // the key behind the last one
	budget := r.opts.PieceBytes
	err := r.store.Scan(in.from.spec.Result.Arr, in.cursor, nil, func(key, val []byte) bool {
		if rows == 0 || budget <= 0 {
			more = true
			return false
		}
		rows--
		budget -= len(key) + len(val)
		last = append(append(last[:0], key...), 0)
		failed = piece.add(key, val)
		return failed == nil
	})
	if in.atEnd = !more; last != nil {
		in.lastKey = last
	}
	if failed != nil {
		return failed
	}
	return err
}

// scannedChanges returns what this epoch changes in the rows already scanned.
// It is derived from the relation's stored images, old and new, because the key
// of a row need not be among its columns.
func (r *Runtime) scannedChanges(in *input) (operator.Delta, error) {
	spec := in.from.spec.Result
	var out operator.Delta
	for i := range in.from.changes {
		set := &in.from.changes[i]
		if set.Arr != spec.Arr {
			continue
		}
		d, err := r.imageChanges(in, set)
		if err != nil {
			return nil, err
		}
		if d != nil {
			out = append(out, d)
		}
	}
	return out, nil
}

func (r *Runtime) imageChanges(in *input, set *storage.ChangeSet) (*zset.Batch, error) {
	var keys zset.List
	var at []int
	for i := range set.Keys.Len() {
		key := set.Keys.At(i)
		if in.atEnd || bytes.Compare(key, in.lastKey) < 0 {
			keys.Add(key)
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		return nil, nil
	}
	var old storage.Values
	if err := r.store.Fetch(set.Arr, &keys, &old); err != nil {
		return nil, err
	}
	batch := zset.NewBatch(in.from.spec.Result.Types, 0)
	for i, n := range at {
		var image []byte
		if n >= 64*len(set.Dead) || !set.Dead.Get(n) {
			image = append([]byte{}, set.Vals.At(n)...) // nil would mean absent
		}
		if err := addChange(batch, in.from.spec.Result, keys.At(i), old[i], image); err != nil {
			return nil, err
		}
	}
	if batch.N == 0 {
		return nil, nil
	}
	return batch, nil
}

// addChange appends the difference between two images of a key (nil: absent).
func addChange(batch *zset.Batch, spec ResultSpec, key, before, after []byte) error {
	var rows [2][]byte
	var weights [2]int64
	for i, image := range [2][]byte{before, after} {
		if image == nil {
			continue
		}
		row, w, err := decodeStored(spec, key, image)
		if err != nil {
			return err
		}
		rows[i], weights[i] = row, w
	}
	if weights[0] != 0 && weights[1] != 0 && bytes.Equal(rows[0], rows[1]) {
		weights[0], weights[1] = 0, weights[1]-weights[0]
	}
	for i, sign := range [2]int64{-1, 1} {
		if weights[i] == 0 {
			continue
		}
		if err := zset.DecodeRow(rows[i], batch.Cols); err != nil {
			return sqlerr.Wrap(err, sqlerr.DataCorrupted, "stored row of arrangement %d is damaged", spec.Arr)
		}
		batch.AddRow(sign * weights[i])
	}
	return nil
}

// scanDone moves the cursor behind the piece that this epoch has computed.
func (in *input) scanDone(r *Runtime) {
	if !bytes.Equal(in.cursor, in.lastKey) {
		in.cursor = in.lastKey
		r.viewsChanged = true
	}
	for _, b := range in.delta {
		in.scanned += int64(b.Len())
	}
}
