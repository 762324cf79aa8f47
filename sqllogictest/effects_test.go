package sqllogictest

import (
	"fmt"
	"strings"
	"testing"
)

func TestEffects(t *testing.T) {
	for sql, want := range map[string]string{
		"CREATE TABLE IF NOT EXISTS s.t (a int REFERENCES u)":         "t",
		"create materialized view \"My View\" as select 'x' from t":   "My View",
		"CREATE UNIQUE INDEX i ON t (a)":                              "i t",
		"CREATE TRIGGER g AFTER INSERT ON t EXECUTE FUNCTION f()":     "g t",
		"DROP TABLE IF EXISTS a, s.b CASCADE":                         "a b",
		"ALTER TABLE ONLY t ADD COLUMN b int":                         "t",
		"CREATE TYPE mood AS ENUM ('sad')":                            "mood",
		"INSERT INTO t (a) SELECT b FROM u":                           "t",
		"UPDATE t SET a = u.a FROM u":                                 "t",
		"DELETE FROM ONLY t USING u":                                  "t",
		"WITH w AS (DELETE FROM u RETURNING *) INSERT INTO t TABLE w": "t",
		"TRUNCATE TABLE t":                                            "t",
		"SELECT a INTO t FROM u":                                      "t",
		"SELECT a FROM u":                                             "",
		"SET search_path = s":                                         "everything",
		"SET enable_seqscan = off":                                    "",
		"BEGIN":                                                       "everything",
		"SET LOCAL jit = off":                                         "",
		"-- nothing\n/* at all */":                                    "everything",
		"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1 FROM table x $$": "f",
	} {
		names, all := effects(words(sql))
		got := strings.Join(names, " ")
		if all {
			got = "everything"
		}
		if got != want {
			t.Errorf("%s: %q; expected %q", sql, got, want)
		}
	}
}

func TestTaint(t *testing.T) {
	var n taint
	note := func(sql string, failed, aborted bool) { n.note(words(sql), failed, aborted) }
	check := func(when, sql string, want bool) {
		t.Helper()
		if got := n.reaches(words(sql)); got != want {
			t.Errorf("%s: %s depends on what failed: %v", when, sql, got)
		}
	}
	note("CREATE TABLE t (a money)", true, false)
	check("the table was refused", "SELECT * FROM T", true)
	check("the table was refused", "SELECT * FROM u", false)
	note("INSERT INTO u SELECT a FROM t", false, false)
	check("rows came from it", "SELECT * FROM u", true)
	note("CREATE VIEW v AS SELECT * FROM u", false, false)
	check("a view reads them", "SELECT * FROM v", true)
	note("DROP TABLE u CASCADE", false, false)
	note("CREATE TABLE u (a int)", false, false)
	check("it was made anew", "SELECT * FROM u", false)
	note("BEGIN", false, false)
	note("INSERT INTO u VALUES (1)", false, false)
	note("UPDATE w SET a = 1", true, true)
	check("the transaction failed", "SELECT * FROM u", true)
	note("ROLLBACK", false, false)
	check("it was rolled back anyway", "SELECT * FROM u", false)
	note("CREATE VIEW x AS SELECT * FROM base JOIN y ON true", false, false)
	note("INSERT INTO x VALUES (1)", true, false)
	check("a write through a view failed", "SELECT * FROM base", true)
	note("CREATE TABLE child () INHERITS (parent)", true, false)
	check("a child is missing", "SELECT * FROM parent", true)
	note("SET timezone = 'Mars'", true, false)
	check("a setting failed", "SELECT 1", true)
}

// FuzzWords: no SQL panics or is cut without end.
func FuzzWords(f *testing.F) {
	f.Add("SELECT $$a$$, $x$b$x$, 'c''d', \"e\" -- f\n/* g */ $1")
	f.Add("CREATE TABLE IF NOT EXISTS")
	f.Add("drop index a, b. , c on")
	f.Fuzz(func(t *testing.T, sql string) {
		w := words(sql)
		names, _ := effects(w)
		if len(names) > len(w) {
			t.Error(fmt.Sprint(names))
		}
		kindOf(w)
	})
}
