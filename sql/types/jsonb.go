package types

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// sortMembers orders the members that were appended since start by length and
// bytes of their keys, keeping the last of equal keys.
func (j *jsonScanner) sortMembers(start, first int) {
	if !j.canonical {
		return
	}
	members := j.members[first:]
	sorted := true
	for i := 1; i < len(members); i++ {
		if compareKeys(j.keyOf(members[i-1]), j.keyOf(members[i])) >= 0 {
			sorted = false
			break
		}
	}
	if !sorted {
		j.sortByKey(members)
		j.scratch = append(j.scratch[:0], j.out[start:]...)
		old := j.scratch
		out := j.out[:start]
		for i, m := range members {
			if i+1 < len(members) && bytes.Equal(old[m.key-start:m.value-start], old[members[i+1].key-start:members[i+1].value-start]) {
				continue
			}
			if len(out) > start {
				out = append(out, ", "...)
			}
			out = append(out, old[m.key-start:m.end-start]...)
		}
		j.out = out
	}
	j.members = j.members[:first]
}

// sortByKey sorts stably; small objects by insertion, which needs no memory.
func (j *jsonScanner) sortByKey(members []jsonMember) {
	if len(members) > 16 {
		slices.SortStableFunc(members, func(a, b jsonMember) int { return compareKeys(j.keyOf(a), j.keyOf(b)) })
		return
	}
	for i := 1; i < len(members); i++ {
		for k := i; k > 0 && compareKeys(j.keyOf(members[k-1]), j.keyOf(members[k])) > 0; k-- {
			members[k-1], members[k] = members[k], members[k-1]
		}
	}
}

// keyOf returns a member's key with its quotes, as written to out.
func (j *jsonScanner) keyOf(m jsonMember) []byte { return j.out[m.key : m.value-2] }

// compareKeys orders quoted canonical keys by the length and bytes of what
// they stand for.
func compareKeys(a, b []byte) int {
	if bytes.IndexByte(a, '\\') >= 0 || bytes.IndexByte(b, '\\') >= 0 {
		a, b = unquoteJSON(nil, a), unquoteJSON(nil, b)
	} else {
		a, b = a[1:len(a)-1], b[1:len(b)-1]
	}
	if len(a) != len(b) {
		return cmpInt(len(a), len(b))
	}
	return bytes.Compare(a, b)
}

// unquoteJSON appends the text of a valid JSON string with its quotes.
func unquoteJSON(dst, s []byte) []byte {
	if len(s) < 2 {
		return dst
	}
	if bytes.IndexByte(s, '\\') < 0 {
		return append(dst, s[1:len(s)-1]...)
	}
	text, _, err := unescapeJSON(dst, s, 1, false)
	if err != nil { // a lone surrogate or NUL in a json value: keep what can be kept
		text, _, _ = unescapeJSON(dst, s, 1, true)
	}
	return text
}

// The accessors below read valid JSON text, canonical or not, without building
// trees. On other text they find nothing; they never panic.

// skipJSON returns the place behind the value at b[i:], or -1.
func skipJSON(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch c := b[i]; {
		case c == '"':
			j := jsonScanner{in: b, at: i}
			if !j.skipString() {
				return -1
			}
			i = j.at
		case c == '{' || c == '[':
			depth++
			i++
			continue
		case c == '}' || c == ']':
			depth--
			i++
		case c == ' ' || c == ',' || c == ':' || c == '\n' || c == '\t' || c == '\r':
			if depth == 0 {
				return -1
			}
			i++
			continue
		default:
			i = scanWhile(b, i, func(c byte) bool { return isAlnum(c) || c == '-' || c == '+' || c == '.' })
			if i < len(b) && bytes.IndexByte([]byte(" ,:]}\n\t\r"), b[i]) < 0 {
				return -1
			}
		}
		if depth <= 0 {
			return i
		}
	}
	return -1
}

func skipJSONSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// JSONTypeof returns object, array, string, number, boolean or null.
func JSONTypeof(b []byte) string {
	i := skipJSONSpace(b, 0)
	if i >= len(b) {
		return "null"
	}
	switch b[i] {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "number"
}

// JSONIter iterates over the fields of an object or the elements of an array.
// Use it as: it := NewJSONIter(b); for it.Next() { it.Key(); it.Value() }.
type JSONIter struct {
	b      []byte
	at     int
	object bool
	key    []byte
	value  []byte
}

// NewJSONIter begins an iteration; a scalar has nothing to iterate over.
func NewJSONIter(b []byte) JSONIter {
	i := skipJSONSpace(b, 0)
	if i >= len(b) || b[i] != '{' && b[i] != '[' {
		return JSONIter{}
	}
	return JSONIter{b: b, at: i + 1, object: b[i] == '{'}
}

// Next moves to the next field or element.
func (it *JSONIter) Next() bool {
	i := skipJSONSpace(it.b, it.at)
	if i < len(it.b) && it.b[i] == ',' {
		i = skipJSONSpace(it.b, i+1)
	}
	if i >= len(it.b) || it.b[i] == '}' || it.b[i] == ']' {
		return false
	}
	if it.object {
		end := skipJSON(it.b, i)
		if end < 0 || it.b[i] != '"' {
			return false
		}
		it.key = it.b[i:end]
		if i = skipJSONSpace(it.b, end); i >= len(it.b) || it.b[i] != ':' {
			return false
		}
		i = skipJSONSpace(it.b, i+1)
	}
	end := skipJSON(it.b, i)
	if end < 0 {
		return false
	}
	it.value, it.at = it.b[i:end:end], end
	return true
}

// RawKey returns the key with quotes and escapes, as JSON text; nil in arrays.
func (it *JSONIter) RawKey() []byte { return it.key }

// AppendKey appends the key without quotes and escapes.
func (it *JSONIter) AppendKey(dst []byte) []byte { return unquoteJSON(dst, it.key) }

// Value returns the value as JSON text; it shares memory with the document.
func (it *JSONIter) Value() []byte { return it.value }

// JSONField returns a field of an object as JSON text, the last of equal keys;
// ok is false when there is none or b is no object.
func JSONField(b, name []byte) (value []byte, ok bool) {
	it := NewJSONIter(b)
	if !it.object {
		return nil, false
	}
	var buf [64]byte
	for it.Next() {
		key := it.key[1 : len(it.key)-1]
		if bytes.IndexByte(key, '\\') >= 0 {
			key = unquoteJSON(buf[:0], it.key)
		}
		if bytes.Equal(key, name) {
			value, ok = it.value, true
		}
	}
	return value, ok
}

// JSONElem returns an element of an array as JSON text; negative indexes count
// from the end. ok is false when there is none or b is no array.
func JSONElem(b []byte, i int) (value []byte, ok bool) {
	it := NewJSONIter(b)
	if it.b == nil || it.object {
		return nil, false
	}
	if i < 0 {
		if i += JSONLen(b); i < 0 {
			return nil, false
		}
	}
	for it.Next() {
		if i == 0 {
			return it.value, true
		}
		i--
	}
	return nil, false
}

// JSONLen returns the number of fields or elements, 0 for scalars.
func JSONLen(b []byte) int {
	n := 0
	for it := NewJSONIter(b); it.Next(); n++ {
	}
	return n
}

// AppendJSONText appends what ->> gives: strings unescaped, other values as
// they are written; null is true for JSON's null.
func AppendJSONText(dst, value []byte) (out []byte, null bool) {
	value = trimSpace(value)
	if len(value) > 0 && value[0] == '"' {
		return unquoteJSON(dst, value), false
	}
	if string(value) == "null" {
		return dst, true
	}
	return append(dst, value...), false
}

// CompareJSONB orders canonical texts as PostgreSQL's btree operators of jsonb
// do: null, strings, numbers, booleans, arrays, objects; arrays and objects by
// their length first, an empty array at the top before all.
func CompareJSONB(a, b []byte) int {
	if bytes.Equal(a, b) {
		return 0
	}
	var x, y [256]byte
	return bytes.Compare(AppendJSONBKey(x[:0], a), AppendJSONBKey(y[:0], b))
}

// The classes of values in a jsonb key.
const (
	jsonKeyEmpty  = 0x01 // an empty array that is the document
	jsonKeyNull   = 0x02
	jsonKeyString = 0x03
	jsonKeyNumber = 0x04
	jsonKeyFalse  = 0x05
	jsonKeyTrue   = 0x06
	jsonKeyArray  = 0x07
	jsonKeyObject = 0x08
	jsonKeyBroken = 0x09
)

// AppendJSONBKey appends bytes that sort as CompareJSONB does and are equal
// exactly for equal documents (numbers by value). No key is a prefix of
// another. b must be canonical.
func AppendJSONBKey(dst, b []byte) []byte {
	if string(b) == "[]" {
		return append(dst, jsonKeyEmpty)
	}
	dst, _ = appendJSONKey(dst, b, 0, 0)
	return dst
}

// appendJSONKey appends the key of the value at b[i:] and returns the place
// behind it; one pass over the text, whatever its depth.
func appendJSONKey(dst, b []byte, i, depth int) ([]byte, int) {
	if i >= len(b) || depth > maxJSONDepth {
		return appendKeyBytes(append(dst, jsonKeyBroken), b[min(i, len(b)):]), len(b)
	}
	switch b[i] {
	case '[', '{':
		return appendJSONContainerKey(dst, b, i, depth)
	}
	end := skipJSON(b, i)
	if end < 0 {
		return appendKeyBytes(append(dst, jsonKeyBroken), b[i:]), len(b)
	}
	switch value := b[i:end]; value[0] {
	case 'n':
		return append(dst, jsonKeyNull), end
	case 'f':
		return append(dst, jsonKeyFalse), end
	case 't':
		return append(dst, jsonKeyTrue), end
	case '"':
		return appendJSONStringKey(append(dst, jsonKeyString), value), end
	default:
		d, err := ParseDecimal(value)
		if err != nil {
			return appendKeyBytes(append(dst, jsonKeyBroken), value), end
		}
		return d.AppendSortKey(append(dst, jsonKeyNumber)), end
	}
}

func appendJSONContainerKey(dst, b []byte, i, depth int) ([]byte, int) {
	object := b[i] == '{'
	class := byte(jsonKeyArray)
	if object {
		class = jsonKeyObject
	}
	dst = append(dst, class, 0, 0, 0, 0)
	count := len(dst) - 4
	n := uint32(0)
	for i++; i < len(b); n++ {
		if i = skipJSONSeparators(b, i); i >= len(b) || b[i] == ']' || b[i] == '}' {
			i++
			break
		}
		if object {
			end := skipJSON(b, i)
			if end < 0 {
				return appendKeyBytes(append(dst, jsonKeyBroken), b[i:]), len(b)
			}
			dst = appendJSONStringKey(dst, b[i:end])
			i = skipJSONSeparators(b, end)
		}
		dst, i = appendJSONKey(dst, b, i, depth+1)
	}
	binary.BigEndian.PutUint32(dst[count:], n)
	return dst, min(i, len(b))
}

func skipJSONSeparators(b []byte, i int) int {
	return scanWhile(b, i, func(c byte) bool { return c == ' ' || c == ',' || c == ':' })
}

func appendJSONStringKey(dst, quoted []byte) []byte {
	if len(quoted) >= 2 && bytes.IndexByte(quoted, '\\') < 0 {
		return appendKeyBytes(dst, quoted[1:len(quoted)-1])
	}
	var buf [64]byte
	return appendKeyBytes(dst, unquoteJSON(buf[:0], quoted))
}

// appendKeyBytes appends b with 0x00 as 0x00 0xFF, ended by 0x00 0x01.
func appendKeyBytes(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, c)
		if c == 0 {
			dst = append(dst, 0xFF)
		}
	}
	return append(dst, 0x00, 0x01)
}
