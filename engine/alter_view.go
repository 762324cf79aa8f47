package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
)

// alterView rebuilds a quarantined materialized view: RESUME.
func (s *Session) alterView(ctx context.Context, st *ast.Alter) (string, error) {
	const tag = "ALTER MATERIALIZED VIEW"
	o := s.lookup(st.Name)
	switch {
	case o == nil && st.IfExists:
		s.notice(Notice{Severity: "NOTICE", Code: "00000", Message: fmt.Sprintf("relation %q does not exist, skipping", st.Name.Name)})
		return tag, nil
	case o == nil:
		return "", sqlerr.New(sqlerr.UndefinedTable, "relation %q does not exist", st.Name.Name).At(st.Name.Position())
	case o.Kind != catalog.MaterializedView:
		return "", sqlerr.New(sqlerr.WrongObjectType, "%q is not a materialized view", st.Name.Name).At(st.Name.Position())
	case !derived(o):
		return "", sqlerr.New(sqlerr.FeatureNotSupported, "view %q cannot be built again as it was", o.Name).At(st.Name.Position()).
			WithDetail("It depends on when its rows came: none would be late, and what it has looked up may have changed.").
			WithHint("DROP the view and CREATE it: then it has all rows that the topic still holds.")
	}
	if _, ok := st.Actions[0].(*ast.Resume); !ok || len(st.Actions) > 1 {
		return "", sqlerr.New(sqlerr.FeatureNotSupported, "this action of ALTER MATERIALIZED VIEW is not supported yet").At(st.Actions[len(st.Actions)-1].Position()).
			WithHint("The action of ALTER MATERIALIZED VIEW is RESUME; for all else DROP and CREATE the view.")
	}
	if err := s.refuseInTransaction("ALTER MATERIALIZED VIEW ... RESUME"); err != nil {
		return "", err
	}
	return tag, s.engine.resumeView(ctx, o)
}

// resumeView rebuilds a view that is quarantined, and what was quarantined with it.
// It returns when that has begun, as CREATE does; the caller has Engine.ddl.
func (e *Engine) resumeView(ctx context.Context, o *catalog.Object) error {
	id := dataflow.RelationID(o.ID)
	v, ok := e.viewStatus(id)
	if !ok {
		return sqlerr.New(sqlerr.InternalError, "view %q is not in the dataflow", o.Name)
	}
	if v.State != dataflow.StateQuarantined && !v.Held {
		return sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "view %q is not quarantined", o.Name).WithDetail("It is %s.", v.State)
	}
	for _, d := range append(e.catalog.Load().Dependents(o.ID), o) {
		delete(e.healer.rebuilds, d.ID) // somebody has looked at it
	}
	if err := e.runtime.Hold(ctx, id, "ALTER MATERIALIZED VIEW"); err != nil {
		return err
	}
	defer e.healer.wakeUp() // for what reads it
	for {
		err := e.rebuild(ctx, o.ID)
		if v, _ = e.viewStatus(id); !v.Held {
			break
		}
		if !errors.Is(err, dataflow.ErrNotYet) {
			return err
		}
		select {
		case <-time.After(rebuildPause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if v.State == dataflow.StateQuarantined {
		return sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "view %q cannot be rebuilt", o.Name).WithDetail("%s", v.Reason)
	}
	return nil
}

func (e *Engine) viewStatus(id dataflow.RelationID) (dataflow.ViewStatus, bool) {
	snap := e.runtime.Snapshot()
	defer snap.Release()
	return snap.View(id)
}
