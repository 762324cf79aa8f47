package types

import (
	"unicode/utf8"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

const maxNameBytes = 63

// CheckText says 22021 for bytes that are not UTF-8 or contain NUL.
func CheckText(s []byte) error {
	ascii := true
	for _, c := range s {
		if c == 0 {
			return errEncoding(s[:1], 0)
		}
		if c >= utf8.RuneSelf {
			ascii = false
		}
	}
	if ascii || utf8.Valid(s) {
		return nil
	}
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRune(s[i:])
		if r == utf8.RuneError && n <= 1 {
			return errEncoding(s[i:], sequenceLength(s[i]))
		}
		i += n
	}
	return nil
}

// sequenceLength is the length that the first byte of a UTF-8 sequence says.
func sequenceLength(c byte) int {
	switch {
	case c&0xe0 == 0xc0:
		return 2
	case c&0xf0 == 0xe0:
		return 3
	case c&0xf8 == 0xf0:
		return 4
	}
	return 1
}

func errEncoding(s []byte, n int) error {
	const hex = "0123456789abcdef"
	if n == 0 {
		return sqlerr.New(sqlerr.CharacterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\": 0x00")
	}
	var text []byte
	for i := range min(n, len(s)) {
		if i > 0 {
			text = append(text, ' ')
		}
		text = append(text, '0', 'x', hex[s[i]>>4], hex[s[i]&15])
	}
	return sqlerr.New(sqlerr.CharacterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\": %s", text)
}

// cutRunes returns the first n characters and the rest.
func cutRunes(s []byte, n int) (head, rest []byte) {
	if len(s) <= n {
		return s, nil
	}
	i := 0
	for ; n > 0 && i < len(s); n-- {
		if s[i] < utf8.RuneSelf {
			i++
			continue
		}
		_, size := utf8.DecodeRune(s[i:])
		i += size
	}
	return s[:i], s[i:]
}

func allSpaces(s []byte) bool {
	for _, c := range s {
		if c != ' ' {
			return false
		}
	}
	return true
}

// applyLength makes s fit varchar(n) or char(n): blanks beyond the length are
// dropped, other characters are cut by an explicit cast and 22001 else. char(n)
// is padded with blanks.
func applyLength(t Type, s []byte, explicit bool) ([]byte, error) {
	n, ok := t.CharLength()
	if !ok {
		return s, nil
	}
	head, rest := cutRunes(s, n)
	if !explicit && !allSpaces(rest) {
		return nil, sqlerr.New(sqlerr.StringDataRightTruncation, "value too long for type %s", t)
	}
	if t.Base() != BPChar {
		return head, nil
	}
	missing := n - utf8.RuneCount(head)
	if missing == 0 {
		return head, nil
	}
	padded := make([]byte, 0, len(head)+missing)
	padded = append(padded, head...)
	for range missing {
		padded = append(padded, ' ')
	}
	return padded, nil
}

// TrimPadding removes the blanks at the end, as the cast from char(n) to text
// does.
func TrimPadding(s []byte) []byte {
	for len(s) > 0 && s[len(s)-1] == ' ' {
		s = s[:len(s)-1]
	}
	return s
}

// truncateName cuts to 63 bytes at a character's boundary.
func truncateName(s []byte) []byte {
	if len(s) <= maxNameBytes {
		return s
	}
	n := maxNameBytes
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
