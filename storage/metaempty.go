package storage

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// metaRemoveEmpty removes the files that a kill between creation and first
// write leaves behind: Badger does not open with one. It touches nothing where
// another process has the database open, which Badger refuses by itself.
func metaRemoveEmpty(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fileError(err, "could not open directory %q", dir)
	}
	defer d.Close() // gives the lock back
	// Badger's own lock is this one.
	if err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil
		}
		return fileError(err, "could not lock directory %q", dir)
	}
	entries, err := d.ReadDir(-1)
	if err != nil {
		return fileError(err, "could not read directory %q", dir)
	}
	removed := false
	for _, e := range entries {
		if !metaIsEmpty(e) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return fileError(err, "could not remove %q", e.Name())
		}
		removed = true
	}
	if !removed {
		return nil
	}
	return fileSyncDir(dir)
}

func metaIsEmpty(e os.DirEntry) bool {
	if !strings.HasSuffix(e.Name(), ".mem") && !strings.HasSuffix(e.Name(), ".vlog") {
		return false
	}
	info, err := e.Info()
	return err == nil && info.Size() == 0 && info.Mode().IsRegular()
}
