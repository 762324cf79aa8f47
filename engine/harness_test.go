package engine

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

func TestMain(m *testing.M) {
	// Badger's metrics and glog start these at import.
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"),
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}

// testDB is an engine over a temporary directory with sessions by name.
type testDB struct {
	t        testing.TB
	dir      string
	engine   *Engine
	sessions map[string]*testSession
	clock    atomic.Int64 // microseconds since 1970; 0: the system's
}

// now is the engine's clock.
func (db *testDB) now() time.Time {
	if at := db.clock.Load(); at != 0 {
		return time.UnixMicro(at)
	}
	return time.Now()
}

// setClock moves the clock and waits for an epoch at it.
func (db *testDB) setClock(at time.Time) {
	db.t.Helper()
	db.clock.Store(at.UnixMicro())
	if _, err := db.engine.runtime.Do(context.Background(), dataflow.Command{}); err != nil {
		db.t.Fatal(err)
	}
}

func openTestDB(t testing.TB) *testDB {
	t.Helper()
	db := &testDB{t: t, dir: t.TempDir()}
	db.open()
	t.Cleanup(db.close)
	return db
}

func (db *testDB) open() {
	db.t.Helper()
	e, err := Open(context.Background(), Options{DataDir: db.dir, MemoryLimit: 256 << 20, Version: "v-test", Now: db.now})
	if err != nil {
		db.t.Fatal(err)
	}
	db.engine, db.sessions = e, map[string]*testSession{}
}

func (db *testDB) close() {
	for _, s := range db.sessions {
		s.session.Close()
	}
	if err := db.engine.Close(); err != nil {
		db.t.Errorf("close the engine: %v", err)
	}
}

func (db *testDB) restart() {
	db.t.Helper()
	db.close()
	db.open()
}

// session returns the session of a name.
func (db *testDB) session(name string) *testSession {
	db.t.Helper()
	if s := db.sessions[name]; s != nil {
		return s
	}
	s := &testSession{}
	var err error
	s.session, err = db.engine.NewSession(SessionOptions{User: "streamdb", Database: "streamdb", Notice: func(n Notice) {
		s.out = append(s.out, strings.ToLower(n.Severity)+" "+n.Code+": "+n.Message)
	}})
	if err != nil {
		db.t.Fatal(err)
	}
	db.sessions[name] = s
	return s
}

// testSession runs statements and collects what comes back as lines.
type testSession struct {
	session *Session
	out     []string
	rows    []string
}

// Batch implements Rows.
func (s *testSession) Batch(b *zset.Batch) error {
	for i := range b.Len() {
		r := b.Row(i)
		parts := make([]string, len(b.Cols))
		for c := range b.Cols {
			v := &b.Cols[c]
			switch {
			case v.IsNull(r):
				parts[c] = "NULL"
			case v.Type.Base() == types.Unknown:
				parts[c] = string(types.AppendText(nil, types.Text, v.Datum(r), s.session.Env()))
			default:
				parts[c] = string(types.AppendText(nil, v.Type, v.Datum(r), s.session.Env()))
			}
		}
		for range b.WeightAt(r) {
			s.rows = append(s.rows, strings.Join(parts, "|"))
		}
	}
	return nil
}

// Flush implements Rows.
func (s *testSession) Flush() error { return nil }

// run executes a string of statements as the simple protocol does and returns
// rows, notices, tags and the error as lines.
func (s *testSession) run(text string) []string {
	s.out = nil
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	statements, err := s.session.Parse(text)
	if len(statements) > 1 {
		s.session.BeginImplicit()
	}
	for _, st := range statements {
		if err = s.one(ctx, st); err != nil {
			break
		}
	}
	if end := s.session.EndImplicit(ctx); err == nil {
		err = end
	}
	if err != nil {
		s.out = append(s.out, errorLine(err))
	}
	return s.out
}

func (s *testSession) one(ctx context.Context, st *Statement) error {
	p, err := s.session.Prepare(ctx, st, nil)
	if err != nil {
		return err
	}
	s.rows = nil
	tag, err := s.session.Execute(ctx, p, nil, s)
	s.out = append(s.out, s.rows...)
	if err == nil && p.Columns == nil {
		s.out = append(s.out, tag)
	}
	return err
}

func errorLine(err error) string {
	var e *sqlerr.Error
	if !errors.As(err, &e) {
		return "internal error: " + err.Error()
	}
	line := fmt.Sprintf("error %s: %s", e.Code, e.Message)
	if e.Position > 0 {
		line += fmt.Sprintf(" at %d", e.Position)
	}
	return line
}

// query returns the rows of a query in a fixed order.
func (db *testDB) query(text string) ([]string, error) {
	s := db.session("query")
	out := append([]string(nil), s.run(text)...)
	for _, line := range out {
		if strings.HasPrefix(line, "error ") || strings.HasPrefix(line, "internal error") {
			return nil, errors.New(line)
		}
	}
	sort.Strings(out)
	return out, nil
}

func (db *testDB) exec(text string) {
	db.t.Helper()
	if _, err := db.query(text); err != nil {
		db.t.Fatalf("%s: %v", text, err)
	}
}
