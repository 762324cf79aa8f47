package engine

import (
	"fmt"
	"testing"

	"github.com/streamdb/streamdb/internal/kafkatest"
)

// TestDeletedHistory deletes a topic's first records after CREATE STREAM: views
// that had read them keep them; a new view and a SELECT on the stream have what
// is left, before and after a restart.
func TestDeletedHistory(t *testing.T) {
	broker := kafkatest.Start(t)
	topic := broker.Topic(t, 2)
	values := func(from, to int) (out []string) {
		for i := from; i < to; i++ {
			out = append(out, fmt.Sprintf(`{"n": %d}`, i))
		}
		return out
	}
	broker.Produce(t, topic, 0, values(0, 10)...)
	broker.Produce(t, topic, 1, values(10, 20)...)
	db := openTestDB(t)
	db.exec(fmt.Sprintf("CREATE STREAM s (n bigint) WITH (connector = 'kafka', brokers = '%s', topic = '%s', format = 'json')", broker.Brokers[0], topic))
	db.exec("CREATE MATERIALIZED VIEW before AS SELECT count(*) AS c, sum(n) AS s FROM s")
	expect := func(text, want string) {
		t.Helper()
		if got, err := db.query("SET real_time_recency = on; " + text); err != nil || len(got) != 2 || got[1] != "SET" || got[0] != want {
			t.Errorf("%s: %v %v, want %s", text, got, err, want)
		}
	}
	expect("SELECT c, s FROM before", "20|190")
	broker.DeleteRecords(t, topic, 0, 4)
	broker.DeleteRecords(t, topic, 1, 10) // all of it
	expect("SELECT count(*), sum(n) FROM s", "6|39")
	db.exec("CREATE MATERIALIZED VIEW after AS SELECT count(*) AS c, sum(n) AS s FROM s")
	expect("SELECT c, s FROM after", "6|39")
	db.restart()
	broker.Produce(t, topic, 1, values(100, 101)...)
	expect("SELECT c, s FROM before", "21|290")
	expect("SELECT c, s FROM after", "7|139")
	expect("SELECT count(*), sum(n) FROM s", "7|139")
}
