package storagetest_test

import (
	"errors"
	"testing"

	"github.com/streamdb/streamdb/storage"
	"github.com/streamdb/streamdb/storage/storagetest"
)

// workload uses all three seams and stops at the first error.
func workload(l storage.Log, m storage.Meta, s storage.BlockStore) error {
	if err := l.Replay(func(uint64, []byte) error { return nil }); err != nil {
		return err
	}
	for epoch := uint64(1); epoch <= 2; epoch++ {
		if err := l.Append(epoch, []byte("record")); err != nil {
			return err
		}
	}
	w, err := s.Create(1)
	if err != nil {
		return err
	}
	for range 2 {
		if err := w.Append([]byte("block")); err != nil {
			w.Abort()
			return err
		}
	}
	if err := w.Finish([]byte("index")); err != nil {
		w.Abort()
		return err
	}
	if err := m.Commit([]storage.MetaChange{{Key: []byte("run"), Value: []byte("1")}}); err != nil {
		return err
	}
	return l.Cut(2)
}

func TestFaultsFailEachCall(t *testing.T) {
	for _, effect := range []storagetest.Effect{storagetest.None, storagetest.Whole, storagetest.Torn} {
		for n := 1; ; n++ {
			l, m, s := storagetest.NewMemLog(), storagetest.NewMemMeta(), storagetest.NewMemBlocks()
			f := storagetest.NewFaults(n, effect).Sticky()
			err := workload(f.Log(l), f.Meta(m), f.Blocks(s))
			if f.Failed() == "" {
				if err != nil || n != 9 {
					t.Fatalf("the last round was %d: %v; want 9 rounds", n, err)
				}
				break
			}
			if !errors.Is(err, storagetest.ErrFault) {
				t.Fatalf("call %d (%s): %v", n, f.Failed(), err)
			}
			checkCrashed(t, n, f.Failed(), effect, l.Crash(), m.Crash(), s.Crash())
		}
	}
}

// checkCrashed says whether what a crash left fits together: what the meta
// data lists exists, and what was cut is in a listed run.
func checkCrashed(t *testing.T, n int, name string, effect storagetest.Effect, l storage.Log, m storage.Meta, s storage.BlockStore) {
	t.Helper()
	records := 0
	if err := l.Replay(func(uint64, []byte) error { records++; return nil }); err != nil {
		t.Fatal(err)
	}
	listed, err := m.Get([]byte("run"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Index(1)
	if listed != nil && err != nil {
		t.Errorf("call %d (%s): a listed run is missing: %v", n, name, err)
	}
	if listed == nil && name != "Log.Append" && records != 2 {
		t.Errorf("call %d (%s): %d records and no run", n, name, records)
	}
	if name == "Log.Append" {
		want := n - 1
		if effect == storagetest.Whole {
			want = n
		}
		if records != want {
			t.Errorf("call %d (%s, effect %d): %d records, want %d", n, name, effect, records, want)
		}
	}
}

func TestFaultyLogIsBroken(t *testing.T) {
	for effect, later := range map[storagetest.Effect]bool{storagetest.None: true, storagetest.Whole: false, storagetest.Torn: false} {
		l := storagetest.NewFaults(1, effect).Log(storagetest.NewMemLog())
		if err := l.Replay(func(uint64, []byte) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if err := l.Append(1, []byte("one")); !errors.Is(err, storagetest.ErrFault) {
			t.Errorf("effect %d: %v", effect, err)
		}
		if err := l.Append(2, []byte("two")); (err == nil) != later {
			t.Errorf("effect %d: the next Append: %v", effect, err)
		}
	}
}

// TestFaultlessTwins runs the suites through twins that never fail.
func TestFaultlessTwins(t *testing.T) {
	f := storagetest.NewFaults(0, storagetest.None)
	storagetest.TestLog(t, func(*testing.T) storagetest.OpenLog {
		l := storagetest.NewMemLog()
		return func() (storage.Log, error) { l = l.Crash(); return f.Log(l), nil }
	})
	storagetest.TestMeta(t, func(*testing.T) storagetest.OpenMeta {
		m := storagetest.NewMemMeta()
		return func() (storage.Meta, error) { m = m.Crash(); return f.Meta(m), nil }
	})
	storagetest.TestBlocks(t, func(*testing.T) storagetest.OpenBlocks {
		s := storagetest.NewMemBlocks()
		return func() (storage.BlockStore, error) { s = s.Crash(); return f.Blocks(s), nil }
	})
}
