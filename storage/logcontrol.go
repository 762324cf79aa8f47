package storage

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	logControlSlot = 4096 // distance of the two slots
	logControlSize = 2 * logControlSlot
)

// logControl is the small file beside the segments that says what was cut, and
// from which record on the end of the log may be torn. Its
// two slots are written in turns, so that a torn write leaves the other one.
type logControl struct {
	file *os.File
	mu   sync.Mutex
	logControlState
}

type logControlState struct {
	version     uint64
	incarnation uint64 // of the last opening that wrote
	cutEpoch    uint64 // records up to here are not replayed
	firstSeq    uint64 // no record before this one is needed
	// durable: all records before this one were on the disk. 0: unknown, as in
	// files of programs that did not write it.
	durable uint64
}

func (s *logControlState) encode() []byte {
	b := make([]byte, 64)
	binary.LittleEndian.PutUint64(b[0:], logControlMagic)
	binary.LittleEndian.PutUint64(b[16:], s.version)
	binary.LittleEndian.PutUint64(b[24:], s.incarnation)
	binary.LittleEndian.PutUint64(b[32:], s.cutEpoch)
	binary.LittleEndian.PutUint64(b[40:], s.firstSeq)
	binary.LittleEndian.PutUint64(b[48:], s.durable)
	binary.LittleEndian.PutUint32(b[8:], logChecksum(b[12:]))
	return b
}

func logDecodeControl(b []byte) (logControlState, bool) {
	s := logControlState{
		version:     binary.LittleEndian.Uint64(b[16:]),
		incarnation: binary.LittleEndian.Uint64(b[24:]),
		cutEpoch:    binary.LittleEndian.Uint64(b[32:]),
		firstSeq:    binary.LittleEndian.Uint64(b[40:]),
		durable:     binary.LittleEndian.Uint64(b[48:]),
	}
	ok := binary.LittleEndian.Uint64(b) == logControlMagic &&
		binary.LittleEndian.Uint32(b[8:]) == logChecksum(b[12:64])
	return s, ok
}

// logOpenControl opens the control file of the log in dir, or creates it when
// the log is new. It holds a lock, so that two processes never share a log.
func logOpenControl(dir string, fresh bool) (*logControl, error) {
	path := filepath.Join(dir, "control")
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		if !fresh {
			return nil, fileCorrupt("the log in %q has segments but no control file", dir)
		}
		if err := logCreateControl(dir, path); err != nil {
			return nil, err
		}
		f, err = os.OpenFile(path, os.O_RDWR, 0)
	}
	if err != nil {
		return nil, fileError(err, "could not open %q", path)
	}
	c := &logControl{file: f}
	if err := c.load(dir); err != nil {
		f.Close()
		return nil, err
	}
	return c, nil
}

func (c *logControl) load(dir string) error {
	if err := unix.Flock(int(c.file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fileError(err, "the log in %q is in use by another process", dir)
	}
	buf := make([]byte, logControlSize)
	if _, err := c.file.ReadAt(buf, 0); err != nil && !errors.Is(err, io.EOF) {
		return fileError(err, "could not read the control file of the log in %q", dir)
	}
	a, aok := logDecodeControl(buf)
	b, bok := logDecodeControl(buf[logControlSlot:])
	switch {
	case aok && (!bok || a.version > b.version):
		c.logControlState = a
	case bok:
		c.logControlState = b
	default:
		return fileCorrupt("the control file of the log in %q is damaged", dir)
	}
	return nil
}

// logCreateControl makes the file whole under another name first: it exists
// with content or not at all.
func logCreateControl(dir, path string) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fileError(err, "could not create %q", tmp)
	}
	defer f.Close()
	buf := make([]byte, logControlSize)
	s := logControlState{version: 1, firstSeq: 1}
	copy(buf[logControlSlot:], s.encode())
	if _, err := f.WriteAt(buf, 0); err != nil {
		return fileError(err, "could not write %q", tmp)
	}
	if err := f.Sync(); err != nil {
		return fileError(err, "could not sync %q", tmp)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fileError(err, "could not rename %q", tmp)
	}
	return fileSyncDir(dir)
}

// update changes the state and makes it durable. When that fails, the state is
// as before.
func (c *logControl) update(change func(*logControlState)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.logControlState
	change(&s)
	s.version++
	off := int64(s.version%2) * logControlSlot
	if _, err := c.file.WriteAt(s.encode(), off); err != nil {
		return fileError(err, "could not write the control file of the log")
	}
	if err := fileFdatasync(c.file); err != nil {
		return fileError(err, "could not sync the control file of the log")
	}
	c.logControlState = s
	return nil
}

// state returns a copy of the current state.
func (c *logControl) state() logControlState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.logControlState
}
