package sql

import (
	"reflect"
	"testing"

	"github.com/streamdb/streamdb/sql/ast"
)

// TestWalkVisitsEverything compares the walker with what reflection finds in
// the trees of all test inputs.
func TestWalkVisitsEverything(t *testing.T) {
	for _, input := range testInputs(t) {
		list, err := Parse(input)
		if err != nil {
			continue
		}
		for _, s := range list {
			compareWalk(t, input, s.Stmt)
		}
	}
}

func compareWalk(t *testing.T, input string, s ast.Stmt) {
	visited := map[ast.Node]int{}
	ast.Inspect(s, func(n ast.Node) bool {
		visited[n]++
		return true
	})
	walked := 0
	ast.Walk(counter{&walked}, s)
	if walked != len(visited) {
		t.Errorf("%s: Walk visits %d nodes, Inspect %d", input, walked, len(visited))
	}
	found := map[ast.Node]bool{}
	collect(reflect.ValueOf(s), found)
	for n := range found {
		if visited[n] != 1 {
			t.Errorf("%s: %T is visited %d times", input, n, visited[n])
		}
	}
	for n := range visited {
		if !found[n] {
			t.Errorf("%s: %T is visited but not in the tree", input, n)
		}
	}
}

// counter counts the nodes that it visits.
type counter struct{ n *int }

func (c counter) Visit(ast.Node) ast.Visitor {
	*c.n++
	return c
}

// collect finds the nodes that a value holds.
func collect(v reflect.Value, found map[ast.Node]bool) {
	switch v.Kind() {
	case reflect.Interface:
		collect(v.Elem(), found)
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		if n, ok := v.Interface().(ast.Node); ok {
			found[n] = true
		}
		collect(v.Elem(), found)
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Field(i)
			if f.Kind() == reflect.Struct && f.CanAddr() {
				collect(f.Addr(), found)
			} else {
				collect(f, found)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			collect(v.Index(i), found)
		}
	}
}

// TestRestrictedWords checks the printer's list of words against the lexer's
// keywords: whatever is no unreserved keyword is quoted.
func TestRestrictedWords(t *testing.T) {
	for _, k := range keywords[1:] {
		quoted := ast.QuoteIdent(k.word) != k.word
		if want := k.class != unreserved; quoted != want {
			t.Errorf("%s: quoted %v, want %v", k.word, quoted, want)
		}
		if findKeyword([]byte(k.word)) == noKeyword {
			t.Errorf("%s is not found", k.word)
		}
	}
}
