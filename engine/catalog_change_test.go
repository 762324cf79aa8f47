package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamdb/streamdb/internal/copytree"
	"github.com/streamdb/streamdb/internal/kafkatest"
	"github.com/streamdb/streamdb/sql/catalog"
)

// mustRun runs statements of which none may fail.
func (db *testDB) mustRun(session string, statements ...string) []string {
	db.t.Helper()
	var out []string
	for _, text := range statements {
		out = db.session(session).run(text)
		if n := len(out); n > 0 && strings.Contains(out[n-1], "error") {
			db.t.Fatalf("%s: %s", text, out[n-1])
		}
	}
	return out
}

// TestTransactionalLaw creates tables, their rows and the views of the law in one
// transaction, in random order, over new tables and over ones with rows. Within it
// a view is its query, and after COMMIT and a restart, too.
func TestTransactionalLaw(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { checkTransactionalLaw(t, rand.New(rand.NewPCG(seed, 6))) })
	}
}

func checkTransactionalLaw(t *testing.T, rnd *rand.Rand) {
	db := openTestDB(t)
	create := []string{"CREATE TABLE a (id int PRIMARY KEY, k int, v int, s text, f float8)", "CREATE TABLE b (id int PRIMARY KEY, k int, w numeric)"}
	for i := len(create); i > 0 && rnd.IntN(2) == 0; i-- { // the last ones are there before
		db.exec(create[i-1])
		create = create[:i-1]
		if rnd.IntN(2) == 0 && i == 2 {
			db.exec("INSERT INTO b SELECT x, x % 5, x FROM generate_series(50, 60) x")
		}
	}
	steps := make([]string, 0, 2*len(lawQueries))
	views := map[string]string{}
	for i, query := range lawQueries {
		query = strings.ReplaceAll(query, "%d", fmt.Sprint(rnd.IntN(5)))
		name := fmt.Sprint("view", i)
		views[name] = query
		steps = append(steps, "CREATE MATERIALIZED VIEW "+name+" AS "+query, insertOrChange(rnd))
	}
	rnd.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
	db.mustRun("main", slices.Concat([]string{"BEGIN"}, create, steps)...)
	compare := func(session, when string) {
		t.Helper()
		for name, query := range views {
			got, want := slices.Clone(db.mustRun(session, "SELECT * FROM "+name)), db.mustRun(session, query)
			if slices.Sort(got); !slices.Equal(got, sorted(want)) {
				t.Fatalf("%s: %s is\n%q, its query\n%q", when, name, got, want)
			}
		}
	}
	compare("main", "in the transaction")
	db.mustRun("main", "COMMIT")
	compare("query", "after COMMIT")
	db.restart()
	compare("query", "after a restart")
	for range 10 {
		db.mustRun("main", insertOrChange(rnd))
	}
	compare("query", "after more changes")
}

func sorted(lines []string) []string {
	lines = slices.Clone(lines)
	slices.Sort(lines)
	return lines
}

// insertOrChange is a statement that changes a or b.
func insertOrChange(rnd *rand.Rand) string {
	id := rnd.IntN(1000) * 100
	switch rnd.IntN(5) {
	case 0:
		return fmt.Sprintf("UPDATE a SET v = v + 1 WHERE k = %d", rnd.IntN(5))
	case 1:
		return fmt.Sprintf("DELETE FROM b WHERE k = %d", rnd.IntN(5))
	case 2:
		return fmt.Sprintf("INSERT INTO b SELECT x, x %% 5, x FROM generate_series(%d, %d) x WHERE x NOT IN (SELECT id FROM b)", 100+id, 105+id)
	}
	return fmt.Sprintf("INSERT INTO a SELECT x, x %% 5, x %% 7, chr(97 + x %% 3), x FROM generate_series(%d, %d) x WHERE x NOT IN (SELECT id FROM a)", id, id+9)
}

// TestKilledTransaction copies the data directory at each named point of the epoch
// that commits DDL and DML, which is what a kill there leaves, and opens the copy:
// before the commit there is nothing of the transaction, after it all.
func TestKilledTransaction(t *testing.T) {
	db := &testDB{t: t, dir: t.TempDir()}
	copies, to := map[string]string{}, t.TempDir() // the loop's until it has ended
	var watched atomic.Pointer[catalog.Object]
	var engine *Engine // set before watched
	var err error
	engine, err = Open(t.Context(), Options{DataDir: db.dir, MemoryLimit: 256 << 20, FailPoint: func(point string) {
		table := watched.Load()
		if table == nil {
			return
		}
		now := engine.Epoch()
		if point != "published" {
			now++
		}
		if engine.written[table.ID] == now { // other epochs may come before and after
			copies[point] = filepath.Join(to, point)
			if err := copytree.Live(db.dir, copies[point]); err != nil {
				t.Error(err)
			}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	db.engine, db.sessions = engine, map[string]*testSession{}
	db.mustRun("main", "CREATE TABLE old (id int PRIMARY KEY)", "INSERT INTO old VALUES (1)",
		"CREATE TABLE versions (v int PRIMARY KEY)", "INSERT INTO versions VALUES (1)",
		"BEGIN", "CREATE TABLE new (id int PRIMARY KEY, x int)", "INSERT INTO new SELECT id, 7 FROM old",
		"CREATE MATERIALIZED VIEW sums AS SELECT sum(x) AS x FROM new", "DROP TABLE old", "UPDATE versions SET v = 2")
	watched.Store(engine.catalog.Load().Lookup(catalog.PublicSchema, "versions"))
	db.mustRun("main", "COMMIT")
	db.close()
	for point, undone := range map[string]bool{"computed": true, "before-commit": true, "after-commit": false, "published": false} {
		if copies[point] == "" {
			t.Errorf("no epoch has come by %s", point)
			continue
		}
		checkKilled(t, copies[point], point, undone)
	}
}

// checkKilled opens a copied directory; undone says that nothing of the
// transaction may be there.
func checkKilled(t *testing.T, dir, point string, undone bool) {
	t.Helper()
	db := &testDB{t: t, dir: dir}
	db.open()
	defer db.close()
	want := map[string]string{"SELECT v FROM versions": "2", "SELECT x FROM new": "7", "SELECT x FROM sums": "7",
		"SELECT id FROM old": `error 42P01: relation "old" does not exist at 16`}
	if undone {
		want = map[string]string{"SELECT v FROM versions": "1", "SELECT x FROM new": `error 42P01: relation "new" does not exist at 15`,
			"SELECT x FROM sums": `error 42P01: relation "sums" does not exist at 15`, "SELECT id FROM old": "1"}
	}
	for query, line := range want {
		if got := db.session("main").run(query); len(got) != 1 || got[0] != line {
			t.Errorf("killed at %s: %s: %q, want %q", point, query, got, line)
		}
	}
}

// TestTransactionOverTopics creates a stream, a table over a topic, views and a
// sink in a transaction. ROLLBACK leaves nothing in the database and makes no
// topic; COMMIT starts all of it.
func TestTransactionOverTopics(t *testing.T) {
	c := kafkatest.StartFake(t, 1)
	db := openTestDB(t)
	events, users := c.Topic(t, 1), c.Topic(t, 1)
	const out = "made-by-commit"
	c.ProduceRecords(t, &kgo.Record{Topic: events, Value: []byte(`{"u":1,"n":10}`)}, &kgo.Record{Topic: events, Value: []byte(`{"u":1,"n":20}`)},
		&kgo.Record{Topic: users, Key: []byte(`{"id":1}`), Value: []byte(`{"name":"one"}`)})
	from := func(topic, more string) string {
		return fmt.Sprintf("WITH (connector = 'kafka', brokers = '%s', topic = '%s'%s)", c.Brokers[0], topic, more)
	}
	statements := []string{
		"BEGIN",
		"CREATE STREAM events (u int, n int) " + from(events, ", format = 'json'"),
		"CREATE TABLE users (id int PRIMARY KEY, name text) " + from(users, ", format = 'json', envelope = 'upsert'"),
		"CREATE TABLE extra (id int PRIMARY KEY)",
		"INSERT INTO extra VALUES (1)",
		"CREATE MATERIALIZED VIEW sums AS SELECT u, sum(n) AS n FROM events GROUP BY u",
		"CREATE MATERIALIZED VIEW named AS SELECT name, n FROM sums JOIN users ON u = id JOIN extra ON extra.id = u",
		"CREATE SINK s FROM sums " + from(out, ", key = 'u'"),
	}
	db.mustRun("main", statements...)
	if got := db.mustRun("main", "SELECT u, n FROM sums"); !slices.Equal(got, []string{"1|30"}) {
		t.Errorf("within the transaction: %q", got)
	}
	if got := db.mustRun("other", "SELECT count(*) FROM streamdb.sources"); !slices.Equal(got, []string{"0"}) {
		t.Errorf("another session sees sources: %q", got)
	}
	got := db.session("main").run("SELECT * FROM users")
	if want := `error 0A000: table "users" cannot be read by the transaction that creates it at 15`; !slices.Contains(got, want) {
		t.Errorf("a table over a topic: %q", got)
	}
	db.mustRun("main", "ROLLBACK")
	if hasTopic(t, c, out) {
		t.Error("ROLLBACK has left the topic of a sink")
	}
	if got := db.mustRun("main", "SELECT count(*) FROM pg_class WHERE oid > 16384 AND relnamespace = 'public'::regnamespace"); !slices.Equal(got, []string{"0"}) {
		t.Errorf("after ROLLBACK: %q", got)
	}
	db.mustRun("main", slices.Concat(statements, []string{"COMMIT"})...)
	if got := db.mustRun("main", "SELECT name, n FROM named"); !slices.Equal(got, []string{"one|30"}) {
		t.Errorf("after COMMIT: %q", got)
	}
	for deadline := time.Now().Add(60 * time.Second); !hasTopic(t, c, out); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the sink does not start")
		}
	}
	db.mustRun("main", "BEGIN", "ALTER SINK s RESNAPSHOT", "ROLLBACK", "BEGIN", "DROP SINK s", "ROLLBACK", "BEGIN")
	refused := db.session("main").run("ALTER SINK s RESUME")
	if want := "error 25001: ALTER SINK ... RESUME cannot run inside a transaction block"; !slices.Contains(refused, want) {
		t.Errorf("RESUME in a transaction: %q", refused)
	}
	db.mustRun("main", "ROLLBACK", "BEGIN", "ALTER SINK s RESNAPSHOT", "DROP STREAM events CASCADE", "CREATE TABLE events (u int, n int)", "COMMIT")
	db.restart()
	if got := db.mustRun("main", "SELECT name FROM streamdb.sources UNION ALL SELECT name FROM streamdb.sinks"); !slices.Equal(got, []string{"users"}) {
		t.Errorf("after the drop: %q", got)
	}
}

func hasTopic(t *testing.T, c *kafkatest.Cluster, name string) bool {
	t.Helper()
	topics, err := kadm.NewClient(c.Client()).ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return topics.Has(name)
}

// TestCommitWaits has COMMIT wait for the DDL of another session; when that takes
// too long nothing of the transaction happens.
func TestCommitWaits(t *testing.T) {
	db := openTestDB(t)
	db.mustRun("main", "SET statement_timeout = '20ms'", "BEGIN", "CREATE TABLE t (a int)", "INSERT INTO t VALUES (1)")
	unlock, err := db.engine.lockCatalog(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	got := db.session("main").run("COMMIT")
	unlock()
	if want := "error 57014: canceling statement due to statement timeout"; !slices.Contains(got, want) {
		t.Errorf("COMMIT: %q", got)
	}
	if got := db.session("main").run("SELECT * FROM t"); !slices.Contains(got, `error 42P01: relation "t" does not exist at 15`) {
		t.Errorf("after it: %q", got)
	}
}
