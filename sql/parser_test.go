package sql

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/streamdb/streamdb/internal/casefile"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
)

var rewrite = flag.Bool("rewrite", false, "write the answers of testdata anew")

// TestFiles runs testdata/*.txt: a case is a string of statements and what it
// prints as, one line a statement, or the error.
func TestFiles(t *testing.T) {
	casefile.Run(t, "testdata/*.txt", *rewrite, func(*testing.T) func(string) string { return answer })
}

// answer is what a test file says behind "----".
func answer(input string) string {
	list, err := Parse(input)
	if err != nil {
		return errorText(err)
	}
	var lines []string
	for _, s := range list {
		printed := ast.String(s.Stmt)
		if err := roundTrip(printed); err != nil {
			return "NO ROUND TRIP: " + err.Error()
		}
		lines = append(lines, printed)
	}
	return strings.Join(lines, "\n")
}

func errorText(err error) string {
	var e *sqlerr.Error
	if !errors.As(err, &e) {
		return "NO SQLSTATE: " + err.Error()
	}
	text := fmt.Sprintf("ERROR %s at %d: %s", e.Code, e.Position, e.Message)
	if e.Hint != "" {
		text += "\nHINT: " + e.Hint
	}
	return text
}

// code returns the SQLSTATE of parsing a text.
func code(text string) string {
	_, err := Parse(text)
	return sqlerr.Code(err)
}

func TestParsed(t *testing.T) {
	text := "  SELECT 1 ; ;\n select $2, $1 -- x\n; INSERT INTO t VALUES ($3) /* y */"
	list, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		text   string
		params int
	}{{"SELECT 1", 0}, {"select $2, $1", 2}, {"INSERT INTO t VALUES ($3)", 3}}
	if len(list) != len(want) {
		t.Fatalf("%d statements", len(list))
	}
	for i, w := range want {
		got := list[i]
		if got.Text != w.text || got.NumParams != w.params || text[got.Start:got.Start+len(got.Text)] != w.text {
			t.Errorf("%d: %q at %d with %d parameters, want %q with %d", i, got.Text, got.Start, got.NumParams, w.text, w.params)
		}
		if p := got.Stmt.Position(); p != got.Start {
			t.Errorf("%d: statement at %d, text at %d", i, p, got.Start)
		}
	}
}

func TestParseOneAndExpr(t *testing.T) {
	if _, err := ParseOne(""); sqlerr.Code(err) != sqlerr.SyntaxError {
		t.Errorf("empty text: %v", err)
	}
	if _, err := ParseOne("select 1; select 2"); sqlerr.Code(err) != sqlerr.SyntaxError {
		t.Errorf("two statements: %v", err)
	}
	if list, err := Parse(" ; ; "); err != nil || len(list) != 0 {
		t.Errorf("empty statements: %v, %v", list, err)
	}
	e, err := ParseExpr("a + b * 2")
	if err != nil || ast.String(e) != "a + b * 2" {
		t.Errorf("expression: %v", err)
	}
	if _, err := ParseExpr("a +"); sqlerr.Code(err) != sqlerr.SyntaxError {
		t.Errorf("half an expression: %v", err)
	}
	if _, err := ParseExpr("a b"); sqlerr.Code(err) != sqlerr.SyntaxError {
		t.Errorf("two expressions: %v", err)
	}
}

// TestPositions checks the offsets that errors about nodes will carry.
func TestPositions(t *testing.T) {
	text := "select a.b + count(*) filter (where x), 'ü'::text from s.t as u join v using (k) where x is null"
	list, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"*ast.Select": "select", "*ast.BinaryExpr": "+", "*ast.FuncCall": "count", "*ast.CastExpr": "::",
		"*ast.StringLit": "'ü'", "*ast.TypeName": "text", "*ast.JoinExpr": "join", "*ast.IsExpr": "is",
		"*ast.ObjectName": "s.t",
	}
	ast.Inspect(list[0].Stmt, func(n ast.Node) bool {
		kind := fmt.Sprintf("%T", n)
		if token, ok := want[kind]; ok {
			if !strings.HasPrefix(text[n.Position():], token) {
				t.Errorf("%s is at %q, want %q", kind, text[n.Position():], token)
			}
			delete(want, kind)
		}
		return true
	})
	if len(want) > 0 {
		t.Errorf("not visited: %v", want)
	}
}

func TestLimits(t *testing.T) {
	deep := func(open, inner, shut string, n int) string {
		return "select " + strings.Repeat(open, n) + inner + strings.Repeat(shut, n)
	}
	tooDeep := []string{
		deep("(", "1", ")", 10000), deep("(select ", "1", ")", 10000), deep("- ", "1", "", 10000), deep("not ", "a", "", 10000),
		deep("array[", "1", "]", 10000), deep("f(", "1", ")", 10000), deep("case when a then ", "1", " end", 10000),
		deep("", "a", "::int", 10000), deep("", "a", "[1]", 10000), deep("", "a", " is null", 10000),
		"select * from " + strings.Repeat("(", 10000) + "t", "select * from " + strings.Repeat("a join ", 10000) + "a",
		strings.Repeat("with a as (", 10000), strings.Repeat("explain ", 10000) + "select 1",
		"select 1 group by " + strings.Repeat("grouping sets (", 10000), strings.Repeat("(", 100000),
	}
	for _, text := range tooDeep {
		if got := code(text); got != sqlerr.StatementTooComplex && got != sqlerr.SyntaxError {
			t.Errorf("%.60s...: %q", text, got)
		}
	}
	if got := code(deep("(", "1", ")", 200)); got != "" {
		t.Errorf("200 parentheses: %s", got)
	}
	if got := code("select '" + strings.Repeat("x", MaxBytes) + "'"); got != sqlerr.ProgramLimitExceeded {
		t.Errorf("long text: %s", got)
	}
	if got := code("select $65536"); got != sqlerr.UndefinedParameter {
		t.Errorf("high parameter: %s", got)
	}
}

// TestChains checks that chains as long as a statement may be are parsed,
// printed and walked without recursion on their length.
func TestChains(t *testing.T) {
	const n = 60000
	for name, text := range map[string]string{
		"and":    "select a" + strings.Repeat(" and a=1", n),
		"or":     "select a" + strings.Repeat(" or a=1", n),
		"plus":   "select 1" + strings.Repeat(" + 1", n),
		"concat": "select 'a'" + strings.Repeat(" || b", n),
		"union":  "select 1" + strings.Repeat(" union select 1", n),
		"join":   "select * from t" + strings.Repeat(" cross join t", n),
		"in":     "select a in (1" + strings.Repeat(", 1", n) + ")",
		"values": "values (1)" + strings.Repeat(", (1)", n),
	} {
		list, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if printed := ast.String(list[0].Stmt); !strings.EqualFold(compact(printed), compact(text)) {
			t.Errorf("%s: prints as %.80s...", name, printed)
		}
		nodes := 0
		ast.Inspect(list[0].Stmt, func(ast.Node) bool { nodes++; return true })
		if nodes < n {
			t.Errorf("%s: %d nodes visited", name, nodes)
		}
	}
}

// TestHostile parses texts of the greatest length that would take minutes if
// anything in the parser were quadratic.
func TestHostile(t *testing.T) {
	for _, text := range []string{
		fill("select a", ".a", ""), fill("set a", ".a", " = 1"), fill("create stream s with (a", " a", ")"),
		fill("alter view v reset (a", ".a", ")"), fill("select * from a", ".a", "(1)"), fill("drop table a", ".a", ""),
		fill("select '", "''", "'"), fill("select 'a'", "\n'a'", ""), fill("select E'", "\\n", "'"), fill("", "(", ""),
		fill("", ";", ""), fill("", "select 1;", ""), fill("/*", "/*", ""), fill("select ", "U&'a' ", ""), fill("", "$a$", ""),
		fill("select 1", "::a", ""), fill("select $1", "[1]", ""), fill("alter table t ", "add a int,", "foo"), fill("select ", "-", "1"),
		fill("select * from a", " join a", ""), fill("select ", "case ", ""), fill("vacuum ", "(", ""), fill("select 1", " + 1", ""),
		fill("select f(", "a => ", ""), fill("copy t from stdin with ", "header ", ""), fill("select ", "a,", "a"),
		fill("explain ", "explain ", ""), fill("select a ", "collate c ", ""), fill("begin ", "read only ", ""),
	} {
		parseAndPrint(text)
	}
}

// TestRepeatedTokens does the same with one token of every kind after another.
func TestRepeatedTokens(t *testing.T) {
	parts := []string{
		":: ", ":= ", "=> ", ".. ", "<= ", "<> ", "|| ", "a ", "a.", "a,", "a(", "(a", "(a)", "()", "'a' ", "'a'\n", "E'\\n' ", "U&'a' ",
		"U&\"a\" ", "U&'a' uescape '!' ", "u&'a' uescape ", "$$a$$ ", "$a", "1 ", "1.5 ", "$1 ", "B'1' ", "X'1' ", "\"a\" ", "\"\"",
		"/**/", "--\n", "not ", "case ", "select ", "(select ", "with a as (", "[[", "a in (", "((a)",
	}
	for _, c := range "()[],;.:+-*/<>=^%~!" {
		parts = append(parts, string(c)+" ", string(c))
	}
	for _, head := range []string{"", "select "} {
		for _, part := range parts {
			parseAndPrint(fill(head, part, ""))
		}
	}
}

// fill makes a text of the greatest length.
func fill(head, part, tail string) string {
	return head + strings.Repeat(part, (MaxBytes-len(head)-len(tail))/len(part)) + tail
}

// parseAndPrint parses a text and prints what is right of it.
func parseAndPrint(text string) {
	list, err := Parse(text)
	if err != nil {
		return
	}
	for _, s := range list {
		ast.String(s.Stmt)
	}
}

func compact(s string) string { return strings.ReplaceAll(s, " ", "") }

func TestIdentifierLength(t *testing.T) {
	long := strings.Repeat("ab", 40)
	umlaut := strings.Repeat("a", 62) + "ü"
	for in, want := range map[string]string{
		long: long[:63], `"` + long + `"`: long[:63], `"` + umlaut + `"`: umlaut[:62], strings.ToUpper(long): long[:63],
	} {
		e, err := ParseExpr(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.(*ast.ColumnRef).Name; got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}

func TestEncoding(t *testing.T) {
	for _, text := range []string{"select '\xff'", "select '\x00'", "select '\xc3'", `select E'\xff'`, `select E'\000'`} {
		if got := code(text); got != sqlerr.CharacterNotInRepertoire {
			t.Errorf("%q: %q", text, got)
		}
	}
}
