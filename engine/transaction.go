package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/types"
)

// transaction is the state of BEGIN ... COMMIT. Its reads are all at the epoch
// of its first read, with its own writes laid over; COMMIT makes the writes and
// the changes of the catalog one epoch, if what it read has not changed since.
type transaction struct {
	open     bool
	implicit bool // of a query string with several statements
	failed   bool
	readOnly bool
	started  time.Time
	snapshot *dataflow.Snapshot // nil until the first read
	writes   writes
	ddl      *catalogChange         // nil until the first DDL
	reads    map[catalog.ID]bool    // tables that were read
	settings map[string]keptSetting // those that were changed, as they were: for ROLLBACK
	local    map[string]keptSetting // those of SET LOCAL, as they are after COMMIT
}

// keptSetting is a setting's value before a change; custom settings may not have
// been there.
type keptSetting struct {
	value string
	was   bool
}

// keepSetting remembers a setting that is about to be changed. A change ends what
// SET LOCAL has promised of it.
func (t *transaction) keepSetting(s *settings, name string) {
	if !t.open {
		return
	}
	name = lower(name)
	delete(t.local, name)
	if _, ok := t.settings[name]; ok {
		return
	}
	if t.settings == nil {
		t.settings = map[string]keptSetting{}
	}
	value, was := s.values[name]
	t.settings[name] = keptSetting{value, was}
}

// restore gives settings their former values.
func (s *Session) restore(kept map[string]keptSetting) {
	for name, k := range kept {
		if !k.was {
			delete(s.settings.values, name)
			continue
		}
		if s.settings.values[name] == k.value {
			continue
		}
		s.settings.values[name] = k.value
		if p := s.settings.find(name); p != nil {
			s.report(p, k.value)
		}
	}
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
func (s *Session) now() time.Time {
	if s.tx.open {
		return s.tx.started
	}
	return s.engine.opts.Now()
}

func (t *transaction) end() {
	if t.snapshot != nil {
		t.snapshot.Release()
	}
	t.ddl.close()
	*t = transaction{}
}

// pin fixes the epoch that the transaction reads, anew if it has one.
func (t *transaction) pin(e *Engine) *dataflow.Snapshot {
	if t.snapshot != nil {
		t.snapshot.Release()
	}
	t.snapshot = e.runtime.Snapshot()
	return t.snapshot
}

// unpin lets go of an epoch at which nothing was read.
func (t *transaction) unpin() {
	if t.snapshot != nil {
		t.snapshot.Release()
		t.snapshot = nil
	}
}

func (t *transaction) write() writes {
	if t.writes == nil {
		t.writes = writes{}
	}
	return t.writes
}

// tables lists the written tables in order.
func (t *transaction) tables() []catalog.ID {
	out := make([]catalog.ID, 0, len(t.writes))
	for id := range t.writes {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

// noteReads remembers the tables below the relations that were read.
func (t *transaction) noteReads(cat *catalog.Catalog, ids []catalog.ID) {
	if t.reads == nil {
		t.reads = map[catalog.ID]bool{}
	}
	for _, id := range tablesBelow(cat, ids) {
		t.reads[id] = true
	}
}

// Fail marks the transaction as failed after an error outside of the session,
// for example a parameter that the protocol could not decode.
func (s *Session) Fail() { s.tx.fail() }

// BeginImplicit begins the transaction that a query string with several
// statements is. In an open transaction it does nothing.
func (s *Session) BeginImplicit() {
	if !s.tx.open {
		s.tx = transaction{open: true, implicit: true, started: s.engine.opts.Now()}
	}
}

// EndImplicit commits or, after an error, rolls back what BeginImplicit began.
func (s *Session) EndImplicit(ctx context.Context) error {
	if !s.tx.implicit {
		return nil
	}
	_, err := s.commitTransaction(ctx)
	return err
}

func (s *Session) prepareTransaction(p *Prepared, st ast.Stmt) error {
	var run func(ctx context.Context) (string, error)
	switch st := st.(type) {
	case *ast.Begin:
		tag := "BEGIN"
		if firstWords(p.Statement.Text(), 1) == "START" {
			tag = "START TRANSACTION"
		}
		run = func(context.Context) (string, error) {
			s.beginTransaction(st.Modes)
			return tag, nil
		}
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
		run = func(context.Context) (string, error) { return "SET", s.setModes(st) }
	default:
		return unsupportedStatement(p.Statement)
	}
	p.run = func(ctx context.Context, _ []types.Datum, _ Rows) (string, error) { return run(ctx) }
	return nil
}

func (s *Session) beginTransaction(modes []ast.TransactionMode) {
	if s.tx.open && !s.tx.implicit {
		s.notice(Notice{Severity: "WARNING", Code: sqlerr.ActiveSQLTransaction, Message: "there is already a transaction in progress"})
		return
	}
	if !s.tx.open {
		s.tx = transaction{open: true, started: s.engine.opts.Now()}
	}
	s.tx.implicit = false
	s.tx.readOnly = s.settings.isOn("default_transaction_read_only")
	s.tx.setModes(modes)
}

func (t *transaction) setModes(modes []ast.TransactionMode) {
	for _, m := range modes {
		switch strings.ToUpper(string(m)) {
		case "READ ONLY":
			t.readOnly = true
		case "READ WRITE":
			t.readOnly = false
		}
	}
}

func (s *Session) setModes(st *ast.SetTransaction) error {
	if st.Snapshot != nil {
		return sqlerr.New(sqlerr.FeatureNotSupported, "SET TRANSACTION SNAPSHOT is not supported").At(st.Position())
	}
	if !st.Session {
		s.tx.setModes(st.Modes)
		return nil
	}
	t := transaction{}
	t.setModes(st.Modes)
	value := "off"
	if t.readOnly {
		value = "on"
	}
	return s.apply("default_transaction_read_only", value)
}

func (s *Session) commitTransaction(ctx context.Context) (string, error) {
	s.warnIfIdle()
	tx := s.tx
	s.tx = transaction{}
	defer tx.end()
	if tx.failed {
		s.restore(tx.settings)
		return "ROLLBACK", nil
	}
	err := s.commit(ctx, &tx)
	if err == nil {
		s.restore(tx.local)
	} else {
		s.restore(tx.settings)
	}
	if errors.Is(err, errConflict) {
		err = sqlerr.New(sqlerr.SerializationFailure, "could not serialize access due to concurrent update").
			WithHint("The transaction might succeed if retried.")
	}
	return "COMMIT", err
}

// commit makes all that the transaction has changed durable and visible.
func (s *Session) commit(ctx context.Context, tx *transaction) error {
	if tx.ddl.empty() {
		return s.engine.commit(ctx, tx, nil)
	}
	unlock, err := s.engine.lockCatalog(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return s.commitCatalogChange(ctx, tx)
}

func (s *Session) rollbackTransaction(context.Context) (string, error) {
	s.warnIfIdle()
	kept := s.tx.settings
	s.tx.end()
	s.restore(kept)
	return "ROLLBACK", nil
}

func (s *Session) warnIfIdle() {
	if !s.tx.open {
		s.notice(Notice{Severity: "WARNING", Code: sqlerr.NoActiveSQLTransaction, Message: "there is no transaction in progress"})
	}
}

// refuseInTransaction refuses what takes effect at once and cannot be taken back by
// ROLLBACK.
func (s *Session) refuseInTransaction(what string) error {
	if !s.tx.open {
		return nil
	}
	return sqlerr.New(sqlerr.ActiveSQLTransaction, "%s cannot run inside a transaction block", what).
		WithDetail("It takes effect at once and could not be taken back by ROLLBACK.")
}

// refuseReadOnly refuses a statement that changes something in a transaction
// that is read only.
func (s *Session) refuseReadOnly(st *Statement) error {
	readOnly := s.tx.readOnly
	if !s.tx.open || s.tx.implicit {
		readOnly = s.settings.isOn("default_transaction_read_only")
	}
	if !readOnly && !s.settings.isOn("transaction_read_only") {
		return nil
	}
	name := firstWords(st.Text(), 1)
	if name == "CREATE" || name == "DROP" || name == "ALTER" {
		name = firstWords(st.Text(), 2)
	}
	return sqlerr.New(sqlerr.ReadOnlySQLTransaction, "cannot execute %s in a read-only transaction", name)
}
