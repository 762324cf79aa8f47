package engine

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strconv"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/planner"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/types"
)

// prepareDML binds INSERT, UPDATE and DELETE.
func (s *Session) prepareDML(p *Prepared, st ast.Stmt) error {
	env := s.readEnv()
	env.ParamTypes = p.ParamTypes
	var d *planner.DML
	var err error
	tag := ""
	switch st := st.(type) {
	case *ast.Insert:
		d, err = planner.BindInsert(st, env)
		tag = "INSERT 0 "
	case *ast.Update:
		d, err = planner.BindUpdate(st, env)
		tag = "UPDATE "
	case *ast.Delete:
		d, err = planner.BindDelete(st, env)
		tag = "DELETE "
	}
	if err != nil {
		return err
	}
	p.version, p.ParamTypes = env.Catalog.Version(), d.Query.Params
	p.run = func(ctx context.Context, params []types.Datum, _ Rows) (string, error) {
		if err := s.refuseReadOnly(p.Statement); err != nil {
			return "", err
		}
		n, err := s.runDML(ctx, d, params)
		return tag + strconv.FormatInt(n, 10), err
	}
	return nil
}

// optimisticTries is how often an autocommit statement is tried beside the
// epoch loop before it runs inside.
const optimisticTries = 4

// errConflict says that what a transaction read has changed since.
var errConflict = errors.New("conflict")

// runDML runs a statement in the open transaction, or as one of its own that
// is tried again until nothing has changed under it.
func (s *Session) runDML(ctx context.Context, d *planner.DML, params []types.Datum) (int64, error) {
	plan, err := planner.LowerQuery(d.Query.WithParams(params), s.catalog(), s.exprEnv())
	if err != nil {
		return 0, err
	}
	if s.tx.open {
		r := &reading{session: s, plan: plan}
		if _, err := r.begin(ctx); err != nil {
			return 0, err
		}
		s.tx.noteReads(s.catalog(), plan.Reads)
		return s.change(ctx, d, r, s.tx.write())
	}
	for try := 0; ; try++ {
		n, err := s.autocommit(ctx, d, plan, try == optimisticTries)
		if !errors.Is(err, errConflict) {
			return n, err
		}
	}
}

// autocommit runs a statement as a transaction of its own; inside says that it
// is evaluated in the epoch loop, where nothing can come between.
func (s *Session) autocommit(ctx context.Context, d *planner.DML, plan *planner.QueryPlan, inside bool) (int64, error) {
	tx := &transaction{open: true, started: s.now()}
	defer tx.end()
	n := int64(0)
	evaluate := func() error {
		tx.writes = nil
		r := &reading{session: s, plan: plan, snapshot: tx.pin(s.engine)}
		err := readyAt(r.snapshot, s.catalog(), plan.Reads)
		if err != nil {
			return errConflict // a view was detached since: it is waited for again
		}
		n, err = s.change(ctx, d, r, tx.write())
		return err
	}
	r := &reading{session: s, plan: plan}
	if err := r.await(ctx); err != nil {
		return 0, err
	}
	tx.noteReads(s.catalog(), plan.Reads)
	if !inside {
		if err := evaluate(); err != nil {
			return 0, err
		}
		return n, s.engine.commit(ctx, tx, nil)
	}
	return n, s.engine.commit(ctx, tx, evaluate)
}

// change evaluates a statement's query and enters its rows in the writes. It
// returns how many rows it concerns.
func (s *Session) change(ctx context.Context, d *planner.DML, r *reading, w writes) (int64, error) {
	target := w.of(d.Table)
	r.writes = w
	rows, errs, err := dataflow.Execute(ctx, r.plan.Graph, r.feed,
		dataflow.ExecuteOptions{MemoryLimit: s.settings.int("query_memory_limit"), Env: s.exprEnv()})
	if err != nil {
		return 0, err
	}
	if err := firstError(errs); err != nil {
		return 0, err
	}
	sorted := dataflow.NewSorter(r.sortKeys(), r.plan.Limit, r.plan.Offset, 0)
	batches := rows
	if len(r.plan.Order) > 0 || r.plan.Limit >= 0 || r.plan.Offset > 0 {
		for _, b := range rows {
			if err := sorted.Add(b); err != nil {
				return 0, err
			}
		}
		batches = sorted.Rows()
	}
	n := int64(0)
	width := len(d.Table.Columns)
	if d.Old {
		for _, b := range batches {
			if err := eachRow(b, func(row int) error {
				n++
				return target.remove(r.snapshot, target.key(b.Cols[:width], row))
			}); err != nil {
				return 0, err
			}
		}
	}
	if !d.New {
		return n, nil
	}
	n = 0
	for _, b := range batches {
		cols := b.Cols[len(b.Cols)-width:]
		if err := eachRow(b, func(row int) error {
			n++
			return s.insertRow(target, r.snapshot, cols, row, !d.Old)
		}); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// insertRow enters a row; a new row of a table without primary key gets a row
// id.
func (s *Session) insertRow(t *tableWrites, snapshot dataflow.StoredRows, cols []zset.Vector, row int, fresh bool) error {
	last := len(t.table.Columns) - 1
	if !fresh || !t.table.Columns[last].Hidden {
		return t.insert(snapshot, cols, row, s.Env())
	}
	one := zset.NewVectors(t.table.Types(), 1)
	for i := range last {
		one[i].AppendFrom(&cols[i], row)
	}
	one[last].AppendInt(t.nextRowID())
	return t.insert(snapshot, one, 0, s.Env())
}

func eachRow(b *zset.Batch, fn func(row int) error) error {
	for i := range b.Len() {
		r := b.Row(i)
		for range b.WeightAt(r) {
			if err := fn(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// commit makes a transaction's writes durable and visible in one epoch. What
// it read must not have changed since its snapshot, else errConflict; evaluate,
// if not nil, computes the writes inside the loop.
func (e *Engine) commit(ctx context.Context, tx *transaction, evaluate func() error) error {
	if len(tx.writes) == 0 && evaluate == nil {
		return nil
	}
	// A statement that is evaluated in the loop sees the published epoch only, so it
	// has an epoch of its own.
	_, err := e.runtime.Do(ctx, dataflow.Command{Shares: evaluate == nil, Prepare: e.prepareRows(tx, evaluate)})
	if sqlerr.Code(err) == sqlerr.UndefinedTable {
		return e.nameDropped(tx, err)
	}
	return err
}

// prepareRows gives a transaction's writes to the epoch that commits them.
func (e *Engine) prepareRows(tx *transaction, evaluate func() error) func(uint64, *dataflow.Command) error {
	return func(epoch uint64, c *dataflow.Command) error {
		if !c.Follows {
			e.together = map[catalog.ID]*epochWrites{}
		}
		if evaluate != nil {
			if err := evaluate(); err != nil {
				return err
			}
		} else if err := e.validate(tx, epoch); err != nil {
			return err
		}
		return e.addRows(tx, epoch, c)
	}
}

// nameDropped says which of the written tables was dropped meanwhile.
func (e *Engine) nameDropped(tx *transaction, err error) error {
	now := e.runtime.Snapshot()
	defer now.Release()
	for _, id := range tx.tables() {
		if _, ok := now.View(dataflow.RelationID(id)); !ok {
			return sqlerr.New(sqlerr.UndefinedTable, "relation %q does not exist", tx.writes[id].table.Name).
				WithDetail("It was dropped meanwhile.")
		}
	}
	return err
}

// validate runs in the loop: the tables that were read are as they were at the
// snapshot, and so are the rows that are written, after the published epoch and
// the transactions that share the next one.
func (e *Engine) validate(tx *transaction, epoch uint64) error {
	since := uint64(math.MaxUint64)
	if tx.snapshot != nil {
		since = tx.snapshot.Epoch()
	}
	for id := range tx.reads {
		if e.written[id] > since {
			return errConflict
		}
	}
	now := e.runtime.Snapshot()
	defer now.Release()
	for id, t := range tx.writes {
		if e.written[id] <= since {
			continue
		}
		for key, w := range t.rows {
			image, ok, err := e.together[id].get(now, t.table.Stored.Arr, key)
			if err != nil {
				return err
			}
			if ok != (w.before != nil) || !bytes.Equal(image, w.before) {
				return errConflict
			}
		}
	}
	return nil
}

// addRows gives the writes to the epoch that follows the published one, and notes
// which tables it changes.
func (e *Engine) addRows(tx *transaction, epoch uint64, c *dataflow.Command) error {
	for _, o := range tx.ddl.dropped() {
		e.written[o.ID] = epoch + 1 // for those that have read it
	}
	for _, id := range tx.tables() {
		shared := e.together[id]
		if shared == nil {
			shared = &epochWrites{rows: map[string][]byte{}}
			e.together[id] = shared
		}
		delta, err := tx.writes[id].delta(epoch+1, shared.rowIDs)
		if err != nil {
			return err
		}
		if delta != nil {
			shared.add(tx.writes[id])
			c.Rows = append(c.Rows, dataflow.TableDelta{Relation: dataflow.RelationID(id), Delta: delta})
			e.written[id] = epoch + 1
		}
	}
	return nil
}

// tablesBelow lists the tables that relations are, or are computed from.
func tablesBelow(cat *catalog.Catalog, ids []catalog.ID) []catalog.ID {
	var out []catalog.ID
	for _, id := range ids {
		o := cat.Object(id)
		switch {
		case o == nil:
		case o.Kind == catalog.Table:
			out = append(out, id)
		default:
			out = append(out, tablesBelow(cat, o.DependsOn)...)
		}
	}
	return out
}
