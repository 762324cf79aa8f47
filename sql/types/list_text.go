package types

import (
	"bytes"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

func errArray(s []byte, detail string) error {
	return sqlerr.New(sqlerr.InvalidTextRepresentation, "malformed array literal: \"%s\"", s).WithDetail("%s", detail)
}

// ParseArray appends the bytes of the array whose text is s: {1,NULL,"a b"},
// nested braces for more dimensions, and [2:3]= before for lower bounds.
func ParseArray(dst []byte, t Type, s []byte, env *Env) ([]byte, error) {
	p := arrayParser{all: s, rest: trimSpace(s), elem: t.Elem(), env: env}
	if err := p.bounds(); err != nil {
		return nil, err
	}
	if len(p.rest) == 0 || p.rest[0] != '{' {
		return nil, errArray(s, "Array value must start with \"{\" or dimension information.")
	}
	if _, err := p.list(0); err != nil {
		return nil, err
	}
	if len(trimSpace(p.rest)) != 0 {
		return nil, errArray(s, "Junk after closing right brace.")
	}
	if len(p.elems) == 0 {
		return append(dst, 0), nil
	}
	dims := make([]Dim, len(p.lengths))
	for i, n := range p.lengths {
		dims[i] = Dim{Len: int32(n), Lower: 1}
		if p.declared != nil {
			if i >= len(p.declared) || p.declared[i].Len != int32(n) {
				return nil, errArray(s, "Specified array dimensions do not match array contents.")
			}
			dims[i].Lower = p.declared[i].Lower
		}
	}
	if p.declared != nil && len(p.declared) != len(dims) {
		return nil, errArray(s, "Specified array dimensions do not match array contents.")
	}
	return AppendArray(dst, p.elem, dims, p.elems), nil
}

type arrayParser struct {
	all, rest []byte
	elem      Type
	env       *Env
	declared  []Dim
	lengths   []int // of each dimension, as the first list of its depth has it
	leaf      int   // one more than the depth at which elements lie, 0: not known
	elems     []Datum
}

// bounds reads [lower:upper]... = before the braces.
func (p *arrayParser) bounds() error {
	if len(p.rest) == 0 || p.rest[0] != '[' {
		return nil
	}
	for len(p.rest) > 0 && p.rest[0] == '[' {
		end := bytes.IndexByte(p.rest, ']')
		if end < 0 {
			return errArray(p.all, "Missing \"]\" after array dimensions.")
		}
		low, high, ok := bytes.Cut(p.rest[1:end], []byte(":"))
		if !ok {
			low, high = []byte("1"), low
		}
		lower, err1 := ParseInt(Int4, low)
		upper, err2 := ParseInt(Int4, high)
		if err1 != nil || err2 != nil || len(p.declared) == maxDims {
			return errArray(p.all, "\"[\" must introduce explicitly-specified array dimensions.")
		}
		if upper < lower {
			return sqlerr.New("2202E", "upper bound cannot be less than lower bound")
		}
		p.declared = append(p.declared, Dim{Len: int32(min(upper-lower+1, maxElements)), Lower: int32(lower)})
		p.rest = trimSpace(p.rest[end+1:])
	}
	if len(p.rest) == 0 || p.rest[0] != '=' {
		return errArray(p.all, "Missing \"=\" after array dimensions.")
	}
	p.rest = trimSpace(p.rest[1:])
	return nil
}

func (p *arrayParser) errUneven() error {
	return errArray(p.all, "Multidimensional arrays must have sub-arrays with matching dimensions.")
}

func (p *arrayParser) skip() {
	for len(p.rest) > 0 && isSpace(p.rest[0]) {
		p.rest = p.rest[1:]
	}
}

// list reads a list in braces and returns its length.
func (p *arrayParser) list(depth int) (int, error) {
	if depth >= maxDims {
		return 0, sqlerr.New(sqlerr.ProgramLimitExceeded, "number of array dimensions (%d) exceeds the maximum allowed (%d)", depth+1, maxDims)
	}
	p.rest = p.rest[1:]
	p.skip()
	if len(p.rest) > 0 && p.rest[0] == '}' {
		p.rest = p.rest[1:]
		return 0, p.checkLength(depth, 0)
	}
	for n := 1; ; n++ {
		p.skip()
		if err := p.item(depth); err != nil {
			return 0, err
		}
		p.skip()
		if len(p.rest) == 0 {
			return 0, errArray(p.all, "Unexpected end of input.")
		}
		c := p.rest[0]
		if c == '}' {
			p.rest = p.rest[1:]
			return n, p.checkLength(depth, n)
		}
		if c != ',' {
			return 0, errArray(p.all, "Unexpected array element.")
		}
		p.rest = p.rest[1:]
	}
}

// checkLength compares with the lists of the same depth before; -1 marks a
// depth whose first list is still open.
func (p *arrayParser) checkLength(depth, n int) error {
	for len(p.lengths) <= depth {
		p.lengths = append(p.lengths, -1)
	}
	if p.lengths[depth] < 0 {
		p.lengths[depth] = n
	}
	if p.lengths[depth] != n || n == 0 && depth > 0 {
		return p.errUneven()
	}
	return nil
}

func (p *arrayParser) item(depth int) error {
	if len(p.rest) == 0 {
		return errArray(p.all, "Unexpected end of input.")
	}
	if p.rest[0] == '{' {
		if p.leaf != 0 && depth+1 >= p.leaf {
			return p.errUneven() // a list where elements were before
		}
		for len(p.lengths) <= depth+1 {
			p.lengths = append(p.lengths, -1)
		}
		_, err := p.list(depth + 1)
		return err
	}
	for len(p.lengths) <= depth {
		p.lengths = append(p.lengths, -1)
	}
	if len(p.lengths) > depth+1 {
		return p.errUneven() // an element where lists were before
	}
	p.leaf = depth + 1
	text, quoted, err := p.element()
	if err != nil {
		return err
	}
	if !quoted && equalFold(text, "null") {
		p.elems = append(p.elems, NullDatum())
		return nil
	}
	d, err := ParseText(p.elem, text, p.env)
	p.elems = append(p.elems, d)
	return err
}

// element reads one element's text without quotes and backslashes.
func (p *arrayParser) element() (text []byte, quoted bool, err error) {
	end := 0 // of what a blank at the end does not belong to
	for len(p.rest) > 0 {
		c := p.rest[0]
		switch {
		case c == '"':
			if quoted || len(text) > 0 {
				return nil, false, errArray(p.all, "Unexpected array element.")
			}
			if text, err = p.quoted(); err != nil {
				return nil, false, err
			}
			return text, true, nil
		case c == '\\':
			if len(p.rest) < 2 {
				return nil, false, errArray(p.all, "Unexpected end of input.")
			}
			text = append(text, p.rest[1])
			p.rest = p.rest[2:]
			end = len(text)
			continue
		case c == ',' || c == '}':
			if end == 0 {
				return nil, false, errArray(p.all, "Unexpected \""+string(c)+"\" character.")
			}
			return text[:end], false, nil
		case c == '{':
			return nil, false, errArray(p.all, "Unexpected \"{\" character.")
		}
		text = append(text, c)
		if !isSpace(c) {
			end = len(text)
		}
		p.rest = p.rest[1:]
	}
	return nil, false, errArray(p.all, "Unexpected end of input.")
}

func (p *arrayParser) quoted() (text []byte, err error) {
	text = []byte{}
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return text, nil
		case c == '\\' && i+1 < len(p.rest):
			i++
			text = append(text, p.rest[i])
		default:
			text = append(text, c)
		}
	}
	return nil, errArray(p.all, "Unexpected end of input.")
}

func appendArrayText(dst []byte, t Type, b []byte, env *Env) []byte {
	l, ok := DecodeList(t, b)
	if !ok {
		return append(dst, "???"...)
	}
	dims := l.Dims()
	if len(dims) == 0 {
		return append(dst, "{}"...)
	}
	dst = appendBounds(dst, dims)
	// left counts the elements still to come in the open list of each depth.
	var left [maxDims]int32
	open := 0
	for l.Next() {
		for ; open < len(dims); open++ {
			dst = append(dst, '{')
			left[open] = dims[open].Len
		}
		d := l.Elem()
		if d.Null {
			dst = append(dst, "NULL"...)
		} else {
			start := len(dst)
			dst = quoteElement(AppendText(dst, l.ElemType(), d, env), start)
		}
		for open > 0 {
			if left[open-1]--; left[open-1] > 0 {
				dst = append(dst, ',')
				break
			}
			dst = append(dst, '}')
			open--
		}
	}
	return dst
}

func appendBounds(dst []byte, dims []Dim) []byte {
	plain := true
	for _, d := range dims {
		plain = plain && d.Lower == 1
	}
	if plain {
		return dst
	}
	for _, d := range dims {
		dst = appendInt(append(dst, '['), int64(d.Lower))
		dst = append(appendInt(append(dst, ':'), int64(d.Lower)+int64(d.Len)-1), ']')
	}
	return append(dst, '=')
}

// quoteElement puts quotes around dst[start:] where its text needs them.
func quoteElement(dst []byte, start int) []byte {
	text := dst[start:]
	need := len(text) == 0 || equalFold(text, "null")
	for _, c := range text {
		need = need || isSpace(c) || c == '"' || c == '\\' || c == '{' || c == '}' || c == ','
	}
	if !need {
		return dst
	}
	return appendQuoted(dst, start, '\\')
}

// appendQuoted replaces dst[start:] by its quoted form; quotes are escaped by
// the given character, backslashes by backslashes.
func appendQuoted(dst []byte, start int, escape byte) []byte {
	text := append([]byte(nil), dst[start:]...)
	dst = append(dst[:start], '"')
	for _, c := range text {
		if c == '"' {
			dst = append(dst, escape)
		} else if c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

func appendRecordText(dst, b []byte, env *Env) []byte {
	l, ok := DecodeList(Record, b)
	if !ok {
		return append(dst, "???"...)
	}
	dst = append(dst, '(')
	for i := 0; l.Next(); i++ {
		if i > 0 {
			dst = append(dst, ',')
		}
		d := l.Elem()
		if d.Null {
			continue
		}
		start := len(dst)
		dst = AppendText(dst, l.ElemType(), d, env)
		text := dst[start:]
		need := len(text) == 0
		for _, c := range text {
			need = need || isSpace(c) || c == '"' || c == '\\' || c == '(' || c == ')' || c == ','
		}
		if need {
			dst = appendQuoted(dst, start, '"')
		}
	}
	return append(dst, ')')
}

// compareLists orders arrays by their elements, then by their shape, and
// records field by field.
func compareLists(t Type, a, b []byte) int {
	x, ok1 := DecodeList(t, a)
	y, ok2 := DecodeList(t, b)
	if !ok1 || !ok2 {
		return bytes.Compare(a, b)
	}
	for {
		more1, more2 := x.Next(), y.Next()
		if !more1 || !more2 {
			if more1 != more2 {
				return boolInt(more1) - boolInt(more2)
			}
			break
		}
		if c := Compare(x.ElemType(), x.Elem(), y.Elem()); c != 0 {
			return c
		}
	}
	if c := cmpInt(len(x.dims), len(y.dims)); c != 0 {
		return c
	}
	for i := range x.dims {
		if c := cmpInt64(int64(x.dims[i].Len), int64(y.dims[i].Len)); c != 0 {
			return c
		}
	}
	for i := range x.dims {
		if c := cmpInt64(int64(x.dims[i].Lower), int64(y.dims[i].Lower)); c != 0 {
			return c
		}
	}
	return 0
}
