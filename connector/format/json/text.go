package json

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

func scanEscape(s []byte) int { return bytes.IndexByte(s, '\\') }

// appendUnescaped appends the text of a string whose syntax was checked. ok is
// false if the text cannot be stored: NUL and surrogates without partner, the
// latter appended as U+FFFD.
func appendUnescaped(dst, s []byte) (_ []byte, ok bool) {
	ok = true
	for {
		n := scanEscape(s)
		if n < 0 {
			return append(dst, s...), ok
		}
		dst = append(dst, s[:n]...)
		c := s[n+1]
		s = s[n+2:]
		if c != 'u' {
			dst = append(dst, simpleEscape(c))
			continue
		}
		r, _ := hex4(s)
		s = s[4:]
		if utf16.IsSurrogate(r) {
			r, s = joinSurrogates(r, s)
			ok = ok && r != utf8.RuneError
		} else if r == 0 {
			ok = false
		}
		dst = utf8.AppendRune(dst, r)
	}
}

// joinSurrogates joins the surrogate with the escape that s begins with and
// returns what is left; without partner it returns U+FFFD and s.
func joinSurrogates(r rune, s []byte) (rune, []byte) {
	if len(s) >= 6 && s[0] == '\\' && s[1] == 'u' {
		if low, ok := hex4(s[2:]); ok {
			if joined := utf16.DecodeRune(r, low); joined != utf8.RuneError {
				return joined, s[6:]
			}
		}
	}
	return utf8.RuneError, s
}

func simpleEscape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c // quote, backslash, slash
}
