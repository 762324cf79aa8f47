package sql

import (
	"strings"
	"unicode/utf8"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// foldIdent folds and cuts an unquoted identifier. As in PostgreSQL with a
// multi-byte encoding only ASCII letters fold.
func foldIdent(s string) string {
	return cutName(lowerASCII(s))
}

func lowerASCII(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] >= 'A' && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if b[i] >= 'A' && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

// cutName cuts a name to 63 bytes at the border of a character.
func cutName(s string) string {
	if len(s) <= maxNameBytes {
		return s
	}
	n := maxNameBytes
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// joinQuoted returns the content of a string without backslash escapes: ” is
// one quote, and the parts of a continued string are one. raw starts at the
// quote.
func joinQuoted(raw string) string {
	var b strings.Builder
	b.Grow(len(raw))
	for i := 1; i < len(raw); i++ {
		if raw[i] != '\'' {
			b.WriteByte(raw[i])
			continue
		}
		if i+1 < len(raw) && raw[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		i = nextPart(raw, i)
	}
	return b.String()
}

// nextPart returns the index of the quote that opens the next part of a
// continued string, len(raw) at its end. i is at the closing quote. Comments
// between the parts may contain quotes.
func nextPart(raw string, i int) int {
	for i++; i < len(raw); i++ {
		switch {
		case raw[i] == '\'':
			return i
		case raw[i] == '-':
			for i < len(raw) && raw[i] != '\n' && raw[i] != '\r' {
				i++
			}
		}
	}
	return i
}

// unescape returns the content of an E'...' string; raw starts at the E, at is
// its place in the text.
func unescape(raw string, at int) (string, *sqlerr.Error) {
	b := make([]byte, 0, len(raw))
	check := false
	for i := 2; i < len(raw); {
		switch c := raw[i]; {
		case c == '\'' && i+1 < len(raw) && raw[i+1] == '\'':
			b = append(b, '\'')
			i += 2
		case c == '\'':
			i = nextPart(raw, i) + 1
		case c != '\\':
			b = append(b, c)
			i++
		default:
			var err *sqlerr.Error
			if b, i, err = unescapeOne(b, raw, i+1, at); err != nil {
				return "", err
			}
			check = true
		}
	}
	if check {
		if err := checkEncoding(string(b)); err != nil {
			return "", err
		}
	}
	return string(b), nil
}

// unescapeOne appends what the escape stands for whose first character behind
// the backslash is raw[i], and returns the index behind it.
func unescapeOne(b []byte, raw string, i, at int) ([]byte, int, *sqlerr.Error) {
	switch c := raw[i]; c {
	case 'b':
		return append(b, '\b'), i + 1, nil
	case 'f':
		return append(b, '\f'), i + 1, nil
	case 'n':
		return append(b, '\n'), i + 1, nil
	case 'r':
		return append(b, '\r'), i + 1, nil
	case 't':
		return append(b, '\t'), i + 1, nil
	case 'x':
		v, n := scanBase(raw[i+1:], 16, 2)
		if n == 0 {
			return append(b, 'x'), i + 1, nil
		}
		return append(b, byte(v)), i + 1 + n, nil
	case 'u', 'U':
		return unescapeRune(b, raw, i, at)
	case '0', '1', '2', '3', '4', '5', '6', '7':
		v, n := scanBase(raw[i:], 8, 3)
		return append(b, byte(v)), i + n, nil
	default:
		return append(b, c), i + 1, nil
	}
}

// unescapeRune reads \uXXXX or \UXXXXXXXX, and the second half of a surrogate
// pair with it.
func unescapeRune(b []byte, raw string, i, at int) ([]byte, int, *sqlerr.Error) {
	r, n := runeEscape(raw[i:])
	if n == 0 {
		return nil, 0, sqlerr.New(sqlerr.InvalidEscapeSequence, "invalid Unicode escape").
			WithHint(`Unicode escapes must be \uXXXX or \UXXXXXXXX.`).At(at + i - 1)
	}
	i += n
	if isHighSurrogate(r) {
		low, m := rune(0), 0
		if i+1 < len(raw) && raw[i] == '\\' {
			low, m = runeEscape(raw[i+1:])
		}
		if m == 0 || !isLowSurrogate(low) {
			return nil, 0, surrogateError(raw, at, i)
		}
		r = combineSurrogates(r, low)
		i += 1 + m
	} else if isLowSurrogate(r) {
		return nil, 0, surrogateError(raw, at, i)
	}
	if !validCodePoint(r) {
		return nil, 0, sqlerr.New(sqlerr.SyntaxError, "invalid Unicode escape value").At(at + i - n - 1)
	}
	return utf8.AppendRune(b, r), i, nil
}

func surrogateError(raw string, at, i int) *sqlerr.Error {
	return sqlerr.New(sqlerr.SyntaxError, "invalid Unicode surrogate pair").At(at + min(i, len(raw)-1))
}

// runeEscape reads uXXXX or UXXXXXXXX at the start of s; n is 0 if it is none.
func runeEscape(s string) (r rune, n int) {
	digits := 4
	if s[0] == 'U' {
		digits = 8
	} else if s[0] != 'u' {
		return 0, 0
	}
	v, n := scanBase(s[1:], 16, digits)
	if n != digits {
		return 0, 0
	}
	return rune(v), n + 1
}

// scanBase reads up to limit digits of the base.
func scanBase(s string, base, limit int) (v uint32, n int) {
	for n < len(s) && n < limit {
		d := hexDigit(s[n])
		if d < 0 || d >= base {
			break
		}
		v = v*uint32(base) + uint32(d)
		n++
	}
	return v, n
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func isHighSurrogate(r rune) bool { return r >= 0xD800 && r <= 0xDBFF }
func isLowSurrogate(r rune) bool  { return r >= 0xDC00 && r <= 0xDFFF }

func combineSurrogates(high, low rune) rune {
	return (high&0x3FF)<<10 + low&0x3FF + 0x10000
}

func validCodePoint(r rune) bool { return r > 0 && r <= 0x10FFFF }

// validUescape says whether c may stand for the backslash in U& strings.
func validUescape(c byte) bool {
	return hexDigit(c) < 0 && c != '+' && c != '\'' && c != '"' && !isClass(c, clsSpace)
}

// decodeUnicode returns what U&'...' or U&"..." stands for. body begins at the
// quote, at is its place in the text, esc stands for the backslash.
func decodeUnicode(body string, esc byte, at int) (string, *sqlerr.Error) {
	var content string
	if body[0] == '\'' {
		content = joinQuoted(body)
	} else {
		content = strings.ReplaceAll(body[1:len(body)-1], `""`, `"`)
	}
	b := make([]byte, 0, len(content))
	var high rune
	for i := 0; i < len(content); {
		r, n := rune(0), 0
		switch {
		case content[i] != esc:
			n = 1
		case i+1 < len(content) && content[i+1] == esc:
			n = 2
		default:
			if r, n = unicodeEscape(content[i+1:]); n == 0 {
				return "", sqlerr.New(sqlerr.SyntaxError, "invalid Unicode escape").
					WithHint(`Unicode escapes must be \XXXX or \+XXXXXX.`).At(at + i + 1)
			}
			n++
		}
		isEscape := n > 2
		if high != 0 {
			if !isEscape || !isLowSurrogate(r) {
				return "", surrogateError(body, at, i+1)
			}
			r, high = combineSurrogates(high, r), 0
		} else if isEscape && isHighSurrogate(r) {
			high = r
			i += n
			continue
		} else if isEscape && isLowSurrogate(r) {
			return "", surrogateError(body, at, i+1)
		}
		switch {
		case !isEscape:
			b = append(b, content[i])
		case !validCodePoint(r):
			return "", sqlerr.New(sqlerr.SyntaxError, "invalid Unicode escape value").At(at + i + 1)
		default:
			b = utf8.AppendRune(b, r)
		}
		i += n
	}
	if high != 0 {
		return "", surrogateError(body, at, len(body)-1)
	}
	return string(b), nil
}

// unicodeEscape reads XXXX or +XXXXXX.
func unicodeEscape(s string) (rune, int) {
	if s != "" && s[0] == '+' {
		if v, n := scanBase(s[1:], 16, 6); n == 6 {
			return rune(v), 7
		}
		return 0, 0
	}
	if v, n := scanBase(s, 16, 4); n == 4 {
		return rune(v), 4
	}
	return 0, 0
}

// checkEncoding refuses what is no UTF-8, in PostgreSQL's words.
func checkEncoding(s string) *sqlerr.Error {
	for i := 0; i < len(s); {
		if s[i] == 0 {
			return encodingError(s[i : i+1])
		}
		if s[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			return encodingError(s[i:min(i+sequenceLength(s[i]), len(s))])
		}
		i += n
	}
	return nil
}

// sequenceLength is the length that the first byte of a character promises.
func sequenceLength(c byte) int {
	switch {
	case c&0xE0 == 0xC0:
		return 2
	case c&0xF0 == 0xE0:
		return 3
	case c&0xF8 == 0xF0:
		return 4
	}
	return 1
}

func encodingError(bad string) *sqlerr.Error {
	var b strings.Builder
	for i := 0; i < len(bad); i++ {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString("0x")
		b.WriteByte("0123456789abcdef"[bad[i]>>4])
		b.WriteByte("0123456789abcdef"[bad[i]&15])
	}
	return sqlerr.New(sqlerr.CharacterNotInRepertoire, `invalid byte sequence for encoding "UTF8": %s`, b.String())
}

// unquoteIdent undoubles the quotes of a quoted name.
func unquoteIdent(s string) string { return strings.ReplaceAll(s, `""`, `"`) }
