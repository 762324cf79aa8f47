package main

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"sort"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// setup are the statements that every run begins with.
func setup(brokers, topic string) []string {
	return []string{
		fmt.Sprintf("CREATE STREAM events (k bigint, v bigint, s text, at timestamp, WATERMARK FOR at AS at - INTERVAL '1 second') WITH (connector = 'kafka', brokers = '%s', topic = '%s', format = 'json')", brokers, topic),
		"CREATE MATERIALIZED VIEW groups AS SELECT k, count(*) AS n, sum(v) AS s, max(v) AS m FROM events GROUP BY k",
		"CREATE MATERIALIZED VIEW total AS SELECT count(*) AS n, sum(v) AS s FROM events",
		"CREATE MATERIALIZED VIEW big AS SELECT k, v, s FROM events WHERE v % 7 = 0",
		"CREATE MATERIALIZED VIEW quotients AS SELECT k, 1000 / v AS q FROM events WHERE k < 10",
		"CREATE TABLE rows (id bigint PRIMARY KEY, batch bigint, v bigint)",
		"CREATE MATERIALIZED VIEW batches AS SELECT batch, count(*) AS n, sum(v) AS s FROM rows GROUP BY batch",
		"CREATE MATERIALIZED VIEW over AS SELECT count(*) AS n, sum(n) AS s FROM groups WHERE n > 1",
		"CREATE MATERIALIZED VIEW hops AS " + hopping,
		"CREATE MATERIALIZED VIEW closed AS " + hopping + " EMIT ON WINDOW CLOSE",
		"CREATE MATERIALIZED VIEW final WITH (late = 'redirect') AS " + hopping + " EMIT ON WINDOW CLOSE",
	}
}

// event is one good record.
type event struct {
	k, v int64
	s    string
	at   int64 // seconds of event time
}

// model holds what has been produced and acknowledged.
type model struct {
	events []event
	bad    int
}

// expected returns the rows of every view of the stream as text.
func (m *model) expected() map[string][]string {
	out := map[string][]string{}
	type group struct {
		n, s, max int64
	}
	groups := map[int64]*group{}
	var total group
	for _, e := range m.events {
		g := groups[e.k]
		if g == nil {
			g = &group{max: e.v}
			groups[e.k] = g
		}
		g.n, g.s, g.max = g.n+1, g.s+e.v, max(g.max, e.v)
		total.n, total.s = total.n+1, total.s+e.v
		if e.v%7 == 0 {
			out["big"] = append(out["big"], fmt.Sprintf("%d|%d|%s", e.k, e.v, e.s))
		}
		if e.k < 10 && e.v != 0 {
			out["quotients"] = append(out["quotients"], fmt.Sprintf("%d|%d", e.k, 1000/e.v))
		}
	}
	overN, overS := int64(0), int64(0)
	for k, g := range groups {
		out["groups"] = append(out["groups"], fmt.Sprintf("%d|%d|%d|%d", k, g.n, g.s, g.max))
		if g.n > 1 {
			overN, overS = overN+1, overS+g.n
		}
	}
	out["total"] = []string{fmt.Sprintf("%d|%s", total.n, sumText(total.n, total.s))}
	out["over"] = []string{fmt.Sprintf("%d|%s", overN, sumText(overN, overS))}
	return out
}

// sumText is a sum over n rows: NULL over none.
func sumText(n, s int64) string {
	if n == 0 {
		return "NULL"
	}
	return big.NewInt(s).String()
}

// errorRows are how many error rows streamdb.errors must have: bad records, and
// divisions by zero.
func (m *model) errorRows() (records, divisions int64) {
	for _, e := range m.events {
		if e.k < 10 && e.v == 0 {
			divisions++
		}
	}
	return int64(m.bad), divisions
}

// compare reads every view, waiting for what the topic holds, and compares it
// with the model.
func (t *test) compare(ctx context.Context) error {
	return t.query(ctx, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "SET real_time_recency = on"); err != nil {
			return err
		}
		if err := t.inserts.settle(ctx, conn); err != nil {
			return err
		}
		if err := t.migrations.settle(ctx, conn); err != nil {
			return err
		}
		want := t.feed.model.expected()
		t.inserts.expected(want)
		t.migrations.expected(want)
		t.feed.users.expected(t.feed.model.events, want)
		want["hops"] = expectedHops(t.feed.model.events)
		for _, rows := range want {
			sort.Strings(rows)
		}
		for _, view := range t.feed.late {
			want[view] = want["groups"]
		}
		t.slowest = 0
		for view, rows := range want {
			began := time.Now()
			got, err := readView(ctx, conn, view)
			for start := time.Now(); brokerAway(err) && time.Since(start) < sinkPatience; time.Sleep(100 * time.Millisecond) {
				got, err = readView(ctx, conn, view)
			}
			if err != nil {
				return fmt.Errorf("read %s: %w", view, err)
			}
			if err := sameRows(view, got, rows); err != nil {
				return err
			}
			t.took(view, began)
		}
		for _, s := range t.sinks {
			began := time.Now()
			if err := s.caughtUp(ctx, conn); err != nil {
				return err
			}
			t.took("sink "+s.name+" to write", began)
			began = time.Now()
			if err := s.compare(ctx, want[s.of]); err != nil {
				return err
			}
			t.took("reading the topic of "+s.name, began)
		}
		if err := t.compareFinal(ctx, conn); err != nil {
			return err
		}
		if err := compareClosed(ctx, conn); err != nil {
			return err
		}
		return t.compareErrors(ctx, conn)
	})
}

// took notes how long a part of the comparison took, if it is the longest.
func (t *test) took(what string, began time.Time) {
	if d := time.Since(began); d > t.slowest {
		t.slow, t.slowest = what, d
	}
}

// brokerAway says whether a read that waits for what the topics hold could not
// ask the broker, which comes back.
func brokerAway(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "08001"
}

func readView(ctx context.Context, conn *pgx.Conn, view string) ([]string, error) {
	rows, err := conn.Query(ctx, "SELECT * FROM "+view, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		fields := make([]string, len(rows.RawValues()))
		for i, v := range rows.RawValues() {
			if fields[i] = string(v); v == nil {
				fields[i] = "NULL"
			}
		}
		out = append(out, strings.Join(fields, "|"))
	}
	sort.Strings(out)
	return out, rows.Err()
}

func sameRows(view string, got, want []string) error {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return fmt.Errorf("%s lacks %q (%d rows, want %d)", view, want[i], len(got), len(want))
		case i >= len(want) || got[i] != want[i]:
			w := "nothing"
			if i < len(want) {
				w = want[i]
			}
			return fmt.Errorf("%s has %q where the model has %q (%d rows, want %d)", view, got[i], w, len(got), len(want))
		}
	}
	return nil
}

func (t *test) compareErrors(ctx context.Context, conn *pgx.Conn) error {
	records, divisions := t.feed.model.errorRows()
	for name, want := range map[string]int64{"events": records, "quotients": divisions, "users": t.feed.users.errorRows()} {
		var got int64
		err := conn.QueryRow(ctx, "SELECT count(*) FROM streamdb.errors WHERE name = $1", name).Scan(&got)
		if err != nil {
			return fmt.Errorf("count errors of %s: %w", name, err)
		}
		if got != want {
			return fmt.Errorf("streamdb.errors has %d rows of %s, want %d", got, name, want)
		}
	}
	return nil
}
