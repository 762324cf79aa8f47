package storage

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	logSegmentSuffix = ".seg"
	logFreeSuffix    = ".free"
	logTempSuffix    = ".tmp"
	// logMaxFree is how many cut segments wait for their next use; a segment
	// that was written once takes writes without changes of metadata.
	logMaxFree = 2
)

// logSegment is one file of the log.
type logSegment struct {
	logSegmentHeader
	path      string
	lastEpoch uint64 // of its last record, 0 if it has none
}

func logPath(dir string, number uint64, suffix string) string {
	return filepath.Join(dir, fmt.Sprintf("%016x%s", number, suffix))
}

// logParseName returns number and suffix of a file of the log.
func logParseName(name string) (number uint64, suffix string, ok bool) {
	base, suffix, found := strings.Cut(name, ".")
	if !found || len(base) != 16 {
		return 0, "", false
	}
	n, err := strconv.ParseUint(base, 16, 64)
	return n, "." + suffix, err == nil
}

// logListing is what a directory of the log holds.
type logListing struct {
	live []uint64 // numbers of segments, ascending
	free []string // paths of recycled files
	temp []string // paths of unfinished ones
	max  uint64   // highest number of any file
}

func logList(dir string) (logListing, error) {
	var l logListing
	entries, err := os.ReadDir(dir)
	if err != nil {
		return l, fileError(err, "could not read directory %q", dir)
	}
	for _, e := range entries {
		number, suffix, ok := logParseName(e.Name())
		if !ok {
			continue
		}
		path := filepath.Join(dir, e.Name())
		switch suffix {
		case logSegmentSuffix:
			l.live = append(l.live, number)
		case logFreeSuffix:
			l.free = append(l.free, path)
		case logTempSuffix:
			l.temp = append(l.temp, path)
		default:
			continue
		}
		l.max = max(l.max, number)
	}
	slices.Sort(l.live)
	return l, nil
}

// logReadSegment reads the header of a live segment, which was durable before
// the file got its name.
func logReadSegment(dir string, number uint64) (logSegment, error) {
	path := logPath(dir, number, logSegmentSuffix)
	f, err := os.Open(path)
	if err != nil {
		return logSegment{}, fileError(err, "could not open log segment %q", path)
	}
	defer f.Close()
	buf := make([]byte, logRecordHeaderSize)
	if _, err := f.ReadAt(buf, 0); err != nil {
		return logSegment{}, fileCorrupt("log segment %q has no header: %v", path, err)
	}
	h, ok := logDecodeSegmentHeader(buf)
	if !ok || h.number != number {
		return logSegment{}, fileCorrupt("the header of log segment %q is damaged", path)
	}
	return logSegment{logSegmentHeader: h, path: path}, nil
}

// logMakeSegment gives the file for a new segment its header and its name, in
// this order, each durable before the next step. The file is taken from
// recycled if that is not empty. When it fails, named says whether the segment
// may be found by a later replay all the same: then the log must not go on, as
// the segment bounds the one before it.
func logMakeSegment(dir string, h *logSegmentHeader, recycled string) (f *os.File, named bool, err error) {
	var salt [8]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return nil, false, fmt.Errorf("log segment: %w", err)
	}
	h.salt = binary.LittleEndian.Uint64(salt[:])
	from := recycled
	if from == "" {
		from = logPath(dir, h.number, logTempSuffix)
	}
	f, err = logPrepareSegment(from, h, recycled == "")
	if err != nil {
		// What is left of the file is of no use, and it may take the space
		// that is missing.
		os.Remove(from)
		return nil, false, fileError(err, "could not create a log segment of %d bytes", h.size)
	}
	path := logPath(dir, h.number, logSegmentSuffix)
	if err := os.Rename(from, path); err != nil {
		f.Close()
		return nil, true, fileError(err, "could not rename log segment %q", from)
	}
	if err := fileSyncDir(dir); err != nil {
		f.Close()
		return nil, true, err
	}
	return f, true, nil
}

func logPrepareSegment(path string, h *logSegmentHeader, create bool) (*os.File, error) {
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, err
	}
	if create {
		err = filePreallocate(f, h.size)
	}
	if err == nil {
		_, err = f.WriteAt(h.encode(), 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
