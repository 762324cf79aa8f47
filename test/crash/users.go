package main

import (
	"fmt"
	"math/rand/v2"

	"github.com/twmb/franz-go/pkg/kgo"
)

// userIDs is the number of keys in the topic of users; events have these and
// others.
const userIDs = 300

// users is the model of a table over a topic: the last good value of each key,
// the keys whose last value is bad, and the records without key.
type users struct {
	topic   string
	rows    map[int64]string
	bad     map[int64]bool
	badKeys int
}

func newUsers(topic string) users {
	return users{topic: topic + "-users", rows: map[int64]string{}, bad: map[int64]bool{}}
}

// statements make the table and a view that joins the events to it.
func (u *users) statements(brokers string) []string {
	return []string{
		fmt.Sprintf("CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL) WITH (connector = 'kafka', brokers = '%s', topic = '%s', format = 'json', envelope = 'upsert')", brokers, u.topic),
		"CREATE MATERIALIZED VIEW owned AS SELECT users.name, count(*) AS n, sum(events.v) AS s FROM events JOIN users ON users.id = events.k GROUP BY users.name",
	}
}

// record makes a record and enters it in the model.
func (u *users) record(rnd *rand.Rand) *kgo.Record {
	id := rnd.Int64N(userIDs)
	r := &kgo.Record{Topic: u.topic, Partition: int32(id % partitions), Key: fmt.Appendf(nil, `{"id": %d}`, id)}
	switch rnd.IntN(12) {
	case 0, 1: // a tombstone, known or not
		delete(u.rows, id)
		delete(u.bad, id)
	case 2:
		u.bad[id] = true
		r.Value = []byte(`{"name": 1}`)
	case 3:
		if rnd.IntN(20) > 0 {
			return u.record(rnd)
		}
		u.badKeys++
		r.Key, r.Value = []byte(`{"id": "x"}`), []byte(`{"name": "lost"}`)
	default:
		u.rows[id] = fmt.Sprintf("u%d", rnd.IntN(40))
		delete(u.bad, id)
		r.Value = fmt.Appendf(nil, `{"name": %q}`, u.rows[id])
	}
	return r
}

// errorRows is how many of the table's error rows stand.
func (u *users) errorRows() int64 { return int64(len(u.bad) + u.badKeys) }

// expected adds the rows of the table and of the view over it.
func (u *users) expected(events []event, out map[string][]string) {
	type group struct{ n, s int64 }
	groups := map[string]group{}
	for _, e := range events {
		if name, ok := u.rows[e.k]; ok {
			g := groups[name]
			groups[name] = group{g.n + 1, g.s + e.v}
		}
	}
	out["users"], out["owned"] = nil, nil
	for id, name := range u.rows {
		out["users"] = append(out["users"], fmt.Sprintf("%d|%s", id, name))
	}
	for name, g := range groups {
		out["owned"] = append(out["owned"], fmt.Sprintf("%s|%d|%d", name, g.n, g.s))
	}
}
