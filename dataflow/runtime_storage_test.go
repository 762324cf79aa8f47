package dataflow

import (
	"context"
	"fmt"
	"testing"

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
	store, err := storage.OpenWith(context.Background(), storage.Options{MemoryLimit: 4 << 20, FlushUnit: 1 << 15, BlockSize: 512, MergeRate: -1}, storage.Seams{
		Meta: d.meta, Log: d.log, Files: d.files, Results: d.results,
	})
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
