package engine

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamdb/streamdb/internal/kafkatest"
)

// TestLookupView joins events with a table as of their coming: what has come stays
// as it was put out when the table changes, beside an ordinary join that follows, and
// through restarts.
func TestLookupView(t *testing.T) {
	c := kafkatest.StartFake(t, 1)
	db := openTestDB(t)
	events := c.Topic(t, 1)
	send := func(ids ...int) {
		t.Helper()
		var records []*kgo.Record
		for _, id := range ids {
			records = append(records, &kgo.Record{Topic: events, Value: fmt.Appendf(nil, `{"id": %d, "u": %d}`, id, id%3)})
		}
		c.ProduceRecords(t, records...)
	}
	db.exec("CREATE TABLE users (u int PRIMARY KEY, name text)")
	db.exec("INSERT INTO users VALUES (0, 'ann'), (1, 'bob')")
	db.exec(fmt.Sprintf("CREATE STREAM e (id int, u int) WITH (connector = 'kafka', brokers = '%s', topic = '%s', format = 'json')", c.Brokers[0], events))
	db.exec("CREATE MATERIALIZED VIEW looked AS SELECT id, name FROM e JOIN users FOR SYSTEM_TIME AS OF PROCTIME() USING (u)")
	db.exec("CREATE MATERIALIZED VIEW looked_left AS SELECT id, name FROM e LEFT JOIN users FOR SYSTEM_TIME AS OF PROCTIME() x ON x.u = e.u AND x.name > 'ann'")
	db.exec("CREATE MATERIALIZED VIEW counted AS SELECT name, count(*) AS n FROM looked GROUP BY name")
	db.exec("CREATE MATERIALIZED VIEW joined AS SELECT id, name FROM e JOIN users USING (u)")
	db.exec("SET real_time_recency = on")
	expect := func(query string, want ...string) {
		t.Helper()
		got, err := db.query(query)
		if err != nil {
			t.Fatal(err)
		}
		sameAnswers(t, query, got, want)
	}
	send(0, 1, 2)
	expect("SELECT * FROM looked", "0|ann", "1|bob")
	expect("SELECT * FROM looked_left", "0|NULL", "1|bob", "2|NULL")
	db.exec("UPDATE users SET name = 'eve' WHERE u = 0")
	db.exec("DELETE FROM users WHERE u = 1")
	db.exec("INSERT INTO users VALUES (2, 'cyd')")
	send(3, 4, 5)
	expect("SELECT * FROM looked", "0|ann", "1|bob", "3|eve", "5|cyd")
	expect("SELECT * FROM looked_left", "0|NULL", "1|bob", "2|NULL", "3|eve", "4|NULL", "5|cyd")
	expect("SELECT * FROM joined", "0|eve", "3|eve", "2|cyd", "5|cyd")
	db.restart()
	db.exec("SET real_time_recency = on")
	db.exec("UPDATE users SET name = 'zoe'")
	send(6)
	expect("SELECT * FROM looked", "0|ann", "1|bob", "3|eve", "5|cyd", "6|zoe")
	expect("SELECT * FROM counted", "ann|1", "bob|1", "eve|1", "cyd|1", "zoe|1")
	expect("SELECT * FROM joined", "0|zoe", "3|zoe", "2|zoe", "5|zoe", "6|zoe")
}

// TestLookupWaits creates a table over a topic and a view that looks up in it at the
// same time: no event is looked up before the table has what its topic held.
func TestLookupWaits(t *testing.T) {
	c := kafkatest.StartFake(t, 1)
	db := openTestDB(t)
	events, users := c.Topic(t, 2), c.Topic(t, 2)
	var records []*kgo.Record
	const n = 5000
	for i := range n {
		records = append(records, &kgo.Record{Topic: users, Key: fmt.Appendf(nil, `{"u": %d}`, i), Value: fmt.Appendf(nil, `{"u": %d, "name": "n%d"}`, i, i)})
		if i%10 == 0 {
			records = append(records, &kgo.Record{Topic: events, Value: fmt.Appendf(nil, `{"id": %d, "u": %d}`, i, n-1-i)})
		}
	}
	c.ProduceRecords(t, records...)
	options := func(topic, more string) string {
		return fmt.Sprintf(" WITH (connector = 'kafka', brokers = '%s', topic = '%s', format = 'json'%s)", c.Brokers[0], topic, more)
	}
	db.exec("CREATE STREAM e (id int, u int)" + options(events, ""))
	db.exec("BEGIN")
	db.exec("CREATE TABLE users (u int PRIMARY KEY, name text)" + options(users, ", envelope = 'upsert'"))
	db.exec("CREATE MATERIALIZED VIEW looked AS SELECT id, name FROM e LEFT JOIN users FOR SYSTEM_TIME AS OF PROCTIME() ON users.u = e.u")
	db.exec("COMMIT")
	rows, err := db.query("SELECT count(*), count(name) FROM looked")
	if err != nil || len(rows) != 1 || rows[0] != fmt.Sprintf("%d|%d", n/10, n/10) {
		t.Errorf("%v %v", rows, err)
	}
}
