package planner

import (
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// While expressions are bound, columns that exist only later have numbers above
// those of any input: firstSubquery + i is the i-th column that subqueries of
// the select list add to the row, firstInputSubquery + i the i-th that those in
// arguments of aggregates add; level<<outerShift + i is column i of the level-th
// query around the one that is bound.
const (
	firstSubquery      = 2 << 20
	firstInputSubquery = 3 << 20
	outerShift         = 24
)

func isOuter(col int) bool { return col >= 1<<outerShift }

// outerQuery is a chain of the queries around the one that is bound, the
// innermost first.
type outerQuery struct {
	context *exprContext
	parent  *outerQuery
	lateral bool // the items of FROM before the one that is bound
	hidden  bool // for the time being: what is bound is not LATERAL
}

// hideLateral hides the items of FROM before the one that is bound from what in
// it is not LATERAL; the caller calls restore.
func (b *binder) hideLateral() (restore func()) {
	var changed []*outerQuery
	for o := b.outer; o != nil && o.lateral; o = o.parent {
		if !o.hidden {
			o.hidden = true
			changed = append(changed, o)
		}
	}
	return func() {
		for _, o := range changed {
			o.hidden = false
		}
	}
}

// enterLateral makes the items of FROM before a LATERAL subquery to it what any
// outer query is: its own FROM hides none of them. The caller calls restore.
func (b *binder) enterLateral() (restore func()) {
	var changed []*outerQuery
	for o := b.outer; o != nil && o.lateral; o = o.parent {
		o.lateral = false
		changed = append(changed, o)
	}
	return func() {
		for _, o := range changed {
			o.lateral = true
		}
	}
}

// attachments collects the subqueries of a clause. Each has at most one row for
// a row of the query that contains it; its columns are attached to that row.
type attachments struct {
	base  int // number of the first column
	plans []Node
	width int
}

// add returns the number of the plan's first column.
func (a *attachments) add(plan Node) int {
	at := a.base + a.width
	a.plans = append(a.plans, plan)
	a.width += len(plan.Types())
	return at
}

// attachmentMark is how much attachments held at some time.
type attachmentMark struct{ plans, width int }

func (a *attachments) mark() attachmentMark {
	if a == nil {
		return attachmentMark{}
	}
	return attachmentMark{len(a.plans), a.width}
}

// reset takes out what was added since the mark.
func (a *attachments) reset(m attachmentMark) {
	if a != nil {
		a.plans, a.width = a.plans[:m.plans], m.width
	}
}

// planOf returns the plan that a column number belongs to, nil if it is none of
// these attachments'.
func (a *attachments) planOf(col int) Node {
	if a == nil || !a.owns(col) {
		return nil
	}
	col -= a.base
	for _, plan := range a.plans {
		if width := len(plan.Types()); col >= width {
			col -= width
			continue
		}
		return plan
	}
	return nil
}

// owns says whether a column number is one of these attachments'.
func (a *attachments) owns(col int) bool { return col >= a.base && col < a.base+a.width }

// column resolves a column reference in the query at hand, then in those around
// it.
func (b *binder) column(ref *ast.ColumnRef, c *exprContext) (*expr.Expr, error) {
	e, err := c.scope.column(ref)
	if err == nil {
		return e, nil
	}
	if code := sqlerr.Code(err); code != sqlerr.UndefinedColumn && code != sqlerr.UndefinedTable {
		return nil, err
	}
	if system, systemErr := b.systemColumn(ref, c.scope); system != nil || systemErr != nil {
		return system, systemErr
	}
	wholeRow := isWholeRow(ref, c.scope)
	level := 1
	for o := b.outer; o != nil; o = o.parent {
		if o.hidden {
			level++
			continue
		}
		wholeRow = wholeRow || isWholeRow(ref, o.context.scope)
		e, outerErr := o.context.scope.column(ref)
		if outerErr == nil {
			e.Col += level << outerShift
			return e, nil
		}
		if sqlerr.Code(outerErr) == sqlerr.AmbiguousColumn {
			return nil, outerErr
		}
		level++
	}
	if wholeRow {
		return nil, notSupported(ref.Position(), "a whole row (%q) as a value is not supported yet", ref.Name).
			WithHint("Name its columns, or write %s.* in a select list.", ast.QuoteIdent(ref.Name))
	}
	return nil, err
}

// isWholeRow says whether a name that is no column's is a relation's.
func isWholeRow(ref *ast.ColumnRef, s *scope) bool {
	return len(ref.Qualifier) == 0 && s.hasRelation(ref.Name)
}

// bindInner binds a subquery of an expression. Its order means nothing without
// a limit.
func (b *binder) bindInner(q *ast.SelectStmt, c *exprContext) (*Query, error) {
	if c.subqueries == nil {
		return nil, notSupported(q.Position(), "a subquery in %s is not supported yet", c.clause)
	}
	b.outer = &outerQuery{context: c, parent: b.outer}
	defer func() { b.outer = b.outer.parent }()
	return b.bindQuery(q, c.scope.ctes)
}

// rowsOf is the plan of a query's visible rows.
func rowsOf(q *Query) Node {
	if q.Limit == nil && q.Offset == nil {
		return q.visible()
	}
	top := &TopK{Input: q.Root, Order: q.Order, Limit: q.Limit, Offset: q.Offset}
	return (&Query{Root: top, Names: q.Names}).visible()
}

// scalarSubquery binds (SELECT ...): NULL without row, 21000 with several.
func (b *binder) scalarSubquery(e *ast.SubqueryExpr, c *exprContext) (*expr.Expr, error) {
	q, err := b.bindInner(e.Query, c)
	if err != nil {
		return nil, err
	}
	if len(q.Names) != 1 {
		return nil, sqlerr.New(sqlerr.SyntaxError, "subquery must return only one column").At(e.Position())
	}
	rows, t := rowsOf(q), q.Types()[0]
	if atMostOneRow(rows) {
		return expr.Column(c.subqueries.add(rows), t), nil
	}
	if b.env.InView {
		return nil, notSupported(e.Position(), "a subquery that may return several rows is not supported in a materialized view").
			WithHint("Use an aggregate such as max() in the subquery.")
	}
	value := expr.Column(0, t)
	pick, restore, err := b.anyValue(value)
	if err != nil {
		return nil, err
	}
	count, err := countRows()
	if err != nil {
		return nil, err
	}
	at := c.subqueries.add(&Aggregate{Input: rows, Calls: []Call{pick, count}})
	single, err := b.internalCall("at_most_one_row(int8)", types.Bool, expr.Column(at+1, types.Int8))
	if err != nil {
		return nil, err
	}
	picked, err := restore(expr.Column(at, pick.Func.Ret))
	if err != nil {
		return nil, err
	}
	return &expr.Expr{Op: expr.OpCase, Type: t, Args: []*expr.Expr{single, picked, expr.Constant(t, types.NullDatum())}}, nil
}

// atMostOneRow says whether a plan has never more than one row (for one row of
// the query around it).
func atMostOneRow(n Node) bool {
	switch n := n.(type) {
	case *Aggregate:
		return len(n.Keys) == 0
	case *Map:
		return atMostOneRow(n.Input)
	case *Values:
		return len(n.Rows) <= 1
	case *TopK:
		return n.Limit != nil && n.Limit.Op == expr.OpConst && !n.Limit.Const.Null && n.Limit.Const.Int <= 1
	}
	return false
}

// anyValue makes the aggregate that returns the value of a single row; types
// without min go through text. restore gives its result the value's type.
func (b *binder) anyValue(value *expr.Expr) (call Call, restore func(*expr.Expr) (*expr.Expr, error), err error) {
	arg := value
	f, argTypes, err := operator.ResolveAggregate("min", []types.Type{value.Type}, false)
	if err != nil || argTypes[0].Base() != value.Type.Base() {
		if arg, err = expr.CoerceIn(b.env.Expr, value, types.Text, expr.Explicit); err != nil {
			return Call{}, nil, err
		}
		if f, _, err = operator.ResolveAggregate("min", []types.Type{types.Text}, false); err != nil {
			return Call{}, nil, err
		}
	}
	restore = func(e *expr.Expr) (*expr.Expr, error) {
		if e.Type.Base() == value.Type.Base() {
			return e, nil
		}
		return expr.CoerceIn(b.env.Expr, e, value.Type, expr.Explicit)
	}
	return Call{Func: f, Args: []*expr.Expr{arg}}, restore, nil
}

func countRows() (Call, error) {
	f, _, err := operator.ResolveAggregate("count", nil, true)
	return Call{Func: f}, err
}

func countValues(e *expr.Expr) (Call, error) {
	f, _, err := operator.ResolveAggregate("count", []types.Type{e.Type}, false)
	return Call{Func: f, Args: []*expr.Expr{e}}, err
}

func boolAggregate(name string, e *expr.Expr) (Call, error) {
	f, _, err := operator.ResolveAggregate(name, []types.Type{types.Bool}, false)
	return Call{Func: f, Args: []*expr.Expr{e}}, err
}

// internalCall calls a function that SQL has no name for.
func (b *binder) internalCall(signature string, ret types.Type, args ...*expr.Expr) (*expr.Expr, error) {
	if _, ok := expr.Lookup(signature); !ok {
		return nil, sqlerr.New(sqlerr.InternalError, "function %s is not registered", signature)
	}
	return &expr.Expr{Op: expr.OpCall, Type: ret, Func: signature, Args: args}, nil
}

// exists binds EXISTS (SELECT ...).
func (b *binder) exists(e *ast.ExistsExpr, c *exprContext) (*expr.Expr, error) {
	q, err := b.bindInner(e.Query, c)
	if err != nil {
		return nil, err
	}
	rows := q.Root
	if q.Limit != nil || q.Offset != nil {
		rows = rowsOf(q)
		if q.Offset == nil && q.Limit.Op == expr.OpConst && (q.Limit.Const.Null || q.Limit.Const.Int > 0) {
			rows = q.Root // any positive limit leaves the answer as it is
		}
	}
	return attachExists(rows, c)
}

// attachExists is true where the plan has a row.
func attachExists(rows Node, c *exprContext) (*expr.Expr, error) {
	count, err := countRows()
	if err != nil {
		return nil, err
	}
	n := expr.Column(c.subqueries.add(&Aggregate{Input: rows, Calls: []Call{count}}), types.Int8)
	return moreThan(n, zero())
}

func zero() *expr.Expr { return expr.Constant(types.Int8, types.Datum{}) }

// moreThan is n > m, NULL counting as 0.
func moreThan(n, m *expr.Expr) (*expr.Expr, error) { return expr.Comparable(">", orZero(n), orZero(m)) }

func orZero(n *expr.Expr) *expr.Expr {
	if n.Op == expr.OpConst {
		return n
	}
	return &expr.Expr{Op: expr.OpCoalesce, Type: types.Int8, Args: []*expr.Expr{n, zero()}}
}

// inSubquery binds x IN (SELECT ...). Where only true counts, in a filter, NULL
// and false are the same.
func (b *binder) inSubquery(left ast.Expr, query *ast.SelectStmt, c *exprContext, filter bool) (*expr.Expr, error) {
	x, err := b.expr(left, c)
	if err != nil {
		return nil, err
	}
	q, err := b.bindInner(query, c)
	if err != nil {
		return nil, err
	}
	if len(q.Names) != 1 {
		return nil, sqlerr.New(sqlerr.SyntaxError, "subquery has too many columns").At(left.Position())
	}
	rows := rowsOf(q)
	value := expr.Column(0, rows.Types()[0])
	equal, err := b.operator("=", liftOuter(x), value, left.Position())
	if err != nil {
		return nil, err
	}
	found, err := attachExists(&Map{Input: rows, Filter: equal}, c)
	if err != nil || filter {
		return found, err
	}
	all, err := countRows()
	if err != nil {
		return nil, err
	}
	known, err := countValues(value)
	if err != nil {
		return nil, err
	}
	at := c.subqueries.add(&Aggregate{Input: rows, Calls: []Call{all, known}})
	n, notNull := expr.Column(at, types.Int8), expr.Column(at+1, types.Int8)
	if x, err = b.settle(x); err != nil {
		return nil, err
	}
	return membership(found, x, n, notNull)
}

// membership is IN over a set of n values, notNull of which are not NULL.
func membership(found, x, n, notNull *expr.Expr) (*expr.Expr, error) {
	some, err := moreThan(n, zero())
	if err != nil {
		return nil, err
	}
	nulls, err := moreThan(n, notNull)
	if err != nil {
		return nil, err
	}
	unknown := &expr.Expr{Op: expr.OpAnd, Type: types.Bool, Args: []*expr.Expr{some,
		{Op: expr.OpOr, Type: types.Bool, Args: []*expr.Expr{isNull(x), nulls}}}}
	return threeValued(found, true, unknown), nil
}

// threeValued is value where decided, NULL where unknown, else not value.
func threeValued(decided *expr.Expr, value bool, unknown *expr.Expr) *expr.Expr {
	truth := func(v bool) *expr.Expr { return expr.Constant(types.Bool, types.Datum{Bool: v}) }
	return &expr.Expr{Op: expr.OpCase, Type: types.Bool, Args: []*expr.Expr{
		decided, truth(value), unknown, expr.Constant(types.Bool, types.NullDatum()), truth(!value)}}
}

// quantifiedSubquery binds x op ANY|ALL (SELECT ...).
func (b *binder) quantifiedSubquery(e *ast.QuantifiedExpr, c *exprContext) (*expr.Expr, error) {
	switch {
	case e.Op == "=" && !e.All:
		return b.inSubquery(e.Left, e.Query, c, false)
	case (e.Op == "<>" || e.Op == "!=") && e.All:
		in, err := b.inSubquery(e.Left, e.Query, c, false)
		if err != nil {
			return nil, err
		}
		return not(in), nil
	}
	x, err := b.expr(e.Left, c)
	if err != nil {
		return nil, err
	}
	q, err := b.bindInner(e.Query, c)
	if err != nil {
		return nil, err
	}
	if len(q.Names) != 1 {
		return nil, sqlerr.New(sqlerr.SyntaxError, "subquery has too many columns").At(e.Position())
	}
	rows := rowsOf(q)
	holds, err := b.quantifiedOperator(e, liftOuter(x), expr.Column(0, rows.Types()[0]))
	if err != nil {
		return nil, err
	}
	return attachQuantified(rows, holds, e.All, c)
}

// attachQuantified aggregates a condition over the rows of a plan.
func attachQuantified(rows Node, holds *expr.Expr, all bool, c *exprContext) (*expr.Expr, error) {
	name := "bool_or"
	if all {
		name = "bool_and"
	}
	fold, err := boolAggregate(name, expr.Column(0, types.Bool))
	if err != nil {
		return nil, err
	}
	n, err := countRows()
	if err != nil {
		return nil, err
	}
	known, err := countValues(expr.Column(0, types.Bool))
	if err != nil {
		return nil, err
	}
	at := c.subqueries.add(&Aggregate{Input: &Map{Input: rows, Project: []*expr.Expr{holds}}, Calls: []Call{fold, n, known}})
	decided := expr.Column(at, types.Bool)
	if all {
		decided = not(decided)
	}
	unknown, err := moreThan(expr.Column(at+1, types.Int8), expr.Column(at+2, types.Int8))
	if err != nil {
		return nil, err
	}
	return threeValued(decided, !all, unknown), nil
}

// quantifiedOperator applies the operator of ANY and ALL, LIKE among them.
func (b *binder) quantifiedOperator(e *ast.QuantifiedExpr, left, right *expr.Expr) (*expr.Expr, error) {
	op := e.Op
	if name, ok := map[string]string{"LIKE": "~~", "NOT LIKE": "!~~", "ILIKE": "~~*", "NOT ILIKE": "!~~*"}[op]; ok {
		op = name
	}
	out, err := b.operator(op, left, right, e.Position())
	if err == nil && out.Type.Base() != types.Bool {
		err = sqlerr.New(sqlerr.WrongObjectType, "op ANY/ALL (array) requires operator to yield boolean").At(e.Position())
	}
	return out, err
}

// arraySubquery binds ARRAY(SELECT ...).
func (b *binder) arraySubquery(e *ast.ArraySubquery, c *exprContext) (*expr.Expr, error) {
	q, err := b.bindInner(e.Query, c)
	if err != nil {
		return nil, err
	}
	if len(q.Names) != 1 {
		return nil, sqlerr.New(sqlerr.SyntaxError, "subquery must return only one column").At(e.Position())
	}
	elem := q.Types()[0]
	array := elem.Array()
	if array == 0 && isText(elem) || elem.Base() == types.Char || elem.Base() == types.BPChar {
		array = types.TextArray
	}
	if array == 0 {
		return nil, notSupported(e.Position(), "arrays of type %s are not supported", elem.Base())
	}
	none, err := types.ParseText(array, []byte("{}"), nil)
	if err != nil {
		return nil, err
	}
	empty := expr.Constant(array, none)
	if isEmpty(q.Root) {
		return empty, nil
	}
	rows := q.Root
	if q.Limit != nil || q.Offset != nil {
		rows = &TopK{Input: q.Root, Order: q.Order, Limit: q.Limit, Offset: q.Offset}
	}
	value := expr.Column(0, elem)
	if elem.Base() != array.Elem() {
		if value, err = expr.CoerceIn(b.env.Expr, value, array.Elem(), expr.Explicit); err != nil {
			return nil, err
		}
	}
	f, _, err := operator.ResolveAggregate("array_agg", []types.Type{array.Elem()}, false)
	if err != nil {
		return nil, err
	}
	call := Call{Func: f, Args: []*expr.Expr{value}}
	ts := rows.Types()
	for _, o := range q.Order {
		call.Args = append(call.Args, expr.Column(o.Column, ts[o.Column]))
		call.Order = append(call.Order, Order{Column: len(call.Args) - 1, Desc: o.Desc, NullsFirst: o.NullsFirst})
	}
	at := c.subqueries.add(&Aggregate{Input: rows, Calls: []Call{call}})
	return &expr.Expr{Op: expr.OpCoalesce, Type: array, Args: []*expr.Expr{expr.Column(at, array), empty}}, nil
}

// liftOuter turns an expression over a row into one that stands in a subquery
// of it: each column becomes that of the query around.
func liftOuter(e *expr.Expr) *expr.Expr {
	return expr.RemapColumns(e, func(col int) int { return col + 1<<outerShift })
}

// attach joins the attachments to the rows of input: its columns, then theirs.
// number gives an outer column its expression over input; nil: the column
// itself.
func (a *attachments) attach(input Node, number func(col int, t types.Type) (*expr.Expr, error)) (Node, error) {
	node, n := input, len(input.Types())
	for _, plan := range a.plans {
		width := len(node.Types())
		joined, domain, err := attachOne(node, input, plan, number)
		if err != nil {
			return nil, err
		}
		// The domain's columns stand between the row and the attachment.
		project := identityOr(nil, node)
		for i, t := range plan.Types() {
			project = append(project, expr.Column(width+domain+i, t))
		}
		node = &Map{Input: joined, Project: project}
	}
	if len(node.Types()) != n+a.width {
		return nil, sqlerr.New(sqlerr.InternalError, "subqueries were attached wrongly")
	}
	return node, nil
}

// attachOne joins one attachment to node; base is node without the attachments
// before.
func attachOne(node, base, plan Node, number func(int, types.Type) (*expr.Expr, error)) (joined Node, domain int, err error) {
	if isEmpty(base) {
		return &Join{Kind: LeftJoin, Left: node, Right: &Values{Columns: plan.Types()}}, 0, nil
	}
	refs, err := outerColumns(plan)
	if err != nil {
		return nil, 0, err
	}
	if len(refs) == 0 {
		right, err := (&unnester{}).lower(plan)
		return &Join{Kind: LeftJoin, Left: node, Right: right}, 0, err
	}
	u := &unnester{refs: map[int]int{}}
	var keys []*expr.Expr
	for i, r := range refs {
		key := expr.Column(r.Col, r.Type)
		if number != nil {
			if key, err = number(r.Col, r.Type); err != nil {
				return nil, 0, err
			}
		} else if r.Col >= firstAggregate {
			return nil, 0, notSupported(r.Pos, "a subquery over another subquery's result is not supported yet")
		}
		keys = append(keys, key)
		u.refs[r.Col] = i
	}
	u.domain = &Aggregate{Input: base, Keys: keys}
	right, err := u.top(plan)
	if err != nil {
		return nil, 0, err
	}
	width := len(node.Types())
	var on *expr.Expr
	for i, k := range keys {
		same, err := sameValue(k, expr.Column(width+i, k.Type))
		if err != nil {
			return nil, 0, err
		}
		on = and(on, same)
	}
	return &Join{Kind: LeftJoin, Left: node, Right: right, On: on}, len(keys), nil
}

// replace attaches the subqueries to input and gives the expressions that use
// them their columns.
func (a *attachments) replace(input Node, number func(int, types.Type) (*expr.Expr, error), es []*expr.Expr, set func([]*expr.Expr)) (Node, error) {
	if len(a.plans) == 0 {
		return input, nil
	}
	n := len(input.Types())
	attached, err := a.attach(input, number)
	if err != nil {
		return nil, err
	}
	out := make([]*expr.Expr, len(es))
	for i, e := range es {
		out[i] = a.resolve(e, n)
	}
	set(out)
	return attached, nil
}

// resolve replaces the attachments' numbers by columns from n on.
func (a *attachments) resolve(e *expr.Expr, n int) *expr.Expr {
	return expr.RemapColumns(e, func(col int) int {
		if a.owns(col) {
			return n + col - a.base
		}
		return col
	})
}

// uses says whether an expression uses an attachment.
func (a *attachments) uses(e *expr.Expr) bool {
	found := false
	expr.Walk(e, func(e *expr.Expr) bool {
		found = found || e.Op == expr.OpColumn && a.owns(e.Col)
		return !found
	})
	return found
}

// attachInput attaches the subqueries in arguments of aggregates.
func (s *selectBinder) attachInput(input Node) (Node, error) {
	n := len(input.Types())
	calls := s.aggs.calls
	return s.inputSubqueries.replace(input, nil, nil, func([]*expr.Expr) {
		for i := range calls {
			for j, arg := range calls[i].Args {
				calls[i].Args[j] = s.inputSubqueries.resolve(arg, n)
			}
			if calls[i].Filter != nil {
				calls[i].Filter = s.inputSubqueries.resolve(calls[i].Filter, n)
			}
		}
	})
}

// filterBy filters rows by WHERE: first by the conditions without subqueries,
// so that these are computed for few rows.
func (s *selectBinder) filterBy(input Node, where ast.Expr) (Node, error) {
	list, construct := []ast.Expr{where}, "WHERE"
	if chain, ok := where.(*ast.AndExpr); ok {
		list, construct = chain.Args, "AND"
	}
	c := &exprContext{scope: s.scope, clause: "WHERE", subqueries: &attachments{base: firstSubquery}}
	var plain, rest *expr.Expr
	for _, e := range list {
		condition, err := s.filterCondition(e, c, construct)
		if err != nil {
			return nil, err
		}
		if c.subqueries.uses(condition) {
			rest = and(rest, condition)
		} else {
			plain = and(plain, condition)
		}
	}
	if plain != nil {
		input = &Map{Input: input, Filter: plain}
	}
	if rest == nil {
		return input, nil
	}
	columns := identityOr(nil, input)
	attached, err := c.subqueries.replace(input, nil, []*expr.Expr{rest}, func(es []*expr.Expr) { rest = es[0] })
	if err != nil {
		return nil, err
	}
	return &Map{Input: attached, Filter: rest, Project: columns}, nil
}

// filterCondition binds one condition of a filter, where NULL is as good as
// false.
func (s *selectBinder) filterCondition(e ast.Expr, c *exprContext, construct string) (*expr.Expr, error) {
	if in, ok := e.(*ast.InExpr); ok && in.Query != nil && !in.Not {
		return s.inSubquery(in.Expr, in.Query, c, true)
	}
	return s.condition(e, c, construct)
}

// readsOuter says whether a plan reads columns of any query around it.
func readsOuter(n Node) bool {
	found := false
	mapExprs(n, func(e *expr.Expr) *expr.Expr {
		expr.Walk(e, func(e *expr.Expr) bool {
			found = found || e.Op == expr.OpColumn && isOuter(e.Col)
			return !found
		})
		return e
	})
	return found
}

// subqueryName is the name of a subquery's only column.
func subqueryName(q *ast.SelectStmt) string {
	if sel, ok := q.Body.(*ast.Select); ok && len(sel.Targets) > 0 {
		if t := sel.Targets[0]; t.Alias != "" {
			return t.Alias
		}
		return outputName(sel.Targets[0].Expr)
	}
	return noName
}

// rowComparison binds (a, b) = (c, d) and <>, column by column.
func (b *binder) rowComparison(e *ast.BinaryExpr, left *ast.RowExpr, c *exprContext) (*expr.Expr, error) {
	right, ok := e.Right.(*ast.RowExpr)
	if !ok || e.Op != "=" && e.Op != "<>" && e.Op != "!=" {
		return nil, b.unsupported(left)
	}
	if len(left.Args) != len(right.Args) {
		return nil, sqlerr.New(sqlerr.SyntaxError, "unequal number of entries in row expressions").At(e.Position())
	}
	out := &expr.Expr{Op: expr.OpAnd, Type: types.Bool}
	if e.Op != "=" {
		out.Op = expr.OpOr
	}
	for i := range left.Args {
		pair, err := b.exprs([]ast.Expr{left.Args[i], right.Args[i]}, c)
		if err != nil {
			return nil, err
		}
		same, err := b.operator(e.Op, pair[0], pair[1], e.Position())
		if err != nil {
			return nil, err
		}
		out.Args = append(out.Args, same)
	}
	if len(out.Args) == 1 {
		return out.Args[0], nil
	}
	return out, nil
}
