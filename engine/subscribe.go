package engine

import (
	"context"
	"errors"
	"strconv"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/planner"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/types"
)

// subscription is a SUBSCRIBE: the rows of a relation at one epoch, then every
// change, each with its epoch and weight. For EMIT CHANGES a query is between the
// relation and the client.
type subscription struct {
	session  *Session
	relation *catalog.Object
	visible  []Column // behind epoch and diff
	snapshot bool
	progress bool
	upTo     uint64 // 0: for ever
	query    *planner.QueryPlan
	limit    int64 // rows; -1: for ever
}

// prepareSubscribe binds SUBSCRIBE. The columns are epoch, with PROGRESS
// progressed, diff, then the relation's.
func (s *Session) prepareSubscribe(p *Prepared, st *ast.Subscribe) error {
	switch {
	case st.Query != nil:
		return sqlerr.New(sqlerr.FeatureNotSupported, "SUBSCRIBE to a query is not supported yet").At(st.Position()).
			WithHint("Make a materialized view of the query and subscribe to it.")
	case st.AsOf != nil:
		return sqlerr.New(sqlerr.FeatureNotSupported, "AS OF is not supported yet").At(st.AsOf.Position())
	case st.Envelope != "" || len(st.WithinTimestampOrderBy) > 0:
		return sqlerr.New(sqlerr.FeatureNotSupported, "envelopes of SUBSCRIBE are not supported yet").At(st.Position())
	}
	o, err := s.namedRelation(st.Name, st.Position())
	if err != nil {
		return err
	}
	if o.Stored == nil {
		return sqlerr.New(sqlerr.WrongObjectType, "cannot subscribe to %s %q", o.Kind, o.Name).At(st.Name.Position()).
			WithHint("Subscribe to a table or a materialized view.")
	}
	if err := s.refuseUncommitted(o); err != nil {
		return err.At(st.Name.Position())
	}
	sub := &subscription{session: s, relation: o, snapshot: true, limit: -1}
	for _, c := range o.Visible() {
		sub.visible = append(sub.visible, Column{Name: c.Name, Type: c.Type})
	}
	if err := sub.options(st); err != nil {
		return err
	}
	p.version = s.catalog().Version()
	p.Columns = sub.columns()
	p.run = func(ctx context.Context, _ []types.Datum, rows Rows) (string, error) {
		n, err := sub.run(ctx, rows)
		return "SUBSCRIBE " + strconv.FormatInt(n, 10), err
	}
	return nil
}

// refuseUncommitted refuses to subscribe to what no epoch has yet.
func (s *Session) refuseUncommitted(o *catalog.Object) *sqlerr.Error {
	if s.tx.ddl.find(o.ID) == nil {
		return nil
	}
	return sqlerr.New(sqlerr.FeatureNotSupported, "cannot subscribe to %s %q in the transaction that creates it", o.Kind, o.Name).
		WithHint("Subscribe to it after COMMIT.")
}

func (sub *subscription) options(st *ast.Subscribe) error {
	for _, o := range st.Options {
		on, err := optionOn(o)
		if err != nil {
			return err
		}
		switch o.Name {
		case "snapshot":
			sub.snapshot = on
		case "progress":
			sub.progress = on
		default:
			return sqlerr.New(sqlerr.InvalidParameterValue, "unknown option %q of SUBSCRIBE", o.Name).At(o.Position()).
				WithHint("The options are SNAPSHOT and PROGRESS.")
		}
	}
	if st.UpTo == nil {
		return nil
	}
	lit, ok := st.UpTo.(*ast.NumberLit)
	if !ok {
		return sqlerr.New(sqlerr.FeatureNotSupported, "UP TO needs the number of an epoch").At(st.UpTo.Position())
	}
	n, err := strconv.ParseUint(lit.Text, 10, 64)
	if err != nil || n == 0 {
		return sqlerr.New(sqlerr.InvalidParameterValue, "UP TO needs the number of an epoch").At(lit.Position())
	}
	sub.upTo = n
	return nil
}

// optionOn reads a boolean option; without a value it is on.
func optionOn(o *ast.Option) (bool, error) {
	if o.Value == nil {
		return true, nil
	}
	text, err := optionText(o)
	if err != nil {
		return false, err
	}
	value, err := checkBool(text)
	if err != nil {
		return false, sqlerr.New(sqlerr.InvalidParameterValue, "option %q needs a boolean value", o.Name).At(o.Position())
	}
	return value == "on", nil
}

func (sub *subscription) columns() []Column {
	out := []Column{{Name: "epoch", Type: types.Int8}}
	if sub.progress {
		out = append(out, Column{Name: "progressed", Type: types.Bool})
	}
	return append(append(out, Column{Name: "diff", Type: types.Int8}), sub.visible...)
}

// run sends the snapshot and then the changes until UP TO or LIMIT is reached, the
// client cancels or the subscription ends.
func (sub *subscription) run(ctx context.Context, rows Rows) (int64, error) {
	runtime := sub.session.engine.runtime
	if err := sub.session.waitReady(ctx, sub.relation); err != nil {
		return 0, err
	}
	s, err := runtime.Subscribe(ctx, dataflow.RelationID(sub.relation.ID))
	if err != nil {
		return 0, err
	}
	defer s.Close()
	out := &subscriptionRows{sub: sub, rows: rows}
	if err = out.all(ctx, s); errors.Is(err, errEnough) {
		err = rows.Flush()
	}
	return out.sent, err
}

// all sends the snapshot and the changes.
func (o *subscriptionRows) all(ctx context.Context, s *dataflow.Subscription) error {
	sub, epoch := o.sub, s.Snapshot().Epoch()
	if sub.snapshot {
		err := dataflow.ScanResult(s.Snapshot(), resultSpecAt(s.Snapshot(), sub.relation), nil, nil, nil, func(b *zset.Batch) error {
			return o.change(ctx, epoch, b)
		})
		if err != nil {
			return err
		}
	}
	for {
		if err := o.progressed(epoch); err != nil {
			return err
		}
		if sub.upTo > 0 && epoch >= sub.upTo {
			return nil
		}
		change, err := s.Next(ctx, sub.progress || sub.upTo > 0)
		if err != nil {
			return err
		}
		epoch = change.Epoch
		if sub.upTo > 0 && epoch > sub.upTo {
			return nil
		}
		if len(change.Rows) > 0 {
			if err := o.change(ctx, epoch, zset.Consolidate(sub.relation.Types(), change.Rows)); err != nil {
				return err
			}
		}
	}
}

// subscriptionRows puts epoch and diff before the rows.
type subscriptionRows struct {
	sub  *subscription
	rows Rows
	sent int64
}

// send sends rows until LIMIT is reached: then the error is errEnough.
func (o *subscriptionRows) send(epoch uint64, b *zset.Batch) error {
	out := o.head(b.N)
	for i := range b.Len() {
		if o.sub.limit >= 0 && o.sent+int64(out.N) >= o.sub.limit {
			break
		}
		r := b.Row(i)
		w := b.WeightAt(r)
		if w == 0 {
			continue
		}
		o.appendHead(out, epoch, types.Datum{}, intDatum(w))
		first := len(out.Cols) - len(o.sub.visible)
		for c := first; c < len(out.Cols); c++ {
			out.Cols[c].AppendFrom(&b.Cols[c-first], r)
		}
		out.AddRow(1)
	}
	o.sent += int64(out.N)
	if out.N > 0 {
		if err := o.rows.Batch(out); err != nil {
			return err
		}
	}
	if o.sub.limit >= 0 && o.sent >= o.sub.limit {
		return errEnough
	}
	return nil
}

func (o *subscriptionRows) head(capacity int) *zset.Batch {
	columns := o.sub.columns()
	ts := make([]types.Type, len(columns))
	for i, c := range columns {
		ts[i] = c.Type
	}
	return zset.NewBatch(ts, capacity)
}

func (o *subscriptionRows) appendHead(b *zset.Batch, epoch uint64, progressed, diff types.Datum) {
	b.Cols[0].AppendInt(int64(epoch))
	c := 1
	if o.sub.progress {
		b.Cols[c].AppendDatum(progressed)
		c++
	}
	b.Cols[c].AppendDatum(diff)
}

// progressed tells, with PROGRESS, that everything up to the epoch was sent,
// and in any case that what was sent must reach the client now.
func (o *subscriptionRows) progressed(epoch uint64) error {
	if o.sub.progress {
		b := o.head(1)
		o.appendHead(b, epoch, boolDatum(true), types.NullDatum())
		for c := len(b.Cols) - len(o.sub.visible); c < len(b.Cols); c++ {
			b.Cols[c].AppendNull()
		}
		b.AddRow(1)
		if err := o.rows.Batch(b); err != nil {
			return err
		}
	}
	return o.rows.Flush()
}
