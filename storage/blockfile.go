package storage

import (
	"github.com/streamdb/streamdb/internal/sqlerr"
)

// FileBlocks is the BlockStore in files, one a run.
type FileBlocks struct{}

// OpenFileBlocks opens or creates the store in directory dir.
func OpenFileBlocks(dir string) (*FileBlocks, error) {
	return nil, sqlerr.New(sqlerr.FeatureNotSupported, "blocks are being built")
}

func (s *FileBlocks) Create(run uint64) (RunWriter, error)                { return nil, nil }
func (s *FileBlocks) Index(run uint64) ([]byte, error)                    { return nil, nil }
func (s *FileBlocks) Block(run uint64, i int, buf []byte) ([]byte, error) { return nil, nil }
func (s *FileBlocks) Blocks(run uint64, from, n int, fn func(i int, block []byte) error) error {
	return nil
}
func (s *FileBlocks) Drop(run uint64) error   { return nil }
func (s *FileBlocks) Runs() ([]uint64, error) { return nil, nil }
func (s *FileBlocks) Close() error            { return nil }
