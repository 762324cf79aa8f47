package json

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// maxFields bounds what is learned of names: a topic whose records invent
// field names must not fill the memory.
const maxFields = 4096

// maxRaw bounds what is kept of one field.
const maxRaw = 512

// field is a name that records have had.
type field struct {
	raw   []byte // what stood between the value before and this value, a comma in it: `, "name": `
	head  uint64 // its first eight bytes, if it has 8 to 16
	tail  uint64 // its last eight bytes
	short bool   // it has 8 to 16 bytes: head and tail are all of it
	next  int32  // the field that followed last time; 0: not known
	col   int32  // -1: no column of this name
	exact bool   // the name is exactly the column's
}

// fields is what the decoder has learned of names and their order. Entry 0
// stands for the beginning of a record; its raw is that of the first field,
// which has no comma.
type fields struct {
	list   []field
	byName map[string]int32
	exact  map[string]int32 // column names
	folded map[string]int32 // lower-case names; -1: several columns
}

func (f *fields) init(cols []column) {
	f.exact = make(map[string]int32, len(cols))
	f.folded = make(map[string]int32, len(cols))
	for i := range cols {
		f.exact[cols[i].name] = int32(i)
		low := strings.ToLower(cols[i].name)
		if _, dup := f.folded[low]; dup {
			f.folded[low] = -1
		} else {
			f.folded[low] = int32(i)
		}
	}
	f.reset()
}

func (f *fields) reset() {
	f.list = append(f.list[:0], field{col: -1})
	f.byName = make(map[string]int32)
}

// trim forgets all names between two records when there are too many.
func (f *fields) trim() {
	if len(f.list) > maxFields {
		f.reset()
	}
}

// lookup returns the entry of a name, a new one if need be.
func (f *fields) lookup(name []byte) int32 {
	if e, ok := f.byName[string(name)]; ok {
		return e
	}
	e := field{col: -1}
	if col, ok := f.exact[string(name)]; ok {
		e.col, e.exact = col, true
	} else if col, ok := f.folded[string(bytes.ToLower(name))]; ok {
		e.col = col
	}
	f.list = append(f.list, e)
	n := int32(len(f.list) - 1)
	f.byName[string(name)] = n
	return n
}

func (f *field) setRaw(raw []byte) {
	f.raw, f.short = f.raw[:0], false
	if len(raw) > maxRaw {
		return
	}
	f.raw = append(f.raw, raw...)
	if n := len(raw); n >= 8 && n <= 16 {
		f.short = true
		f.head, f.tail = binary.LittleEndian.Uint64(raw), binary.LittleEndian.Uint64(raw[n-8:])
	}
}

// stands says whether b goes on with the field's raw bytes at i.
func (f *field) stands(b []byte, i int) bool {
	n := len(f.raw)
	if n == 0 || n > len(b)-i {
		return false
	}
	if f.short {
		return binary.LittleEndian.Uint64(b[i:]) == f.head && binary.LittleEndian.Uint64(b[i+n-8:]) == f.tail
	}
	return string(b[i:i+n]) == string(f.raw)
}

// fieldName reads from the end of a value to the beginning of the next: comma,
// name, colon. At the end of the object the entry is -1.
func (d *Decoder) fieldName(b []byte, start int, prev int32) (int, int32, *sqlerr.Error) {
	i := skipSpace(b, start)
	if i < len(b) && b[i] == '}' {
		return i + 1, -1, nil
	}
	if prev != 0 {
		if i == len(b) || b[i] != ',' {
			return i, 0, syntaxError(b, i)
		}
		i = skipSpace(b, i+1)
	}
	if i == len(b) || b[i] != '"' {
		return i, 0, syntaxError(b, i)
	}
	name, i, err := d.unquoteName(b, i)
	if err != nil {
		return i, 0, err
	}
	if i = skipSpace(b, i); i == len(b) || b[i] != ':' {
		return i, 0, syntaxError(b, i)
	}
	i = skipSpace(b, i+1)
	entry := d.fields.lookup(name)
	learn := &d.fields.list[entry]
	if prev == 0 {
		learn = &d.fields.list[0]
	}
	learn.setRaw(b[start:i])
	d.fields.list[prev].next = entry
	return i, entry, nil
}

// unquoteName reads a field's name; it shares memory with the record or with
// the decoder. A lone surrogate becomes U+FFFD: such a name means no column.
func (d *Decoder) unquoteName(b []byte, i int) ([]byte, int, *sqlerr.Error) {
	start := i + 1
	end := scanString(b, start)
	if end < len(b) && b[end] == '"' {
		return b[start:end], end + 1, nil
	}
	next, err := skipString(b, i)
	if err != nil {
		return nil, next, err
	}
	d.name, _ = appendUnescaped(d.name[:0], b[start:next-1])
	return d.name, next, nil
}
