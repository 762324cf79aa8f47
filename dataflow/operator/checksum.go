package operator

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// ChecksumSpec folds its input into a count of rows and a checksum that does
// not depend on their order (CREATE SINK with connector 'blackhole'). It puts
// nothing out.
//
// The checksum is PostgreSQL's own hash of rows, summed modulo 2^64, every row
// as often as its weight says. So over a relation t in PostgreSQL (14 or later)
// with the same rows the sink's rows and checksum are
//
//	SELECT count(*), mod(sum(hash_record_extended(t, 0)) + 18446744073709551616 * count(*),
//	       18446744073709551616) FROM t;
//
// That is, with all arithmetic modulo 2^64:
//
//	checksum = sum over the rows of weight * h(row)
//	h(row)   = fold over the columns from left to right, h = h * 31 + e(value), from 0
//	e(NULL)  = 0
//
// and e(value) is Bob Jenkins' lookup3 (PostgreSQL's hash_bytes_extended with
// seed 0) over
//
//	boolean, int2, int4, int8, oid, date, time, timestamp(tz)  the value's low 32
//	    bits, xored with the high ones if it is not negative, with their
//	    complement if it is, as one word
//	real, double precision         the value as 8 bytes; e = 0 for a zero
//	text, varchar, name, bytea, uuid   its bytes; char(n): without trailing blanks
//	all others (numeric, interval, timetz, json, jsonb, arrays)
//	    its text in PostgreSQL's default output format: there the query above
//	    needs ROW(a, n::text, ...) in place of t
//
// State: one row in Arr, nothing while both numbers are 0.
type ChecksumSpec struct {
	Input []types.Type        `json:"input"`
	Arr   storage.Arrangement `json:"arr"`
}

// Checksum is the operator of a ChecksumSpec.
type Checksum struct {
	spec   *ChecksumSpec
	hashes []uint64 // of the rows of one batch, kept for its memory
	text   []byte
}

// NewChecksum makes the operator.
func NewChecksum(spec *ChecksumSpec) (*Checksum, error) { return &Checksum{spec: spec}, nil }

// Apply adds the delta to the stored numbers.
func (c *Checksum) Apply(in []Delta, st State, _ uint64, _ *Output) error {
	var rows int64
	var sum uint64
	for _, b := range in[0] {
		n, s := c.batch(b)
		rows, sum = rows+n, sum+s
	}
	if rows == 0 && sum == 0 {
		return nil
	}
	set := storage.ChangeSet{Arr: c.spec.Arr}
	set.Keys.Add([]byte{GlobalKey})
	var images storage.Values
	if err := st.Fetch(c.spec.Arr, &set.Keys, &images); err != nil {
		return err
	}
	if images[0] != nil {
		n, s, err := DecodeChecksum(images[0])
		if err != nil {
			return err
		}
		rows, sum = rows+n, sum+s
	}
	switch {
	case rows < 0:
		return errNegative()
	case rows == 0 && sum == 0:
		set.Dead = zset.NewBitmap(1)
		set.Dead.Set(0)
	default:
		set.Vals.Data = binary.AppendUvarint(set.Vals.Data, uint64(rows))
		set.Vals.Data = binary.LittleEndian.AppendUint64(set.Vals.Data, sum)
	}
	set.Vals.End()
	st.Change(set)
	return nil
}

// ChecksumKey is the key of the only row of a checksum's arrangement.
func ChecksumKey() []byte { return []byte{GlobalKey} }

// DecodeChecksum reads the stored numbers.
func DecodeChecksum(image []byte) (rows int64, sum uint64, err error) {
	n, size := binary.Uvarint(image)
	if size <= 0 || len(image) != size+8 || n > math.MaxInt64 {
		return 0, 0, sqlerr.New(sqlerr.DataCorrupted, "a stored checksum is damaged")
	}
	return int64(n), binary.LittleEndian.Uint64(image[size:]), nil
}

// batch returns the weights' sum and the weighted sum of the hashes.
func (c *Checksum) batch(b *zset.Batch) (rows int64, sum uint64) {
	n := b.Len()
	if cap(c.hashes) < n {
		c.hashes = make([]uint64, n)
	}
	h := c.hashes[:n]
	clear(h)
	for i := range b.Cols {
		c.column(h, &b.Cols[i], b.Sel)
	}
	if b.Weight == nil {
		for _, x := range h {
			sum += x
		}
		return int64(n), sum
	}
	for i, x := range h {
		w := b.Weight[b.Row(i)]
		rows += w
		sum += uint64(w) * x
	}
	return rows, sum
}

// column folds one column into the hashes of the rows (sel: which; nil: all).
func (c *Checksum) column(h []uint64, v *zset.Vector, sel []int32) {
	switch v.Type.Base() {
	case types.Numeric, types.Interval, types.JSON, types.JSONB, types.TimeTZ, types.Record:
		c.texts(h, v, sel)
		return
	}
	switch v.Type.Kind() {
	case types.KindBool:
		foldBools(h, v, sel)
	case types.KindInt64:
		foldInts(h, v, sel)
	case types.KindFloat64:
		foldFloats(h, v, sel)
	case types.KindBytes:
		foldBytes(h, v, sel)
	default:
		c.texts(h, v, sel)
	}
}

func (c *Checksum) texts(h []uint64, v *zset.Vector, sel []int32) {
	for i := range h {
		r := rowAt(sel, i)
		h[i] *= 31
		if !v.Null.Get(r) {
			c.text = types.AppendText(c.text[:0], v.Type, v.Datum(r), nil)
			h[i] += hashBytes(c.text)
		}
	}
}

func rowAt(sel []int32, i int) int {
	if sel != nil {
		return int(sel[i])
	}
	return i
}

func foldBools(h []uint64, v *zset.Vector, sel []int32) {
	both := [2]uint64{hashWord(0), hashWord(1)}
	for i := range h {
		r := rowAt(sel, i)
		h[i] *= 31
		if v.Null.Get(r) {
			continue
		}
		if v.Bool[r] {
			h[i] += both[1]
		} else {
			h[i] += both[0]
		}
	}
}

func foldInts(h []uint64, v *zset.Vector, sel []int32) {
	if sel == nil && v.Null == nil {
		ints := v.Int[:len(h)]
		for i, x := range ints {
			h[i] = h[i]*31 + hashWord(foldInt(x))
		}
		return
	}
	for i := range h {
		r := rowAt(sel, i)
		h[i] *= 31
		if !v.Null.Get(r) {
			h[i] += hashWord(foldInt(v.Int[r]))
		}
	}
}

// foldInt makes 32 bits of 64 so that the same number in a narrower type gives
// the same.
func foldInt(x int64) uint32 { return uint32(x) ^ uint32(x>>32) ^ uint32(x>>63) }

func foldFloats(h []uint64, v *zset.Vector, sel []int32) {
	var word [8]byte
	for i := range h {
		r := rowAt(sel, i)
		h[i] *= 31
		if v.Null.Get(r) || v.Flt[r] == 0 {
			continue
		}
		x := v.Flt[r]
		if x != x {
			x = math.Float64frombits(0x7ff8000000000000) // PostgreSQL has one NaN
		}
		binary.LittleEndian.PutUint64(word[:], math.Float64bits(x))
		h[i] += hashBytes(word[:])
	}
}

func foldBytes(h []uint64, v *zset.Vector, sel []int32) {
	padded := v.Type.Base() == types.BPChar
	for i := range h {
		r := rowAt(sel, i)
		h[i] *= 31
		if v.Null.Get(r) {
			continue
		}
		s := v.Data[v.Off[r]:v.Off[r+1]]
		for padded && len(s) > 0 && s[len(s)-1] == ' ' {
			s = s[:len(s)-1]
		}
		h[i] += hashBytes(s)
	}
}

// hashSeed is what lookup3 begins with, before the length is added.
const hashSeed = (0x9e3779b9 + 3923095) & (1<<32 - 1)

// hashWord is hash_bytes_uint32_extended with seed 0.
func hashWord(k uint32) uint64 { return hashFinal(hashSeed+4+k, hashSeed+4, hashSeed+4) }

// hashFinal is lookup3's last step; the result is b above c.
func hashFinal(a, b, c uint32) uint64 {
	c ^= b
	c -= bits.RotateLeft32(b, 14)
	a ^= c
	a -= bits.RotateLeft32(c, 11)
	b ^= a
	b -= bits.RotateLeft32(a, 25)
	c ^= b
	c -= bits.RotateLeft32(b, 16)
	a ^= c
	a -= bits.RotateLeft32(c, 4)
	b ^= a
	b -= bits.RotateLeft32(a, 14)
	c ^= b
	c -= bits.RotateLeft32(b, 24)
	return uint64(b)<<32 | uint64(c)
}

// hashBytes is hash_bytes_extended with seed 0.
func hashBytes(s []byte) uint64 {
	a := hashSeed + uint32(len(s))
	b, c := a, a
	for len(s) >= 12 {
		a += binary.LittleEndian.Uint32(s)
		b += binary.LittleEndian.Uint32(s[4:])
		c += binary.LittleEndian.Uint32(s[8:])
		a -= c
		a ^= bits.RotateLeft32(c, 4)
		c += b
		b -= a
		b ^= bits.RotateLeft32(a, 6)
		a += c
		c -= b
		c ^= bits.RotateLeft32(b, 8)
		b += a
		a -= c
		a ^= bits.RotateLeft32(c, 16)
		c += b
		b -= a
		b ^= bits.RotateLeft32(a, 19)
		a += c
		c -= b
		c ^= bits.RotateLeft32(b, 4)
		b += a
		s = s[12:]
	}
	// What is left of c goes above its lowest byte, which the length has.
	var tail [12]byte
	copy(tail[:], s)
	a += binary.LittleEndian.Uint32(tail[:])
	b += binary.LittleEndian.Uint32(tail[4:])
	c += binary.LittleEndian.Uint32(tail[8:]) << 8
	return hashFinal(a, b, c)
}
