package sql

import (
	"strings"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// maxNameBytes is NAMEDATALEN - 1: longer names are cut, longer operators
// refused.
const maxNameBytes = 63

// Classes of bytes.
const (
	clsSpace uint8 = 1 << iota
	clsIdentStart
	clsIdentCont
	clsDigit
	clsOp
	clsSelf
)

// byteClass gives the classes of each byte, as in PostgreSQL's scanner.
var byteClass = classifyBytes()

func classifyBytes() (t [256]uint8) {
	mark := func(chars string, class uint8) {
		for i := 0; i < len(chars); i++ {
			t[chars[i]] |= class
		}
	}
	mark(" \t\n\r\f", clsSpace)
	mark("~!@#^&|`?+-*/%<>=", clsOp)
	mark(",()[].;:+-*/%^<>=", clsSelf)
	mark("0123456789", clsDigit|clsIdentCont)
	mark("_", clsIdentStart|clsIdentCont)
	mark("$", clsIdentCont)
	for c := 'a'; c <= 'z'; c++ {
		t[c] |= clsIdentStart | clsIdentCont
		t[c-'a'+'A'] |= clsIdentStart | clsIdentCont
	}
	for c := 128; c < 256; c++ {
		t[c] |= clsIdentStart | clsIdentCont
	}
	return t
}

func isClass(c byte, class uint8) bool { return byteClass[c]&class != 0 }

// lexer cuts a text into tokens.
type lexer struct {
	text string
	pos  int
	err  *sqlerr.Error
	run  operatorRun
	// values holds what tokens with backslash escapes stand for, by start.
	values map[int32]string
}

// all appends every token of the text to toks, tokEOF at the end. After a
// lexical error the last token is tokError and l.err says what it is.
func (l *lexer) all(toks []token) []token {
	for {
		t := l.next()
		toks = append(toks, t)
		if t.kind == tokEOF || t.kind == tokError {
			return toks
		}
	}
}

func (l *lexer) at(i int) byte {
	if i < len(l.text) {
		return l.text[i]
	}
	return 0
}

func (l *lexer) make(kind tokenKind, start int) token {
	return token{kind: kind, start: int32(start), end: int32(l.pos)}
}

// fail ends the scan with PostgreSQL's message about the token that starts at
// start and ends at l.pos.
func (l *lexer) fail(start int, code, message string) token {
	l.err = sqlerr.New(code, "%s at or near \"%s\"", message, l.text[start:l.pos]).At(start)
	return token{kind: tokError, start: int32(start), end: int32(l.pos)}
}

// next returns the next token.
func (l *lexer) next() token {
	if t, ok := l.skipSpace(); !ok {
		return t
	}
	start := l.pos
	if start >= len(l.text) {
		return l.make(tokEOF, start)
	}
	c := l.text[start]
	switch {
	case isClass(c, clsIdentStart):
		return l.word(start, c)
	case isClass(c, clsDigit), c == '.' && isClass(l.at(start+1), clsDigit):
		return l.number(start)
	case c == '\'':
		return l.quoted(start, tokString, false)
	case c == '"':
		return l.quotedIdent(start, tokQuoted)
	case c == '$':
		return l.dollar(start)
	case c == ':' || c == '.':
		return l.punctuation(start, c)
	case isClass(c, clsOp):
		return l.operator(start)
	case isClass(c, clsSelf):
		l.pos++
		return l.make(tokenKind(c), start)
	}
	l.pos++
	return l.fail(start, sqlerr.SyntaxError, "syntax error")
}

// skipSpace skips white space and comments; ok is false after an error.
func (l *lexer) skipSpace() (t token, ok bool) {
	for l.pos < len(l.text) {
		c := l.text[l.pos]
		switch {
		case isClass(c, clsSpace):
			l.pos++
		case c == '-' && l.at(l.pos+1) == '-':
			l.skipLine()
		case c == '/' && l.at(l.pos+1) == '*':
			start := l.pos
			if !l.skipBlockComment() {
				return l.fail(start, sqlerr.SyntaxError, "unterminated /* comment"), false
			}
		default:
			return token{}, true
		}
	}
	return token{}, true
}

func (l *lexer) skipLine() {
	for l.pos < len(l.text) && l.text[l.pos] != '\n' && l.text[l.pos] != '\r' {
		l.pos++
	}
}

// skipBlockComment skips a comment, which may contain others.
func (l *lexer) skipBlockComment() bool {
	depth := 0
	for l.pos < len(l.text) {
		switch {
		case l.text[l.pos] == '/' && l.at(l.pos+1) == '*':
			depth++
			l.pos += 2
		case l.text[l.pos] == '*' && l.at(l.pos+1) == '/':
			depth--
			l.pos += 2
			if depth == 0 {
				return true
			}
		default:
			l.pos++
		}
	}
	return false
}

// word scans an identifier, a keyword, or a string or name with a prefix.
func (l *lexer) word(start int, c byte) token {
	next := l.at(start + 1)
	if next == '\'' {
		switch c {
		case 'e', 'E':
			l.pos++
			return l.quoted(start, tokEString, true)
		case 'b', 'B':
			l.pos++
			return l.quoted(start, tokBit, false)
		case 'x', 'X':
			l.pos++
			return l.quoted(start, tokHex, false)
		case 'n', 'N':
			l.pos++
			return token{kind: tokKeyword, kw: kwNchar, start: int32(start), end: int32(l.pos)}
		}
	}
	if (c == 'u' || c == 'U') && next == '&' {
		switch l.at(start + 2) {
		case '\'':
			l.pos += 2
			return l.unicode(start, tokUString)
		case '"':
			l.pos += 2
			return l.unicode(start, tokUQuoted)
		}
	}
	return l.ident(start)
}

// ident scans an unquoted identifier and finds out whether it is a keyword.
func (l *lexer) ident(start int) token {
	var folded [32]byte
	plain, ascii := true, true
	i := start
	for ; i < len(l.text) && isClass(l.text[i], clsIdentCont); i++ {
		c := l.text[i]
		if c >= 'A' && c <= 'Z' {
			plain = false
			c += 'a' - 'A'
		} else if c >= 128 {
			ascii = false
		}
		if i-start < len(folded) {
			folded[i-start] = c
		}
	}
	l.pos = i
	n := i - start
	t := token{kind: tokIdent, plain: plain && n <= maxNameBytes, start: int32(start), end: int32(i)}
	if ascii && n <= len(folded) {
		if kw := findKeyword(folded[:n]); kw != noKeyword {
			t.kind, t.kw = tokKeyword, kw
		}
	}
	return t
}

// number scans a numeric constant. "1..10" is 1, "..", 10.
func (l *lexer) number(start int) token {
	kind := tokInt
	signed := false
	l.digits()
	if l.at(l.pos) == '.' && l.at(l.pos+1) != '.' {
		kind = tokFloat
		l.pos++
		l.digits()
	}
	if c := l.at(l.pos); c == 'e' || c == 'E' {
		i := l.pos + 1
		if s := l.at(i); s == '+' || s == '-' {
			signed = true
			i++
		}
		if isClass(l.at(i), clsDigit) {
			kind = tokFloat
			l.pos = i
			l.digits()
		} else if i > l.pos+1 {
			l.pos = i
			return l.fail(start, sqlerr.SyntaxError, "trailing junk after numeric literal")
		}
	}
	if next := l.at(l.pos); isClass(next, clsIdentStart) || next == '$' && hasExponent(l.text[start:l.pos]) && !signed {
		l.identRest()
		return l.fail(start, sqlerr.SyntaxError, "trailing junk after numeric literal")
	}
	return l.make(kind, start)
}

// hasExponent reports whether the number could as well be one that ends in
// an identifier which begins with its e.
func hasExponent(number string) bool { return strings.ContainsAny(number, "eE") }

// identRest moves to the end of an identifier.
func (l *lexer) identRest() {
	for l.pos < len(l.text) && isClass(l.text[l.pos], clsIdentCont) {
		l.pos++
	}
}

func (l *lexer) digits() {
	for isClass(l.at(l.pos), clsDigit) {
		l.pos++
	}
}

// quoted scans a string from its prefix on; l.pos is at the quote. Strings
// that are parted by white space with a line break are one.
func (l *lexer) quoted(start int, kind tokenKind, backslash bool) token {
	t := token{kind: kind, plain: true, start: int32(start)}
	for {
		l.pos++
		if !l.quotedPart(&t, backslash) {
			return l.fail(start, sqlerr.SyntaxError, unterminated(kind))
		}
		next := l.continuation()
		if next < 0 {
			break
		}
		t.plain = false
		l.pos = next
	}
	t.end = int32(l.pos)
	if kind == tokEString && !t.plain {
		v, err := unescape(l.text[start:l.pos], start)
		if err != nil {
			return l.failWith(err, t)
		}
		l.keep(start, v)
	}
	return t
}

func (l *lexer) failWith(err *sqlerr.Error, t token) token {
	l.err = err
	t.kind = tokError
	return t
}

// keep remembers what the token at start stands for.
func (l *lexer) keep(start int, value string) {
	if l.values == nil {
		l.values = make(map[int32]string)
	}
	l.values[int32(start)] = value
}

func unterminated(kind tokenKind) string {
	switch kind {
	case tokBit:
		return "unterminated bit string literal"
	case tokHex:
		return "unterminated hexadecimal string literal"
	}
	return "unterminated quoted string"
}

// quotedPart scans to behind the closing quote.
func (l *lexer) quotedPart(t *token, backslash bool) bool {
	for l.pos < len(l.text) {
		switch l.text[l.pos] {
		case '\'':
			if l.at(l.pos+1) != '\'' || t.kind == tokBit || t.kind == tokHex {
				l.pos++
				return true
			}
			t.plain = false
			l.pos += 2
		case '\\':
			l.pos++
			if backslash {
				t.plain = false
				l.pos++
			}
		default:
			l.pos++
		}
	}
	l.pos = len(l.text)
	return false
}

// continuation returns the position of the quote that continues a string
// which just ended, -1 when there is none. It asks for a line break between.
func (l *lexer) continuation() int {
	newline := false
	for i := l.pos; i < len(l.text); {
		switch c := l.text[i]; {
		case c == '\n' || c == '\r':
			newline = true
			i++
		case isClass(c, clsSpace):
			i++
		case c == '-' && l.at(i+1) == '-':
			for i < len(l.text) && l.text[i] != '\n' && l.text[i] != '\r' {
				i++
			}
		case c == '\'' && newline:
			return i
		default:
			return -1
		}
	}
	return -1
}

// quotedIdent scans a name in double quotes; l.pos is at the quote.
func (l *lexer) quotedIdent(start int, kind tokenKind) token {
	t := token{kind: kind, plain: true, start: int32(start)}
	open := l.pos
	l.pos++
	for {
		if l.pos >= len(l.text) {
			return l.fail(start, sqlerr.SyntaxError, "unterminated quoted identifier")
		}
		if l.text[l.pos] == '"' {
			if l.at(l.pos+1) != '"' {
				break
			}
			t.plain = false
			l.pos++
		}
		l.pos++
	}
	l.pos++
	t.end = int32(l.pos)
	if l.pos-open == 2 {
		return l.fail(start, sqlerr.SyntaxError, "zero-length delimited identifier")
	}
	if l.pos-open-2 > maxNameBytes {
		t.plain = false
	}
	return t
}

// unicode scans U&'...' or U&"..." with a following UESCAPE; l.pos is at the
// quote.
func (l *lexer) unicode(start int, kind tokenKind) token {
	var t token
	if kind == tokUString {
		t = l.quoted(start, kind, false)
	} else {
		t = l.quotedIdent(start, kind)
	}
	if t.kind == tokError {
		return t
	}
	t.plain = false
	body := l.text[start+2 : l.pos]
	esc, bad, ok := l.uescape()
	if !ok {
		return bad
	}
	t.end = int32(l.pos)
	v, err := decodeUnicode(body, esc, start+2)
	if err != nil {
		return l.failWith(err, t)
	}
	l.keep(start, v)
	return t
}

// uescape scans a following UESCAPE 'c' and returns c, a backslash otherwise.
func (l *lexer) uescape() (esc byte, bad token, ok bool) {
	end := l.pos
	const word = "uescape"
	if bad, ok := l.skipSpace(); !ok {
		return 0, bad, false
	}
	i := l.pos
	if len(l.text)-i < len(word) || !strings.EqualFold(l.text[i:i+len(word)], word) ||
		isClass(l.at(i+len(word)), clsIdentCont) {
		l.pos = end
		return '\\', token{}, true
	}
	l.pos += len(word)
	if bad, ok := l.skipSpace(); !ok {
		return 0, bad, false
	}
	at := l.pos
	arg := l.next()
	switch {
	case arg.kind == tokError:
		return 0, arg, false
	case arg.kind != tokString:
		return 0, l.fail(at, sqlerr.SyntaxError, "UESCAPE must be followed by a simple string literal"), false
	case int(arg.end)-at != 3 || !validUescape(l.text[at+1]):
		return 0, l.fail(at, sqlerr.SyntaxError, "invalid Unicode escape character"), false
	}
	return l.text[at+1], token{}, true
}

// dollar scans $1, $tag$...$tag$, or refuses a lone dollar.
func (l *lexer) dollar(start int) token {
	if isClass(l.at(start+1), clsDigit) {
		l.pos++
		l.digits()
		if isClass(l.at(l.pos), clsIdentStart) {
			l.identRest()
			return l.fail(start, sqlerr.SyntaxError, "trailing junk after parameter")
		}
		return l.make(tokParam, start)
	}
	i := start + 1
	if isClass(l.at(i), clsIdentStart) {
		for i++; i < len(l.text) && isClass(l.text[i], clsIdentCont) && l.text[i] != '$'; {
			i++
		}
	}
	if l.at(i) != '$' {
		l.pos++
		return l.fail(start, sqlerr.SyntaxError, "syntax error")
	}
	tag := l.text[start : i+1]
	n := strings.Index(l.text[i+1:], tag)
	if n < 0 {
		l.pos = len(l.text)
		return l.fail(start, sqlerr.SyntaxError, "unterminated dollar-quoted string")
	}
	l.pos = i + 1 + n + len(tag)
	return l.make(tokDollar, start)
}

// punctuation scans what begins with a colon or a dot.
func (l *lexer) punctuation(start int, c byte) token {
	l.pos++
	switch next := l.at(l.pos); {
	case c == ':' && next == ':':
		l.pos++
		return l.make(tokTypecast, start)
	case c == ':' && next == '=':
		l.pos++
		return l.make(tokAssign, start)
	case c == '.' && next == '.':
		l.pos++
		return l.make(tokDotDot, start)
	}
	return l.make(tokenKind(c), start)
}

// operator scans the longest operator. It ends before a comment; a trailing +
// or - belongs to it only if it has a character that SQL's own operators lack.
func (l *lexer) operator(start int) token {
	run := l.operatorRun(start)
	l.pos = run.end
	if run.special < start && run.other < run.end-1 {
		l.pos = max(run.other, start) + 1
	}
	op := l.text[start:l.pos]
	switch {
	case len(op) == 1 && isClass(op[0], clsSelf):
		return l.make(tokenKind(op[0]), start)
	case op == "=>":
		return l.make(tokArrow, start)
	case op == "<=":
		return l.make(tokLE, start)
	case op == ">=":
		return l.make(tokGE, start)
	case op == "<>" || op == "!=":
		return l.make(tokNE, start)
	case len(op) > maxNameBytes:
		return l.fail(start, sqlerr.SyntaxError, "operator too long")
	}
	return l.make(tokOp, start)
}

func isSpecialOp(c byte) bool { return strings.IndexByte("~!@#^&|`?%", c) >= 0 }

// operatorRun is a run of operator characters, up to a comment. It is kept for
// the operators behind the first: a run of plus signs is many of them, and the
// end of each depends on the whole.
type operatorRun struct {
	end     int
	special int // the last character that allows the operator to end in + or -, -1 without any
	other   int // the last character that is neither + nor -, -1 without any
}

// operatorRun returns the run that goes on at start.
func (l *lexer) operatorRun(start int) operatorRun {
	if start < l.run.end {
		return l.run
	}
	r := operatorRun{end: start, special: -1, other: -1}
	for ; r.end < len(l.text) && isClass(l.text[r.end], clsOp); r.end++ {
		c := l.text[r.end]
		if next := l.at(r.end + 1); c == '/' && next == '*' || c == '-' && next == '-' {
			break
		}
		if isSpecialOp(c) {
			r.special = r.end
		}
		if c != '+' && c != '-' {
			r.other = r.end
		}
	}
	l.run = r
	return r
}
