package storagetest_test

import (
	"testing"

	"github.com/streamdb/streamdb/storage"
	"github.com/streamdb/streamdb/storage/storagetest"
)

func TestMemLog(t *testing.T) {
	storagetest.TestLog(t, func(*testing.T) storagetest.OpenLog {
		l := storagetest.NewMemLog()
		return func() (storage.Log, error) { l = l.Crash(); return l, nil }
	})
}

func TestMemMeta(t *testing.T) {
	storagetest.TestMeta(t, func(*testing.T) storagetest.OpenMeta {
		m := storagetest.NewMemMeta()
		return func() (storage.Meta, error) { m = m.Crash(); return m, nil }
	})
}

func TestMemBlocks(t *testing.T) {
	storagetest.TestBlocks(t, func(*testing.T) storagetest.OpenBlocks {
		s := storagetest.NewMemBlocks()
		return func() (storage.BlockStore, error) { s = s.Crash(); return s, nil }
	})
}
