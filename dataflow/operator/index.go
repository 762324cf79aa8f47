package operator

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/storage"
)

// index keeps a relation by a key, so that an epoch gets the rows of all keys it
// touches with one Fetch:
//
//	key 0x00 -> varint n*2, then n rows: varint length, row bytes, varint multiplicity
//	key 0x00 -> varint n*2+1: the n rows are too many for one image, they are at
//	key 0x01 row bytes -> varint multiplicity
//
// How a key is stored depends on the number of its different rows alone, and rows
// lie in the order of their bytes: the state is a function of the relation.
//
// An epoch goes: add for the delta, fetch for the keys, load and store for each.
type index struct {
	on  []int // key columns
	arr storage.Arrangement
	// inline is up to how many different rows of a key lie in one image.
	inline int
	// shared, when set, brings the rows from a stored relation's arrangement; then
	// nothing is written.
	shared *sharedRows
	// passing: rows are not kept.
	passing bool

	// of the epoch
	st      State
	delta   *zset.Batch
	images  zset.List // row bytes of the delta's rows
	first   []int32   // by slot: a row of the delta + 1, 0: none
	next    []int32   // by row: the next one of its slot
	headers storage.Values
	set     storage.ChangeSet
	key     []byte
	rows    []indexRow // memory of load
}

const (
	inlineRows = 32
	tagHeader  = 0
	tagRow     = 1
)

// indexRow is a row of a key with its multiplicity before and after the epoch.
type indexRow struct {
	row      []byte
	old, now int64
}

// add takes the delta and numbers its keys. The rows of which a key column is
// NULL equal no other row and are not kept; they are given to null.
func (x *index) add(st State, delta *zset.Batch, keys *bytesTable, null func(row int)) {
	x.st, x.delta = st, delta
	x.images.Reset()
	x.first, x.next = x.first[:0], extend(x.next[:0], delta.N)
	x.set = storage.ChangeSet{Arr: x.arr}
	for r := range delta.N {
		x.images.Data = zset.AppendRow(x.images.Data, delta.Cols, r)
		x.images.End()
		if x.nullKey(r) {
			null(r)
			continue
		}
		x.key = zset.AppendKeys(x.key[:0], delta.Cols, x.on, r)
		slot, _ := keys.add(x.key)
		x.first = extend(x.first, int(slot)+1)
		x.next[r] = x.first[slot]
		x.first[slot] = int32(r) + 1
	}
}

func (x *index) nullKey(row int) bool {
	for _, c := range x.on {
		if x.delta.Cols[c].Null.Get(row) {
			return true
		}
	}
	return false
}

// fetch brings the headers of all keys.
func (x *index) fetch(keys *bytesTable) error {
	x.first = extend(x.first, keys.len())
	switch {
	case x.shared != nil:
		return x.shared.fetch(x.st, keys, &x.headers)
	case x.passing:
		x.headers = extend(x.headers[:0], keys.len())
		clear(x.headers)
		return nil
	}
	var list zset.List
	for s := range keys.len() {
		list.Data = append(append(list.Data, keys.at(s)...), tagHeader)
		list.End()
	}
	return x.st.Fetch(x.arr, &list, &x.headers)
}

// header returns the number of different rows of a slot's key before the epoch,
// and their image unless they are stored apart.
func (x *index) header(slot int) (n int, apart bool, body []byte, err error) {
	image := x.headers[slot]
	if image == nil {
		return 0, false, nil, nil
	}
	h, k := binary.Uvarint(image)
	if k <= 0 || h>>1 == 0 || h > 1<<40 {
		return 0, false, nil, x.damaged()
	}
	return int(h >> 1), h&1 != 0, image[k:], nil
}

func (x *index) damaged() error {
	return sqlerr.New(sqlerr.DataCorrupted, "stored rows of arrangement %d are damaged", x.arr)
}

// changes says whether the epoch changes rows of a slot's key.
func (x *index) changes(slot int) bool { return x.first[slot] != 0 }

// load returns the rows of a slot's key in the order of their bytes: all, or at
// the least those that change; complete says which. They are valid until the
// next load.
func (x *index) load(key []byte, slot int, all bool) (rows []indexRow, complete bool, err error) {
	n, apart, body, err := x.header(slot)
	if err != nil {
		return nil, false, err
	}
	switch {
	case !apart:
		rows, err = x.decodeInline(n, body)
	case all:
		rows, err = x.scan(key)
	default:
		rows, err = x.fetchChanged(key, slot)
	}
	if err != nil {
		return nil, false, err
	}
	rows, err = x.merge(rows, slot)
	return rows, !apart || all, err
}

func (x *index) decodeInline(n int, body []byte) ([]indexRow, error) {
	rows := x.rows[:0]
	for range n {
		size, k := binary.Uvarint(body)
		if k <= 0 || size > uint64(len(body)-k) {
			return nil, x.damaged()
		}
		row := body[k : k+int(size) : k+int(size)]
		body = body[k+int(size):]
		m, k := binary.Uvarint(body)
		if k <= 0 || int64(m) <= 0 {
			return nil, x.damaged()
		}
		body = body[k:]
		rows = append(rows, indexRow{row, int64(m), int64(m)})
	}
	return rows, nil
}

func (x *index) scan(key []byte) (rows []indexRow, err error) {
	rows = x.rows[:0]
	lo := append(bytes.Clone(key), tagRow)
	var failed error
	err = x.st.Scan(x.arr, lo, successor(lo), func(k, val []byte) bool {
		var m int64
		if m, failed = DecodeMultiplicity(val); failed != nil {
			return false
		}
		rows = append(rows, indexRow{bytes.Clone(k[len(lo):]), m, m})
		return true
	})
	if failed != nil {
		return nil, failed
	}
	return rows, err
}

// fetchChanged reads only the rows of a large key that the epoch changes.
func (x *index) fetchChanged(key []byte, slot int) ([]indexRow, error) {
	var keys zset.List
	for r := x.first[slot]; r != 0; r = x.next[r-1] {
		keys.Data = x.appendRowKey(keys.Data, key, x.images.At(int(r-1)))
		keys.End()
	}
	var vals storage.Values
	if err := x.st.Fetch(x.arr, &keys, &vals); err != nil {
		return nil, err
	}
	rows := x.rows[:0]
	i := 0
	for r := x.first[slot]; r != 0; r = x.next[r-1] {
		if vals[i] != nil {
			m, err := DecodeMultiplicity(vals[i])
			if err != nil {
				return nil, err
			}
			rows = append(rows, indexRow{x.images.At(int(r - 1)), m, m})
		}
		i++
	}
	slices.SortFunc(rows, compareRows)
	return rows, nil
}

func compareRows(a, b indexRow) int { return bytes.Compare(a.row, b.row) }

func (x *index) appendRowKey(dst, key, row []byte) []byte {
	return append(append(append(dst, key...), tagRow), row...)
}

// merge lays the epoch's changes over rows that are in order.
func (x *index) merge(rows []indexRow, slot int) ([]indexRow, error) {
	for r := x.first[slot]; r != 0; r = x.next[r-1] {
		row := x.images.At(int(r - 1))
		i, found := slices.BinarySearchFunc(rows, row, func(a indexRow, row []byte) int { return bytes.Compare(a.row, row) })
		if !found {
			rows = slices.Insert(rows, i, indexRow{row: row})
		}
		rows[i].now += x.delta.WeightAt(int(r - 1))
		if rows[i].now < 0 {
			return nil, errNegative()
		}
	}
	x.rows = rows
	return rows, nil
}

// counts returns how many different rows a key had and has; rows are those that
// load returned.
func (x *index) counts(slot int, rows []indexRow) (old, now int) {
	old, _, _, _ = x.header(slot)
	now = old
	for i := range rows {
		if rows[i].old == 0 && rows[i].now > 0 {
			now++
		} else if rows[i].old > 0 && rows[i].now == 0 {
			now--
		}
	}
	return old, now
}

// store writes the rows of a slot's key that changed.
func (x *index) store(key []byte, slot int, rows []indexRow, complete bool) error {
	if !x.changes(slot) || x.shared != nil || x.passing {
		return nil
	}
	old, now := x.counts(slot, rows)
	_, wasApart, _, _ := x.header(slot)
	apart := now > x.inline
	if wasApart && !apart && !complete {
		var err error
		x.rows = nil // the caller still uses it
		if rows, _, err = x.load(key, slot, true); err != nil {
			return err
		}
	}
	for i := range rows {
		if wasApart || apart {
			x.storeRow(key, &rows[i], wasApart, apart)
		}
	}
	if apart && wasApart && old == now || old == 0 && now == 0 {
		return nil
	}
	x.set.Keys.Data = append(append(x.set.Keys.Data, key...), tagHeader)
	x.set.Keys.End()
	switch {
	case now == 0:
		markDead(&x.set)
	case apart:
		x.set.Vals.Data = binary.AppendUvarint(x.set.Vals.Data, uint64(now)<<1|1)
	default:
		x.set.Vals.Data = appendInline(x.set.Vals.Data, now, rows)
	}
	x.set.Vals.End()
	return nil
}

// storeRow writes a row that is stored apart before or after the epoch.
func (x *index) storeRow(key []byte, r *indexRow, wasApart, apart bool) {
	before, after := int64(0), int64(0)
	if wasApart {
		before = r.old
	}
	if apart {
		after = r.now
	}
	if before == after {
		return
	}
	x.set.Keys.Data = x.appendRowKey(x.set.Keys.Data, key, r.row)
	x.set.Keys.End()
	if after == 0 {
		markDead(&x.set)
	} else {
		x.set.Vals.Data = AppendMultiplicity(x.set.Vals.Data, after)
	}
	x.set.Vals.End()
}

func appendInline(dst []byte, n int, rows []indexRow) []byte {
	dst = binary.AppendUvarint(dst, uint64(n)<<1)
	for i := range rows {
		if rows[i].now > 0 {
			dst = binary.AppendUvarint(dst, uint64(len(rows[i].row)))
			dst = append(dst, rows[i].row...)
			dst = binary.AppendUvarint(dst, uint64(rows[i].now))
		}
	}
	return dst
}

// finish hands the changes on and forgets the epoch.
func (x *index) finish() {
	if x.set.Keys.Len() > 0 {
		x.st.Change(x.set)
	}
	x.set, x.st, x.delta = storage.ChangeSet{}, nil, nil
	x.first, x.next = keep(x.first), keep(x.next)
	clear(x.rows[:cap(x.rows)]) // they refer to images of the state
	x.rows = keep(x.rows)
}
