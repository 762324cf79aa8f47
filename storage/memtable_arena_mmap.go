//go:build !race

package storage

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// maxArenaBytes is the address space that 32-bit references reach.
const maxArenaBytes = (1 << 32) * refUnit

// reserveArena reserves address space for the row table. Pages cost memory
// only once they are written. A machine that refuses so much address space
// gets less.
func reserveArena(want int64) ([]byte, error) {
	size := int64(maxArenaBytes)
	for {
		b, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE,
			unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
		if err == nil {
			return b, nil
		}
		if size/2 < want {
			return nil, fmt.Errorf("could not reserve %d bytes for the row table: %w", size, err)
		}
		size /= 2
	}
}

// mapBytes returns size zeroed bytes off the Go heap.
func mapBytes(size int) ([]byte, error) {
	return unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
}

// unmapBytes gives back what reserveArena or mapBytes returned.
func unmapBytes(b []byte) {
	// Unmapping a mapping of ours cannot fail; if it did, memory would leak and
	// nothing else happen.
	_ = unix.Munmap(b)
}

// releasePages gives the pages of b back to the system; they read as zero.
func releasePages(b []byte) { _ = unix.Madvise(b, unix.MADV_DONTNEED) }
