package sql_test

import (
	"strings"
	"testing"

	"github.com/streamdb/streamdb/sql"
	"github.com/streamdb/streamdb/sql/ast"
)

// benchmarkTexts are a point lookup as drivers send it, a view, and what BI
// tools write.
var benchmarkTexts = []struct{ name, text string }{
	{"one", "SELECT 1"},
	{"lookup", "SELECT id, name, balance FROM accounts WHERE id = $1 AND region = $2 ORDER BY id LIMIT 10"},
	{"insert", "INSERT INTO accounts (id, name, balance) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET balance = excluded.balance"},
	{"view", `CREATE MATERIALIZED VIEW v AS SELECT auction, count(*), sum(price), max(price) FILTER (WHERE price > 100)
		FROM bids b JOIN auctions a ON a.id = b.auction WHERE channel IN ('web', 'app') GROUP BY auction HAVING count(*) > 1`},
	{"long", "SELECT " + strings.Repeat("some_column AS alias, ", 500) + "1 FROM t"},
}

func BenchmarkParse(b *testing.B) {
	for _, t := range benchmarkTexts {
		b.Run(t.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(t.text)))
			for b.Loop() {
				if _, err := sql.Parse(t.text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPrint(b *testing.B) {
	for _, t := range benchmarkTexts {
		b.Run(t.name, func(b *testing.B) {
			list, err := sql.Parse(t.text)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				ast.String(list[0].Stmt)
			}
		})
	}
}

func BenchmarkInspect(b *testing.B) {
	list, err := sql.Parse(benchmarkTexts[3].text)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		ast.Inspect(list[0].Stmt, func(ast.Node) bool { return true })
	}
}
