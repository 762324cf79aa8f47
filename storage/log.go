package storage

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// LogOptions configures a FileLog. The zero value is usable.
type LogOptions struct {
	// SegmentSize is the size in bytes of one preallocated segment file, 32
	// MiB if 0. A record that is larger gets a segment of its own.
	SegmentSize int64
	// NoSync leaves out the fdatasync of each record: a crash of the machine
	// may then lose the last records, a crash of the process loses none.
	NoSync bool
}

const logDefaultSegmentSize = 32 << 20

func (o *LogOptions) segmentSize() int64 {
	if o.SegmentSize == 0 {
		return logDefaultSegmentSize
	}
	return max(o.SegmentSize, 2*logSegmentHeaderSize)
}

// FileLog is the Log in files: preallocated segments that are used again after
// a cut. A record is one vectored write and one fdatasync.
//
// What holds:
//
//   - A record counts if its checksums are right, its sequence number follows
//     that of the record before, and no later segment begins with that number.
//     So a torn tail did not happen, and never comes back: the next opening
//     begins a new segment, which bounds the one with the tail.
//   - A record that is damaged although later ones are whole was durable once:
//     Replay then fails with XX001 instead of forgetting what was acknowledged.
//   - So is one that the control file says was on the disk: all that were when
//     the log was closed, opened or cut last. A record behind them that is not whole,
//     and the last, was either torn by a crash before it was acknowledged or damaged
//     after it was: its bytes cannot tell, and it counts as torn.
//   - After an error of a write or of fdatasync nobody knows what is on disk:
//     the log is broken, and the process has to open it anew. Only an error in
//     making a new segment (disk full) leaves it as before.
type FileLog struct {
	dir  string
	opts LogOptions

	control *logControl // has its own lock, the innermost
	cutMu   sync.Mutex  // one Cut at a time; taken before mu

	mu          sync.Mutex
	state       logState
	broken      error
	segments    []logSegment // oldest first; the last one is written when active is set
	active      *os.File
	off         int64 // where the next record of the active segment begins
	free        []string
	nextNumber  uint64
	nextSeq     uint64
	lastEpoch   uint64
	incarnation uint64 // 0 until this opening has written
	spans       []logSpan
	size        int64
	header      [logRecordHeaderSize]byte
	pieces      [][]byte

	fdatasync func(*os.File) error // replaced in tests of failures
	write     func(f *os.File, pieces [][]byte, off int64) error
}

var _ Log = (*FileLog)(nil)

type logState uint8

const (
	logOpened logState = iota
	logReplaying
	logReady
	logClosed
)

// logSpan counts the bytes of some neighbouring records, so that Size need not
// remember every single one.
type logSpan struct {
	lastEpoch uint64
	bytes     int64
}

const logSpanBytes = 64 << 10

// OpenFileLog opens the log in directory dir, or creates it. Replay has to be
// called before the first Append.
func OpenFileLog(dir string, opts LogOptions) (*FileLog, error) {
	if opts.SegmentSize < 0 {
		return nil, sqlerr.New(sqlerr.InvalidParameterValue, "the segment size of the log must not be negative")
	}
	if err := fileMakeDir(dir); err != nil {
		return nil, err
	}
	listing, err := logList(dir)
	if err != nil {
		return nil, err
	}
	control, err := logOpenControl(dir, len(listing.live) == 0)
	if err != nil {
		return nil, err
	}
	l := &FileLog{
		dir: dir, opts: opts, control: control,
		nextNumber: listing.max + 1,
		fdatasync:  fileFdatasync,
		write:      fileWriteVectors,
	}
	if err := l.adopt(listing); err != nil {
		control.file.Close()
		return nil, err
	}
	return l, nil
}

// adopt takes over the files that are there.
func (l *FileLog) adopt(listing logListing) error {
	for _, path := range listing.temp {
		os.Remove(path)
	}
	for _, path := range listing.free {
		st, err := os.Stat(path)
		if err == nil && st.Size() == l.opts.segmentSize() && len(l.free) < logMaxFree {
			l.free = append(l.free, path)
			continue
		}
		os.Remove(path)
	}
	for _, number := range listing.live {
		s, err := logReadSegment(l.dir, number)
		if err != nil {
			return err
		}
		l.segments = append(l.segments, s)
	}
	// A crash within Cut can leave segments behind that are not needed.
	firstSeq := l.control.state().firstSeq
	for len(l.segments) > 1 && l.segments[1].firstSeq <= firstSeq {
		os.Remove(l.segments[0].path)
		l.segments = l.segments[1:]
	}
	return nil
}

// Append implements Log.
func (l *FileLog) Append(epoch uint64, parts ...[]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.writable(); err != nil {
		return err
	}
	if epoch <= l.lastEpoch {
		return fmt.Errorf("log: epoch %d is not after %d", epoch, l.lastEpoch)
	}
	length := 0
	for _, p := range parts {
		length += len(p)
	}
	bytes := logRecordHeaderSize + int64(length)
	if err := l.makeRoom(bytes); err != nil {
		return err
	}
	segment := &l.segments[len(l.segments)-1]
	h := logRecordHeader{
		incarnation: l.incarnation, segment: segment.number, seq: l.nextSeq,
		epoch: epoch, length: uint64(length), crc: logChecksum(parts...),
	}
	h.encode(&l.header, segment.salt)
	if err := l.writeRecord(parts); err != nil {
		return l.breaks(err)
	}
	l.off = logAlign(l.off + bytes)
	l.nextSeq++
	l.lastEpoch = epoch
	segment.lastEpoch = epoch
	l.count(epoch, bytes)
	return nil
}

// Sync implements Log.
func (l *FileLog) Sync() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.writable(); err != nil || l.active == nil {
		return err
	}
	if err := l.fdatasync(l.active); err != nil {
		return l.breaks(fileError(err, "could not sync the log"))
	}
	return nil
}

func (l *FileLog) writable() error {
	switch {
	case l.state == logClosed:
		return os.ErrClosed
	case l.state != logReady:
		return errors.New("log: Append before Replay")
	case l.broken != nil:
		return sqlerr.Wrap(l.broken, sqlerr.Code(l.broken), "the log is broken since an earlier error: %v", l.broken)
	}
	return nil
}

// breaks notes that nobody knows any more what is on disk.
func (l *FileLog) breaks(err error) error {
	l.broken = fmt.Errorf("%w: %w", ErrBroken, err)
	return l.broken
}

// writeRecord writes header and parts at the end of the log, durably.
func (l *FileLog) writeRecord(parts [][]byte) error {
	l.pieces = append(append(l.pieces[:0], l.header[:]), parts...)
	err := l.write(l.active, l.pieces, l.off)
	clear(l.pieces) // hold no memory of the caller
	if err != nil {
		return fileError(err, "could not write to the log")
	}
	if l.opts.NoSync {
		return nil
	}
	if err := l.fdatasync(l.active); err != nil {
		return fileError(err, "could not sync the log")
	}
	return nil
}

// makeRoom makes the active segment one with room for a record.
func (l *FileLog) makeRoom(bytes int64) error {
	if l.active != nil && l.off+bytes <= l.segments[len(l.segments)-1].size {
		return nil
	}
	if l.active != nil && l.opts.NoSync {
		// Only the last segment may have a tail that is not durable.
		if err := l.fdatasync(l.active); err != nil {
			return l.breaks(fileError(err, "could not sync the log"))
		}
	}
	if l.incarnation == 0 {
		if err := l.stamp(); err != nil {
			return err
		}
	}
	h := logSegmentHeader{
		number: l.nextNumber, incarnation: l.incarnation, firstSeq: l.nextSeq,
		size: max(l.opts.segmentSize(), (logSegmentHeaderSize+bytes+4095)&^4095),
	}
	if l.opts.NoSync {
		h.flags = logFlagNoSync
	}
	recycled := ""
	if n := len(l.free); n > 0 && h.size == l.opts.segmentSize() {
		recycled, l.free = l.free[n-1], l.free[:n-1]
	}
	f, named, err := logMakeSegment(l.dir, &h, recycled)
	if err != nil {
		if named {
			err = l.breaks(err)
		}
		return err
	}
	if l.active != nil {
		l.active.Close()
	}
	l.nextNumber++
	l.active, l.off = f, logSegmentHeaderSize
	l.segments = append(l.segments, logSegment{logSegmentHeader: h, path: logPath(l.dir, h.number, logSegmentSuffix)})
	return nil
}

// stamp makes an incarnation number durable that no opening had before.
func (l *FileLog) stamp() error {
	next := l.control.state().incarnation
	for i := range l.segments {
		next = max(next, l.segments[i].incarnation)
	}
	next++
	// What Replay has read it has synced.
	if err := l.control.update(func(s *logControlState) { s.incarnation, s.durable = next, l.nextSeq }); err != nil {
		return err
	}
	l.incarnation = next
	return nil
}

// count adds a record to what Size knows.
func (l *FileLog) count(epoch uint64, bytes int64) {
	l.size += bytes
	if n := len(l.spans); n > 0 && l.spans[n-1].bytes+bytes <= logSpanBytes {
		l.spans[n-1].bytes += bytes
		l.spans[n-1].lastEpoch = epoch
		return
	}
	l.spans = append(l.spans, logSpan{epoch, bytes})
}

// LastEpoch implements Log.
func (l *FileLog) LastEpoch() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lastEpoch
}

// Size implements Log. Records are counted in groups of 64 KiB: a group counts
// until all of it is cut.
func (l *FileLog) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size
}

// Close implements Log. It is idempotent.
func (l *FileLog) Close() error {
	l.cutMu.Lock()
	defer l.cutMu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == logClosed {
		return nil
	}
	l.state = logClosed
	var err error
	if l.active != nil {
		if l.opts.NoSync && l.broken == nil {
			err = l.fdatasync(l.active)
		}
		if err == nil && l.broken == nil {
			err = l.control.update(func(s *logControlState) { s.durable = l.nextSeq })
		}
		err = errors.Join(err, l.active.Close())
	}
	err = errors.Join(err, l.control.file.Close())
	if err != nil {
		return fileError(err, "could not close the log")
	}
	return nil
}
