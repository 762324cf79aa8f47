package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// timeQueries are views whose rows enter and leave by the clock.
var timeQueries = []string{
	"SELECT id, k FROM e WHERE at > now() - INTERVAL '20 seconds'",
	"SELECT id FROM e WHERE at <= now()",
	"SELECT k, count(*) AS n, max(at) AS last FROM e WHERE now() BETWEEN at AND at + INTERVAL '1 s' * k GROUP BY k",
	"SELECT count(*) AS n FROM e WHERE at BETWEEN now() - INTERVAL '9 seconds' AND now() + INTERVAL '9 seconds' AND k > 1",
	"SELECT k, max(at) AS last FROM e GROUP BY k HAVING max(at) < now() - INTERVAL '5 seconds'",
	"SELECT a.id, b.id AS other FROM e a JOIN e b ON a.k = b.k AND b.at > now() - INTERVAL '10 seconds' WHERE a.at < now()",
	"SELECT a.id, b.id AS other FROM e a LEFT JOIN e b ON a.k = b.id AND b.at > now() WHERE a.k < 3",
	"SELECT id FROM e WHERE k IN (SELECT k FROM e WHERE at > now() - INTERVAL '3 seconds')",
	"SELECT k FROM e WHERE at < now() UNION SELECT k FROM e WHERE at < 'infinity' AND now() - at > '30 s'",
	"SELECT id, at FROM e WHERE at > now() ORDER BY at, id LIMIT 3",
	"SELECT k, count(*) AS n FROM e WHERE date_trunc('minute', at) = date_trunc('minute', now()) GROUP BY k",
}

// TestTimeLaw holds that a view is its query at the clock of the last epoch,
// whatever changes and however far the clock moves, also after a restart during
// which it moved.
func TestTimeLaw(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { checkTimeLaw(t, rand.New(rand.NewPCG(seed, 3))) })
	}
}

func checkTimeLaw(t *testing.T, rnd *rand.Rand) {
	db := openTestDB(t)
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	db.setClock(at)
	db.exec("CREATE TABLE e (id int PRIMARY KEY, k int, at timestamptz)")
	db.exec("CREATE TABLE kept (id int PRIMARY KEY, k int, at timestamptz) WITH (RETENTION = '10 s' ON at); CREATE TABLE whole (id int PRIMARY KEY, k int, at timestamptz)")
	db.exec("CREATE MATERIALIZED VIEW retained WITH (RETENTION = '12 s' ON at) AS SELECT id, at FROM e")
	views := map[string]string{
		"retained": "SELECT id, at FROM e WHERE at IS NULL OR at + INTERVAL '12 s' > now()",
		"kept":     "SELECT * FROM whole WHERE at IS NULL OR at + INTERVAL '10 s' > now()",
	}
	for step := range 50 {
		db.exec(bothTables(rnd, step, at))
		if next := len(views) - 2; step%3 == 0 && next < len(timeQueries) {
			name := fmt.Sprint("view", next)
			query := timeQueries[next]
			db.exec("CREATE MATERIALIZED VIEW " + name + " AS " + query)
			views[name] = query
		}
		for range rnd.IntN(4) {
			db.run(randomEvents(rnd, at))
		}
		at = at.Add(time.Duration(rnd.IntN(4000)) * time.Millisecond)
		if step == 30 {
			at = at.Add(15 * time.Second)
			db.close()
			db.clock.Store(at.UnixMicro())
			db.open()
		}
		db.setClock(at)
		if step%5 == 4 {
			compareViews(t, db, views)
		}
	}
	db.setClock(at.Add(time.Hour))
	compareViews(t, db, views)
}

// bothTables changes the table with retention, and in the other one the same rows:
// those that have not expired.
func bothTables(rnd *rand.Rand, step int, around time.Time) string {
	when := around.Add(time.Duration(rnd.IntN(24000)-12000) * time.Millisecond).Format("'2006-01-02 15:04:05.999999Z07:00'")
	alive := " AND (at IS NULL OR at + INTERVAL '10 s' > now())"
	switch rnd.IntN(5) {
	case 0:
		change := fmt.Sprintf("SET at = %s, k = k + 1 WHERE id %% 3 = %d", when, rnd.IntN(3))
		return "UPDATE kept " + change + "; UPDATE whole " + change + alive
	case 1:
		where := fmt.Sprintf("WHERE id %% 4 = %d", rnd.IntN(4))
		return "DELETE FROM kept " + where + "; DELETE FROM whole " + where
	}
	rows := fmt.Sprintf("VALUES (%d, 1, %s), (%d, 2, NULL)", 2*step, when, 2*step+1)
	return "INSERT INTO kept " + rows + "; INSERT INTO whole " + rows
}

func randomEvents(rnd *rand.Rand, around time.Time) string {
	when := func() string {
		switch rnd.IntN(12) {
		case 0:
			return "NULL"
		case 1:
			return "'infinity'"
		}
		return around.Add(time.Duration(rnd.IntN(40000)-20000) * time.Millisecond).Format("'2006-01-02 15:04:05.999999Z07:00'")
	}
	switch rnd.IntN(6) {
	case 0:
		return fmt.Sprintf("UPDATE e SET at = %s WHERE id %% 5 = %d", when(), rnd.IntN(5))
	case 1:
		return fmt.Sprintf("DELETE FROM e WHERE id %% 7 = %d", rnd.IntN(7))
	}
	return fmt.Sprintf("INSERT INTO e VALUES (%d, %s, %s), (%d, %s, %s)",
		rnd.IntN(300), maybe(rnd, 5), when(), 300+rnd.IntN(300), maybe(rnd, 5), when())
}

// TestWatermarkOverKafka reads a topic whose second partition is quiet: it holds
// the watermark back until it is idle. A row that comes behind the watermark is
// late, and when all is quiet the watermark follows the clock.
func TestWatermarkOverKafka(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "events"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	addr := cluster.ListenAddrs()[0]
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic("events"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	start := time.Now().UTC()
	produce := func(partition int32, ago time.Duration) {
		t.Helper()
		value := fmt.Sprintf(`{"k": 1, "at": %q}`, start.Add(-ago).Format(time.RFC3339Nano))
		if err := client.ProduceSync(t.Context(), &kgo.Record{Partition: partition, Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	produce(0, time.Hour)
	produce(0, 2*time.Hour)
	db := openTestDB(t)
	db.exec("CREATE STREAM e (k int, at timestamptz, WATERMARK FOR at AS at - INTERVAL '5 seconds') " +
		"WITH (connector = 'kafka', brokers = '" + addr + "', topic = 'events', format = 'json', idle_timeout = '1 s', max_future = '10 min')")
	db.exec("CREATE MATERIALIZED VIEW m AS SELECT k, count(*) AS n FROM e GROUP BY k")
	await := func(condition string) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			got, err := db.query("SELECT coalesce(" + condition + ", false) FROM streamdb.watermarks")
			if err == nil && len(got) == 1 && got[0] == "t" {
				return
			}
			if time.Now().After(deadline) {
				state, _ := db.query("SELECT * FROM streamdb.watermarks")
				t.Fatalf("%s: %v, %v; it is %v", condition, got, err, state)
			}
		}
	}
	at := func(ago time.Duration) string {
		return "TIMESTAMPTZ '" + start.Add(-ago).Format(time.RFC3339Nano) + "'"
	}
	await("watermark > " + at(10*time.Second)) // both are idle: it has followed the clock
	produce(1, 90*time.Minute)
	await("late_rows = 1")
	produce(1, -time.Hour) // too far ahead
	produce(1, -time.Minute)
	await("watermark >= " + at(-time.Minute+5*time.Second) + " AND watermark < " + at(-30*time.Minute))
	db.restart()
	await("late_rows = 1 AND watermark >= " + at(-time.Minute+5*time.Second))
	if got, err := db.query("SELECT n FROM m"); err != nil || got[0] != "5" {
		t.Errorf("the view counts late rows, too: %v, %v", got, err)
	}
}

// TestTimeOverKafka has views with conditions on now() over a stream: one from
// the beginning, one that reads the history later, across a restart. They are the
// query over the topic at the engine's clock.
func TestTimeOverKafka(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "events"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()[0]), kgo.DefaultProduceTopic("events"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	rnd := rand.New(rand.NewPCG(5, 5))
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	produced := 0
	produce := func() {
		t.Helper()
		var records []*kgo.Record
		for range 200 {
			when := at.Add(time.Duration(rnd.IntN(60)-30) * time.Second)
			records = append(records, &kgo.Record{Partition: int32(rnd.IntN(3)), Value: fmt.Appendf(nil, `{"k": %d, "at": %q}`, rnd.IntN(9), when.Format(time.RFC3339))})
		}
		if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		produced += len(records)
	}
	db := openTestDB(t)
	db.setClock(at)
	db.exec("CREATE STREAM e (k int, at timestamptz) WITH (connector = 'kafka', brokers = '" + cluster.ListenAddrs()[0] + "', topic = 'events', format = 'json')")
	views := map[string]string{
		"a": "SELECT k, at FROM e WHERE at > now() - INTERVAL '20 seconds'",
		"b": "SELECT k, count(*) AS n, max(at) AS last FROM e WHERE at <= now() GROUP BY k",
		"c": "SELECT k, count(*) AS n FROM e WHERE now() BETWEEN at AND at + INTERVAL '1 s' * k GROUP BY k",
	}
	made := map[string]string{}
	produce()
	for step, name := range []string{"a", "b", "c", "", ""} {
		if name != "" {
			db.exec("CREATE MATERIALIZED VIEW " + name + " AS " + views[name])
			made[name] = views[name]
		}
		produce()
		at = at.Add(time.Duration(rnd.IntN(9)) * time.Second)
		if step == 3 {
			db.close()
			at = at.Add(10 * time.Second)
			db.clock.Store(at.UnixMicro())
			db.open()
		}
		db.exec("SET real_time_recency = on")
		db.setClock(at)
		compareViews(t, db, made)
	}
	db.setClock(at.Add(time.Hour))
	if got, err := db.query("SELECT (SELECT count(*) FROM a), (SELECT sum(n) FROM b), (SELECT count(*) FROM c)"); err != nil || got[0] != fmt.Sprintf("0|%d|0", produced) {
		t.Errorf("an hour later: %v, %v", got, err)
	}
}
