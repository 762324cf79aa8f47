package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// lawQueries are the queries of the law's views; %d is a small number.
var lawQueries = []string{
	"SELECT id, k, v + %d AS x, upper(s) AS u FROM a WHERE v > %d OR s IS NULL",
	"SELECT k, s FROM a",
	"SELECT DISTINCT k, s FROM a WHERE k <> %d",
	"SELECT k, count(*) AS n, sum(v) AS t, min(v) AS lo, max(s) AS hi, avg(v) AS m FROM a GROUP BY k",
	"SELECT count(*) AS n, sum(v) AS t, min(s) AS lo, count(DISTINCT k) AS d FROM a WHERE v < %d * 10",
	"SELECT s, count(*) FILTER (WHERE v > %d) AS f, count(DISTINCT v) AS d, sum(DISTINCT k) AS sd FROM a GROUP BY s",
	"SELECT k, s, sum(v) AS t FROM a GROUP BY k, s HAVING count(*) > 1 AND sum(v) > %d",
	"SELECT t.k, max(t.n) AS m FROM (SELECT k, s, count(*) AS n FROM a GROUP BY k, s) t GROUP BY t.k",
	"SELECT a.id, b.w FROM a JOIN b ON a.k = b.k WHERE a.v > %d",
	"SELECT a.k, count(*) AS n, sum(b.w) AS t FROM a LEFT JOIN b ON a.k = b.k AND b.w > %d GROUP BY a.k",
	"SELECT a.id, b.id AS other FROM a LEFT JOIN b ON a.v = b.id",
	"SELECT k FROM a UNION ALL SELECT k FROM b",
	"SELECT k FROM a UNION SELECT k FROM b WHERE w IS NOT NULL",
	"SELECT id, v FROM a ORDER BY v DESC NULLS LAST, id LIMIT %d OFFSET 1",
	"SELECT sum(f) AS t, avg(f) AS m, max(f) AS hi FROM a",
	"SELECT k, bool_or(v > %d) AS some, bool_and(v > 0) AS every FROM a GROUP BY k",
	"SELECT CASE WHEN v > %d THEN 'high' WHEN v IS NULL THEN 'none' ELSE 'low' END AS class, count(*) AS n FROM a GROUP BY 1",
	"SELECT id FROM a WHERE k IN (SELECT k FROM b WHERE w > %d)",
	"SELECT id FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.k = a.k)",
	"SELECT x.id, y.n FROM a x JOIN (SELECT k, count(*) AS n FROM b GROUP BY k) y ON x.k = y.k",
}

// TestViewEqualsQuery holds the law that a view is its query, at any moment:
// views are made before, between and after random changes, and compared with
// the query itself, also after a restart.
func TestViewEqualsQuery(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { checkLaw(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func checkLaw(t *testing.T, rnd *rand.Rand) {
	db := openTestDB(t)
	db.exec("CREATE TABLE a (id int PRIMARY KEY, k int, v int, s text, f float8)")
	db.exec("CREATE TABLE b (id int PRIMARY KEY, k int, w numeric)")
	views := map[string]string{}
	for step := range 60 {
		if len(views) < len(lawQueries) {
			i := len(views)
			query := lawQueries[i]
			for strings.Contains(query, "%d") {
				query = strings.Replace(query, "%d", fmt.Sprint(rnd.IntN(5)), 1)
			}
			name := fmt.Sprint("view", i)
			db.exec("CREATE MATERIALIZED VIEW " + name + " AS " + query)
			views[name] = query
		}
		for range 1 + rnd.IntN(3) {
			db.run(randomChange(rnd))
		}
		if step%6 == 5 {
			compareViews(t, db, views)
		}
	}
	db.restart()
	compareViews(t, db, views)
	for range 10 {
		db.run(randomChange(rnd))
	}
	compareViews(t, db, views)
	if n, err := db.query("SELECT least(count(DISTINCT a.id), count(DISTINCT b.id)) > 5 FROM a, b"); err != nil || n[0] != "t" {
		t.Errorf("the changes left too few rows for the test to mean anything: %v, %v", n, err)
	}
}

// run executes a statement that may fail.
func (db *testDB) run(text string) { db.session("main").run(text) }

func compareViews(t *testing.T, db *testDB, views map[string]string) {
	t.Helper()
	for name, query := range views {
		want, err := db.query(query)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		got, err := db.query("SELECT * FROM " + name)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s\nthe view has %d rows:\n%s\nthe query gives %d:\n%s", query, len(got), strings.Join(got, "\n"), len(want), strings.Join(want, "\n"))
		}
	}
}

// randomChange is an INSERT, UPDATE or DELETE, or a few of them as one
// transaction.
func randomChange(rnd *rand.Rand) string {
	if rnd.IntN(8) == 0 {
		return randomChange(rnd) + "; " + randomChange(rnd)
	}
	switch rnd.IntN(8) {
	case 0, 1, 2:
		rows := make([]string, 1+rnd.IntN(6))
		for i := range rows {
			rows[i] = fmt.Sprintf("(%d, %s, %s, %s, %s)", rnd.IntN(400), maybe(rnd, 4), maybe(rnd, 60),
				[]string{"NULL", "'x'", "'yy'", "'Z'", "''"}[rnd.IntN(5)], []string{"NULL", "1e300", "-1e300", "0.1", "1e-300", "2.5"}[rnd.IntN(6)])
		}
		return "INSERT INTO a VALUES " + strings.Join(rows, ", ")
	case 3, 4:
		return fmt.Sprintf("INSERT INTO b VALUES (%d, %s, %s), (%d, %s, %s.50)", rnd.IntN(100), maybe(rnd, 4), maybe(rnd, 10), rnd.IntN(100), maybe(rnd, 4), fmt.Sprint(rnd.IntN(9)))
	case 5:
		return fmt.Sprintf("UPDATE a SET v = v + %d, k = %s WHERE id %% 7 = %d", rnd.IntN(9)-4, maybe(rnd, 4), rnd.IntN(7))
	case 6:
		return fmt.Sprintf("UPDATE b SET w = w * 1.5, k = %s WHERE id %% 5 = %d", maybe(rnd, 4), rnd.IntN(5))
	}
	return fmt.Sprintf("DELETE FROM %s WHERE id %% 11 = %d", []string{"a", "b"}[rnd.IntN(2)], rnd.IntN(11))
}

// maybe is a number below n, sometimes NULL.
func maybe(rnd *rand.Rand, n int) string {
	if rnd.IntN(6) == 0 {
		return "NULL"
	}
	return fmt.Sprint(rnd.IntN(n))
}

// TestAutocommitNeverConflicts runs increments of one row side by side: none is
// refused, none is lost.
func TestAutocommitNeverConflicts(t *testing.T) {
	const sessions, increments = 6, 30
	db := openTestDB(t)
	db.exec("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0)")
	db.exec("CREATE MATERIALIZED VIEW m AS SELECT sum(n) AS n FROM t")
	var wait sync.WaitGroup
	for i := range sessions {
		s := db.session(fmt.Sprint("s", i))
		wait.Add(1)
		go func() {
			defer wait.Done()
			for range increments {
				if out := s.run("UPDATE t SET n = n + 1 WHERE id = 1"); !slices.Equal(out, []string{"UPDATE 1"}) {
					t.Error(out)
					return
				}
			}
		}()
	}
	wait.Wait()
	for _, query := range []string{"SELECT n FROM t", "SELECT n FROM m"} {
		if got, err := db.query(query); err != nil || got[0] != fmt.Sprint(sessions*increments) {
			t.Errorf("%s: %v, %v; want %d", query, got, err, sessions*increments)
		}
	}
}

// TestTransfers moves money between accounts in transactions that may have to
// be tried again; every reader sees the whole sum, in the table and in the view.
func TestTransfers(t *testing.T) {
	const accounts, transfers = 5, 40
	db := openTestDB(t)
	db.exec("CREATE TABLE t (id int PRIMARY KEY, n int)")
	db.exec("CREATE MATERIALIZED VIEW m AS SELECT sum(n) AS n FROM t")
	for i := range accounts {
		db.exec(fmt.Sprintf("INSERT INTO t VALUES (%d, 100)", i))
	}
	ctx, stop := context.WithCancel(context.Background())
	var writers, readers sync.WaitGroup
	for w := range 3 {
		s := db.session(fmt.Sprint("w", w))
		rnd := rand.New(rand.NewPCG(uint64(w), 2))
		writers.Add(1)
		go func() {
			defer writers.Done()
			for range transfers {
				transfer(t, s, rnd, accounts)
			}
		}()
	}
	for r := range 2 {
		s := db.session(fmt.Sprint("r", r))
		readers.Add(1)
		go func() {
			defer readers.Done()
			for ctx.Err() == nil {
				for _, query := range []string{"SELECT sum(n) FROM t", "SELECT n FROM m", "BEGIN; SELECT sum(n) FROM t; COMMIT"} {
					if out := s.run(query); !slices.Contains(out, fmt.Sprint(accounts*100)) {
						t.Errorf("%s: %v", query, out)
						return
					}
				}
			}
		}()
	}
	writers.Wait()
	stop()
	readers.Wait()
}

func transfer(t *testing.T, s *testSession, rnd *rand.Rand, accounts int) {
	from, to := rnd.IntN(accounts), rnd.IntN(accounts)
	for {
		s.run("BEGIN")
		s.run(fmt.Sprintf("UPDATE t SET n = n - 1 WHERE id = %d", from))
		s.run(fmt.Sprintf("UPDATE t SET n = n + 1 WHERE id = %d", to))
		out := strings.Join(s.run("COMMIT"), "\n")
		if out == "COMMIT" {
			return
		}
		if !strings.HasPrefix(out, "error 40001") {
			t.Error(out)
			return
		}
	}
}
