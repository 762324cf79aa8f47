package planner

import (
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// DML is a bound INSERT, UPDATE or DELETE: a query that gives the rows to take
// out of the table and the rows to put in.
type DML struct {
	Table *catalog.Object
	// Query puts out, for INSERT, the new row; for UPDATE the old row followed by
	// the new one; for DELETE the old row. Rows have all of the table's columns,
	// the hidden one too where there is an old row to find by it.
	Query    *Query
	Old, New bool
}

// BindInsert binds INSERT.
func BindInsert(st *ast.Insert, env *Env) (*DML, error) {
	b := newBinder(env)
	table, err := b.target(st.Table)
	if err != nil {
		return nil, err
	}
	switch {
	case st.OnConflict != nil:
		return nil, notSupported(st.OnConflict.Position(), "ON CONFLICT is not supported yet")
	case len(st.Returning) > 0:
		return nil, notSupported(st.Returning[0].Position(), "RETURNING is not supported yet")
	}
	columns, err := insertColumns(st, table)
	if err != nil {
		return nil, err
	}
	source, err := b.insertSource(st, columns, table)
	if err != nil {
		return nil, err
	}
	project, err := b.insertRow(source, columns, table, st)
	if err != nil {
		return nil, err
	}
	q := &Query{Root: &Map{Input: source.visible(), Project: project}, Order: nil}
	if source.Limit != nil || source.Offset != nil {
		top := &TopK{Input: source.Root, Order: source.Order, Limit: source.Limit, Offset: source.Offset}
		q.Root = &Map{Input: (&Query{Root: top, Names: source.Names}).visible(), Project: project}
	}
	return b.finishDML(&DML{Table: table, Query: q, New: true})
}

func (b *binder) finishDML(d *DML) (*DML, error) {
	for range d.Query.Root.Types() {
		d.Query.Names = append(d.Query.Names, "")
	}
	var err error
	if d.Query.Params, err = b.finishParams(); err != nil {
		return nil, err
	}
	return d, nil
}

// target finds the table that a DML statement writes.
func (b *binder) target(t *ast.TableRef) (*catalog.Object, error) {
	o, err := b.env.resolve(t.Name.Schema(), t.Name.Name, t.Position())
	if err != nil {
		return nil, err
	}
	if o.Kind != catalog.Table {
		return nil, sqlerr.New(sqlerr.WrongObjectType, "cannot change %s %q", o.Kind, o.Name).At(t.Position()).
			WithHint("Only tables can be changed by INSERT, UPDATE and DELETE.")
	}
	if o.Source != 0 {
		return nil, sqlerr.New(sqlerr.WrongObjectType, "cannot change table %q: its rows come from a topic", o.Name).At(t.Position()).
			WithHint("Write to the topic, or use a table without connector.")
	}
	return o, nil
}

// insertColumns returns the table columns that the statement names, all
// visible ones if it names none.
func insertColumns(st *ast.Insert, table *catalog.Object) ([]int, error) {
	var out []int
	seen := map[int]bool{}
	for _, c := range st.Columns {
		i, err := assignedColumn(c, table)
		if err != nil {
			return nil, err
		}
		if seen[i] {
			return nil, sqlerr.New(sqlerr.DuplicateColumn, "column %q specified more than once", c.Column).At(c.Position())
		}
		seen[i] = true
		out = append(out, i)
	}
	if len(st.Columns) == 0 {
		for i := range table.Visible() {
			out = append(out, i)
		}
	}
	return out, nil
}

func assignedColumn(c *ast.AssignTarget, table *catalog.Object) (int, error) {
	if len(c.Path) > 0 {
		return 0, notSupported(c.Position(), "assignment to a part of a column is not supported")
	}
	i := table.Column(c.Column)
	if i < 0 || table.Columns[i].Hidden {
		return 0, sqlerr.New(sqlerr.UndefinedColumn, "column %q of relation %q does not exist", c.Column, table.Name).At(c.Position())
	}
	return i, nil
}

// insertSource binds the rows: VALUES with DEFAULTs, a query, or one row of
// defaults.
func (b *binder) insertSource(st *ast.Insert, columns []int, table *catalog.Object) (*Query, error) {
	if st.Query == nil {
		return &Query{Root: &Values{Rows: [][]*expr.Expr{{}}}}, nil
	}
	ctes, err := b.bindWith(st.With, nil)
	if err != nil {
		return nil, err
	}
	values, ok := st.Query.Body.(*ast.Values)
	if !ok || st.Query.With != nil || st.Query.Limit != nil || st.Query.Offset != nil || len(st.Query.OrderBy) > 0 {
		return b.bindQuery(st.Query, ctes)
	}
	return b.insertValues(values, columns, table, ctes)
}

// insertValues binds a VALUES list column by column to the types of the
// table: an untyped literal is read as the column's type.
func (b *binder) insertValues(v *ast.Values, columns []int, table *catalog.Object, ctes *cteScope) (*Query, error) {
	c := &exprContext{scope: &scope{ctes: ctes}, clause: "VALUES"}
	out := &Values{}
	n := len(v.Rows[0])
	for _, row := range v.Rows {
		if len(row) != n {
			return nil, sqlerr.New(sqlerr.SyntaxError, "VALUES lists must all be the same length").At(row[0].Position())
		}
		bound := make([]*expr.Expr, n)
		for i, e := range row {
			if i >= len(columns) {
				return nil, sqlerr.New(sqlerr.SyntaxError, "INSERT has more expressions than target columns").At(e.Position())
			}
			var err error
			if bound[i], err = b.insertValue(e, &table.Columns[columns[i]], c); err != nil {
				return nil, err
			}
		}
		out.Rows = append(out.Rows, bound)
	}
	q := &Query{Root: out}
	for i := range n {
		out.Columns = append(out.Columns, table.Columns[columns[i]].Type)
		q.Names = append(q.Names, table.Columns[columns[i]].Name)
	}
	return q, nil
}

func (b *binder) insertValue(e ast.Expr, column *catalog.Column, c *exprContext) (*expr.Expr, error) {
	if _, ok := e.(*ast.DefaultExpr); ok {
		return b.defaultOf(column)
	}
	bound, err := b.expr(e, c)
	if err != nil {
		return nil, err
	}
	return b.assign(bound, column, e.Position())
}

// assign coerces a value to a column's type as an assignment does.
func (b *binder) assign(e *expr.Expr, column *catalog.Column, pos int) (*expr.Expr, error) {
	out, err := b.coerce(e, column.Type, expr.Assignment)
	if err == nil {
		return out, nil
	}
	switch sqlerr.Code(err) {
	case sqlerr.DatatypeMismatch, sqlerr.CannotCoerce:
		return nil, sqlerr.New(sqlerr.DatatypeMismatch, "column %q is of type %s but expression is of type %s", column.Name, column.Type, e.Type).
			At(pos).WithHint("You will need to rewrite or cast the expression.")
	}
	return nil, err
}

// defaultOf binds a column's default, NULL without one.
func (b *binder) defaultOf(column *catalog.Column) (*expr.Expr, error) {
	if column.Default == "" {
		return expr.Constant(column.Type, types.NullDatum()), nil
	}
	parsed, err := sql.ParseExpr(column.Default)
	if err != nil {
		return nil, sqlerr.Wrap(err, sqlerr.InternalError, "the default of column %q does not parse", column.Name)
	}
	e, err := b.expr(parsed, &exprContext{scope: &scope{}, clause: "DEFAULT"})
	if err != nil {
		return nil, err
	}
	e.Pos = 0
	return b.assign(e, column, -1)
}

// BindDefault checks the default of a column that is being created.
func BindDefault(e ast.Expr, column *catalog.Column, env *Env) error {
	b := newBinder(env)
	bound, err := b.expr(e, &exprContext{scope: &scope{}, clause: "DEFAULT"})
	if err != nil {
		return err
	}
	_, err = b.assign(bound, column, e.Position())
	return err
}

// insertRow builds the full row over the source's columns.
func (b *binder) insertRow(source *Query, columns []int, table *catalog.Object, st *ast.Insert) ([]*expr.Expr, error) {
	ts := source.Types()
	switch {
	case len(ts) > len(columns):
		return nil, sqlerr.New(sqlerr.SyntaxError, "INSERT has more expressions than target columns").At(st.Query.Position())
	case len(ts) < len(columns) && len(st.Columns) > 0 && st.Query != nil:
		return nil, sqlerr.New(sqlerr.SyntaxError, "INSERT has more target columns than expressions").At(st.Columns[len(ts)].Position())
	}
	row := make([]*expr.Expr, len(table.Columns))
	for i, t := range ts {
		var err error
		if row[columns[i]], err = b.assign(expr.Column(i, t), &table.Columns[columns[i]], st.Position()); err != nil {
			return nil, err
		}
	}
	for i := range row {
		if row[i] != nil {
			continue
		}
		var err error
		if row[i], err = b.defaultOf(&table.Columns[i]); err != nil {
			return nil, err
		}
	}
	return row, nil
}

// BindUpdate binds UPDATE.
func BindUpdate(st *ast.Update, env *Env) (*DML, error) {
	b := newBinder(env)
	switch {
	case len(st.Returning) > 0:
		return nil, notSupported(st.Returning[0].Position(), "RETURNING is not supported yet")
	case len(st.From) > 0:
		return nil, notSupported(st.From[0].Position(), "UPDATE ... FROM is not supported yet")
	case st.With != nil, st.CurrentOf != "":
		return nil, notSupported(st.Position(), "this form of UPDATE is not supported yet")
	}
	table, input, c, err := b.dmlInput(st.Table, st.Where)
	if err != nil {
		return nil, err
	}
	project := make([]*expr.Expr, 0, 2*len(table.Columns))
	for i, t := range table.Types() {
		project = append(project, expr.Column(i, t))
	}
	row, err := b.updatedRow(st, table, c)
	if err != nil {
		return nil, err
	}
	return b.finishDML(&DML{Table: table, Old: true, New: true, Query: &Query{Root: &Map{Input: input, Project: append(project, row...)}}})
}

// dmlInput scans the target's rows, hidden column included, that WHERE selects.
func (b *binder) dmlInput(t *ast.TableRef, where ast.Expr) (*catalog.Object, Node, *exprContext, error) {
	table, err := b.target(t)
	if err != nil {
		return nil, nil, nil, err
	}
	scan := &Scan{Relation: table}
	s := &scope{}
	for i, col := range table.Columns {
		scan.Columns = append(scan.Columns, i)
		s.columns = append(s.columns, scopeColumn{schema: table.Schema, relation: table.Name, name: col.Name, typ: col.Type, hidden: col.Hidden})
	}
	if err := s.rename("", t.Alias); err != nil {
		return nil, nil, nil, err
	}
	if where == nil {
		return table, scan, &exprContext{scope: s, clause: "UPDATE"}, nil
	}
	filter, err := b.condition(where, &exprContext{scope: s, clause: "WHERE"}, "WHERE")
	if err != nil {
		return nil, nil, nil, err
	}
	return table, &Map{Input: scan, Filter: filter}, &exprContext{scope: s, clause: "UPDATE"}, nil
}

func (b *binder) updatedRow(st *ast.Update, table *catalog.Object, c *exprContext) ([]*expr.Expr, error) {
	row := make([]*expr.Expr, len(table.Columns))
	for _, set := range st.Sets {
		if set.Multi {
			return nil, notSupported(set.Position(), "assignment of several columns at once is not supported yet")
		}
		target := set.Targets[0]
		i, err := assignedColumn(target, table)
		if err != nil {
			return nil, err
		}
		if row[i] != nil {
			return nil, sqlerr.New(sqlerr.SyntaxError, "multiple assignments to same column %q", target.Column).At(target.Position())
		}
		if row[i], err = b.insertValue(set.Value, &table.Columns[i], c); err != nil {
			return nil, err
		}
	}
	for i, t := range table.Types() {
		if row[i] == nil {
			row[i] = expr.Column(i, t)
		}
	}
	return row, nil
}

// BindDelete binds DELETE.
func BindDelete(st *ast.Delete, env *Env) (*DML, error) {
	b := newBinder(env)
	switch {
	case len(st.Returning) > 0:
		return nil, notSupported(st.Returning[0].Position(), "RETURNING is not supported yet")
	case len(st.Using) > 0:
		return nil, notSupported(st.Using[0].Position(), "DELETE ... USING is not supported yet")
	case st.With != nil, st.CurrentOf != "":
		return nil, notSupported(st.Position(), "this form of DELETE is not supported yet")
	}
	table, input, _, err := b.dmlInput(st.Table, st.Where)
	if err != nil {
		return nil, err
	}
	return b.finishDML(&DML{Table: table, Old: true, Query: &Query{Root: input}})
}
