package storage_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/storage"
)

// TestReaders moves amounts between accounts while many readers check that
// every snapshot has the same total, by scan and by point reads, over flushes,
// merges and evictions. It is the test for the race detector.
func TestReaders(t *testing.T) {
	const accounts, total, epochs = 12000, 12000 * 100, 300
	o := tiny()
	o.MemoryLimit = 1 << 20
	o.FlushUnit = 512 << 10
	s := open(t, newDisk(), o)
	amount := func(v []byte) int { return int(binary.LittleEndian.Uint64(v)) }
	key := func(i int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(i)) }
	ep := &storage.Epoch{Number: 1, Create: []storage.NewArrangement{{Arr: 7}, {Arr: 8, Placement: storage.Result}}}
	for arr := storage.Arrangement(7); arr <= 8; arr++ {
		cs := storage.ChangeSet{Arr: arr}
		for i := range accounts {
			cs.Keys.Add(key(i))
			cs.Vals.Add(binary.LittleEndian.AppendUint64(nil, total/accounts))
		}
		ep.Changes = append(ep.Changes, cs)
	}
	must(t, s.Commit(ep))

	var done atomic.Bool
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			for n := 0; !done.Load(); n++ {
				sn := s.Snapshot()
				if err := checkTotal(sn, storage.Arrangement(7+(n+i)%2), i == 2, accounts, total, key, amount); err != nil {
					t.Error(err)
					done.Store(true)
				}
				sn.Release()
			}
		})
	}
	r := rand.New(rand.NewPCG(4, 4))
	for n := uint64(2); n <= epochs && !done.Load(); n++ {
		must(t, s.Commit(transfer(t, s, r, n, accounts, key, amount)))
	}
	done.Store(true)
	wg.Wait()
	checkRuns(t, s)
	st := s.Stats()
	if st.Evicted == 0 || st.Overwritten == 0 || st.FoundRows == 0 {
		t.Errorf("not everything was exercised: %+v", st)
	}
	must(t, s.Close())
}

// transfer makes an epoch that moves amounts between random accounts, in both
// arrangements the same.
func transfer(t *testing.T, s *storage.Store, r *rand.Rand, n uint64, accounts int, key func(int) []byte, amount func([]byte) int) *storage.Epoch {
	ep := &storage.Epoch{Number: n}
	for arr := storage.Arrangement(7); arr <= 8; arr++ {
		cs := storage.ChangeSet{Arr: arr}
		seen := map[int]bool{}
		for cs.Keys.Len() < 200 {
			if i := r.IntN(accounts); !seen[i] && (i < accounts/10 || r.IntN(5) == 0) {
				seen[i] = true
				cs.Keys.Add(key(i))
			}
		}
		var vals storage.Values
		must(t, s.Fetch(arr, &cs.Keys, &vals))
		for i := 0; i < len(vals); i += 2 {
			a, b := amount(vals[i]), amount(vals[i+1])
			move := r.IntN(a + 1)
			cs.Vals.Add(binary.LittleEndian.AppendUint64(nil, uint64(a-move)))
			cs.Vals.Add(binary.LittleEndian.AppendUint64(nil, uint64(b+move)))
		}
		ep.Changes = append(ep.Changes, cs)
	}
	return ep
}

func checkTotal(sn *storage.Snapshot, arr storage.Arrangement, point bool, accounts, total int, key func(int) []byte, amount func([]byte) int) error {
	sum, rows := 0, 0
	var err error
	if point {
		var buf []byte
		for i := range accounts {
			val, ok, err := sn.Get(arr, key(i), buf[:0])
			if err != nil || !ok {
				return fmt.Errorf("epoch %d: account %d is missing: %v", sn.Epoch(), i, err)
			}
			buf = val
			sum += amount(val)
			rows++
		}
	} else {
		err = sn.Scan(arr, nil, nil, func(_, val []byte) bool {
			sum += amount(val)
			rows++
			return true
		})
	}
	if err != nil || sum != total || rows != accounts {
		return fmt.Errorf("epoch %d, arrangement %d: %d accounts with %d, want %d with %d: %v", sn.Epoch(), arr, rows, sum, accounts, total, err)
	}
	return nil
}

// TestScanEveryEpoch reads the least key of an arrangement after every commit,
// as min under retraction does.
func TestScanEveryEpoch(t *testing.T) {
	o := tiny()
	o.FlushUnit = 256 << 10
	s := open(t, newDisk(), o)
	var live []uint64
	r := rand.New(rand.NewPCG(5, 5))
	for n := uint64(1); n <= 300; n++ {
		ep := &storage.Epoch{Number: n}
		if n == 1 {
			ep.Create = []storage.NewArrangement{{Arr: 1}}
		}
		cs := storage.ChangeSet{Arr: 1, Dead: zset.NewBitmap(64)}
		var added []uint64
		for i := range 40 {
			var k uint64
			if i%2 == 0 && len(live) > 0 {
				at := r.IntN(len(live))
				k = live[at]
				live = slices.Delete(live, at, at+1)
				cs.Dead.Set(cs.Keys.Len())
			} else {
				k = r.Uint64()
				added = append(added, k)
			}
			cs.Keys.Add(binary.BigEndian.AppendUint64(nil, k))
			cs.Vals.Add(nil)
		}
		live = append(live, added...)
		ep.Changes = []storage.ChangeSet{cs}
		must(t, s.Commit(ep))
		want := ^uint64(0)
		for _, k := range live {
			want = min(want, k)
		}
		must(t, s.Scan(1, nil, nil, func(key, _ []byte) bool {
			if got := binary.BigEndian.Uint64(key); got != want {
				t.Fatalf("epoch %d: least key is %d, want %d", n, got, want)
			}
			return false
		}))
	}
	must(t, s.Close())
}
