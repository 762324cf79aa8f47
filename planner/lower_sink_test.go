package planner

import (
	"fmt"
	"testing"

	"github.com/streamdb/streamdb/sql"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/storage"
)

// TestSinkKeys: which columns are proved unique, and what is proved append-only.
// The catalog has the stream bids and the view totals, grouped by auction.
func TestSinkKeys(t *testing.T) {
	cat := testCatalog(t)
	env := &Env{Catalog: cat, SearchPath: SearchPath("public"), Expr: &expr.Env{}, InView: true}
	for _, test := range []struct {
		query      string
		keys       string
		appendOnly bool
	}{
		{"SELECT * FROM bids", "[]", true},
		{"SELECT price + 1 AS p FROM bids WHERE price > 10", "[]", true},
		{"SELECT * FROM totals", "[[0]]", false},
		{"SELECT n, auction AS a FROM totals WHERE n > 1", "[[1]]", false},
		{"SELECT n FROM totals", "[]", false},
		{"SELECT auction + 0 AS a, n FROM totals", "[]", false},
		{"SELECT channel, bidder, count(*) AS n FROM bids GROUP BY bidder, channel", "[[1 0]]", false},
		{"SELECT count(*) AS n FROM bids", "[[]]", false},
		{"SELECT DISTINCT bidder FROM bids", "[[0]]", false},
		{"SELECT bidder FROM bids UNION ALL SELECT auction FROM totals", "[]", false},
		{"SELECT b.bidder, t.n FROM bids b JOIN totals t ON b.auction = t.auction", "[]", false},
		{"SELECT a.auction, b.n FROM totals a JOIN totals b ON a.n = b.auction", "[[0]]", false},
		{"SELECT a.auction AS x, b.auction AS y FROM totals a JOIN totals b ON a.auction = b.auction", "[[0] [1] [0 1]]", false},
		{"SELECT a.auction AS x, b.auction AS y FROM totals a LEFT JOIN totals b ON a.auction = b.auction", "[[0] [0 1]]", false},
		{"SELECT a.auction AS x, b.auction AS y FROM totals a JOIN totals b ON a.n = b.n", "[[0 1]]", false},
	} {
		parsed, err := sql.ParseOne(test.query)
		if err != nil {
			t.Fatal(err)
		}
		q, err := Bind(parsed.Stmt.(*ast.SelectStmt), env)
		if err != nil {
			t.Fatalf("%s: %v", test.query, err)
		}
		in, err := DescribeSink(q)
		if err != nil {
			t.Fatalf("%s: %v", test.query, err)
		}
		if got := fmt.Sprint(in.Keys); got != test.keys || in.AppendOnly != test.appendOnly {
			t.Errorf("%s: keys %s, append only %v; want %s, %v", test.query, got, in.AppendOnly, test.keys, test.appendOnly)
		}
		next := storage.Arrangement(100)
		newArr := func() storage.Arrangement { next++; return next }
		for _, plan := range []func() (*SinkPlan, error){
			func() (*SinkPlan, error) { return in.Checksum(env.Expr, newArr) },
			func() (*SinkPlan, error) { return in.Outbox(77, !in.AppendOnly, nil, env.Expr, newArr) },
		} {
			p, err := plan()
			if err == nil {
				err = p.Graph.Validate()
			}
			if err != nil {
				t.Errorf("%s: %v", test.query, err)
			}
		}
	}
}

func TestSinkUnique(t *testing.T) {
	in := &SinkInput{Keys: [][]int{{0, 2}, {1}}}
	for _, test := range []struct {
		columns []int
		want    bool
	}{{nil, false}, {[]int{0}, false}, {[]int{2, 0}, true}, {[]int{1}, true}, {[]int{3, 1}, true}} {
		if got := in.Unique(test.columns); got != test.want {
			t.Errorf("%v: %v", test.columns, got)
		}
	}
	if in = (&SinkInput{Keys: [][]int{{}}}); !in.Unique(nil) {
		t.Error("one row is unique by no columns")
	}
}
