// Command lookup measures point reads by key over PostgreSQL's protocol:
// prepared statements, several connections, for a time. It prints one line of
// JSON. The server and the view must exist; every answer is checked.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

type options struct {
	url, view, key string
	conns          int
	duration       time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.url, "url", "postgres://streamdb@127.0.0.1:6565/streamdb?sslmode=disable", "the server")
	flag.StringVar(&o.view, "view", "v", "the view to read")
	flag.StringVar(&o.key, "key", "auction", "its key column, bigint")
	flag.IntVar(&o.conns, "conns", 8, "connections")
	flag.DurationVar(&o.duration, "duration", 10*time.Second, "how long to read")
	flag.Parse()
	if err := run(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, "lookup:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	keys, err := readKeys(ctx, o)
	if err != nil {
		return err
	}
	times := make([][]time.Duration, o.conns)
	group, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	for i := range o.conns {
		group.Go(func() (err error) {
			times[i], err = readLoop(ctx, o, keys, uint64(i), start.Add(o.duration))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return report(o, slices.Concat(times...), time.Since(start))
}

// readKeys reads the keys that are there.
func readKeys(ctx context.Context, o options) ([]int64, error) {
	conn, err := pgx.Connect(ctx, o.url)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "SELECT "+o.key+" FROM "+o.view)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}

// readLoop reads random keys until the end and checks that the row is the one
// asked for.
func readLoop(ctx context.Context, o options, keys []int64, seed uint64, end time.Time) ([]time.Duration, error) {
	conn, err := pgx.Connect(ctx, o.url)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	query := "SELECT * FROM " + o.view + " WHERE " + o.key + " = $1"
	rnd := rand.New(rand.NewPCG(seed, 7))
	var times []time.Duration
	for {
		begin := time.Now()
		if begin.After(end) {
			return times, nil
		}
		key := keys[rnd.IntN(len(keys))]
		rows, err := conn.Query(ctx, query, key)
		if err != nil {
			return nil, err
		}
		n := 0
		for rows.Next() {
			n++
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
		if n != 1 {
			return nil, fmt.Errorf("key %d: %d rows", key, n)
		}
		times = append(times, time.Since(begin))
	}
}

func report(o options, times []time.Duration, wall time.Duration) error {
	slices.Sort(times)
	at := func(q float64) float64 {
		return float64(times[min(len(times)-1, int(q*float64(len(times))))].Microseconds()) / 1000
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"connections": o.conns, "lookups": len(times), "per_second": int(float64(len(times)) / wall.Seconds()),
		"p50_ms": at(0.5), "p99_ms": at(0.99),
	})
}
