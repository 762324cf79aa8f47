package storage

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

func TestSpaceGuard(t *testing.T) {
	dir := t.TempDir()
	free, below, err := NewSpaceGuard(dir, 1).Free()
	if err != nil || free == 0 || below {
		t.Errorf("free %d, below %v, %v", free, below, err)
	}
	for watermark, want := range map[uint64]string{0: "", 1: "", math.MaxUint64: sqlerr.DiskFull} {
		if got := sqlerr.Code(NewSpaceGuard(dir, watermark).Check()); got != want {
			t.Errorf("watermark %d: %q, want %q", watermark, got, want)
		}
	}
	if err := NewSpaceGuard(filepath.Join(dir, "absent"), 1).Check(); sqlerr.Code(err) != sqlerr.IOError {
		t.Errorf("an absent directory: %v", err)
	}
}
