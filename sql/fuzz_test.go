package sql

import (
	"fmt"
	"testing"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
)

// seed adds the inputs of testdata.
func seed(f *testing.F) {
	for _, input := range testInputs(f) {
		f.Add(input)
	}
}

// FuzzParse checks that nothing panics, and that every error has a SQLSTATE
// of its own and a position in the text.
func FuzzParse(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text string) {
		list, err := Parse(text)
		if err != nil {
			if err := checkError(text, err); err != nil {
				t.Fatal(err)
			}
			return
		}
		for _, s := range list {
			ast.Inspect(s.Stmt, func(n ast.Node) bool {
				if p := n.Position(); p < 0 || p > len(text) {
					t.Fatalf("%q: %T at %d", text, n, p)
				}
				return true
			})
		}
	})
}

// checkError checks that an error of the parser has a SQLSTATE of its own and
// a position in the text.
func checkError(text string, err error) error {
	e := sqlerr.From(err)
	if e.Code == sqlerr.InternalError || e.Position < 0 || e.Position > len(text)+1 {
		return fmt.Errorf("%q: %w at %d", text, err, e.Position)
	}
	return nil
}

// FuzzRoundTrip checks that printing is a fixed point and keeps the tree.
func FuzzRoundTrip(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text string) {
		list, err := Parse(text)
		if err != nil {
			return
		}
		for _, s := range list {
			if err := checkRoundTrip(s); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzLex checks that tokens lie in the text, one behind the other, and that
// nothing but white space and comments is between them.
func FuzzLex(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text string) {
		l := lexer{text: text}
		end := int32(0)
		for _, tok := range l.all(nil) {
			if tok.start < end || tok.end < tok.start || int(tok.end) > len(text) {
				t.Fatalf("%q: token %d-%d behind %d", text, tok.start, tok.end, end)
			}
			if tok.kind != tokEOF && tok.kind != tokError && tok.start == tok.end {
				t.Fatalf("%q: empty token at %d", text, tok.start)
			}
			gap := lexer{text: text[end:tok.start]}
			if next := gap.next(); next.kind != tokEOF && tok.kind != tokError {
				t.Fatalf("%q: something between %d and %d", text, end, tok.start)
			}
			end = tok.end
		}
	})
}
