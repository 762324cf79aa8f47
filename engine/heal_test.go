package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/internal/kafkatest"
	"github.com/streamdb/streamdb/sql/catalog"
)

// healDB is a database with rows in run files.
type healDB struct {
	*testDB
	options Options
}

func openHealDB(t *testing.T) *healDB {
	t.Helper()
	dir := t.TempDir()
	db := &healDB{&testDB{t: t, dir: dir}, Options{DataDir: dir, MemoryLimit: 64 << 20, ResultStore: "files"}}
	db.start()
	t.Cleanup(func() { db.close() })
	return db
}

func (db *healDB) start() {
	db.t.Helper()
	db.options.Now = db.now
	var err error
	if db.engine, err = Open(context.Background(), db.options); err != nil {
		db.t.Fatal(err)
	}
	db.sessions = map[string]*testSession{}
}

// flush changes rows of t until all that was there before is in runs.
func (db *healDB) flush() {
	db.t.Helper()
	_, s := db.engine.Stats()
	for target, end := s.Epoch, time.Now().Add(60*time.Second); s.FlushedEpoch < target; _, s = db.engine.Stats() {
		if time.Now().After(end) {
			db.t.Fatal("nothing is flushed")
		}
		db.exec("UPDATE t SET pad = repeat('y', 200) WHERE id <= 4000")
	}
}

// damage flips a byte of a block that has rows of the relation, in the first run
// that has some, and of no other object. The server must be down. Where to look for it
// first is given in sixteenths of a run.
func (db *healDB) damage(name string, first int) {
	db.t.Helper()
	files, err := filepath.Glob(filepath.Join(db.dir, "runs", "*.run"))
	if err != nil {
		db.t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			db.t.Fatal(err)
		}
		for i := range 16 {
			at := len(data) * ((first + i) % 16) / 16
			data[at] ^= 1
			if err := os.WriteFile(file, data, 0o600); err != nil {
				db.t.Fatal(err)
			}
			if slices.Equal(db.affected(), []string{name}) {
				return
			}
			data[at] ^= 1
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			db.t.Fatal(err)
		}
	}
	db.t.Fatalf("no block has rows of %s", name)
}

// affected names the objects that a check finds damaged.
func (db *healDB) affected() (out []string) {
	db.t.Helper()
	_, err := Check(context.Background(), db.dir, nil, func(f Finding) {
		for _, a := range f.Affected {
			out = append(out, strings.Trim(a[strings.Index(a, `"public.`)+8:], `"`))
		}
	})
	if err != nil {
		db.t.Fatal(err)
	}
	return out
}

// healed waits until a query of a view gives what it should; what it gives
// before that is an error.
func (db *healDB) healed(query, want string) {
	db.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		rows, err := db.query(query)
		if err == nil {
			rows = slices.DeleteFunc(rows, func(line string) bool {
				return strings.HasPrefix(line, "notice") || strings.HasPrefix(line, "warning") || line == "SET"
			})
			if len(rows) != 1 || rows[0] != want {
				db.t.Fatalf("%s: %v, want %s", query, rows, want)
			}
			return
		}
		if time.Now().After(end) {
			views, _ := db.query("SELECT name, state, reason FROM streamdb.views")
			db.t.Fatalf("%s: %v %v (%v)", query, err, views, db.engine.err)
		}
	}
}

// sinkUpToDate waits until the only sink is at the moment of all others, which it is not
// at once on a busy machine, and returns what it has folded.
func (db *healDB) sinkUpToDate() []string {
	db.t.Helper()
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		state, err := db.query("SELECT 'up to date' FROM streamdb.sinks WHERE state = 'running' AND lag = 0")
		if err != nil {
			db.t.Fatal(err)
		}
		if len(state) == 1 {
			return db.sink()
		}
	}
	db.t.Fatal("the sink is not up to date")
	return nil
}

func (db *healDB) sink() []string {
	db.t.Helper()
	rows, err := db.query("SELECT rows, checksum FROM streamdb.sinks")
	if err != nil {
		db.t.Fatal(err)
	}
	return rows
}

// TestHeal damages rows of a view under a server that is down. What the view and those
// that read it answer is right or an error, and right in the end, also after changes and
// a restart.
func TestHeal(t *testing.T) {
	t.Run("view", func(t *testing.T) { healOne(t, "v", 7) })
	t.Run("index", func(t *testing.T) { healOne(t, "t_pad_idx", 14) })
}

func healOne(t *testing.T, name string, first int) {
	db := openHealDB(t)
	db.exec("CREATE TABLE t (id bigint PRIMARY KEY, pad text); CREATE TABLE o (id bigint PRIMARY KEY)")
	db.exec("CREATE MATERIALIZED VIEW v AS SELECT id, max(pad) AS pad FROM t GROUP BY id")
	db.exec("CREATE MATERIALIZED VIEW w AS SELECT count(*), sum(length(pad)) FROM v")
	db.exec("CREATE MATERIALIZED VIEW j AS SELECT o.id, v.pad FROM o JOIN v ON o.id = v.id")
	db.exec("CREATE INDEX ON t (pad); CREATE SINK s FROM v WITH (connector = 'blackhole')")
	db.exec("INSERT INTO t SELECT g, repeat('x', 200) FROM generate_series(1, 5000) g")
	db.exec("INSERT INTO o VALUES (7), (4400)")
	db.flush()
	before := db.sinkUpToDate()
	db.close()
	db.damage(name, first)
	db.start()
	// What the verification in the background would do, a day later.
	_ = db.engine.readAll(context.Background(), db.engine.catalog.Load().Lookup(catalog.PublicSchema, name))
	db.healed("SELECT count(*), sum(length(pad)), max(pad) FROM v", "5000|1000000|"+strings.Repeat("y", 200))
	db.healed("SELECT count(*), count(pad) FROM t WHERE pad = '"+strings.Repeat("x", 200)+"'", "1000|1000")
	db.healed("SELECT count(*), count(pad) FROM t WHERE pad = '"+strings.Repeat("y", 200)+"'", "4000|4000")
	check := func(rows, length int) {
		t.Helper()
		db.healed("SELECT * FROM w", fmt.Sprintf("%d|%d", rows, length))
		db.healed("SELECT count(*), sum(length(pad)) FROM v", fmt.Sprintf("%d|%d", rows, length))
	}
	check(5000, 1000000)
	db.healed("SELECT count(*), max(pad), min(pad) FROM j", "2|"+strings.Repeat("y", 200)+"|"+strings.Repeat("x", 200))
	if after := db.sink(); !slices.Equal(before, after) {
		t.Errorf("the sink: %v, want %v", after, before)
	}
	db.exec("UPDATE t SET pad = 'z' WHERE id = 4400; DELETE FROM t WHERE id > 4500")
	check(4500, 4499*200+1)
	db.healed("SELECT count(*), max(pad), min(pad) FROM j", "2|z|"+strings.Repeat("y", 200))
	db.healed("SELECT count(*) FROM streamdb.views WHERE state = 'running' AND reason IS NULL", "3")
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if s, _ := db.engine.Stats(); s.Rebuilds > 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("nothing was rebuilt")
		}
	}
	db.close()
	if left := db.affected(); left != nil {
		t.Errorf("damaged still: %v", left)
	}
	db.start()
	check(4500, 4499*200+1)
	db.healed("SELECT count(*) FROM streamdb.views WHERE state = 'running' AND reason IS NULL", "3")
}

// TestHealWhileComputing: a view that meets the damage of its own rows when it
// computes is built again, and goes on.
func TestHealWhileComputing(t *testing.T) {
	db := openHealDB(t)
	db.exec("CREATE TABLE t (id bigint PRIMARY KEY, pad text)")
	db.exec("CREATE MATERIALIZED VIEW v AS SELECT id, max(pad) AS pad FROM t GROUP BY id")
	db.exec("INSERT INTO t SELECT g, repeat('x', 200) FROM generate_series(1, 5000) g")
	db.flush()
	db.close()
	db.damage("v", 12)
	db.start()
	db.exec("UPDATE t SET pad = 'z'")
	db.healed("SELECT count(*), max(pad), min(pad) FROM v", "5000|z|z")
	if s, _ := db.engine.Stats(); s.Rebuilds != 1 || s.Quarantines != 0 {
		t.Errorf("%d rebuilds, %d quarantines", s.Rebuilds, s.Quarantines)
	}
}

// TestResume: what was given up stays quarantined, through a restart, until somebody
// says that it is to be tried again.
func TestResume(t *testing.T) {
	db := openHealDB(t)
	db.exec("CREATE TABLE t (id bigint PRIMARY KEY, pad text)")
	db.exec("CREATE MATERIALIZED VIEW v AS SELECT id, max(pad) AS pad FROM t GROUP BY id")
	db.exec("CREATE MATERIALIZED VIEW w AS SELECT count(*) FROM v")
	db.exec("INSERT INTO t VALUES (1, 'x')")
	for _, statement := range []string{"ALTER MATERIALIZED VIEW v RESUME", "ALTER MATERIALIZED VIEW t RESUME", "ALTER MATERIALIZED VIEW v PAUSE", "ALTER MATERIALIZED VIEW nothing RESUME"} {
		if _, err := db.query(statement); err == nil {
			t.Errorf("%s: no error", statement)
		} else {
			t.Log(err)
		}
	}
	hold(t, db)
	db.healed("SELECT * FROM w", "1")
	hold(t, db)
	db.healed("SELECT * FROM w", "1")
	hold(t, db) // the third time within the hour
	for _, restart := range []bool{false, true} {
		if restart {
			db.close()
			db.start()
		}
		end := time.Now().Add(30 * time.Second)
		for {
			rows, err := db.query("SELECT name, state, reason FROM streamdb.views ORDER BY name")
			if err != nil {
				t.Fatal(err)
			}
			want := []string{
				`v|quarantined|damage; it was rebuilt 2 times within an hour: is the disk sound?; DROP MATERIALIZED VIEW and CREATE MATERIALIZED VIEW build it again from what its inputs hold.`,
				`w|quarantined|view "v", which it reads, is quarantined`}
			if slices.Equal(rows, want) {
				break
			}
			if time.Now().After(end) {
				t.Fatal(rows)
			}
			time.Sleep(time.Millisecond)
		}
	}
	db.exec("INSERT INTO t VALUES (2, 'y')")
	if _, err := db.query("ALTER MATERIALIZED VIEW w RESUME"); err == nil {
		t.Error("w was resumed before v")
	}
	db.exec("ALTER MATERIALIZED VIEW v RESUME")
	db.healed("SELECT * FROM w", "2")
	db.healed("SELECT count(*) FROM v", "2")
}

// TestHealSessions: a rebuilt view of sessions goes on with rows that join and part them.
func TestHealSessions(t *testing.T) {
	db := openHealDB(t)
	db.exec("CREATE TABLE t (id int PRIMARY KEY, k int, ts timestamp)")
	db.exec("CREATE MATERIALIZED VIEW v AS SELECT id, window_start, window_end FROM SESSION(t PARTITION BY k, ts, '5 s')")
	db.exec("INSERT INTO t SELECT x, x % 2, TIMESTAMP '2024-01-01' + x * INTERVAL '10 s' FROM generate_series(1, 6) x")
	const sessions = "SELECT count(DISTINCT window_start), count(*), max(window_end) FROM v"
	db.healed(sessions, "6|6|2024-01-01 00:01:05")
	for range 2 {
		hold(t, db)
		db.healed(sessions, "6|6|2024-01-01 00:01:05")
		db.exec("INSERT INTO t SELECT 10 + x, 0, TIMESTAMP '2024-01-01' + x * INTERVAL '5 s' FROM generate_series(4, 12) x")
		db.healed(sessions, "4|15|2024-01-01 00:01:05")
		db.close()
		db.start()
		db.exec("DELETE FROM t WHERE id > 10")
		db.healed(sessions, "6|6|2024-01-01 00:01:05")
	}
}

// hold holds view v, as damage would, and lets the healer see it.
func hold(t *testing.T, db *healDB) {
	t.Helper()
	o := db.engine.catalog.Load().Lookup(catalog.PublicSchema, "v")
	if err := db.engine.runtime.Hold(context.Background(), 2, "damage"); err != nil || o.ID != 2 {
		t.Fatal(o.ID, err)
	}
	db.engine.healer.wakeUp()
}

// TestSnapshotAcrossRebuild: a transaction that began before reads the rows as they
// were then, wherever they are now.
func TestSnapshotAcrossRebuild(t *testing.T) {
	db := openHealDB(t)
	db.exec("CREATE TABLE t (id bigint PRIMARY KEY, pad text)")
	db.exec("CREATE MATERIALIZED VIEW v AS SELECT id, max(pad) AS pad FROM t GROUP BY id")
	db.exec("INSERT INTO t VALUES (1, 'x')")
	old := db.session("old")
	query := func(s *testSession, q string) string {
		return strings.Join(s.run(q), " ")
	}
	if got := query(old, "BEGIN"); got != "BEGIN" {
		t.Fatal(got)
	}
	if got := query(old, "SELECT * FROM v"); got != "1|x" {
		t.Fatal(got)
	}
	arr := db.engine.catalog.Load().Lookup(catalog.PublicSchema, "v").Stored.Arr
	hold(t, db)
	db.exec("UPDATE t SET pad = 'y'")
	db.healed("SELECT * FROM v", "1|y")
	for end := time.Now().Add(time.Minute); db.engine.catalog.Load().Lookup(catalog.PublicSchema, "v").Stored.Arr == arr; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the view was not rebuilt")
		}
	}
	for _, q := range []string{"SELECT * FROM v", "SELECT * FROM v WHERE id = 1", "SELECT max(id), max(pad) FROM v"} {
		if got := query(old, q); got != "1|x" {
			t.Errorf("%s: %s", q, got)
		}
	}
}

// TestHealDeletedHistory: views are rebuilt where their topic still holds all that they
// were made of, and stay as they are where it does not.
func TestHealDeletedHistory(t *testing.T) {
	broker := kafkatest.Start(t)
	topic := broker.Topic(t, 1)
	broker.Produce(t, topic, 0, `{"n": 1}`, `{"n": 2}`, `{"n": 3}`, `{"n": "x"}`)
	db := openHealDB(t)
	db.exec(fmt.Sprintf("CREATE STREAM s (n bigint) WITH (connector = 'kafka', brokers = '%s', topic = '%s', format = 'json')", broker.Brokers[0], topic))
	db.exec("CREATE MATERIALIZED VIEW early AS SELECT sum(n), count(*) FROM s")
	db.healed("SELECT count(*) FROM early", "1")
	broker.DeleteRecords(t, topic, 0, 1)
	db.exec("CREATE MATERIALIZED VIEW late AS SELECT n, 6 / (n - 2) AS x FROM s")
	db.exec("CREATE MATERIALIZED VIEW over AS SELECT count(*) FROM late")
	db.healed("SELECT * FROM over", "1")
	db.close()
	db.start()
	for _, name := range []string{"early", "late"} {
		id := db.engine.catalog.Load().Lookup(catalog.PublicSchema, name).ID
		if err := db.engine.runtime.Hold(context.Background(), dataflow.RelationID(id), "damage"); err != nil {
			t.Fatal(err)
		}
	}
	db.engine.healer.wakeUp()
	broker.Produce(t, topic, 0, `{"n": 5}`)
	db.healed("SET real_time_recency = on; SELECT n, x FROM late WHERE n > 3", "5|2")
	db.healed("SELECT count(*), sum(n) FROM late", "2|8")
	db.healed("SELECT * FROM over", "2")
	db.healed("SELECT count(*) FROM streamdb.errors WHERE name = 'late'", "1")
	snap := db.engine.runtime.Snapshot()
	late := dataflow.RelationID(db.engine.catalog.Load().Lookup(catalog.PublicSchema, "late").ID)
	if n := snap.CountErrors(late); n != 1 {
		t.Errorf("late counts %d error rows", n)
	}
	snap.Release()
	rows, err := db.query("SELECT state, reason FROM streamdb.views WHERE name = 'early'")
	if want := `quarantined|damage; the oldest record that the topic of stream "s" still holds in partition 0 has offset 1, the view began at 0; ` +
		`DROP MATERIALIZED VIEW and CREATE MATERIALIZED VIEW build it again from what its inputs hold.`; err != nil || len(rows) != 1 || rows[0] != want {
		t.Errorf("early: %v, %v", rows, err)
	}
	if _, err := db.query("ALTER MATERIALIZED VIEW early RESUME"); err == nil || !strings.Contains(err.Error(), `view "early" cannot be rebuilt`) {
		t.Errorf("resume: %v", err)
	}
}
