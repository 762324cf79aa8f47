package types

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// maxJSONDepth bounds the recursion over a client's text, as PostgreSQL's limit
// of its stack does.
const maxJSONDepth = 2000

// jsonScanner validates JSON text and, with canonical set, appends its
// canonical form to out.
type jsonScanner struct {
	in        []byte
	at        int
	depth     int
	canonical bool
	out       []byte
	members   []jsonMember // of the open objects
	scratch   []byte
}

// jsonMember is a field of an object under construction, as offsets of out.
type jsonMember struct {
	key, value, end int // `"key": value`
}

// ValidateJSON checks that s is one JSON value; 22P02 in PostgreSQL's words.
func ValidateJSON(s []byte) error {
	j := jsonScanner{in: s}
	return j.document()
}

// AppendJSONB appends the canonical text of the JSON value s, as PostgreSQL
// prints jsonb: keys sorted by length, then bytes, the last of equal keys,
// numbers exact without exponent, one blank after each comma and colon, the
// shortest escapes. 22P02 for other text, 22P05 for \u0000.
func AppendJSONB(dst, s []byte) ([]byte, error) {
	var members [16]jsonMember
	j := jsonScanner{in: s, canonical: true, out: dst, members: members[:0]}
	if err := j.document(); err != nil {
		return nil, err
	}
	return j.out, nil
}

func (j *jsonScanner) document() error {
	if err := CheckText(j.in); err != nil {
		return err
	}
	j.space()
	if err := j.value(); err != nil {
		return err
	}
	j.space()
	if j.at < len(j.in) {
		return j.unexpected("end of input")
	}
	return nil
}

func errJSON(detail string, args ...any) error {
	return sqlerr.New(sqlerr.InvalidTextRepresentation, "invalid input syntax for type json").WithDetail(detail, args...)
}

// unexpected names the token at the scanner's place.
func (j *jsonScanner) unexpected(want string) error {
	if j.at >= len(j.in) {
		return errJSON("The input string ended unexpectedly.")
	}
	token, valid := j.token()
	if !valid {
		return errJSON("Token \"%s\" is invalid.", token)
	}
	switch want {
	case "end of input":
		return errJSON("Expected end of input, but found \"%s\".", token)
	case "value":
		return errJSON("Expected JSON value, but found \"%s\".", token)
	}
	return errJSON("Expected %s, but found \"%s\".", want, token)
}

// token returns the token at the scanner's place and whether it is one of
// JSON's.
func (j *jsonScanner) token() ([]byte, bool) {
	rest := j.in[j.at:]
	switch c := rest[0]; {
	case bytes.IndexByte([]byte("{}[]:,"), c) >= 0:
		return rest[:1], true
	case c == '"':
		probe := jsonScanner{in: j.in, at: j.at}
		if probe.skipString() {
			return j.in[j.at:probe.at], true
		}
		return rest, false
	}
	end := scanWhile(rest, 0, func(c byte) bool {
		return isAlnum(c) || c == '_' || c >= utf8.RuneSelf || c == '-' || c == '+' || c == '.'
	})
	if end == 0 {
		_, end = utf8.DecodeRune(rest)
	}
	word := rest[:end]
	switch string(word) {
	case "true", "false", "null":
		return word, true
	}
	return word, jsonNumberEnd(word) == len(word)
}

func (j *jsonScanner) space() {
	for j.at < len(j.in) {
		switch j.in[j.at] {
		case ' ', '\t', '\n', '\r':
			j.at++
		default:
			return
		}
	}
}

func (j *jsonScanner) emit(s string) {
	if j.canonical {
		j.out = append(j.out, s...)
	}
}

func (j *jsonScanner) value() error {
	if j.at >= len(j.in) {
		return j.unexpected("value")
	}
	switch c := j.in[j.at]; {
	case c == '{' || c == '[':
		return j.nested(c == '{')
	case c == '"':
		return j.string()
	case c == '-' || isDigit(c):
		return j.number()
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if bytes.HasPrefix(j.in[j.at:], []byte(word)) {
			end := j.at + len(word)
			if end < len(j.in) && (isAlnum(j.in[end]) || j.in[end] == '_' || j.in[end] >= utf8.RuneSelf) {
				break
			}
			j.at = end
			j.emit(word)
			return nil
		}
	}
	return j.unexpected("value")
}

func (j *jsonScanner) nested(object bool) (err error) {
	if j.depth++; j.depth > maxJSONDepth {
		return sqlerr.New(sqlerr.StatementTooComplex, "stack depth limit exceeded").
			WithHint("The JSON value is nested more than %d levels deep.", maxJSONDepth)
	}
	if object {
		err = j.object()
	} else {
		err = j.array()
	}
	j.depth--
	return err
}

func (j *jsonScanner) array() error {
	j.at++
	j.emit("[")
	j.space()
	if j.at < len(j.in) && j.in[j.at] == ']' {
		j.at++
		j.emit("]")
		return nil
	}
	for {
		j.space()
		if err := j.value(); err != nil {
			return err
		}
		j.space()
		if j.at >= len(j.in) {
			return j.unexpected("")
		}
		switch j.in[j.at] {
		case ',':
			j.emit(", ")
		case ']':
			j.at++
			j.emit("]")
			return nil
		default:
			return j.unexpected(`"," or "]"`)
		}
		j.at++
	}
}

func (j *jsonScanner) object() error {
	j.at++
	j.emit("{")
	start, first := len(j.out), len(j.members)
	j.space()
	if j.at < len(j.in) && j.in[j.at] == '}' {
		j.at++
		j.emit("}")
		return nil
	}
	want := `string or "}"`
	for {
		j.space()
		if err := j.member(want); err != nil {
			return err
		}
		j.space()
		if j.at >= len(j.in) {
			return j.unexpected("")
		}
		switch j.in[j.at] {
		case ',':
			j.emit(", ")
		case '}':
			j.at++
			j.sortMembers(start, first)
			j.emit("}")
			return nil
		default:
			return j.unexpected(`"," or "}"`)
		}
		j.at++
		want = "string"
	}
}

func (j *jsonScanner) member(want string) error {
	if j.at >= len(j.in) || j.in[j.at] != '"' {
		return j.unexpected(want)
	}
	m := jsonMember{key: len(j.out)}
	if err := j.string(); err != nil {
		return err
	}
	j.space()
	if j.at >= len(j.in) || j.in[j.at] != ':' {
		return j.unexpected(`":"`)
	}
	j.at++
	j.emit(": ")
	m.value = len(j.out)
	j.space()
	if err := j.value(); err != nil {
		return err
	}
	m.end = len(j.out)
	if j.canonical {
		j.members = append(j.members, m)
	}
	return nil
}

// jsonNumberEnd returns the length of the number at the front of b, 0 if there
// is none.
func jsonNumberEnd(b []byte) int {
	i := 0
	if i < len(b) && b[i] == '-' {
		i++
	}
	switch {
	case i < len(b) && b[i] == '0':
		i++
	case i < len(b) && isDigit(b[i]):
		i = scanWhile(b, i, isDigit)
	default:
		return 0
	}
	if i < len(b) && b[i] == '.' {
		end := scanWhile(b, i+1, isDigit)
		if end == i+1 {
			return 0
		}
		i = end
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		k := i + 1
		if k < len(b) && (b[k] == '-' || b[k] == '+') {
			k++
		}
		end := scanWhile(b, k, isDigit)
		if end == k {
			return 0
		}
		i = end
	}
	return i
}

func (j *jsonScanner) number() error {
	rest := j.in[j.at:]
	n := jsonNumberEnd(rest)
	if n == 0 || n < len(rest) && (isAlnum(rest[n]) || rest[n] == '_' || rest[n] == '.' || rest[n] == '-' || rest[n] == '+' || rest[n] >= utf8.RuneSelf) {
		token, _ := j.token()
		return errJSON("Token \"%s\" is invalid.", token)
	}
	text := rest[:n]
	j.at += n
	if !j.canonical {
		return nil
	}
	if len(text) <= 1000 && text[0] != '-' && bytes.IndexByte(text, 'e') < 0 && bytes.IndexByte(text, 'E') < 0 {
		j.out = append(j.out, text...)
		return nil
	}
	d, err := ParseDecimal(text)
	if err != nil {
		return err
	}
	j.out = d.AppendText(j.out)
	return nil
}

// skipString moves behind the string at the scanner's place.
func (j *jsonScanner) skipString() bool {
	for i := j.at + 1; i < len(j.in); i++ {
		switch j.in[i] {
		case '\\':
			i++
		case '"':
			j.at = i + 1
			return true
		}
	}
	return false
}

func (j *jsonScanner) string() error {
	i := j.at + 1
	for i < len(j.in) && j.in[i] != '"' && j.in[i] != '\\' && j.in[i] >= ' ' {
		i++
	}
	if i < len(j.in) && j.in[i] == '"' { // nothing to unescape
		if j.canonical {
			j.out = append(j.out, j.in[j.at:i+1]...)
		}
		j.at = i + 1
		return nil
	}
	text, end, err := unescapeJSON(j.scratch[:0], j.in, j.at+1, !j.canonical)
	if err != nil {
		return err
	}
	j.scratch = text
	if j.canonical {
		j.out = AppendJSONString(j.out, text)
	}
	j.at = end
	return nil
}

// unescapeJSON appends the string whose first character is at in[i] and returns
// the place behind its closing quote. Lax leaves Unicode escapes unjudged, as
// the type json does: they may be NUL or half of a surrogate pair.
func unescapeJSON(dst, in []byte, i int, lax bool) (text []byte, end int, err error) {
	start := i - 1
	for i < len(in) {
		c := in[i]
		switch {
		case c == '"':
			return dst, i + 1, nil
		case c < ' ':
			return nil, 0, errJSON("Character with value 0x%02x must be escaped.", c)
		case c != '\\':
			dst = append(dst, c)
			i++
			continue
		}
		if i+1 >= len(in) {
			break
		}
		if in[i+1] != 'u' {
			plain := bytes.IndexByte([]byte(`"\/bfnrt`), in[i+1])
			if plain < 0 {
				_, n := utf8.DecodeRune(in[i+1:])
				return nil, 0, errJSON("Escape sequence \"\\%s\" is invalid.", in[i+1:i+1+n])
			}
			dst = append(dst, "\"\\/\b\f\n\r\t"[plain])
			i += 2
			continue
		}
		r, n, err := unicodeEscape(in[i:], lax)
		if err != nil {
			return nil, 0, err
		}
		dst = utf8.AppendRune(dst, r)
		i += n
	}
	return nil, 0, errJSON("Token \"%s\" is invalid.", in[start:])
}

// unicodeEscape reads \uXXXX, or two that are a surrogate pair.
func unicodeEscape(b []byte, lax bool) (r rune, n int, err error) {
	r, ok := hex4(b)
	switch {
	case !ok:
		return 0, 0, errJSON("\"\\u\" must be followed by four hexadecimal digits.")
	case lax:
		return r, 6, nil
	case r == 0:
		return 0, 0, sqlerr.New(sqlerr.UntranslatableCharacter, "unsupported Unicode escape sequence").
			WithDetail("\\u0000 cannot be converted to text.")
	case !utf16.IsSurrogate(r):
		return r, 6, nil
	case r >= 0xDC00:
		return 0, 0, errJSON("Unicode low surrogate must follow a high surrogate.")
	}
	low, ok := hex4(b[6:])
	if !ok || low < 0xDC00 || low > 0xDFFF {
		return 0, 0, errJSON("Unicode low surrogate must follow a high surrogate.")
	}
	return utf16.DecodeRune(r, low), 12, nil
}

func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	for _, c := range b[2:6] {
		d, ok := hexDigit(c)
		if !ok {
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, true
}

// AppendJSONString appends s as a JSON string with the escapes that PostgreSQL
// writes.
func AppendJSONString(dst, s []byte) []byte {
	dst = append(dst, '"')
	start := 0
	for i, c := range s {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		dst = append(dst, '\\')
		switch c {
		case '"', '\\':
			dst = append(dst, c)
		case '\b':
			dst = append(dst, 'b')
		case '\f':
			dst = append(dst, 'f')
		case '\n':
			dst = append(dst, 'n')
		case '\r':
			dst = append(dst, 'r')
		case '\t':
			dst = append(dst, 't')
		default:
			dst = append(dst, 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
