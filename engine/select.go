package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/planner"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/types"
)

func (s *Session) prepareSelect(p *Prepared, st *ast.SelectStmt) error {
	env := s.readEnv()
	env.ParamTypes = p.ParamTypes
	q, err := planner.Bind(st, env)
	if err != nil {
		return err
	}
	p.query, p.version = q, env.Catalog.Version()
	p.ParamTypes = q.Params
	p.Columns = resultColumns(q)
	run := func(ctx context.Context, params []types.Datum, rows Rows) (int64, error) {
		return s.runSelect(ctx, p, params, rows)
	}
	if point := planner.FindPointRead(q); point != nil && point.Relation.Kind != catalog.System {
		read := newPointRead(point)
		run = func(ctx context.Context, params []types.Datum, rows Rows) (int64, error) {
			return read.run(ctx, s, params, rows)
		}
	}
	p.run = func(ctx context.Context, params []types.Datum, rows Rows) (string, error) {
		n, err := run(ctx, params, rows)
		return "SELECT " + strconv.FormatInt(n, 10), err
	}
	return nil
}

func resultColumns(q *planner.Query) []Column {
	out := make([]Column, len(q.Names))
	for i, t := range q.Types() {
		out[i] = Column{Name: q.Names[i], Type: t}
	}
	return out
}

// runSelect plans the query with its parameters, reads one epoch and sends the
// rows. It returns their number.
func (s *Session) runSelect(ctx context.Context, p *Prepared, params []types.Datum, rows Rows) (int64, error) {
	plan, err := planner.LowerQuery(p.query.WithParams(params), s.catalog(), s.exprEnv())
	if err != nil {
		return 0, err
	}
	read := &reading{session: s, plan: plan}
	release, err := read.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	if s.tx.open {
		read.writes = s.tx.writes
		s.tx.noteReads(s.catalog(), plan.Reads)
	}
	if err := read.reportErrors(); err != nil {
		return 0, err
	}
	return read.run(ctx, rows)
}

// reading is one SELECT under way.
type reading struct {
	session  *Session
	plan     *planner.QueryPlan
	snapshot *dataflow.Snapshot
	writes   writes // of the open transaction, laid over the snapshot
}

// begin waits until every view that is read can be, and pins the epoch. A view may
// have been detached between the two: then it waits again.
func (r *reading) begin(ctx context.Context) (release func(), err error) {
	s := r.session
	pinned := s.tx.snapshot != nil
	for {
		if err := r.await(ctx); err != nil {
			return nil, err
		}
		r.snapshot, release = s.snapshot()
		if err := s.tx.ddl.present(r.snapshot, r.plan.Reads); err != nil {
			release()
			return nil, err
		}
		err := readyAt(r.snapshot, s.catalog(), r.plan.Reads)
		if err == nil || pinned {
			return release, err
		}
		release()
		s.tx.unpin()
	}
}

// await waits until every view that is read has processed what its inputs held
// when it was created, and with real_time_recency what the topics hold now.
func (r *reading) await(ctx context.Context) error {
	e := r.session.engine
	if pinned := r.session.tx.snapshot; pinned != nil {
		return readyAt(pinned, r.session.catalog(), r.plan.Reads) // the transaction's epoch is fixed already
	}
	cat := r.session.catalog()
	for _, id := range r.plan.Reads {
		o := cat.Object(id)
		if !mayLag(o) {
			continue
		}
		if err := r.session.waitReady(ctx, o); err != nil {
			return err
		}
	}
	if r.session.settings.isOn("real_time_recency") {
		return e.awaitRecent(ctx, cat, r.plan.Reads)
	}
	return nil
}

// mayLag says whether a relation may be at another moment than the epoch: in
// backfill or detached. Tables that statements write are not.
func mayLag(o *catalog.Object) bool {
	return o != nil && (o.Kind == catalog.MaterializedView || o.Source != 0)
}

// readyAt refuses views that were not ready at a transaction's epoch: waiting
// would not change what the transaction sees.
func readyAt(pinned *dataflow.Snapshot, cat *catalog.Catalog, reads []catalog.ID) error {
	for _, id := range reads {
		o := cat.Object(id)
		if !mayLag(o) {
			continue
		}
		if s, ok := pinned.View(dataflow.RelationID(id)); !ok || !s.Ready {
			return sqlerr.New(sqlerr.SerializationFailure, "%s %q was not ready when the transaction began to read", o.Kind, o.Name).
				WithHint("The transaction might succeed if retried.")
		}
	}
	return nil
}

// awaitRecent waits until all streams below the relations have been processed
// up to their present ends.
func (e *Engine) awaitRecent(ctx context.Context, cat *catalog.Catalog, reads []catalog.ID) error {
	for _, id := range streamsBelow(cat, reads) {
		source := e.sources.get(id)
		if source == nil {
			continue
		}
		ends, err := source.Ends(ctx)
		if err != nil {
			return sqlerr.Wrap(err, sqlerr.ExternalConnectionFailure, "could not read the end of the topic of %q: %s", cat.Owner(id).Name, sqlerr.From(err).Message)
		}
		if err := e.runtime.WaitPositions(ctx, dataflow.RelationID(id), ends); err != nil {
			return e.nameObstacles(ctx, err, []catalog.ID{cat.Owner(id).ID})
		}
	}
	return nil
}

// streamsBelow lists the external sources of the relations and of all below them.
func streamsBelow(cat *catalog.Catalog, reads []catalog.ID) []catalog.ID {
	var out []catalog.ID
	for _, o := range withInputs(nil, cat, reads) {
		if source := o.SourceID(); source != 0 {
			out = append(out, source)
		}
	}
	return out
}

// withInputs adds the relations and all that they read to out.
func withInputs(out []*catalog.Object, cat *catalog.Catalog, ids []catalog.ID) []*catalog.Object {
	for _, id := range ids {
		if o := cat.Object(id); o != nil && !slices.Contains(out, o) {
			out = withInputs(append(out, o), cat, o.DependsOn)
		}
	}
	return out
}

// reportErrors warns of views that have error rows at the epoch that is read; it
// fails with the first of them where on_error says so.
func (r *reading) reportErrors() error {
	cat := r.session.catalog()
	for _, o := range lacking(nil, cat, r.plan.Reads, false) {
		n := r.snapshot.CountErrors(dataflow.RelationID(o.ID))
		if n == 0 {
			continue
		}
		message := fmt.Sprintf("%s %q has %s: its answer lacks the rows that failed", o.Kind, o.Name, count(n, "error row"))
		hint := fmt.Sprintf("SELECT * FROM streamdb.errors WHERE name = '%s';", o.Name)
		if r.session.settings.values["on_error"] == onErrorFail {
			return r.errorOf(o, message, hint)
		}
		r.session.notice(Notice{Severity: "WARNING", Code: "01000", Message: message, Hint: hint})
	}
	return nil
}

// lacking lists the objects whose error rows are missing in what is read: views
// and tables, and the views below them.
func lacking(out []*catalog.Object, cat *catalog.Catalog, ids []catalog.ID, below bool) []*catalog.Object {
	for _, id := range ids {
		o := cat.Object(id)
		if o == nil || slices.Contains(out, o) {
			continue
		}
		if o.Kind == catalog.MaterializedView || o.Kind == catalog.Table && !below {
			out = append(out, o)
		}
		out = lacking(out, cat, o.DependsOn, true)
	}
	return out
}

// errorOf is the error of an object's first error row.
func (r *reading) errorOf(o *catalog.Object, detail, hint string) error {
	errFound := errors.New("found")
	var first error
	err := r.session.engine.runtime.ErrorRows(r.snapshot, dataflow.RelationID(o.ID), func(in *zset.Batch) error {
		if first = firstError(operator.Delta{in}); first != nil {
			return errFound
		}
		return nil
	})
	var failed *sqlerr.Error
	if errors.As(first, &failed) {
		return failed.WithDetail("%s", detail).WithHint("%s", hint)
	}
	return err
}

// run executes the graph and sends the rows in order.
func (r *reading) run(ctx context.Context, rows Rows) (int64, error) {
	out := &rowSender{rows: rows, visible: r.plan.Visible, limit: r.plan.Limit, offset: r.plan.Offset}
	memory := r.session.settings.int("query_memory_limit")
	opts := dataflow.ExecuteOptions{MemoryLimit: memory, Emit: out.send, Env: r.session.exprEnv()}
	var sorter *dataflow.Sorter
	if len(r.plan.Order) > 0 {
		sorter = dataflow.NewSorter(r.sortKeys(), r.plan.Limit, r.plan.Offset, memory)
		opts.Emit = sorter.Add
	}
	_, errs, err := dataflow.Execute(ctx, r.plan.Graph, r.feed, opts)
	if err != nil && !errors.Is(err, errEnough) {
		return out.sent, err
	}
	if err := firstError(errs); err != nil {
		return out.sent, err
	}
	if sorter == nil {
		return out.sent, nil
	}
	out.limit, out.offset = -1, 0 // the sorter has cut already
	for _, b := range sorter.Rows() {
		if err := out.send(b); err != nil {
			return out.sent, err
		}
	}
	return out.sent, nil
}

func (r *reading) sortKeys() []dataflow.SortKey {
	keys := make([]dataflow.SortKey, len(r.plan.Order))
	for i, o := range r.plan.Order {
		keys[i] = dataflow.SortKey{Column: o.Column, Desc: o.Desc, NullsFirst: o.NullsFirst}
	}
	return keys
}

// firstError makes the statement's error of the first row that failed: an ad
// hoc query fails as a whole, as in PostgreSQL.
func firstError(errs operator.Delta) error {
	for _, b := range errs {
		for i := range b.Len() {
			r := b.Row(i)
			if b.WeightAt(r) > 0 {
				return sqlerr.New(string(b.Cols[5].Bytes(r)), "%s", b.Cols[6].Bytes(r))
			}
		}
	}
	return nil
}

// errEnough ends an execution whose LIMIT has been sent.
var errEnough = errors.New("enough rows")

// rowSender hands batches to the client: visible columns only, within LIMIT
// and OFFSET.
type rowSender struct {
	rows          Rows
	visible       int
	limit, offset int64 // limit -1: none
	sent          int64
}

func (s *rowSender) send(b *zset.Batch) error {
	if s.limit >= 0 && s.sent >= s.limit {
		return errEnough
	}
	out := &zset.Batch{Cols: b.Cols[:s.visible], N: b.N, Sel: b.Sel, Weight: b.Weight}
	if s.limit >= 0 || s.offset > 0 {
		out = s.cut(out)
	}
	n := int64(0)
	for i := range out.Len() {
		n += out.WeightAt(out.Row(i))
	}
	if n == 0 {
		return nil
	}
	s.sent += n
	return s.rows.Batch(out)
}

// cut applies what is left of OFFSET and LIMIT to a batch.
func (s *rowSender) cut(b *zset.Batch) *zset.Batch {
	out := &zset.Batch{Cols: b.Cols, N: b.N, Sel: []int32{}, Weight: make([]int64, b.N)}
	sent := s.sent
	for i := range b.Len() {
		r := b.Row(i)
		w := b.WeightAt(r)
		skip := min(w, s.offset)
		s.offset -= skip
		w -= skip
		if s.limit >= 0 {
			w = min(w, s.limit-sent)
		}
		if w > 0 {
			out.Sel = append(out.Sel, int32(r))
			out.Weight[r] = w
			sent += w
		}
	}
	return out
}

// feed reads one relation at the snapshot's epoch.
func (r *reading) feed(ctx context.Context, in dataflow.RelationInput, emit func(*zset.Batch) error) error {
	id := catalog.ID(in.Relation)
	o := r.session.catalog().Object(id)
	if o == nil {
		return sqlerr.New(sqlerr.UndefinedTable, "the relation was dropped while it was read")
	}
	switch {
	case o.Kind == catalog.System:
		return r.feedSystem(ctx, o, emit)
	case o.Kind == catalog.Stream:
		return r.feedStream(ctx, o, in, emit)
	case o.Stored == nil:
		return sqlerr.New(sqlerr.InternalError, "relation %q has no rows to read", o.Name)
	}
	spec := r.resultSpec(o)
	var stored dataflow.StoredRows = r.snapshot
	if w := r.writes[id]; w != nil {
		stored = overlay{r.snapshot, w}
	}
	lo, hi := []byte(nil), []byte(nil)
	if l := r.plan.Lookup; l != nil && l.Relation == id {
		switch {
		case l.Empty:
			return nil
		case l.Via.ID != id && !r.usable(l.Via, id): // an index that is not built yet
		case l.Exact && l.Via.ID == id:
			return dataflow.LookupResult(stored, spec, l.Lo, emit)
		default:
			spec, lo, hi = r.resultSpec(l.Via), l.Lo, l.Hi
		}
	}
	return dataflow.ScanResult(stored, spec, lo, hi, in.Need, func(b *zset.Batch) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return emit(b)
	})
}

// resultSpec says how the rows of a stored relation are read at the snapshot's
// epoch: a view that was rebuilt meanwhile had them elsewhere.
func (r *reading) resultSpec(o *catalog.Object) dataflow.ResultSpec {
	return resultSpecAt(r.snapshot, o)
}

// usable says whether an index has all rows of the relation at the epoch that
// is read; uncommitted writes are not in it.
func (r *reading) usable(index *catalog.Object, relation catalog.ID) bool {
	s, ok := r.snapshot.View(dataflow.RelationID(index.ID))
	return ok && s.Ready && s.State == dataflow.StateRunning && r.writes[relation] == nil
}

// feedStream reads a stream from its start to the epoch's positions, or to its
// present end when nothing reads it all the time.
func (r *reading) feedStream(ctx context.Context, o *catalog.Object, in dataflow.RelationInput, emit func(*zset.Batch) error) error {
	source := r.session.source(o.ID)
	if source == nil {
		return sqlerr.New(sqlerr.InternalError, "stream %q is not open", o.Name)
	}
	until := r.snapshot.Positions(in.Relation)
	if until == nil {
		var err error
		if until, err = source.Ends(ctx); err != nil {
			return sqlerr.Wrap(err, sqlerr.ExternalConnectionFailure, "could not read the end of stream %q: %s", o.Name, sqlerr.From(err).Message)
		}
	}
	need := make([]bool, len(in.Types))
	for i := range need {
		need[i] = in.Need == nil
	}
	for _, c := range in.Need {
		need[c] = true
	}
	reader, err := source.NewReader(need, func(connector.State) {})
	if err != nil {
		return err
	}
	oldest, err := source.Oldest(ctx) // what was deleted since CREATE STREAM is not waited for
	if err != nil {
		return sqlerr.Wrap(err, sqlerr.ExternalConnectionFailure, "could not read the start of stream %q: %s", o.Name, sqlerr.From(err).Message)
	}
	return reader.Run(ctx, connector.Positions(o.Starts).From(oldest), until, func(_ context.Context, b *connector.Batch) error {
		if b.Rows == nil || b.Rows.Len() == 0 {
			return nil
		}
		return emit(b.Rows)
	})
}
