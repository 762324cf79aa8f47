package docs

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/streamdb/streamdb/internal/kafkatest"
	"github.com/streamdb/streamdb/test/testserver"
)

// documented is the broker's address in the pages; the test puts its own in.
const documented = "localhost:9092"

// database is a fresh database and a broker.
type database struct {
	*testserver.Server
	kafka *kafkatest.Cluster
}

func startDatabase(t *testing.T) *database {
	t.Helper()
	server := testserver.Start(t)
	return &database{Server: server, kafka: kafkatest.StartFake(t, 1)}
}

// session is one connection and what it was told beside results.
type session struct {
	db      *database
	conn    *pgconn.PgConn
	notices []*pgconn.PgError
}

func (db *database) connect(ctx context.Context) (*session, error) {
	config, err := pgconn.ParseConfig(db.URL())
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
