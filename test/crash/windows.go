package main

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// hopping is the query of the views over windows.
const hopping = "SELECT k % 5 AS g, window_start, window_end, count(*) AS n, sum(v) AS s, max(v) AS m " +
	"FROM HOP(events, at, INTERVAL '2 seconds', INTERVAL '6 seconds') GROUP BY k % 5, window_start, window_end"

// eventTime is the event time of the record that is produced as the i-th from now,
// in seconds: a second for 100 records, some out of order and some late.
func (f *feed) eventTime(i int) int64 {
	at := int64(f.made+i)/100 + f.rnd.Int64N(3)
	if f.rnd.IntN(50) == 0 {
		at -= 20
	}
	return at
}

// timeText is an event time as text.
func timeText(at int64) string {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(at) * time.Second).Format("2006-01-02 15:04:05")
}

// expectedHops returns the rows of the view of all windows.
func expectedHops(events []event) (out []string) {
	type window struct{ group, start int64 }
	type sums struct{ n, s, max int64 }
	windows := map[window]sums{}
	for _, e := range events {
		for start := e.at - 5; start <= e.at; start++ {
			if start%2 != 0 {
				continue
			}
			w := window{e.k % 5, start}
			g := windows[w]
			windows[w] = sums{g.n + 1, g.s + e.v, max(g.max, e.v)}
		}
	}
	for w, g := range windows {
		out = append(out, fmt.Sprintf("%d|%s|%s|%d|%d|%d", w.group, timeText(w.start), timeText(w.start+6), g.n, g.s, g.max))
	}
	return out
}

// compareFinal compares the view that leaves late rows out with the windows of all
// events but those that it keeps as late, at one epoch.
func (t *test) compareFinal(ctx context.Context, conn *pgx.Conn) error {
	for _, view := range []string{"final", "final_late"} { // a transaction does not wait until it is ready
		if _, err := readView(ctx, conn, view); err != nil {
			return fmt.Errorf("read %s: %w", view, err)
		}
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	got, err := readView(ctx, conn, "final")
	if err != nil {
		return fmt.Errorf("read final: %w", err)
	}
	late, err := readView(ctx, conn, "final_late")
	if err != nil {
		return fmt.Errorf("read final_late: %w", err)
	}
	watermark, err := readView(ctx, conn, "(SELECT watermark AT TIME ZONE 'UTC' FROM streamdb.watermarks WHERE name = 'events') w")
	if err != nil || len(watermark) != 1 {
		return fmt.Errorf("read the watermark: %v %w", watermark, err)
	}
	without := map[string]int{}
	for _, row := range late {
		without[row]++
	}
	var inTime []event
	for _, e := range t.feed.model.events {
		row := fmt.Sprintf("%d|%d|%s|%s", e.k, e.v, e.s, timeText(e.at))
		if without[row] > 0 {
			without[row]--
			continue
		}
		inTime = append(inTime, e)
	}
	t.late = max(t.late, len(late))
	if len(inTime)+len(late) != len(t.feed.model.events) {
		return fmt.Errorf("final_late: %d rows, of which %d are no events", len(late), len(inTime)+len(late)-len(t.feed.model.events))
	}
	var want []string
	for _, row := range expectedHops(inTime) {
		if strings.Split(row, "|")[2] <= watermark[0] {
			want = append(want, row)
		}
	}
	sort.Strings(want)
	return sameRows("final", got, want)
}

// compareClosed compares the view that emits when windows close with the other, at
// one epoch: it has the windows that the watermark has passed.
func compareClosed(ctx context.Context, conn *pgx.Conn) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	got, err := readView(ctx, conn, "closed")
	if err != nil {
		return fmt.Errorf("read closed: %w", err)
	}
	want, err := readView(ctx, conn, "hops WHERE window_end <= (SELECT watermark AT TIME ZONE 'UTC' FROM streamdb.watermarks WHERE name = 'events')")
	if err != nil {
		return fmt.Errorf("read the windows that are closed: %w", err)
	}
	return sameRows("closed", got, want)
}
