package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/catalog"
)

// waitReady waits until a view or table has processed what its inputs held. The
// client is told of the progress and of sources that do not go on; where the wait
// is ended by statement_timeout, the error tells of them, too.
func (s *Session) waitReady(ctx context.Context, o *catalog.Object) error {
	err := s.engine.runtime.WaitReady(ctx, dataflow.RelationID(o.ID), s.progressNotice(o))
	return s.engine.nameObstacles(ctx, err, []catalog.ID{o.ID})
}

// progressNotice returns a function that tells the client of a view's progress
// after one second and then every ten, and at once of a source that stops it.
func (s *Session) progressNotice(o *catalog.Object) func(dataflow.Progress) {
	next, told := time.Now().Add(time.Second), ""
	return func(p dataflow.Progress) {
		obstacles := s.engine.obstacles([]catalog.ID{o.ID})
		if time.Now().Before(next) && (obstacles == "" || obstacles == told) {
			return
		}
		next, told = time.Now().Add(10*time.Second), obstacles
		message := fmt.Sprintf("waiting for %s %q: %d records read", o.Kind, o.Name, p.Done)
		if p.Total > 0 {
			message = fmt.Sprintf("waiting for %s %q: %d of %d records read", o.Kind, o.Name, p.Done, p.Total)
		}
		s.notice(Notice{Severity: "NOTICE", Code: "00000", Message: message, Detail: obstacles})
	}
}

// obstacles names the sources below the relations that do not go on, "" if all do.
func (e *Engine) obstacles(ids []catalog.ID) string {
	cat := e.catalog.Load()
	var below []dataflow.RelationID
	for _, o := range withInputs(nil, cat, ids) {
		below = append(below, dataflow.RelationID(o.ID))
		if o.Source != 0 {
			below = append(below, dataflow.RelationID(o.Source))
		}
	}
	var out []string
	for _, b := range e.runtime.Obstacles(below) {
		if o := cat.Owner(catalog.ID(b.Source)); o != nil {
			out = append(out, fmt.Sprintf("the topic of %s %q is %s: %s", o.Kind, o.Name, b.State, b.Reason))
		}
	}
	return strings.Join(out, "; ")
}

// nameObstacles adds to the error of a wait that has timed out what was waited for.
func (e *Engine) nameObstacles(ctx context.Context, err error, ids []catalog.ID) error {
	if err == nil || ctx.Err() == nil || sqlerr.Code(err) != sqlerr.QueryCanceled {
		return err
	}
	obstacles := e.obstacles(ids)
	if obstacles == "" {
		return err
	}
	named := *sqlerr.From(err)
	return named.WithDetail("%s", obstacles).WithHint("SELECT * FROM streamdb.sources shows the state of all sources.")
}
