package operator

import (
	"slices"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/expr"
)

// Map filters and projects. It has no state: the output of a batch depends on
// that batch alone. Columns that are only passed on are shared with the input,
// rows that are filtered out are left out of the selection; nothing is copied
// but the values that expressions compute.
type Map struct {
	spec    *MapSpec
	filter  *expr.Filter  // nil: all rows
	program *expr.Program // nil: no computed columns
	from    []int         // per output column: input column, or -1-i for computed column i
}

// NewMap compiles the expressions of spec.
func NewMap(spec *MapSpec) (*Map, error) { return NewMapIn(nil, spec) }

// NewMapIn is NewMap for expressions that were not frozen (expr.Freeze): they
// see env, the session's settings and clock.
func NewMapIn(env *expr.Env, spec *MapSpec) (*Map, error) {
	m := &Map{spec: spec}
	var err error
	if spec.Filter != nil {
		if m.filter, err = expr.CompileFilterIn(env, spec.Filter, spec.Input); err != nil {
			return nil, err
		}
	}
	if spec.Project == nil {
		for c := range spec.Input {
			m.from = append(m.from, c)
		}
		return m, nil
	}
	var computed []*expr.Expr
	for _, e := range spec.Project {
		if e.Op == expr.OpColumn && e.Col >= 0 && e.Col < len(spec.Input) {
			m.from = append(m.from, e.Col)
			continue
		}
		computed = append(computed, e)
		m.from = append(m.from, -len(computed))
	}
	if computed != nil {
		m.program, err = expr.CompileIn(env, computed, spec.Input)
	}
	return m, err
}

// Apply maps each batch of the delta.
func (m *Map) Apply(in []Delta, _ State, _ uint64, out *Output) error {
	errs := newErrorRows(m.spec.Input)
	for _, b := range in[0] {
		rows, err := m.run(b, func(failed *expr.Errors) { errs.addAll(b, failed) })
		if err != nil {
			return err
		}
		if err := out.spend(m.computedBytes(rows)); err != nil {
			return err
		}
		if rows != nil && !out.Discard {
			out.Rows = append(out.Rows, rows)
		}
	}
	out.Errors = errs.appendTo(out.Errors)
	return nil
}

// computedBytes is the memory of what run has computed: the other columns are the
// input's.
func (m *Map) computedBytes(rows *zset.Batch) (n int) {
	if rows == nil {
		return 0
	}
	for c, from := range m.from {
		if from < 0 {
			n += rows.Cols[c].ByteSize()
		}
	}
	return n
}

// Batch maps one batch; rows and errs are nil where there are none.
func (m *Map) Batch(b *zset.Batch) (rows, errs *zset.Batch, err error) {
	failed := newErrorRows(m.spec.Input)
	rows, err = m.run(b, func(e *expr.Errors) { failed.addAll(b, e) })
	return rows, failed.batch, err
}

// run maps one batch and reports the rows that fail. The result shares
// physical rows with b: row r of it comes of row r of b. It is nil without rows.
func (m *Map) run(b *zset.Batch, fail func(*expr.Errors)) (*zset.Batch, error) {
	if b.Len() == 0 {
		return nil, nil
	}
	sel := b.Sel
	if m.filter != nil {
		picked, failed, err := m.filter.Select(b)
		if err != nil {
			return nil, err
		}
		if failed.Len() > 0 {
			fail(failed)
		}
		if len(picked) == 0 {
			return nil, nil
		}
		if len(picked) < b.Len() {
			sel = slices.Clone(picked)
		}
	}
	out := &zset.Batch{Cols: make([]zset.Vector, len(m.from)), N: b.N, Sel: sel, Weight: b.Weight}
	var computed []zset.Vector
	if m.program != nil {
		res, err := m.program.Eval(&zset.Batch{Cols: b.Cols, N: b.N, Sel: sel, Weight: b.Weight})
		if err != nil {
			return nil, err
		}
		if res.Err.Len() > 0 {
			fail(res.Err)
			if out.Sel = withoutFailed(out, res.Err); len(out.Sel) == 0 {
				return nil, nil
			}
		}
		computed = slices.Clone(res.Cols)
		m.program.Detach()
	}
	for i, from := range m.from {
		if from >= 0 {
			out.Cols[i] = b.Cols[from]
		} else {
			out.Cols[i] = computed[-1-from]
		}
	}
	return out, nil
}

// withoutFailed returns the selected rows that did not fail.
func withoutFailed(b *zset.Batch, failed *expr.Errors) []int32 {
	sel := make([]int32, 0, b.Len())
	for i := range b.Len() {
		if r := b.Row(i); !failed.Has(r) {
			sel = append(sel, int32(r))
		}
	}
	return sel
}
