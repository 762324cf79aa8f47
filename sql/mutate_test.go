package sql

import (
	"flag"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/streamdb/streamdb/internal/casefile"
)

var (
	mutations    = flag.Int("mutations", 20000, "statements that TestMutations makes")
	mutationSeed = flag.Uint64("mutation-seed", 1, "seed of TestMutations")
)

// oddNames are spellings of names that are read or printed with care: empty
// parts, dots, quotes, keywords of every class, letters that fold or do not,
// and the lengths around the limit of 63 bytes.
var oddNames = []string{
	`"."`, `"a.b"`, `".a"`, `"a."`, `".."`, `" "`, `""""`, `"a""b"`, `"a b"`, `"A"`, `Ab`, `"ä"`, `Ä`, `"1a"`, `"$a"`, `a$1`,
	`"a;b"`, `"--"`, `"/*"`, `"'"`, `"\"`, `"%"`, `"*"`, "\"\n\"", `"a,b"`, `"null"`, `"true"`, `"Select"`, `U&"\0061"`, `U&"d\0061t\+000061"`,
	`U&"d!0061" UESCAPE '!'`, `uescape`, `"u&"`, `u`, `e`, `"e"`, `n`, `x`, `b`,
	`"` + strings.Repeat("a", 63) + `"`, strings.Repeat("a", 64), `"` + strings.Repeat("A", 64) + `"`,
	`"` + strings.Repeat("a", 62) + `ü"`, strings.Repeat("ü", 40), `"` + strings.Repeat(".", 63) + `"`,
}

// oddValues are constants in all their spellings.
var oddValues = []string{
	`''`, `'.'`, `''''`, `'\'`, `E'\\'`, `E'\''`, `E'\n\x41\u00e4'`, `U&'\0061'`, `U&'\D83D\DE00'`, `U&'!0061' UESCAPE '!'`,
	`$$$$`, `$$a'b$$`, `$a$ $$ $a$`, "'a'\n'b'", "E'a'\n'\\b'", `N'a'`, `B'01'`, `B''`, `X'1F'`, `'a.b'`, `'null'`, `'on'`,
	`'` + strings.Repeat("a", 64) + `'`, `0`, `007`, `1.`, `.5`, `1e5`, `1E-5`, `99999999999999999999`, `2147483648`, `1.50`, `$1`, `-1`, `+1`,
	`- -1`, `null`, `true`, `off`, `default`, `(1)`, `((1))`, `(select 1)`, `((select 1) union select 2)`, `row()`, `row(1)`, `(1, 2)`,
	`array[]`, `array[[1],[2]]`, `array[[]]`, `interval '1' day`, `interval '1' second(3)`, `interval(3) '1'`, `interval '1' year to month`,
	`time with time zone '1'`, `timestamp(3) '1'`, `double precision '1'`, `numeric(3, 1) '1'`, `"char" 'a'`, `char 'a'`, `char(3) 'a'`, `bit '1'`,
	`bit(3) '1'`, `national character varying(3) 'a'`, `a.b 'c'`, `a(1) 'b'`, `date '2020-01-01'`, `current_date`, `current_timestamp(3)`,
	`current_schema`, `current_schema()`, `user`, `a.*`, `(a).b`, `(a.b).*`, `a[1]`, `a[:]`, `a[1:2]`, `(a).b[1]`, `$1.a`, `count(*)`,
	`f(distinct a order by b)`, `f(variadic a)`, `f(a => 1)`, `f() over ()`, `case when a then b end`, `a::int`, `a::int[]`, `not a`, `a is null`,
	`a between b and c`, `a and b`, `a or b`, `a collate "C"`, `a at time zone b`, `a operator(pg_catalog.+) b`, `operator(a.-) b`, `a <> all (b)`,
	`a in (1)`, `(a, b) overlaps (c, d)`, `a isnull`, `!a`, `~a`, `a like b escape c`, `secret s`,
}

// mutator makes statements out of those of the test files, token by token, so
// that most of them are close to the grammar.
type mutator struct {
	rand  *rand.Rand
	seeds [][]string
}

// newMutator reads the statements of testdata that parse.
func newMutator(t *testing.T, seed uint64) *mutator {
	m := &mutator{rand: rand.New(rand.NewPCG(seed, 0))}
	for _, input := range testInputs(t) {
		if _, err := Parse(input); err == nil {
			m.seeds = append(m.seeds, tokenTexts(input))
		}
	}
	return m
}

// testInputs returns the inputs of testdata/*.txt.
func testInputs(tb testing.TB) []string { return casefile.Inputs(tb, "testdata/*.txt") }

// tokenTexts cuts a text into the characters of its tokens.
func tokenTexts(text string) []string {
	l := lexer{text: text}
	var list []string
	for _, t := range l.all(nil) {
		if t.kind != tokEOF && t.kind != tokError {
			list = append(list, text[t.start:t.end])
		}
	}
	return list
}

// next makes a statement with one to four changes.
func (m *mutator) next() []string {
	toks := append([]string(nil), pick(m, m.seeds)...)
	for range 1 + m.rand.IntN(4) {
		toks = m.change(toks)
	}
	return toks
}

func pick[T any](m *mutator, list []T) T { return list[m.rand.IntN(len(list))] }

// change makes one change, most often one that keeps a statement valid.
func (m *mutator) change(toks []string) []string {
	if len(toks) == 0 {
		return toks
	}
	i := m.rand.IntN(len(toks))
	switch n := m.rand.IntN(16); {
	case n < 6:
		return m.replaceLike(toks, i)
	case n < 8:
		return splice(toks, i, i+1, pick(m, oddValues))
	case n < 9:
		return splice(toks, i, i+1, keywords[1+m.rand.IntN(len(keywords)-1)].word)
	case n < 10:
		return splice(toks, i, i+1)
	case n < 11:
		return splice(toks, i, i, toks[i])
	case n < 13:
		return splice(toks, i, i, m.part(pick(m, m.seeds))...)
	case n < 14:
		return splice(toks, i, i+len(m.part(toks[i:])), m.part(pick(m, m.seeds))...)
	case n < 15:
		return splice(toks, i, i+1, "(", toks[i], ")")
	default:
		return splice(toks, i, i, ".", pick(m, oddNames))
	}
}

// replaceLike puts something of the same kind in the place of a token: a name
// for a word, a constant for a constant.
func (m *mutator) replaceLike(toks []string, i int) []string {
	c := toks[i][0]
	switch {
	case findKeyword([]byte(strings.ToLower(toks[i]))) != noKeyword && m.rand.IntN(8) > 0:
		return splice(toks, i, i+1, `"`+strings.ToLower(toks[i])+`"`)
	case c == '"', isClass(c, clsIdentStart):
		return splice(toks, i, i+1, pick(m, oddNames))
	case c == '\'', c == '$', isClass(c, clsDigit):
		return splice(toks, i, i+1, pick(m, oddValues))
	}
	return splice(toks, i, i+1, pick(m, pick(m, m.seeds)))
}

// part returns one to six tokens in a row.
func (m *mutator) part(toks []string) []string {
	from := m.rand.IntN(len(toks))
	return toks[from:min(from+1+m.rand.IntN(6), len(toks))]
}

// splice returns toks with others in the place of toks[from:to].
func splice(toks []string, from, to int, others ...string) []string {
	out := append([]string(nil), toks[:from]...)
	out = append(out, others...)
	return append(out, toks[to:]...)
}

// roundTrips checks the statements of a text, or the error of one that does
// not parse.
func roundTrips(text string) (parsed bool, err error) {
	list, err := Parse(text)
	if err != nil {
		return false, checkError(text, err)
	}
	for _, s := range list {
		if err := checkRoundTrip(s); err != nil {
			return true, err
		}
	}
	return true, nil
}

// shrink leaves out tokens, some in a row or a pair of parentheses, as long as
// the statement does not print right.
func shrink(toks []string) []string {
	fails := func(toks []string) bool {
		_, err := roundTrips(strings.Join(toks, " "))
		return err != nil
	}
	for i := 0; i < len(toks); i++ {
		for j := len(toks); j > i; j-- {
			shorter := splice(toks, i, j)
			if toks[i] == "(" && toks[j-1] == ")" && !fails(shorter) {
				shorter = splice(toks, i, j, toks[i+1:j-1]...)
			}
			if fails(shorter) {
				toks, i, j = shorter, 0, len(shorter)
			}
		}
	}
	return toks
}

// failures collects the statements that do not print right, each once.
type failures struct {
	t               *testing.T
	known           map[string]bool
	checked, parsed int
}

// maxFailures is how many statements a test names; the others are much like
// these.
const maxFailures = 40

// check checks a statement and reports the least part of it that fails.
func (f *failures) check(text string) {
	f.checked++
	parsed, err := roundTrips(text)
	if parsed {
		f.parsed++
	}
	if err == nil || len(f.known) == maxFailures {
		return
	}
	least := strings.Join(shrink(tokenTexts(text)), " ")
	if _, shrunk := roundTrips(least); shrunk != nil {
		text, err = least, shrunk
	}
	if !f.known[text] {
		f.known[text] = true
		f.t.Error(err)
	}
}

// TestMutations checks that what a statement prints as is a fixed point, with
// statements near those of the test files. It finds in a second what takes
// FuzzRoundTrip hours; -mutations and -mutation-seed make it go further.
func TestMutations(t *testing.T) {
	m := newMutator(t, *mutationSeed)
	failures := failures{t: t, known: map[string]bool{}}
	for range *mutations {
		failures.check(strings.Join(m.next(), " "))
	}
	if failures.parsed < failures.checked/20 {
		t.Errorf("only %d of %d statements parse", failures.parsed, failures.checked)
	}
}
