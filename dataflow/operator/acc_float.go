package operator

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// floatSum is sum and avg of floats, exact until the result is rounded (see
// exactFloat). State: rows not counted, number of zero sum and special values,
// exact sum.
type floatSum struct {
	avg     bool
	arg     types.Type // Float4: a sum is rounded to float4
	slot    []floatSlot
	wide    []exactFloat
	special []floatSpecial
}

type floatSlot struct {
	n       int64
	win     floatWindow
	wide    int32 // index + 1 of what did not fit the window
	special int32 // index + 1
}

// floatSpecial counts the values that have no place in a sum.
type floatSpecial struct{ nan, posInf, negInf int64 }

func (a *floatSum) grow(n int) { a.slot = extend(a.slot, n) }

func (a *floatSum) add(v *zset.Vector, in *rowSet) {
	for i, r := range in.rows {
		f, w := v.Flt[r], in.weightOf(r)
		s := &a.slot[in.slots[i]]
		s.n += w
		switch {
		case f-f != 0: // NaN or infinite
			a.specialOf(s).add(f, w)
		case !s.win.add(f, w):
			a.wideOf(s).add(f, w)
		}
	}
}

func (p *floatSpecial) add(f float64, w int64) {
	switch {
	case math.IsInf(f, 1):
		p.posInf += w
	case math.IsInf(f, -1):
		p.negInf += w
	default:
		p.nan += w
	}
}

func (a *floatSum) specialOf(s *floatSlot) *floatSpecial {
	if s.special == 0 {
		a.special = append(a.special, floatSpecial{})
		s.special = int32(len(a.special))
	}
	return &a.special[s.special-1]
}

func (a *floatSum) wideOf(s *floatSlot) *exactFloat {
	if s.wide == 0 {
		a.wide = append(a.wide, exactFloat{})
		s.wide = int32(len(a.wide))
	}
	return &a.wide[s.wide-1]
}

func (a *floatSum) merge(slot int, rows int64, state []byte) ([]byte, error) {
	s := &a.slot[slot]
	state, err := mergeCount(&s.n, rows, state)
	if err != nil {
		return nil, err
	}
	if len(state) == 0 {
		return nil, errImage
	}
	flag := state[0]
	state = state[1:]
	if flag != 0 {
		p := a.specialOf(s)
		for _, n := range []*int64{&p.nan, &p.posInf, &p.negInf} {
			var v int64
			if v, state, err = readVarint(state); err != nil {
				return nil, err
			}
			*n += v
		}
	}
	if rest, ok := s.win.addEncoded(state); ok {
		return rest, nil
	}
	var x exactFloat
	rest, err := x.decode(state)
	if err == nil {
		a.wideOf(s).addExact(&x)
	}
	return rest, err
}

// addEncoded adds a sum that exactFloat.append wrote if it fits the window.
func (w *floatWindow) addEncoded(src []byte) (rest []byte, ok bool) {
	h, n := binary.Uvarint(src)
	if n <= 0 {
		return nil, false
	}
	if h == 0 {
		return src[n:], true
	}
	low, m := binary.Uvarint(src[n:])
	size := int(h >> 1)
	src = src[n+max(m, 0):]
	if m <= 0 || size > 15 || size > len(src) || low > 8*floatWords {
		return nil, false
	}
	var raw [16]byte
	copy(raw[:], src[:size])
	lo, hi := binary.LittleEndian.Uint64(raw[:8]), binary.LittleEndian.Uint64(raw[8:])
	if h&1 != 0 {
		var b uint64
		lo, b = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, b)
	}
	return src[size:], w.addAt(int64(hi), lo, int(low)*8)
}

func (a *floatSum) appendState(dst []byte, slot int, rows int64) []byte {
	s := &a.slot[slot]
	dst = binary.AppendVarint(dst, rows-s.n)
	if p := a.specials(s); p != (floatSpecial{}) {
		dst = append(dst, 1)
		dst = binary.AppendVarint(dst, p.nan)
		dst = binary.AppendVarint(dst, p.posInf)
		dst = binary.AppendVarint(dst, p.negInf)
	} else {
		dst = append(dst, 0)
	}
	x := a.total(s)
	return x.append(dst)
}

func (a *floatSum) specials(s *floatSlot) floatSpecial {
	if s.special == 0 {
		return floatSpecial{}
	}
	return a.special[s.special-1]
}

// total returns the sum of the finite values.
func (a *floatSum) total(s *floatSlot) (x exactFloat) {
	if s.wide != 0 {
		x = a.wide[s.wide-1]
	}
	x.addWindow(&s.win)
	return x
}

func (a *floatSum) empty(slot int) bool {
	s := &a.slot[slot]
	x := a.total(s)
	return s.n == 0 && a.specials(s) == floatSpecial{} && x.isZero()
}

func (a *floatSum) result(slot int, out *zset.Vector) *sqlerr.Error {
	s := &a.slot[slot]
	if s.n == 0 {
		out.AppendNull()
		return nil
	}
	p := a.specials(s)
	switch {
	case p.nan != 0 || p.posInf != 0 && p.negInf != 0:
		out.AppendFloat(math.NaN())
		return nil
	case p.posInf != 0:
		out.AppendFloat(math.Inf(1))
		return nil
	case p.negInf != 0:
		out.AppendFloat(math.Inf(-1))
		return nil
	}
	x := a.total(s)
	var f float64
	switch {
	case a.avg:
		f = x.float64() / float64(s.n)
	case a.arg == types.Float4:
		f = x.float32()
	default:
		f = x.float64()
	}
	if math.IsInf(f, 0) {
		out.AppendNull()
		return sqlerr.New(sqlerr.NumericValueOutOfRange, "value out of range: overflow")
	}
	out.AppendFloat(f)
	return nil
}

func (a *floatSum) reset() {
	a.slot, a.wide, a.special = keep(a.slot), keep(a.wide), keep(a.special)
}

func (a *floatSum) memory() int {
	return 64*cap(a.slot) + 8*floatWords*cap(a.wide) + 24*cap(a.special)
}
