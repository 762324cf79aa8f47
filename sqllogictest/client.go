package sqllogictest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// grace is what a client waits longer than the server's statement_timeout: a
// server that keeps it ends the statement, not the session.
const grace = 10 * time.Second

// client is one session.
type client struct {
	conn     *pgconn.PgConn
	timeout  time.Duration
	extended bool
}

// reply is what a server answered.
type reply struct {
	lines []string
	types string // a letter per column
	count int64  // rows that the command tag reports
}

// serverError is the server's refusal.
type serverError struct{ code, message string }

func (e *serverError) Error() string { return e.code + ": " + e.message }

// errLost is wrapped by errors that end the session.
var errLost = errors.New("connection lost")

// connect opens a session in which values print as files show them.
// settings are what the server is asked to set besides; nil is nothing.
func connect(ctx context.Context, database string, timeout time.Duration, settings map[string]string) (*client, error) {
	config, err := pgconn.ParseConfig(database)
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{
		"datestyle": "ISO, MDY", "timezone": "UTC", "intervalstyle": "postgres", "extra_float_digits": "1", "bytea_output": "hex",
		"statement_timeout": fmt.Sprint(timeout.Milliseconds()), "application_name": "sqllogictest",
	} {
		config.RuntimeParams[name] = value
	}
	maps.Copy(config.RuntimeParams, settings)
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return &client{conn: conn, timeout: timeout}, nil
}

// close ends the session; it may have ended by itself.
func (c *client) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.conn.Close(ctx)
}

// aborted says whether the session's transaction has failed.
func (c *client) aborted() bool { return c.conn.TxStatus() == 'E' }

// exec runs SQL and returns the last result. Its error is a *serverError or
// wraps errLost.
func (c *client) exec(ctx context.Context, sql string) (*reply, error) {
	limited, cancel := context.WithTimeout(ctx, c.timeout+grace)
	defer cancel()
	var last *reply
	var err error
	if c.extended {
		last, err = readResult(c.conn.ExecParams(limited, sql, nil, nil, nil, nil))
	} else {
		results := c.conn.Exec(limited, sql)
		for results.NextResult() {
			// Its error is the one of Close.
			last, _ = readResult(results.ResultReader())
		}
		err = results.Close()
	}
	var refused *pgconn.PgError
	switch {
	case err == nil && last == nil:
		return &reply{}, nil
	case err == nil:
		return last, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &refused) && !c.conn.IsClosed():
		return nil, &serverError{code: refused.Code, message: refused.Message}
	}
	return nil, fmt.Errorf("%w: %w", errLost, err)
}

func readResult(r *pgconn.ResultReader) (*reply, error) {
	out := &reply{}
	var line strings.Builder
	for r.NextRow() {
		line.Reset()
		for i, value := range r.Values() {
			if i > 0 {
				line.WriteByte('\t')
			}
			line.WriteString(format(value))
		}
		out.lines = append(out.lines, line.String())
	}
	types := make([]byte, 0, len(r.FieldDescriptions()))
	for _, f := range r.FieldDescriptions() {
		types = append(types, letter(f.DataTypeOID))
	}
	out.types = string(types)
	tag, err := r.Close()
	out.count = tag.RowsAffected()
	return out, err
}
