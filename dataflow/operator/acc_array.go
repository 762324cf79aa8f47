package operator

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// arrayAgg is array_agg: all values of the group, NULL among them, in an order
// of their rows, then ascending and NULL last, values that are equal but not the
// same (1.0 and 1.00) by their image. PostgreSQL leaves open what is
// equal in the order; here it depends on the group's rows alone. State: the
// number of distinct items, then for each the lengths of its order key and of
// its key, the key and its count.
//
// An epoch rewrites the state of each group that it touches, so groups should
// be small.
type arrayAgg struct {
	elem     types.Type
	value    int // input column
	order    []OrderKey
	distinct bool // each value once
	slot     []arraySlot
	held     int // bytes of keys
}

// arraySlot holds items, sorted and distinct once they are settled.
type arraySlot struct {
	items  []arrayItem
	sorted bool
}

// arrayItem is a value with its place: the order key, then the value's key, and,
// where the value cannot be restored from that, its image with its length behind.
type arrayItem struct {
	key   []byte
	order int // length of the order key
	n     int64
}

func (a *arrayAgg) grow(n int) { a.slot = extend(a.slot, n) }

// add implements accumulator; the rows come by addRows.
func (a *arrayAgg) add(*zset.Vector, *rowSet) {}

func (a *arrayAgg) addRows(b *zset.Batch, in *rowSet) {
	for i, r := range in.rows {
		row := int(r)
		var key []byte
		for _, o := range a.order {
			key = zset.AppendKeyOrdered(key, &b.Cols[o.Column], row, o.Desc, o.NullsFirst)
		}
		order := len(key)
		key = zset.AppendKeyOrdered(key, &b.Cols[a.value], row, false, false)
		if zset.KeyLossy(a.elem) {
			image := len(key)
			key = zset.AppendRow(key, b.Cols[a.value:a.value+1], row)
			key = binary.BigEndian.AppendUint32(key, uint32(len(key)-image))
		}
		a.slot[in.slots[i]].put(arrayItem{key, order, in.weightOf(r)})
		a.held += len(key)
	}
}

func (s *arraySlot) put(item arrayItem) {
	s.items = append(s.items, item)
	s.sorted = false
}

// settle sorts the items and joins those of one value.
func (s *arraySlot) settle() []arrayItem {
	if s.sorted {
		return s.items
	}
	slices.SortStableFunc(s.items, func(x, y arrayItem) int { return bytes.Compare(x.key, y.key) })
	out := s.items[:0]
	for _, item := range s.items {
		if n := len(out); n > 0 && bytes.Equal(out[n-1].key, item.key) {
			out[n-1].n += item.n
			continue
		}
		out = append(out, item)
	}
	s.items = slices.DeleteFunc(out, func(item arrayItem) bool { return item.n == 0 })
	s.sorted = true
	return s.items
}

func (a *arrayAgg) merge(slot int, _ int64, state []byte) ([]byte, error) {
	count, n := binary.Uvarint(state)
	if n <= 0 {
		return nil, errImage
	}
	state = state[n:]
	for range count {
		order, n := binary.Uvarint(state)
		if n <= 0 {
			return nil, errImage
		}
		state = state[n:]
		size, n := binary.Uvarint(state)
		if n <= 0 || size > uint64(len(state)-n) || order > size {
			return nil, errImage
		}
		key := state[n : n+int(size)]
		times, rest, err := readVarint(state[n+int(size):])
		if err != nil || times <= 0 {
			return nil, errImage
		}
		state = rest
		a.slot[slot].put(arrayItem{bytes.Clone(key), int(order), times})
		a.held += len(key)
	}
	return state, nil
}

func (a *arrayAgg) appendState(dst []byte, slot int, _ int64) []byte {
	items := a.slot[slot].settle()
	dst = binary.AppendUvarint(dst, uint64(len(items)))
	for _, item := range items {
		dst = binary.AppendUvarint(dst, uint64(item.order))
		dst = binary.AppendUvarint(dst, uint64(len(item.key)))
		dst = append(dst, item.key...)
		dst = binary.AppendVarint(dst, item.n)
	}
	return dst
}

func (a *arrayAgg) empty(slot int) bool { return len(a.slot[slot].settle()) == 0 }

// maxArrayElements bounds an array, as a value of it must fit into a batch.
const maxArrayElements = 1 << 24

func (a *arrayAgg) result(slot int, out *zset.Vector) *sqlerr.Error {
	items := a.slot[slot].settle()
	total := int64(0)
	for i := range items {
		total += a.times(items, i)
	}
	if total <= 0 || total > maxArrayElements {
		out.AppendNull()
		if total <= 0 {
			return nil
		}
		return sqlerr.New(sqlerr.ProgramLimitExceeded, "array size exceeds the maximum allowed (%d)", maxArrayElements)
	}
	elems := make([]types.Datum, 0, total)
	values := []zset.Vector{{Type: a.elem}}
	for i, item := range items {
		if err := a.restore(item, values); err != nil {
			out.AppendNull()
			return sqlerr.Wrap(err, sqlerr.DataCorrupted, "stored value of array_agg is damaged")
		}
		d := values[0].Datum(i)
		for range a.times(items, i) {
			elems = append(elems, d)
		}
	}
	dims := []types.Dim{{Len: int32(total), Lower: 1}}
	out.AppendDatum(types.Datum{Bytes: types.AppendArray(nil, a.elem, dims, elems)})
	return nil
}

// place returns an item's order key and value key, and the value's image if there
// is one.
func (a *arrayAgg) place(item arrayItem) (keys, image []byte) {
	const tail = 4
	if !zset.KeyLossy(a.elem) || len(item.key) < tail {
		return item.key, nil
	}
	end := len(item.key) - tail
	start := end - int(binary.BigEndian.Uint32(item.key[end:]))
	if start < item.order {
		return item.key, nil
	}
	return item.key[:start], item.key[start:end]
}

// restore appends an item's value to the one vector of values.
func (a *arrayAgg) restore(item arrayItem, values []zset.Vector) error {
	keys, image := a.place(item)
	if zset.KeyLossy(a.elem) {
		return zset.DecodeRow(image, values)
	}
	_, err := zset.DecodeKey(keys[item.order:], a.elem, &values[0])
	return err
}

// times says how often a value stands in the array; of equal ones DISTINCT takes
// the first.
func (a *arrayAgg) times(items []arrayItem, i int) int64 {
	if !a.distinct {
		return items[i].n
	}
	if i > 0 {
		before, _ := a.place(items[i-1])
		if keys, _ := a.place(items[i]); bytes.Equal(before, keys) {
			return 0
		}
	}
	return min(items[i].n, 1)
}

func (a *arrayAgg) reset() {
	for i := range a.slot {
		a.slot[i] = arraySlot{}
	}
	a.slot, a.held = keep(a.slot), 0
}

func (a *arrayAgg) memory() int { return 32*cap(a.slot) + a.held }
