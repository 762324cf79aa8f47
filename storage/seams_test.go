package storage_test

import (
	"path/filepath"
	"testing"

	"github.com/streamdb/streamdb/storage"
	"github.com/streamdb/streamdb/storage/storagetest"
)

func TestFileLog(t *testing.T) {
	for name, opts := range map[string]storage.LogOptions{
		"Default":       {},
		"SmallSegments": {SegmentSize: 64 << 10},
		"NoSync":        {SegmentSize: 1 << 20, NoSync: true},
	} {
		t.Run(name, func(t *testing.T) {
			storagetest.TestLog(t, func(t *testing.T) storagetest.OpenLog {
				dir := filepath.Join(t.TempDir(), "log")
				return func() (storage.Log, error) { return storage.OpenFileLog(dir, opts) }
			})
		})
	}
}

func TestFileBlocks(t *testing.T) {
	storagetest.TestBlocks(t, func(t *testing.T) storagetest.OpenBlocks {
		dir := filepath.Join(t.TempDir(), "runs")
		return func() (storage.BlockStore, error) { return storage.OpenFileBlocks(dir) }
	})
}

func TestBadgerMeta(t *testing.T) {
	storagetest.TestMeta(t, func(t *testing.T) storagetest.OpenMeta {
		dir := filepath.Join(t.TempDir(), "badger")
		return func() (storage.Meta, error) {
			b, err := storage.OpenBadger(dir, storage.BadgerOptions{})
			if err != nil {
				return nil, err
			}
			return b.Meta(), nil
		}
	})
}

func TestBadgerBlocks(t *testing.T) {
	storagetest.TestBlocks(t, func(t *testing.T) storagetest.OpenBlocks {
		dir := filepath.Join(t.TempDir(), "badger")
		return func() (storage.BlockStore, error) {
			b, err := storage.OpenBadger(dir, storage.BadgerOptions{})
			if err != nil {
				return nil, err
			}
			return b.Blocks(), nil
		}
	})
}
