package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"os"
	"slices"
	"sync"
)

// Runs in Badger:
//
//	s run               head: slot, finished or not, number of blocks, shape
//	b slot block piece  a block, in pieces of at most 64 KiB
//	b slot ^0 piece     the index of the run
//
// The slots of dropped runs are given to new ones: with ever-growing keys the
// tombstones at Badger's lowest level would never meet a compaction again, and
// their space would not come back. The checksum of a block covers run and
// number, so what a slot held before is never taken for what it holds now.

const (
	blockPieceSize  = 64<<10 - 64    // of data in one value
	blockPieceHead  = 8              // length and checksum, in the first piece
	blockIndexBlock = math.MaxUint32 // "number" of the index
	blockBatchSize  = 768 << 10      // data of one transaction
)

// blockHead is what is known of a run.
type blockHead struct {
	slot     uint32
	blocks   uint32
	finished bool
	wide     bool // some block or the index has more than one piece
}

func (h *blockHead) encode() []byte {
	v := binary.BigEndian.AppendUint32(nil, h.slot)
	v = binary.BigEndian.AppendUint32(v, h.blocks)
	flags := byte(0)
	if h.finished {
		flags |= 1
	}
	if h.wide {
		flags |= 2
	}
	v = append(v, flags)
	return binary.BigEndian.AppendUint32(v, blockChecksum(v))
}

func blockDecodeHead(v []byte) (h blockHead, ok bool) {
	if len(v) != 13 || binary.BigEndian.Uint32(v[9:]) != blockChecksum(v[:9]) {
		return h, false
	}
	return blockHead{
		slot:     binary.BigEndian.Uint32(v),
		blocks:   binary.BigEndian.Uint32(v[4:]),
		finished: v[8]&1 != 0,
		wide:     v[8]&2 != 0,
	}, true
}

func blockRunKey(run uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{blockRunPrefix}, run)
}

func blockSlotPrefix(slot uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{blockDataPrefix}, slot)
}

func blockPieceKey(slot, block uint32, piece int) []byte {
	k := make([]byte, 0, 11)
	k = append(k, blockDataPrefix)
	k = binary.BigEndian.AppendUint32(k, slot)
	k = binary.BigEndian.AppendUint32(k, block)
	return binary.BigEndian.AppendUint16(k, uint16(piece))
}

// blockSum is the checksum of a block of a run.
func blockSum(run uint64, block uint32, data []byte) uint32 {
	var place [12]byte
	binary.BigEndian.PutUint64(place[:], run)
	binary.BigEndian.PutUint32(place[8:], block)
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(place[:], table), table, data)
}

func blockPieces(length int) int {
	return max(1, (length+blockPieceSize-1)/blockPieceSize)
}

// blockRuns are the heads of all runs.
type blockRuns struct {
	mu    sync.RWMutex
	heads map[uint64]blockHead
	used  map[uint32]bool
}

// loadRuns reads the heads of all runs.
func (b *Badger) loadRuns() error {
	b.blocks.heads = map[uint64]blockHead{}
	b.blocks.used = map[uint32]bool{}
	return b.scan(b.ts, []byte{blockRunPrefix}, nil, true, func(key, value []byte) error {
		h, ok := blockDecodeHead(value)
		if !ok || len(key) != 9 {
			return fileCorrupt("the head of a result run is damaged (key %x)", key)
		}
		b.blocks.heads[binary.BigEndian.Uint64(key[1:])] = h
		b.blocks.used[h.slot] = true
		return nil
	})
}

// blockBadger is the BlockStore in Badger. It may be used by any number of
// goroutines.
type blockBadger struct{ b *Badger }

var _ BlockStore = blockBadger{}

// Create implements BlockStore.
func (s blockBadger) Create(run uint64) (RunWriter, error) {
	if s.b.isClosed() {
		return nil, os.ErrClosed
	}
	runs := &s.b.blocks
	runs.mu.RLock()
	old, exists := runs.heads[run]
	runs.mu.RUnlock()
	if exists && old.finished {
		return nil, fmt.Errorf("run %d exists", run)
	}
	if exists {
		if err := s.Drop(run); err != nil { // what an unfinished Create left
			return nil, err
		}
	}
	runs.mu.Lock()
	h := blockHead{}
	for runs.used[h.slot] {
		h.slot++
	}
	runs.used[h.slot] = true
	runs.heads[run] = h
	runs.mu.Unlock()
	w := &blockBadgerWriter{s: s, run: run, head: h, buf: make([]byte, 0, blockBatchSize+2*blockPieceSize)}
	// The head is in the first transaction, so that Runs finds every orphan.
	w.ops = append(w.ops, metaOp{blockRunKey(run), h.encode()})
	return w, nil
}

// head returns the head of a finished run.
func (s blockBadger) head(run uint64) (blockHead, error) {
	runs := &s.b.blocks
	runs.mu.RLock()
	defer runs.mu.RUnlock()
	h, ok := runs.heads[run]
	if !ok || !h.finished {
		return h, fmt.Errorf("run %d does not exist: %w", run, os.ErrNotExist)
	}
	return h, nil
}

// Index implements BlockStore. The result is a copy.
func (s blockBadger) Index(run uint64) ([]byte, error) {
	h, err := s.head(run)
	if err != nil {
		return nil, err
	}
	return s.read(run, h.slot, blockIndexBlock, nil)
}

// Block implements BlockStore. The result is a copy, in buf if that is large
// enough.
func (s blockBadger) Block(run uint64, i int, buf []byte) ([]byte, error) {
	h, err := s.head(run)
	if err != nil {
		return nil, err
	}
	if i < 0 || i >= int(h.blocks) {
		return nil, fmt.Errorf("run %d has no block %d", run, i)
	}
	return s.read(run, h.slot, uint32(i), buf)
}

// read reads one block and verifies it.
func (s blockBadger) read(run uint64, slot, block uint32, buf []byte) (data []byte, err error) {
	ts, err := s.b.enter()
	if err != nil {
		return nil, err
	}
	defer s.b.leave(ts)
	defer metaRecover(&err, "could not read run %d", run)
	first, err := s.b.getInto(math.MaxUint64, blockPieceKey(slot, block, 0), buf)
	if err != nil {
		return nil, err
	}
	a := blockAssembly{run: run, block: block}
	a.add(0, first)
	for piece := 1; a.missing() > 0; piece++ {
		next, err := s.b.get(math.MaxUint64, blockPieceKey(slot, block, piece))
		if err != nil {
			return nil, err
		}
		if len(next) == 0 {
			break
		}
		a.add(piece, next)
	}
	return a.finish()
}

// blockAssembly puts the pieces of a block together.
type blockAssembly struct {
	run    uint64
	block  uint32
	length uint32
	crc    uint32
	data   []byte
	ok     bool
}

// add takes the next piece. The data of a single piece is not copied.
func (a *blockAssembly) add(piece int, value []byte) {
	if piece > 0 {
		a.data = append(a.data, value...)
		return
	}
	if len(value) < blockPieceHead {
		return
	}
	a.length = binary.BigEndian.Uint32(value)
	a.crc = binary.BigEndian.Uint32(value[4:])
	a.data = value[blockPieceHead:]
	a.ok = true
}

// missing returns how many bytes are still to come.
func (a *blockAssembly) missing() int { return int(a.length) - len(a.data) }

// finish verifies the block.
func (a *blockAssembly) finish() ([]byte, error) {
	if !a.ok || a.missing() != 0 || blockSum(a.run, a.block, a.data) != a.crc {
		if a.block == blockIndexBlock {
			return nil, fileCorrupt("the index of run %d is damaged", a.run)
		}
		return nil, fileCorrupt("block %d of run %d is damaged", a.block, a.run)
	}
	return a.data, nil
}

// Blocks implements BlockStore.
func (s blockBadger) Blocks(run uint64, from, n int, fn func(i int, block []byte) error) (err error) {
	h, err := s.head(run)
	if err != nil {
		return err
	}
	if from < 0 || n < 0 || from+n > int(h.blocks) {
		return fmt.Errorf("run %d has no blocks %d to %d", run, from, from+n-1)
	}
	if n == 0 {
		return nil
	}
	ts, err := s.b.enter()
	if err != nil {
		return err
	}
	defer s.b.leave(ts)
	a := blockAssembly{run: run, block: uint32(from)}
	piece := 0
	end := uint32(from + n)
	start := blockPieceKey(h.slot, uint32(from), 0)
	err = s.b.scan(math.MaxUint64, blockSlotPrefix(h.slot), start, true, func(_, value []byte) error {
		a.add(piece, value)
		piece++
		if a.missing() > 0 {
			if piece == 1 {
				a.data = slices.Clone(a.data) // value is valid during this call
			}
			return nil
		}
		data, err := a.finish()
		if err != nil {
			return err
		}
		if err := fn(int(a.block), data[:len(data):len(data)]); err != nil {
			return err
		}
		a = blockAssembly{run: run, block: a.block + 1}
		piece = 0
		if a.block == end {
			return errBlockScanEnd
		}
		return nil
	})
	switch {
	case errors.Is(err, errBlockScanEnd):
		return nil
	case err == nil:
		return fileCorrupt("run %d ends before block %d", run, a.block)
	}
	return err
}

// Drop implements BlockStore. The head goes last, so that a crash leaves an
// orphan and no blocks without a head.
func (s blockBadger) Drop(run uint64) error {
	runs := &s.b.blocks
	runs.mu.RLock()
	h, ok := runs.heads[run]
	runs.mu.RUnlock()
	if s.b.isClosed() {
		return os.ErrClosed
	}
	if !ok {
		return nil
	}
	if err := s.remove(run, h); err != nil {
		return err
	}
	runs.mu.Lock()
	delete(runs.heads, run)
	delete(runs.used, h.slot)
	runs.mu.Unlock()
	return nil
}

func (s blockBadger) remove(run uint64, h blockHead) error {
	keys, err := s.keys(h)
	if err != nil {
		return err
	}
	if h.finished {
		// From here on it is no whole run any more.
		h.finished = false
		keys = append([]metaOp{{blockRunKey(run), h.encode()}}, keys...)
	}
	keys = append(keys, metaOp{blockRunKey(run), nil})
	s.b.commitMu.Lock()
	defer s.b.commitMu.Unlock()
	if s.b.isClosed() {
		return os.ErrClosed
	}
	for len(keys) > 0 {
		n := s.b.fits(keys)
		if n == len(keys) && n > 1 {
			n-- // the deletion of the head alone
		}
		if err := s.b.apply(keys[:n]); err != nil {
			return err
		}
		keys = keys[n:]
	}
	s.b.publish()
	return nil
}

// keys returns the deletions of all pieces in a run's slot. Those of a finished
// run with small blocks are known; others have to be looked for.
func (s blockBadger) keys(h blockHead) ([]metaOp, error) {
	var ops []metaOp
	if h.finished && !h.wide {
		for i := range h.blocks {
			ops = append(ops, metaOp{blockPieceKey(h.slot, i, 0), nil})
		}
		return append(ops, metaOp{blockPieceKey(h.slot, blockIndexBlock, 0), nil}), nil
	}
	ts, err := s.b.enter()
	if err != nil {
		return nil, err
	}
	defer s.b.leave(ts)
	err = s.b.scan(math.MaxUint64, blockSlotPrefix(h.slot), nil, false, func(key, _ []byte) error {
		ops = append(ops, metaOp{slices.Clone(key), nil})
		return nil
	})
	return ops, err
}

// Runs implements BlockStore.
func (s blockBadger) Runs() ([]uint64, error) {
	if s.b.isClosed() {
		return nil, os.ErrClosed
	}
	runs := &s.b.blocks
	runs.mu.RLock()
	defer runs.mu.RUnlock()
	return slices.Sorted(maps.Keys(runs.heads)), nil
}

// Close implements BlockStore.
func (s blockBadger) Close() error { return s.b.Close() }
