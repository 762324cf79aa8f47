package storage

import (
	"encoding/binary"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// blockBufferSize is how much of a run is gathered before it is written.
const blockBufferSize = 512 << 10

// blockInFlight is how much of a run may be on its way to the disk: what a sync of
// the log may find in front of it.
const blockInFlight = 4 << 20

// blockFileWriter writes a run into a file.
type blockFileWriter struct {
	store *FileBlocks
	run   uint64
	file  *os.File
	buf   []byte
	off   int64 // bytes in the file, without buf
	there int64 // of them on the disk
	table []byte
	end   uint64 // end of the last block
	err   error  // the first one: a run with a gap must not be finished
}

// Append implements RunWriter.
func (w *blockFileWriter) Append(block []byte) error {
	if w.err != nil {
		return w.err
	}
	w.end += uint64(len(block))
	w.table = binary.LittleEndian.AppendUint64(w.table, w.end)
	w.table = binary.LittleEndian.AppendUint32(w.table, blockChecksum(block))
	return w.put(block)
}

// put writes b behind what was written, through the buffer.
func (w *blockFileWriter) put(b []byte) error {
	if len(w.buf)+len(b) > cap(w.buf) {
		if err := w.flush(); err != nil {
			return err
		}
	}
	if len(b) >= cap(w.buf) {
		return w.write(b)
	}
	w.buf = append(w.buf, b...)
	return nil
}

func (w *blockFileWriter) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	err := w.write(w.buf)
	w.buf = w.buf[:0]
	return err
}

// write writes b and lets the disk begin with it, but not run far behind: else the
// sync at the end, or a merge that is faster than the disk, would bring one long
// burst, and the log's syncs would wait behind it.
func (w *blockFileWriter) write(b []byte) error {
	n, err := w.file.WriteAt(b, w.off)
	if err != nil {
		w.err = fileError(err, "could not write run %d", w.run)
		return w.err
	}
	// An error here comes up again in the sync of Finish.
	fd := int(w.file.Fd())
	_ = unix.SyncFileRange(fd, w.off, int64(n), unix.SYNC_FILE_RANGE_WRITE)
	w.off += int64(n)
	if until := w.off - blockInFlight; until > w.there {
		_ = unix.SyncFileRange(fd, w.there, until-w.there, unix.SYNC_FILE_RANGE_WAIT_BEFORE|unix.SYNC_FILE_RANGE_WRITE|unix.SYNC_FILE_RANGE_WAIT_AFTER)
		w.there = until
	}
	return nil
}

// Finish implements RunWriter: content first, then the name, each durable
// before the next step.
func (w *blockFileWriter) Finish(index []byte) error {
	if w.err == nil {
		w.err = w.finish(index)
	}
	if w.err != nil {
		return w.err
	}
	w.err = errBlockFinished
	return nil
}

var errBlockFinished = errors.New("run was finished or given up already")

func (w *blockFileWriter) finish(index []byte) error {
	f := blockFooter{
		run: w.run, blocks: uint64(len(w.table) / blockEntrySize),
		table: w.end, index: w.end + uint64(len(w.table)), indexLen: uint64(len(index)),
		tableCRC: blockChecksum(w.table), indexCRC: blockChecksum(index),
	}
	for _, b := range [][]byte{w.table, index, f.encode()} {
		if err := w.put(b); err != nil {
			return err
		}
	}
	if err := w.flush(); err != nil {
		return err
	}
	if err := w.store.sync(w.file); err != nil {
		return fileError(err, "could not sync run %d", w.run)
	}
	if err := w.file.Close(); err != nil {
		return fileError(err, "could not close run %d", w.run)
	}
	w.file, w.buf, w.table = nil, nil, nil
	if err := os.Rename(w.store.path(w.run, blockTempSuffix), w.store.path(w.run, blockFileSuffix)); err != nil {
		return fileError(err, "could not rename run %d", w.run)
	}
	return fileSyncDir(w.store.dir)
}

// Abort implements RunWriter.
func (w *blockFileWriter) Abort() {
	if errors.Is(w.err, errBlockFinished) {
		return
	}
	w.err = errBlockFinished
	if w.file != nil {
		w.file.Close()
	}
	w.file, w.buf, w.table = nil, nil, nil
	// Whatever stays is an orphan: Runs lists it, and the manifest does not.
	os.Remove(w.store.path(w.run, blockTempSuffix))
	os.Remove(w.store.path(w.run, blockFileSuffix))
}
