package operator

import (
	"fmt"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// TableFunctionSpec describes an operator that puts out, for each row of its
// input, the row with each row that functions return for it: functions in FROM.
// Several functions are read side by side; one that ends before the others goes
// on with NULL. It has no state.
type TableFunctionSpec struct {
	Input []types.Type `json:"input"`
	Calls []TableCall  `json:"calls"`
	// Ordinality adds a last column that numbers the rows from 1.
	Ordinality bool `json:"ordinality,omitempty"`
}

// TableCall is one function with its arguments over the input row.
type TableCall struct {
	Func   string       `json:"func"`
	Args   []*expr.Expr `json:"args"`
	Column types.Type   `json:"column"`
}

// Output returns the types of the rows that the operator emits.
func (s *TableFunctionSpec) Output() []types.Type {
	out := append([]types.Type(nil), s.Input...)
	for _, c := range s.Calls {
		out = append(out, c.Column)
	}
	if s.Ordinality {
		out = append(out, types.Int8)
	}
	return out
}

// TableFunction is the operator of TableFunctionSpec.
type TableFunction struct {
	spec    *TableFunctionSpec
	env     *expr.Env
	program *expr.Program
	rows    []tableRows
}

// tableRows emits the rows of one call. None of the arguments is NULL.
type tableRows func(env *expr.Env, c *TableCall, args []types.Datum, emit func(types.Datum) error) error

// NewTableFunction checks spec and compiles the arguments.
func NewTableFunction(spec *TableFunctionSpec) (*TableFunction, error) {
	return NewTableFunctionIn(nil, spec)
}

// NewTableFunctionIn is NewTableFunction with an environment, see NewMapIn.
func NewTableFunctionIn(env *expr.Env, spec *TableFunctionSpec) (*TableFunction, error) {
	t := &TableFunction{spec: spec, env: env}
	var args []*expr.Expr
	for i := range spec.Calls {
		rows := tableFunctionRows(spec.Calls[i].Func)
		if rows == nil {
			return nil, fmt.Errorf("unknown table function %q", spec.Calls[i].Func)
		}
		t.rows = append(t.rows, rows)
		args = append(args, spec.Calls[i].Args...)
	}
	var err error
	t.program, err = expr.CompileIn(env, args, spec.Input)
	return t, err
}

// MaxFunctionRows bounds what one call may return.
const MaxFunctionRows = 1 << 20

// Apply calls the functions for each row of the delta; a row counts as often as
// the input row that it belongs to.
func (t *TableFunction) Apply(in []Delta, _ State, _ uint64, out *Output) error {
	errs := newErrorRows(t.spec.Input)
	for _, b := range in[0] {
		if err := t.batch(b, errs, out); err != nil {
			return err
		}
	}
	return nil
}

// functionRows is the number of rows from which on a batch is handed on.
const functionRows = 2048

func (t *TableFunction) batch(b *zset.Batch, errs *errorRows, out *Output) error {
	if b.Len() == 0 {
		return nil
	}
	res, err := t.program.Eval(b)
	if err != nil {
		return err
	}
	errs.addAll(b, res.Err)
	rows := zset.NewBatch(t.spec.Output(), b.Len())
	for i := range b.Len() {
		r := b.Row(i)
		if res.Err.Has(r) || b.WeightAt(r) == 0 {
			continue
		}
		if err := t.row(b, r, res.Cols, rows); err != nil {
			errs.add(b, r, sqlerr.From(err), b.WeightAt(r))
		}
		if rows.N >= functionRows {
			if err := t.emit(rows, errs, out); err != nil {
				return err
			}
			rows = zset.NewBatch(t.spec.Output(), functionRows)
		}
	}
	return t.emit(rows, errs, out)
}

// emit hands on what there is.
func (t *TableFunction) emit(rows *zset.Batch, errs *errorRows, out *Output) error {
	out.Errors = errs.moveTo(out.Errors)
	if rows.N == 0 || out.Discard {
		rows = nil
	}
	return out.Emit(rows)
}

// row appends the rows of one input row.
func (t *TableFunction) row(b *zset.Batch, r int, args []zset.Vector, out *zset.Batch) error {
	columns := make([][]types.Datum, len(t.rows))
	longest, at := 0, 0
	for i, rows := range t.rows {
		c := &t.spec.Calls[i]
		values := make([]types.Datum, len(c.Args))
		null := false
		for j := range values {
			values[j] = args[at].Datum(r)
			null = null || values[j].Null
			at++
		}
		if null {
			continue
		}
		err := rows(t.env, c, values, func(d types.Datum) error {
			if len(columns[i]) >= MaxFunctionRows {
				return sqlerr.New(sqlerr.ProgramLimitExceeded, "function %s returns more than %d rows", c.Func, MaxFunctionRows)
			}
			columns[i] = append(columns[i], d)
			return nil
		})
		if err != nil {
			return err
		}
		longest = max(longest, len(columns[i]))
	}
	n := len(t.spec.Input)
	for k := range longest {
		for c := range n {
			out.Cols[c].AppendDatum(b.Cols[c].Datum(r))
		}
		for i, column := range columns {
			if k < len(column) {
				out.Cols[n+i].AppendDatum(column[k])
			} else {
				out.Cols[n+i].AppendNull()
			}
		}
		if t.spec.Ordinality {
			out.Cols[n+len(columns)].AppendInt(int64(k + 1))
		}
		out.AddRow(b.WeightAt(r))
	}
	return nil
}

// tableFunctionRows finds a function, nil if there is none of the name.
func tableFunctionRows(name string) tableRows {
	switch name {
	case "generate_series":
		return seriesRows
	case "unnest":
		return unnestRows
	case "generate_subscripts":
		return subscriptRows
	case "pg_partition_ancestors":
		return func(*expr.Env, *TableCall, []types.Datum, func(types.Datum) error) error { return nil }
	}
	return nil
}

// intSeries is the series of integers: the ends and the step are of the type, so
// a sum that leaves it lies beyond the end or wraps around.
func intSeries(args []types.Datum, emit func(types.Datum) error) error {
	at, end, step := args[0].Int, args[1].Int, int64(1)
	if len(args) == 3 {
		step = args[2].Int
	}
	if step == 0 {
		return errZeroStep()
	}
	for (step > 0 && at <= end) || (step < 0 && at >= end) {
		if err := emit(types.Datum{Int: at}); err != nil {
			return err
		}
		next := at + step
		if (next > at) != (step > 0) {
			return nil // that was the last value of the type
		}
		at = next
	}
	return nil
}

func errZeroStep() error {
	return sqlerr.New(sqlerr.InvalidParameterValue, "step size cannot equal zero")
}

// seriesRows adds the step with the operator of SQL.
func seriesRows(env *expr.Env, c *TableCall, args []types.Datum, emit func(types.Datum) error) error {
	t := c.Column
	if t.Base() == types.Int4 || t.Base() == types.Int8 {
		return intSeries(args, emit)
	}
	step := expr.Constant(t, types.Datum{Int: 1})
	if t.Base() == types.Numeric {
		step = expr.Constant(types.Int4, types.Datum{Int: 1})
	}
	if len(args) == 3 {
		step = expr.Constant(c.Args[2].Type, args[2])
	}
	at := args[0]
	next := func(from types.Datum) (types.Datum, error) {
		sum, err := expr.NewOperator(env, "+", expr.Constant(t, from), step)
		if err != nil {
			return types.Datum{}, err
		}
		return expr.EvalConst(sum, env)
	}
	second, err := next(at)
	if err != nil && sqlerr.Code(err) != sqlerr.NumericValueOutOfRange {
		return err
	}
	up := types.Compare(step.Type, step.Const, types.Datum{})
	if err == nil {
		up = types.Compare(t, second, at)
	}
	if up == 0 {
		return errZeroStep()
	}
	for types.Compare(t, at, args[1])*up <= 0 {
		if err := emit(at); err != nil {
			return err
		}
		if at, err = next(at); sqlerr.Code(err) == sqlerr.NumericValueOutOfRange {
			return nil // the last value of the type
		} else if err != nil {
			return err
		}
	}
	return nil
}

func unnestRows(_ *expr.Env, c *TableCall, args []types.Datum, emit func(types.Datum) error) error {
	l, ok := types.DecodeList(c.Args[0].Type, args[0].Bytes)
	if !ok {
		return errImage
	}
	for l.Next() {
		if err := emit(l.Elem()); err != nil {
			return err
		}
	}
	return nil
}

func subscriptRows(_ *expr.Env, c *TableCall, args []types.Datum, emit func(types.Datum) error) error {
	l, ok := types.DecodeList(c.Args[0].Type, args[0].Bytes)
	if !ok {
		return errImage
	}
	dims := l.Dims()
	if args[1].Int < 1 || args[1].Int > int64(len(dims)) {
		return nil
	}
	d := dims[args[1].Int-1]
	for i := range int64(d.Len) {
		at := int64(d.Lower) + i
		if len(args) == 3 && args[2].Bool {
			at = int64(d.Lower) + int64(d.Len) - 1 - i
		}
		if err := emit(types.Datum{Int: at}); err != nil {
			return err
		}
	}
	return nil
}
