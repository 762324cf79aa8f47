package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
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
	views := map[string]string{}
	for step := range 50 {
		if step%3 == 0 && len(views) < len(timeQueries) {
			name := fmt.Sprint("view", len(views))
			query := timeQueries[len(views)]
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
