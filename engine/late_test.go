package engine

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestLateRows: at every moment a view that leaves late rows out is its query over
// the stream's rows without those that are kept as late, through restarts; rows from before the
// watermark are late, those of open windows are not; and windows that were shown as closed
// do not change.
func TestLateRows(t *testing.T) {
	l := newLateRows(t)
	l.create("plain", "SELECT k, count(*) AS c, sum(n) AS s, max(n) AS m FROM $rows x GROUP BY k")
	l.create("closed", "SELECT window_start, window_end, k, sum(n) AS s FROM TUMBLE($rows, at, '10 seconds') GROUP BY window_start, k, window_end EMIT ON WINDOW CLOSE")
	l.create("hops", "SELECT window_start, window_end, count(*) AS c FROM HOP($rows, at, '5 seconds', '15 seconds') GROUP BY 1, 2")
	l.create("grace", "SELECT k, windowstart, count(*) AS c FROM $rows WINDOW TUMBLING (SIZE 10 SECONDS, GRACE PERIOD 15 SECONDS) GROUP BY k EMIT FINAL")
	l.create("sessions", "SELECT window_start, window_end, k, sum(n) AS s FROM SESSION($rows PARTITION BY k, at, '2 seconds') GROUP BY window_start, k, window_end EMIT ON WINDOW CLOSE")
	const near = " a.k = b.k AND a.n < 10 AND b.n < 25 AND b.at BETWEEN a.at AND a.at + INTERVAL '3 seconds'"
	l.create("pairs", "SELECT a.id AS l, b.id AS r FROM $rows a JOIN $rows b ON"+near)
	l.create("outer_pairs", "SELECT a.id AS l, b.id AS r FROM $rows a LEFT JOIN $rows b ON"+near)
	l.create("full_pairs", "SELECT a.id AS l, b.id AS r FROM $rows a FULL JOIN $rows b ON"+near)
	l.create("single", "SELECT a.id FROM $rows a WHERE NOT EXISTS (SELECT FROM $rows b WHERE"+near+")")
	l.db.exec("CREATE MATERIALIZED VIEW dropped WITH (late = 'drop') AS SELECT k, count(*) AS c, sum(n) AS s, max(n) AS m FROM e GROUP BY k")
	l.read("dropped")
	for step := range 12 {
		l.produce(step)
		if step == 5 || step == 9 {
			l.db.restart()
			l.db.exec("SET real_time_recency = on")
		}
		if step == 7 {
			l.create("young", "SELECT k, count(*) AS c FROM $rows x GROUP BY k")
			if n := l.count("young_late"); n != 0 {
				t.Errorf("%d rows of the history are late", n)
			}
		}
		l.check(step)
	}
	for _, view := range l.views {
		if n := l.count(view + "_late"); n == 0 {
			t.Errorf("no row was late for %s", view)
		}
	}
}

// lateRows are a stream and views that redirect its late rows.
type lateRows struct {
	t       *testing.T
	db      *testDB
	client  *kgo.Client
	rnd     *rand.Rand
	start   time.Time
	id      int
	views   []string
	queries map[string]string
	shown   map[string]map[string]bool // of final views: rows
}

func newLateRows(t *testing.T) *lateRows {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "events"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	addr := cluster.ListenAddrs()[0]
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic("events"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	l := &lateRows{t: t, db: openTestDB(t), client: client, rnd: rand.New(rand.NewPCG(7, 7)), queries: map[string]string{}, shown: map[string]map[string]bool{}}
	l.start = time.Now().UTC().Add(-24 * time.Hour).Truncate(time.Minute)
	l.db.exec("CREATE STREAM e (id int, k int, n int, at timestamp, WATERMARK FOR at AS at - INTERVAL '5 seconds') " +
		"WITH (connector = 'kafka', brokers = '" + addr + "', topic = 'events', format = 'json', idle_timeout = '0 s', max_future = '100000 hours')")
	l.db.exec("CREATE MATERIALIZED VIEW everything AS SELECT * FROM e")
	l.db.exec("SET real_time_recency = on")
	return l
}

func (l *lateRows) create(view, query string) {
	l.t.Helper()
	l.db.exec("CREATE MATERIALIZED VIEW " + view + " WITH (late = 'redirect') AS " + strings.ReplaceAll(query, "$rows", "e"))
	l.views, l.queries[view] = append(l.views, view), query
	l.read(view)
}

func (l *lateRows) read(query string) []string {
	l.t.Helper()
	if !strings.HasPrefix(query, "SELECT") {
		query = "SELECT * FROM " + query
	}
	rows, err := l.db.query(query)
	if err != nil {
		l.t.Fatalf("%s: %v", query, err)
	}
	return rows
}

func (l *lateRows) count(view string) int {
	l.t.Helper()
	return len(l.read(view))
}

func (l *lateRows) produce(step int) {
	l.t.Helper()
	var records []*kgo.Record
	for range 60 {
		at := l.start.Add(time.Duration(step*7+l.rnd.IntN(9)) * time.Second)
		switch l.rnd.IntN(20) {
		case 0:
			at = at.Add(-60 * time.Second) // late for all
		case 1:
			at = at.Add(-8 * time.Second) // perhaps in an open window
		}
		l.id++
		records = append(records, &kgo.Record{Partition: int32(l.rnd.IntN(2)),
			Value: fmt.Appendf(nil, `{"id": %d, "k": %d, "n": %d, "at": %q}`, l.id, l.rnd.IntN(5), l.rnd.IntN(50), at.Format("2006-01-02 15:04:05"))})
	}
	if err := l.client.ProduceSync(l.t.Context(), records...).FirstErr(); err != nil {
		l.t.Fatal(err)
	}
}

// check holds the laws at one epoch.
func (l *lateRows) check(step int) {
	l.t.Helper()
	for _, view := range append(l.views, "everything", "dropped") { // a transaction does not wait until it is ready
		l.read(view)
	}
	l.db.exec("BEGIN")
	defer l.db.exec("COMMIT")
	for _, view := range l.views {
		what := fmt.Sprintf("step %d: %s", step, view)
		// The rows that are not late, as a stream that the query may read.
		rest := "(SELECT * FROM everything WHERE id NOT IN (SELECT id FROM " + view + "_late))"
		sameAnswers(l.t, what, l.read(view), l.read(l.expected(view, rest)))
		if bad := l.read("SELECT id FROM " + view + "_late WHERE at >= (SELECT watermark AT TIME ZONE 'UTC' FROM streamdb.watermarks)"); len(bad) > 0 {
			l.t.Errorf("%s: the rows %v are late, but not before the watermark", what, bad)
		}
		if got, want := l.read("SELECT late_rows FROM streamdb.views WHERE name = '"+view+"'"), l.read("SELECT count(*) FROM "+view+"_late"); got[0] != want[0] {
			l.t.Errorf("%s: %s late rows are counted of %s", what, got, want)
		}
		if strings.Contains(l.queries[view], "EMIT") {
			l.checkFinal(what, view)
		}
	}
	sameAnswers(l.t, fmt.Sprintf("step %d: dropped", step), l.read("dropped"), l.read("plain"))
	if n := l.read("SELECT count(*) FROM plain_late p WHERE NOT EXISTS (SELECT FROM hops_late h WHERE h.id = p.id)"); step == 11 && n[0] == "0" {
		l.t.Error("all late rows are in closed windows")
	}
}

// expected is the view's query over other rows, for the windows that are closed where
// the view shows only these.
func (l *lateRows) expected(view, rows string) string {
	watermark := "(SELECT watermark AT TIME ZONE 'UTC' FROM streamdb.watermarks)"
	switch view {
	case "closed":
		return "SELECT * FROM (SELECT window_start, window_end, k, sum(n) AS s FROM TUMBLE(" + rows + ", at, '10 seconds') GROUP BY window_start, k, window_end) x WHERE window_end <= " + watermark
	case "sessions":
		return "SELECT * FROM (SELECT window_start, window_end, k, sum(n) AS s FROM SESSION(" + rows + " PARTITION BY k, at, '2 seconds') GROUP BY window_start, k, window_end) x WHERE window_end < " + watermark
	case "grace":
		return "SELECT k, window_start, c FROM (SELECT k, window_start, window_end, count(*) AS c FROM TUMBLE(" + rows + ", at, '10 seconds') GROUP BY window_start, k, window_end) x " +
			"WHERE window_end + INTERVAL '15 seconds' <= " + watermark
	}
	return strings.ReplaceAll(l.queries[view], "$rows", rows)
}

// checkFinal holds that rows that a view has shown stay as they are.
func (l *lateRows) checkFinal(what, view string) {
	l.t.Helper()
	now := map[string]bool{}
	for _, row := range l.read(view) {
		now[row] = true
	}
	for row := range l.shown[view] {
		if !now[row] {
			l.t.Errorf("%s: the row %s of a closed window is gone", what, row)
		}
	}
	l.shown[view] = now
}
