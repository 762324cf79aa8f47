package engine

import (
	"context"
	"strconv"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/planner"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/types"
)

// prepareEmitChanges binds SELECT ... EMIT CHANGES [LIMIT n]: a subscription to the
// relation that the query reads, whose rows and changes go through the query.
func (s *Session) prepareEmitChanges(p *Prepared, st *ast.SelectStmt) error {
	plain := *st
	plain.Emit = ast.EmitNone
	env := s.readEnv()
	env.ParamTypes = p.ParamTypes
	q, err := planner.Bind(&plain, env)
	if err != nil {
		return err
	}
	relation, err := planner.ChangesOf(q)
	if err != nil {
		return sqlerr.From(err).At(st.Position())
	}
	if err := s.refuseUncommitted(relation); err != nil {
		return err.At(st.Position())
	}
	p.query, p.version, p.ParamTypes = q, env.Catalog.Version(), q.Params
	visible := resultColumns(q)
	p.Columns = (&subscription{visible: visible}).columns()
	p.run = func(ctx context.Context, params []types.Datum, rows Rows) (string, error) {
		plan, err := planner.LowerQuery(p.query.WithParams(params), s.catalog(), s.exprEnv())
		if err != nil {
			return "", err
		}
		n := int64(0)
		if plan.Limit != 0 {
			sub := &subscription{session: s, relation: relation, visible: visible, snapshot: true, query: plan, limit: plan.Limit}
			n, err = sub.run(ctx, rows)
		}
		return "SELECT " + strconv.FormatInt(n, 10), err
	}
	return nil
}

// change sends rows of the relation, or what the query makes of them. Changes that
// the query does not show cancel each other.
func (o *subscriptionRows) change(ctx context.Context, epoch uint64, b *zset.Batch) error {
	if o.sub.query == nil {
		return o.send(epoch, b)
	}
	feed := func(_ context.Context, _ dataflow.RelationInput, emit func(*zset.Batch) error) error { return emit(b) }
	rows, errs, err := dataflow.Execute(ctx, o.sub.query.Graph, feed, dataflow.ExecuteOptions{Env: o.sub.session.exprEnv()})
	if err != nil {
		return err
	}
	if err := firstError(errs); err != nil {
		return err
	}
	ts := make([]types.Type, len(o.sub.visible))
	for i, c := range o.sub.visible {
		ts[i] = c.Type
	}
	return o.send(epoch, zset.Consolidate(ts, rows))
}
