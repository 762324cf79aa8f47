package operator

import (
	"encoding/binary"
	"fmt"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// OutboxSpec keeps what a sink has yet to write outside: every epoch's changes,
// in one arrangement, durable with the epoch itself. It puts nothing out.
//
// Input 0 is the relation. Input 1 says what has been written: rows of AckTypes
// (first epoch, last epoch), whose entries are removed.
//
// Key: epoch (8 bytes, big-endian), number within the epoch (4 bytes). Image:
// the weight as a varint, then the row's bytes.
//
// Appending, an entry is a row with its weight, in the order of the delta.
// Upserting, each key has at most one entry an epoch: weight 1 is the key's row
// from now on; weight -1 says that the key has none any more, and the row is
// the last it had. Removals come before rows, so that of two images of a key
// that a reader cannot tell apart the row wins.
type OutboxSpec struct {
	Input  []types.Type        `json:"input"`
	Upsert bool                `json:"upsert,omitempty"`
	Key    []int               `json:"key,omitempty"` // unique among the relation's rows
	Arr    storage.Arrangement `json:"arr"`
}

// AckTypes are the columns of an outbox's second input.
func AckTypes() []types.Type { return []types.Type{types.Int8, types.Int8} }

// Outbox is the operator of an OutboxSpec.
type Outbox struct {
	spec *OutboxSpec
	row  []byte
}

// NewOutbox checks spec.
func NewOutbox(spec *OutboxSpec) (*Outbox, error) {
	for _, c := range spec.Key {
		if c < 0 || c >= len(spec.Input) {
			return nil, fmt.Errorf("key column %d of an input of %d", c, len(spec.Input))
		}
	}
	return &Outbox{spec: spec}, nil
}

// Apply stores the delta under its epoch and removes what was acknowledged.
func (o *Outbox) Apply(in []Delta, st State, epoch uint64, _ *Output) error {
	set := storage.ChangeSet{Arr: o.spec.Arr}
	var err error
	if o.spec.Upsert {
		err = o.upserts(in[0], epoch, &set)
	} else {
		err = o.appends(in[0], epoch, &set)
	}
	if err != nil {
		return err
	}
	if err := o.remove(in[1], st, epoch, &set); err != nil {
		return err
	}
	if set.Keys.Len() > 0 {
		st.Change(set)
	}
	return nil
}

func (o *Outbox) appends(d Delta, epoch uint64, set *storage.ChangeSet) error {
	for _, b := range d {
		for i := range b.Len() {
			r := b.Row(i)
			switch w := b.WeightAt(r); {
			case w < 0:
				return sqlerr.New(sqlerr.InternalError, "a relation that only appends has retracted a row")
			case w > 0:
				addEntry(set, epoch, w, b, r)
			}
		}
	}
	return nil
}

func addEntry(set *storage.ChangeSet, epoch uint64, weight int64, b *zset.Batch, row int) {
	set.Keys.Data = appendOutboxKey(set.Keys.Data, epoch, uint32(set.Keys.Len()))
	set.Keys.End()
	set.Vals.Data = binary.AppendVarint(set.Vals.Data, weight)
	set.Vals.Data = zset.AppendRow(set.Vals.Data, b.Cols, row)
	set.Vals.End()
}

// upserts stores each changed key once. Keys are told apart by their images, so
// an update that changes only how a key is written (1.0 to 1.00) removes the one
// and brings the other.
func (o *Outbox) upserts(d Delta, epoch uint64, set *storage.ChangeSet) error {
	if len(d) == 0 {
		return nil
	}
	b := zset.Consolidate(o.spec.Input, d)
	cols := make([]zset.Vector, len(o.spec.Key))
	for i, c := range o.spec.Key {
		cols[i] = b.Cols[c]
	}
	table := newBytesTable()
	var slots []keyedSlot
	for r := range b.N {
		o.row = zset.AppendRow(o.row[:0], cols, r)
		k, added := table.add(o.row)
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
			return sqlerr.New(sqlerr.InternalError, "two rows have the same key").
				WithDetail("Key is %s.", AppendRowText(nil, cols, r))
		default:
			return errNegative()
		}
	}
	for _, s := range slots {
		if s.come < 0 {
			addEntry(set, epoch, -1, b, int(s.gone))
		}
	}
	for _, s := range slots {
		if s.come >= 0 {
			addEntry(set, epoch, 1, b, int(s.come))
		}
	}
	return nil
}

// remove deletes the entries of the acknowledged epochs.
func (o *Outbox) remove(acks Delta, st State, epoch uint64, set *storage.ChangeSet) error {
	first, last := epoch, uint64(0)
	for _, b := range acks {
		for i := range b.Len() {
			r := b.Row(i)
			if b.WeightAt(r) > 0 {
				first = min(first, uint64(max(0, b.Cols[0].Int[r])))
				last = max(last, uint64(max(0, b.Cols[1].Int[r])))
			}
		}
	}
	if last = min(last, epoch-1); first > last {
		return nil
	}
	return st.Scan(o.spec.Arr, OutboxKey(first), OutboxKey(last+1), func(key, _ []byte) bool {
		n := set.Keys.Len()
		for len(set.Dead)*64 <= n {
			set.Dead = append(set.Dead, 0)
		}
		set.Dead.Set(n)
		set.Keys.Add(key)
		set.Vals.End()
		return true
	})
}

// OutboxKey returns the key before all entries of an epoch.
func OutboxKey(epoch uint64) []byte { return binary.BigEndian.AppendUint64(nil, epoch) }

func appendOutboxKey(dst []byte, epoch uint64, number uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(dst, epoch), number)
}

// DecodeOutboxKey returns the epoch of an entry.
func DecodeOutboxKey(key []byte) (epoch uint64, err error) {
	if len(key) != 12 {
		return 0, errOutbox()
	}
	return binary.BigEndian.Uint64(key), nil
}

// DecodeOutboxEntry appends an entry's row to the batch, with its weight.
func DecodeOutboxEntry(image []byte, b *zset.Batch) error {
	weight, n := binary.Varint(image)
	if n <= 0 || weight == 0 {
		return errOutbox()
	}
	if err := zset.DecodeRow(image[n:], b.Cols); err != nil {
		return sqlerr.Wrap(err, sqlerr.DataCorrupted, "an entry of a sink's outbox is damaged")
	}
	b.AddRow(weight)
	return nil
}

func errOutbox() error {
	return sqlerr.New(sqlerr.DataCorrupted, "an entry of a sink's outbox is damaged")
}
