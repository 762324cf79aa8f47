package operator

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// The kinds of records that make an upsert table, in the column changeKind.
const (
	ChangePut      = 0 // the row of the key
	ChangeDelete   = 1 // a tombstone: the key has no row
	ChangeBadValue = 2 // a value that did not decode, with its error row
	ChangeBadKey   = 3 // a key that did not decode, with its error row
)

// ChangeTypes are the columns behind a table's own in the records that Upsert
// takes: the kind, the partition that the record came from, and of a bad record
// the error row (row bytes of ErrorSchema). Of a delete and a bad value only the
// key columns count, of a bad key none.
func ChangeTypes() []types.Type { return []types.Type{types.Int4, types.Int4, types.Bytea} }

// Upsert keeps the current rows of a table by key from records in order: the
// last one of a key counts. A bad value leaves the row that the key has; its
// error row stands until the next good value or tombstone of the key. The error
// row of a bad key stands for ever, since nothing can replace it.
//
// State: in Arr key bytes -> stored image: the row in front as in a group's
// (readers decode it with DecodeGroupImage), then the partition of the last
// record as a varint and the bytes of the error row that stands, if one does.
// In Counts one image of two varints, see UpsertCounts.
//
// The order of the input matters here, unlike anywhere else, but not how it is
// cut: the state is a function of each key's records in order.
type Upsert struct {
	spec *UpsertSpec
}

// NewUpsert checks spec.
func NewUpsert(spec *UpsertSpec) (*Upsert, error) {
	if len(spec.Key) == 0 {
		return nil, fmt.Errorf("upsert without a key")
	}
	for _, c := range spec.Key {
		if c < 0 || c >= len(spec.Columns) {
			return nil, fmt.Errorf("key column %d of a table of %d", c, len(spec.Columns))
		}
	}
	return &Upsert{spec: spec}, nil
}

// UpsertCounts say what was odd in an upsert table's records since its start.
type UpsertCounts struct {
	UnknownTombstones int64 // deletes of keys that were not there; they do nothing
	Moved             int64 // records of a key from another partition than its last one
}

// UpsertCountsKey is the key under which an upsert's counts are stored.
func UpsertCountsKey() []byte { return []byte{GlobalKey} }

// DecodeUpsertCounts reads the stored counts.
func DecodeUpsertCounts(image []byte) (UpsertCounts, error) {
	a, n := binary.Uvarint(image)
	b, m := binary.Uvarint(image[max(n, 0):])
	if n <= 0 || m <= 0 || n+m != len(image) {
		return UpsertCounts{}, sqlerr.Wrap(errImage, sqlerr.DataCorrupted, "stored counts of an upsert table are damaged")
	}
	return UpsertCounts{int64(a), int64(b)}, nil
}

// recordRef is a record of the epoch, or one of the two below.
type recordRef struct{ batch, row int32 }

const (
	refNone   = -1 // in batch: there is none
	refStored = -2 // in batch: what was stored before the epoch
)

// upsertKey is what an epoch makes of one key.
type upsertKey struct {
	oldRow, oldErr []byte
	row, err       recordRef
	partition      int64
}

// known says whether the key has a row or an error.
func (k *upsertKey) known() bool { return k.row.batch != refNone || k.err.batch != refNone }

// upsertEpoch is one epoch under way.
type upsertEpoch struct {
	*Upsert
	in     Delta
	keys   bytesTable
	slots  []int32 // of each record, -1: its key is bad
	images storage.Values
	all    []upsertKey
	counts UpsertCounts
	set    storage.ChangeSet
	rows   *zset.Batch // nil: nobody reads them
	errs   *zset.Batch
	image  []byte
	row    []byte
}

// Apply takes the epoch's records in order.
func (u *Upsert) Apply(in []Delta, st State, _ uint64, out *Output) error {
	if len(in[0]) == 0 {
		return nil
	}
	e := upsertEpoch{Upsert: u, in: in[0], keys: newBytesTable(), set: storage.ChangeSet{Arr: u.spec.Arr},
		errs: zset.NewBatch(ErrorSchema(), 0)}
	if !out.Discard {
		e.rows = zset.NewBatch(u.spec.Columns, 0)
	}
	if err := e.gather(); err != nil {
		return err
	}
	if err := st.Fetch(u.spec.Arr, &e.keys.keys, &e.images); err != nil {
		return err
	}
	if err := e.load(); err != nil {
		return err
	}
	e.play()
	for i := range e.all {
		if err := e.finish(i); err != nil {
			return err
		}
	}
	if err := e.count(st); err != nil {
		return err
	}
	if e.set.Keys.Len() > 0 {
		st.Change(e.set)
	}
	if e.rows != nil && e.rows.N > 0 {
		out.Rows = append(out.Rows, e.rows)
	}
	if e.errs.N > 0 {
		out.Errors = append(out.Errors, e.errs)
	}
	return nil
}

// gather numbers the keys of the records; bad keys become error rows.
func (e *upsertEpoch) gather() error {
	n := len(e.spec.Columns)
	var key []byte
	for _, b := range e.in {
		for i := range b.Len() {
			r := b.Row(i)
			if b.WeightAt(r) != 1 {
				return errNegative() // records are never taken back
			}
			slot := int32(-1)
			if b.Cols[n].Int[r] == ChangeBadKey {
				if err := e.add(e.errs, b.Cols[n+2].Bytes(r), 1); err != nil {
					return err
				}
			} else {
				key = zset.AppendKeys(key[:0], b.Cols[:n], e.spec.Key, r)
				slot, _ = e.keys.add(key)
			}
			e.slots = append(e.slots, slot)
		}
	}
	return nil
}

// load decodes what is stored of the keys.
func (e *upsertEpoch) load() error {
	e.all = make([]upsertKey, e.keys.len())
	for i := range e.all {
		k := &e.all[i]
		k.row.batch, k.err.batch = refNone, refNone
		if e.images[i] == nil {
			continue
		}
		row, present, failed, rest, err := splitGroupImage(e.images[i])
		partition, n := binary.Uvarint(rest)
		if err != nil || failed || n <= 0 {
			return sqlerr.Wrap(errImage, sqlerr.DataCorrupted, "stored row of an upsert table is damaged")
		}
		k.partition = int64(partition)
		if present {
			k.oldRow, k.row.batch = row, refStored
		}
		if rest = rest[n:]; len(rest) > 0 {
			k.oldErr, k.err.batch = rest, refStored
		}
	}
	return nil
}

// play goes through the records in order.
func (e *upsertEpoch) play() {
	n, at := len(e.spec.Columns), 0
	for batch, b := range e.in {
		kinds, partitions := b.Cols[n].Int, b.Cols[n+1].Int
		for i := range b.Len() {
			slot := e.slots[at]
			if at++; slot < 0 {
				continue
			}
			r := b.Row(i)
			e.record(&e.all[slot], kinds[r], partitions[r], recordRef{int32(batch), int32(r)})
		}
	}
}

func (e *upsertEpoch) record(k *upsertKey, kind, partition int64, ref recordRef) {
	known := k.known()
	if known && k.partition != partition {
		e.counts.Moved++
	}
	k.partition = partition
	switch kind {
	case ChangePut:
		k.row, k.err = ref, recordRef{batch: refNone}
	case ChangeBadValue:
		k.err = ref
	default:
		if !known {
			e.counts.UnknownTombstones++
		}
		k.row, k.err = recordRef{batch: refNone}, recordRef{batch: refNone}
	}
}

// finish emits and stores what the epoch changes of key i.
func (e *upsertEpoch) finish(i int) error {
	k := &e.all[i]
	row, bad := e.rowOf(k), e.errorOf(k)
	e.store(i, row, bad)
	var errs [4]error
	if e.rows != nil && !bytes.Equal(row, k.oldRow) {
		errs[0], errs[1] = e.add(e.rows, k.oldRow, -1), e.add(e.rows, row, 1)
	}
	if !bytes.Equal(bad, k.oldErr) {
		errs[2], errs[3] = e.add(e.errs, k.oldErr, -1), e.add(e.errs, bad, 1)
	}
	return errors.Join(errs[:]...)
}

// add decodes a row into a batch; nil is no row.
func (e *upsertEpoch) add(b *zset.Batch, row []byte, weight int64) error {
	if row == nil {
		return nil
	}
	if err := zset.DecodeRow(row, b.Cols); err != nil {
		return sqlerr.Wrap(err, sqlerr.DataCorrupted, "stored row of arrangement %d is damaged", e.spec.Arr)
	}
	b.AddRow(weight)
	return nil
}

// rowOf returns the bytes of the row that the key has now; valid until the next
// call.
func (e *upsertEpoch) rowOf(k *upsertKey) []byte {
	switch k.row.batch {
	case refNone:
		return nil
	case refStored:
		return k.oldRow
	}
	e.row = zset.AppendRow(e.row[:0], e.in[k.row.batch].Cols[:len(e.spec.Columns)], int(k.row.row))
	return e.row
}

// errorOf returns the error row that stands now, nil if none does.
func (e *upsertEpoch) errorOf(k *upsertKey) []byte {
	switch k.err.batch {
	case refNone:
		return nil
	case refStored:
		return k.oldErr
	}
	return e.in[k.err.batch].Cols[len(e.spec.Columns)+2].Bytes(int(k.err.row))
}

// store writes the image of key i if it changed.
func (e *upsertEpoch) store(i int, row, bad []byte) {
	k, old := &e.all[i], e.images[i]
	e.image = e.image[:0]
	if k.known() {
		e.image = appendGroupHead(e.image, row, k.row.batch != refNone, false)
		e.image = append(binary.AppendUvarint(e.image, uint64(k.partition)), bad...)
	}
	if k.known() == (old != nil) && bytes.Equal(e.image, old) {
		return
	}
	e.set.Keys.Add(e.keys.at(i))
	if k.known() {
		e.set.Vals.Data = append(e.set.Vals.Data, e.image...)
	} else {
		markDead(&e.set)
	}
	e.set.Vals.End()
}

// count adds the epoch's counts to the stored ones.
func (e *upsertEpoch) count(st State) error {
	if e.counts == (UpsertCounts{}) {
		return nil
	}
	set := storage.ChangeSet{Arr: e.spec.Counts}
	set.Keys.Add(UpsertCountsKey())
	var images storage.Values
	if err := st.Fetch(e.spec.Counts, &set.Keys, &images); err != nil {
		return err
	}
	total := e.counts
	if images[0] != nil {
		old, err := DecodeUpsertCounts(images[0])
		if err != nil {
			return err
		}
		total.UnknownTombstones += old.UnknownTombstones
		total.Moved += old.Moved
	}
	set.Vals.Data = binary.AppendUvarint(set.Vals.Data, uint64(total.UnknownTombstones))
	set.Vals.Data = binary.AppendUvarint(set.Vals.Data, uint64(total.Moved))
	set.Vals.End()
	st.Change(set)
	return nil
}
