package docs

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/streamdb/streamdb/engine"
	"github.com/streamdb/streamdb/internal/kafkatest"
	"github.com/streamdb/streamdb/pgwire"
)

// documented is the broker's address in the pages; the test puts its own in.
const documented = "localhost:9092"

// database is a fresh database in this process, behind its wire protocol, and a
// broker.
type database struct {
	addr   string
	engine *engine.Engine
	kafka  *kafkatest.Cluster
}

func startDatabase(t *testing.T) *database {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	e, err := engine.Open(ctx, engine.Options{DataDir: t.TempDir(), Sync: false, MemoryLimit: 256 << 20,
		Version: "v0", Database: "streamdb", User: "streamdb"})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- pgwire.New(e, pgwire.Options{}).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return &database{addr: l.Addr().String(), engine: e, kafka: kafkatest.StartFake(t, 1)}
}

// session is one connection and what it was told beside results.
type session struct {
	db      *database
	conn    *pgconn.PgConn
	notices []*pgconn.PgError
}

func (db *database) connect(ctx context.Context) (*session, error) {
	config, err := pgconn.ParseConfig("postgres://streamdb@" + db.addr + "/streamdb?sslmode=disable")
	if err != nil {
		return nil, err
	}
	s := &session{db: db}
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if !strings.HasPrefix(n.Message, "waiting for ") { // depends on how quick the machine is
			s.notices = append(s.notices, (*pgconn.PgError)(n))
		}
	}
	if s.conn, err = pgconn.ConnectConfig(ctx, config); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return s, nil
}

// broker puts the test's broker in place of the documented one.
func (db *database) broker(text string) string {
	return strings.ReplaceAll(text, documented, db.kafka.Brokers[0])
}

// unbroker is the reverse.
func (db *database) unbroker(text []byte) []byte {
	if text == nil {
		return nil
	}
	return []byte(strings.ReplaceAll(string(text), db.kafka.Brokers[0], documented))
}

// run executes a statement and returns what psql would print but the command
// tag, and the error.
func (s *session) run(ctx context.Context, statement string, varies map[string]bool) (out []string, failed *pgconn.PgError, err error) {
	s.notices = nil
	results := s.conn.Exec(ctx, s.db.broker(statement))
	var tables []string
	for results.NextResult() {
		r := results.ResultReader()
		var rows [][][]byte
		for r.NextRow() {
			row := make([][]byte, len(r.Values()))
			for i, v := range r.Values() {
				row[i] = s.db.unbroker(v)
			}
			rows = append(rows, row)
		}
		fields := append([]pgconn.FieldDescription(nil), r.FieldDescriptions()...)
		if _, err := r.Close(); err == nil && len(fields) > 0 {
			tables = appendTable(tables, fields, rows, varies)
		}
	}
	err = results.Close()
	for _, n := range s.notices {
		out = appendMessage(out, n)
	}
	out = append(out, tables...)
	if e, ok := err.(*pgconn.PgError); ok { //nolint:errorlint // pgconn returns it bare
		return appendMessage(out, e), e, nil
	}
	return out, nil, err
}
