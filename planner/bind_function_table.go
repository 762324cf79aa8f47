package planner

import (
	"strings"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// TableFunction puts out the rows of a function that returns a set, of
// arguments that are constant when the query runs.
type TableFunction struct {
	Func       *tableFunction
	Args       []*expr.Expr
	Columns    []types.Type
	Ordinality bool // a last column numbers the rows
	Pos        int
}

// Types implements Node.
func (f *TableFunction) Types() []types.Type { return f.Columns }

// Inputs implements Node.
func (f *TableFunction) Inputs() []Node { return nil }

// maxFunctionRows bounds what a table function may return: its rows are made
// before the query starts.
const maxFunctionRows = 1_000_000

func errLateralFunction(f *TableFunction) error {
	return notSupported(f.Pos, "function %s in FROM with arguments from other tables is not supported yet", f.Func.name)
}

// tableFunction evaluates a table function.
func (l *lowerer) tableFunction(f *TableFunction) (int, error) {
	args := make([]types.Datum, len(f.Args))
	null := false
	for i, e := range f.Args {
		if !e.IsConst() {
			return 0, errLateralFunction(f)
		}
		var err error
		if args[i], err = expr.EvalConst(e, l.env); err != nil {
			return 0, err
		}
		null = null || args[i].Null
	}
	out := &dataflow.ValuesInput{Types: f.Columns, Rows: [][]byte{}}
	if null {
		return l.add(dataflow.Node{Values: out}), nil
	}
	err := f.Func.rows(l.env, f.Args, args, func(row ...types.Datum) error {
		if len(out.Rows) >= maxFunctionRows {
			return sqlerr.New(sqlerr.ProgramLimitExceeded, "function %s returns more than %d rows", f.Func.name, maxFunctionRows)
		}
		if f.Ordinality {
			row = append(row, types.Datum{Int: int64(len(out.Rows) + 1)})
		}
		out.Rows = append(out.Rows, zset.AppendRowDatums(nil, f.Columns, row))
		return nil
	})
	return l.add(dataflow.Node{Values: out}), err
}

// bindFunctionTable binds f(...) in FROM. left are the items before it, whose
// columns its arguments may name.
func (b *binder) bindFunctionTable(t *ast.FuncTable, ctes *cteScope) (Node, *scope, error) {
	if len(t.Funcs) != 1 || t.RowsFrom {
		return nil, nil, notSupported(t.Position(), "ROWS FROM is not supported yet")
	}
	if len(t.Columns) > 0 || len(t.Funcs[0].Columns) > 0 {
		return nil, nil, notSupported(t.Position(), "column definitions for functions in FROM are not supported yet")
	}
	call, ok := t.Funcs[0].Func.(*ast.FuncCall)
	if !ok {
		return b.scalarTable(t, t.Funcs[0].Func, ctes)
	}
	f := findTableFunction(call)
	if f == nil {
		return b.scalarTable(t, call, ctes)
	}
	args, err := b.exprs(call.Args, &exprContext{scope: &scope{ctes: ctes}, clause: "FROM"})
	if err != nil {
		return nil, nil, err
	}
	node := &TableFunction{Func: f, Pos: call.Position(), Ordinality: t.Ordinality}
	names, err := f.bind(b, node, args)
	if err != nil {
		return nil, nil, sqlerr.From(err).At(call.Position())
	}
	if t.Ordinality {
		node.Columns, names = append(node.Columns, types.Int8), append(names, "ordinality")
	}
	s := functionScope(t, f.name, names, node.Columns, ctes)
	return node, s, s.rename(f.name, t.Alias)
}

// functionScope names the columns: the alias of a function of one column names
// the column, too.
func functionScope(t *ast.FuncTable, name string, names []string, ts []types.Type, ctes *cteScope) *scope {
	s := &scope{ctes: ctes}
	for i, c := range names {
		if i == 0 && (len(names) == 1 || t.Ordinality && len(names) == 2) && c == name && t.Alias != nil {
			c = t.Alias.Name
		}
		s.columns = append(s.columns, scopeColumn{relation: name, name: c, typ: ts[i]})
	}
	return s
}

// scalarTable is a function that returns one value, as a table of one row.
func (b *binder) scalarTable(t *ast.FuncTable, e ast.Expr, ctes *cteScope) (Node, *scope, error) {
	value, err := b.expr(e, &exprContext{scope: &scope{ctes: ctes}, clause: "FROM"})
	if err != nil {
		return nil, nil, err
	}
	if value, err = b.settle(value); err != nil {
		return nil, nil, err
	}
	name := outputName(e)
	node := &Values{Columns: []types.Type{value.Type}, Rows: [][]*expr.Expr{{value}}}
	names := []string{name}
	if t.Ordinality {
		node.Columns, names = append(node.Columns, types.Int8), append(names, "ordinality")
		node.Rows[0] = append(node.Rows[0], expr.Constant(types.Int8, types.Datum{Int: 1}))
	}
	s := functionScope(t, name, names, node.Columns, ctes)
	return node, s, s.rename(name, t.Alias)
}

// lateral binds an item of FROM that may name columns of the items before it,
// and joins it to them.
func (b *binder) lateral(left Node, ls *scope, item ast.TableExpr, kind JoinKind) (Node, *scope, error) {
	b.outer = &outerQuery{context: &exprContext{scope: ls, clause: "FROM"}, parent: b.outer}
	right, rs, err := b.bindTable(item, ls.ctes)
	b.outer = b.outer.parent
	if err != nil {
		return nil, nil, err
	}
	both, err := joinScopes(ls, rs, item.Position())
	if err != nil {
		return nil, nil, err
	}
	if isEmpty(left) {
		return &Join{Kind: kind, Left: left, Right: &Values{Columns: right.Types()}}, both, nil
	}
	refs, err := outerColumns(right)
	if err != nil {
		return nil, nil, err
	}
	if len(refs) == 0 {
		right, err = (&unnester{}).lower(right)
		return &Join{Kind: kind, Left: left, Right: right}, both, err
	}
	u := &unnester{refs: map[int]int{}}
	for i, r := range refs {
		u.refs[r.Col] = i
	}
	u.domain = &Aggregate{Input: left, Keys: refs}
	if right, err = u.apply(right); err != nil {
		return nil, nil, err
	}
	width := len(left.Types())
	var on *expr.Expr
	for i, r := range refs {
		same, err := sameValue(r, expr.Column(width+i, r.Type))
		if err != nil {
			return nil, nil, err
		}
		on = and(on, same)
	}
	joined := &Join{Kind: kind, Left: left, Right: right, On: on}
	project := identityOr(nil, joined)
	return &Map{Input: joined, Project: append(project[:width:width], project[width+len(refs):]...)}, both, nil
}

// lateralJoin binds a join whose right side may name columns of the left one.
func (b *binder) lateralJoin(j *ast.JoinExpr, left Node, ls *scope) (Node, *scope, error) {
	kind := InnerJoin
	switch {
	case j.Kind == ast.JoinRight || j.Kind == ast.JoinFull || j.Natural || len(j.Using) > 0 || j.Alias != nil:
		return nil, nil, notSupported(j.Position(), "this form of join with a function or LATERAL subquery is not supported yet")
	case j.Kind == ast.JoinLeft:
		kind = LeftJoin
		if always, ok := j.On.(*ast.BoolLit); !ok || !always.Value {
			return nil, nil, notSupported(j.Position(), "LEFT JOIN with a function or LATERAL subquery is supported with ON true only")
		}
	}
	node, both, err := b.lateral(left, ls, j.Right, kind)
	if err != nil || j.On == nil || kind == LeftJoin {
		return node, both, err
	}
	on, err := b.condition(j.On, &exprContext{scope: both, clause: "JOIN/ON"}, "JOIN/ON")
	return &Map{Input: node, Filter: on}, both, err
}

// isLateral says whether an item of FROM sees the items before it.
func isLateral(item ast.TableExpr) bool {
	switch t := item.(type) {
	case *ast.FuncTable:
		return true
	case *ast.SubqueryTable:
		return t.Lateral
	}
	return false
}

// expandSetTargets moves functions that return sets from the select list to
// FROM: SELECT f(x) FROM t is SELECT s.f FROM t, f(x) AS s for one such
// function.
func expandSetTargets(sel *ast.Select) (*ast.Select, error) {
	found := -1
	for i, t := range sel.Targets {
		call, ok := t.Expr.(*ast.FuncCall)
		if !ok || findTableFunction(call) == nil {
			continue
		}
		if found >= 0 {
			return nil, notSupported(call.Position(), "several functions that return sets in one select list are not supported yet").
				WithHint("Put them into FROM.")
		}
		found = i
	}
	if found < 0 {
		return sel, nil
	}
	t := sel.Targets[found]
	call := t.Expr.(*ast.FuncCall)
	const alias = "?set?"
	table := &ast.FuncTable{Pos: t.Pos, Lateral: true, Funcs: []*ast.TableFunc{{Pos: t.Pos, Func: call}}, Alias: &ast.Alias{Pos: t.Pos, Name: alias, Columns: []string{alias}}}
	out := *sel
	out.From = append(sel.From[:len(sel.From):len(sel.From)], table)
	out.Targets = append([]*ast.Target(nil), sel.Targets...)
	moved := *t
	moved.Expr = &ast.ColumnRef{Pos: t.Pos, Qualifier: []string{alias}, Name: alias}
	if moved.Alias == "" {
		moved.Alias = call.Name
	}
	out.Targets[found] = &moved
	return &out, nil
}

// tableFunction is one function that returns a set.
type tableFunction struct {
	name string
	// bind checks and coerces the arguments, sets node.Args and node.Columns and
	// names the columns.
	bind func(b *binder, node *TableFunction, args []*expr.Expr) ([]string, error)
	rows func(env *expr.Env, exprs []*expr.Expr, args []types.Datum, emit func(row ...types.Datum) error) error
}

func findTableFunction(call *ast.FuncCall) *tableFunction {
	for _, q := range call.Qualifier {
		if q != catalog.PGSchema {
			return nil
		}
	}
	for _, f := range tableFunctions() {
		if f.name == strings.ToLower(call.Name) {
			return f
		}
	}
	return nil
}

func tableFunctions() []*tableFunction {
	return []*tableFunction{
		{"generate_series", bindSeries, seriesRows},
		{"unnest", bindUnnest, unnestRows},
		{"generate_subscripts", bindSubscripts, subscriptRows},
		{"pg_partition_ancestors", bindAncestors, func(*expr.Env, []*expr.Expr, []types.Datum, func(...types.Datum) error) error {
			return nil // nothing is partitioned
		}},
	}
}

// arguments coerces arguments to the given types; one that is missing at the
// end of the list is left out.
func (b *binder) arguments(node *TableFunction, args []*expr.Expr, least int, ts ...types.Type) error {
	if len(args) < least || len(args) > len(ts) {
		return sqlerr.New(sqlerr.UndefinedFunction, "function %s with %d arguments does not exist", node.Func.name, len(args))
	}
	for i, a := range args {
		out, err := b.coerce(a, ts[i], expr.Implicit)
		if err != nil {
			return err
		}
		node.Args = append(node.Args, out)
	}
	return nil
}

// bindSeries binds generate_series over integers, numeric and timestamps.
func bindSeries(b *binder, node *TableFunction, args []*expr.Expr) ([]string, error) {
	if len(args) < 2 || len(args) > 3 {
		return nil, sqlerr.New(sqlerr.UndefinedFunction, "function generate_series with %d arguments does not exist", len(args))
	}
	t, err := expr.CommonType(typesOf(args[:2]), "generate_series")
	if err != nil {
		return nil, err
	}
	step := t
	switch t.Base() {
	case types.Int2:
		t, step = types.Int4, types.Int4
	case types.Int4, types.Int8, types.Numeric:
		if len(args) == 3 && args[2].Type.Base() == types.Int8 && t == types.Int4 {
			t, step = types.Int8, types.Int8
		}
	case types.Date:
		t, step = types.Timestamptz, types.Interval
	case types.Timestamp, types.Timestamptz:
		step = types.Interval
	default:
		return nil, sqlerr.New(sqlerr.UndefinedFunction, "function generate_series(%s, %s) does not exist", args[0].Type, args[1].Type)
	}
	if step == types.Interval && len(args) == 2 {
		return nil, sqlerr.New(sqlerr.UndefinedFunction, "function generate_series(%s, %s) does not exist", t, t)
	}
	node.Columns = []types.Type{t}
	return []string{node.Func.name}, b.arguments(node, args, 2, t, t, step)
}

// seriesRows adds the step with the operator of SQL.
func seriesRows(env *expr.Env, exprs []*expr.Expr, args []types.Datum, emit func(...types.Datum) error) error {
	t := exprs[0].Type
	step := expr.Constant(t, types.Datum{Int: 1})
	if t.Base() == types.Numeric {
		step = expr.Constant(types.Int4, types.Datum{Int: 1})
	}
	if len(args) == 3 {
		step = expr.Constant(exprs[2].Type, args[2])
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
	if err != nil {
		return err
	}
	up := types.Compare(t, second, at)
	if up == 0 {
		return sqlerr.New(sqlerr.InvalidParameterValue, "step size cannot equal zero")
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

func bindUnnest(b *binder, node *TableFunction, args []*expr.Expr) ([]string, error) {
	if len(args) != 1 || !args[0].Type.IsArray() {
		return nil, notSupported(node.Pos, "unnest is supported with one array")
	}
	node.Args, node.Columns = args, []types.Type{args[0].Type.Elem()}
	return []string{node.Func.name}, nil
}

func unnestRows(_ *expr.Env, exprs []*expr.Expr, args []types.Datum, emit func(...types.Datum) error) error {
	l, ok := types.DecodeList(exprs[0].Type, args[0].Bytes)
	if !ok {
		return sqlerr.New(sqlerr.DataCorrupted, "corrupt array")
	}
	for l.Next() {
		if err := emit(l.Elem()); err != nil {
			return err
		}
	}
	return nil
}

func bindSubscripts(b *binder, node *TableFunction, args []*expr.Expr) ([]string, error) {
	if len(args) < 2 || len(args) > 3 || !args[0].Type.IsArray() {
		return nil, sqlerr.New(sqlerr.UndefinedFunction, "function generate_subscripts with these arguments does not exist")
	}
	node.Columns = []types.Type{types.Int4}
	return []string{node.Func.name}, b.arguments(node, args, 2, args[0].Type, types.Int4, types.Bool)
}

func subscriptRows(_ *expr.Env, exprs []*expr.Expr, args []types.Datum, emit func(...types.Datum) error) error {
	l, ok := types.DecodeList(exprs[0].Type, args[0].Bytes)
	if !ok {
		return sqlerr.New(sqlerr.DataCorrupted, "corrupt array")
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

func bindAncestors(b *binder, node *TableFunction, args []*expr.Expr) ([]string, error) {
	node.Columns = []types.Type{types.Regclass}
	return []string{"relid"}, b.arguments(node, args, 1, types.Regclass)
}
