package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

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
	f := s.newFilter(false)
	wanted := func(d Damage) {
		if !f.allDead(d.First, d.Last) {
			found(d)
		}
	}
	for _, r := range v.runs() {
		if err := checkRun(ctx, r, wanted, nil); err != nil {
			return err
		}
	}
	return nil
}

// runs lists all runs of the version.
func (v *version) runs() (runs []*run) {
	for _, sorted := range v.trees {
		for _, sr := range sorted {
			runs = append(runs, sr.pieces...)
		}
	}
	return runs
}

// runChecker walks one run.
type runChecker struct {
	run   *run
	index *runIndex
	found func(Damage)

	key, next []byte // of the last row, and memory for the next one's
	epoch     uint64
	rows      uint64
	bad       bool
}

// checkRun verifies one run. pay, if not nil, is told what was read and may wait.
func checkRun(ctx context.Context, r *run, found func(Damage), pay func(bytes int)) error {
	x, err := r.idx()
	if err != nil {
		found(r.damage("index", err))
		return ctx.Err()
	}
	c := &runChecker{run: r, index: x, found: found}
	for i := 0; i < x.blocks; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := r.blocksIn(longChunk, i)
		seen, size := 0, 0
		err := r.store.Blocks(r.id, i, n, func(at int, b []byte) error {
			seen++
			size += len(b)
			c.block(at, b)
			return nil
		})
		i += seen
		if pay != nil {
			pay(size)
		}
		if err != nil {
			if errors.Is(err, ctx.Err()) {
				return err
			}
			c.damageBlock(i, err)
			i++ // go on behind the damaged block
		}
	}
	if !c.bad && c.rows != r.rows {
		c.damage("manifest", corrupt("run %d has %d rows, the manifest says %d", r.id, c.rows, r.rows))
	}
	if !c.bad && !bytes.Equal(c.key, r.hi) {
		c.damage("manifest", corrupt("run %d ends at another key than the manifest says", r.id))
	}
	return nil
}

func corrupt(format string, args ...any) error {
	return sqlerr.New(sqlerr.DataCorrupted, format, args...)
}

func (c *runChecker) damage(place string, err error) {
	c.bad = true
	c.found(c.run.damage(place, err))
}

func (c *runChecker) damageBlock(i int, err error) {
	c.bad = true
	d := c.run.damage(fmt.Sprintf("block %d", i), err)
	d.First, d.Last = c.index.arrangements(i, c.run.hi)
	c.found(d)
}

func (c *runChecker) block(at int, b []byte) {
	k, ok := parseBlock(b)
	if !ok {
		c.damageBlock(at, c.run.damaged(at))
		return
	}
	for i := range k.n {
		row, ok := k.row(i)
		if !ok {
			c.damageBlock(at, c.run.damaged(at))
			return
		}
		key := append(append(c.next[:0], k.prefix...), row.rest...)
		if err := c.row(at, i, key, row.epoch); err != nil {
			c.damageBlock(at, err)
			return
		}
		c.key, c.next, c.epoch = key, c.key, row.epoch
		c.rows++
	}
}

func (c *runChecker) badRow(at, i int, what string) error {
	return corrupt("row %d in block %d of run %d %s", i, at, c.run.id, what)
}

// row checks one row against the one before it and against the index.
func (c *runChecker) row(at, i int, key []byte, epoch uint64) error {
	if len(key) < runKeyArr {
		return c.badRow(at, i, "has no arrangement")
	}
	order := bytes.Compare(key, c.key)
	switch {
	case c.bad: // the row before it may be missing
	case c.rows == 0 && !bytes.Equal(key, c.run.lo):
		return corrupt("run %d begins at another key than the manifest says", c.run.id)
	case order < 0 || order == 0 && c.rows > 0 && epoch >= c.epoch:
		return c.badRow(at, i, "is out of order")
	}
	if epoch < c.run.least || epoch > c.run.last {
		return c.badRow(at, i, fmt.Sprintf("is of epoch %d, the run of %d to %d", epoch, c.run.least, c.run.last))
	}
	if c.index.find(key, 0) != at {
		return c.badRow(at, i, "is not found through the fences")
	}
	if !c.index.mayHave(hashKey(runKeyArrangement(key), key[runKeyArr:])) {
		return c.badRow(at, i, "is not found through the Bloom filter")
	}
	return nil
}
