package storage

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
)

// TestShard compares the hash index with a map, with many equal tags.
func TestShard(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 1))
		var s shard
		model := map[ref]uint64{}
		for range 5000 {
			x := ref(1 + r.IntN(600))
			h := uint64(x%97) * 0x51ed2701 // equal and close tags
			if err := s.reserve(1); err != nil {
				t.Fatal(err)
			}
			i := s.findRef(h, x)
			if _, ok := model[x]; ok != (i >= 0) {
				t.Fatalf("seed %d: reference %d is at slot %d", seed, x, i)
			}
			if i >= 0 {
				s.remove(i)
				delete(model, x)
				continue
			}
			i = s.home(uint32(h))
			for s.slots[i] != 0 {
				i = s.after(i)
			}
			s.set(i, h, x)
			model[x] = h
		}
		for x, h := range model {
			if s.findRef(h, x) < 0 {
				t.Fatalf("seed %d: reference %d is lost", seed, x)
			}
		}
		if s.n != len(model) {
			t.Fatalf("seed %d: %d keys, want %d", seed, s.n, len(model))
		}
		s.release()
	}
}

// TestMemoryPerKey holds the budget of a group with an 8-byte key and two
// aggregates: 60 bytes.
func TestMemoryPerKey(t *testing.T) {
	for _, rows := range []int{100_000, 250_000, 400_000} {
		m, err := newMemtable(256 << 20)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < rows; at += 10_000 {
			cs := ChangeSet{Arr: 1}
			for i := range 10_000 {
				cs.Keys.Add(binary.BigEndian.AppendUint64(nil, uint64(at+i)))
				cs.Vals.Add(make([]byte, 16))
			}
			if err := m.prepare([]ChangeSet{cs}); err != nil {
				t.Fatal(err)
			}
			if !m.apply(uint64(1+at), 0, &cs, nil) {
				t.Fatal("no memory")
			}
		}
		m.count()
		if per := float64(m.memory()) / float64(rows); per > 60 {
			t.Errorf("%d rows take %.1f bytes each", rows, per)
		}
		m.close()
	}
}

// TestArena compares the segments given out with a model: none twice, rows of
// several connected.
func TestArena(t *testing.T) {
	a, err := newArena(512 * segmentBytes)
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	a.max = 512
	r := rand.New(rand.NewPCG(1, 1))
	type row struct{ at, n int }
	var used []row
	taken := make([]bool, a.max)
	for range 20_000 {
		if r.IntN(2) == 0 {
			n := 1
			if r.IntN(5) == 0 {
				n = 1 + r.IntN(9)
			}
			i := a.alloc(n)
			if i < 0 {
				continue
			}
			used = append(used, row{i, n})
			for j := i; j < i+n; j++ {
				if j == 0 || taken[j] {
					t.Fatalf("segment %d is given out twice", j)
				}
				taken[j] = true
			}
			continue
		}
		if len(used) > 0 {
			k := r.IntN(len(used))
			a.release(used[k].at)
			clear(taken[used[k].at : used[k].at+used[k].n])
			used[k] = used[len(used)-1]
			used = used[:len(used)-1]
		}
	}
	held := 0
	for _, u := range used {
		held += u.n
	}
	if a.held != held {
		t.Errorf("%d segments are held, want %d", a.held, held)
	}
}

// BenchmarkApply changes 10,000 rows of 200,000 at once.
func BenchmarkApply(b *testing.B) {
	m, err := newMemtable(256 << 20)
	if err != nil {
		b.Fatal(err)
	}
	defer m.close()
	r := rand.New(rand.NewPCG(1, 1))
	epoch := uint64(1)
	var keys zset.List
	var out Values = make([][]byte, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		cs := ChangeSet{Arr: 1, Keys: keys}
		cs.Keys.Reset()
		base := r.Uint64N(20)
		for i := range uint64(10_000) {
			cs.Keys.Data = binary.BigEndian.AppendUint64(cs.Keys.Data, (i*20+base)*0x9e3779b97f4a7c15)
			cs.Keys.End()
			cs.Vals.Data = append(cs.Vals.Data, "0123456789abcdef"...)
			cs.Vals.End()
		}
		keys = cs.Keys
		m.fetch(1, &cs.Keys, out, nil)
		if err := m.prepare([]ChangeSet{cs}); err != nil || !m.apply(epoch, 0, &cs, nil) {
			b.Fatal(fmt.Errorf("apply: %w", err))
		}
		epoch++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/row")
}
