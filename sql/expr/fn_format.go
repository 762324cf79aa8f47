package expr

import (
	"strconv"
	"unicode/utf8"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// formatText is format(): %s, %I, %L and %%, with positions, widths and the
// flag -, as in PostgreSQL.
func formatText(s *site) (kernel, error) {
	env := s.env.settings()
	return appending(func(c *call) func([]byte, int) ([]byte, error) {
		f := formatter{c: c, env: env}
		pattern := bound[[]byte](c, 0)
		return func(dst []byte, row int) ([]byte, error) {
			if c.args[0].isNull(row) {
				return dst, errNull
			}
			return f.format(dst, pattern.at(row), row)
		}
	})(s)
}

type formatter struct {
	c    *call
	env  *types.Env
	row  int
	next int
	buf  []byte
	item []byte
}

func errFormat(format string, args ...any) error {
	return sqlerr.New(sqlerr.InvalidParameterValue, format, args...)
}

func (f *formatter) format(dst, p []byte, row int) ([]byte, error) {
	f.row, f.next = row, 1
	for i := 0; i < len(p); i++ {
		if p[i] != '%' {
			dst = append(dst, p[i])
			continue
		}
		if i+1 < len(p) && p[i+1] == '%' {
			dst = append(dst, '%')
			i++
			continue
		}
		used, out, err := f.specifier(dst, p[i+1:])
		if err != nil {
			return dst, err
		}
		dst = out
		i += used
	}
	return dst, nil
}

// number reads digits at the front of p.
func leadingNumber(p []byte) (n, used int, err error) {
	for used < len(p) && p[used] >= '0' && p[used] <= '9' {
		n = 10*n + int(p[used]-'0')
		if n > 1<<31-1 {
			return 0, 0, sqlerr.New(sqlerr.NumericValueOutOfRange, "number is out of range")
		}
		used++
	}
	return n, used, nil
}

// specifier formats one argument; p begins behind the %.
func (f *formatter) specifier(dst, p []byte) (used int, out []byte, err error) {
	at, left, width, hasWidth := 0, false, 0, false
	n, k, err := leadingNumber(p)
	if err != nil {
		return 0, dst, err
	}
	if k > 0 && k < len(p) && p[k] == '$' {
		if n == 0 {
			return 0, dst, errFormat("format specifies argument 0, but arguments are numbered from 1")
		}
		at, used = n, k+1
	}
	for used < len(p) && p[used] == '-' {
		left = true
		used++
	}
	if used < len(p) && p[used] == '*' {
		used++
		if width, used, err = f.starWidth(p, used); err != nil {
			return 0, dst, err
		}
		hasWidth = true
	} else if n, k, err = leadingNumber(p[used:]); err != nil {
		return 0, dst, err
	} else if k > 0 {
		width, hasWidth, used = n, true, used+k
	}
	if width < 0 {
		left, width = true, -width
	}
	if used >= len(p) {
		return 0, dst, sqlerr.New(sqlerr.InvalidParameterValue, "unterminated format() type specifier").
			WithHint("For a single \"%%\" use \"%%%%\".")
	}
	if at == 0 {
		at = f.next
	}
	kind := p[used]
	if kind != 's' && kind != 'I' && kind != 'L' {
		return 0, dst, sqlerr.New(sqlerr.InvalidParameterValue, "unrecognized format() type specifier \"%s\"", p[used:used+runeOffset(p[used:], 1)]).
			WithHint("For a single \"%%\" use \"%%%%\".")
	}
	f.next = at + 1
	if err := f.value(kind, at); err != nil {
		return 0, dst, err
	}
	if !hasWidth {
		return used + 1, append(dst, f.item...), nil
	}
	return used + 1, padTo(dst, f.item, width, left), nil
}

func padTo(dst, item []byte, width int, left bool) []byte {
	missing := width - utf8.RuneCount(item)
	if left {
		dst = append(dst, item...)
	}
	for ; missing > 0; missing-- {
		dst = append(dst, ' ')
	}
	if !left {
		dst = append(dst, item...)
	}
	return dst
}

// starWidth reads a width that is an argument.
func (f *formatter) starWidth(p []byte, used int) (width, end int, err error) {
	n, k, err := leadingNumber(p[used:])
	if err != nil {
		return 0, 0, err
	}
	at := f.next
	if k > 0 && used+k < len(p) && p[used+k] == '$' {
		at, used = n, used+k+1
	}
	f.next = at + 1
	if err := f.value('s', at); err != nil {
		return 0, 0, err
	}
	if len(f.item) == 0 {
		return 0, used, nil
	}
	width, err = strconv.Atoi(string(f.item))
	if err != nil || width > maxTextBytes || width < -maxTextBytes {
		return 0, 0, sqlerr.New(sqlerr.InvalidTextRepresentation, "invalid input syntax for type integer: \"%s\"", f.item)
	}
	return width, used, nil
}

// value leaves the formatted argument in f.item.
func (f *formatter) value(kind byte, at int) error {
	if at >= len(f.c.args) {
		return errFormat("too few arguments for format()")
	}
	a := &f.c.args[at]
	f.item = f.item[:0]
	if a.isNull(f.row) {
		switch kind {
		case 'I':
			return sqlerr.New(sqlerr.NullValueNotAllowed, "null values cannot be formatted as an SQL identifier")
		case 'L':
			f.item = append(f.item, "NULL"...)
		}
		return nil
	}
	f.buf = appendValue(f.buf[:0], a, f.row, f.env)
	switch kind {
	case 'I':
		f.item = appendIdent(f.item, f.buf)
	case 'L':
		f.item = appendLiteral(f.item, f.buf)
	default:
		f.item = append(f.item, f.buf...)
	}
	return nil
}
