package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// usersTopic is a topic of rows by key, and the table that it makes.
type usersTopic struct {
	t       *testing.T
	addr    string
	client  *kgo.Client
	rnd     *rand.Rand
	rows    map[int]string // id -> name
	bad     map[int]bool   // ids whose last value was bad
	badKeys int
	unknown int // tombstones without row
}

const usersPartitions = 3

func newUsersTopic(t *testing.T, seed uint64) *usersTopic {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	u := &usersTopic{t: t, addr: cluster.ListenAddrs()[0], rnd: rand.New(rand.NewPCG(seed, 3)), rows: map[int]string{}, bad: map[int]bool{}}
	u.client, err = kgo.NewClient(kgo.SeedBrokers(u.addr), kgo.DefaultProduceTopic("users"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.client.Close)
	if _, err := kadm.NewClient(u.client).CreateTopic(t.Context(), usersPartitions, 1, nil, "users"); err != nil {
		t.Fatal(err)
	}
	return u
}

// record makes a random record and enters it in the model.
func (u *usersTopic) record() *kgo.Record {
	id := u.rnd.IntN(200)
	r := &kgo.Record{Partition: int32(id % usersPartitions), Key: fmt.Appendf(nil, `{"id": %d}`, id)}
	if u.rnd.IntN(2) == 0 {
		r.Key = fmt.Append(nil, id)
	}
	_, known := u.rows[id]
	switch u.rnd.IntN(10) {
	case 0, 1:
		if !known && !u.bad[id] {
			u.unknown++
		}
		delete(u.rows, id)
		delete(u.bad, id)
	case 2:
		u.bad[id] = true
		r.Value = []byte([]string{`{"name": 5}`, `{"name": null}`, `{`, ``}[u.rnd.IntN(4)])
	case 3:
		u.badKeys++
		r.Key, r.Value = [][]byte{nil, []byte(`{}`), []byte(`"x"`), {}}[u.rnd.IntN(4)], []byte(`{"name": "lost"}`)
	default:
		u.rows[id] = fmt.Sprintf("n%d", u.rnd.IntN(5))
		delete(u.bad, id)
		r.Value = fmt.Appendf(nil, `{"name": %q, "id": 1000}`, u.rows[id])
	}
	return r
}

func (u *usersTopic) produce(n int) {
	u.t.Helper()
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = u.record()
	}
	if err := u.client.ProduceSync(u.t.Context(), records...).FirstErr(); err != nil {
		u.t.Fatal(err)
	}
}

func (u *usersTopic) open(dir string) *Engine {
	u.t.Helper()
	e, err := Open(u.t.Context(), Options{DataDir: dir, MemoryLimit: 64 << 20})
	if err != nil {
		u.t.Fatal(err)
	}
	return e
}

// check compares the table, what reads it, and its errors with the model.
func (u *usersTopic) check(e *Engine) {
	u.t.Helper()
	var rows []string
	names := map[string]int{}
	for id, name := range u.rows {
		rows = append(rows, fmt.Sprintf("%03d|%s", id, name))
		names[name]++
	}
	slices.Sort(rows)
	var groups []string
	for name, n := range names {
		groups = append(groups, fmt.Sprintf("%s|%d", name, n))
	}
	slices.Sort(groups)
	for query, want := range map[string]string{
		`SELECT lpad(id::text, 3, '0'), name FROM users ORDER BY id`:                                                    strings.Join(rows, "\n"),
		`SELECT name, n FROM names ORDER BY name`:                                                                       strings.Join(groups, "\n"),
		`SELECT n.name, count(*) FROM users JOIN names n ON n.name = users.name GROUP BY n.name ORDER BY n.name`:        strings.Join(groups, "\n"),
		`SELECT count(*) FROM users WHERE name = 'n1'`:                                                                  fmt.Sprint(names["n1"]),
		`SELECT count(*) FROM streamdb.errors WHERE name = 'users'`:                                                     fmt.Sprint(len(u.bad) + u.badKeys),
		`SELECT sum(unknown_tombstones), sum(errors), max(reason), count(*) FROM streamdb.sources WHERE name = 'users'`: fmt.Sprintf("%d|%d|null|%d", u.unknown, len(u.bad)+u.badKeys, usersPartitions),
	} {
		if got := runSQL(u.t, e, `SET real_time_recency = on; SELECT count(*) FROM users WHERE false`); got != "0" {
			u.t.Fatal(got)
		}
		if got := runSQL(u.t, e, query); got != want {
			u.t.Fatalf("%s\n%s\nwant\n%s", query, got, want)
		}
	}
	for range 10 {
		id := u.rnd.IntN(200)
		if got := runSQL(u.t, e, fmt.Sprintf(`SELECT name FROM users WHERE id = %d`, id)); got != u.rows[id] {
			u.t.Fatalf("user %d is %q, want %q", id, got, u.rows[id])
		}
	}
}

func (u *usersTopic) create(e *Engine) {
	u.t.Helper()
	runSQL(u.t, e, fmt.Sprintf(`CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL) WITH (connector = 'kafka', brokers = '%s', topic = 'users', format = 'json', envelope = 'upsert')`, u.addr))
}

// TestSourceTable feeds a table with updates, tombstones known and unknown, bad
// keys and bad values, over several partitions and restarts, and compares it,
// an index and views over it with a model.
func TestSourceTable(t *testing.T) {
	u := newUsersTopic(t, 1)
	dir := t.TempDir()
	e := u.open(dir)
	u.produce(300) // the table begins with what is there
	u.create(e)
	if got := runSQL(t, e, `SELECT count(*) FROM users`); got != fmt.Sprint(len(u.rows)) {
		t.Fatalf("%s rows at the first read, want %d", got, len(u.rows))
	}
	runSQL(t, e, `CREATE INDEX ON users (name)`)
	runSQL(t, e, `CREATE MATERIALIZED VIEW names AS SELECT name, count(*) AS n FROM users GROUP BY name`)
	u.check(e)
	for range 4 {
		u.produce(1 + u.rnd.IntN(400))
		if u.rnd.IntN(2) == 0 {
			u.check(e)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		u.produce(u.rnd.IntN(200)) // while nobody reads
		e = u.open(dir)
		u.check(e)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestSourceTableDropped: one DROP takes the table, its source and its errors;
// the name can be used again and begins anew.
func TestSourceTableDropped(t *testing.T) {
	u := newUsersTopic(t, 2)
	e := u.open(t.TempDir())
	u.produce(100)
	for range 2 {
		u.create(e)
		runSQL(t, e, `CREATE MATERIALIZED VIEW names AS SELECT name, count(*) AS n FROM users GROUP BY name`)
		u.check(e)
		runSQL(t, e, `DROP TABLE users CASCADE`)
		if got := runSQL(t, e, `SELECT count(*) FROM streamdb.sources`) + runSQL(t, e, `SELECT count(*) FROM streamdb.errors`); got != "00" {
			t.Errorf("sources and errors after DROP: %s", got)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestSourceTableMoved: a key in two partitions is told, and the order of the
// epochs decides.
func TestSourceTableMoved(t *testing.T) {
	u := newUsersTopic(t, 3)
	e := u.open(t.TempDir())
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	u.create(e)
	for p, name := range []string{"first", "second"} {
		r := &kgo.Record{Partition: int32(p), Key: []byte("7"), Value: fmt.Appendf(nil, `{"name": %q}`, name)}
		if err := u.client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if got := runSQL(t, e, `SET real_time_recency = on; SELECT name FROM users`); got != name {
			t.Fatalf("%q, want %q", got, name)
		}
	}
	if got := runSQL(t, e, `SELECT DISTINCT state, reason FROM streamdb.sources`); !strings.HasPrefix(got, "running|1 records came from another partition") {
		t.Errorf("the source is %s", got)
	}
}

// TestSourceTableRefused: what such a table does not take, with its SQLSTATE.
func TestSourceTableRefused(t *testing.T) {
	u := newUsersTopic(t, 4)
	e := u.open(t.TempDir())
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	u.create(e)
	with := fmt.Sprintf(`WITH (connector = 'kafka', brokers = '%s', topic = 'users', envelope = 'upsert')`, u.addr)
	for sql, want := range map[string]string{
		`INSERT INTO users VALUES (1, 'a')`:                                                 "42809",
		`UPDATE users SET name = 'a'`:                                                       "42809",
		`DELETE FROM users`:                                                                 "42809",
		`DROP STREAM users`:                                                                 "42809",
		`CREATE TABLE users (id int PRIMARY KEY) ` + with:                                   "42P07",
		`CREATE TABLE a (id int) ` + with:                                                   "42P16",
		`CREATE TABLE a (id int PRIMARY KEY, v int DEFAULT 1) ` + with:                      "0A000",
		`CREATE TABLE a (id int PRIMARY KEY, v int UNIQUE) ` + with:                         "0A000",
		`CREATE TABLE a (id int PRIMARY KEY, v regclass) ` + with:                           "0A000",
		`CREATE TABLE a (id int PRIMARY KEY) INCLUDE OFFSET`:                                "42P16",
		`CREATE TABLE a (id int PRIMARY KEY) INCLUDE OFFSET AS id ` + with:                  "42701",
		`CREATE TABLE a (id int PRIMARY KEY) WITH (topic = 'a')`:                            "42P16",
		`CREATE TABLE a (id int PRIMARY KEY) ` + strings.Replace(with, "upsert", "none", 1): "22023",
		`CREATE STREAM a (id int) ` + with:                                                  "22023",
	} {
		if got := sqlState(t, e, sql); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
}

// sqlState runs a statement and returns the SQLSTATE of its error, "" if it has
// none.
func sqlState(t *testing.T, e *Engine, text string) string {
	t.Helper()
	s, err := e.NewSession(SessionOptions{User: "streamdb", Database: "streamdb"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	statements, err := s.Parse(text)
	if err == nil {
		var p *Prepared
		if p, err = s.Prepare(t.Context(), statements[0], nil); err == nil {
			_, err = s.Execute(t.Context(), p, nil, &collectedRows{})
		}
	}
	var e2 *sqlerr.Error
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &e2):
		t.Fatalf("%s: %v", text, err)
	}
	return e2.Code
}

// TestSourceTableShown: SHOW CREATE prints a statement that makes the same
// table.
func TestSourceTableShown(t *testing.T) {
	u := newUsersTopic(t, 5)
	e := u.open(t.TempDir())
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	runSQL(t, e, fmt.Sprintf(`create table if not exists two (a text, v numeric(6,2), b int, primary key (b, a)) include partition include offset as o
		with (connector = 'kafka', brokers = '%s', topic = 'users', envelope = 'upsert', timestamp_unit = 'ms')`, u.addr))
	shown := strings.TrimPrefix(runSQL(t, e, `SHOW CREATE TABLE two`), "public.two|")
	runSQL(t, e, `DROP TABLE two`)
	runSQL(t, e, shown)
	if again := strings.TrimPrefix(runSQL(t, e, `SHOW CREATE TABLE two`), "public.two|"); again != shown {
		t.Errorf("%s\nwas\n%s", again, shown)
	}
	r := &kgo.Record{Key: []byte(`{"A": "x", "b": 2}`), Value: []byte(`{"v": 1.25}`), Timestamp: time.UnixMilli(1)}
	if err := u.client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if got := runSQL(t, e, `SET real_time_recency = on; SELECT * FROM two WHERE b = 2 AND a = 'x'`); got != "x|1.25|2|0|0" {
		t.Errorf("the row is %s", got)
	}
}
