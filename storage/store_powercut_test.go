package storage_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/streamdb/streamdb/storage"
)

// powerCut is crash of the whole machine: of the log only a part of what was not
// synced is left.
func (d *disk) powerCut(r *rand.Rand) *disk {
	return &disk{d.meta.Crash(), d.log.PowerCut(func(n int) int { return r.IntN(n + 1) }), d.files.Crash(), d.results.Crash()}
}

// TestPowerCut commits random epochs with sync off and crashes the machine at random:
// what is there afterwards is all of the state after one of the epochs, catalog
// included, and no epoch that changed the catalog is lost.
func TestPowerCut(t *testing.T) {
	lost := 0
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { lost += powerCuts(t, seed) })
	}
	if lost < 30 {
		t.Errorf("only %d epochs were lost", lost)
	}
}

func powerCuts(t *testing.T, seed uint64) (lost int) {
	r := rand.New(rand.NewPCG(seed, 11))
	d := newDisk()
	o := tiny()
	o.Sync, o.FlushUnit = storage.SyncOff, 1<<r.IntN(20)
	s := open(t, d, o)
	m := newModel()
	after := map[uint64]*model{0: m}
	catalog := uint64(0) // the last epoch that changed it
	for range 300 {
		ep, next := m.next(r)
		changes := len(ep.Meta)+len(ep.Create)+len(ep.Drop) > 0
		if changes && len(m.arrs) >= 3 && r.IntN(10) > 0 {
			continue
		}
		must(t, s.Commit(ep))
		if m = next; changes {
			catalog = m.epoch
		}
		after[m.epoch] = m
		if r.IntN(20) > 0 {
			continue
		}
		old := s
		d = d.powerCut(r)
		_ = old.Close() // its disk is gone
		s = open(t, d, o)
		if s.Epoch() < catalog || s.Epoch() > m.epoch {
			t.Fatalf("the store is at epoch %d, the last one was %d, the catalog is of %d", s.Epoch(), m.epoch, catalog)
		}
		lost += int(m.epoch - s.Epoch())
		m = after[s.Epoch()]
		compareStore(t, r, s, m)
		sn := s.Snapshot()
		compareSnapshot(t, "after the power cut", r, sn, m)
		sn.Release()
	}
	must(t, s.Close())
	return lost
}
