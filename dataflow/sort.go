package dataflow

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
)

// SortKey is one column of ORDER BY.
type SortKey struct {
	Column     int
	Desc       bool
	NullsFirst bool
}

// SortRows returns the rows in the order of the keys, without the first offset
// ones and at most limit (-1: all). A row of weight m counts as m rows. Rows that
// compare equal keep the order in which they came.
func SortRows(rows operator.Delta, keys []SortKey, limit, offset int64) operator.Delta {
	s := NewSorter(keys, limit, offset, 0)
	for _, b := range rows {
		if err := s.Add(b); err != nil {
			panic(err) // without a limit of memory there is none
		}
	}
	return s.Rows()
}

// Sorter is SortRows for rows that come one batch after the other. With a limit
// it keeps few more rows than are asked for. Its Add is an Emit of Execute.
type Sorter struct {
	keys    []SortKey
	limit   int64
	offset  int64
	memory  int64
	keep    int // rows that can be in the result; 0: all
	batches []*zset.Batch
	held    int64
	images  zset.List // key bytes of each row
	rows    []sortRow
	cutoff  []byte // rows from here on are too late; nil: none
}

// sortRow is a row that waits. Prefix is the beginning of its key, so that most
// comparisons need not follow the reference.
type sortRow struct {
	prefix uint64
	image  int32 // also the order of arrival
	batch  int32
	row    int32
}

// NewSorter returns a sorter that fails with 53200 when it holds more than
// memory bytes (0: no limit). Limit -1 means all rows.
func NewSorter(keys []SortKey, limit, offset, memory int64) *Sorter {
	s := &Sorter{keys: keys, limit: limit, offset: offset, memory: memory}
	if limit >= 0 && limit <= maxTopRows && offset <= maxTopRows {
		s.keep = int(limit + offset)
	}
	return s
}

// maxTopRows is up to how many rows a result is kept by pruning.
const maxTopRows = 1 << 20

// Add takes a batch, which must not be changed any more.
func (s *Sorter) Add(b *zset.Batch) error {
	if s.limit == 0 {
		return nil
	}
	at := int32(len(s.batches))
	taken := false
	for i := range b.Len() {
		r := b.Row(i)
		if b.WeightAt(r) <= 0 {
			continue
		}
		start := len(s.images.Data)
		s.appendKey(b, r)
		image := s.images.Data[start:]
		if s.cutoff != nil && bytes.Compare(image, s.cutoff) >= 0 {
			s.images.Data = s.images.Data[:start]
			continue
		}
		s.images.End()
		s.rows = append(s.rows, sortRow{keyPrefix(image), int32(s.images.Len() - 1), at, int32(r)})
		taken = true
	}
	if taken {
		s.batches = append(s.batches, b)
		s.held += int64(b.ByteSize())
	}
	if s.keep > 0 && len(s.rows) >= 2*s.keep+scanBatchRows {
		s.prune()
	}
	if used := s.held + int64(cap(s.images.Data)+24*cap(s.rows)); s.memory > 0 && used > s.memory {
		return errMemory(s.memory)
	}
	return nil
}

func (s *Sorter) appendKey(b *zset.Batch, row int) {
	for _, k := range s.keys {
		s.images.Data = zset.AppendKeyOrdered(s.images.Data, &b.Cols[k.Column], row, k.Desc, k.NullsFirst)
	}
}

func keyPrefix(image []byte) uint64 {
	if len(image) >= 8 {
		return binary.BigEndian.Uint64(image)
	}
	var buf [8]byte
	copy(buf[:], image)
	return binary.BigEndian.Uint64(buf[:])
}

func (s *Sorter) sort() {
	slices.SortFunc(s.rows, func(a, b sortRow) int {
		if a.prefix != b.prefix {
			return cmp.Compare(a.prefix, b.prefix)
		}
		if c := bytes.Compare(s.images.At(int(a.image)), s.images.At(int(b.image))); c != 0 {
			return c
		}
		return cmp.Compare(a.image, b.image)
	})
}

// prune keeps the rows that can be in the result, copied to a batch of their
// own so that the others' memory is free.
func (s *Sorter) prune() {
	s.sort()
	s.rows = s.rows[:s.keep]
	cutoff := bytes.Clone(s.images.At(int(s.rows[s.keep-1].image)))
	kept := zset.NewBatch(s.batches[0].Types(), s.keep)
	var images zset.List
	for i := range s.rows {
		r := &s.rows[i]
		b := s.batches[r.batch]
		kept.AppendRow(b, int(r.row), b.WeightAt(int(r.row)))
		images.Add(s.images.At(int(r.image)))
		r.image, r.batch, r.row = int32(i), 0, int32(i)
	}
	s.cutoff, s.images, s.batches = cutoff, images, []*zset.Batch{kept}
	s.held = int64(kept.ByteSize())
}

// Rows ends the sorter and returns the rows in order.
func (s *Sorter) Rows() operator.Delta {
	if len(s.rows) == 0 {
		return nil
	}
	s.sort()
	skip, left := s.offset, s.limit
	if left < 0 {
		left = math.MaxInt64
	}
	ts := s.batches[0].Types()
	var out operator.Delta
	var b *zset.Batch
	for _, r := range s.rows {
		src := s.batches[r.batch]
		n := src.WeightAt(int(r.row))
		skipped := min(skip, n)
		skip -= skipped
		n = min(n-skipped, left)
		if n <= 0 {
			continue
		}
		left -= n
		if b == nil || b.N >= scanBatchRows {
			b = zset.NewBatch(ts, 0)
			out = append(out, b)
		}
		b.AppendRow(src, int(r.row), n)
	}
	return out
}
