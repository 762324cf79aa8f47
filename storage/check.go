package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// Damage is one thing that Check found.
type Damage struct {
	Run   uint64
	Place string // what of the run
	Err   error
}

// Check verifies all runs: checksums, format, order of rows, fences, Bloom
// filters, and what the manifest says of them. found is called for every
// damage. The error is only about why the check could not be finished.
func (s *Store) Check(ctx context.Context, found func(Damage)) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	v := s.tree.acquire()
	defer s.tree.release(v)
	for _, sorted := range v.trees {
		for _, sr := range sorted {
			for _, r := range sr.pieces {
				if err := checkRun(ctx, r, found); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// runChecker walks one run.
type runChecker struct {
	run   *run
	index *runIndex
	found func(Damage)

	key   []byte
	epoch uint64
	rows  uint64
	bad   bool
}

func checkRun(ctx context.Context, r *run, found func(Damage)) error {
	x, err := r.idx()
	if err != nil {
		found(Damage{Run: r.id, Place: "index", Err: err})
		return ctx.Err()
	}
	c := &runChecker{run: r, index: x, found: found}
	for i := 0; i < x.blocks; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := r.blocksIn(longChunk, i)
		seen := 0
		err := r.store.Blocks(r.id, i, n, func(at int, b []byte) error {
			seen++
			c.block(at, b)
			return nil
		})
		i += seen
		if err != nil {
			if errors.Is(err, ctx.Err()) {
				return err
			}
			c.damage(fmt.Sprintf("block %d", i), err)
			i++ // go on behind the damaged block
		}
	}
	if !c.bad && c.rows != r.rows {
		c.damage("manifest", corrupt("run has %d rows, the manifest says %d", c.rows, r.rows))
	}
	if !c.bad && !bytes.Equal(c.key, r.hi) {
		c.damage("manifest", corrupt("run ends at another key than the manifest says"))
	}
	return nil
}

func corrupt(format string, args ...any) error {
	return sqlerr.New(sqlerr.DataCorrupted, format, args...)
}

func (c *runChecker) damage(place string, err error) {
	c.bad = true
	c.found(Damage{Run: c.run.id, Place: place, Err: err})
}

func (c *runChecker) block(at int, b []byte) {
	k, ok := parseBlock(b)
	if !ok {
		c.damage(fmt.Sprintf("block %d", at), c.run.damaged(at))
		return
	}
	for i := range k.n {
		row, ok := k.row(i)
		if !ok {
			c.damage(fmt.Sprintf("block %d", at), c.run.damaged(at))
			return
		}
		key := append(append([]byte{}, k.prefix...), row.rest...)
		if err := c.row(at, i, key, row.epoch); err != nil {
			c.damage(fmt.Sprintf("block %d", at), err)
			return
		}
		c.key, c.epoch = key, row.epoch
		c.rows++
	}
}

// row checks one row against the one before it and against the index.
func (c *runChecker) row(at, i int, key []byte, epoch uint64) error {
	if len(key) < runKeyArr {
		return corrupt("row %d has no arrangement", i)
	}
	order := bytes.Compare(key, c.key)
	switch {
	case c.bad: // the row before it may be missing
	case c.rows == 0 && !bytes.Equal(key, c.run.lo):
		return corrupt("run begins at another key than the manifest says")
	case order < 0 || order == 0 && c.rows > 0 && epoch >= c.epoch:
		return corrupt("row %d is out of order", i)
	}
	if epoch < c.run.least || epoch > c.run.last {
		return corrupt("row %d is of epoch %d, the run of %d to %d", i, epoch, c.run.least, c.run.last)
	}
	if c.index.find(key, 0) != at {
		return corrupt("row %d is not found through the fences", i)
	}
	arr := Arrangement(uint32(key[0])<<24 | uint32(key[1])<<16 | uint32(key[2])<<8 | uint32(key[3]))
	if !c.index.mayHave(hashKey(arr, key[runKeyArr:])) {
		return corrupt("row %d is not found through the Bloom filter", i)
	}
	return nil
}
