package expr

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

func (t *tables) addBytea() {
	t.compare("bytea*", "bytea", "bytea", bytesCompare, rawBytes)
	t.compare("uuid_*", "uuid", "uuid", bytesCompare, rawBytes)
	t.op("||", t.fn("byteacat(bytea,bytea) bytea", app2(func(dst, a, b []byte) []byte { return append(append(dst, a...), b...) })))
	t.fn("get_byte(bytea,int4) int4", fn2e(func(a []byte, i int64) (int64, error) {
		if i < 0 || i >= int64(len(a)) {
			return 0, sqlerr.New("2202E", "index %d out of valid range, 0..%d", i, len(a)-1)
		}
		return int64(a[i]), nil
	}))
	t.fn("set_byte(bytea,int4,int4) bytea", appending(func(c *call) func([]byte, int) ([]byte, error) {
		a, at, to := bound[[]byte](c, 0), bound[int64](c, 1), bound[int64](c, 2)
		return func(dst []byte, row int) ([]byte, error) {
			b, i := a.at(row), at.at(row)
			if i < 0 || i >= int64(len(b)) {
				return dst, sqlerr.New("2202E", "index %d out of valid range, 0..%d", i, len(b)-1)
			}
			n := len(dst)
			dst = append(dst, b...)
			dst[n+int(i)] = byte(to.at(row))
			return dst, nil
		}
	}))
}

func errEncoding(name []byte) error {
	return sqlerr.New(sqlerr.InvalidParameterValue, "unrecognized encoding: \"%s\"", name)
}

// base64Line is how many characters a line of PostgreSQL's base64 has.
const base64Line = 76

func encodeBytes(dst, a, name []byte) ([]byte, error) {
	switch string(bytes.ToLower(name)) {
	case "hex":
		return hex.AppendEncode(dst, a), nil
	case "base64":
		text := base64.StdEncoding.AppendEncode(nil, a)
		for len(text) > base64Line {
			dst = append(append(dst, text[:base64Line]...), '\n')
			text = text[base64Line:]
		}
		return append(dst, text...), nil
	case "escape":
		for _, c := range a {
			switch {
			case c == 0 || c >= 0x80:
				dst = append(dst, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
			case c == '\\':
				dst = append(dst, '\\', '\\')
			default:
				dst = append(dst, c)
			}
		}
		return dst, nil
	}
	return dst, errEncoding(name)
}

func decodeBytes(dst, a, name []byte) ([]byte, error) {
	switch string(bytes.ToLower(name)) {
	case "hex":
		return decodeHex(dst, a)
	case "base64":
		return decodeBase64(dst, a)
	case "escape":
		return decodeEscape(dst, a)
	}
	return dst, errEncoding(name)
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func decodeHex(dst, a []byte) ([]byte, error) {
	digits := make([]byte, 0, len(a))
	for _, c := range a {
		if c == ' ' || c == '\n' || c == '\t' || c == '\r' {
			continue
		}
		if _, err := hex.DecodeString("0" + string(c)); err != nil {
			return dst, sqlerr.New(sqlerr.InvalidParameterValue, "invalid hexadecimal digit: \"%s\"", firstRune(a, c))
		}
		digits = append(digits, c)
	}
	if len(digits)%2 != 0 {
		return dst, sqlerr.New(sqlerr.InvalidParameterValue, "invalid hexadecimal data: odd number of digits")
	}
	return hex.AppendDecode(dst, digits)
}

// firstRune returns the character of a that begins with c.
func firstRune(a []byte, c byte) string {
	i := bytes.IndexByte(a, c)
	return string(a[i : i+runeOffset(a[i:], 1)])
}

func decodeBase64(dst, a []byte) ([]byte, error) {
	symbols := make([]byte, 0, len(a))
	for _, c := range a {
		switch {
		case isSpace(c):
		case c == '+' || c == '/' || c == '=' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			symbols = append(symbols, c)
		default:
			return dst, sqlerr.New(sqlerr.InvalidParameterValue, "invalid symbol \"%s\" found while decoding base64 sequence", firstRune(a, c))
		}
	}
	out, err := base64.StdEncoding.AppendDecode(dst, symbols)
	if err != nil {
		return dst, sqlerr.New(sqlerr.InvalidParameterValue, "invalid base64 end sequence").
			WithHint("Input data is missing padding, is truncated, or is otherwise corrupted.")
	}
	return out, nil
}

func decodeEscape(dst, a []byte) ([]byte, error) {
	octal := func(c byte, most byte) bool { return c >= '0' && c <= most }
	for i := 0; i < len(a); i++ {
		switch {
		case a[i] != '\\':
			dst = append(dst, a[i])
		case i+1 < len(a) && a[i+1] == '\\':
			dst = append(dst, '\\')
			i++
		case i+3 < len(a) && octal(a[i+1], '3') && octal(a[i+2], '7') && octal(a[i+3], '7'):
			dst = append(dst, (a[i+1]-'0')<<6|(a[i+2]-'0')<<3|(a[i+3]-'0'))
			i += 3
		default:
			return dst, sqlerr.New(sqlerr.InvalidTextRepresentation, "invalid input syntax for type bytea")
		}
	}
	return dst, nil
}
