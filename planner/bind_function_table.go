package planner

import (
	"strings"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// TableFunction puts out each row of its input with each row that functions
// return for it; several functions are read side by side.
type TableFunction struct {
	Input      Node
	Calls      []FunctionCall
	Ordinality bool // a last column numbers the rows
}

// FunctionCall is one function over the columns of the input.
type FunctionCall struct {
	Name   string
	Args   []*expr.Expr
	Column types.Type
}

// Types implements Node.
func (f *TableFunction) Types() []types.Type {
	out := append([]types.Type(nil), f.Input.Types()...)
	for _, c := range f.Calls {
		out = append(out, c.Column)
	}
	if f.Ordinality {
		out = append(out, types.Int8)
	}
	return out
}

// Inputs implements Node.
func (f *TableFunction) Inputs() []Node { return []Node{f.Input} }

// over returns the node over another input, with its arguments replaced.
func (f *TableFunction) over(input Node, args func([]*expr.Expr) []*expr.Expr) *TableFunction {
	out := &TableFunction{Input: input, Ordinality: f.Ordinality}
	for _, c := range f.Calls {
		out.Calls = append(out.Calls, FunctionCall{Name: c.Name, Args: args(c.Args), Column: c.Column})
	}
	return out
}

// unitRow is one row of no columns.
func unitRow() Node { return &Values{Rows: [][]*expr.Expr{{}}} }

func isUnitRow(n Node) bool {
	v, ok := n.(*Values)
	return ok && len(v.Rows) == 1 && len(v.Columns) == 0
}

// tableFunction lowers functions in FROM.
func (l *lowerer) tableFunction(f *TableFunction) (int, error) {
	spec := &operator.TableFunctionSpec{Input: f.Input.Types(), Ordinality: f.Ordinality}
	for _, c := range f.Calls {
		spec.Calls = append(spec.Calls, operator.TableCall{Func: c.Name, Args: c.Args, Column: c.Column})
	}
	below, err := l.lower(f.Input, allColumns(len(spec.Input)))
	if err != nil {
		return 0, err
	}
	return l.add(dataflow.Node{Inputs: []int{below}, TableFunction: spec}), nil
}

// bindFunctionTable binds f(...) and ROWS FROM (f(...), ...) in FROM.
func (b *binder) bindFunctionTable(t *ast.FuncTable, ctes *cteScope) (Node, *scope, error) {
	if len(t.Columns) > 0 {
		return nil, nil, notSupported(t.Position(), "column definitions for functions in FROM are not supported yet")
	}
	node := &TableFunction{Input: unitRow(), Ordinality: t.Ordinality}
	var names []string
	name := ""
	for _, item := range t.Funcs {
		if len(item.Columns) > 0 {
			return nil, nil, notSupported(item.Position(), "column definitions for functions in FROM are not supported yet")
		}
		call, ok := item.Func.(*ast.FuncCall)
		if !ok || findTableFunction(call) == nil {
			if len(t.Funcs) == 1 {
				return b.scalarTable(t, item.Func, ctes)
			}
			return nil, nil, notSupported(item.Position(), "this function in ROWS FROM is not supported yet")
		}
		args, err := b.exprs(call.Args, &exprContext{scope: &scope{ctes: ctes}, clause: "FROM"})
		if err != nil {
			return nil, nil, err
		}
		f := findTableFunction(call)
		c := FunctionCall{Name: f.name}
		column, err := f.bind(b, &c, args)
		if err != nil {
			return nil, nil, sqlerr.From(err).At(call.Position())
		}
		if b.env.InView && c.Column.Base() == types.Timestamptz {
			return nil, nil, notSupported(call.Position(), "generate_series over timestamps with time zone is not supported in a materialized view")
		}
		if name == "" {
			name = f.name
		}
		node.Calls, names = append(node.Calls, c), append(names, column)
	}
	if t.Ordinality {
		names = append(names, "ordinality")
	}
	s := functionScope(t, name, names, node.Types(), ctes)
	return node, s, s.rename(name, t.Alias)
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
	b.outer = &outerQuery{context: &exprContext{scope: ls, clause: "FROM clause of their own query level"}, parent: b.outer, lateral: true}
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
	if f, ok := right.(*TableFunction); ok && kind == InnerJoin && isUnitRow(f.Input) && len(refs) > 0 {
		return f.over(left, lowerLevel), both, nil
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

// lowerLevel takes one level off outer columns: those of the query right around
// become columns of the row.
func lowerLevel(es []*expr.Expr) []*expr.Expr {
	out := make([]*expr.Expr, len(es))
	for i, e := range es {
		out[i] = expr.RemapColumns(e, func(col int) int {
			if isOuter(col) {
				return col - 1<<outerShift
			}
			return col
		})
	}
	return out
}

// lateralJoin binds a join whose right side may name columns of the left one.
func (b *binder) lateralJoin(j *ast.JoinExpr, left Node, ls *scope) (Node, *scope, error) {
	kind := InnerJoin
	switch {
	case j.Kind == ast.JoinRight || j.Kind == ast.JoinFull || j.Natural || len(j.Using) > 0 || j.Alias != nil || j.Within != nil:
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
	defer b.hideLateral()()
	on, err := b.condition(j.On, &exprContext{scope: both, clause: "JOIN/ON"}, "JOIN/ON")
	return &Map{Input: node, Filter: on}, both, err
}

// isLateral says whether an item of FROM sees the items before it.
func isLateral(item ast.TableExpr) bool {
	switch t := item.(type) {
	case *ast.FuncTable:
		return windowCall(t) == nil
	case *ast.SubqueryTable:
		return t.Lateral
	case *ast.JoinExpr:
		return isLateral(t.Left) || isLateral(t.Right)
	}
	return false
}

// expandSetTargets moves functions that return sets from the select list to
// FROM: SELECT f(x), g(x) FROM t is SELECT s.f, s.g FROM t, ROWS FROM (f(x),
// g(x)) AS s. Grouping would come before, so it is refused beside them.
func expandSetTargets(sel *ast.Select) (out *ast.Select, expanded bool) {
	const alias = "?set?"
	table := &ast.FuncTable{Pos: sel.Pos, Lateral: true, RowsFrom: true, Alias: &ast.Alias{Pos: sel.Pos, Name: alias}}
	moved := *sel
	moved.Targets = append([]*ast.Target(nil), sel.Targets...)
	for i, t := range sel.Targets {
		call, ok := t.Expr.(*ast.FuncCall)
		if !ok || findTableFunction(call) == nil {
			continue
		}
		column := alias + itoa(len(table.Funcs))
		table.Funcs = append(table.Funcs, &ast.TableFunc{Pos: t.Pos, Func: call})
		table.Alias.Columns = append(table.Alias.Columns, column)
		target := *t
		target.Expr = &ast.ColumnRef{Pos: t.Pos, Qualifier: []string{alias}, Name: column}
		if target.Alias == "" {
			target.Alias = call.Name
		}
		moved.Targets[i] = &target
	}
	if len(table.Funcs) == 0 {
		return sel, false
	}
	moved.From = append(sel.From[:len(sel.From):len(sel.From)], table)
	return &moved, true
}

// tableFunction is one function that returns a set of single values.
type tableFunction struct {
	name string
	// bind checks and coerces the arguments, sets call.Args and call.Column and
	// names the column.
	bind func(b *binder, call *FunctionCall, args []*expr.Expr) (string, error)
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
		{"generate_series", bindSeries},
		{"unnest", bindUnnest},
		{"generate_subscripts", bindSubscripts},
		{"string_to_table", bindElementsOf("string_to_array")},
		{"regexp_split_to_table", bindElementsOf("regexp_split_to_array")},
		{"pg_partition_ancestors", bindAncestors},
	}
}

// arguments coerces arguments to the given types; one that is missing at the
// end of the list is left out.
func (b *binder) arguments(node *FunctionCall, args []*expr.Expr, least int, ts ...types.Type) error {
	if len(args) < least || len(args) > len(ts) {
		return sqlerr.New(sqlerr.UndefinedFunction, "function %s with %d arguments does not exist", node.Name, len(args))
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
func bindSeries(b *binder, node *FunctionCall, args []*expr.Expr) (string, error) {
	if len(args) < 2 || len(args) > 3 {
		return "", sqlerr.New(sqlerr.UndefinedFunction, "function generate_series with %d arguments does not exist", len(args))
	}
	t, err := expr.CommonType(typesOf(args[:2]), "generate_series")
	if err != nil {
		return "", err
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
		return "", sqlerr.New(sqlerr.UndefinedFunction, "function generate_series(%s, %s) does not exist", args[0].Type, args[1].Type)
	}
	if step == types.Interval && len(args) == 2 {
		return "", sqlerr.New(sqlerr.UndefinedFunction, "function generate_series(%s, %s) does not exist", t, t)
	}
	node.Column = t
	return node.Name, b.arguments(node, args, 2, t, t, step)
}

func bindUnnest(b *binder, node *FunctionCall, args []*expr.Expr) (string, error) {
	if len(args) != 1 || !args[0].Type.IsArray() {
		return "", notSupported(-1, "unnest is supported with one array")
	}
	node.Args, node.Column = args, args[0].Type.Elem()
	return node.Name, nil
}

// bindElementsOf binds a function that returns the elements of an array which
// another function makes.
func bindElementsOf(maker string) func(*binder, *FunctionCall, []*expr.Expr) (string, error) {
	return func(b *binder, node *FunctionCall, args []*expr.Expr) (string, error) {
		called := node.Name
		array, err := expr.NewFunctionCall(b.env.Expr, maker, args...)
		if err != nil {
			e := *sqlerr.From(err)
			e.Message = strings.Replace(e.Message, maker, called, 1)
			return "", &e
		}
		node.Name = "unnest"
		_, err = bindUnnest(b, node, []*expr.Expr{array})
		return called, err
	}
}

func bindSubscripts(b *binder, node *FunctionCall, args []*expr.Expr) (string, error) {
	if len(args) < 2 || len(args) > 3 || !args[0].Type.IsArray() {
		return "", sqlerr.New(sqlerr.UndefinedFunction, "function generate_subscripts with these arguments does not exist")
	}
	node.Column = types.Int4
	return node.Name, b.arguments(node, args, 2, args[0].Type, types.Int4, types.Bool)
}

func bindAncestors(b *binder, node *FunctionCall, args []*expr.Expr) (string, error) {
	node.Column = types.Regclass
	return "relid", b.arguments(node, args, 1, types.Regclass)
}
