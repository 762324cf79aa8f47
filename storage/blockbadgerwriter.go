package storage

import (
	"encoding/binary"
	"errors"
	"os"
)

// errBlockScanEnd ends an iteration when all wanted blocks were seen.
var errBlockScanEnd = errors.New("end of scan")

// blockBadgerWriter writes a run into Badger, with several transactions: the
// run counts only when its head says that it is finished.
type blockBadgerWriter struct {
	s    blockBadger
	run  uint64
	head blockHead
	ops  []metaOp // not yet committed
	buf  []byte   // memory of their values
	err  error
}

// Append implements RunWriter.
func (w *blockBadgerWriter) Append(block []byte) error {
	if w.err != nil {
		return w.err
	}
	if w.err = w.put(w.head.blocks, block); w.err != nil {
		return w.err
	}
	w.head.blocks++
	return nil
}

// put takes a block as pieces, and commits when enough are gathered.
func (w *blockBadgerWriter) put(block uint32, data []byte) error {
	crc := blockSum(w.run, block, data)
	length := uint32(len(data))
	w.head.wide = w.head.wide || blockPieces(len(data)) > 1
	for piece := range blockPieces(len(data)) {
		if len(w.buf) >= blockBatchSize {
			if err := w.flush(); err != nil {
				return err
			}
		}
		begin := len(w.buf)
		if piece == 0 {
			w.buf = binary.BigEndian.AppendUint32(w.buf, length)
			w.buf = binary.BigEndian.AppendUint32(w.buf, crc)
		}
		n := min(len(data), blockPieceSize)
		w.buf = append(w.buf, data[:n]...)
		data = data[n:]
		value := w.buf[begin:len(w.buf):len(w.buf)]
		w.ops = append(w.ops, metaOp{blockPieceKey(w.head.slot, block, piece), value})
	}
	return nil
}

func (w *blockBadgerWriter) flush() error {
	b := w.s.b
	b.commitMu.Lock()
	defer b.commitMu.Unlock()
	if b.isClosed() {
		return os.ErrClosed
	}
	if err := b.applyAll(w.ops); err != nil {
		return err
	}
	b.publish()
	w.ops, w.buf = w.ops[:0], w.buf[:0]
	return nil
}

// Finish implements RunWriter.
func (w *blockBadgerWriter) Finish(index []byte) error {
	if w.err != nil {
		return w.err
	}
	if w.err = w.finish(index); w.err != nil {
		return w.err
	}
	w.err = errBlockFinished
	w.ops, w.buf = nil, nil
	return nil
}

func (w *blockBadgerWriter) finish(index []byte) error {
	if err := w.put(blockIndexBlock, index); err != nil {
		return err
	}
	if err := w.flush(); err != nil {
		return err
	}
	w.head.finished = true
	w.ops = append(w.ops, metaOp{blockRunKey(w.run), w.head.encode()})
	if err := w.flush(); err != nil {
		return err
	}
	runs := &w.s.b.blocks
	runs.mu.Lock()
	runs.heads[w.run] = w.head
	runs.mu.Unlock()
	return nil
}

// Abort implements RunWriter.
func (w *blockBadgerWriter) Abort() {
	if errors.Is(w.err, errBlockFinished) {
		return
	}
	w.err = errBlockFinished
	w.ops, w.buf = nil, nil
	// Whatever stays is an orphan: Runs lists it, and the manifest does not.
	_ = w.s.Drop(w.run)
}
