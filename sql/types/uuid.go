package types

const uuidBytes = 16

// ParseUUID appends the 16 bytes of a UUID; braces around and hyphens after any
// four digits are optional, as in PostgreSQL.
func ParseUUID(dst, s []byte) ([]byte, error) {
	b := s
	if len(b) > 1 && b[0] == '{' && b[len(b)-1] == '}' {
		b = b[1 : len(b)-1]
	}
	start := len(dst)
	for i := range uuidBytes {
		if len(b) < 2 {
			return nil, errSyntax("uuid", s)
		}
		high, ok1 := hexDigit(b[0])
		low, ok2 := hexDigit(b[1])
		if !ok1 || !ok2 {
			return nil, errSyntax("uuid", s)
		}
		dst = append(dst, high<<4|low)
		b = b[2:]
		if len(b) > 0 && b[0] == '-' && i%2 == 1 && i < uuidBytes-1 {
			b = b[1:]
		}
	}
	if len(b) != 0 {
		return nil, errSyntax("uuid", s)
	}
	return dst[:start+uuidBytes], nil
}

// AppendUUID appends a UUID in lower case with hyphens.
func AppendUUID(dst, b []byte) []byte {
	for i, c := range b {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return dst
}
