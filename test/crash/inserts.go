package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// inserts sends INSERTs of several rows each into a table, one after the other,
// and keeps what became of them.
type inserts struct {
	rnd   *rand.Rand
	next  int64 // batch and row numbers never repeat
	acked map[int64][]insertedRow
	// unknown were sent when the server died: all of one's rows may be there, or
	// none. They are settled by the next comparison.
	unknown map[int64][]insertedRow

	cancel context.CancelFunc
	done   chan error
}

// How many INSERTs a server gets at full speed, and the pause between those
// after. A broker that takes long to come back must not fill the table: every
// later comparison reads it.
const (
	insertBurst = 300
	insertPause = 50 * time.Millisecond
)

type insertedRow struct{ id, v int64 }

func newInserts(seed uint64) *inserts {
	return &inserts{rnd: rand.New(rand.NewPCG(seed, 3)), acked: map[int64][]insertedRow{}, unknown: map[int64][]insertedRow{}}
}

// start sends INSERTs to a server until stop is called or the server dies.
func (in *inserts) start(ctx context.Context, connect func(context.Context) (*pgx.Conn, error)) {
	ctx, in.cancel = context.WithCancel(ctx)
	in.done = make(chan error, 1)
	go func() { in.done <- in.run(ctx, connect) }()
}

// stop ends the sending; an INSERT that is under way becomes unknown.
func (in *inserts) stop() error {
	if in.cancel == nil {
		return nil
	}
	in.cancel()
	in.cancel = nil
	return <-in.done
}

func (in *inserts) run(ctx context.Context, connect func(context.Context) (*pgx.Conn, error)) error {
	conn, err := connect(ctx)
	if err != nil {
		return nil // the server is gone already
	}
	defer conn.Close(context.Background())
	for n := 0; ctx.Err() == nil; n++ {
		if n >= insertBurst {
			time.Sleep(insertPause)
		}
		batch := in.next
		rows := make([]insertedRow, 1+in.rnd.IntN(20))
		values := make([]string, len(rows))
		for i := range rows {
			rows[i] = insertedRow{in.next, in.rnd.Int64N(100)}
			values[i] = fmt.Sprintf("(%d, %d, %d)", rows[i].id, batch, rows[i].v)
			in.next++
		}
		_, err := conn.Exec(ctx, "INSERT INTO rows VALUES "+strings.Join(values, ", "))
		if err != nil {
			in.unknown[batch] = rows
			if conn.IsClosed() || ctx.Err() != nil { // perhaps it was not even sent
				return nil
			}
			return fmt.Errorf("INSERT: %w", err) // a refusal is none of what may happen
		}
		in.acked[batch] = rows
	}
	return nil
}

// settle finds out which of the unknown INSERTs happened.
func (in *inserts) settle(ctx context.Context, conn *pgx.Conn) error {
	for batch, rows := range in.unknown {
		var n int64
		if err := conn.QueryRow(ctx, "SELECT count(*) FROM rows WHERE batch = $1", batch).Scan(&n); err != nil {
			return err
		}
		switch n {
		case int64(len(rows)):
			in.acked[batch] = rows
		case 0:
		default:
			return fmt.Errorf("%d of %d rows of an INSERT that was not acknowledged are there", n, len(rows))
		}
		delete(in.unknown, batch)
	}
	return nil
}

// expected returns the rows of the table and of the view over it.
func (in *inserts) expected(out map[string][]string) {
	out["rows"], out["batches"] = nil, nil
	for batch, rows := range in.acked {
		sum := int64(0)
		for _, r := range rows {
			out["rows"] = append(out["rows"], fmt.Sprintf("%d|%d|%d", r.id, batch, r.v))
			sum += r.v
		}
		out["batches"] = append(out["batches"], fmt.Sprintf("%d|%d|%d", batch, len(rows), sum))
	}
}
