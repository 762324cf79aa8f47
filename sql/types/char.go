package types

// A "char" is one byte. In text a byte beyond ASCII is written as a backslash
// and three octal digits; the byte 0 is the empty text.

// ParseChar returns the byte of a "char" given as text, none for the empty one.
// Of a longer text it takes the first byte.
func ParseChar(s []byte) []byte {
	if len(s) == 4 && s[0] == '\\' && isOctal(s[1]) && isOctal(s[2]) && isOctal(s[3]) {
		b := (s[1]-'0')<<6 | (s[2]-'0')<<3 | (s[3] - '0')
		if b == 0 {
			return []byte{}
		}
		return []byte{b}
	}
	return append([]byte{}, s[:min(len(s), 1)]...)
}

// AppendChar appends a "char" as text.
func AppendChar(dst, c []byte) []byte {
	if len(c) == 0 || c[0] < 0x80 {
		return append(dst, c...)
	}
	return append(dst, '\\', '0'+c[0]>>6, '0'+c[0]>>3&7, '0'+c[0]&7)
}

func isOctal(b byte) bool { return b >= '0' && b <= '7' }
