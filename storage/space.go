package storage

import (
	"golang.org/x/sys/unix"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// SpaceGuard watches the free space of the file system under a directory.
//
// Badger writes through memory maps: on a full disk such a write is a SIGBUS
// that ends the process and cannot be caught. So whoever is about to write
// asks Check first, with a watermark high enough for all that is under way.
type SpaceGuard struct {
	dir       string
	watermark uint64
}

// DefaultWatermark is the free space, in bytes, below which writes should be
// refused: room for Badger's memtables, a compaction and a merge of runs.
const DefaultWatermark = 256 << 20

// NewSpaceGuard returns a guard for the file system that holds dir. A
// watermark of 0 bytes never refuses.
func NewSpaceGuard(dir string, watermark uint64) *SpaceGuard {
	return &SpaceGuard{dir: dir, watermark: watermark}
}

// Free returns the bytes that an unprivileged process can still write and
// whether they are below the watermark. It costs one system call.
func (g *SpaceGuard) Free() (free uint64, below bool, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(g.dir, &st); err != nil {
		return 0, false, sqlerr.Wrap(err, sqlerr.IOError, "could not read the free space of %q: %v", g.dir, err)
	}
	free = st.Bavail * uint64(st.Bsize)
	return free, free < g.watermark, nil
}

// Check returns an error with SQLSTATE 53100 when the free space is below the
// watermark.
func (g *SpaceGuard) Check() error {
	free, below, err := g.Free()
	if err != nil {
		return err
	}
	if !below {
		return nil
	}
	return sqlerr.New(sqlerr.DiskFull, "disk is full: writes are refused").
		WithDetail("%d MiB are free on the file system of %q, at least %d MiB are needed.", free>>20, g.dir, g.watermark>>20).
		WithHint("Free some disk space; nothing that was acknowledged is lost.")
}
