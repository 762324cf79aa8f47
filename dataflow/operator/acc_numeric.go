package operator

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// numericSum is sum and avg of numeric. It counts the values by scale, so that
// the sum shows the greatest scale among the values that are there, also after
// those with a greater one have been retracted. State: the scales with their
// counts, the sum, and the counts of NaN and infinities if there are any.
type numericSum struct {
	avg  bool
	slot []numericSlot
	wide []numericWide
}

// numericSlot is the common case: values of one scale, a sum of 127 bits.
type numericSlot struct {
	sum   int128
	n     int64
	scale int32
	wide  int32 // index + 1: the sum is there
}

// numericWide is any sum.
type numericWide struct {
	sum                 types.Decimal
	scales              []scaleCount // ascending, no count is 0
	nan, posInf, negInf int64
	err                 error
}

type scaleCount struct {
	scale int32
	n     int64
}

func (a *numericSum) grow(n int) { a.slot = extend(a.slot, n) }

func (a *numericSum) add(v *zset.Vector, in *rowSet) {
	for i, r := range in.rows {
		d, w := v.Dec[r], in.weightOf(r)
		s := &a.slot[in.slots[i]]
		if !s.add(d, w) {
			a.widen(s).add(d, w)
		}
	}
}

// add adds d * w if that is simple.
func (s *numericSlot) add(d types.Decimal, w int64) bool {
	hi, lo, ok := d.Int128()
	if !ok || s.wide != 0 || hi != int64(lo)>>63 {
		return false
	}
	hi, lo = mul64(int64(lo), w)
	return s.addSum(int128{hi, lo}, d.Scale(), w)
}

// addSum adds a sum of n values if the scale is right and nothing overflows.
func (s *numericSlot) addSum(x int128, scale int32, n int64) bool {
	if s.n == 0 && s.sum.isZero() {
		s.scale = scale
	}
	if s.wide != 0 || s.scale != scale {
		return false
	}
	lo, c := bits.Add64(s.sum.lo, x.lo, 0)
	hi := s.sum.hi + x.hi + int64(c)
	if (s.sum.hi^hi)&(x.hi^hi) < 0 {
		return false
	}
	s.sum, s.n = int128{hi, lo}, s.n+n
	return true
}

// widen moves a slot's sum to where any sum fits.
func (a *numericSum) widen(s *numericSlot) *numericWide {
	if s.wide == 0 {
		a.wide = append(a.wide, numericWide{})
		s.wide = int32(len(a.wide))
		w := &a.wide[s.wide-1]
		w.sum = types.NewDecimal(s.sum.hi, s.sum.lo, s.scale)
		w.count(s.scale, s.n)
		s.sum, s.n, s.scale = int128{}, 0, 0
	}
	return &a.wide[s.wide-1]
}

func (w *numericWide) add(d types.Decimal, weight int64) {
	switch {
	case d.IsNaN():
		w.nan += weight
	case d.IsInf() && d.Sign() > 0:
		w.posInf += weight
	case d.IsInf():
		w.negInf += weight
	default:
		p, err := d.Mul(types.DecimalFromInt64(weight))
		w.addSum(p, err)
		w.count(d.Scale(), weight)
	}
}

func (w *numericWide) addSum(d types.Decimal, err error) {
	if err == nil {
		w.sum, err = w.sum.Add(d)
	}
	if err != nil && w.err == nil {
		w.err = err
	}
}

// count adds n values of a scale.
func (w *numericWide) count(scale int32, n int64) {
	i, found := slices.BinarySearchFunc(w.scales, scale, func(c scaleCount, s int32) int { return int(c.scale) - int(s) })
	if !found {
		if n != 0 {
			w.scales = slices.Insert(w.scales, i, scaleCount{scale, n})
		}
		return
	}
	w.scales[i].n += n
	if w.scales[i].n == 0 {
		w.scales = slices.Delete(w.scales, i, i+1)
	}
}

// total returns a slot's sum as a wide one.
func (a *numericSum) total(s *numericSlot) (t numericWide) {
	if s.wide != 0 {
		t = a.wide[s.wide-1]
	} else {
		t.sum = types.NewDecimal(s.sum.hi, s.sum.lo, s.scale)
		t.count(s.scale, s.n)
	}
	scale := int32(0)
	if k := len(t.scales); k > 0 {
		scale = t.scales[k-1].scale
	}
	if t.sum.Scale() != scale {
		t.sum = t.sum.Round(scale) // exact: no value that is left has more digits
	}
	return t
}

// The state begins with twice the number of scales, plus one if counts of
// special values follow.
func (a *numericSum) appendState(dst []byte, slot int, _ int64) []byte {
	s := &a.slot[slot]
	if s.wide == 0 && s.n != 0 {
		dst = append(dst, 1<<1)
		dst = binary.AppendUvarint(dst, uint64(s.scale))
		dst = binary.AppendVarint(dst, s.n)
		return types.NewDecimal(s.sum.hi, s.sum.lo, s.scale).AppendImage(dst)
	}
	t := a.total(s)
	special := t.nan != 0 || t.posInf != 0 || t.negInf != 0
	h := uint64(len(t.scales)) << 1
	if special {
		h |= 1
	}
	dst = binary.AppendUvarint(dst, h)
	for _, c := range t.scales {
		dst = binary.AppendUvarint(dst, uint64(c.scale))
		dst = binary.AppendVarint(dst, c.n)
	}
	if len(t.scales) > 0 {
		dst = t.sum.AppendImage(dst)
	}
	if special {
		dst = binary.AppendVarint(dst, t.nan)
		dst = binary.AppendVarint(dst, t.posInf)
		dst = binary.AppendVarint(dst, t.negInf)
	}
	return dst
}

func (a *numericSum) merge(slot int, _ int64, state []byte) ([]byte, error) {
	t, state, err := decodeNumeric(state)
	if err != nil {
		return nil, err
	}
	s := &a.slot[slot]
	if len(t.scales) == 1 && t.nan|t.posInf|t.negInf == 0 {
		hi, lo, ok := t.sum.Int128()
		if ok && s.addSum(int128{hi, lo}, t.scales[0].scale, t.scales[0].n) {
			return state, nil
		}
	}
	w := a.widen(s)
	w.addSum(t.sum, nil)
	for _, c := range t.scales {
		w.count(c.scale, c.n)
	}
	w.nan, w.posInf, w.negInf = w.nan+t.nan, w.posInf+t.posInf, w.negInf+t.negInf
	return state, w.err
}

func decodeNumeric(state []byte) (t numericWide, rest []byte, err error) {
	h, n := binary.Uvarint(state)
	if n <= 0 || h>>1 > uint64(len(state)) {
		return t, nil, errImage
	}
	state = state[n:]
	for range h >> 1 {
		var c scaleCount
		u, n := binary.Uvarint(state)
		if n <= 0 || u > 1<<20 {
			return t, nil, errImage
		}
		c.scale = int32(u)
		if c.n, state, err = readVarint(state[n:]); err != nil {
			return t, nil, err
		}
		t.scales = append(t.scales, c)
	}
	if h>>1 > 0 {
		var ok bool
		if t.sum, state, ok = types.DecodeImage(state); !ok || !t.sum.IsFinite() {
			return t, nil, errImage
		}
	}
	if h&1 != 0 {
		for _, p := range []*int64{&t.nan, &t.posInf, &t.negInf} {
			if *p, state, err = readVarint(state); err != nil {
				return t, nil, err
			}
		}
	}
	return t, state, nil
}

func (a *numericSum) empty(slot int) bool {
	s := &a.slot[slot]
	if s.wide == 0 {
		return s.n == 0 && s.sum.isZero()
	}
	t := a.total(s)
	return len(t.scales) == 0 && t.sum.IsZero() && t.nan == 0 && t.posInf == 0 && t.negInf == 0
}

func (a *numericSum) result(slot int, out *zset.Vector) *sqlerr.Error {
	s := &a.slot[slot]
	if s.wide == 0 {
		return a.finish(out, types.NewDecimal(s.sum.hi, s.sum.lo, s.scale), s.n)
	}
	t := a.total(s)
	n := t.nan + t.posInf + t.negInf
	for _, c := range t.scales {
		n += c.n
	}
	switch {
	case t.err != nil:
		out.AppendNull()
		return sqlerr.From(t.err)
	case t.nan != 0 || t.posInf != 0 && t.negInf != 0:
		t.sum = types.DecimalNaN()
	case t.posInf != 0:
		t.sum = types.DecimalInf(1)
	case t.negInf != 0:
		t.sum = types.DecimalInf(-1)
	}
	return a.finish(out, t.sum, n)
}

func (a *numericSum) finish(out *zset.Vector, sum types.Decimal, n int64) *sqlerr.Error {
	switch {
	case n == 0:
		out.AppendNull()
	case a.avg:
		return appendQuotient(out, sum, n)
	default:
		out.AppendDecimal(sum)
	}
	return nil
}

func (a *numericSum) reset() {
	clear(a.wide)
	a.slot, a.wide = keep(a.slot), keep(a.wide)
}

func (a *numericSum) memory() int { return 32*cap(a.slot) + 128*cap(a.wide) }
