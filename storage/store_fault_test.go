package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/storage"
	"github.com/streamdb/streamdb/storage/storagetest"
)

// faulty wraps the disk's seams.
func (d *disk) faulty(f *storagetest.Faults) storage.Seams {
	return storage.Seams{Meta: f.Meta(d.meta), Log: f.Log(d.log), Files: f.Blocks(d.files), Results: f.Blocks(d.results)}
}

// tolerable fails the test unless err is nil or an injected failure.
func tolerable(t *testing.T, err error) bool {
	t.Helper()
	if err != nil && !errors.Is(err, storagetest.ErrFault) {
		t.Fatalf("error that was not injected: %v", err)
	}
	return err == nil
}

// readFaulty reads a little: failures are allowed, wrong answers are not.
func readFaulty(t *testing.T, r *rand.Rand, s *storage.Store, m *model) {
	t.Helper()
	sn := s.Snapshot()
	defer sn.Release()
	var vals storage.Values
	for _, arr := range slices.Sorted(maps.Keys(m.arrs)) {
		var keys zset.List
		for range 20 {
			keys.Add(randomKey(r))
		}
		if tolerable(t, s.Fetch(arr, &keys, &vals)) {
			for i, v := range vals {
				if want, ok := m.arrs[arr][string(keys.At(i))]; ok != (v != nil) || string(v) != want {
					t.Fatalf("fetch of %q gives %.30q (%v), want %.30q (%v)", keys.At(i), v, v != nil, want, ok)
				}
			}
		}
		key := randomKey(r)
		val, ok, err := sn.Get(arr, key, nil)
		if want, exists := m.arrs[arr][string(key)]; tolerable(t, err) && (ok != exists || string(val) != want) {
			t.Fatalf("get of %q gives %.30q, %v; want %.30q, %v", key, val, ok, want, exists)
		}
		rows, seen := m.arrs[arr], 0
		last := []byte(nil)
		err = sn.Scan(arr, nil, nil, func(k, v []byte) bool {
			if want, ok := rows[string(k)]; !ok || string(v) != want || seen > 0 && bytes.Compare(last, k) >= 0 {
				t.Fatalf("scan gives %q = %.30q, want %.30q (%v)", k, v, want, ok)
			}
			last = append(last[:0], k...)
			seen++
			return true
		})
		if tolerable(t, err) && seen != len(rows) {
			t.Fatalf("scan gives %d rows, want %d", seen, len(rows))
		}
	}
}

// runFaulty runs the workload over failing seams and returns the model of what
// was acknowledged, and of what may have become durable beyond it.
func runFaulty(t *testing.T, seed uint64, d *disk, f *storagetest.Faults, base *model) (acked, maybe *model) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 7))
	m := base
	o := tiny()
	if seed%2 == 1 {
		o.Sync = storage.SyncOff
	}
	s, err := storage.OpenWith(context.Background(), o, d.faulty(f))
	if !tolerable(t, err) {
		return m, nil
	}
	defer func() { _ = s.Close() }() // the faults end it
	for range 14 {
		ep, after := m.next(r)
		err := s.Commit(ep)
		if !tolerable(t, err) && !errors.Is(err, storage.ErrBroken) {
			err = s.Commit(ep) // nothing happened, so it may be tried again
		}
		switch {
		case errors.Is(err, storage.ErrBroken):
			if again := s.Commit(ep); !errors.Is(again, storage.ErrBroken) {
				t.Fatalf("commit on a broken store gives %v", again)
			}
			return m, after
		case !tolerable(t, err):
			return m, nil
		}
		m = after
		readFaulty(t, r, s, m)
	}
	return m, nil
}

// TestFaults lets every call to the seams fail in turn, without, with and with
// half of its effect, once or from then on, and compares what is there after
// reopening with the model. STREAMDB_FAULTS=all does so for every call, else it
// is done for one of thirty.
func TestFaults(t *testing.T) {
	stride := 30
	if os.Getenv("STREAMDB_FAULTS") == "all" {
		stride = 1
	}
	for _, effect := range []storagetest.Effect{storagetest.None, storagetest.Whole, storagetest.Torn} {
		for _, sticky := range []bool{false, true} {
			t.Run(fmt.Sprintf("effect%d/sticky=%v", effect, sticky), func(t *testing.T) {
				t.Parallel()
				base, image := faultBase(t)
				n := 1 + int(effect)
				defer func() { t.Logf("%d calls", n) }()
				for ; ; n += stride {
					f := storagetest.NewFaults(n, effect)
					if sticky {
						f.Sticky()
					}
					if !testFault(t, uint64(n), f, image.crash(), base) {
						break
					}
				}
			})
		}
	}
}

// faultBase makes a disk with some runs and some log.
func faultBase(t *testing.T) (*model, *disk) {
	t.Helper()
	r := rand.New(rand.NewPCG(99, 3))
	d, m := newDisk(), newModel()
	s := open(t, d, tiny())
	for range 10 {
		ep, after := m.next(r)
		must(t, s.Commit(ep))
		m = after
	}
	old := d
	d = d.crash()
	_ = s.Close() // its disk is gone
	_ = old
	return m, d
}

// testFault says whether the fault was reached.
func testFault(t *testing.T, seed uint64, f *storagetest.Faults, d *disk, base *model) bool {
	t.Helper()
	acked, maybe := runFaulty(t, seed, d, f, base)
	what := fmt.Sprintf("call %d, %s", seed, f.Failed())
	d = d.crash()
	s := open(t, d, tiny())
	defer func() { must(t, s.Close()) }()
	want := acked
	if s.Epoch() == acked.epoch+1 && maybe != nil {
		want = maybe
	}
	if s.Epoch() != want.epoch {
		t.Fatalf("%s: reopened at epoch %d, acknowledged was %d", what, s.Epoch(), acked.epoch)
	}
	r := rand.New(rand.NewPCG(seed, 8))
	compareStore(t, r, s, want)
	sn := s.Snapshot()
	compareSnapshot(t, what, r, sn, want)
	sn.Release()
	for range 3 { // it goes on
		ep, after := want.next(r)
		must(t, s.Commit(ep))
		want = after
	}
	compareStore(t, r, s, want)
	checkRuns(t, s)
	return f.Failed() != ""
}
