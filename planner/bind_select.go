package planner

import (
	"slices"
	"strconv"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// selectBinder binds one SELECT ... FROM ... GROUP BY ....
type selectBinder struct {
	*binder
	sel     *ast.Select
	scope   *scope
	grouped bool
	aggs    *aggregates
	keys    []*expr.Expr // GROUP BY, over the FROM row
	targets []target
	order   []Order
	visible int  // targets before the hidden ones
	untyped bool // literals in the select list keep their unknown type

	closing         *windowClosing // of EMIT ON WINDOW CLOSE
	subqueries      *attachments   // of the select list, HAVING and ORDER BY
	inputSubqueries *attachments   // of arguments of aggregates
}

// target is one output column, bound over the FROM row.
type target struct {
	name string
	expr *expr.Expr
	ast  ast.Expr
}

// bindSelect binds in the order that names need: FROM, the select list (GROUP
// BY and ORDER BY may name its columns), GROUP BY, HAVING, ORDER BY; then it
// puts the plan together from the bottom.
func (b *binder) bindSelect(sel *ast.Select, order []*ast.SortItem, ctes *cteScope) (*Query, error) {
	if err := refuseSelect(sel); err != nil {
		return nil, err
	}
	closes := b.closing == sel
	untyped := b.untyped && !sel.Distinct
	b.untyped = false
	sel, err := b.withTimeWindow(sel, ctes)
	if err != nil {
		return nil, err
	}
	sel, expanded := expandSetTargets(sel)
	input, scope, err := b.bindFrom(sel.From, ctes)
	if err != nil {
		return nil, err
	}
	s := &selectBinder{binder: b, sel: sel, scope: scope, untyped: untyped,
		subqueries: &attachments{base: firstSubquery}, inputSubqueries: &attachments{base: firstInputSubquery}}
	s.aggs = &aggregates{input: &exprContext{scope: scope, aggregates: &aggregates{}, subqueries: s.inputSubqueries, clause: "an aggregate"}}
	if input, err = s.where(input); err != nil {
		return nil, err
	}
	if err := s.bindTargets(); err != nil {
		return nil, err
	}
	if err := s.bindGroupBy(); err != nil {
		return nil, err
	}
	having, err := s.bindHaving()
	if err != nil {
		return nil, err
	}
	if closes {
		if err := s.bindClosing(); err != nil {
			return nil, err
		}
	}
	if err := s.bindOrderBy(order); err != nil {
		return nil, err
	}
	if expanded && (s.grouped || len(s.aggs.calls) > 0) {
		return nil, notSupported(sel.Position(), "a function that returns a set beside GROUP BY or an aggregate is not supported yet")
	}
	return s.assemble(input, having)
}

func refuseSelect(sel *ast.Select) error {
	switch {
	case sel.Into != nil:
		return notSupported(sel.Into.Position(), "SELECT INTO is not supported").WithHint("Use CREATE MATERIALIZED VIEW.")
	case len(sel.DistinctOn) > 0:
		return notSupported(sel.DistinctOn[0].Position(), "DISTINCT ON is not supported yet")
	case len(sel.Windows) > 0:
		return notSupported(sel.Windows[0].Position(), "window functions are not supported yet")
	}
	return nil
}

func (s *selectBinder) where(input Node) (Node, error) {
	if s.sel.Where == nil {
		return input, nil
	}
	return s.filterBy(input, s.sel.Where)
}

func (s *selectBinder) bindTargets() error {
	c := &exprContext{scope: s.scope, aggregates: s.aggs, subqueries: s.subqueries, clause: "the select list"}
	for _, t := range s.sel.Targets {
		if star, ok := t.Expr.(*ast.Star); ok {
			if err := s.expandStar(star); err != nil {
				return err
			}
			continue
		}
		e, err := s.expr(t.Expr, c)
		if err != nil {
			return err
		}
		if !s.untyped || !isUntyped(e) {
			if e, err = s.settle(e); err != nil {
				return err
			}
		}
		name := t.Alias
		if name == "" {
			name = outputName(t.Expr)
		}
		s.targets = append(s.targets, target{name: name, expr: e, ast: t.Expr})
	}
	s.visible = len(s.targets)
	return nil
}

// isUntyped says whether an expression is a literal or parameter of unknown type.
func isUntyped(e *expr.Expr) bool {
	return e.Type == types.Unknown && (e.Op == expr.OpConst || e.Op == expr.OpParam)
}

func (s *selectBinder) expandStar(star *ast.Star) error {
	relation := ""
	if len(star.Qualifier) > 0 {
		relation = star.Qualifier[len(star.Qualifier)-1]
		if !s.scope.hasRelation(relation) {
			return sqlerr.New(sqlerr.UndefinedTable, "missing FROM-clause entry for table %q", relation).At(star.Position())
		}
	} else if len(s.sel.From) == 0 {
		return sqlerr.New(sqlerr.SyntaxError, "SELECT * with no tables specified is not valid").At(star.Position())
	}
	for _, i := range s.starOf(relation) {
		c := &s.scope.columns[i]
		e := expr.Column(i, c.typ)
		e.Pos = star.Position()
		s.targets = append(s.targets, target{name: c.name, expr: e})
	}
	return nil
}

// starOf lists the columns of relation.*, of * if relation is "". The former
// has all of the relation's columns, those merged by USING, too.
func (s *selectBinder) starOf(relation string) []int {
	if relation == "" {
		return s.scope.starColumns()
	}
	var out []int
	for i := range s.scope.columns {
		if s.scope.columns[i].relation == relation {
			out = append(out, i)
		}
	}
	return out
}

// bindGroupBy binds the keys: an integer is the position of an output column, a
// name an input column, else an output column (PostgreSQL's order).
func (s *selectBinder) bindGroupBy() error {
	s.grouped = len(s.sel.GroupBy) > 0
	c := &exprContext{scope: s.scope, clause: "GROUP BY"}
	for _, g := range s.sel.GroupBy {
		if set, ok := g.(*ast.GroupingSet); ok {
			if set.Kind == ast.EmptyGroup {
				continue
			}
			return notSupported(g.Position(), "GROUPING SETS, ROLLUP and CUBE are not supported yet")
		}
		key, err := s.groupKey(g, c)
		if err != nil {
			return err
		}
		if s.keyIndex(key) < 0 {
			s.keys = append(s.keys, key)
		}
	}
	return nil
}

func (s *selectBinder) groupKey(g ast.Expr, c *exprContext) (*expr.Expr, error) {
	if i, found, err := ordinal(g, s.visible, "GROUP BY"); err != nil {
		return nil, err
	} else if found {
		return s.targetKey(i, g)
	}
	key, err := s.expr(g, c)
	if err == nil {
		return s.settle(key)
	}
	if ref, ok := g.(*ast.ColumnRef); ok && len(ref.Qualifier) == 0 && sqlerr.Code(err) == sqlerr.UndefinedColumn {
		if i, found, ambiguous := s.targetByName(ref.Name); ambiguous != nil {
			return nil, ambiguous
		} else if found {
			return s.targetKey(i, g)
		}
	}
	return nil, err
}

// targetKey makes an output column a key of GROUP BY.
func (s *selectBinder) targetKey(i int, g ast.Expr) (*expr.Expr, error) {
	var err error
	if s.targets[i].expr, err = s.settle(s.targets[i].expr); err != nil {
		return nil, err
	}
	return s.noAggregate(s.targets[i].expr, g, "GROUP BY")
}

func (s *selectBinder) noAggregate(e *expr.Expr, at ast.Expr, clause string) (*expr.Expr, error) {
	if hasAggregate(e) {
		return nil, sqlerr.New(sqlerr.GroupingError, "aggregate functions are not allowed in %s", clause).At(at.Position())
	}
	return e, nil
}

func hasAggregate(e *expr.Expr) bool {
	found := false
	expr.Walk(e, func(n *expr.Expr) bool {
		found = found || n.Op == expr.OpColumn && n.Col >= firstAggregate && n.Col < firstSubquery
		return !found
	})
	return found
}

// ordinal reads a constant in GROUP BY or ORDER BY, which can only be the
// position of one of n output columns.
func ordinal(e ast.Expr, n int, clause string) (i int, found bool, err error) {
	sign := 1
	if minus, ok := e.(*ast.UnaryExpr); ok && minus.Op == "-" {
		e, sign = minus.Expr, -1
	}
	switch lit := e.(type) {
	case *ast.NumberLit:
		position, err := strconv.ParseInt(lit.Text, 10, 32)
		if err != nil {
			break
		}
		if i = sign * int(position); i < 1 || i > n {
			return 0, false, sqlerr.New(sqlerr.InvalidColumnReference, "%s position %d is not in select list", clause, i).At(e.Position())
		}
		return i - 1, true, nil
	case *ast.StringLit, *ast.BoolLit, *ast.NullLit, *ast.BitLit:
		if sign < 0 {
			return 0, false, nil
		}
	default:
		return 0, false, nil
	}
	return 0, false, sqlerr.New(sqlerr.SyntaxError, "non-integer constant in %s", clause).At(e.Position())
}

// targetByName finds an output column; equal expressions of one name are no
// ambiguity.
func (s *selectBinder) targetByName(name string) (i int, found bool, err error) {
	i = -1
	for j := range s.targets[:s.visible] {
		if s.targets[j].name != name {
			continue
		}
		if i >= 0 && !expr.Equal(s.targets[i].expr, s.targets[j].expr) {
			return 0, false, sqlerr.New(sqlerr.AmbiguousColumn, "ORDER BY %q is ambiguous", name)
		}
		if i < 0 {
			i = j
		}
	}
	return i, i >= 0, nil
}

func (s *selectBinder) bindHaving() (*expr.Expr, error) {
	if s.sel.Having == nil {
		return nil, nil
	}
	s.grouped = true
	return s.condition(s.sel.Having, &exprContext{scope: s.scope, aggregates: s.aggs, subqueries: s.subqueries, clause: "HAVING"}, "HAVING")
}

// bindOrderBy binds the sort keys; those that are no output column become
// hidden ones.
func (s *selectBinder) bindOrderBy(items []*ast.SortItem) error {
	for _, item := range items {
		column, err := s.orderColumn(item)
		if err != nil {
			return err
		}
		o, err := orderOf(item, column)
		if err != nil {
			return err
		}
		s.order = append(s.order, o)
	}
	return nil
}

func orderOf(item *ast.SortItem, column int) (Order, error) {
	o := Order{Column: column, Desc: item.Desc}
	if item.Using != nil {
		switch item.Using.Name {
		case "<":
		case ">":
			o.Desc = true
		default:
			return o, notSupported(item.Position(), "ORDER BY USING %s is not supported", item.Using.Name)
		}
	}
	o.NullsFirst = item.Nulls == ast.NullsFirst || item.Nulls == ast.NullsDefault && o.Desc
	return o, nil
}

func (s *selectBinder) orderColumn(item *ast.SortItem) (int, error) {
	if i, found, err := ordinal(item.Expr, s.visible, "ORDER BY"); err != nil || found {
		return i, err
	}
	if e, ok := item.Expr.(*ast.ColumnRef); ok && len(e.Qualifier) == 0 {
		if i, found, err := s.targetByName(e.Name); err != nil || found {
			return i, err
		}
	}
	e, err := s.expr(item.Expr, &exprContext{scope: s.scope, aggregates: s.aggs, subqueries: s.subqueries, clause: "ORDER BY"})
	if err != nil {
		return 0, err
	}
	if e, err = s.settle(e); err != nil {
		return 0, err
	}
	for i := range s.targets {
		if expr.Equal(s.targets[i].expr, e) {
			return i, nil
		}
	}
	if s.sel.Distinct {
		return 0, sqlerr.New(sqlerr.InvalidColumnReference, "for SELECT DISTINCT, ORDER BY expressions must appear in select list").At(item.Position())
	}
	s.targets = append(s.targets, target{expr: e, ast: item.Expr})
	return len(s.targets) - 1, nil
}

// assemble puts the plan together.
func (s *selectBinder) assemble(input Node, having *expr.Expr) (*Query, error) {
	project := make([]*expr.Expr, len(s.targets))
	for i := range s.targets {
		project[i] = s.targets[i].expr
	}
	if len(s.aggs.calls) > 0 {
		s.grouped = true
	}
	var number func(int, types.Type) (*expr.Expr, error)
	var err error
	if s.grouped {
		s.addDependentKeys(append([]*expr.Expr{having}, project...))
		if input, err = s.attachInput(input); err != nil {
			return nil, err
		}
		if having, err = s.overGroups(having); err != nil {
			return nil, err
		}
		for i := range project {
			if project[i], err = s.overGroups(project[i]); err != nil {
				return nil, err
			}
		}
		input = s.closed(&Aggregate{Input: input, Keys: s.keys, Calls: s.aggs.calls})
		number = func(col int, t types.Type) (*expr.Expr, error) { return s.overGroups(expr.Column(col, t)) }
	}
	if input, err = s.subqueries.replace(input, number, append([]*expr.Expr{having}, project...), func(es []*expr.Expr) {
		having, project = es[0], es[1:]
	}); err != nil {
		return nil, err
	}
	q := &Query{Root: &Map{Input: input, Filter: having, Project: project}, Order: s.order}
	for _, t := range s.targets[:s.visible] {
		q.Names = append(q.Names, t.name)
	}
	if s.sel.Distinct {
		q.Root = distinct(q.Root)
	}
	return q, nil
}

// overGroups rewrites an expression over the FROM row to one over the
// aggregate's output: whole keys first, then aggregate calls.
func (s *selectBinder) overGroups(e *expr.Expr) (*expr.Expr, error) {
	if e == nil {
		return nil, nil
	}
	if k := s.keyIndex(e); k >= 0 {
		return expr.Column(k, e.Type), nil
	}
	if e.Op == expr.OpColumn {
		if isOuter(e.Col) || s.subqueries.owns(e.Col) {
			return e, nil
		}
		if e.Col >= firstAggregate {
			return expr.Column(len(s.keys)+e.Col-firstAggregate, e.Type), nil
		}
		return nil, s.ungrouped(e)
	}
	if len(e.Args) == 0 {
		return e, nil
	}
	out := *e
	out.Args = make([]*expr.Expr, len(e.Args))
	for i, a := range e.Args {
		var err error
		if out.Args[i], err = s.overGroups(a); err != nil {
			return nil, err
		}
	}
	return &out, nil
}

func (s *selectBinder) keyIndex(e *expr.Expr) int {
	for i, k := range s.keys {
		if k.Type.Base() != e.Type.Base() {
			continue
		}
		unlabelled := *e // a coercion that only drops a modifier leaves the value as it is
		unlabelled.Type = k.Type
		if expr.Equal(k, &unlabelled) {
			return i
		}
	}
	return -1
}

func (s *selectBinder) ungrouped(e *expr.Expr) error {
	c := s.scope.columns[e.Col]
	name := c.name
	if c.relation != "" {
		name = c.relation + "." + c.name
	}
	return sqlerr.New(sqlerr.GroupingError, "column %q must appear in the GROUP BY clause or be used in an aggregate function", name).At(e.Pos)
}

// orderByOutput binds the ORDER BY of VALUES and set operations, which may
// name output columns only.
func (b *binder) orderByOutput(q *Query, items []*ast.SortItem) error {
	for _, item := range items {
		column, found, err := ordinal(item.Expr, len(q.Names), "ORDER BY")
		if err != nil {
			return err
		}
		if !found {
			if column, err = outputColumn(q, item.Expr); err != nil {
				return err
			}
		}
		o, err := orderOf(item, column)
		if err != nil {
			return err
		}
		q.Order = append(q.Order, o)
	}
	return nil
}

// outputColumn finds the output column that a sort key names.
func outputColumn(q *Query, e ast.Expr) (int, error) {
	ref, ok := e.(*ast.ColumnRef)
	if !ok {
		return 0, notSupported(e.Position(), "invalid UNION/INTERSECT/EXCEPT ORDER BY clause").
			WithDetail("Only result column names can be used, not expressions or functions.")
	}
	if i := slices.Index(q.Names, ref.Name); i >= 0 && len(ref.Qualifier) == 0 {
		if slices.Contains(q.Names[i+1:], ref.Name) {
			return 0, sqlerr.New(sqlerr.AmbiguousColumn, "ORDER BY %q is ambiguous", ref.Name).At(e.Position())
		}
		return i, nil
	}
	return 0, sqlerr.New(sqlerr.UndefinedColumn, "column %q does not exist", ref.Name).At(e.Position())
}

// outputName is the name that PostgreSQL gives an output column without alias.
func outputName(e ast.Expr) string {
	name, _ := figureName(e)
	return name
}

// figureName returns an expression's name and whether it is a strong one: a cast
// and a CASE have names of their own, which give way to strong ones within.
func figureName(e ast.Expr) (name string, strong bool) {
	switch e := e.(type) {
	case *ast.ColumnRef:
		return e.Name, true
	case *ast.FuncCall:
		return e.Name, true
	case *ast.FieldSelect:
		return e.Field, true
	case *ast.CastExpr:
		if name, strong := figureName(e.Expr); strong {
			return name, true
		}
		return e.Type.Name, false
	case *ast.CaseExpr:
		if name, strong := figureName(e.Else); strong {
			return name, true
		}
		return "case", false
	case *ast.CoalesceExpr:
		return "coalesce", true
	case *ast.NullIfExpr:
		return "nullif", true
	case *ast.MinMaxExpr:
		if e.Least {
			return "least", true
		}
		return "greatest", true
	case *ast.SQLValueFunction:
		return e.Name, true
	case *ast.CollateExpr:
		return figureName(e.Expr)
	case *ast.AtTimeZoneExpr:
		return "timezone", true
	case *ast.ExistsExpr:
		return "exists", true
	case *ast.SubqueryExpr:
		name := subqueryName(e.Query)
		return name, name != noName
	case *ast.ArrayExpr, *ast.ArraySubquery:
		return "array", true
	case *ast.RowExpr:
		return "row", true
	case *ast.Subscript:
		return figureName(e.Expr)
	}
	return noName, false
}

// noName is the name of an output column that nothing names.
const noName = "?column?"

func itoa(i int) string { return strconv.Itoa(i) }
