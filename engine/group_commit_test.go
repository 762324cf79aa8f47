package engine

import (
	"fmt"
	"sync"
	"testing"
)

// TestSharedEpochs lets many sessions write the same two tables at once, so that
// their transactions share epochs: no increment is lost, no row is there twice,
// and a key is given to one of those who want it.
func TestSharedEpochs(t *testing.T) {
	e, err := Open(t.Context(), Options{DataDir: t.TempDir(), MemoryLimit: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	runSQL(t, e, `CREATE TABLE counters (id int PRIMARY KEY, n bigint)`)
	runSQL(t, e, `CREATE TABLE journal (who int, what int)`)
	runSQL(t, e, `CREATE TABLE owners (key int PRIMARY KEY, who int)`)
	runSQL(t, e, `CREATE MATERIALIZED VIEW entries AS SELECT who, count(*) AS n FROM journal GROUP BY who`)
	runSQL(t, e, `INSERT INTO counters VALUES (0, 0), (1, 0)`)
	const sessions, rounds = 8, 25
	var all sync.WaitGroup
	var mu sync.Mutex
	owned := 0
	for who := range sessions {
		all.Go(func() {
			for i := range rounds {
				runSQL(t, e, fmt.Sprintf(`UPDATE counters SET n = n + 1 WHERE id = %d`, i%2))
				runSQL(t, e, fmt.Sprintf(`INSERT INTO journal VALUES (%d, %d)`, who, i))
				if trySQL(t, e, fmt.Sprintf(`INSERT INTO owners VALUES (%d, %d)`, i, who)) == nil {
					mu.Lock()
					owned++
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	for query, want := range map[string]string{
		`SELECT sum(n) FROM counters`:                                     fmt.Sprint(sessions * rounds),
		`SELECT count(*) FROM journal`:                                    fmt.Sprint(sessions * rounds),
		`SELECT count(*), min(n), max(n) FROM entries`:                    fmt.Sprintf("%d|%d|%d", sessions, rounds, rounds),
		`SELECT count(*), min(key), max(key) FROM owners`:                 fmt.Sprintf("%d|0|%d", rounds, rounds-1),
		`SELECT count(*) FROM (SELECT DISTINCT who, what FROM journal) d`: fmt.Sprint(sessions * rounds),
	} {
		if got := runSQL(t, e, query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	if owned != rounds {
		t.Errorf("%d sessions were told that they own one of %d keys", owned, rounds)
	}
}
