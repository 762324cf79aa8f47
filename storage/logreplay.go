package storage

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
)

// Replay implements Log. It fails with XX001 when a record is missing that was
// durable once. After an error the log takes no Append. fn must not call the log.
func (l *FileLog) Replay(fn func(epoch uint64, record []byte) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch l.state {
	case logClosed:
		return os.ErrClosed
	case logOpened:
	default:
		return errors.New("log: second Replay")
	}
	l.state = logReplaying
	control := l.control.state()
	if len(l.segments) > 0 && l.segments[0].firstSeq > control.firstSeq {
		return fileCorrupt("the log in %q begins with record %d, but record %d is needed", l.dir, l.segments[0].firstSeq, control.firstSeq)
	}
	r := logReader{cutEpoch: control.cutEpoch, fn: fn, count: l.count}
	for i := range l.segments {
		bound := uint64(math.MaxUint64)
		if i+1 < len(l.segments) {
			bound = l.segments[i+1].firstSeq
		}
		if err := r.segment(&l.segments[i], bound); err != nil {
			return err
		}
	}
	l.nextSeq = max(r.seq, control.firstSeq)
	if l.nextSeq < control.durable {
		return fileCorrupt("the log in %q ends before record %d, but all before record %d were on the disk", l.dir, l.nextSeq, control.durable)
	}
	l.lastEpoch = max(r.epoch, control.cutEpoch)
	l.state = logReady
	return nil
}

// logReader reads segments, oldest first.
type logReader struct {
	cutEpoch uint64
	fn       func(epoch uint64, record []byte) error
	count    func(epoch uint64, bytes int64)

	seq     uint64 // of the next record
	epoch   uint64 // of the last one
	payload []byte
}

// segment reads the records of one segment that come before the record bound,
// with which the next segment begins.
func (r *logReader) segment(s *logSegment, bound uint64) error {
	f, err := os.Open(s.path)
	if err != nil {
		return fileError(err, "could not open log segment %q", s.path)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return fileError(err, "could not read log segment %q", s.path)
	}
	if bound == math.MaxUint64 {
		// A record that is seen now counts for ever, so it has to be on disk,
		// also if the process was killed before it had synced it.
		if err := fileFdatasync(f); err != nil {
			return fileError(err, "could not sync log segment %q", s.path)
		}
	}
	r.seq = s.firstSeq
	off, err := r.records(f, st.Size(), s, bound)
	if err != nil {
		return err
	}
	if bound != math.MaxUint64 {
		if r.seq != bound {
			return fileCorrupt("log segment %q ends before record %d, but the next one begins with %d", s.path, r.seq, bound)
		}
		return nil
	}
	if s.flags&logFlagNoSync != 0 {
		return nil // pages reach the disk in any order then
	}
	return r.tail(f, st.Size(), s, off)
}

// records hands out records until the first that is not whole, and returns
// where that one begins.
func (r *logReader) records(f *os.File, size int64, s *logSegment, bound uint64) (off int64, err error) {
	off = logSegmentHeaderSize
	in := bufio.NewReaderSize(io.NewSectionReader(f, off, max(0, size-off)), 256<<10)
	var head [logRecordHeaderSize]byte
	for r.seq < bound {
		h, ok, err := r.next(in, &head, s, size-off)
		if err != nil {
			return off, fileError(err, "could not read log segment %q", s.path)
		}
		if !ok {
			return off, nil
		}
		bytes := logRecordHeaderSize + int64(h.length)
		if h.epoch > r.cutEpoch {
			r.count(h.epoch, bytes)
			if err := r.fn(h.epoch, r.payload); err != nil {
				return off, err
			}
		}
		r.seq, r.epoch, s.lastEpoch = h.seq+1, h.epoch, h.epoch
		next := logAlign(off + bytes)
		if _, err := in.Discard(int(next - off - bytes)); err != nil && !errors.Is(err, io.EOF) {
			return off, fileError(err, "could not read log segment %q", s.path)
		}
		off = next
	}
	return off, nil
}

// next reads a record into payload; ok is false if there is no whole one.
func (r *logReader) next(in *bufio.Reader, head *[logRecordHeaderSize]byte, s *logSegment, room int64) (h logRecordHeader, ok bool, err error) {
	if ok, err := logReadFull(in, head[:]); !ok {
		return h, false, err
	}
	h, ok = logDecodeRecordHeader(head[:], s.salt)
	if !ok || !r.follows(&h, s) || h.length > uint64(max(0, room-logRecordHeaderSize)) {
		return h, false, nil
	}
	if uint64(cap(r.payload)) < h.length {
		r.payload = make([]byte, h.length)
	}
	r.payload = r.payload[:h.length]
	if ok, err := logReadFull(in, r.payload); !ok {
		return h, false, err
	}
	return h, logChecksum(r.payload) == h.crc, nil
}

// follows says whether a record may be the next one.
func (r *logReader) follows(h *logRecordHeader, s *logSegment) bool {
	return h.segment == s.number && h.incarnation == s.incarnation &&
		h.seq == r.seq && h.epoch > r.epoch
}

// logReadFull fills b; a file that ends before is no error.
func logReadFull(in io.Reader, b []byte) (ok bool, err error) {
	_, err = io.ReadFull(in, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return false, nil
	}
	return err == nil, err
}

// tail looks for whole records behind the end at off. As each record was
// durable before the next one was written, there are none after a crash; if
// there is one, the record at off was damaged later.
func (r *logReader) tail(f *os.File, size int64, s *logSegment, off int64) error {
	buf := make([]byte, 256<<10)
	for at := logAlign(off + 1); at < size; {
		n, err := f.ReadAt(buf, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return fileError(err, "could not read log segment %q", s.path)
		}
		for i := 0; i+logRecordHeaderSize <= n; i += logRecordAlign {
			if binary.LittleEndian.Uint32(buf[i:]) != logRecordMagic {
				continue
			}
			h, ok := logDecodeRecordHeader(buf[i:], s.salt)
			if ok && h.segment == s.number && h.incarnation == s.incarnation && h.seq > r.seq &&
				logWhole(f, size, at+int64(i), &h) {
				return fileCorrupt("log segment %q is damaged at offset %d: record %d is not whole, but record %d is", s.path, off, r.seq, h.seq)
			}
		}
		if n < len(buf) {
			return nil
		}
		at += int64(n - logRecordHeaderSize)
	}
	return nil
}

// logWhole says whether the payload of the record at off is what h says.
func logWhole(f *os.File, size, off int64, h *logRecordHeader) bool {
	off += logRecordHeaderSize
	if h.length > uint64(max(0, size-off)) {
		return false
	}
	payload := make([]byte, h.length)
	_, err := f.ReadAt(payload, off)
	return err == nil && logChecksum(payload) == h.crc
}
