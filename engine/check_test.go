package engine

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// TestCheck damages the rows of a view and of a table: reads fail and say what to
// do, Check names both, everything else is answered, and DROP and CREATE help.
func TestCheck(t *testing.T) {
	o := Options{DataDir: t.TempDir(), MemoryLimit: 128 << 20, ResultStore: "files"}
	db := &testDB{t: t, dir: o.DataDir}
	reopen := func() {
		var err error
		if db.engine, err = Open(context.Background(), o); err != nil {
			t.Fatal(err)
		}
		db.sessions = map[string]*testSession{}
	}
	reopen()
	db.exec("CREATE TABLE t (id bigint PRIMARY KEY, pad text); CREATE TABLE other (id bigint PRIMARY KEY)")
	db.exec("CREATE MATERIALIZED VIEW v AS SELECT id, pad FROM t")
	db.exec("INSERT INTO other VALUES (7)")
	db.exec("INSERT INTO t SELECT g, repeat('x', 200) FROM generate_series(1, 20000) g")
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, s := db.engine.Stats(); s.Flushes > 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("nothing is flushed")
		}
		db.exec("UPDATE t SET pad = repeat('y', 200) WHERE id <= 100")
	}
	db.close()
	files, err := filepath.Glob(filepath.Join(o.DataDir, "runs", "*.run"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/4] ^= 1
	data[len(data)/4*3] ^= 1
	if err := os.WriteFile(files[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	said := ""
	sum, err := Check(context.Background(), o.DataDir, nil, func(f Finding) {
		said += f.What + "\n" + strings.Join(f.Affected, "\n") + "\n" + strings.Join(f.Remedies, "\n") + "\n"
	})
	if err != nil || sum.Objects != 3 {
		t.Fatalf("%+v, %v", sum, err)
	}
	for _, want := range []string{`table "public.t"`, "restore a backup", `materialized view "public.v"`, "DROP MATERIALIZED VIEW"} {
		if !strings.Contains(said, want) {
			t.Errorf("check does not say %q: %s", want, said)
		}
	}
	reopen()
	defer db.close()
	for _, relation := range []string{"t", "v"} {
		_, err := db.query("SELECT count(*), sum(length(pad)) FROM " + relation)
		if err == nil || !strings.Contains(err.Error(), sqlerr.DataCorrupted) || !strings.Contains(err.Error(), "public."+relation) {
			t.Errorf("%s: %v", relation, err)
		}
	}
	if rows, err := db.query("SELECT * FROM other"); err != nil || len(rows) != 1 || rows[0] != "7" {
		t.Errorf("other: %v, %v", rows, err)
	}
	db.exec("DROP MATERIALIZED VIEW v; DROP TABLE t")
	db.exec("CREATE TABLE t (id bigint PRIMARY KEY, pad text); INSERT INTO t VALUES (1, 'one')")
	if rows, err := db.query("SELECT * FROM t"); err != nil || len(rows) != 1 || rows[0] != "1|one" {
		t.Errorf("t: %v, %v", rows, err)
	}
}
