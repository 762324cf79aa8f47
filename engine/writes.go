package engine

import (
	"bytes"
	"slices"
	"strings"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// writes are the changes that a transaction has made and not committed, by
// table.
type writes map[catalog.ID]*tableWrites

// tableWrites are the changed rows of one table by key bytes.
type tableWrites struct {
	table *catalog.Object
	rows  map[string]*rowWrite
	fresh int64 // row ids given out; they are negative until commit
}

// rowWrite is a row before the transaction and now; nil is no row.
type rowWrite struct{ before, now []byte }

func (w writes) of(table *catalog.Object) *tableWrites {
	t := w[table.ID]
	if t == nil {
		t = &tableWrites{table: table, rows: map[string]*rowWrite{}}
		w[table.ID] = t
	}
	return t
}

// key returns the key bytes of row r.
func (t *tableWrites) key(cols []zset.Vector, r int) []byte {
	return zset.AppendKeys(nil, cols, t.table.Stored.Key, r)
}

// entry returns the write of a key, reading the row before the transaction at
// its first touch.
func (t *tableWrites) entry(rows dataflow.StoredRows, key []byte) (*rowWrite, error) {
	if w := t.rows[string(key)]; w != nil {
		return w, nil
	}
	image, ok, err := rows.Get(t.table.Stored.Arr, key, nil)
	if err != nil {
		return nil, err
	}
	w := &rowWrite{}
	if ok {
		w.before = bytes.Clone(image)
		w.now = w.before
	}
	t.rows[string(key)] = w
	return w, nil
}

// remove takes the row of a key out.
func (t *tableWrites) remove(rows dataflow.StoredRows, key []byte) error {
	w, err := t.entry(rows, key)
	if err == nil {
		w.now = nil
	}
	return err
}

// insert puts row r in; a key that is taken is 23505.
func (t *tableWrites) insert(rows dataflow.StoredRows, cols []zset.Vector, r int, env *types.Env) error {
	if err := t.checkNotNull(cols, r, env); err != nil {
		return err
	}
	key := t.key(cols, r)
	w, err := t.entry(rows, key)
	if err != nil {
		return err
	}
	if w.now != nil {
		return t.duplicate(cols, r, env)
	}
	w.now = zset.AppendRow(nil, cols, r)
	return nil
}

// nextRowID gives out a row id for a table without primary key. Ids of rows
// that are not committed are negative.
func (t *tableWrites) nextRowID() int64 {
	t.fresh++
	return -t.fresh
}

func (t *tableWrites) checkNotNull(cols []zset.Vector, r int, env *types.Env) error {
	for i, c := range t.table.Columns {
		if c.NotNull && cols[i].IsNull(r) {
			e := sqlerr.New(sqlerr.NotNullViolation, "null value in column %q of relation %q violates not-null constraint", c.Name, t.table.Name).
				WithDetail("Failing row contains (%s).", t.rowText(cols, r, env))
			e.Schema, e.Table, e.Column = t.table.Schema, t.table.Name, c.Name
			return e
		}
	}
	return nil
}

func (t *tableWrites) rowText(cols []zset.Vector, r int, env *types.Env) string {
	parts := make([]string, len(t.table.Visible()))
	for i := range parts {
		parts[i] = valueText(&cols[i], r, env)
	}
	return strings.Join(parts, ", ")
}

func valueText(v *zset.Vector, r int, env *types.Env) string {
	if v.IsNull(r) {
		return "null"
	}
	return string(types.AppendText(nil, v.Type, v.Datum(r), env))
}

// duplicate is PostgreSQL's error for a key that exists.
func (t *tableWrites) duplicate(cols []zset.Vector, r int, env *types.Env) error {
	names, values := make([]string, 0, 2), make([]string, 0, 2)
	for _, i := range t.table.Stored.Key {
		names = append(names, t.table.Columns[i].Name)
		values = append(values, valueText(&cols[i], r, env))
	}
	constraint := t.table.PrimaryKeyName()
	e := sqlerr.New(sqlerr.UniqueViolation, "duplicate key value violates unique constraint %q", constraint).
		WithDetail("Key (%s)=(%s) already exists.", strings.Join(names, ", "), strings.Join(values, ", "))
	e.Schema, e.Table, e.Constraint = t.table.Schema, t.table.Name, constraint
	return e
}

// sortedKeys lists the touched keys in order.
func (t *tableWrites) sortedKeys() []string {
	keys := make([]string, 0, len(t.rows))
	for k := range t.rows {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// delta is what the writes change: rows taken out with weight -1, rows put in
// with +1. Negative row ids become final: they begin with the epoch, so they
// are never used again, and the ids given out before in that epoch. Too many of
// them are errConflict: the next epoch has others.
func (t *tableWrites) delta(epoch uint64, rowIDs int64) (operator.Delta, error) {
	if rowIDs > 0 && rowIDs+t.fresh >= 1<<rowIDBits {
		return nil, errConflict
	}
	ts := t.table.Types()
	b := zset.NewBatch(ts, len(t.rows))
	id := len(ts) - 1
	hidden := t.table.Columns[id].Hidden
	for _, key := range t.sortedKeys() {
		w := t.rows[key]
		if bytes.Equal(w.before, w.now) {
			continue
		}
		for _, side := range []struct {
			image  []byte
			weight int64
		}{{w.before, -1}, {w.now, 1}} {
			if side.image == nil {
				continue
			}
			if err := zset.DecodeRow(side.image, b.Cols); err != nil {
				return nil, sqlerr.Wrap(err, sqlerr.DataCorrupted, "a stored row of table %q is damaged", t.table.Name)
			}
			if v := &b.Cols[id]; hidden && v.Int[b.N] < 0 {
				v.Int[b.N] = int64(epoch)<<rowIDBits + rowIDs - v.Int[b.N]
			}
			b.AddRow(side.weight)
		}
	}
	if b.N == 0 {
		return nil, nil
	}
	return operator.Delta{b}, nil
}

// rowIDBits are the bits of a row id below the epoch.
const rowIDBits = 24

// epochWrites are what the transactions that share an epoch have written to a
// table: the rows by key, nil for one that is gone, and how many row ids they
// have taken.
type epochWrites struct {
	rows   map[string][]byte
	rowIDs int64
}

// add takes over a transaction's writes. A row with an id of its own was there for
// nobody else, and its key is not final.
func (w *epochWrites) add(t *tableWrites) {
	w.rowIDs += t.fresh
	hidden := t.table.Columns[len(t.table.Columns)-1].Hidden
	for key, row := range t.rows {
		if bytes.Equal(row.before, row.now) || hidden && row.before == nil {
			continue
		}
		w.rows[key] = row.now
	}
}

// get returns the row of a key after those transactions. It may be nil.
func (w *epochWrites) get(rows dataflow.StoredRows, arr storage.Arrangement, key string) (image []byte, ok bool, err error) {
	if w != nil {
		if image, changed := w.rows[key]; changed {
			return image, image != nil, nil
		}
	}
	return rows.Get(arr, []byte(key), nil)
}

// overlay shows a snapshot with a table's uncommitted writes laid over.
type overlay struct {
	dataflow.StoredRows
	writes *tableWrites
}

// Get implements dataflow.StoredRows.
func (o overlay) Get(arr storage.Arrangement, key, buf []byte) ([]byte, bool, error) {
	if w := o.writes.rows[string(key)]; w != nil {
		return w.now, w.now != nil, nil
	}
	return o.StoredRows.Get(arr, key, buf)
}

// Scan implements dataflow.StoredRows: it merges the stored rows with the
// written ones.
func (o overlay) Scan(arr storage.Arrangement, lo, hi []byte, fn func(key, val []byte) bool) error {
	keys := o.writes.sortedKeys()
	stopped := false
	written := func(key string) bool {
		if lo != nil && key < string(lo) || hi != nil && key >= string(hi) {
			return true
		}
		w := o.writes.rows[key]
		return w.now == nil || fn([]byte(key), w.now)
	}
	err := o.StoredRows.Scan(arr, lo, hi, func(key, val []byte) bool {
		for len(keys) > 0 && keys[0] < string(key) {
			if !written(keys[0]) {
				stopped = true
				return false
			}
			keys = keys[1:]
		}
		if o.writes.rows[string(key)] != nil {
			return true // told by the written one, which comes next
		}
		stopped = !fn(key, val)
		return !stopped
	})
	for i := 0; err == nil && !stopped && i < len(keys); i++ {
		stopped = !written(keys[i])
	}
	return err
}
