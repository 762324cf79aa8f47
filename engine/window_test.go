package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
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
	}
	create := func(i int, name string) {
		t.Helper()
		db.exec(fmt.Sprintf("CREATE MATERIALIZED VIEW full%s%d AS %s", name, i, queries[i]))
		db.exec(fmt.Sprintf("CREATE MATERIALIZED VIEW closed%s%d AS %s EMIT ON WINDOW CLOSE", name, i, queries[i]))
	}
	create(0, "a")
	create(1, "a")
	views := []string{"a0", "a1"}
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
			views = append(views, "c0")
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
	db.exec("BEGIN")
	defer db.exec("COMMIT")
	want, err := db.query("SELECT * FROM full" + view + " WHERE window_end <= (SELECT watermark AT TIME ZONE 'UTC' FROM streamdb.watermarks)")
	if err != nil {
		t.Fatal(err)
	}
	got, err := db.query("SELECT * FROM closed" + view)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		watermark, _ := db.query("SELECT watermark FROM streamdb.watermarks")
		t.Errorf("%s at %s: got\n%s\nwant\n%s", view, watermark, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	return len(got)
}
