package operator

import (
	"bytes"
	"fmt"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/storage"
)

// Materialize stores its input as an arrangement and passes the consolidated
// delta on.
//
// Keyed: key of the key columns -> row bytes. The delta of a key must take away
// the row that is stored, if one is, and bring at most one. Keyless: row bytes
// -> multiplicity. Whatever would be below 0, or two rows of one key, is XX000.
type Materialize struct {
	spec *MaterializeSpec
}

// NewMaterialize checks spec.
func NewMaterialize(spec *MaterializeSpec) (*Materialize, error) {
	for _, c := range spec.Key {
		if c < 0 || c >= len(spec.Input) {
			return nil, fmt.Errorf("key column %d of an input of %d", c, len(spec.Input))
		}
	}
	return &Materialize{spec: spec}, nil
}

// Apply stores the delta.
func (m *Materialize) Apply(in []Delta, st State, _ uint64, out *Output) error {
	if len(in[0]) == 0 {
		return nil
	}
	b := zset.Consolidate(m.spec.Input, in[0])
	if b.N == 0 {
		return nil
	}
	set := storage.ChangeSet{Arr: m.spec.Arr}
	var err error
	if len(m.spec.Key) > 0 {
		err = m.keyed(b, st, &set)
	} else {
		err = m.keyless(b, st, &set)
	}
	if err != nil {
		return err
	}
	if set.Keys.Len() > 0 {
		st.Change(set)
	}
	if !out.Discard {
		out.Rows = append(out.Rows, b)
	}
	return nil
}

func (m *Materialize) keyless(b *zset.Batch, st State, set *storage.ChangeSet) error {
	for r := range b.N {
		set.Keys.Data = zset.AppendRow(set.Keys.Data, b.Cols, r)
		if len(b.Cols) == 0 {
			set.Keys.Data = append(set.Keys.Data, GlobalKey) // stores may refuse the empty key
		}
		set.Keys.End()
	}
	var images storage.Values
	if err := st.Fetch(m.spec.Arr, &set.Keys, &images); err != nil {
		return err
	}
	for r := range b.N {
		n := b.WeightAt(r)
		if images[r] != nil {
			old, err := DecodeMultiplicity(images[r])
			if err != nil {
				return err
			}
			n += old
		}
		switch {
		case n < 0:
			return errNegative()
		case n == 0:
			for len(set.Dead)*64 <= r {
				set.Dead = append(set.Dead, 0)
			}
			set.Dead.Set(r)
		default:
			set.Vals.Data = AppendMultiplicity(set.Vals.Data, n)
		}
		set.Vals.End()
	}
	return nil
}

// keyedSlot is what an epoch does to one key: rows of the batch, -1: none.
type keyedSlot struct{ gone, come int32 }

func (m *Materialize) keyed(b *zset.Batch, st State, set *storage.ChangeSet) error {
	slots, err := m.gather(b, set)
	if err != nil {
		return err
	}
	var images storage.Values
	if err := st.Fetch(m.spec.Arr, &set.Keys, &images); err != nil {
		return err
	}
	var row []byte
	for k, s := range slots {
		old := images[k]
		if s.gone >= 0 {
			row = zset.AppendRow(row[:0], b.Cols, int(s.gone))
			if old == nil || !bytes.Equal(row, old) {
				return errNegative()
			}
			old = nil
		}
		switch {
		case s.come < 0:
			for len(set.Dead)*64 <= k {
				set.Dead = append(set.Dead, 0)
			}
			set.Dead.Set(k)
		case old != nil:
			return m.errDuplicate(b, int(s.come))
		default:
			set.Vals.Data = zset.AppendRow(set.Vals.Data, b.Cols, int(s.come))
		}
		set.Vals.End()
	}
	return nil
}

// gather finds the keys of the batch, in order of first appearance.
func (m *Materialize) gather(b *zset.Batch, set *storage.ChangeSet) ([]keyedSlot, error) {
	table := newBytesTable()
	var slots []keyedSlot
	var key []byte
	for r := range b.N {
		key = zset.AppendKeys(key[:0], b.Cols, m.spec.Key, r)
		k, added := table.add(key)
		if added {
			slots = append(slots, keyedSlot{-1, -1})
		}
		s := &slots[k]
		switch w := b.WeightAt(r); {
		case w == 1 && s.come < 0:
			s.come = int32(r)
		case w == -1 && s.gone < 0:
			s.gone = int32(r)
		case w > 0:
			return nil, m.errDuplicate(b, r)
		default:
			return nil, errNegative()
		}
	}
	set.Keys = table.keys
	return slots, nil
}

// errDuplicate says that what the planner proved unique is not: a broken
// invariant, not the user's unique violation, which DML checks before.
func (m *Materialize) errDuplicate(b *zset.Batch, row int) error {
	key := []byte(nil)
	vs := make([]zset.Vector, 0, len(m.spec.Key))
	for _, c := range m.spec.Key {
		vs = append(vs, b.Cols[c])
	}
	key = AppendRowText(key, vs, row)
	return sqlerr.New(sqlerr.InternalError, "two rows have the same key").WithDetail("Key is %s.", key)
}
