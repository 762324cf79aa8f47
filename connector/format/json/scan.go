package json

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// Eight bytes at a time (SWAR). The highest bit of each byte of a mask says
// whether the byte is special; a borrow can mark bytes above a special one
// wrongly, so only the lowest mark counts.
const (
	ones   = 0x0101010101010101
	highs  = 0x8080808080808080
	quotes = ones * '"'
	slash  = ones * '\\'
	blanks = ones * ' '
)

// scanString returns the index of the first byte that is a quote, a backslash,
// a control character or not ASCII, len(b) if there is none.
func scanString(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		m := (w | (w - blanks) | ((w ^ quotes) - ones) | ((w ^ slash) - ones)) & highs
		if m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c == '"' || c == '\\' || c < ' ' || c >= utf8.RuneSelf {
			return i
		}
	}
	return i
}

// scanText is scanString that passes over bytes which are not ASCII.
func scanText(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		q, s := w^quotes, w^slash
		m := ((w-blanks)&^w | (q-ones)&^q | (s-ones)&^s) & highs
		if m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c == '"' || c == '\\' || c < ' ' {
			return i
		}
	}
	return i
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipString checks the string that begins with the quote at i and returns the
// index behind its closing quote.
func skipString(b []byte, i int) (int, *sqlerr.Error) {
	start := i + 1
	i = scanString(b, start)
	if i < len(b) && b[i] == '"' {
		return i + 1, nil
	}
	for {
		i = scanText(b, i)
		switch {
		case i == len(b):
			return i, syntaxError(b, i)
		case b[i] == '"':
			if !utf8.Valid(b[start:i]) {
				return i, invalidUTF8(b, start)
			}
			return i + 1, nil
		case b[i] != '\\':
			return i, syntaxError(b, i)
		}
		n := escapeLen(b[i:])
		if n == 0 {
			return i, syntaxError(b, i+1)
		}
		i += n
	}
}

// escapeLen returns the length of the escape that b begins with, 0 if it is
// none.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(b[2:]); ok {
			return 6
		}
	}
	return 0
}

// hex4 reads four hexadecimal digits.
func hex4(b []byte) (v rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			v = v<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return v, true
}

// skipNumber returns the index behind the number at i.
func skipNumber(b []byte, i int) (int, *sqlerr.Error) {
	if i < len(b) && b[i] == '-' {
		i++
	}
	switch {
	case i == len(b) || !digit(b[i]):
		return i, syntaxError(b, i)
	case b[i] == '0':
		i++
	default:
		i = skipDigits(b, i)
	}
	if i < len(b) && b[i] == '.' {
		if i++; i == len(b) || !digit(b[i]) {
			return i, syntaxError(b, i)
		}
		i = skipDigits(b, i)
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if i == len(b) || !digit(b[i]) {
			return i, syntaxError(b, i)
		}
		i = skipDigits(b, i)
	}
	return i, nil
}

func digit(c byte) bool { return c-'0' <= 9 }

func skipDigits(b []byte, i int) int {
	for i < len(b) && digit(b[i]) {
		i++
	}
	return i
}

// literal returns the index behind the word, which must stand at i.
func literal(b []byte, i int, word string) (int, *sqlerr.Error) {
	if len(b)-i >= len(word) && string(b[i:i+len(word)]) == word {
		return i + len(word), nil
	}
	for k := 0; i < len(b) && k < len(word) && b[i] == word[k]; k++ {
		i++
	}
	return i, syntaxError(b, i)
}

// skipValue checks the value at i, depth levels deep already, and returns the
// index behind it.
func skipValue(b []byte, i, depth int) (int, *sqlerr.Error) {
	if i >= len(b) {
		return i, syntaxError(b, i)
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{':
		return skipObject(b, i+1, depth+1)
	case '[':
		return skipArray(b, i+1, depth+1)
	case 't':
		return literal(b, i, "true")
	case 'f':
		return literal(b, i, "false")
	case 'n':
		return literal(b, i, "null")
	default:
		return skipNumber(b, i)
	}
}

func skipObject(b []byte, i, depth int) (int, *sqlerr.Error) {
	if depth > maxDepth {
		return i, tooDeep()
	}
	if i = skipSpace(b, i); i < len(b) && b[i] == '}' {
		return i + 1, nil
	}
	for {
		if i = skipSpace(b, i); i == len(b) || b[i] != '"' {
			return i, syntaxError(b, i)
		}
		var err *sqlerr.Error
		if i, err = skipString(b, i); err != nil {
			return i, err
		}
		if i = skipSpace(b, i); i == len(b) || b[i] != ':' {
			return i, syntaxError(b, i)
		}
		if i, err = skipValue(b, skipSpace(b, i+1), depth); err != nil {
			return i, err
		}
		if i = skipSpace(b, i); i < len(b) && b[i] == '}' {
			return i + 1, nil
		}
		if i == len(b) || b[i] != ',' {
			return i, syntaxError(b, i)
		}
		i++
	}
}

func skipArray(b []byte, i, depth int) (int, *sqlerr.Error) {
	if depth > maxDepth {
		return i, tooDeep()
	}
	if i = skipSpace(b, i); i < len(b) && b[i] == ']' {
		return i + 1, nil
	}
	for {
		var err *sqlerr.Error
		if i, err = skipValue(b, skipSpace(b, i), depth); err != nil {
			return i, err
		}
		if i = skipSpace(b, i); i < len(b) && b[i] == ']' {
			return i + 1, nil
		}
		if i == len(b) || b[i] != ',' {
			return i, syntaxError(b, i)
		}
		i++
	}
}
