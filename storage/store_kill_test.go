package storage_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/streamdb/streamdb/storage"
)

// storeVictimEnv names the directory in which a copy of the test binary plays
// the process that is killed.
const storeVictimEnv = "STREAMDB_TEST_STORE_VICTIM"

func killOptions(dir string) storage.Options {
	o := tiny()
	o.Dir = dir
	o.FlushUnit = 64 << 10
	return o
}

// modelAt returns the model after an epoch: each epoch follows from its number
// and the model before it.
func modelAt(epoch uint64, m *model) *model {
	for m.epoch < epoch {
		_, m = m.next(epochRand(m.epoch + 1))
	}
	return m
}

func epochRand(epoch uint64) *rand.Rand { return rand.New(rand.NewPCG(epoch, 12)) }

// TestStoreVictim is the process that is killed, when TestStoreKill starts it.
func TestStoreVictim(t *testing.T) {
	dir := os.Getenv(storeVictimEnv)
	if dir == "" {
		return // not a test of its own
	}
	s, err := storage.Open(context.Background(), killOptions(dir))
	must(t, err)
	m := modelAt(s.Epoch(), newModel())
	for {
		ep, after := m.next(epochRand(m.epoch + 1))
		must(t, s.Commit(ep))
		m = after
		fmt.Printf("a %d\n", m.epoch)
		if m.epoch%16 == 0 {
			sn := s.Snapshot()
			time.AfterFunc(20*time.Millisecond, sn.Release)
		}
	}
}

// runStoreVictim starts the victim, kills it a while after its first commit, and
// returns the last epoch that it acknowledged.
func runStoreVictim(t *testing.T, dir string, after time.Duration) (acked uint64) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestStoreVictim$")
	cmd.Env = append(os.Environ(), storeVictimEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		n, err := strconv.ParseUint(lines.Text()[min(2, len(lines.Text())):], 10, 64)
		if err != nil {
			t.Errorf("victim says %q", lines.Text())
			continue
		}
		if acked == 0 {
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		}
		acked = n
	}
	_ = cmd.Wait() // it was killed
	return acked
}

// TestStoreKill kills a committing process with SIGKILL again and again and
// compares what is there with a model each time. STREAMDB_KILLS sets how often.
func TestStoreKill(t *testing.T) {
	kills := 3
	if n, err := strconv.Atoi(os.Getenv("STREAMDB_KILLS")); err == nil {
		kills = n
	}
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(uint64(kills), 5))
	m := newModel()
	for k := range kills {
		acked := runStoreVictim(t, dir, time.Duration(20+r.IntN(300))*time.Millisecond)
		if t.Failed() {
			return
		}
		start := time.Now()
		s, err := storage.Open(context.Background(), killOptions(dir))
		must(t, err)
		took := time.Since(start)
		if s.Epoch() != acked && s.Epoch() != acked+1 {
			t.Fatalf("kill %d: epoch is %d, acknowledged was %d", k, s.Epoch(), acked)
		}
		m = modelAt(s.Epoch(), m)
		compareStore(t, r, s, m)
		sn := s.Snapshot()
		compareSnapshot(t, fmt.Sprintf("kill %d", k), r, sn, m)
		sn.Release()
		checkRuns(t, s)
		t.Logf("kill %d: epoch %d, flushed %d, opened in %v, %d runs", k, s.Epoch(), s.Stats().FlushedEpoch, took,
			s.Stats().State.Runs+s.Stats().Results.Runs)
		must(t, s.Close())
	}
}
