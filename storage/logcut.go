package storage

import (
	"errors"
	"os"
	"slices"
	"strings"
)

// Cut implements Log. What was cut is durable before a file is given up, and
// Append waits for none of the disk operations.
func (l *FileLog) Cut(epoch uint64) error {
	l.cutMu.Lock()
	defer l.cutMu.Unlock()
	state := l.control.state()
	if epoch <= state.cutEpoch {
		return nil
	}
	n, firstSeq, err := l.cuttable(epoch)
	if err != nil {
		return err
	}
	durable := l.durable()
	err = l.control.update(func(s *logControlState) {
		s.cutEpoch, s.firstSeq, s.durable = epoch, firstSeq, max(s.durable, durable)
	})
	if err != nil {
		return err
	}
	return l.recycle(l.drop(n, epoch))
}

// durable returns the record before which all are known to be on the disk.
func (l *FileLog) durable() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.opts.NoSync || l.broken != nil {
		return 0
	}
	return l.nextSeq
}

// cuttable returns how many of the oldest segments hold nothing beyond epoch,
// and the sequence number with which the log begins without them.
func (l *FileLog) cuttable(epoch uint64) (n int, firstSeq uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch l.state {
	case logClosed:
		return 0, 0, os.ErrClosed
	case logReady:
	default:
		return 0, 0, errors.New("log: Cut before Replay")
	}
	for n < len(l.segments) && l.segments[n].lastEpoch <= epoch {
		if n == len(l.segments)-1 && l.active != nil {
			break
		}
		n++
	}
	if n == len(l.segments) {
		return n, l.nextSeq, nil
	}
	return n, l.segments[n].firstSeq, nil
}

// drop forgets the n oldest segments and what Size counts up to epoch.
func (l *FileLog) drop(n int, epoch uint64) []logSegment {
	l.mu.Lock()
	defer l.mu.Unlock()
	dropped := l.segments[:n:n]
	l.segments = slices.Clone(l.segments[n:])
	k := 0
	for k < len(l.spans) && l.spans[k].lastEpoch <= epoch {
		l.size -= l.spans[k].bytes
		k++
	}
	l.spans = slices.Delete(l.spans, 0, k)
	l.lastEpoch = max(l.lastEpoch, epoch)
	return dropped
}

// recycle sets the files of dropped segments aside for their next use, or
// removes them. The new names are durable before a file is used again: else a
// crash could show it under the old one.
func (l *FileLog) recycle(dropped []logSegment) error {
	if len(dropped) == 0 {
		return nil
	}
	l.mu.Lock()
	room := logMaxFree - len(l.free)
	l.mu.Unlock()
	var free []string
	for _, s := range dropped {
		if s.size != l.opts.segmentSize() || len(free) >= room {
			if err := os.Remove(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fileError(err, "could not remove log segment %q", s.path)
			}
			continue
		}
		path := strings.TrimSuffix(s.path, logSegmentSuffix) + logFreeSuffix
		if err := os.Rename(s.path, path); err != nil {
			return fileError(err, "could not rename log segment %q", s.path)
		}
		free = append(free, path)
	}
	if err := fileSyncDir(l.dir); err != nil {
		return err
	}
	l.mu.Lock()
	l.free = append(l.free, free...)
	l.mu.Unlock()
	return nil
}
