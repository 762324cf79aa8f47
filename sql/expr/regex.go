package expr

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// pattern is a compiled regular expression of PostgreSQL's advanced syntax.
type pattern struct {
	re *regexp.Regexp
	// mixed says that greedy and non-greedy quantifiers occur together: whether
	// it matches is the same for all engines, but not what part of the text.
	mixed bool
	// empty says that it matches the empty text, anchored that the text before
	// a place decides whether it matches there.
	empty, anchored bool
}

// all returns the matches from left to right. PostgreSQL finds an empty match
// right behind another match, Go's engine does not: such patterns are applied to
// the rest of the text again and again.
func (p *pattern) all(text []byte) ([][]int, error) {
	if !p.empty {
		return p.re.FindAllSubmatchIndex(text, -1), nil
	}
	if p.anchored {
		return nil, errPatternUnsupported("finding all matches of a pattern that matches the empty text at an anchor")
	}
	var all [][]int
	for pos := 0; pos <= len(text); {
		m := p.re.FindSubmatchIndex(text[pos:])
		if m == nil {
			break
		}
		for i := range m {
			if m[i] >= 0 {
				m[i] += pos
			}
		}
		all = append(all, m)
		if pos = m[1]; m[0] == m[1] {
			pos += max(runeOffset(text[pos:], 1), 1)
		}
	}
	return all, nil
}

// errPattern is PostgreSQL's error of a pattern that it refuses.
func errPattern(what string) error {
	return sqlerr.New(sqlerr.InvalidRegularExpression, "invalid regular expression: %s", what)
}

// errPatternUnsupported is ours, for what PostgreSQL accepts and Go's engine,
// which never backtracks, cannot do.
func errPatternUnsupported(what string) error {
	return sqlerr.New(sqlerr.FeatureNotSupported, "%s in regular expressions is not supported", what).
		WithHint("Patterns are matched in linear time, which excludes back references and look-around.")
}

// compilePattern translates a pattern to Go's syntax. Options are PostgreSQL's
// flags; g is the caller's.
func compilePattern(src string, flags string) (*pattern, error) {
	t := reTranslator{src: src}
	for _, f := range flags {
		if err := t.option(f); err != nil {
			return nil, err
		}
	}
	if err := t.translate(); err != nil {
		return nil, err
	}
	re, err := regexp.Compile(t.goSource())
	if err != nil {
		return nil, patternError(err)
	}
	if !t.lazy {
		re.Longest()
	}
	return &pattern{re: re, mixed: t.lazy && (t.greedy || t.alternation), empty: re.MatchString(""), anchored: t.anchored}, nil
}

func patternError(err error) error {
	var e *syntax.Error
	if !errors.As(err, &e) {
		return errPattern(err.Error())
	}
	switch e.Code {
	case syntax.ErrMissingParen, syntax.ErrUnexpectedParen:
		return errPattern("parentheses () not balanced")
	case syntax.ErrMissingBracket:
		return errPattern("brackets [] not balanced")
	case syntax.ErrMissingRepeatArgument, syntax.ErrInvalidRepeatOp:
		return errPattern("quantifier operand invalid")
	case syntax.ErrInvalidRepeatSize:
		return errPattern("invalid repetition count(s)")
	case syntax.ErrInvalidCharRange:
		return errPattern("invalid character range")
	case syntax.ErrInvalidCharClass:
		return errPattern("invalid character class")
	case syntax.ErrInvalidEscape, syntax.ErrTrailingBackslash:
		return errPattern(`invalid escape \ sequence`)
	case syntax.ErrLarge, syntax.ErrNestingDepth:
		return errPattern("regular expression is too complex")
	}
	return errPattern(e.Code.String())
}

// reTranslator writes Go's syntax for PostgreSQL's.
type reTranslator struct {
	src      string
	pos      int
	out      strings.Builder
	fold     bool // i
	newline  bool // n: newlines end lines, and . and [^ do not match them
	partial  bool // p: . and [^ do not match newlines
	weird    bool // w: ^ and $ match at lines
	expanded bool // x
	literal  bool // q

	lazy, greedy, alternation bool
	anchored                  bool
	operand                   bool // a quantifier may follow
}

func (t *reTranslator) option(f rune) error {
	switch f {
	case 'i':
		t.fold = true
	case 'c':
		t.fold = false
	case 'm', 'n':
		t.newline = true
	case 'p':
		t.partial = true
	case 'w':
		t.weird = true
	case 's':
		t.newline, t.partial, t.weird = false, false, false
	case 't':
		t.expanded = false
	case 'x':
		t.expanded = true
	case 'q':
		t.literal = true
	case 'b', 'e':
		return errPatternUnsupported("the flag " + string(f))
	default:
		return sqlerr.New(sqlerr.InvalidParameterValue, "invalid regular expression option: \"%c\"", f)
	}
	return nil
}

func (t *reTranslator) goSource() string {
	flags := ""
	if t.fold {
		flags += "i"
	}
	if !t.newline && !t.partial {
		flags += "s"
	}
	if t.newline || t.weird {
		flags += "m"
	}
	if flags != "" {
		flags = "(?" + flags + ")"
	}
	return flags + t.out.String()
}

// director reads what may stand before a pattern: ***: or ***= and (?flags).
func (t *reTranslator) director() error {
	switch {
	case strings.HasPrefix(t.src, "***:"):
		t.pos = 4
	case strings.HasPrefix(t.src, "***="):
		t.literal, t.pos = true, 4
	}
	rest := t.src[t.pos:]
	if t.literal || !strings.HasPrefix(rest, "(?") || len(rest) < 3 || rest[2] < 'a' || rest[2] > 'z' {
		return nil
	}
	end := strings.IndexByte(rest, ')')
	if end < 0 {
		return errPattern("parentheses () not balanced")
	}
	for _, f := range rest[2:end] {
		if err := t.option(f); err != nil {
			return errPattern("invalid embedded option")
		}
	}
	t.pos += end + 1
	return nil
}

func (t *reTranslator) translate() error {
	if err := t.director(); err != nil {
		return err
	}
	if t.literal {
		t.out.WriteString(regexp.QuoteMeta(t.src[t.pos:]))
		return nil
	}
	for t.pos < len(t.src) {
		if err := t.atom(); err != nil {
			return err
		}
	}
	return nil
}

func (t *reTranslator) emit(s string, operand bool) {
	t.out.WriteString(s)
	t.operand = operand
}

func (t *reTranslator) atom() error {
	c := t.src[t.pos]
	switch c {
	case '*', '+', '?':
		t.pos++
		return t.quantifier(string(c))
	case '{':
		return t.bound()
	case '(':
		return t.group()
	case ')':
		t.emit(")", true)
	case '|':
		t.alternation = true
		t.emit("|", false)
	case '^', '$':
		t.anchored = t.anchored || c == '^'
		t.emit(string(c), false)
	case '.':
		t.emit(".", true)
	case '[':
		return t.bracket()
	case '\\':
		return t.escape(false)
	default:
		return t.char()
	}
	t.pos++
	return nil
}

// char copies one literal character.
func (t *reTranslator) char() error {
	c := t.src[t.pos]
	if t.expanded {
		if isSpace(c) {
			t.pos++
			return nil
		}
		if c == '#' {
			for t.pos < len(t.src) && t.src[t.pos] != '\n' {
				t.pos++
			}
			return nil
		}
	}
	_, n := utf8.DecodeRuneInString(t.src[t.pos:])
	t.emit(regexp.QuoteMeta(t.src[t.pos:t.pos+n]), true)
	t.pos += n
	return nil
}

// quantifier writes a quantifier and an eventual ? behind it.
func (t *reTranslator) quantifier(q string) error {
	if !t.operand {
		return errPattern("quantifier operand invalid")
	}
	if t.pos < len(t.src) && t.src[t.pos] == '?' {
		t.pos++
		t.lazy = true
		q += "?"
	} else {
		t.greedy = true
	}
	t.emit(q, false)
	return nil
}

// maxRepeat is the greatest count in {m,n}.
const maxRepeat = 255

func (t *reTranslator) bound() error {
	rest := t.src[t.pos+1:]
	if rest == "" || rest[0] < '0' || rest[0] > '9' {
		t.emit(`\{`, true)
		t.pos++
		return nil
	}
	end := strings.IndexByte(rest, '}')
	if end < 0 {
		return errPattern("braces {} not balanced")
	}
	lo, hi, ranged := strings.Cut(rest[:end], ",")
	m, err := strconv.Atoi(lo)
	if err != nil || m > maxRepeat {
		return errPattern("invalid repetition count(s)")
	}
	if ranged && hi != "" {
		n, err := strconv.Atoi(hi)
		if err != nil || n > maxRepeat || n < m {
			return errPattern("invalid repetition count(s)")
		}
	}
	t.pos += end + 2
	return t.quantifier("{" + rest[:end] + "}")
}

func (t *reTranslator) group() error {
	rest := t.src[t.pos:]
	switch {
	case strings.HasPrefix(rest, "(?:"):
		t.emit("(?:", false)
		t.pos += 3
	case strings.HasPrefix(rest, "(?="), strings.HasPrefix(rest, "(?!"), strings.HasPrefix(rest, "(?<"):
		return errPatternUnsupported("look-around")
	case strings.HasPrefix(rest, "(?#"):
		end := strings.IndexByte(rest, ')')
		if end < 0 {
			return errPattern("parentheses () not balanced")
		}
		t.pos += end + 1
	case strings.HasPrefix(rest, "(?"):
		return errPattern("quantifier operand invalid")
	default:
		t.emit("(", false)
		t.pos++
	}
	return nil
}

// bracket copies a bracket expression.
func (t *reTranslator) bracket() error {
	t.pos++
	t.out.WriteByte('[')
	negated := t.pos < len(t.src) && t.src[t.pos] == '^'
	if negated {
		t.out.WriteByte('^')
		t.pos++
		if t.newline || t.partial {
			t.out.WriteString(`\n`)
		}
	}
	for first := true; ; first = false {
		if t.pos >= len(t.src) {
			return errPattern("brackets [] not balanced")
		}
		switch c := t.src[t.pos]; {
		case c == ']' && !first:
			t.pos++
			t.emit("]", true)
			return nil
		case c == '[' && t.pos+1 < len(t.src) && strings.IndexByte(":.=", t.src[t.pos+1]) >= 0:
			if err := t.class(); err != nil {
				return err
			}
		case c == '\\':
			if err := t.escape(true); err != nil {
				return err
			}
		case c == '-':
			t.dash(first)
		default:
			_, n := utf8.DecodeRuneInString(t.src[t.pos:])
			t.bracketChar(t.src[t.pos : t.pos+n])
			t.pos += n
		}
	}
}

// dash writes a hyphen in brackets: literal at either end, else a range.
func (t *reTranslator) dash(first bool) {
	t.pos++
	if first || t.pos < len(t.src) && t.src[t.pos] == ']' {
		t.out.WriteString(`\-`)
		return
	}
	t.out.WriteByte('-')
}

func (t *reTranslator) bracketChar(s string) {
	if strings.ContainsAny(s, `[]\^-&~`) {
		t.out.WriteByte('\\')
	}
	t.out.WriteString(s)
}

// class copies [:name:]; equivalence classes and collating elements of one
// character are that character.
func (t *reTranslator) class() error {
	kind := t.src[t.pos+1]
	rest := t.src[t.pos+2:]
	end := strings.Index(rest, string(kind)+"]")
	if end < 0 {
		return errPattern("brackets [] not balanced")
	}
	name := rest[:end]
	switch {
	case kind != ':' && utf8.RuneCountInString(name) == 1:
		t.bracketChar(name)
	case kind == '.':
		return errPattern("invalid collating element")
	case kind != ':':
		return errPattern("invalid collating element")
	case name == "<" || name == ">":
		return errPatternUnsupported("the constraint [[:" + name + ":]]")
	default:
		switch name {
		case "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "xdigit", "word":
			t.out.WriteString("[:" + name + ":]")
		default:
			return errPattern("invalid character class")
		}
	}
	t.pos += end + 4
	return nil
}

// escape translates a backslash and what follows it.
func (t *reTranslator) escape(bracket bool) error {
	if t.pos+1 >= len(t.src) {
		return errPattern(`invalid escape \ sequence`)
	}
	c := t.src[t.pos+1]
	t.pos += 2
	switch c {
	case 'd', 'w', 's', 'D', 'W', 'S':
		return t.classEscape(c, bracket)
	case 'A', 'Z', 'y', 'Y', 'm', 'M':
		if bracket {
			return errPattern(`invalid escape \ sequence`)
		}
		return t.constraint(c)
	case 'B':
		t.emit(`\\`, true)
	case 'a', 'f', 'n', 'r', 't', 'v':
		t.emit(`\`+string(c), true)
	case 'b':
		t.emit(`\x08`, true)
	case 'e':
		t.emit(`\x1b`, true)
	case 'c':
		if t.pos >= len(t.src) {
			return errPattern(`invalid escape \ sequence`)
		}
		t.codePoint(rune(t.src[t.pos] & 31))
		t.pos++
	case 'u':
		return t.hex(4, 4)
	case 'U':
		return t.hex(8, 8)
	case 'x':
		return t.hex(1, 255)
	case '0':
		return t.octal()
	default:
		return t.plainEscape(c, bracket)
	}
	return nil
}

func (t *reTranslator) plainEscape(c byte, bracket bool) error {
	switch {
	case c >= '1' && c <= '9':
		if bracket {
			return errPattern(`invalid escape \ sequence`)
		}
		return errPatternUnsupported("a back reference")
	case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
		return errPattern(`invalid escape \ sequence`)
	}
	t.pos-- // the character itself, which may have several bytes
	_, n := utf8.DecodeRuneInString(t.src[t.pos:])
	s := t.src[t.pos : t.pos+n]
	t.pos += n
	if bracket {
		t.bracketChar(s)
		return nil
	}
	t.emit(regexp.QuoteMeta(s), true)
	return nil
}

// classEscape writes \d and its kin; \s includes the vertical tab.
func (t *reTranslator) classEscape(c byte, bracket bool) error {
	switch {
	case c == 's' && bracket:
		t.emit("[:space:]", true)
	case c == 's':
		t.emit("[[:space:]]", true)
	case c == 'S' && !bracket:
		t.emit("[^[:space:]]", true)
	case bracket && c <= 'Z':
		return errPattern(`invalid escape \ sequence`)
	default:
		t.emit(`\`+string(c), true)
	}
	return nil
}

func (t *reTranslator) constraint(c byte) error {
	t.anchored = t.anchored || c != 'Z'
	switch c {
	case 'A':
		t.emit(`\A`, false)
	case 'Z':
		t.emit(`\z`, false)
	case 'y':
		t.emit(`\b`, false)
	case 'Y':
		t.emit(`\B`, false)
	default:
		return errPatternUnsupported(`the constraint \` + string(c))
	}
	return nil
}

func (t *reTranslator) codePoint(r rune) {
	t.emit(`\x{`+strconv.FormatInt(int64(r), 16)+`}`, true)
}

func (t *reTranslator) hex(least, most int) error {
	n := 0
	for n < most && t.pos+n < len(t.src) && strings.IndexByte("0123456789abcdefABCDEF", t.src[t.pos+n]) >= 0 {
		n++
	}
	if n < least {
		return errPattern(`invalid escape \ sequence`)
	}
	v, err := strconv.ParseUint(t.src[t.pos:t.pos+n], 16, 32)
	if err != nil || v > utf8.MaxRune {
		return errPattern(`invalid escape \ sequence`)
	}
	t.pos += n
	t.codePoint(rune(v))
	return nil
}

func (t *reTranslator) octal() error {
	v := rune(0)
	for n := 0; n < 2 && t.pos < len(t.src) && t.src[t.pos] >= '0' && t.src[t.pos] <= '7'; n++ {
		v = 8*v + rune(t.src[t.pos]-'0')
		t.pos++
	}
	t.codePoint(v)
	return nil
}

// patternCache keeps the patterns of a call site, which mostly has one.
type patternCache struct {
	last  string
	flags string
	p     *pattern
	err   error
	valid bool
	all   map[string]*pattern
}

// maxCachedPatterns bounds the memory of patterns that come from rows.
const maxCachedPatterns = 64

func (c *patternCache) get(src, flags []byte) (*pattern, error) {
	if c.valid && c.last == string(src) && c.flags == string(flags) {
		return c.p, c.err
	}
	key := string(flags) + "\x00" + string(src)
	p, ok := c.all[key]
	var err error
	if !ok {
		if p, err = compilePattern(string(src), string(flags)); err == nil {
			if len(c.all) >= maxCachedPatterns || c.all == nil {
				c.all = map[string]*pattern{}
			}
			c.all[key] = p
		}
	}
	c.last, c.flags, c.p, c.err, c.valid = string(src), string(flags), p, err, true
	return p, err
}
