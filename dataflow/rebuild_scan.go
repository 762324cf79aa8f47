package dataflow

import (
	"bytes"

	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/storage"
)

// An input whose relation was rebuilt is scanned again, as at the view's creation,
// but from what the view has seen: at each moment that is the relation's rows below
// the cursor and those of the base from there on. The scan begins when the
// relation is ready, since rows that it does not have yet are not gone.

// compares says whether the input's scan may go on.
func (in *input) compares() bool {
	return in.base == 0 || in.from.ready || in.from.held && len(in.cursor) > 0
}

// compareWith gives a view that reads a rebuilt one the base to begin from. It says
// whether the rows of the former view are needed for that. One that has not begun
// to leave an earlier base keeps it.
func (r *Runtime) compareWith(d, old, v *view, q *request) (used bool) {
	for _, in := range d.inputs {
		if in.from != old {
			continue
		}
		former := *in
		q.undo = append(q.undo, func() { *in = former })
		in.from = v
		if !d.live() || in.phase == phaseScanning {
			continue
		}
		in.phase, in.cursor, in.atEnd, in.base = phaseScanning, nil, false, old.spec.Result.Arr
		used = true
	}
	return used
}

// comparePiece returns what brings the view from the base to the relation's rows
// behind the cursor, for a piece of at most rows keys of each.
func (r *Runtime) comparePiece(in *input, rows int) (*zset.Batch, error) {
	now, err := r.readPart(in.from.spec.Result.Arr, in, rows)
	if err != nil {
		return nil, err
	}
	was, err := r.readPart(in.base, in, rows)
	if err != nil {
		return nil, err
	}
	end := now.end
	if end == nil || was.end != nil && bytes.Compare(was.end, end) < 0 {
		end = was.end
	}
	if in.atEnd = end == nil; in.atEnd {
		end = lastOf(now, was, in.cursor)
	}
	in.lastKey = end
	batch := zset.NewBatch(in.from.spec.Result.Types, 0)
	err = mergeParts(was, now, end, func(key, before, after []byte) error {
		return addChange(batch, in.from.spec.Result, key, before, after)
	})
	return batch, err
}

// part is a piece of an arrangement.
type part struct {
	keys, vals zset.List
	end        []byte // behind its last key; nil: there are no more keys
}

// readPart reads the keys behind the cursor, at most rows of them.
func (r *Runtime) readPart(arr storage.Arrangement, in *input, rows int) (*part, error) {
	p := &part{vals: zset.List{Data: []byte{}}} // no image is nil, which would mean that there is none
	budget := r.opts.PieceBytes
	err := r.store.Scan(arr, in.cursor, nil, func(key, val []byte) bool {
		if rows == 0 || budget <= 0 {
			p.end = behind(p.keys.At(p.keys.Len() - 1))
			return false
		}
		rows--
		budget -= len(key) + len(val)
		p.keys.Add(key)
		p.vals.Add(val)
		return true
	})
	return p, err
}

// behind returns the least key after one.
func behind(key []byte) []byte { return append(bytes.Clone(key), 0) }

// lastOf returns the key behind all keys of two parts, the cursor if there are none.
func lastOf(p, q *part, cursor []byte) []byte {
	for _, x := range []*part{p, q} {
		if n := x.keys.Len(); n > 0 {
			if end := behind(x.keys.At(n - 1)); bytes.Compare(end, cursor) > 0 {
				cursor = end
			}
		}
	}
	return cursor
}

// mergeParts calls fn for every key before end, with its images in both parts
// (nil: none).
func mergeParts(was, now *part, end []byte, fn func(key, before, after []byte) error) error {
	i, j := 0, 0
	for {
		old, isOld := was.before(i, end)
		cur, isCur := now.before(j, end)
		order := bytes.Compare(old, cur)
		switch {
		case !isOld && !isCur:
			return nil
		case !isCur || isOld && order < 0:
			order, cur = -1, old
		case !isOld || order > 0:
			order = 1
		}
		var before, after []byte
		if order <= 0 {
			before = was.vals.At(i)
			i++
		}
		if order >= 0 {
			after = now.vals.At(j)
			j++
		}
		if err := fn(cur, before, after); err != nil {
			return err
		}
	}
}

// before returns key i if there is one and it comes before end.
func (p *part) before(i int, end []byte) ([]byte, bool) {
	if i >= p.keys.Len() || bytes.Compare(p.keys.At(i), end) >= 0 {
		return nil, false
	}
	return p.keys.At(i), true
}

// comparing is scanInput for an input with a base.
func (r *Runtime) comparing(in *input, rows int) (operator.Delta, error) {
	if !in.compares() {
		return nil, nil
	}
	batch, err := r.comparePiece(in, rows)
	if err != nil || batch.N == 0 {
		return nil, err
	}
	return operator.Delta{batch}, nil
}
