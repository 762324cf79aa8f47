package planner

import (
	"flag"
	"strings"
	"testing"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/internal/casefile"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

var rewrite = flag.Bool("rewrite", false, "write the present output into testdata")

type noMeta struct{}

func (noMeta) MetaScan([]byte, func(k, v []byte) error) error { return nil }
func (noMeta) MetaGet([]byte) ([]byte, error)                 { return nil, nil }

// testCatalog has the stream bids, the grouped view totals and the plain view
// cheap.
func testCatalog(t testing.TB) *catalog.Catalog {
	t.Helper()
	cat, err := catalog.Load(noMeta{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	d := cat.Draft()
	bids := &catalog.Object{ID: d.NewID(), Schema: "public", Name: "bids", Kind: catalog.Stream, AppendOnly: true, Watermark: &catalog.Watermark{Column: 4},
		Columns: []catalog.Column{{Name: "auction", Type: types.Int8}, {Name: "bidder", Type: types.Int8},
			{Name: "price", Type: types.Int8}, {Name: "channel", Type: types.Text}, {Name: "date_time", Type: types.Timestamp}}}
	totals := &catalog.Object{ID: d.NewID(), Schema: "public", Name: "totals", Kind: catalog.MaterializedView,
		Columns: []catalog.Column{{Name: "auction", Type: types.Int8}, {Name: "n", Type: types.Int8}},
		Stored:  &catalog.Stored{Arr: 20, Grouped: true, Key: []int{0}, KeyTypes: []types.Type{types.Int8}}}
	cheap := &catalog.Object{ID: d.NewID(), Schema: "public", Name: "cheap", Kind: catalog.View,
		Query: "SELECT auction, price FROM bids WHERE price < 10", Settings: map[string]string{"search_path": "public"},
		Columns: []catalog.Column{{Name: "auction", Type: types.Int8}, {Name: "p", Type: types.Int8}}}
	for _, o := range []*catalog.Object{bids, totals, cheap} {
		if err := d.Add(o); err != nil {
			t.Fatal(err)
		}
	}
	return d.Catalog()
}

// TestPlans runs the cases of testdata/*.txt: a command (bound, optimized,
// graph, view) and a query, ----, the output.
func TestPlans(t *testing.T) {
	cat := testCatalog(t)
	casefile.Run(t, "testdata/*.txt", *rewrite, func(*testing.T) func(string) string {
		return func(input string) string {
			command, query, _ := strings.Cut(input, "\n")
			return runCase(command, query, cat)
		}
	})
}

func runCase(command, query string, cat *catalog.Catalog) string {
	parsed, err := sql.ParseOne(query)
	if err != nil {
		return errorText(err)
	}
	env := &Env{Catalog: cat, SearchPath: SearchPath("public"), Expr: &expr.Env{}, User: "u", Database: "d",
		Version: "v", InView: command == "view"}
	q, err := Bind(parsed.Stmt.(*ast.SelectStmt), env)
	if err != nil {
		return errorText(err)
	}
	text, err := planText(command, q, env, cat)
	if err != nil {
		return errorText(err)
	}
	return text
}

func planText(command string, q *Query, env *Env, cat *catalog.Catalog) (string, error) {
	name := func(id dataflow.RelationID) string { return cat.Object(catalog.ID(id)).Name }
	switch command {
	case "optimized":
		q.Root = Optimize(q.Root)
	case "graph":
		p, err := LowerQuery(q, cat, env.Expr)
		if err != nil {
			return "", err
		}
		text := PrintGraph(p.Graph, name)
		if p.Lookup != nil {
			text += "lookup by key\n"
		}
		return text, p.Graph.Validate()
	case "view":
		next := storage.Arrangement(100)
		p, err := LowerView(q, env.Expr, func() storage.Arrangement { next++; return next })
		if err != nil {
			return "", err
		}
		return PrintGraph(p.Graph, name), p.Graph.Validate()
	}
	return Print(q), nil
}

func errorText(err error) string {
	e := sqlerr.From(err)
	text := "error " + e.Code + ": " + e.Message
	if e.Position > 0 {
		text += " at " + itoa(e.Position)
	}
	if e.Hint != "" {
		text += "\nhint: " + e.Hint
	}
	return text
}
