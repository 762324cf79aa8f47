package storage_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/storage"
)

// rangeEpoch sets or deletes the keys from lo up to hi.
func rangeEpoch(n uint64, arr storage.Arrangement, lo, hi int, dead bool) *storage.Epoch {
	cs := storage.ChangeSet{Arr: arr, Dead: zset.NewBitmap(hi - lo)}
	for i := lo; i < hi; i++ {
		cs.Keys.Add(binary.BigEndian.AppendUint32(nil, uint32(i)))
		if dead {
			cs.Dead.Set(i - lo)
			cs.Vals.Add(nil)
		} else {
			cs.Vals.Add(binary.BigEndian.AppendUint64(nil, n))
		}
	}
	return &storage.Epoch{Number: n, Changes: []storage.ChangeSet{cs}}
}

// commitUntil commits rows of another arrangement, so that flushes and merges go
// on, until done says so.
func commitUntil(t *testing.T, s *storage.Store, n *uint64, done func(storage.Stats) bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(s.Stats()); *n++ {
		if time.Now().After(end) {
			t.Fatalf("it does not come: %+v", s.Stats())
		}
		must(t, s.Commit(rangeEpoch(*n, 9, 0, 400, false)))
	}
}

// TestMergeForgets checks what merges into the base leave away: deleted rows,
// old images, dropped arrangements; but not what a snapshot needs.
func TestMergeForgets(t *testing.T) {
	s := open(t, newDisk(), tiny())
	first := rangeEpoch(1, 1, 0, 500, false)
	first.Create = []storage.NewArrangement{{Arr: 1}, {Arr: 2}, {Arr: 9}}
	must(t, s.Commit(first))
	n := uint64(2)
	for ; n < 8; n++ {
		must(t, s.Commit(rangeEpoch(n, 1, 0, 500, false)))
		must(t, s.Commit(rangeEpoch(n+1, 2, int(n)*10, int(n)*10+10, false)))
		n++
	}
	sn := s.Snapshot()
	pinned := n - 1
	must(t, s.Commit(rangeEpoch(n, 1, 0, 500, true)))
	n++
	drop := rangeEpoch(n, 9, 0, 2, false)
	drop.Drop = []storage.Arrangement{2}
	must(t, s.Commit(drop))
	n++
	merges := s.Stats().Merges
	commitUntil(t, s, &n, func(st storage.Stats) bool { return st.Merges > merges+40 })
	rows := 0
	must(t, sn.Scan(1, nil, nil, func(_, val []byte) bool {
		if got := binary.BigEndian.Uint64(val); got != pinned-1 {
			t.Fatalf("the snapshot of epoch %d sees an image of epoch %d", pinned, got)
		}
		rows++
		return true
	}))
	must(t, sn.Scan(2, nil, nil, func(_, _ []byte) bool { rows++; return true }))
	if rows != 530 {
		t.Fatalf("the snapshot sees %d rows, want 530", rows)
	}
	sn.Release()
	commitUntil(t, s, &n, func(st storage.Stats) bool { return st.State.Rows < 2500 && st.Arrangements == 2 })
	checkRuns(t, s)
	must(t, s.Close())
}

// TestFewRuns overwrites one row for long: the number of runs stays small.
func TestFewRuns(t *testing.T) {
	s := open(t, newDisk(), tiny())
	first := rangeEpoch(1, 1, 0, 2000, false)
	first.Create = []storage.NewArrangement{{Arr: 1}}
	must(t, s.Commit(first))
	for n := uint64(2); n < 1500; n++ {
		must(t, s.Commit(rangeEpoch(n, 1, 7, 8, false)))
	}
	waitFlushed(t, s, 1499)
	for end := time.Now().Add(20 * time.Second); s.Stats().State.Loose > 13; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("too many runs: %+v", s.Stats())
		}
	}
	checkRuns(t, s)
	must(t, s.Close())
}

// TestDropGivesSpaceBack drops most of what there is and writes little else.
func TestDropGivesSpaceBack(t *testing.T) {
	s := open(t, newDisk(), tiny())
	n := uint64(1)
	for ; n <= 8; n++ {
		ep := rangeEpoch(n, 1, 0, 3000, false)
		if n == 1 {
			ep.Create = []storage.NewArrangement{{Arr: 1}, {Arr: 9}}
		}
		must(t, s.Commit(ep))
	}
	waitFlushed(t, s, 8)
	must(t, s.Commit(&storage.Epoch{Number: n, Drop: []storage.Arrangement{1}}))
	n++
	for end := time.Now().Add(30 * time.Second); s.Stats().State.Rows > 400; n++ {
		if time.Now().After(end) {
			t.Fatalf("space does not come back: %+v", s.Stats())
		}
		must(t, s.Commit(rangeEpoch(n, 9, 0, 1, false)))
	}
	merges := s.Stats().Merges
	for range 20 {
		must(t, s.Commit(rangeEpoch(n, 9, 0, 1, false)))
		n++
	}
	waitFlushed(t, s, n-1)
	if st := s.Stats(); st.Merges > merges+40 {
		t.Errorf("the same runs are rewritten again and again: %+v", st)
	}
	checkRuns(t, s)
	must(t, s.Close())
}
