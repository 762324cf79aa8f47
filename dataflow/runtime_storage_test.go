package dataflow

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/streamdb/streamdb/storage"
	"github.com/streamdb/streamdb/storage/storagetest"
)

// diskStore is a storage.Store over memory twins of the disk, which survive a
// crash as files would. Its generations are tiny, so that rows come from runs.
type diskStore struct {
	log     *storagetest.MemLog
	meta    *storagetest.MemMeta
	files   *storagetest.MemBlocks
	results *storagetest.MemBlocks
	store   *storage.Store
	faults  *storagetest.Faults // of the next open; nil: none
}

func newDiskStore() *diskStore {
	return &diskStore{
		log: storagetest.NewMemLog(), meta: storagetest.NewMemMeta(),
		files: storagetest.NewMemBlocks(), results: storagetest.NewMemBlocks(),
	}
}

// open recovers the store as after kill -9.
func (d *diskStore) open(t *testing.T) Store {
	t.Helper()
	d.crash(t)
	seams := storage.Seams{Meta: d.meta, Log: d.log, Files: d.files, Results: d.results}
	if f := d.faults; f != nil {
		seams = storage.Seams{Meta: f.Meta(d.meta), Log: f.Log(d.log), Files: f.Blocks(d.files), Results: f.Blocks(d.results)}
	}
	store, err := storage.OpenWith(context.Background(), storage.Options{MemoryLimit: 4 << 20, FlushUnit: 1 << 15, BlockSize: 512, MergeRate: -1}, seams)
	if err != nil && d.faults != nil {
		return nil // the fault was in recovery
	}
	if err != nil {
		t.Fatal(err)
	}
	d.store = store
	return OverStorage(store)
}

func (d *diskStore) crash(t *testing.T) {
	d.log, d.meta, d.files, d.results = d.log.Crash(), d.meta.Crash(), d.files.Crash(), d.results.Crash()
	if d.store != nil {
		if err := d.store.Close(); err != nil {
			t.Log("close after the crash:", err)
		}
		d.store = nil
	}
}

// TestBackfillOverStorage is TestBackfill with the real store.
func TestBackfillOverStorage(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprintf("seed%d", seed), func(t *testing.T) {
			d := newDiskStore()
			t.Cleanup(func() { d.crash(t) }) // after the runtime has stopped
			newBackfill(t, seed, func() Store { return d.open(t) }).run()
		})
	}
}

// TestStorageFaults fails the n-th call to the disk, for each n, before, after
// and in the middle of its effect, and holds that after a restart everything is
// as if nothing had happened.
func TestStorageFaults(t *testing.T) {
	for effect, name := range map[storagetest.Effect]string{storagetest.None: "none", storagetest.Whole: "whole", storagetest.Torn: "torn"} {
		t.Run(name, func(t *testing.T) {
			ended := 0
			for n := 1; n <= 40; n++ {
				if faultOnce(t, n, effect) {
					ended++
				}
			}
			if effect != storagetest.None && ended == 0 {
				t.Error("no fault ended the runtime")
			}
		})
	}
}

func faultOnce(t *testing.T, n int, effect storagetest.Effect) (ended bool) {
	d := newDiskStore()
	defer d.crash(t)
	w := newWorld(t, Options{CutRows: 16, RetryFor: time.Nanosecond})
	w.open = func() Store { return d.open(t) }
	w.run()
	topic := newFakeTopic(uint64(n), 2, 5)
	rng := rand.New(rand.NewPCG(uint64(n), 1))
	topic.produce(0, someRecords(rng, 40, 9)...)
	w.stream(1, topic)
	w.mustView(groupView(2, 1, 0, 20))
	w.caughtUp()
	w.mustView(passView(3, 1, 21)) // is backfilling when the fault comes
	w.stop()
	topic.produce(1, someRecords(rng, 200, 9)...)
	d.faults = storagetest.NewFaults(n, effect)
	store := d.open(t)
	d.faults = nil
	if store != nil {
		w.open = func() Store { return store }
		w.start()
		waitEndOrCaughtUp(w)
		select {
		case <-w.rt.ended:
			ended = true
			if err := w.crashed(); err == nil {
				t.Error("Run ended without an error")
			}
		default:
			w.stop()
		}
	}
	w.open = func() Store { return d.open(t) }
	w.start()
	w.caughtUp()
	if got := w.check(nil); got != 2 {
		t.Fatalf("fault %d: %d views compared: %+v", n, got, w.rt.Views())
	}
	w.checkErrors(t, topic)
	w.stop()
	return ended
}
