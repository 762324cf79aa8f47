package engine

import (
	"context"
	"time"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/types"
)

// transaction is the state of BEGIN ... COMMIT: its reads are all at the epoch
// of its first read.
type transaction struct {
	open     bool
	failed   bool
	started  time.Time
	snapshot *dataflow.Snapshot // nil until the first read
}

func (t *transaction) status() byte {
	switch {
	case t.failed:
		return 'E'
	case t.open:
		return 'T'
	}
	return 'I'
}

// allow refuses what may not run in a failed transaction.
func (t *transaction) allow(st *Statement) error {
	if t.failed && !st.EndsTransaction() {
		return sqlerr.New(sqlerr.InFailedSQLTransaction, "current transaction is aborted, commands ignored until end of transaction block")
	}
	return nil
}

func (t *transaction) fail() {
	if t.open {
		t.failed = true
	}
}

// now is the time that now() returns: of the transaction's begin.
func (t *transaction) now() time.Time {
	if t.open {
		return t.started
	}
	return time.Now()
}

func (t *transaction) end() {
	if t.snapshot != nil {
		t.snapshot.Release()
	}
	*t = transaction{}
}

// Fail marks the transaction as failed after an error outside of the session,
// for example a parameter that the protocol could not decode.
func (s *Session) Fail() { s.tx.fail() }

func (s *Session) prepareTransaction(p *Prepared, st ast.Stmt) error {
	var run func() string
	switch st := st.(type) {
	case *ast.Begin:
		run = s.beginTransaction
	case *ast.Commit:
		if st.Chain {
			return unsupportedStatement(p.Statement)
		}
		run = s.commitTransaction
	case *ast.Rollback:
		if st.Chain {
			return unsupportedStatement(p.Statement)
		}
		run = s.rollbackTransaction
	case *ast.SetTransaction:
		run = func() string { return "SET" }
	default:
		return unsupportedStatement(p.Statement)
	}
	p.run = func(context.Context, []types.Datum, Rows) (string, error) { return run(), nil }
	return nil
}

func (s *Session) beginTransaction() string {
	if s.tx.open {
		s.notice(Notice{Severity: "WARNING", Code: sqlerr.ActiveSQLTransaction, Message: "there is already a transaction in progress"})
		return "BEGIN"
	}
	s.tx = transaction{open: true, started: time.Now()}
	return "BEGIN"
}

func (s *Session) commitTransaction() string {
	failed := s.tx.failed
	s.warnIfIdle()
	s.tx.end()
	if failed {
		return "ROLLBACK"
	}
	return "COMMIT"
}

func (s *Session) rollbackTransaction() string {
	s.warnIfIdle()
	s.tx.end()
	return "ROLLBACK"
}

func (s *Session) warnIfIdle() {
	if !s.tx.open {
		s.notice(Notice{Severity: "WARNING", Code: sqlerr.NoActiveSQLTransaction, Message: "there is no transaction in progress"})
	}
}

// ddl wraps a statement that changes the catalog: it stands alone.
func (s *Session) ddl(run func(context.Context) (string, error)) func(context.Context, []types.Datum, Rows) (string, error) {
	return func(ctx context.Context, _ []types.Datum, _ Rows) (string, error) {
		if s.tx.open {
			return "", sqlerr.New(sqlerr.FeatureNotSupported, "DDL in a transaction block is not supported yet").
				WithHint("Run the statement outside of BEGIN ... COMMIT; every DDL statement is atomic by itself.")
		}
		s.engine.ddl.Lock()
		defer s.engine.ddl.Unlock()
		return run(ctx)
	}
}
