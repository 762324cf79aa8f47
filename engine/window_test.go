package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestWindowClose: at every moment a view that emits when windows close is its
// query over the windows whose end the watermark has reached, also after late rows
// and crashes, and one that reads the history later.
func TestWindowClose(t *testing.T) {
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
	db := openTestDB(t)
	db.exec("CREATE STREAM e (k int, n int, at timestamp, WATERMARK FOR at AS at - INTERVAL '5 seconds') " +
		"WITH (connector = 'kafka', brokers = '" + addr + "', topic = 'events', format = 'json', idle_timeout = '0 s', max_future = '100000 hours')")
	queries := []string{
		"SELECT window_start, window_end, k, count(*) AS c, sum(n) AS s, max(n) AS m FROM TUMBLE(e, at, '10 seconds') GROUP BY window_start, window_end, k",
		"SELECT window_start, window_end, count(*) AS c, min(n) AS s, max(n) AS m FROM HOP(e, at, '5 seconds', '15 seconds') WHERE n > 3 GROUP BY 1, 2 HAVING count(*) > 1",
		"SELECT window_start, window_end, k, sum(n) AS s FROM TUMBLE((SELECT at, k, n FROM e WHERE k < 3), at, '1 minute') GROUP BY window_start, k, window_end",
		"SELECT window_start, window_end, k, sum(n) AS s, avg(n) AS a FROM SESSION(e PARTITION BY k, at, '2 seconds') GROUP BY window_start, k, window_end",
	}
	create := func(i int, name string) {
		t.Helper()
		db.exec(fmt.Sprintf("CREATE MATERIALIZED VIEW full%s%d AS %s", name, i, queries[i]))
		db.exec(fmt.Sprintf("CREATE MATERIALIZED VIEW closed%s%d AS %s EMIT ON WINDOW CLOSE", name, i, queries[i]))
	}
	create(0, "a")
	create(1, "a")
	create(3, "a")
	views := []string{"a0", "a1", "a3"}
	rnd := rand.New(rand.NewPCG(7, 7))
	start := time.Now().UTC().Add(-24 * time.Hour).Truncate(time.Minute)
	closed := 0
	for step := range 12 {
		var records []*kgo.Record
		for range 60 {
			at := start.Add(time.Duration(step*7+rnd.IntN(9)) * time.Second)
			if rnd.IntN(20) == 0 {
				at = at.Add(-40 * time.Second) // late
			}
			records = append(records, &kgo.Record{Partition: int32(rnd.IntN(2)),
				Value: fmt.Appendf(nil, `{"k": %d, "n": %d, "at": %q}`, rnd.IntN(5), rnd.IntN(50), at.Format("2006-01-02 15:04:05"))})
		}
		if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		switch step {
		case 3:
			create(2, "b")
			views = append(views, "b2")
		case 5, 9:
			db.restart()
		case 7:
			create(0, "c")
			create(3, "c")
			views = append(views, "c0", "c3")
		}
		db.exec("SET real_time_recency = on")
		for _, v := range views {
			closed += compareClosed(t, db, v)
		}
	}
	if closed == 0 {
		t.Error("no window was closed")
	}
	for _, v := range views {
		db.exec("DROP MATERIALIZED VIEW closed" + v)
	}
}

// compareClosed compares a view with what its twin says of closed windows, at one
// epoch, and returns the number of rows.
func compareClosed(t *testing.T, db *testDB, view string) int {
	t.Helper()
	for _, twin := range []string{"full", "closed"} { // a transaction does not wait until it is ready
		if _, err := db.query("SELECT count(*) FROM " + twin + view); err != nil {
			t.Fatal(err)
		}
	}
	db.exec("BEGIN")
	defer db.exec("COMMIT")
	passed := " WHERE window_end <= "
	if strings.HasSuffix(view, "3") {
		passed = " WHERE window_end < " // a row at the end still belongs to a session
	}
	want, err := db.query("SELECT * FROM full" + view + passed + "(SELECT watermark AT TIME ZONE 'UTC' FROM streamdb.watermarks)")
	if err != nil {
		t.Fatal(err)
	}
	got, err := db.query("SELECT * FROM closed" + view)
	if err != nil {
		t.Fatal(err)
	}
	watermark, _ := db.query("SELECT watermark FROM streamdb.watermarks")
	sameAnswers(t, fmt.Sprintf("%s at %s", view, watermark), got, want)
	return len(got)
}

// sameAnswers compares the rows of two answers, in any order.
func sameAnswers(t *testing.T, what string, got, want []string) {
	t.Helper()
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Fatalf("%s: got\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestWindowLaw: views over windows are what joining the rows with the windows by
// hand gives, through inserts, updates and deletes.
func TestWindowLaw(t *testing.T) {
	db := openTestDB(t)
	db.exec("CREATE TABLE t (id int PRIMARY KEY, k int, n bigint, d numeric, f float8, ts timestamp)")
	const aggregates = "count(*) AS a, count(n) AS b, sum(k) AS c, sum(n) AS d, sum(d) AS e, min(n) AS f, max(n) AS g, max(ts) AS h, " +
		"bool_or(k > 3) AS i, count(*) FILTER (WHERE n > 5) AS j, sum(n) FILTER (WHERE k = 1) AS l"
	byHand := func(step, windows, end string) string {
		return "(SELECT t.*, " + windows + " AS window_start, " + end + " AS window_end FROM t, generate_series(0, 3) s, " +
			"LATERAL (SELECT date_bin('" + step + "', ts, TIMESTAMP '1970-01-01') AS b, date_bin('20 s', ts, TIMESTAMP '1970-01-01') AS w) x) y"
	}
	hop := byHand("5 s", "b - s * INTERVAL '5 s'", "b - s * INTERVAL '5 s' + INTERVAL '20 s'")
	cumulate := byHand("5 s", "w", "w + (s + 1) * INTERVAL '5 s'")
	cases := []struct{ view, want string }{
		{"SELECT k, window_start, " + aggregates + " FROM HOP(t, ts, '5 s', '20 s') GROUP BY k, window_start",
			"SELECT k, window_start, " + aggregates + " FROM " + hop + " WHERE isfinite(ts) GROUP BY k, window_start"},
		{"SELECT window_start, window_end, avg(n) AS a, avg(f) AS b, count(DISTINCT k) AS c FROM HOP(t, ts, '5 s', '20 s') WHERE k < 4 GROUP BY 1, 2",
			"SELECT window_start, window_end, avg(n) AS a, avg(f) AS b, count(DISTINCT k) AS c FROM " + hop + " WHERE isfinite(ts) AND k < 4 GROUP BY 1, 2"},
		{"SELECT window_start, window_end, " + aggregates + " FROM CUMULATE(t, ts, '5 s', '20 s') GROUP BY 1, 2",
			"SELECT window_start, window_end, " + aggregates + " FROM " + cumulate + " WHERE isfinite(ts) AND window_end > ts GROUP BY 1, 2"},
	}
	for i, c := range cases {
		db.exec(fmt.Sprintf("CREATE MATERIALIZED VIEW v%d AS %s", i, c.view))
	}
	rnd := rand.New(rand.NewPCG(11, 11))
	row := func() string {
		ts := fmt.Sprintf("TIMESTAMP '1970-01-01' + %d * INTERVAL '1 s'", rnd.IntN(90)-20)
		if rnd.IntN(12) == 0 {
			ts = []string{"NULL", "TIMESTAMP 'infinity'"}[rnd.IntN(2)]
		}
		return fmt.Sprintf("(%d, %s, %s, %d.%d, %d.5, %s)", rnd.IntN(120), maybe(rnd, 6), maybe(rnd, 12), rnd.IntN(9), rnd.IntN(9), rnd.IntN(9), ts)
	}
	for range 40 {
		switch rnd.IntN(4) {
		case 0:
			db.exec(fmt.Sprintf("DELETE FROM t WHERE id %% 5 = %d", rnd.IntN(5)))
		case 1:
			db.exec(fmt.Sprintf("UPDATE t SET ts = ts + INTERVAL '1 s' * %d, n = n + 1 WHERE id %% 3 = %d", rnd.IntN(40)-20, rnd.IntN(3)))
		default:
			for range 4 {
				r := row()
				db.exec("DELETE FROM t WHERE id = " + strings.TrimPrefix(strings.SplitN(r, ",", 2)[0], "("))
				db.exec("INSERT INTO t VALUES " + r)
			}
		}
		for i, c := range cases {
			want, err := db.query(c.want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := db.query(fmt.Sprintf("SELECT * FROM v%d", i))
			if err != nil {
				t.Fatal(err)
			}
			sameAnswers(t, c.view, got, want)
		}
	}
}

// TestSessionLaw: views over sessions are what a model of the table's rows gives,
// through inserts, updates and deletes, raw and grouped.
func TestSessionLaw(t *testing.T) {
	db := openTestDB(t)
	db.exec("CREATE TABLE t (id int PRIMARY KEY, k int, n bigint, ts timestamp)")
	db.exec("CREATE MATERIALIZED VIEW r AS SELECT id, window_start, window_end FROM SESSION(t PARTITION BY k, ts, '3 s')")
	db.exec("CREATE MATERIALIZED VIEW g AS SELECT k, window_start, window_end, count(*) AS c, sum(n) AS s, avg(n) AS a FROM SESSION(t PARTITION BY k, ts, '3 s') GROUP BY 1, 2, 3")
	db.exec("CREATE MATERIALIZED VIEW d AS SELECT k, window_start, count(DISTINCT n) AS c FROM SESSION(t PARTITION BY k, ts, '3 s') GROUP BY 1, 2")
	rnd := rand.New(rand.NewPCG(13, 13))
	for range 60 {
		switch rnd.IntN(5) {
		case 0:
			db.exec(fmt.Sprintf("DELETE FROM t WHERE id %% 7 = %d", rnd.IntN(7)))
		case 1:
			db.exec(fmt.Sprintf("UPDATE t SET ts = ts + INTERVAL '1 s' * %d WHERE id %% 5 = %d", rnd.IntN(9)-4, rnd.IntN(5)))
		case 2:
			db.exec(fmt.Sprintf("UPDATE t SET n = n + 1 WHERE id %% 4 = %d", rnd.IntN(4)))
		default:
			for range 5 {
				id := rnd.IntN(150)
				ts := fmt.Sprintf("TIMESTAMP '2024-01-01' + %d * INTERVAL '1 s'", rnd.IntN(120))
				if rnd.IntN(15) == 0 {
					ts = []string{"NULL", "TIMESTAMP '-infinity'"}[rnd.IntN(2)]
				}
				db.exec(fmt.Sprintf("DELETE FROM t WHERE id = %d", id))
				db.exec(fmt.Sprintf("INSERT INTO t VALUES (%d, %s, %s, %s)", id, maybe(rnd, 4), maybe(rnd, 9), ts))
			}
		}
		checkSessions(t, db)
	}
}

// checkSessions compares the views with the rows of t, in the order of time.
func checkSessions(t *testing.T, db *testDB) {
	t.Helper()
	raw, err := db.query("SELECT k, extract(epoch FROM ts)::bigint, id, coalesce(n::text, '') FROM t WHERE isfinite(ts) ORDER BY k, ts")
	if err != nil {
		t.Fatal(err)
	}
	var rows, groups, distinct []string
	at := func(seconds int64) string { return time.Unix(seconds, 0).UTC().Format("2006-01-02 15:04:05") }
	for from := 0; from < len(raw); {
		first := strings.Split(raw[from], "|")
		end, last := from, int64(0)
		values := map[string]bool{}
		count, sum, number := 0, int64(0), int64(0)
		for ; end < len(raw); end++ {
			f := strings.Split(raw[end], "|")
			seconds, _ := strconv.ParseInt(f[1], 10, 64)
			if f[0] != first[0] || end > from && seconds > last+3 {
				break
			}
			last = seconds
			count++
			if n, err := strconv.ParseInt(f[3], 10, 64); err == nil {
				sum, number, values[f[3]] = sum+n, number+1, true
			}
		}
		begin, _ := strconv.ParseInt(first[1], 10, 64)
		for _, r := range raw[from:end] {
			rows = append(rows, strings.Split(r, "|")[2]+"|"+at(begin)+"|"+at(last+3))
		}
		total := "NULL|NULL"
		if number > 0 {
			avg, err := db.query(fmt.Sprintf("SELECT %d::numeric / %d::numeric", sum, number))
			if err != nil {
				t.Fatal(err)
			}
			total = fmt.Sprintf("%d|%s", sum, avg[0])
		}
		groups = append(groups, fmt.Sprintf("%s|%s|%s|%d|%s", first[0], at(begin), at(last+3), count, total))
		distinct = append(distinct, fmt.Sprintf("%s|%s|%d", first[0], at(begin), len(values)))
		from = end
	}
	for view, want := range map[string][]string{"r": rows, "g": groups, "d": distinct} {
		got, err := db.query("SELECT * FROM " + view)
		if err != nil {
			t.Fatal(err)
		}
		sameAnswers(t, view, got, want)
	}
}
