package storage

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
)

type testRow struct {
	key   string
	epoch uint64
	tomb  bool
	val   string
}

// testRows makes sorted rows with several images of some keys.
func testRows(r *rand.Rand, n, valSize int) []testRow {
	var rows []testRow
	seen := map[string]bool{}
	for len(rows) < n {
		key := string(appendRunKey(nil, Arrangement(r.IntN(3)), fmt.Appendf(nil, "key-%d", r.IntN(10*n))))
		if seen[key] {
			continue
		}
		seen[key] = true
		for e := range 1 + r.IntN(3) {
			row := testRow{key: key, epoch: uint64(1000 + 10*e + r.IntN(10)), tomb: r.IntN(4) == 0}
			if !row.tomb {
				row.val = fmt.Sprintf("%*d", r.IntN(valSize+1), e)
			}
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b testRow) int {
		if c := cmp.Compare(a.key, b.key); c != 0 {
			return c
		}
		return cmp.Compare(b.epoch, a.epoch)
	})
	return rows
}

func TestBlockRoundTrip(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		rows := testRows(r, 1+r.IntN(200), []int{0, 20, 3000}[seed%3])
		var b blockBuilder
		for _, row := range rows {
			b.add([]byte(row.key), row.epoch, row.tomb, []byte(row.val))
		}
		k, ok := parseBlock(b.encode())
		if !ok || k.n != len(rows) {
			t.Fatalf("seed %d: block does not parse", seed)
		}
		for i, row := range rows {
			v, ok := k.row(i)
			if !ok || string(k.prefix)+string(v.rest) != row.key || v.epoch != row.epoch || v.tomb != row.tomb || string(v.val) != row.val {
				t.Fatalf("seed %d: row %d is %+v, want %+v", seed, i, v, row)
			}
		}
		for range 300 {
			i := r.IntN(len(rows))
			epoch := rows[i].epoch + uint64(r.IntN(12)) - 6
			key := rows[i].key
			if r.IntN(4) == 0 {
				key += "x"
			}
			checkBlockFind(t, &k, rows, key, epoch)
		}
		checkBlockFind(t, &k, rows, "", 2000)
		checkBlockFind(t, &k, rows, "\xff", 2000)
	}
}

func checkBlockFind(t *testing.T, k *block, rows []testRow, key string, epoch uint64) {
	t.Helper()
	var want *testRow
	for i := range rows {
		if rows[i].key == key && rows[i].epoch <= epoch {
			want = &rows[i]
			break
		}
	}
	v, found, ok := k.find([]byte(key), epoch)
	if !ok || found != (want != nil) || found && (v.epoch != want.epoch || v.tomb != want.tomb || string(v.val) != want.val) {
		t.Fatalf("find of %q at %d gives %+v, %v, %v; want %+v", key, epoch, v, found, ok, want)
	}
}

// FuzzBlock feeds the block decoder arbitrary bytes: it may refuse, not panic.
func FuzzBlock(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, size := range []int{0, 30, 5000} {
		var b blockBuilder
		for _, row := range testRows(r, 20, size) {
			b.add([]byte(row.key), row.epoch, row.tomb, []byte(row.val))
		}
		f.Add(bytes.Clone(b.encode()), []byte("\x00\x00\x00\x01key-7"))
	}
	f.Fuzz(func(t *testing.T, data, key []byte) {
		k, ok := parseBlock(data)
		if !ok {
			return
		}
		for i := range min(k.n, 1000) {
			k.row(i)
		}
		k.find(key, 1005)
	})
}

func TestIndex(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	for _, blocks := range []int{1, 2, 3, 17, 200} {
		var starts []uint32
		var fences []byte
		var hashes []uint64
		for i := range blocks {
			starts = append(starts, uint32(len(fences)))
			fences = binary.BigEndian.AppendUint32(fences, uint32(10*i+5))
		}
		for range 1000 {
			hashes = append(hashes, r.Uint64())
		}
		x, ok := parseIndex(encodeIndex(starts, fences, hashes))
		if !ok {
			t.Fatalf("index of %d blocks does not parse", blocks)
		}
		for key := range 10*blocks + 20 {
			want := -1
			if key >= 5 {
				want = min((key-5)/10, blocks-1)
			}
			for _, from := range []int{0, max(0, want/2), max(0, want)} {
				if got := x.find(binary.BigEndian.AppendUint32(nil, uint32(key)), from); got != want {
					t.Fatalf("%d blocks: key %d is in block %d, want %d", blocks, key, got, want)
				}
			}
		}
		wrong := 0
		for _, h := range hashes {
			if !x.mayHave(h) {
				t.Fatal("filter does not know a key")
			}
		}
		for range 100_000 {
			if x.mayHave(r.Uint64()) {
				wrong++
			}
		}
		if wrong > 3000 {
			t.Errorf("filter lets %d of 100000 unknown keys pass", wrong)
		}
	}
}

// FuzzIndex feeds the index parser arbitrary bytes.
func FuzzIndex(f *testing.F) {
	f.Add(encodeIndex([]uint32{0, 3}, []byte("abcdef"), []uint64{1, 2, 3}), []byte("abd"))
	f.Fuzz(func(_ *testing.T, data, key []byte) {
		if x, ok := parseIndex(data); ok {
			x.find(key, 0)
			x.mayHave(hashKey(1, key))
		}
	})
}

func TestSortItems(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 2))
		keys := make([][]byte, r.IntN(500))
		items := make([]sortItem, len(keys))
		for i := range keys {
			keys[i] = fmt.Appendf(nil, "%.*s%d", r.IntN(12), "shared-prefix", r.IntN(1000))
			items[i] = sortItem{prefix: keyPrefix(keys[i]), arr: uint32(r.IntN(1+int(seed%3)) * 70000), ref: uint32(i)}
		}
		want := slices.Clone(items)
		byKey := func(a, b sortItem) int {
			return cmp.Or(bytes.Compare(keys[a.ref], keys[b.ref]), cmp.Compare(a.ref, b.ref))
		}
		slices.SortFunc(want, func(a, b sortItem) int { return cmp.Or(cmp.Compare(a.arr, b.arr), byKey(a, b)) })
		got := sortItems(items, make([]sortItem, len(items)), byKey)
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: wrong order", seed)
		}
	}
}

func testEpoch() *Epoch {
	ep := &Epoch{
		Number: 77, Clock: -5, Positions: []byte{},
		Meta:   []MetaChange{{Key: []byte("c/a"), Value: []byte("x")}, {Key: []byte("c/b")}, {Key: []byte("c/c"), Value: []byte{}}},
		Create: []NewArrangement{{Arr: 3, Placement: Result}},
		Drop:   []Arrangement{1, 1 << 31},
	}
	fixed := ChangeSet{Arr: 3, Dead: zset.NewBitmap(2)}
	for _, k := range []string{"aa", "bb"} {
		fixed.Keys.Add([]byte(k))
		fixed.Vals.Add(nil)
	}
	fixed.Dead.Set(1)
	loose := ChangeSet{Arr: 9}
	for _, k := range []string{"", "longer", "s"} {
		loose.Keys.Add([]byte(k))
		loose.Vals.Add([]byte(k + k))
	}
	ep.Changes = []ChangeSet{fixed, loose, {Arr: 4}}
	return ep
}

func TestRecordRoundTrip(t *testing.T) {
	for _, ep := range []*Epoch{testEpoch(), {Number: 1}, {Number: maxEpoch, Clock: 1 << 60, Positions: []byte("p")}} {
		var enc recordEncoder
		record := slices.Concat(enc.encode(ep)...)
		var got Epoch
		if err := decodeRecord(record, &got); err != nil {
			t.Fatal(err)
		}
		if (got.Positions == nil) != (ep.Positions == nil) || fmt.Sprint(got.Meta, got.Create, got.Drop) != fmt.Sprint(ep.Meta, ep.Create, ep.Drop) {
			t.Errorf("decoded %+v, want %+v", got, ep)
		}
		for i, c := range ep.Meta {
			if (c.Value == nil) != (got.Meta[i].Value == nil) {
				t.Errorf("value of %q is %v, want %v", c.Key, got.Meta[i].Value, c.Value)
			}
		}
		if again := slices.Concat(enc.encode(&got)...); !bytes.Equal(again, record) {
			t.Errorf("record %q becomes %q", record, again)
		}
		for n := range record {
			if decodeRecord(record[:n], &got) == nil {
				t.Errorf("the first %d of %d bytes are accepted", n, len(record))
			}
		}
	}
}

// FuzzRecord feeds the record decoder arbitrary bytes: it may refuse, not panic,
// and what it accepts it can encode again.
func FuzzRecord(f *testing.F) {
	var enc recordEncoder
	f.Add(slices.Concat(enc.encode(testEpoch())...))
	f.Fuzz(func(t *testing.T, data []byte) {
		var ep, again Epoch
		if decodeRecord(data, &ep) != nil {
			return
		}
		if err := decodeRecord(slices.Concat(enc.encode(&ep)...), &again); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRunDescRoundTrip(t *testing.T) {
	d := runDesc{id: 5, home: homeBadger, tree: Result, tier: 3, rank: 9, bytes: 1 << 40, blocks: 7, rows: 8, least: 1, last: 2, lo: []byte{}, hi: []byte("z")}
	dec := &decoder{b: d.encode()}
	dec.byte()
	got := runDesc{id: 5}
	if got.decode(dec); dec.bad || len(dec.b) != 0 || fmt.Sprint(got) != fmt.Sprint(d) {
		t.Errorf("decoded %+v, want %+v", got, d)
	}
}
