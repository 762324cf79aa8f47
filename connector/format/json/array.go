package json

import (
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// arrayValue reads an array into a column of an array type: its elements as a column
// of the elements' type would. Arrays of more dimensions are strings in PostgreSQL's
// text format, as sinks write them.
func (d *Decoder) arrayValue(b []byte, i int, col int32, c *column) (int, *sqlerr.Error) {
	if b[i] != '[' {
		return d.stringValue(b, i, col, c)
	}
	c.elem.vec.Reset()
	failed := len(d.failed)
	d.nested = 1
	end, err := d.elements(b, i+1, col, c.elem)
	d.nested = 0
	if err != nil || len(d.failed) > failed || !c.store {
		return end, err
	}
	d.elems = d.elems[:0]
	for k := range c.elem.vec.Len() {
		d.elems = append(d.elems, c.elem.vec.Datum(k))
	}
	d.array = types.AppendArray(d.array[:0], c.elem.typ, nil, d.elems)
	c.vec.AppendBytes(d.array)
	return end, nil
}

// elements reads what stands behind the bracket that opens an array.
func (d *Decoder) elements(b []byte, i int, col int32, elem *column) (int, *sqlerr.Error) {
	if i = skipSpace(b, i); i < len(b) && b[i] == ']' {
		return i + 1, nil
	}
	for {
		var err *sqlerr.Error
		if i, err = d.value(b, skipSpace(b, i), col, elem); err != nil {
			return i, err
		}
		i = skipSpace(b, i)
		switch {
		case i < len(b) && b[i] == ']':
			return i + 1, nil
		case i == len(b) || b[i] != ',':
			return i, syntaxError(b, i)
		}
		i++
	}
}
