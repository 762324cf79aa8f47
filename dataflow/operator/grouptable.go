package operator

import (
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
)

// groupTable gives the groups that one epoch touches dense numbers ("slots"), in
// the order of their first appearance.
type groupTable struct {
	cols []int        // key columns
	ts   []types.Type // their types
	mode groupMode
	n    int

	ints    intTable   // groupInt
	null    int        // slot + 1 of NULL in groupInt and groupText
	bytes   bytesTable // groupText: the text; groupKeys: key bytes
	numbers []int32    // slot of each string in bytes
	back    []int32    // string of each slot, -1: NULL
	scratch []byte
}

type groupMode uint8

const (
	groupAll  groupMode = iota // no key: one group
	groupInt                   // one column of KindInt64
	groupText                  // one column of bytes that compare as they are
	groupKeys                  // everything else, by key bytes
)

func newGroupTable(input []types.Type, cols []int) *groupTable {
	g := &groupTable{cols: cols, mode: groupKeys, bytes: newBytesTable()}
	for _, c := range cols {
		g.ts = append(g.ts, input[c])
	}
	switch len(cols) {
	case 0:
		g.mode = groupAll
	case 1:
		switch g.ts[0].Base() {
		case types.Text, types.Varchar, types.Bytea, types.Name:
			g.mode = groupText
		default:
			if g.ts[0].Kind() == types.KindInt64 {
				g.mode = groupInt
			}
		}
	}
	return g
}

// assign writes the slot of each row to slots.
func (g *groupTable) assign(b *zset.Batch, rows, slots []int32) {
	switch g.mode {
	case groupAll:
		g.n = 1
		clear(slots)
	case groupInt:
		g.assignInts(&b.Cols[g.cols[0]], rows, slots)
	case groupText:
		g.assignTexts(&b.Cols[g.cols[0]], rows, slots)
	default:
		g.assignKeys(b, rows, slots)
	}
}

func (g *groupTable) assignInts(v *zset.Vector, rows, slots []int32) {
	t := &g.ints
	if v.Null == nil && g.null == 0 {
		for i, r := range rows {
			slots[i] = t.add(v.Int[r])
		}
		g.n = len(t.keys)
		return
	}
	for i, r := range rows {
		if v.Null.Get(int(r)) {
			if g.null == 0 {
				t.keys = append(t.keys, 0) // holds the slot's place
				g.null = len(t.keys)
			}
			slots[i] = int32(g.null - 1)
			continue
		}
		slots[i] = t.add(v.Int[r])
	}
	g.n = len(t.keys)
}

func (g *groupTable) assignTexts(v *zset.Vector, rows, slots []int32) {
	for i, r := range rows {
		if v.Null.Get(int(r)) {
			if g.null == 0 {
				g.back = append(g.back, -1)
				g.null = len(g.back)
			}
			slots[i] = int32(g.null - 1)
			continue
		}
		slots[i] = g.slotOf(v.Data[v.Off[r]:v.Off[r+1]])
	}
	g.n = len(g.back)
}

func (g *groupTable) assignKeys(b *zset.Batch, rows, slots []int32) {
	for i, r := range rows {
		g.scratch = zset.AppendKeys(g.scratch[:0], b.Cols, g.cols, int(r))
		slots[i] = g.slotOf(g.scratch)
	}
	g.n = len(g.back)
}

func (g *groupTable) slotOf(key []byte) int32 {
	n, added := g.bytes.add(key)
	if added {
		g.numbers = append(g.numbers, int32(len(g.back)))
		g.back = append(g.back, n)
	}
	return g.numbers[n]
}

// appendKeys appends the key bytes of all slots to list. The one group without
// key columns has a key of one byte, since stores may refuse the empty key.
func (g *groupTable) appendKeys(list *zset.List) {
	v := zset.Vector{}
	if g.mode == groupInt || g.mode == groupText {
		v = zset.NewVector(g.ts[0], 1)
	}
	for s := range g.n {
		switch g.mode {
		case groupAll:
			list.Data = append(list.Data, GlobalKey)
		case groupInt:
			v.Reset()
			g.appendInt(&v, s)
			list.Data = zset.AppendKey(list.Data, &v, 0)
		case groupText:
			v.Reset()
			g.appendText(&v, s)
			list.Data = zset.AppendKey(list.Data, &v, 0)
		default:
			list.Data = append(list.Data, g.bytes.at(int(g.back[s]))...)
		}
		list.End()
	}
}

// GlobalKey is the key of the only group of an aggregation without key columns.
const GlobalKey = 0

func (g *groupTable) appendInt(v *zset.Vector, slot int) {
	if slot == g.null-1 {
		v.AppendNull()
		return
	}
	v.AppendInt(g.ints.keys[slot])
}

func (g *groupTable) appendText(v *zset.Vector, slot int) {
	if g.back[slot] < 0 {
		v.AppendNull()
		return
	}
	v.AppendBytes(g.bytes.at(int(g.back[slot])))
}

// appendColumns appends the key columns of the slots from (inclusive) to end
// (exclusive). The types must not be lossy.
func (g *groupTable) appendColumns(cols []zset.Vector, from, end int) error {
	for s := from; s < end; s++ {
		switch g.mode {
		case groupAll:
		case groupInt:
			g.appendInt(&cols[0], s)
		case groupText:
			g.appendText(&cols[0], s)
		default:
			key := g.bytes.at(int(g.back[s]))
			var err error
			for c := range cols {
				if key, err = zset.DecodeKey(key, g.ts[c], &cols[c]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (g *groupTable) reset() {
	g.n, g.null = 0, 0
	g.ints.reset()
	g.bytes.reset()
	g.numbers, g.back = g.numbers[:0], g.back[:0]
}

func (g *groupTable) memory() int {
	return 16*cap(g.ints.index) + 8*cap(g.ints.keys) + g.bytes.memory() + 4*cap(g.numbers) + 4*cap(g.back)
}

// intTable is bytesTable for one integer: the keys lie in the index, so that a
// group that is found costs one cache line.
type intTable struct {
	index []intEntry
	keys  []int64 // by number
}

type intEntry struct {
	key  int64
	next int32 // number + 1; 0: free
	_    int32
}

// add returns the number of a key.
func (t *intTable) add(key int64) int32 {
	if len(t.keys)*4 >= len(t.index)*3 {
		t.grow()
	}
	mask := uint64(len(t.index) - 1)
	i := hashInt(key) & mask
	for {
		e := &t.index[i]
		if e.next == 0 {
			t.keys = append(t.keys, key)
			e.key, e.next = key, int32(len(t.keys))
			return e.next - 1
		}
		if e.key == key {
			return e.next - 1
		}
		i = (i + 1) & mask
	}
}

// hashInt mixes all bits of a key into all bits of the result (the finalizer of
// splitmix64; Steele, Lea, Flood: Fast splittable pseudorandom number
// generators, 2014).
func hashInt(key int64) uint64 {
	h := uint64(key) + 0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

func (t *intTable) grow() {
	old := t.index
	t.index = make([]intEntry, max(minIndex, 2*len(old)))
	mask := uint64(len(t.index) - 1)
	for _, e := range old {
		if e.next == 0 {
			continue
		}
		i := hashInt(e.key) & mask
		for t.index[i].next != 0 {
			i = (i + 1) & mask
		}
		t.index[i] = e
	}
}

func (t *intTable) reset() {
	if len(t.index) > keepEntries {
		*t = intTable{}
		return
	}
	clear(t.index)
	t.keys = t.keys[:0]
}
