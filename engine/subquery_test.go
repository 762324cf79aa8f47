package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// subqueryViews are queries with subqueries, functions in FROM and arrays that
// a view may hold.
func subqueryViews() []string {
	return []string{
		"SELECT id FROM o WHERE EXISTS (SELECT 1 FROM p WHERE p.g = o.g AND p.w > o.v)",
		"SELECT id FROM o WHERE NOT EXISTS (SELECT 1 FROM p WHERE p.g = o.g)",
		"SELECT id FROM o WHERE g IN (SELECT g FROM p)",
		"SELECT id FROM o WHERE g NOT IN (SELECT g FROM p)",
		"SELECT id, g IN (SELECT g FROM p) AS a, v > ANY (SELECT w FROM p) AS b, v <= ALL (SELECT w FROM p) AS c FROM o",
		"SELECT id, (SELECT max(w) FROM p WHERE p.g = o.g) AS m, (SELECT count(*) FROM p WHERE p.g = o.g) AS c FROM o",
		"SELECT id, (SELECT sum(w) FROM p) AS s FROM o",
		"SELECT g, sum(v) AS s FROM o GROUP BY g HAVING sum(v) > (SELECT avg(w) FROM p)",
		"SELECT id, ARRAY(SELECT w FROM p WHERE p.g = o.g ORDER BY w DESC) AS a FROM o",
		"SELECT id, x FROM o, generate_series(1, o.g) x",
		"SELECT id, (SELECT max(w) FROM p WHERE p.g = (SELECT min(g) FROM o q WHERE q.v = o.v)) AS m FROM o",
		"SELECT g, string_agg(v::text, '-' ORDER BY id) AS s, array_agg(DISTINCT v) AS d FROM o GROUP BY g",
	}
}

// TestSubqueryViews: after random changes a view is its query.
func TestSubqueryViews(t *testing.T) {
	s := catalogSession(t)
	run := func(text string) []string {
		t.Helper()
		got := answer(t.Context(), s, text)
		if strings.HasPrefix(got, "error") || strings.Contains(got, "\nerror") {
			t.Fatalf("%s\n%s", text, got)
		}
		lines := strings.Split(got, "\n")
		slices.Sort(lines)
		return lines
	}
	run("CREATE TABLE o (id int PRIMARY KEY, g int, v int); CREATE TABLE p (id int PRIMARY KEY, g int, w int)")
	for i, query := range subqueryViews() {
		run(fmt.Sprintf("CREATE MATERIALIZED VIEW s%d AS %s", i, query))
	}
	random := rand.New(rand.NewPCG(7, 7))
	value := func(n int) string {
		if k := random.IntN(n + 1); k < n {
			return fmt.Sprint(k)
		}
		return "NULL"
	}
	for step := range 24 {
		change := "BEGIN;"
		for range 1 + random.IntN(4) {
			table, id := []string{"o", "p"}[random.IntN(2)], random.IntN(8)
			change += fmt.Sprintf("DELETE FROM %s WHERE id = %d;", table, id)
			if random.IntN(4) > 0 {
				change += fmt.Sprintf("INSERT INTO %s VALUES (%d, %s, %s);", table, id, value(4), value(5))
			}
		}
		run(change + "COMMIT")
		for i, query := range subqueryViews() {
			view, now := run(fmt.Sprintf("SELECT * FROM s%d", i)), run(query)
			if !slices.Equal(view, now) {
				t.Errorf("step %d, %s\nview  %q\nquery %q", step, query, view, now)
			}
		}
	}
}
