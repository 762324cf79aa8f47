package operator

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/storage"
)

// TopK keeps the rows of a window of positions in an order (TopKSpec).
//
// An epoch walks over the stored rows and the changed ones side by side, from
// the first to the end of the window, and emits by how much each row's part in
// the window differs. What lies behind is not touched.
type TopK struct {
	spec *TopKSpec
	end  int64 // the first position behind the window
}

// NewTopK checks spec.
func NewTopK(spec *TopKSpec) (*TopK, error) {
	for _, k := range spec.Order {
		if k.Column < 0 || k.Column >= len(spec.Input) {
			return nil, fmt.Errorf("order column %d of an input of %d", k.Column, len(spec.Input))
		}
	}
	if spec.Limit < -1 || spec.Offset < 0 {
		return nil, fmt.Errorf("limit %d offset %d", spec.Limit, spec.Offset)
	}
	t := &TopK{spec: spec, end: math.MaxInt64}
	if spec.Limit >= 0 && spec.Limit <= math.MaxInt64-spec.Offset {
		t.end = spec.Offset + spec.Limit
	}
	return t, nil
}

// topChange is a row whose number changes.
type topChange struct {
	key      []byte // stored key
	orderLen int
	row      int32 // of the delta's batch
	old, now int64
}

// Apply moves the window by one delta.
func (t *TopK) Apply(in []Delta, st State, _ uint64, out *Output) error {
	if len(in[0]) == 0 {
		return nil
	}
	b := zset.Consolidate(t.spec.Input, in[0])
	if b.N == 0 {
		return nil
	}
	changes, err := t.changes(b, st)
	if err != nil {
		return err
	}
	w := topWalk{TopK: t, delta: b, changes: changes, out: zset.NewBatch(t.spec.Input, 0), set: storage.ChangeSet{Arr: t.spec.Arr}}
	if !t.spec.AppendOnly {
		for _, c := range changes {
			w.store(c.key, c.orderLen, c.now)
		}
	}
	if err := w.walk(st); err != nil {
		return err
	}
	if w.set.Keys.Len() > 0 {
		st.Change(w.set)
	}
	if w.out.N > 0 && !out.Discard {
		out.Rows = append(out.Rows, w.out)
	}
	return nil
}

// changes returns the rows of the delta in stored order, with their numbers
// before and after the epoch.
func (t *TopK) changes(b *zset.Batch, st State) ([]topChange, error) {
	var keys zset.List
	changes := make([]topChange, b.N)
	for r := range changes {
		start := len(keys.Data)
		for _, k := range t.spec.Order {
			keys.Data = zset.AppendKeyOrdered(keys.Data, &b.Cols[k.Column], r, k.Desc, k.NullsFirst)
		}
		changes[r].orderLen = len(keys.Data) - start
		keys.Data = zset.AppendRow(keys.Data, b.Cols, r)
		if len(b.Cols) == 0 {
			keys.Data = append(keys.Data, GlobalKey)
		}
		keys.End()
	}
	var images storage.Values
	if err := st.Fetch(t.spec.Arr, &keys, &images); err != nil {
		return nil, err
	}
	for r := range changes {
		c := &changes[r]
		c.key, c.row = keys.At(r), int32(r)
		if images[r] != nil {
			var err error
			if c.old, _, err = decodeCounted(images[r]); err != nil {
				return nil, err
			}
		}
		c.now = c.old + b.WeightAt(r)
		if c.now < 0 || t.spec.AppendOnly && b.WeightAt(r) < 0 {
			return nil, errNegative()
		}
	}
	slices.SortFunc(changes, func(x, y topChange) int { return bytes.Compare(x.key, y.key) })
	return changes, nil
}

// topWalk is one epoch's walk over the window.
type topWalk struct {
	*TopK
	delta   *zset.Batch
	changes []topChange
	out     *zset.Batch
	set     storage.ChangeSet

	oldAt, newAt int64 // positions reached
	failed       error
}

// walk merges the stored rows with the changed ones.
func (w *topWalk) walk(st State) error {
	next := 0
	err := st.Scan(w.spec.Arr, nil, nil, func(key, val []byte) bool {
		for next < len(w.changes) && bytes.Compare(w.changes[next].key, key) < 0 {
			w.changed(&w.changes[next])
			next++
		}
		if next < len(w.changes) && bytes.Equal(w.changes[next].key, key) {
			w.changed(&w.changes[next])
			next++
		} else {
			w.unchanged(key, val)
		}
		return w.failed == nil && (w.oldAt < w.end || w.newAt < w.end)
	})
	for ; next < len(w.changes) && w.failed == nil; next++ {
		w.changed(&w.changes[next])
	}
	if w.failed != nil {
		return w.failed
	}
	return err
}

// step moves both positions and returns by how much the row's part in the window
// changes, and how many of it lie before the window's end.
func (w *topWalk) step(old, now int64) (diff, kept int64) {
	part := func(at *int64, n int64) int64 {
		from, end := max(*at, w.spec.Offset), min(*at+n, w.end)
		*at += n
		return max(end-from, 0)
	}
	kept = min(max(w.end-w.newAt, 0), now)
	before := part(&w.oldAt, old)
	return part(&w.newAt, now) - before, kept
}

func (w *topWalk) changed(c *topChange) {
	diff, kept := w.step(c.old, c.now)
	if diff != 0 {
		w.out.AppendRow(w.delta, int(c.row), diff)
	}
	if w.spec.AppendOnly && kept != c.old {
		w.store(c.key, c.orderLen, kept)
	}
}

func (w *topWalk) unchanged(key, val []byte) {
	n, orderLen, err := decodeCounted(val)
	if err != nil || orderLen > len(key) {
		w.failed = sqlerr.New(sqlerr.DataCorrupted, "stored row of arrangement %d is damaged", w.spec.Arr)
		return
	}
	diff, kept := w.step(n, n)
	if diff != 0 {
		row := key[orderLen:]
		if len(w.spec.Input) == 0 {
			row = nil
		}
		if err := zset.DecodeRow(row, w.out.Cols); err != nil {
			w.failed = sqlerr.Wrap(err, sqlerr.DataCorrupted, "stored row of arrangement %d is damaged", w.spec.Arr)
			return
		}
		w.out.AddRow(diff)
	}
	if w.spec.AppendOnly && kept != n {
		w.store(key, orderLen, kept)
	}
}

// store notes a row's new multiplicity.
func (w *topWalk) store(key []byte, orderLen int, n int64) {
	w.set.Keys.Add(key)
	if n == 0 {
		markDead(&w.set)
	} else {
		w.set.Vals.Data = appendCounted(w.set.Vals.Data, orderLen, n)
	}
	w.set.Vals.End()
}
