package sql

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
)

// Limits of what is parsed.
const (
	// MaxBytes bounds the text, SQLSTATE 54000 beyond.
	MaxBytes = 1 << 20
	// MaxDepth bounds the nesting, SQLSTATE 54001 beyond.
	MaxDepth = 500
	// MaxParams bounds $n, as the wire protocol does.
	MaxParams = math.MaxUint16
)

// maxNameParts bounds the words and dots in the name of an option or setting.
const maxNameParts = 16

// Parse parses a string of statements parted by semicolons. Empty statements
// are left out, so the result may be empty.
func Parse(text string) ([]*ast.Parsed, error) {
	p, err := newParser(text)
	if err != nil {
		return nil, err
	}
	var list []*ast.Parsed
	for {
		for p.accept(';') {
			continue
		}
		if p.cur().kind == tokEOF {
			return list, nil
		}
		parsed := p.parsed()
		if p.err != nil {
			return nil, p.err
		}
		list = append(list, parsed)
	}
}

// ParseOne parses a string that holds exactly one statement.
func ParseOne(text string) (*ast.Parsed, error) {
	list, err := Parse(text)
	switch {
	case err != nil:
		return nil, err
	case len(list) == 0:
		return nil, sqlerr.New(sqlerr.SyntaxError, "syntax error at end of input").At(len(text))
	case len(list) > 1:
		return nil, sqlerr.New(sqlerr.SyntaxError, "cannot insert multiple commands into a prepared statement").
			At(list[1].Start)
	}
	return list[0], nil
}

// ParseExpr parses a string that is one scalar expression.
func ParseExpr(text string) (ast.Expr, error) {
	p, err := newParser(text)
	if err != nil {
		return nil, err
	}
	e := p.expr()
	p.expectEnd()
	if p.err != nil {
		return nil, p.err
	}
	return e, nil
}

// parser holds the tokens of a text and the place in it. After an error it
// stands at the end of the tokens, so that every loop ends; what it returns
// then is of no use.
type parser struct {
	text     string
	toks     []token
	i        int
	depth    int
	maxParam int
	err      *sqlerr.Error
	lex      lexer
	// windowless says that the call which begins here takes no FILTER and OVER;
	// those inside it do.
	windowless bool
	// labelDepth is the depth of the expression behind which a label may
	// stand without AS.
	labelDepth int
	// names is the rest of the block from which small name lists are cut.
	names []string
	buf   [64]token
}

func newParser(text string) (*parser, error) {
	if len(text) > MaxBytes {
		return nil, sqlerr.New(sqlerr.ProgramLimitExceeded, "statement is too long").
			WithDetail("The text has %d bytes, the limit is %d.", len(text), MaxBytes)
	}
	if err := checkEncoding(text); err != nil {
		return nil, err
	}
	p := &parser{text: text}
	p.lex.text = text
	p.toks = p.lex.all(p.buf[:0])
	return p, nil
}

// parsed parses one statement with what surrounds it.
func (p *parser) parsed() *ast.Parsed {
	start := int(p.cur().start)
	p.maxParam = 0
	stmt := p.statement()
	if p.err == nil && p.cur().kind != ';' {
		p.expectEnd()
	}
	if p.err != nil {
		return nil
	}
	end := start
	if p.i > 0 {
		end = int(p.toks[p.i-1].end)
	}
	return &ast.Parsed{Stmt: stmt, Text: p.text[start:end], Start: start, NumParams: p.maxParam}
}

// cur returns the current token.
func (p *parser) cur() *token { return &p.toks[p.i] }

// peek returns the token n behind the current one, the last one at the end.
func (p *parser) peek(n int) *token {
	return &p.toks[min(p.i+n, len(p.toks)-1)]
}

// pos returns the place of the current token.
func (p *parser) pos() ast.Pos { return ast.Pos(p.toks[p.i].start) }

// next moves on to the next token.
func (p *parser) next() {
	if p.i < len(p.toks)-1 {
		p.i++
	}
}

// raw returns the characters of a token.
func (p *parser) raw(t *token) string { return p.text[t.start:t.end] }

// fail records PostgreSQL's syntax error at the current token.
func (p *parser) fail() { p.failAt(p.cur()) }

// failHint is fail with a hint.
func (p *parser) failHint(format string, args ...any) {
	if p.err != nil {
		return
	}
	p.fail()
	if p.err != p.lex.err {
		p.err.WithHint(format, args...)
	}
}

func (p *parser) failAt(t *token) {
	switch {
	case p.err != nil:
	case t.kind == tokError:
		p.stop(p.lex.err)
	case t.kind == tokEOF:
		p.stop(sqlerr.New(sqlerr.SyntaxError, "syntax error at end of input").At(int(t.start)))
	default:
		p.stop(sqlerr.New(sqlerr.SyntaxError, "syntax error at or near \"%s\"", p.raw(t)).At(int(t.start)))
	}
}

// failf records an error with a message of its own at pos.
func (p *parser) failf(pos ast.Pos, code, format string, args ...any) *sqlerr.Error {
	if p.err == nil {
		p.stop(sqlerr.New(code, format, args...).At(int(pos)))
	}
	return p.err
}

// stop records the first error and moves to the end of the tokens.
func (p *parser) stop(err *sqlerr.Error) {
	p.err = err
	p.i = len(p.toks) - 1
}

// enter counts a level of nesting; every enter has its leave.
func (p *parser) enter() {
	p.depth++
	if p.depth > MaxDepth && p.err == nil {
		p.failf(p.pos(), sqlerr.StatementTooComplex, "statement is nested too deeply").
			WithHint("Nesting is limited to %d levels.", MaxDepth)
	}
}

func (p *parser) leave() { p.depth-- }

// is reports whether the current token is of the kind.
func (p *parser) is(kind tokenKind) bool { return p.toks[p.i].kind == kind }

// accept moves over a token of the kind.
func (p *parser) accept(kind tokenKind) bool {
	if p.toks[p.i].kind != kind || kind == tokEOF {
		return false
	}
	p.next()
	return true
}

// expect moves over a token of the kind or fails.
func (p *parser) expect(kind tokenKind) {
	if !p.accept(kind) {
		p.fail()
	}
}

// expectEnd fails unless all tokens are consumed.
func (p *parser) expectEnd() {
	if !p.is(tokEOF) {
		p.fail()
	}
}

// isKw reports whether the current token is the keyword.
func (p *parser) isKw(kw keyword) bool { return p.toks[p.i].kw == kw }

// peekKw reports whether the token n behind the current one is the keyword.
func (p *parser) peekKw(n int, kw keyword) bool { return p.peek(n).kw == kw }

// acceptKw moves over the keyword.
func (p *parser) acceptKw(kw keyword) bool {
	if p.toks[p.i].kw != kw {
		return false
	}
	p.next()
	return true
}

// acceptKws moves over the keywords if all of them follow.
func (p *parser) acceptKws(kws ...keyword) bool {
	for i, kw := range kws {
		if !p.peekKw(i, kw) {
			return false
		}
	}
	p.i += len(kws)
	return true
}

// oneOf moves over one of the keywords and returns it in upper case, or fails.
func (p *parser) oneOf(kws ...keyword) string {
	kw := p.cur().kw
	if kw == noKeyword || !slices.Contains(kws, kw) {
		p.fail()
		return ""
	}
	p.next()
	return strings.ToUpper(keywords[kw].word)
}

// expectKw moves over the keyword or fails.
func (p *parser) expectKw(kw keyword) {
	if !p.acceptKw(kw) {
		p.fail()
	}
}

// wordIs reports whether a token is the unquoted word, given in lower case,
// be it a keyword or not.
func (p *parser) wordIs(t *token, word string) bool {
	if t.kind != tokIdent && t.kind != tokKeyword || int(t.end-t.start) != len(word) {
		return false
	}
	for i := 0; i < len(word); i++ {
		c := p.text[int(t.start)+i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

// isWord reports whether the current token is the unquoted word.
func (p *parser) isWord(word string) bool { return p.wordIs(p.cur(), word) }

// peekWord reports whether the token n behind the current one is the word.
func (p *parser) peekWord(n int, word string) bool { return p.wordIs(p.peek(n), word) }

// acceptWord moves over the word.
func (p *parser) acceptWord(word string) bool {
	if !p.isWord(word) {
		return false
	}
	p.next()
	return true
}

// acceptWords moves over the words if all of them follow.
func (p *parser) acceptWords(words ...string) bool {
	for i, w := range words {
		if !p.peekWord(i, w) {
			return false
		}
	}
	p.i += len(words)
	return true
}

// expectWord moves over the word or fails.
func (p *parser) expectWord(word string) {
	if !p.acceptWord(word) {
		p.fail()
	}
}

// class returns the keyword class of a token, notKeyword for identifiers;
// ok is false for what is neither.
func (t *token) class() (class keywordClass, ok bool) {
	switch t.kind {
	case tokKeyword:
		return keywords[t.kw].class, true
	case tokIdent, tokQuoted, tokUQuoted:
		return notKeyword, true
	}
	return notKeyword, false
}

// isName reports whether a token is an identifier and no keyword.
func (t *token) isName() bool {
	return t.kind == tokIdent || t.kind == tokQuoted || t.kind == tokUQuoted
}

// isColID reports whether a token may name a column, relation or alias.
func (t *token) isColID() bool {
	class, ok := t.class()
	return ok && class <= colName
}

// isTypeFunc reports whether a token may name a function or type.
func (t *token) isTypeFunc() bool {
	class, ok := t.class()
	return ok && class != colName && class != reserved
}

// isBareLabel reports whether a token may be a label without AS.
func (t *token) isBareLabel() bool {
	if t.kind == tokKeyword {
		return keywords[t.kw].bare
	}
	_, ok := t.class()
	return ok
}

// name returns the identifier that a token stands for.
func (p *parser) name(t *token) string {
	switch t.kind {
	case tokKeyword:
		return keywords[t.kw].word
	case tokIdent:
		if t.plain {
			return p.raw(t)
		}
		return foldIdent(p.raw(t))
	case tokQuoted:
		s := p.text[t.start+1 : t.end-1]
		if t.plain {
			return s
		}
		return cutName(unquoteIdent(s))
	case tokUQuoted:
		return cutName(p.lex.values[t.start])
	}
	return ""
}

// colID reads the name of a column, relation or alias.
func (p *parser) colID() string {
	t := p.cur()
	if !t.isColID() {
		p.fail()
		return ""
	}
	p.next()
	return p.name(t)
}

// colLabel reads a name that may be any keyword.
func (p *parser) colLabel() string {
	t := p.cur()
	if _, ok := t.class(); !ok {
		p.fail()
		return ""
	}
	p.next()
	return p.name(t)
}

// nonReserved reads a name that may be any keyword but a reserved one, such
// as a role or an option.
func (p *parser) nonReserved() string {
	t := p.cur()
	if class, ok := t.class(); !ok || class == reserved {
		p.fail()
		return ""
	}
	p.next()
	return p.name(t)
}

// colIDs reads a list of names.
func (p *parser) colIDs() []string {
	list := []string{p.colID()}
	for p.accept(',') {
		list = append(list, p.colID())
	}
	return list
}

// parenColIDs reads a list of names in parentheses.
func (p *parser) parenColIDs() []string {
	p.expect('(')
	list := p.colIDs()
	p.expect(')')
	return list
}

// nameList returns a list that holds one name; several lists share a block.
func (p *parser) nameList(name string) []string {
	if len(p.names) == 0 {
		p.names = make([]string, 16)
	}
	list := p.names[:1:1]
	p.names = p.names[1:]
	list[0] = name
	return list
}

// objectName reads a possibly qualified name.
func (p *parser) objectName() *ast.ObjectName {
	n := &ast.ObjectName{Pos: p.pos()}
	n.Name = p.colID()
	for p.accept('.') {
		n.Qualifier = p.qualify(n.Qualifier, n.Name)
		n.Name = p.colLabel()
	}
	p.checkQualifier(n.Pos, n.Qualifier, n.Name)
	return n
}

// checkQualifier refuses names of more than three parts.
func (p *parser) checkQualifier(pos ast.Pos, qualifier []string, name string) {
	if len(qualifier) <= 2 || p.err != nil {
		return
	}
	p.failf(pos, sqlerr.SyntaxError, "improper qualified name (too many dotted names): %s.%s",
		strings.Join(qualifier, "."), name)
}

// qualify appends a part to a qualifier.
func (p *parser) qualify(qualifier []string, part string) []string {
	if qualifier == nil {
		return p.nameList(part)
	}
	return append(qualifier, part)
}

// objectNames reads a list of names.
func (p *parser) objectNames() []*ast.ObjectName {
	list := []*ast.ObjectName{p.objectName()}
	for p.accept(',') {
		list = append(list, p.objectName())
	}
	return list
}

// isString reports whether a token is a string constant.
func (t *token) isString() bool {
	switch t.kind {
	case tokString, tokEString, tokUString, tokDollar:
		return true
	}
	return false
}

// stringValue returns what a string constant stands for.
func (p *parser) stringValue(t *token) string {
	raw := p.raw(t)
	switch t.kind {
	case tokString:
		if t.plain {
			return raw[1 : len(raw)-1]
		}
		return joinQuoted(raw)
	case tokEString:
		if t.plain {
			return raw[2 : len(raw)-1]
		}
		return p.lex.values[t.start]
	case tokUString:
		return p.lex.values[t.start]
	case tokDollar:
		n := 1
		for raw[n] != '$' {
			n++
		}
		return raw[n+1 : len(raw)-n-1]
	}
	return ""
}

// str reads a string constant.
func (p *parser) str() *ast.StringLit {
	t := p.cur()
	s := &ast.StringLit{Pos: p.pos()}
	if !t.isString() {
		p.fail()
		return s
	}
	s.Value = p.stringValue(t)
	p.next()
	return s
}

// integer reads an unsigned integer that fits in 32 bits, as PostgreSQL's
// grammar asks for in most places.
func (p *parser) integer() int {
	t := p.cur()
	if t.kind != tokInt {
		p.fail()
		return 0
	}
	n, err := strconv.ParseInt(p.raw(t), 10, 32)
	if err != nil {
		p.fail()
		return 0
	}
	p.next()
	return int(n)
}
