package operator

import (
	"encoding/binary"
	"math"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// intervalSum is sum and avg of intervals; months, days and microseconds are
// summed each for itself, as PostgreSQL does.
type intervalSum struct {
	avg  bool
	slot []intervalSlot
}

type intervalSlot struct {
	part [3]int128 // months, days, microseconds
	n    int64
}

func (a *intervalSum) grow(n int) { a.slot = extend(a.slot, n) }

func (a *intervalSum) add(v *zset.Vector, in *rowSet) {
	for i, r := range in.rows {
		x, w := v.Ival[r], in.weightOf(r)
		s := &a.slot[in.slots[i]]
		s.part[0].add64(int64(x.Months), w)
		s.part[1].add64(int64(x.Days), w)
		s.part[2].add64(x.Micros, w)
		s.n += w
	}
}

func (a *intervalSum) merge(slot int, rows int64, state []byte) ([]byte, error) {
	s := &a.slot[slot]
	state, err := mergeCount(&s.n, rows, state)
	for i := range s.part {
		if err != nil {
			return nil, err
		}
		var x int128
		x, state, err = readInt128(state)
		s.part[i].add(x)
	}
	return state, err
}

func (a *intervalSum) appendState(dst []byte, slot int, rows int64) []byte {
	s := &a.slot[slot]
	dst = binary.AppendVarint(dst, rows-s.n)
	for _, x := range s.part {
		dst = appendInt128(dst, x)
	}
	return dst
}

func (a *intervalSum) empty(slot int) bool { return a.slot[slot] == intervalSlot{} }

func (a *intervalSum) result(slot int, out *zset.Vector) *sqlerr.Error {
	s := &a.slot[slot]
	if s.n == 0 {
		out.AppendNull()
		return nil
	}
	var part [3]int64
	fits := true
	for i, x := range s.part {
		v, ok := x.int64()
		part[i], fits = v, fits && ok
	}
	if !fits || !isInt32(part[0]) || !isInt32(part[1]) {
		out.AppendNull()
		return sqlerr.New(sqlerr.DatetimeFieldOverflow, "interval out of range")
	}
	sum := types.IntervalValue{Months: int32(part[0]), Days: int32(part[1]), Micros: part[2]}
	if a.avg {
		var err error
		if sum, err = sum.Div(float64(s.n)); err != nil {
			out.AppendNull()
			return sqlerr.From(err)
		}
	}
	out.AppendInterval(sum)
	return nil
}

func isInt32(v int64) bool { return v >= math.MinInt32 && v <= math.MaxInt32 }

func (a *intervalSum) reset()      { a.slot = keep(a.slot) }
func (a *intervalSum) memory() int { return 56 * cap(a.slot) }
