package storage

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// fileError wraps an error of the operating system: 53100 when the disk is
// full, 58030 otherwise.
func fileError(err error, format string, args ...any) error {
	code := sqlerr.IOError
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		code = sqlerr.DiskFull
	}
	return sqlerr.Wrap(err, code, "%s: %v", fmt.Sprintf(format, args...), err)
}

// fileCorrupt says that what was read is not what was written.
func fileCorrupt(format string, args ...any) error {
	return sqlerr.New(sqlerr.DataCorrupted, format, args...)
}

// fileMakeDir creates dir and makes its entry durable.
func fileMakeDir(dir string) error {
	if st, err := os.Stat(dir); err == nil && st.IsDir() {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fileError(err, "could not create directory %q", dir)
	}
	return fileSyncDir(filepath.Dir(dir))
}

// fileSyncDir makes the entries of a directory (creations, renames) durable.
func fileSyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fileError(err, "could not open directory %q", dir)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fileError(err, "could not sync directory %q", dir)
	}
	return nil
}

// fileFdatasync is fdatasync, repeated when a signal interrupts it.
func fileFdatasync(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// filePreallocate reserves size bytes for an empty file, so that later writes
// into it need neither space nor a new length. Where the file system has no
// fallocate it writes zeros.
func filePreallocate(f *os.File, size int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), 0, 0, size)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			return fileWriteZeros(f, size)
		}
		return err
	}
}

func fileWriteZeros(f *os.File, size int64) error {
	zeros := make([]byte, 256<<10)
	for off := int64(0); off < size; off += int64(len(zeros)) {
		n := min(int64(len(zeros)), size-off)
		if _, err := f.WriteAt(zeros[:n], off); err != nil {
			return err
		}
	}
	return nil
}

// fileMaxVectors is the kernel's limit of pieces in one vectored write.
const fileMaxVectors = 1024

// fileWriteVectors writes the pieces one behind the other at offset off. It
// advances the elements of pieces.
func fileWriteVectors(f *os.File, pieces [][]byte, off int64) error {
	fd := int(f.Fd())
	for len(pieces) > 0 {
		if len(pieces[0]) == 0 {
			pieces = pieces[1:]
			continue
		}
		n, err := unix.Pwritev(fd, pieces[:min(len(pieces), fileMaxVectors)], off)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if n <= 0 {
			return io.ErrShortWrite
		}
		off += int64(n)
		for n > 0 {
			k := min(n, len(pieces[0]))
			pieces[0] = pieces[0][k:]
			n -= k
			if len(pieces[0]) == 0 {
				pieces = pieces[1:]
			}
		}
	}
	return nil
}
