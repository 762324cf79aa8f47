package sql

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// grammar makes statements from the productions of a file.
type grammar struct {
	rand *rand.Rand
	// alternatives are those of each symbol; ends those without symbols.
	alternatives, ends map[string][]string
}

// newGrammar reads testdata/statements.grammar and adds the symbols whose
// alternatives are odd by purpose: names, keywords, constants and strings.
func newGrammar(t *testing.T, seed uint64) *grammar {
	text, err := os.ReadFile("testdata/statements.grammar")
	if err != nil {
		t.Fatal(err)
	}
	g := &grammar{rand: rand.New(rand.NewPCG(seed, 1)), alternatives: map[string][]string{}, ends: map[string][]string{}}
	for _, block := range strings.Split(strings.TrimSpace(string(text)), "\n\n")[1:] {
		symbol, lines, _ := strings.Cut(block, ":\n")
		g.add(symbol, strings.Split(lines, "\n"))
	}
	plain := []string{"a", "b", "t", "k"}
	for range len(oddNames) {
		plain = append(plain, "a")
	}
	g.add("n", append(plain, oddNames...))
	g.add("v", oddValues)
	for _, v := range oddValues {
		if newToken(v).isString() {
			g.add("str", []string{v})
		}
	}
	for _, k := range keywords[1:] {
		g.add("kw", []string{k.word})
	}
	return g
}

// newToken returns the first token of a text.
func newToken(text string) *token {
	l := lexer{text: text}
	t := l.next()
	return &t
}

func (g *grammar) add(symbol string, alternatives []string) {
	for _, a := range alternatives {
		g.alternatives[symbol] = append(g.alternatives[symbol], a)
		if !strings.Contains(a, "{") {
			g.ends[symbol] = append(g.ends[symbol], a)
		}
	}
}

// symbol makes text of a symbol, of at most this depth if the grammar allows.
func (g *grammar) symbol(name string, depth int) string {
	list := g.alternatives[name]
	if depth <= 0 && len(g.ends[name]) > 0 {
		list = g.ends[name]
	}
	return g.expand(list[g.rand.IntN(len(list))], depth-1)
}

// expand replaces the symbols in an alternative.
func (g *grammar) expand(text string, depth int) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		b.WriteString(g.symbol(name, depth))
		text = after
	}
}

// TestGrammar checks that what a statement prints as is a fixed point, with
// every form of expression inside every other one, and with statements made
// from a grammar.
func TestGrammar(t *testing.T) {
	g := newGrammar(t, *mutationSeed)
	failures := failures{t: t, known: map[string]bool{}}
	for _, outer := range g.alternatives["e"] {
		for _, inner := range g.alternatives["e"] {
			failures.check("select " + g.expand(strings.Replace(outer, "{e}", inner, 1), 0))
			failures.check("select " + g.expand(strings.Replace(outer, "{e}", "("+inner+")", 1), 0))
		}
	}
	for range *mutations {
		failures.check(g.symbol("stmt", 1+g.rand.IntN(4)))
	}
	for _, k := range keywords[1:] { // each as the only name
		name := []string{`"` + k.word + `"`}
		g.alternatives["n"], g.ends["n"] = name, name
		for range *mutations / 2000 {
			failures.check(g.symbol("stmt", 3))
			failures.check("select " + g.symbol("e", 2))
		}
	}
	if failures.parsed < failures.checked/4 {
		t.Errorf("only %d of %d statements parse", failures.parsed, failures.checked)
	}
}
