package storage_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/streamdb/streamdb/storage"
)

// killChanges is the n-th commit of the victim: all values are n, one of them
// is large at times, so that a commit takes several transactions.
func killChanges(n uint64) []storage.MetaChange {
	value := binary.BigEndian.AppendUint64(nil, n)
	large := value
	if n%7 == 0 {
		large = bytes.Repeat(value, 256<<10)
	}
	changes := []storage.MetaChange{{Key: []byte("large"), Value: large}}
	for i := range 20 {
		changes = append(changes, storage.MetaChange{Key: fmt.Appendf(nil, "key%02d", i), Value: value})
	}
	return changes
}

// TestBadgerVictim is the process that is killed, when TestBadgerKill starts
// it: it writes a run, and then commits that the run counts.
func TestBadgerVictim(t *testing.T) {
	dir := os.Getenv(logVictimEnv)
	if dir == "" {
		return // not a test of its own
	}
	b, err := storage.OpenBadger(dir, storage.BadgerOptions{MemTableSize: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	last, err := b.Meta().Get([]byte("key00"))
	if err != nil {
		t.Fatal(err)
	}
	n := uint64(0)
	if last != nil {
		n = binary.BigEndian.Uint64(last)
	}
	for {
		n++
		w, err := b.Blocks().Create(n)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			if err := w.Append(bytes.Repeat([]byte{byte(n), byte(i)}, 20<<10)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Finish(fmt.Append(nil, n)); err != nil {
			t.Fatal(err)
		}
		if err := b.Meta().Commit(killChanges(n)); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("a %d\n", n)
		if err := b.Blocks().Drop(n - 1); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBadgerKill kills a process that commits and writes runs: every commit is
// there wholly or not at all, what was acknowledged is, and the run it lists.
func TestBadgerKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "badger")
	r := rand.New(rand.NewPCG(10, 11))
	var state killed
	for round := range 10 {
		state = runVictim(t, "TestBadgerVictim", dir, time.Duration(1+r.IntN(150))*time.Millisecond, state)
		b, err := storage.OpenBadger(dir, storage.BadgerOptions{MemTableSize: 4 << 20})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		last, err := b.Meta().Get([]byte("key00"))
		if err != nil || last == nil {
			t.Fatalf("round %d: %v", round, err)
		}
		n := binary.BigEndian.Uint64(last)
		if n < state.acked || n > state.acked+1 {
			t.Errorf("round %d: the last commit is %d, acknowledged were %d", round, n, state.acked)
		}
		for _, c := range killChanges(n) {
			if v, err := b.Meta().Get(c.Key); err != nil || !bytes.Equal(v, c.Value) {
				t.Errorf("round %d: %s is not that of commit %d, %v", round, c.Key, n, err)
			}
		}
		killCheckRuns(t, b.Blocks(), n)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		state.acked = n
	}
	if state.acked < 10 {
		t.Errorf("only %d commits in 10 rounds", state.acked)
	}
}

// killCheckRuns checks the run that was committed and drops the orphans.
func killCheckRuns(t *testing.T, s storage.BlockStore, n uint64) {
	t.Helper()
	index, err := s.Index(n)
	if err != nil || string(index) != fmt.Sprint(n) {
		t.Errorf("index of run %d: %q, %v", n, index, err)
	}
	seen := 0
	err = s.Blocks(n, 0, 4, func(i int, block []byte) error {
		if !bytes.Equal(block, bytes.Repeat([]byte{byte(n), byte(i)}, 20<<10)) {
			t.Errorf("run %d: block %d is wrong", n, i)
		}
		seen++
		return nil
	})
	if err != nil || seen != 4 {
		t.Errorf("run %d: %d blocks, %v", n, seen, err)
	}
	runs, err := s.Runs()
	if err != nil || len(runs) > 3 {
		t.Errorf("runs %v, %v", runs, err)
	}
	for _, run := range runs {
		if run == n {
			continue
		}
		if err := s.Drop(run); err != nil {
			t.Error(err)
		}
	}
}
