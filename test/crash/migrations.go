package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// migrations puts a new generation of a table, with a view and an index over it, in
// the place of the former one, again and again, each time in one transaction with
// the number of the generation. All of such a transaction must be there after a kill,
// or nothing.
type migrations struct {
	rnd   *rand.Rand
	acked int64 // the last generation that is known to be there
	// unknown says that the next one was being committed when the server died.
	unknown bool

	cancel context.CancelFunc
	done   chan error
}

// generationRows is how many rows a generation has at most.
const generationRows = 20

// migrationPause is between two migrations.
const migrationPause = 20 * time.Millisecond

func newMigrations(seed uint64) *migrations {
	return &migrations{rnd: rand.New(rand.NewPCG(seed, 4))}
}

// setup makes the generation 0.
func (m *migrations) setup() []string {
	return []string{
		"CREATE TABLE generations (one int PRIMARY KEY, number bigint)",
		"INSERT INTO generations VALUES (1, 0)",
		"CREATE TABLE gen0 (id bigint PRIMARY KEY, v bigint)",
		"CREATE MATERIALIZED VIEW gen0_sum AS SELECT count(*) AS n, sum(v) AS s FROM gen0",
		"CREATE INDEX gen0_v ON gen0 (v)",
	}
}

// statements make generation n of the one before: its rows with v one larger, the
// oldest gone, and a new one.
func (m *migrations) statements(n int64) []string {
	return []string{
		fmt.Sprintf("CREATE TABLE gen%d (id bigint PRIMARY KEY, v bigint)", n),
		fmt.Sprintf("INSERT INTO gen%d SELECT id, v + 1 FROM gen%d WHERE id > %d", n, n-1, n-generationRows),
		fmt.Sprintf("CREATE MATERIALIZED VIEW gen%d_sum AS SELECT count(*) AS n, sum(v) AS s FROM gen%d", n, n),
		fmt.Sprintf("INSERT INTO gen%d VALUES (%d, 0)", n, n),
		fmt.Sprintf("DROP TABLE gen%d CASCADE", n-1),
		fmt.Sprintf("CREATE INDEX gen%d_v ON gen%d (v)", n, n),
		fmt.Sprintf("UPDATE generations SET number = %d", n),
	}
}

// start migrates until stop is called or the server dies.
func (m *migrations) start(ctx context.Context, connect func(context.Context) (*pgx.Conn, error)) {
	ctx, m.cancel = context.WithCancel(ctx)
	m.done = make(chan error, 1)
	go func() { m.done <- m.run(ctx, connect) }()
}

// stop ends the migrations; one that is under way becomes unknown.
func (m *migrations) stop() error {
	if m.cancel == nil {
		return nil
	}
	m.cancel()
	m.cancel = nil
	return <-m.done
}

func (m *migrations) run(ctx context.Context, connect func(context.Context) (*pgx.Conn, error)) error {
	conn, err := connect(ctx)
	if err != nil {
		return nil // the server is gone already
	}
	defer conn.Close(context.Background())
	for ctx.Err() == nil {
		rollback := m.rnd.IntN(5) == 0
		m.unknown = !rollback
		if err := m.migrate(ctx, conn, rollback); err != nil {
			if conn.IsClosed() || ctx.Err() != nil { // perhaps it was not even sent
				return nil
			}
			return fmt.Errorf("migration to generation %d: %w", m.acked+1, err)
		}
		if m.unknown = false; !rollback {
			m.acked++
		}
		time.Sleep(migrationPause)
	}
	return nil
}

// migrate sends a transaction statement by statement, or as one string, which is one
// without BEGIN.
func (m *migrations) migrate(ctx context.Context, conn *pgx.Conn, rollback bool) error {
	statements := m.statements(m.acked + 1)
	if !rollback && m.rnd.IntN(2) == 0 {
		_, err := conn.Exec(ctx, strings.Join(statements, "; "), pgx.QueryExecModeSimpleProtocol)
		return err
	}
	end := "COMMIT"
	if rollback {
		end = "ROLLBACK"
	}
	for _, sql := range slices.Concat([]string{"BEGIN"}, statements, []string{end}) {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// settle finds out whether an unknown migration happened, and that nothing is there
// of another generation than the one that counts.
func (m *migrations) settle(ctx context.Context, conn *pgx.Conn) error {
	var number int64
	if err := conn.QueryRow(ctx, "SELECT number FROM generations").Scan(&number); err != nil {
		return err
	}
	if number != m.acked && !(m.unknown && number == m.acked+1) {
		return fmt.Errorf("generation %d is there, %d is acknowledged", number, m.acked)
	}
	m.acked, m.unknown = number, false
	var names string
	err := conn.QueryRow(ctx, "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relname LIKE 'gen%' AND relname <> 'generations' AND relname <> 'generations_pkey'").Scan(&names)
	if want := fmt.Sprintf("gen%[1]d gen%[1]d_pkey gen%[1]d_sum gen%[1]d_v", number); err == nil && names != want {
		return fmt.Errorf("generation %d consists of %s", number, names)
	}
	return err
}

// expected returns the rows of the generation and of its view.
func (m *migrations) expected(out map[string][]string) {
	table, n, sum := fmt.Sprintf("gen%d", m.acked), int64(0), int64(0)
	out[table] = nil
	for id := max(1, m.acked-generationRows+1); id <= m.acked; id++ {
		out[table] = append(out[table], fmt.Sprintf("%d|%d", id, m.acked-id))
		n, sum = n+1, sum+m.acked-id
	}
	out[table+"_sum"] = []string{fmt.Sprintf("%d|%s", n, sumText(n, sum))}
}
