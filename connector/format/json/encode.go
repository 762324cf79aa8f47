package json

import (
	"bytes"
	"math"
	"strconv"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// Encoder writes rows as JSON objects with the columns' names, in their order:
//
//	boolean                  true, false
//	int2, int4, int8, oid    a number
//	numeric                  a number with all its digits, as 1.50; NaN and the infinities as strings
//	real, double precision   the shortest number that reads back as the same; NaN and the infinities as strings
//	json, jsonb              the document itself
//	timestamp                "2026-01-02T03:04:05.678", years after 9999 and before 1 as PostgreSQL's to_json has them
//	timestamptz              the same in UTC with "+00:00" behind it
//	arrays                   an array of their elements
//	all others               a string of PostgreSQL's text: dates "2026-01-02", bytea "\\x00ff", intervals "1 day 02:00:00"
//
// A Decoder of the same columns reads the same values back, and so does PostgreSQL's
// jsonb_populate_record. An Encoder belongs to one goroutine.
type Encoder struct {
	columns []encoded
	text    []byte
}

// encoded is one column: which, and the text before its value.
type encoded struct {
	column int
	prefix []byte
}

// NewEncoder makes an encoder of some columns (nil: all) of rows.
func NewEncoder(columns []connector.Column, which []int) *Encoder {
	if which == nil {
		for i := range columns {
			which = append(which, i)
		}
	}
	e := &Encoder{}
	for n, i := range which {
		prefix := []byte{'{'}
		if n > 0 {
			prefix[0] = ','
		}
		prefix = append(types.AppendJSONString(prefix, []byte(columns[i].Name)), ':')
		e.columns = append(e.columns, encoded{i, prefix})
	}
	return e
}

// Append appends a row as an object. It fails only for a damaged value
// (XX001).
func (e *Encoder) Append(dst []byte, cols []zset.Vector, row int) ([]byte, error) {
	if len(e.columns) == 0 {
		return append(dst, "{}"...), nil
	}
	var err error
	for _, c := range e.columns {
		dst = append(dst, c.prefix...)
		if v := &cols[c.column]; v.IsNull(row) {
			dst = append(dst, "null"...)
		} else if dst, err = e.value(dst, v, row); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

func (e *Encoder) value(dst []byte, v *zset.Vector, row int) ([]byte, error) {
	switch v.Type.Base() {
	case types.Bool:
		return strconv.AppendBool(dst, v.Bool[row]), nil
	case types.Int2, types.Int4, types.Int8, types.OIDType:
		return strconv.AppendInt(dst, v.Int[row], 10), nil
	case types.Text, types.Varchar, types.BPChar, types.Name:
		return types.AppendJSONString(dst, v.Bytes(row)), nil
	}
	return e.datum(dst, v.Type, v.Datum(row))
}

func (e *Encoder) datum(dst []byte, t types.Type, d types.Datum) ([]byte, error) {
	switch t.Base() {
	case types.Bool:
		return strconv.AppendBool(dst, d.Bool), nil
	case types.Int2, types.Int4, types.Int8, types.OIDType:
		return strconv.AppendInt(dst, d.Int, 10), nil
	case types.JSON, types.JSONB:
		return append(dst, d.Bytes...), nil
	case types.Float4, types.Float8:
		if !math.IsNaN(d.Float) && !math.IsInf(d.Float, 0) {
			return types.AppendText(dst, t, d, nil), nil
		}
	case types.Numeric:
		start := len(dst)
		dst = types.AppendText(dst, t, d, nil)
		if bytes.ContainsAny(dst[start:], "0123456789") {
			return dst, nil
		}
		dst = dst[:start] // NaN, Infinity, -Infinity
	}
	if t.IsArray() {
		return e.array(dst, t, d)
	}
	e.text = types.AppendText(e.text[:0], t, d, nil)
	if base := t.Base(); base == types.Timestamp || base == types.Timestamptz {
		e.text = isoTimestamp(e.text, base == types.Timestamptz)
	}
	return types.AppendJSONString(dst, e.text), nil
}

// isoTimestamp makes 2026-01-02T03:04:05+00:00 of 2026-01-02 03:04:05+00.
// What is no moment (infinity) stays as it is.
func isoTimestamp(text []byte, zone bool) []byte {
	at := bytes.IndexByte(text, ' ')
	if at < 0 {
		return text
	}
	text[at] = 'T'
	if !zone {
		return text
	}
	clock, era := text, ""
	if bytes.HasSuffix(text, []byte(" BC")) {
		clock, era = text[:len(text)-3], " BC"
	}
	return append(append(clock, ":00"...), era...)
}

func (e *Encoder) array(dst []byte, t types.Type, d types.Datum) ([]byte, error) {
	l, ok := types.DecodeList(t, d.Bytes)
	if !ok {
		return dst, sqlerr.New(sqlerr.DataCorrupted, "a stored array is damaged")
	}
	if len(l.Dims()) > 1 { // JSON's arrays need not be rectangular; the text says what it is
		return types.AppendJSONString(dst, types.AppendText(nil, t, d, nil)), nil
	}
	dst = append(dst, '[')
	for i := 0; l.Next(); i++ {
		if i > 0 {
			dst = append(dst, ',')
		}
		elem := l.Elem()
		if elem.Null {
			dst = append(dst, "null"...)
			continue
		}
		var err error
		if dst, err = e.datum(dst, t.Elem(), elem); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}
