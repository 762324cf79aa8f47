package storage

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// blockScanSize is the size of a sequential read.
const blockScanSize = 512 << 10

// blockFile is a finished run, mapped.
type blockFile struct {
	run  uint64
	refs atomic.Int64 // users of the mapping; the last one unmaps it
	file *os.File     // for sequential reads
	data []byte       // the mapping of the whole file
	// unmapped is called when the last user has gone; nil: nothing is to be done then.
	unmapped func()
	footer   blockFooter
	table    blockTable
}

// blockOpenFile maps the file of a run. The caller owns one reference.
func blockOpenFile(path string, run uint64) (*blockFile, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("run %d does not exist: %w", run, err)
	}
	if err != nil {
		return nil, fileError(err, "could not open run %d", run)
	}
	b := &blockFile{run: run, file: f}
	b.refs.Store(1)
	if err := b.mapFile(); err != nil {
		b.release()
		return nil, err
	}
	return b, nil
}

// mapFile maps the file and reads what is needed to find its blocks.
func (b *blockFile) mapFile() error {
	st, err := b.file.Stat()
	if err != nil {
		return fileError(err, "could not open run %d", b.run)
	}
	if st.Size() < blockFooterSize {
		return fileCorrupt("run %d is damaged: it has only %d bytes", b.run, st.Size())
	}
	b.data, err = unix.Mmap(int(b.file.Fd()), 0, int(st.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return fileError(err, "could not map run %d", b.run)
	}
	// Blocks are found by key: reading ahead would read what nobody wants.
	_ = unix.Madvise(b.data, unix.MADV_RANDOM)
	return b.guard(b.load)
}

// load reads and verifies footer and table.
func (b *blockFile) load() error {
	size := uint64(len(b.data))
	footer, ok := blockDecodeFooter(b.data[size-blockFooterSize:], size)
	if !ok || footer.run != b.run {
		return fileCorrupt("the footer of run %d is damaged", b.run)
	}
	table := blockTable(b.data[footer.table:footer.index])
	if blockChecksum(table) != footer.tableCRC || !table.check(footer.table) {
		return fileCorrupt("the block table of run %d is damaged", b.run)
	}
	b.footer, b.table = footer, table
	return nil
}

// release gives a reference back.
func (b *blockFile) release() {
	if b.refs.Add(-1) == 0 {
		if b.data != nil {
			_ = unix.Munmap(b.data)
			b.data = nil
		}
		_ = b.file.Close()
		if b.unmapped != nil {
			b.unmapped()
		}
	}
}

// guard calls read, which reads mapped memory, and makes an error of what
// would end the process: where the disk cannot deliver a page, or the file was
// cut by someone else, the access faults.
func (b *blockFile) guard(read func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(interface{ Addr() uintptr }); !ok {
				panic(p)
			}
			err = sqlerr.New(sqlerr.IOError, "could not read run %d: %v", b.run, p)
		}
	}()
	return read()
}

// index returns the verified index.
func (b *blockFile) index() (index []byte, err error) {
	index = b.data[b.footer.index : b.footer.index+b.footer.indexLen]
	err = b.guard(func() error {
		if blockChecksum(index) != b.footer.indexCRC {
			return fileCorrupt("the index of run %d is damaged", b.run)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return index[:len(index):len(index)], nil
}

// block returns block i, verified.
func (b *blockFile) block(i int) (block []byte, err error) {
	if i < 0 || uint64(i) >= b.footer.blocks {
		return nil, fmt.Errorf("run %d has no block %d", b.run, i)
	}
	err = b.guard(func() error {
		from, to, crc := b.table.span(i)
		block = b.data[from:to:to]
		return b.verify(i, block, crc)
	})
	if err != nil {
		return nil, err
	}
	return block, nil
}

func (b *blockFile) verify(i int, block []byte, crc uint32) error {
	if blockChecksum(block) != crc {
		return fileCorrupt("block %d of run %d is damaged", i, b.run)
	}
	return nil
}

// scan reads blocks through buf, with as large reads as fit. The first read is
// small: many a scan ends after its first rows.
func (b *blockFile) scan(from, n int, buf []byte, fn func(i int, block []byte) error) error {
	if from < 0 || n < 0 || uint64(from)+uint64(n) > b.footer.blocks {
		return fmt.Errorf("run %d has no blocks %d to %d", b.run, from, from+n-1)
	}
	if n == 0 {
		return nil
	}
	begin, table, err := b.entries(from, n)
	if err != nil {
		return err
	}
	for limit := uint64(len(buf)) / 8; len(table) > 0; limit = min(limit*2, blockScanSize) {
		k, to := table.fit(begin, limit)
		if to-begin > uint64(len(buf)) {
			buf = make([]byte, to-begin) // one block that is larger than all
		}
		if _, err := b.file.ReadAt(buf[:to-begin], int64(begin)); err != nil {
			return fileError(err, "could not read run %d", b.run)
		}
		if err := b.each(from, buf[:to-begin], begin, table[:k*blockEntrySize], fn); err != nil {
			return err
		}
		from, begin, table = from+k, to, table[k*blockEntrySize:]
	}
	return nil
}

// each verifies the blocks in buf, which begins at offset begin, and hands
// them to fn; the first one is block i.
func (b *blockFile) each(i int, buf []byte, begin uint64, table blockTable, fn func(i int, block []byte) error) error {
	lo := uint64(0)
	for k := range len(table) / blockEntrySize {
		_, end, crc := table.span(k)
		hi := end - begin
		if err := b.verify(i+k, buf[lo:hi], crc); err != nil {
			return err
		}
		if err := fn(i+k, buf[lo:hi:hi]); err != nil {
			return err
		}
		lo = hi
	}
	return nil
}

// entries copies the part of the table for n blocks, and says where the first
// of them begins.
func (b *blockFile) entries(from, n int) (begin uint64, table blockTable, err error) {
	err = b.guard(func() error {
		begin, _, _ = b.table.span(from)
		table = slices.Clone(b.table[from*blockEntrySize : (from+n)*blockEntrySize])
		return nil
	})
	return begin, table, err
}
