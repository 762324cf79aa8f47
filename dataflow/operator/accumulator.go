package operator

import (
	"encoding/binary"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// accumulator keeps one aggregate for all slots of an epoch. It begins as the
// aggregate of nothing, takes the epoch's rows by add, then the state of the
// stored image by merge; after that it has the group's new value and state.
//
// The state is a function of the group's rows alone, never of their order or of
// the cuts between epochs.
type accumulator interface {
	// grow makes room for n slots.
	grow(n int)
	// add adds rows of v to their slots; none of the values is NULL.
	add(v *zset.Vector, in *rowSet)
	// merge adds stored state of a group of so many rows, and returns the rest.
	merge(slot int, rows int64, state []byte) (rest []byte, err error)
	// appendState appends the state of a slot, of a group of so many rows.
	appendState(dst []byte, slot int, rows int64) []byte
	// empty says whether the slot is as if no row had been added.
	empty(slot int) bool
	// result appends the aggregate's value to out. An error is one of the
	// group's row; a value is appended all the same.
	result(slot int, out *zset.Vector) *sqlerr.Error
	reset()
	memory() int
}

// rowSet lists rows of a batch with their groups and weights.
type rowSet struct {
	rows   []int32 // physical rows
	slots  []int32 // the group of each
	weight []int64 // by physical row; nil: +1
}

func (s *rowSet) weightOf(row int32) int64 {
	if s.weight == nil {
		return 1
	}
	return s.weight[row]
}

// restrict writes to out the rows of s at which filter (nil: none) is true and
// v (nil: none) is not NULL; it returns s itself when these are all.
func (s *rowSet) restrict(filter, v *zset.Vector, out *rowSet) *rowSet {
	if filter == nil && (v == nil || v.Null == nil) {
		return s
	}
	out.rows, out.slots, out.weight = out.rows[:0], out.slots[:0], s.weight
	for i, r := range s.rows {
		if filter != nil && (!filter.Bool[r] || filter.Null.Get(int(r))) {
			continue
		}
		if v != nil && v.Null.Get(int(r)) {
			continue
		}
		out.rows = append(out.rows, r)
		out.slots = append(out.slots, s.slots[i])
	}
	return out
}

// extend grows s to n elements; new ones are zero.
func extend[T any](s []T, n int) []T {
	if n <= len(s) {
		return s
	}
	if n <= cap(s) {
		old := len(s)
		s = s[:n]
		clear(s[old:])
		return s
	}
	grown := make([]T, n, max(n+n/2, 64))
	copy(grown, s)
	return grown
}

// keep returns the slice empty, or nil if it is too large to be kept from one
// epoch to the next.
func keep[T any](s []T) []T {
	if cap(s) > keepEntries {
		return nil
	}
	return s[:0]
}

// readVarint reads a varint of stored state.
func readVarint(b []byte) (v int64, rest []byte, err error) {
	v, n := binary.Varint(b)
	if n <= 0 {
		return 0, nil, errImage
	}
	return v, b[n:], nil
}

func readInt128(b []byte) (v int128, rest []byte, err error) {
	v, n := decodeInt128(b)
	if n <= 0 {
		return v, nil, errImage
	}
	return v, b[n:], nil
}

// rowCount is count(*): the number of rows of the group, which the operator
// keeps anyway.
type rowCount struct{ agg *Aggregate }

func (c *rowCount) grow(int)                                      {}
func (c *rowCount) add(*zset.Vector, *rowSet)                     {}
func (c *rowCount) empty(int) bool                                { return true }
func (c *rowCount) reset()                                        {}
func (c *rowCount) memory() int                                   { return 0 }
func (c *rowCount) appendState(dst []byte, _ int, _ int64) []byte { return dst }

func (c *rowCount) merge(_ int, _ int64, state []byte) ([]byte, error) { return state, nil }

func (c *rowCount) result(slot int, out *zset.Vector) *sqlerr.Error {
	out.AppendInt(c.agg.rows[slot])
	return nil
}

// count is count(x), and count(*) with FILTER. State: how many rows were not
// counted, as a rule 0.
type count struct{ n []int64 }

func (c *count) grow(n int) { c.n = extend(c.n, n) }

func (c *count) add(_ *zset.Vector, in *rowSet) { addCounts(c.n, in) }

func addCounts(n []int64, in *rowSet) {
	if in.weight == nil {
		for _, s := range in.slots {
			n[s]++
		}
		return
	}
	for i, s := range in.slots {
		n[s] += in.weight[in.rows[i]]
	}
}

func (c *count) merge(slot int, rows int64, state []byte) ([]byte, error) {
	rest, err := mergeCount(&c.n[slot], rows, state)
	return rest, err
}

func (c *count) appendState(dst []byte, slot int, rows int64) []byte {
	return binary.AppendVarint(dst, rows-c.n[slot])
}

// mergeCount reads a count that is stored as the difference to the number of
// rows.
func mergeCount(n *int64, rows int64, state []byte) ([]byte, error) {
	d, rest, err := readVarint(state)
	*n += rows - d
	return rest, err
}

func (c *count) empty(slot int) bool { return c.n[slot] == 0 }

func (c *count) result(slot int, out *zset.Vector) *sqlerr.Error {
	out.AppendInt(c.n[slot])
	return nil
}

func (c *count) reset()      { c.n = keep(c.n) }
func (c *count) memory() int { return 8 * cap(c.n) }

// boolSum is bool_and and bool_or: it counts values and false ones.
type boolSum struct {
	or bool
	n  []int64
	f  []int64
}

func (b *boolSum) grow(n int) { b.n, b.f = extend(b.n, n), extend(b.f, n) }

func (b *boolSum) add(v *zset.Vector, in *rowSet) {
	for i, r := range in.rows {
		w := in.weightOf(r)
		s := in.slots[i]
		b.n[s] += w
		if !v.Bool[r] {
			b.f[s] += w
		}
	}
}

func (b *boolSum) merge(slot int, rows int64, state []byte) ([]byte, error) {
	state, err := mergeCount(&b.n[slot], rows, state)
	if err != nil {
		return nil, err
	}
	f, rest, err := readVarint(state)
	b.f[slot] += f
	return rest, err
}

func (b *boolSum) appendState(dst []byte, slot int, rows int64) []byte {
	dst = binary.AppendVarint(dst, rows-b.n[slot])
	return binary.AppendVarint(dst, b.f[slot])
}

func (b *boolSum) empty(slot int) bool { return b.n[slot] == 0 && b.f[slot] == 0 }

func (b *boolSum) result(slot int, out *zset.Vector) *sqlerr.Error {
	switch {
	case b.n[slot] == 0:
		out.AppendNull()
	case b.or:
		out.AppendBool(b.f[slot] < b.n[slot])
	default:
		out.AppendBool(b.f[slot] == 0)
	}
	return nil
}

func (b *boolSum) reset()      { b.n, b.f = keep(b.n), keep(b.f) }
func (b *boolSum) memory() int { return 8 * (cap(b.n) + cap(b.f)) }

// intSum is sum and avg of integers.
type intSum struct {
	avg  bool
	out  types.Type // Int8 or Numeric
	slot []intSlot
}

type intSlot struct {
	sum int128
	n   int64
}

func (a *intSum) grow(n int) { a.slot = extend(a.slot, n) }

func (a *intSum) add(v *zset.Vector, in *rowSet) {
	vals := v.Int
	if in.weight == nil {
		for i, r := range in.rows {
			s := &a.slot[in.slots[i]]
			s.sum.add64(vals[r], 1)
			s.n++
		}
		return
	}
	for i, r := range in.rows {
		s := &a.slot[in.slots[i]]
		w := in.weight[r]
		s.sum.add64(vals[r], w)
		s.n += w
	}
}

func (a *intSum) merge(slot int, rows int64, state []byte) ([]byte, error) {
	s := &a.slot[slot]
	state, err := mergeCount(&s.n, rows, state)
	if err != nil {
		return nil, err
	}
	sum, rest, err := readInt128(state)
	s.sum.add(sum)
	return rest, err
}

func (a *intSum) appendState(dst []byte, slot int, rows int64) []byte {
	s := &a.slot[slot]
	return appendInt128(binary.AppendVarint(dst, rows-s.n), s.sum)
}

func (a *intSum) empty(slot int) bool { return a.slot[slot] == intSlot{} }

func (a *intSum) result(slot int, out *zset.Vector) *sqlerr.Error {
	s := &a.slot[slot]
	switch {
	case s.n == 0:
		out.AppendNull()
	case a.out == types.Int8:
		v, ok := s.sum.int64()
		if !ok {
			out.AppendNull()
			return sqlerr.New(sqlerr.NumericValueOutOfRange, "bigint out of range")
		}
		out.AppendInt(v)
	default:
		d := types.DecimalFromInt128(s.sum.hi, s.sum.lo)
		if a.avg {
			return appendQuotient(out, d, s.n)
		}
		out.AppendDecimal(d)
	}
	return nil
}

// appendQuotient appends sum/n with PostgreSQL's scale of quotients.
func appendQuotient(out *zset.Vector, sum types.Decimal, n int64) *sqlerr.Error {
	q, err := sum.Div(types.DecimalFromInt64(n))
	if err != nil {
		out.AppendNull()
		return sqlerr.From(err)
	}
	out.AppendDecimal(q)
	return nil
}

func (a *intSum) reset()      { a.slot = keep(a.slot) }
func (a *intSum) memory() int { return 24 * cap(a.slot) }
