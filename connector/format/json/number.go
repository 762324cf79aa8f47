package json

import (
	"math"
	"strconv"
	"unsafe"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// startsNumber says whether a value that begins with c can only be a number.
func startsNumber(c byte) bool { return c == '-' || digit(c) }

// intValue reads an integer. Numbers with a fraction or exponent are taken when
// their value is integral (5.0, 1e3).
func (d *Decoder) intValue(b []byte, i int, col int32, c *column) (int, *sqlerr.Error) {
	at := i
	neg := b[at] == '-'
	if neg {
		at++
	}
	start := at
	var v uint64
	for at < len(b) && digit(b[at]) {
		v = v*10 + uint64(b[at]-'0')
		at++
	}
	n := at - start
	if n == 0 || n > 18 || (n > 1 && b[start] == '0') || (at < len(b) && (b[at] == '.' || b[at]|0x20 == 'e')) {
		return d.intSlow(b, i, col, c)
	}
	x := int64(v)
	if neg {
		x = -x
	}
	if x < c.lo || x > c.hi {
		return d.reject(b, i, col, c, outOfRange(c, b[i:at]))
	}
	if c.store {
		c.vec.AppendInt(x)
	}
	return at, nil
}

func intRange(t types.Type) (lo, hi int64) {
	switch t.Base() {
	case types.Int2:
		return math.MinInt16, math.MaxInt16
	case types.Int4:
		return math.MinInt32, math.MaxInt32
	case types.OIDType:
		return 0, math.MaxUint32
	}
	return math.MinInt64, math.MaxInt64
}

func (d *Decoder) intSlow(b []byte, i int, col int32, c *column) (int, *sqlerr.Error) {
	if !startsNumber(b[i]) {
		return d.reject(b, i, col, c, nil)
	}
	end, err := skipNumber(b, i)
	if err != nil {
		return end, err
	}
	x, integral, ok := exactInt(b[i:end])
	if integral {
		if !ok || x < c.lo || x > c.hi {
			return d.reject(b, i, col, c, outOfRange(c, b[i:end]))
		}
		if c.store {
			c.vec.AppendInt(x)
		}
		return end, nil
	}
	return d.reject(b, i, col, c, nil)
}

// exactInt reads any JSON number: whether it is integral, and if it fits into
// int64 its value.
func exactInt(s []byte) (v int64, integral, fits bool) {
	if zeroDigits(s) {
		return 0, true, true
	}
	if extreme(s) {
		return 0, true, false
	}
	dec, err := types.ParseDecimal(s)
	if err != nil {
		return 0, true, false
	}
	whole := dec.Trunc(0)
	if whole.Cmp(dec) != 0 {
		return 0, false, false
	}
	v, fits = whole.Int64()
	return v, true, fits
}

// extreme says whether a number is so long, or its exponent so great, that
// exact arithmetic with it costs more than an integer column can be worth.
func extreme(s []byte) bool {
	if len(s) > 512 {
		return true
	}
	for k, c := range s {
		if c|0x20 == 'e' {
			e := s[k+1:]
			for len(e) > 0 && (e[0] == '-' || e[0] == '+' || e[0] == '0') {
				e = e[1:]
			}
			return len(e) > 3
		}
	}
	return false
}

// floatValue reads a number, rounded correctly to the nearest float.
func (d *Decoder) floatValue(b []byte, i int, col int32, c *column) (int, *sqlerr.Error) {
	if !startsNumber(b[i]) {
		return d.notFinite(b, i, col, c)
	}
	end, err := skipNumber(b, i)
	if err != nil {
		return end, err
	}
	bits := 64
	if c.typ.Base() == types.Float4 {
		bits = 32
	}
	// The string shares the record's memory for the call only.
	f, perr := strconv.ParseFloat(unsafe.String(&b[i], end-i), bits)
	if perr != nil || (f == 0 && !zeroDigits(b[i:end])) {
		return d.reject(b, i, col, c, outOfRange(c, b[i:end]))
	}
	if c.store {
		c.vec.AppendFloat(f)
	}
	return end, nil
}

// zeroDigits says whether all digits before the exponent are 0.
func zeroDigits(s []byte) bool {
	for _, c := range s {
		if c|0x20 == 'e' {
			return true
		}
		if c > '0' && c <= '9' {
			return false
		}
	}
	return true
}

// numericValue reads a number exactly; numeric(p,s) rounds to its scale.
func (d *Decoder) numericValue(b []byte, i int, col int32, c *column) (int, *sqlerr.Error) {
	if !startsNumber(b[i]) {
		return d.notFinite(b, i, col, c)
	}
	end, err := skipNumber(b, i)
	if err != nil {
		return end, err
	}
	dec, perr := types.ParseDecimal(b[i:end])
	if precision, scale, ok := c.typ.NumericModifier(); ok && perr == nil {
		dec, perr = dec.Rescale(precision, scale)
	}
	if perr != nil {
		return d.reject(b, i, col, c, inColumn(c, b[i:end], perr))
	}
	if c.store {
		c.vec.AppendDecimal(dec)
	}
	return end, nil
}

// notFinite reads what JSON has no numbers for: the strings "NaN", "Infinity" and
// "-Infinity", as PostgreSQL's to_json and our Encoder write them. No other string
// is a number.
func (d *Decoder) notFinite(b []byte, i int, col int32, c *column) (int, *sqlerr.Error) {
	if b[i] != '"' {
		return d.reject(b, i, col, c, nil)
	}
	s, end, err := d.unquote(b, i)
	if err != nil {
		return end, err
	}
	switch string(s) {
	case "NaN", "Infinity", "-Infinity":
	default:
		return d.reject(b, i, col, c, nil)
	}
	v, perr := parseText(c.typ, s)
	if perr != nil { // numeric(p, s) has no infinities
		return d.reject(b, i, col, c, inColumn(c, b[i:end], perr))
	}
	if c.store {
		c.vec.AppendDatum(v)
	}
	return end, nil
}
