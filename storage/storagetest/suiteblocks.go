package storagetest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/streamdb/streamdb/storage"
)

// OpenBlocks opens a BlockStore; every call opens the same one, after the
// former handle was closed.
type OpenBlocks func() (storage.BlockStore, error)

// TestBlocks checks an implementation of storage.BlockStore. place returns the
// opener of a new, empty one.
func TestBlocks(t *testing.T, place func(t *testing.T) OpenBlocks) {
	tests := []struct {
		name string
		fn   func(t *testing.T, open OpenBlocks)
	}{
		{"Shapes", blocksShapes},
		{"Unfinished", blocksUnfinished},
		{"Absent", blocksAbsent},
		{"Drop", blocksDrop},
		{"Concurrent", blocksConcurrent},
		{"Closed", blocksClosed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.fn(t, place(t)) })
	}
}

func (open OpenBlocks) must(t *testing.T) storage.BlockStore {
	t.Helper()
	s, err := open()
	must(t, err)
	return s
}

// run is the content of a run.
type run struct {
	blocks [][]byte
	index  []byte
}

func makeRun(seed uint64, index int, sizes ...int) run {
	r := run{index: payload(seed, index)}
	for i, n := range sizes {
		r.blocks = append(r.blocks, payload(seed*1000+uint64(i), n))
	}
	return r
}

func writeRun(t testing.TB, s storage.BlockStore, id uint64, r run) {
	t.Helper()
	w, err := s.Create(id)
	must(t, err)
	for _, b := range r.blocks {
		buf := bytes.Clone(b)
		must(t, w.Append(buf))
		clear(buf) // the writer keeps no slice of the caller
	}
	index := bytes.Clone(r.index)
	must(t, w.Finish(index))
	clear(index)
	w.Abort() // does nothing after Finish
}

func checkRun(t testing.TB, s storage.BlockStore, id uint64, r run) {
	t.Helper()
	index, err := s.Index(id)
	must(t, err)
	if !bytes.Equal(index, r.index) {
		t.Errorf("run %d: index of %d bytes, want %d", id, len(index), len(r.index))
	}
	var buf []byte
	for i, want := range r.blocks {
		got, err := s.Block(id, i, buf)
		must(t, err)
		if !bytes.Equal(got, want) {
			t.Errorf("run %d block %d: %d bytes, want %d", id, i, len(got), len(want))
		}
	}
	n := len(r.blocks)
	for _, span := range [][2]int{{0, n}, {0, n / 2}, {n / 3, n - n/3}, {n, 0}, {n / 2, 0}, {max(0, n-1), min(1, n)}} {
		next := span[0]
		must(t, s.Blocks(id, span[0], span[1], func(i int, block []byte) error {
			if i != next || !bytes.Equal(block, r.blocks[i]) {
				t.Errorf("run %d: block %d with %d bytes, want block %d", id, i, len(block), next)
			}
			next++
			return nil
		}))
		if next != span[0]+span[1] {
			t.Errorf("run %d: scan of %v ended before block %d", id, span, next)
		}
	}
}

func checkRuns(t testing.TB, s storage.BlockStore, want ...uint64) {
	t.Helper()
	got, err := s.Runs()
	must(t, err)
	got = slices.Sorted(slices.Values(got))
	if !slices.Equal(got, want) {
		t.Errorf("runs %v, want %v", got, want)
	}
}

func blocksShapes(t *testing.T, open OpenBlocks) {
	many := make([]int, 700)
	for i := range many {
		many[i] = 1 + i*37%4000
	}
	runs := map[uint64]run{
		1:       makeRun(1, 0),
		2:       makeRun(2, 5, 0),
		3:       makeRun(3, 100, 1, 0, 2, 0, 0, 3),
		4:       makeRun(4, 300_000, 16<<10, 16<<10, 16<<10),
		1 << 40: makeRun(5, 7, many...),
		6:       makeRun(6, 2<<20, 10, 3<<20, 20, 64<<10, 64<<10-64, 64<<10-63, 1<<20, 128<<10),
	}
	s := open.must(t)
	for id, r := range runs {
		writeRun(t, s, id, r)
	}
	for range 2 {
		checkRuns(t, s, 1, 2, 3, 4, 6, 1<<40)
		for id, r := range runs {
			checkRun(t, s, id, r)
		}
		must(t, s.Close())
		s = open.must(t)
	}
	stop := errors.New("stop")
	calls := 0
	err := s.Blocks(1<<40, 3, 600, func(int, []byte) error {
		calls++
		if calls == 5 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || calls != 5 {
		t.Errorf("a scan that is stopped: %v after %d calls", err, calls)
	}
	must(t, s.Close())
}

func blocksUnfinished(t *testing.T, open OpenBlocks) {
	s := open.must(t)
	big := makeRun(1, 10, 1<<20, 1<<20, 1<<20)
	for id := uint64(1); id <= 2; id++ {
		w, err := s.Create(id)
		must(t, err)
		for _, b := range big.blocks {
			must(t, w.Append(b))
		}
		_, err = s.Block(id, 0, nil)
		mustFail(t, err, "Block of an unfinished run")
		if id == 2 {
			w.Abort()
			w.Abort()
			mustFail(t, w.Append([]byte("x")), "Append after Abort")
			mustFail(t, w.Finish(nil), "Finish after Abort")
		}
	}
	checkRuns(t, s, 1)
	must(t, s.Close())
	s = open.must(t)
	checkRuns(t, s, 1) // an orphan
	_, err := s.Index(1)
	mustFail(t, err, "Index of an unfinished run")
	small := makeRun(2, 3, 100, 200)
	writeRun(t, s, 1, small) // takes its place
	checkRun(t, s, 1, small)
	w, err := s.Create(3)
	must(t, err)
	for _, b := range big.blocks {
		must(t, w.Append(b))
	}
	must(t, s.Close())
	s = open.must(t)
	must(t, s.Drop(3))
	checkRuns(t, s, 1)
	checkRun(t, s, 1, small)
	must(t, s.Close())
}

func blocksAbsent(t *testing.T, open OpenBlocks) {
	s := open.must(t)
	checkRuns(t, s)
	none := func(int, []byte) error { return nil }
	_, err := s.Index(9)
	mustFail(t, err, "Index of an absent run")
	_, err = s.Block(9, 0, nil)
	mustFail(t, err, "Block of an absent run")
	mustFail(t, s.Blocks(9, 0, 1, none), "Blocks of an absent run")
	must(t, s.Drop(9))
	writeRun(t, s, 9, makeRun(1, 1, 10, 20))
	for _, i := range []int{-1, 2, 1 << 40} {
		_, err = s.Block(9, i, nil)
		mustFail(t, err, fmt.Sprintf("block %d of 2", i))
		mustFail(t, s.Blocks(9, i, 1, none), fmt.Sprintf("blocks from %d on of 2", i))
	}
	mustFail(t, s.Blocks(9, 0, 3, none), "three of two blocks")
	mustFail(t, s.Blocks(9, 1, -1, none), "a negative number of blocks")
	_, err = s.Create(9)
	mustFail(t, err, "Create of a run that exists")
	must(t, s.Close())
}

// blocksDrop drops and writes runs in turns, over several openings.
func blocksDrop(t *testing.T, open OpenBlocks) {
	r := rand.New(rand.NewPCG(5, 6))
	model := map[uint64]run{}
	next := uint64(1)
	for range 4 {
		s := open.must(t)
		for range 12 {
			sizes := make([]int, r.IntN(60))
			for i := range sizes {
				sizes[i] = r.IntN(1 << (5 + r.IntN(12)))
			}
			model[next] = makeRun(next, r.IntN(100_000), sizes...)
			writeRun(t, s, next, model[next])
			next++
			for id := range model {
				if len(model) > 8 {
					must(t, s.Drop(id))
					must(t, s.Drop(id))
					delete(model, id)
				}
			}
		}
		var ids []uint64
		for id, want := range model {
			checkRun(t, s, id, want)
			ids = append(ids, id)
		}
		checkRuns(t, s, slices.Sorted(slices.Values(ids))...)
		must(t, s.Close())
	}
}

// blocksConcurrent reads while runs are written and dropped.
func blocksConcurrent(t *testing.T, open OpenBlocks) {
	s := open.must(t)
	stays := makeRun(1, 1000, 5000, 6000, 7000)
	writeRun(t, s, 1, stays)
	var wg sync.WaitGroup
	for g := range 3 {
		wg.Go(func() {
			for i := range 60 {
				got, err := s.Block(1, (g+i)%3, nil)
				if err != nil || !bytes.Equal(got, stays.blocks[(g+i)%3]) {
					t.Errorf("block: %v", err)
					return
				}
				err = s.Blocks(1, 0, 3, func(i int, b []byte) error {
					if !bytes.Equal(b, stays.blocks[i]) {
						return errors.New("wrong block")
					}
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for id := uint64(10); id < 20; id++ {
		writeRun(t, s, id, makeRun(id, 10, 20000, 30000))
		checkRun(t, s, id, makeRun(id, 10, 20000, 30000))
		must(t, s.Drop(id))
	}
	wg.Wait()
	checkRuns(t, s, 1)
	must(t, s.Close())
}

func blocksClosed(t *testing.T, open OpenBlocks) {
	s := open.must(t)
	writeRun(t, s, 1, makeRun(1, 1, 10))
	must(t, s.Close())
	must(t, s.Close())
	_, err := s.Create(2)
	mustFail(t, err, "Create after Close")
	_, err = s.Index(1)
	mustFail(t, err, "Index after Close")
	_, err = s.Block(1, 0, nil)
	mustFail(t, err, "Block after Close")
	mustFail(t, s.Blocks(1, 0, 1, func(int, []byte) error { return nil }), "Blocks after Close")
	mustFail(t, s.Drop(1), "Drop after Close")
	_, err = s.Runs()
	mustFail(t, err, "Runs after Close")
}
