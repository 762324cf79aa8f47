package operator

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
)

// A sum of floats is kept exactly: as an integer number of 2^-1074, the
// smallest float there is. So a retraction takes away just what was added, and
// neither the order of the input nor its cuts show in the last digits (Kulisch:
// Computer Arithmetic and Validity, 2013: the long accumulator).
//
// exactFloat is the whole accumulator: two's complement, lowest word first.
// 2^1024 is bit 2098; the rest is room for 2^200 summands. floatWindow is four
// words of it, enough for all summands of one group of one epoch as a rule.
type exactFloat [floatWords]uint64

const (
	floatWords   = 36
	floatUnitExp = -1074 // exponent of bit 0
)

// floatWindow is a part of an exactFloat from word base on.
type floatWindow struct {
	word [4]uint64
	base int32
	used bool
}

// splitFloat returns a finite float as mantissa * 2^(bit-1074).
func splitFloat(f float64) (mantissa int64, bit int) {
	b := math.Float64bits(f)
	mantissa = int64(b & (1<<52 - 1))
	if e := int(b >> 52 & 0x7ff); e > 0 {
		mantissa |= 1 << 52
		bit = e - 1
	}
	if b>>63 != 0 {
		mantissa = -mantissa
	}
	return mantissa, bit
}

// mul64 returns the signed product of two integers, as high and low word.
func mul64(a, b int64) (hi int64, lo uint64) {
	h, l := bits.Mul64(uint64(a), uint64(b))
	return int64(h) - a>>63&b - b>>63&a, l
}

// placed returns a signed 128-bit number shifted left by s < 64 bits, in four
// words.
func placed(hi int64, lo uint64, s uint) (w [4]uint64) {
	sign := uint64(hi >> 63)
	if s == 0 {
		return [4]uint64{lo, uint64(hi), sign, sign}
	}
	return [4]uint64{lo << s, uint64(hi)<<s | lo>>(64-s), uint64(hi >> (64 - s)), sign}
}

// add adds f * weight. It returns false, and adds nothing, when the product
// lies outside of the window or could overflow it.
func (w *floatWindow) add(f float64, weight int64) bool {
	m, bit := splitFloat(f)
	if m == 0 {
		return true
	}
	if weight > math.MaxInt32 || weight < -math.MaxInt32 {
		return false // below that, 2^40 summands cannot overflow the window
	}
	hi, lo := mul64(m, weight)
	return w.addAt(hi, lo, bit)
}

// addAt adds a signed number of less than 2^120, shifted left by so many bits.
func (w *floatWindow) addAt(hi int64, lo uint64, bit int) bool {
	word := int32(bit >> 6)
	if !w.used {
		w.used = true
		w.base = word
		if bit&63 < 32 && word > 0 {
			w.base--
		}
	}
	p := placed(hi, lo, uint(bit&63))
	var c uint64
	switch word - w.base {
	case 0:
		w.word[0], c = bits.Add64(w.word[0], p[0], 0)
		w.word[1], c = bits.Add64(w.word[1], p[1], c)
		w.word[2], c = bits.Add64(w.word[2], p[2], c)
		w.word[3], _ = bits.Add64(w.word[3], p[3], c)
	case 1:
		w.word[1], c = bits.Add64(w.word[1], p[0], 0)
		w.word[2], c = bits.Add64(w.word[2], p[1], c)
		w.word[3], _ = bits.Add64(w.word[3], p[2], c)
	default:
		return false
	}
	return true
}

// addWords adds a signed number of some words at a word position.
func (x *exactFloat) addWords(word []uint64, base int) {
	var c uint64
	i := base
	for _, w := range word {
		if i >= floatWords {
			return
		}
		x[i], c = bits.Add64(x[i], w, c)
		i++
	}
	sign := uint64(int64(word[len(word)-1]) >> 63)
	for ; i < floatWords && (sign != 0 || c != 0); i++ {
		x[i], c = bits.Add64(x[i], sign, c)
	}
}

// addWindow adds a window.
func (x *exactFloat) addWindow(w *floatWindow) {
	if w.used {
		x.addWords(w.word[:], int(w.base))
	}
}

// add adds f * weight.
func (x *exactFloat) add(f float64, weight int64) {
	m, bit := splitFloat(f)
	hi, lo := mul64(m, weight)
	p := placed(hi, lo, uint(bit&63))
	x.addWords(p[:], bit>>6)
}

// addExact adds another sum.
func (x *exactFloat) addExact(y *exactFloat) {
	var c uint64
	for i := range x {
		x[i], c = bits.Add64(x[i], y[i], c)
	}
}

// magnitude returns the absolute value and whether x is negative.
func (x *exactFloat) magnitude() (m exactFloat, negative bool) {
	if int64(x[floatWords-1]) >= 0 {
		return *x, false
	}
	var b uint64
	for i := range x {
		m[i], b = bits.Sub64(0, x[i], b)
	}
	return m, true
}

// topBit returns the index of the highest set bit, -1 for zero.
func (x *exactFloat) topBit() int {
	for i := floatWords - 1; i >= 0; i-- {
		if x[i] != 0 {
			return i<<6 + bits.Len64(x[i]) - 1
		}
	}
	return -1
}

// isZero says whether the sum is zero.
func (x *exactFloat) isZero() bool { return *x == exactFloat{} }

// float64 returns the sum rounded to the nearest float8, ties to even. An
// overflow gives an infinity.
func (x *exactFloat) float64() float64 { return x.round(53, 0) }

// float32 returns the sum rounded to the nearest float4, ties to even.
func (x *exactFloat) float32() float64 {
	f := x.round(24, -149-floatUnitExp)
	if math.Abs(f) > math.MaxFloat32 {
		return math.Inf(int(math.Copysign(1, f)))
	}
	return f
}

// round keeps precision bits, but none below bit lowest.
func (x *exactFloat) round(precision, lowest int) float64 {
	m, negative := x.magnitude()
	top := m.topBit()
	if top < 0 {
		return 0
	}
	low := max(top-precision+1, lowest)
	mantissa := m.bitsFrom(low)
	if low > 0 && m.bit(low-1) && (mantissa&1 != 0 || m.anyBelow(low-1)) {
		mantissa++
	}
	f := math.Ldexp(float64(mantissa), low+floatUnitExp)
	if negative {
		return -f
	}
	return f
}

// bitsFrom returns the 64 bits from bit i on.
func (x *exactFloat) bitsFrom(i int) uint64 {
	word, s := i>>6, uint(i&63)
	if word >= floatWords {
		return 0
	}
	v := x[word] >> s
	if s > 0 && word+1 < floatWords {
		v |= x[word+1] << (64 - s)
	}
	return v
}

func (x *exactFloat) bit(i int) bool { return x[i>>6]>>uint(i&63)&1 != 0 }

// anyBelow says whether a bit below bit i is set.
func (x *exactFloat) anyBelow(i int) bool {
	for w := range i >> 6 {
		if x[w] != 0 {
			return true
		}
	}
	return x[i>>6]&(1<<uint(i&63)-1) != 0
}

// append encodes the sum: 0, or length of the magnitude in bytes times two plus
// sign, number of zero bytes below, magnitude. Equal sums give equal bytes.
func (x *exactFloat) append(dst []byte) []byte {
	m, negative := x.magnitude()
	top := m.topBit()
	if top < 0 {
		return append(dst, 0)
	}
	var raw [8 * floatWords]byte
	for i, w := range m {
		binary.LittleEndian.PutUint64(raw[8*i:], w)
	}
	end := top>>3 + 1
	low := 0
	for raw[low] == 0 {
		low++
	}
	h := uint64(end-low) << 1
	if negative {
		h |= 1
	}
	dst = binary.AppendUvarint(dst, h)
	dst = binary.AppendUvarint(dst, uint64(low))
	return append(dst, raw[low:end]...)
}

var errImage = errors.New("group image is damaged")

// decode reads what append wrote and returns the rest.
func (x *exactFloat) decode(src []byte) ([]byte, error) {
	*x = exactFloat{}
	h, n := binary.Uvarint(src)
	if n <= 0 {
		return nil, errImage
	}
	src = src[n:]
	if h == 0 {
		return src, nil
	}
	low, n := binary.Uvarint(src)
	size := h >> 1
	if n <= 0 || low > 8*floatWords || size > 8*floatWords || low+size > 8*floatWords || uint64(len(src)-n) < size {
		return nil, errImage
	}
	src = src[n:]
	var raw [8 * floatWords]byte
	copy(raw[low:], src[:size])
	for i := range x {
		x[i] = binary.LittleEndian.Uint64(raw[8*i:])
	}
	if h&1 != 0 {
		var b uint64
		for i := range x {
			x[i], b = bits.Sub64(0, x[i], b)
		}
	}
	return src[size:], nil
}
