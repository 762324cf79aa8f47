package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/planner"
	"github.com/streamdb/streamdb/sql"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// SessionOptions say who connects and how it is told of things.
type SessionOptions struct {
	User     string
	Database string
	Settings map[string]string // start-up parameters, e.g. TimeZone
	// Notice receives notices while a statement runs, in the caller's goroutine.
	Notice func(Notice)
	// Deallocate drops a prepared statement, all of them if name is "", and says
	// whether there was one.
	Deallocate func(name string) bool
	// Report receives changes of the parameters that clients are told of.
	Report func(name, value string)
}

// Session is one client's conversation. It serves one statement at a time.
type Session struct {
	engine   *Engine
	opts     SessionOptions
	pid      int32
	settings *settings
	tx       transaction
	objects  objects // what functions ask about the catalog

	mu     sync.Mutex
	cancel context.CancelCauseFunc // of the statement under way
}

// NewSession opens a session. A start-up parameter that is unknown or has a
// bad value is an error, as in PostgreSQL.
func (e *Engine) NewSession(opts SessionOptions) (*Session, error) {
	s := &Session{engine: e, opts: opts, pid: e.nextPID.Add(1), settings: newSettings()}
	s.objects.session = s
	if opts.Database != "" && opts.Database != e.opts.Database {
		return nil, sqlerr.New(sqlerr.InvalidCatalogName, "database %q does not exist", opts.Database)
	}
	if opts.User != e.opts.User {
		return nil, sqlerr.New(sqlerr.InvalidAuthorization, "role %q does not exist", opts.User)
	}
	s.settings.values["session_authorization"] = opts.User
	for name, value := range opts.Settings {
		if _, _, err := s.settings.set(name, value); err != nil {
			return nil, err
		}
	}
	for name, value := range s.settings.values {
		if p := s.settings.find(name); p != nil {
			p.initial = value // RESET goes back to what the client asked for at start
		}
	}
	e.sessions.Add(1)
	return s, nil
}

// Close ends the session and releases what it holds.
func (s *Session) Close() {
	s.tx.end()
	s.engine.sessions.Add(-1)
}

// PID returns the number by which clients name the session.
func (s *Session) PID() int32 { return s.pid }

// Env returns how values are read and printed now.
func (s *Session) Env() *types.Env {
	env := s.settings.env()
	env.ObjectName = func(t types.Type, oid int64) string {
		kind, _ := expr.ObjectKind(t)
		return expr.ObjectName(&expr.Env{Objects: &s.objects}, kind, oid)
	}
	return env
}

// Parameters calls fn for every parameter that clients are told of at start.
func (s *Session) Parameters(fn func(name, value string)) {
	for _, p := range s.settings.table {
		if p.report {
			fn(p.name, s.settings.values[lower(p.name)])
		}
	}
}

// Cancel ends the statement under way, if there is one, with 57014. It may be
// called from any goroutine.
func (s *Session) Cancel() {
	s.End(sqlerr.New(sqlerr.QueryCanceled, "canceling statement due to user request"))
}

// End is Cancel with another reason.
func (s *Session) End(reason *sqlerr.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		s.cancel(reason)
	}
}

// Statement is one parsed statement.
type Statement struct {
	parsed *ast.Parsed
	text   string // the whole string it came from: positions count in it
}

// Text returns the statement's text.
func (s *Statement) Text() string { return s.parsed.Text }

// Source returns the whole string that the statement came from; the positions
// of errors count in it.
func (s *Statement) Source() string { return s.text }

// EndsTransaction says whether the statement is one of those that are allowed
// in a failed transaction.
func (s *Statement) EndsTransaction() bool {
	switch s.parsed.Stmt.(type) {
	case *ast.Commit, *ast.Rollback, *ast.RollbackTo:
		return true
	}
	return false
}

// Parse splits and parses a string of statements. An empty string gives none.
func (s *Session) Parse(text string) ([]*Statement, error) {
	parsed, err := sql.Parse(text)
	if err != nil {
		s.tx.fail()
		return nil, err
	}
	out := make([]*Statement, len(parsed))
	for i, p := range parsed {
		out[i] = &Statement{parsed: p, text: text}
	}
	return out, nil
}

// Column is one column of a result.
type Column struct {
	Name      string
	Type      types.Type
	Relation  types.OID // of the relation it comes from, 0 if none
	Attribute int16
}

// Rows receives a result. Batches belong to the receiver until it returns;
// rows have positive weights, and a row of weight w counts w times.
type Rows interface {
	Batch(b *zset.Batch) error
	// Flush sends what was given so far to the client.
	Flush() error
}

// Prepared is a statement ready to be executed any number of times by the
// session that prepared it.
type Prepared struct {
	Statement  *Statement
	ParamTypes []types.Type
	Columns    []Column // nil: no rows come back

	run     func(ctx context.Context, params []types.Datum, rows Rows) (tag string, err error)
	version uint64         // of the catalog it was bound against; 0: does not matter
	path    string         // the search path it was bound with
	query   *planner.Query // of a SELECT
}

// Endless says whether the statement may send rows for ever.
func (p *Prepared) Endless() bool {
	switch st := p.Statement.parsed.Stmt.(type) {
	case *ast.Subscribe:
		return true
	case *ast.SelectStmt:
		return st.Emit == ast.EmitChanges
	}
	return false
}

// Prepare binds a statement. paramTypes are declared by the client; 0 or
// Unknown entries, and missing ones, are inferred.
func (s *Session) Prepare(ctx context.Context, st *Statement, paramTypes []types.Type) (*Prepared, error) {
	if err := s.tx.allow(st); err != nil {
		return nil, err
	}
	p := &Prepared{Statement: st, ParamTypes: paramTypes, path: s.settings.values["search_path"]}
	if err := s.prepare(p); err != nil {
		s.tx.fail()
		return nil, err
	}
	return p, nil
}

// PrepareSimple binds a statement of the simple protocol, which has no parameters.
func (s *Session) PrepareSimple(ctx context.Context, st *Statement) (*Prepared, error) {
	if err := s.tx.allow(st); err != nil {
		return nil, err
	}
	if err := noParameters(st.parsed.Stmt); err != nil {
		s.tx.fail()
		return nil, err
	}
	return s.Prepare(ctx, st, nil)
}

// noParameters refuses parameters where none can be given.
func noParameters(n ast.Node) (err error) {
	ast.Inspect(n, func(n ast.Node) bool {
		if p, ok := n.(*ast.Param); ok && err == nil {
			err = sqlerr.New(sqlerr.UndefinedParameter, "there is no parameter $%d", p.Number).At(p.Position())
		}
		return err == nil
	})
	return err
}

// prepare is the switch over statements: each case sets run, and Columns when
// rows come back.
func (s *Session) prepare(p *Prepared) error {
	switch st := p.Statement.parsed.Stmt.(type) {
	case *ast.SelectStmt:
		if st.Emit == ast.EmitChanges {
			return s.prepareEmitChanges(p, st)
		}
		return s.prepareSelect(p, st)
	case *ast.CreateStream:
		p.run = s.ddl(p.Statement, func(ctx context.Context) (string, error) { return s.createStream(ctx, st) })
	case *ast.Insert, *ast.Update, *ast.Delete:
		return s.prepareDML(p, st)
	case *ast.CreateTable:
		p.run = s.ddl(p.Statement, func(ctx context.Context) (string, error) { return s.createTable(ctx, st) })
	case *ast.CreateIndex:
		p.run = s.ddl(p.Statement, func(context.Context) (string, error) { return s.createIndex(st) })
	case *ast.CreateMaterializedView:
		p.run = s.ddl(p.Statement, func(context.Context) (string, error) { return s.createMaterializedView(st) })
	case *ast.CreateView:
		p.run = s.ddl(p.Statement, func(context.Context) (string, error) { return s.createView(st) })
	case *ast.CreateSink:
		p.run = s.ddl(p.Statement, func(context.Context) (string, error) { return s.createSink(st) })
	case *ast.Alter:
		return s.prepareAlter(p, st)
	case *ast.Drop:
		p.run = s.ddl(p.Statement, func(context.Context) (string, error) { return s.drop(st) })
	case *ast.Begin, *ast.Commit, *ast.Rollback, *ast.SetTransaction, *ast.Savepoint, *ast.ReleaseSavepoint, *ast.RollbackTo:
		return s.prepareTransaction(p, st)
	case *ast.SetVariable, *ast.ResetVariable, *ast.ShowVariable, *ast.Discard:
		return s.prepareSetting(p, st)
	case *ast.ShowObjects:
		return s.prepareShowObjects(p, st)
	case *ast.ShowCreate:
		return s.prepareShowCreate(p, st)
	case *ast.Explain:
		return s.prepareExplain(p, st)
	case *ast.Subscribe:
		return s.prepareSubscribe(p, st)
	case *ast.Deallocate:
		p.run = func(context.Context, []types.Datum, Rows) (string, error) { return s.deallocate(st) }
	case *ast.Unlisten:
		p.run = done("UNLISTEN")
	default:
		return unsupportedStatement(p.Statement)
	}
	return nil
}

// done is the run of a statement that has nothing to do.
func done(tag string) func(context.Context, []types.Datum, Rows) (string, error) {
	return func(context.Context, []types.Datum, Rows) (string, error) { return tag, nil }
}

// Execute runs a prepared statement. Rows come through rows, in the caller's
// goroutine; the command tag is returned. ctx ends the statement; so do Cancel
// and statement_timeout.
func (s *Session) Execute(ctx context.Context, p *Prepared, params []types.Datum, rows Rows) (tag string, err error) {
	if err := s.tx.allow(p.Statement); err != nil {
		return "", err
	}
	if len(params) != len(p.ParamTypes) {
		return "", sqlerr.New(sqlerr.ProtocolViolation, "bind message supplies %d parameters, but prepared statement requires %d", len(params), len(p.ParamTypes))
	}
	ctx, cancel := s.begin(ctx)
	defer cancel()
	if err := s.rebind(p); err != nil {
		s.tx.fail()
		return "", err
	}
	tag, err = p.run(ctx, params, rows)
	if err != nil {
		s.tx.fail()
		return "", s.engine.nameDamage(ended(ctx, err))
	}
	return tag, nil
}

// begin makes the statement's context: cancellable by Cancel and bounded by
// statement_timeout.
func (s *Session) begin(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	s.mu.Lock()
	s.cancel = cancel
	s.mu.Unlock()
	stop := func() bool { return true }
	if limit := s.settings.duration("statement_timeout"); limit > 0 {
		timer := time.AfterFunc(limit, func() {
			cancel(sqlerr.New(sqlerr.QueryCanceled, "canceling statement due to statement timeout"))
		})
		stop = timer.Stop
	}
	return ctx, func() {
		stop()
		s.mu.Lock()
		s.cancel = nil
		s.mu.Unlock()
		cancel(nil)
	}
}

// ended returns the reason for which ctx ended in place of the bare
// cancellation that err reports. None was given where ctx ended with the server.
func ended(ctx context.Context, err error) error {
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) && !errors.Is(err, context.Canceled) {
		return err
	}
	var cause *sqlerr.Error
	if errors.As(context.Cause(ctx), &cause) {
		return cause
	}
	return sqlerr.Wrap(err, sqlerr.AdminShutdown, "terminating connection due to administrator command")
}

// rebind binds a statement again when the catalog has changed since. A result
// that would change its shape is refused, as in PostgreSQL.
func (s *Session) rebind(p *Prepared) error {
	if p.version == 0 || p.version == s.catalog().Version() && p.path == s.settings.values["search_path"] {
		return nil
	}
	again := &Prepared{Statement: p.Statement, ParamTypes: p.ParamTypes, path: s.settings.values["search_path"]}
	if err := s.prepare(again); err != nil {
		return err
	}
	if len(again.Columns) != len(p.Columns) {
		return errChangedResult()
	}
	for i := range p.Columns {
		if p.Columns[i].Type != again.Columns[i].Type {
			return errChangedResult()
		}
	}
	*p = *again
	return nil
}

func errChangedResult() error {
	return sqlerr.New(sqlerr.FeatureNotSupported, "cached plan must not change result type")
}

// TxStatus returns the transaction status byte of the protocol: I idle, T in a
// transaction, E in a failed one.
func (s *Session) TxStatus() byte { return s.tx.status() }

func (s *Session) notice(n Notice) {
	if s.opts.Notice == nil {
		return
	}
	if n.Severity == "NOTICE" {
		switch s.settings.values["client_min_messages"] {
		case "warning", "error":
			return
		}
	}
	s.opts.Notice(n)
}

// planEnv is what a statement is bound against now.
func (s *Session) planEnv(inView bool) *planner.Env {
	return &planner.Env{
		Catalog:    s.catalog(),
		SearchPath: s.settings.searchPath(),
		Expr:       s.exprEnv(),
		User:       s.opts.User,
		Database:   s.engine.opts.Database,
		Version:    "PostgreSQL " + ServerVersion + " on x86_64-pc-linux-gnu, compiled by Go, 64-bit, streamdb " + s.engine.opts.Version,
		Setting:    s.settings.get,
		BackendPID: int(s.pid),
		InView:     inView,
		Set:        s.apply,
		Frozen:     frozenEnv,
		Empty:      alwaysEmpty,
	}
}

// readEnv is what a statement that reads is bound against: with the objects that
// the transaction has created.
func (s *Session) readEnv() *planner.Env {
	env := s.planEnv(false)
	env.Unstored = s.unstored
	return env
}

// exprEnv is what constants are folded with.
func (s *Session) exprEnv() *expr.Env {
	return &expr.Env{Settings: *s.settings.env(), Now: s.now(), Clock: time.Now, Random: rand.Uint64,
		User: s.opts.User, Database: s.engine.opts.Database, Schema: catalog.PublicSchema,
		Objects: &s.objects, Setting: s.settings.get}
}

// snapshot pins the epoch that the statement reads: the transaction's, or the
// last one.
func (s *Session) snapshot() (*dataflow.Snapshot, func()) {
	if s.tx.open {
		if s.tx.snapshot == nil {
			s.tx.pin(s.engine)
		}
		return s.tx.snapshot, func() {}
	}
	snap := s.engine.runtime.Snapshot()
	return snap, snap.Release
}
