package ast_test

import (
	"testing"

	"github.com/streamdb/streamdb/sql/ast"
)

func col(name string) ast.Expr { return &ast.ColumnRef{Name: name} }

func binary(op string, l, r ast.Expr) ast.Expr {
	return &ast.BinaryExpr{Op: op, Left: l, Right: r}
}

// TestBuiltTrees prints trees that the planner might build itself; the parser's
// round trip tests cover those that come from text.
func TestBuiltTrees(t *testing.T) {
	a, b, c := col("a"), col("b"), col("Order")
	for want, n := range map[string]ast.Node{
		`(a + b) * "Order"`:    binary("*", binary("+", a, b), c),
		`a - (b - "Order")`:    binary("-", a, binary("-", b, c)),
		`a = (b = "Order")`:    binary("=", a, binary("=", b, c)),
		`(a = b) = "Order"`:    binary("=", binary("=", a, b), c),
		`(a OR b) AND "Order"`: &ast.AndExpr{Args: []ast.Expr{&ast.OrExpr{Args: []ast.Expr{a, b}}, c}},
		`(-a)::integer`:        &ast.CastExpr{Expr: &ast.UnaryExpr{Op: "-", Expr: a}, Type: &ast.TypeName{Name: "int4"}},
		`- -a`:                 &ast.UnaryExpr{Op: "-", Expr: &ast.UnaryExpr{Op: "-", Expr: a}},
		`a + (NOT b)`:          binary("+", a, &ast.NotExpr{Expr: b}),
		`a BETWEEN (b IS NULL) AND "Order"`: &ast.BetweenExpr{
			Expr: a, Low: &ast.IsExpr{Expr: b}, High: c,
		},
		`(a).x`:   &ast.FieldSelect{Expr: a, Field: "x"},
		`s."a b"`: &ast.ObjectName{Qualifier: []string{"s"}, Name: "a b"},
		``:        nil,
		`SELECT a FROM t`: &ast.SelectStmt{Body: &ast.Select{
			Targets: []*ast.Target{{Expr: a}},
			From:    []ast.TableExpr{&ast.TableRef{Name: &ast.ObjectName{Name: "t"}}},
		}},
	} {
		if got := ast.String(n); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"a": "a", "A": `"A"`, "a b": `"a b"`, `a"b`: `"a""b"`, "select": `"select"`, "int": `"int"`, "left": `"left"`,
		"value": "value", "stream": "stream", "1a": `"1a"`, "a1$": "a1$", "": `""`, "ä": `"ä"`,
	} {
		if got := ast.QuoteIdent(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	if got := ast.QuoteLiteral(`it's \n`); got != `'it''s \n'` {
		t.Error(got)
	}
}

// TestInspectPrunes checks that returning false leaves out the children only.
func TestInspectPrunes(t *testing.T) {
	n := binary("+", binary("*", col("a"), col("b")), col("c"))
	var names []string
	ast.Inspect(n, func(n ast.Node) bool {
		if c, ok := n.(*ast.ColumnRef); ok {
			names = append(names, c.Name)
		}
		b, ok := n.(*ast.BinaryExpr)
		return !ok || b.Op != "*"
	})
	if len(names) != 1 || names[0] != "c" {
		t.Errorf("visited %v", names)
	}
}
