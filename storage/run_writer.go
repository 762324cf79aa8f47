package storage

import (
	"bytes"
	"fmt"
)

// runBuilder writes one run. Its user adds rows in order and calls finish or
// abort.
type runBuilder struct {
	desc   runDesc
	out    RunWriter
	target int // size at which a block is closed

	blk    blockBuilder
	last   []byte // last key
	starts []uint32
	fences []byte
	hashes []uint64
}

// newRun begins a run of about the given number of rows.
func (s *Store) newRun(home runHome, d runDesc, rows int) (*runBuilder, error) {
	d.id, d.home = s.tree.newRunID(), home
	out, err := s.blocks(home).Create(d.id)
	if err != nil {
		return nil, fmt.Errorf("could not create run %d: %w", d.id, err)
	}
	return &runBuilder{desc: d, out: out, target: s.opts.blockSize(home), hashes: make([]uint64, 0, rows)}, nil
}

// add adds an image of a key (as in runs) with its hash. All images of a key
// stay in one block.
func (b *runBuilder) add(key []byte, h, epoch uint64, tomb bool, val []byte) error {
	first := len(b.hashes) == 0
	if first || !bytes.Equal(key, b.last) {
		if b.blk.size() > 0 && b.blk.size()+len(key)+len(val)+5 > b.target {
			if err := b.flush(); err != nil {
				return err
			}
		}
		if len(b.blk.rows) == 0 {
			b.starts = append(b.starts, uint32(len(b.fences)))
			n := len(key)
			if !first {
				n = min(n, commonPrefix(b.last, key)+1)
			}
			b.fences = append(b.fences, key[:n]...)
		}
		if first {
			b.desc.lo = bytes.Clone(key)
			b.desc.least, b.desc.last = epoch, epoch
		}
		b.last = append(b.last[:0], key...)
		b.hashes = append(b.hashes, h)
	}
	b.blk.add(key, epoch, tomb, val)
	b.desc.rows++
	b.desc.least, b.desc.last = min(b.desc.least, epoch), max(b.desc.last, epoch)
	return nil
}

func (b *runBuilder) flush() error {
	enc := b.blk.encode()
	if err := b.out.Append(enc); err != nil {
		return fmt.Errorf("could not write run %d: %w", b.desc.id, err)
	}
	b.desc.bytes += uint64(len(enc))
	b.desc.blocks++
	b.blk.reset()
	return nil
}

// size returns the bytes written so far.
func (b *runBuilder) size() int64 { return int64(b.desc.bytes) + int64(b.blk.size()) }

// finish makes the run durable.
func (b *runBuilder) finish() (runDesc, error) {
	if err := b.flush(); err != nil {
		return runDesc{}, err
	}
	b.desc.hi = bytes.Clone(b.last)
	index := encodeIndex(b.starts, b.fences, b.hashes)
	if err := b.out.Finish(index); err != nil {
		return runDesc{}, fmt.Errorf("could not finish run %d: %w", b.desc.id, err)
	}
	b.desc.bytes += uint64(len(index))
	return b.desc, nil
}

func (b *runBuilder) abort() { b.out.Abort() }
