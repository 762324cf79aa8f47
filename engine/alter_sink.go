package engine

import (
	"context"
	"fmt"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
)

// prepareAlter is ALTER of sinks and materialized views; nothing else can be altered
// yet.
func (s *Session) prepareAlter(p *Prepared, st *ast.Alter) error {
	run := s.alterSink
	switch st.Kind {
	case ast.KindSink:
	case ast.KindMaterializedView:
		run = s.alterView
	default:
		return unsupportedStatement(p.Statement)
	}
	p.run = s.ddl(p.Statement, func(ctx context.Context) (string, error) { return run(ctx, st) })
	return nil
}

// alterSink tells a sink how to go on: RESUME or RESNAPSHOT.
func (s *Session) alterSink(ctx context.Context, st *ast.Alter) (string, error) {
	const tag = "ALTER SINK"
	action := st.Actions[0]
	if len(st.Actions) > 1 {
		return "", sqlerr.New(sqlerr.FeatureNotSupported, "ALTER SINK with several actions is not supported").At(st.Actions[1].Position())
	}
	o := s.lookup(st.Name)
	switch {
	case o == nil && st.IfExists:
		s.notice(Notice{Severity: "NOTICE", Code: "00000", Message: fmt.Sprintf("sink %q does not exist, skipping", st.Name.Name)})
		return tag, nil
	case o == nil:
		return "", sqlerr.New(sqlerr.UndefinedTable, "sink %q does not exist", st.Name.Name).At(st.Name.Position())
	case o.Kind != catalog.Sink:
		return "", sqlerr.New(sqlerr.WrongObjectType, "%q is not a sink", st.Name.Name).At(st.Name.Position())
	}
	switch action.(type) {
	case *ast.Resume, *ast.Resnapshot:
	default:
		return "", sqlerr.New(sqlerr.FeatureNotSupported, "this action of ALTER SINK is not supported yet").At(action.Position()).
			WithHint("The actions of ALTER SINK are RESUME and RESNAPSHOT.")
	}
	if o.Connector != kafkaConnector {
		return "", sqlerr.New(sqlerr.WrongObjectType, "sink %q writes nothing outside of the database", o.Name).At(st.Name.Position())
	}
	if _, ok := action.(*ast.Resume); ok {
		if err := s.refuseInTransaction("ALTER SINK ... RESUME"); err != nil {
			return "", err
		}
		return tag, s.resumeSink(ctx, o)
	}
	return tag, s.resnapshotSink(o)
}

// resumeSink makes a sink that has diverged take what its topic holds for what
// it would have written by now.
func (s *Session) resumeSink(ctx context.Context, o *catalog.Object) error {
	writer := s.engine.sinks.writer(o.ID)
	if writer == nil {
		return sqlerr.New(sqlerr.InternalError, "sink %q has no writer", o.Name)
	}
	epoch, err := writer.Resume(ctx)
	if err != nil {
		return err
	}
	s.notice(Notice{Severity: "NOTICE", Code: "00000",
		Message: fmt.Sprintf("sink %q goes on behind epoch %d: what changed up to it is not written any more", o.Name, epoch)})
	return nil
}

// resnapshotSink puts a new sink with the same definition in the place of one,
// in one epoch. It has a transactional id of its own, under which nothing is
// written yet, so it begins with all rows that there are. A crash leaves the old
// sink or the new one.
func (s *Session) resnapshotSink(o *catalog.Object) error {
	parsed, err := sql.ParseOne(o.Definition)
	if err != nil {
		return sqlerr.Wrap(err, sqlerr.DataCorrupted, "the definition of sink %q does not parse", o.Name)
	}
	st, ok := parsed.Stmt.(*ast.CreateSink)
	if !ok {
		return sqlerr.New(sqlerr.DataCorrupted, "the definition of sink %q is no CREATE SINK", o.Name)
	}
	// What the definition means was fixed when the sink was created.
	creator, err := s.engine.NewSession(SessionOptions{User: s.opts.User, Database: s.engine.opts.Database, Settings: o.Settings, Notice: s.opts.Notice})
	if err != nil {
		return err
	}
	creator.tx = transaction{open: s.tx.open, started: s.tx.started, ddl: s.tx.ddl}
	defer func() {
		creator.tx = transaction{}
		creator.Close()
	}()
	n, err := creator.describeSink(st)
	if err != nil {
		return err
	}
	n.object.Schema, n.object.Name, n.object.Definition, n.object.Settings = o.Schema, o.Name, o.Definition, o.Settings
	n.replaces = o
	return creator.installSink(n)
}
