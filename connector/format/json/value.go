package json

import (
	"unicode/utf8"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// op says how a column's values are read.
type op uint8

const (
	opInt     op = iota // int2, int4, int8, oid
	opText              // text, varchar, char
	opTime              // date, timestamp, timestamptz
	opFloat             // float4, float8
	opNumeric           // numeric
	opBool              // bool
	opString            // types with a text format only: time, interval, uuid, bytea
	opJSON              // json: the value's own text
	opJSONB             // jsonb: the value's canonical text
	opArray             // an array of any of these
)

// opOf returns the way to read a type; not every type can be.
func opOf(t types.Type) (op, bool) {
	if t.IsArray() {
		_, ok := opOf(t.Elem())
		return opArray, ok
	}
	switch t.Base() {
	case types.Int2, types.Int4, types.Int8, types.OIDType:
		return opInt, true
	case types.Text, types.Varchar, types.BPChar:
		return opText, true
	case types.Date, types.Timestamp, types.Timestamptz:
		return opTime, true
	case types.Float4, types.Float8:
		return opFloat, true
	case types.Numeric:
		return opNumeric, true
	case types.Bool:
		return opBool, true
	case types.Time, types.TimeTZ, types.Interval, types.UUID, types.Bytea:
		return opString, true
	case types.JSON:
		return opJSON, true
	case types.JSONB:
		return opJSONB, true
	}
	return 0, false
}

// value reads the value of a column whose vector has exactly the rows before.
func (d *Decoder) value(b []byte, i int, col int32, c *column) (int, *sqlerr.Error) {
	if i >= len(b) {
		return i, syntaxError(b, i)
	}
	if b[i] == 'n' && c.op != opJSON && c.op != opJSONB {
		end, err := literal(b, i, "null")
		if err == nil && c.store {
			c.vec.AppendNull()
		}
		return end, err
	}
	switch c.op {
	case opInt:
		return d.intValue(b, i, col, c)
	case opText:
		return d.textValue(b, i, col, c)
	case opTime:
		return d.timeValue(b, i, col, c)
	case opFloat:
		return d.floatValue(b, i, col, c)
	case opNumeric:
		return d.numericValue(b, i, col, c)
	case opBool:
		return d.boolValue(b, i, col, c)
	case opString:
		return d.stringValue(b, i, col, c)
	case opArray:
		return d.arrayValue(b, i, col, c)
	default:
		return d.jsonValue(b, i, col, c)
	}
}

// textValue reads a string into a column of text.
func (d *Decoder) textValue(b []byte, i int, col int32, c *column) (int, *sqlerr.Error) {
	if b[i] != '"' {
		return d.reject(b, i, col, c, nil)
	}
	if c.limit < 0 {
		start := i + 1
		if end := scanString(b, start); end < len(b) && b[end] == '"' {
			if !c.store {
				return end + 1, nil
			}
			if v := &c.vec; v.Null == nil && len(v.Off) != 0 && len(v.Data) < 1<<31 {
				v.Data = append(v.Data, b[start:end]...)
				v.Off = append(v.Off, uint32(len(v.Data)))
			} else {
				v.AppendBytes(b[start:end])
			}
			return end + 1, nil
		}
	}
	s, end, err := d.unquote(b, i)
	if err != nil {
		return end, err
	}
	if s == nil {
		return d.reject(b, i, col, c, badEscape(c, b[i:end]))
	}
	if c.limit >= 0 {
		cut, ok := fitLength(s, c.limit)
		if !ok {
			return d.reject(b, i, col, c, tooLong(c))
		}
		if s = cut; c.typ.Base() == types.BPChar {
			s = d.pad(s, c.limit)
		}
	}
	if c.store {
		c.vec.AppendBytes(s)
	}
	return end, nil
}

// fitLength cuts blanks beyond n characters, as PostgreSQL does; other text
// beyond them does not fit.
func fitLength(s []byte, n int) ([]byte, bool) {
	if len(s) <= n {
		return s, true
	}
	at := 0
	for ; n > 0 && at < len(s); n-- {
		_, size := utf8.DecodeRune(s[at:])
		at += size
	}
	for _, c := range s[at:] {
		if c != ' ' {
			return nil, false
		}
	}
	return s[:at], true
}

// pad fills s with blanks up to n characters.
func (d *Decoder) pad(s []byte, n int) []byte {
	missing := n - utf8.RuneCount(s)
	if missing <= 0 {
		return s
	}
	d.scratch = append(d.scratch[:0], s...) // s may be the scratch itself
	for range missing {
		d.scratch = append(d.scratch, ' ')
	}
	return d.scratch
}

// boolValue reads true or false.
func (d *Decoder) boolValue(b []byte, i int, col int32, c *column) (int, *sqlerr.Error) {
	word, v := "false", false
	switch b[i] {
	case 't':
		word, v = "true", true
	case 'f':
	default:
		return d.reject(b, i, col, c, nil)
	}
	end, err := literal(b, i, word)
	if err == nil && c.store {
		c.vec.AppendBool(v)
	}
	return end, err
}

// stringValue reads a string whose text the type's own input function takes.
func (d *Decoder) stringValue(b []byte, i int, col int32, c *column) (int, *sqlerr.Error) {
	if b[i] != '"' {
		return d.reject(b, i, col, c, nil)
	}
	s, end, err := d.unquote(b, i)
	if err != nil {
		return end, err
	}
	if s == nil {
		return d.reject(b, i, col, c, badEscape(c, b[i:end]))
	}
	v, perr := parseText(c.typ, s)
	if perr != nil {
		return d.reject(b, i, col, c, inColumn(c, b[i:end], perr))
	}
	if c.store {
		c.vec.AppendDatum(v)
	}
	return end, nil
}

// jsonValue reads any value into a column of json or jsonb.
func (d *Decoder) jsonValue(b []byte, i int, col int32, c *column) (int, *sqlerr.Error) {
	end, err := skipValue(b, i, 1+d.nested)
	if err != nil {
		return end, err
	}
	if string(b[i:end]) == "null" { // a column that is missing and one that is null read alike
		if c.store {
			c.vec.AppendNull()
		}
		return end, nil
	}
	if c.op == opJSON {
		if c.store {
			c.vec.AppendBytes(b[i:end])
		}
		return end, nil
	}
	text, perr := types.AppendJSONB(d.scratch[:0], b[i:end])
	if perr != nil {
		return d.reject(b, i, col, c, inColumn(c, b[i:end], perr))
	}
	d.scratch = text
	if c.store {
		c.vec.AppendBytes(text)
	}
	return end, nil
}

// unquote reads the string at i. The text shares memory with the record or the
// scratch buffer; nil means that an escape has no text (NUL, lone surrogate).
func (d *Decoder) unquote(b []byte, i int) ([]byte, int, *sqlerr.Error) {
	start := i + 1
	end := scanString(b, start)
	if end < len(b) && b[end] == '"' {
		return b[start:end:end], end + 1, nil
	}
	next, err := skipString(b, i)
	if err != nil {
		return nil, next, err
	}
	text := b[start : next-1]
	if scanEscape(text) < 0 {
		return text[:len(text):len(text)], next, nil
	}
	var ok bool
	if d.scratch, ok = appendUnescaped(d.scratch[:0], text); !ok {
		return nil, next, nil
	}
	return d.scratch, next, nil
}

// parseText reads a type's text format. The session's settings do not matter
// here: times without a zone are UTC, dates are read in the order MDY.
func parseText(t types.Type, s []byte) (types.Datum, error) {
	v, err := types.ParseText(t, s, nil)
	if err != nil || t.Typmod() < 0 {
		return v, err
	}
	return types.ApplyTypmod(t, v, false)
}
