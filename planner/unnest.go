package planner

import (
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// unnester turns a subquery that reads columns of the row around it into one
// that is computed for all such rows at once (T. Neumann, A. Kemper: Unnesting
// Arbitrary Queries, BTW 2015): its domain holds the distinct values of these
// columns, and each operator of the subquery carries them before its own
// columns.
type unnester struct {
	domain Node
	refs   map[int]int // outer column -> column of the domain
}

// outerColumns lists the distinct columns of the query around that a plan
// reads; Pos is where.
func outerColumns(n Node) ([]*expr.Expr, error) {
	var out []*expr.Expr
	seen := map[int]bool{}
	mapExprs(n, func(e *expr.Expr) *expr.Expr {
		expr.Walk(e, func(e *expr.Expr) bool {
			if col := e.Col - 1<<outerShift; e.Op == expr.OpColumn && e.Col>>outerShift == 1 && !seen[col] {
				seen[col] = true
				out = append(out, &expr.Expr{Op: expr.OpColumn, Col: col, Type: e.Type, Pos: e.Pos})
			}
			return true
		})
		return e
	})
	for _, e := range out {
		if zeroText(e.Type) == "" && e.Type.Kind() == types.KindBytes && e.Type.Category() != 'S' {
			return nil, notSupported(e.Pos, "a subquery cannot refer to a column of type %s around it", e.Type.Base())
		}
	}
	return out, nil
}

// correlated says whether a plan reads columns of the query right around it.
func correlated(n Node) bool {
	found := false
	mapExprs(n, func(e *expr.Expr) *expr.Expr {
		expr.Walk(e, func(e *expr.Expr) bool {
			found = found || e.Op == expr.OpColumn && e.Col>>outerShift == 1
			return !found
		})
		return e
	})
	return found
}

// lower takes one level off the outer columns of a plan that reads none of the
// first.
func (u *unnester) lower(n Node) (Node, error) {
	return mapExprs(n, func(e *expr.Expr) *expr.Expr {
		return expr.RemapColumns(e, func(col int) int {
			if isOuter(col) {
				return col - 1<<outerShift
			}
			return col
		})
	}), nil
}

// over rewrites an expression over a node to one over the node with the domain
// before it.
func (u *unnester) over(e *expr.Expr) *expr.Expr {
	if e == nil {
		return nil
	}
	return expr.RemapColumns(e, func(col int) int {
		switch {
		case col>>outerShift == 1:
			return u.refs[col-1<<outerShift]
		case isOuter(col):
			return col - 1<<outerShift
		}
		return col + len(u.refs)
	})
}

func (u *unnester) all(es []*expr.Expr) []*expr.Expr {
	out := make([]*expr.Expr, 0, len(es)+len(u.refs))
	for _, e := range es {
		out = append(out, u.over(e))
	}
	return out
}

// columns are the domain's columns, which stand first.
func (u *unnester) columns() []*expr.Expr { return identityOr(nil, u.domain)[:len(u.refs)] }

// top unnests the plan of an attachment: an aggregate without row for a value
// of the domain is what the left join above makes NULL.
func (u *unnester) top(n Node) (Node, error) {
	if a, ok := n.(*Aggregate); ok && len(a.Keys) == 0 {
		return u.grouped(a)
	}
	return u.apply(n)
}

// apply returns a plan with the domain's columns before n's: for each row of
// the domain the rows that n has for it.
func (u *unnester) apply(n Node) (Node, error) {
	if isUnitRow(n) {
		return u.domain, nil
	}
	if !correlated(n) {
		below, err := u.lower(n)
		return &Join{Kind: InnerJoin, Left: u.domain, Right: below}, err
	}
	switch n := n.(type) {
	case *Map:
		return u.mapNode(n)
	case *Aggregate:
		if len(n.Keys) == 0 {
			return u.scalarAggregate(n)
		}
		return u.grouped(n)
	case *Union:
		out := &Union{}
		for _, side := range n.Sides {
			s, err := u.apply(side)
			if err != nil {
				return nil, err
			}
			out.Sides = append(out.Sides, s)
		}
		return out, nil
	case *Join:
		return u.join(n)
	case *Values:
		return u.values(n)
	case *TopK:
		return nil, notSupported(-1, "LIMIT in a subquery that reads columns around it is not supported yet")
	case *TableFunction:
		in, err := u.apply(n.Input)
		if err != nil {
			return nil, err
		}
		return n.over(in, u.all), nil
	case *Window:
		in, err := u.apply(n.Input)
		if err != nil {
			return nil, err
		}
		return n.over(in, u.over(n.Time)), nil
	case *Session:
		in, err := u.apply(n.Input)
		if err != nil {
			return nil, err
		}
		out := n.over(in, u.over)
		out.Partition = append(u.columns(), out.Partition...)
		return out, nil
	}
	return nil, sqlerr.New(sqlerr.InternalError, "plan node %T cannot be unnested", n)
}

func (u *unnester) mapNode(m *Map) (Node, error) {
	in, err := u.apply(m.Input)
	if err != nil {
		return nil, err
	}
	out := &Map{Input: in, Filter: u.over(m.Filter)}
	if m.Project != nil {
		out.Project = append(u.columns(), u.all(m.Project)...)
	}
	return out, nil
}

// grouped computes an aggregate by value of the domain.
func (u *unnester) grouped(a *Aggregate) (Node, error) {
	in, err := u.apply(a.Input)
	if err != nil {
		return nil, err
	}
	out := &Aggregate{Input: in, Keys: append(u.columns(), u.all(a.Keys)...)}
	for _, c := range a.Calls {
		out.Calls = append(out.Calls, Call{Func: c.Func, Args: u.all(c.Args), Distinct: c.Distinct, Filter: u.over(c.Filter), Order: c.Order})
	}
	return out, nil
}

// scalarAggregate is an aggregate that has a row over no input, too: counts are
// 0 then, everything else NULL.
func (u *unnester) scalarAggregate(a *Aggregate) (Node, error) {
	right, err := u.grouped(a)
	if err != nil {
		return nil, err
	}
	n := len(u.refs)
	var on *expr.Expr
	for i, c := range u.columns() {
		same, err := sameValue(c, expr.Column(n+i, c.Type))
		if err != nil {
			return nil, err
		}
		on = and(on, same)
	}
	project := u.columns()
	for i, c := range a.Calls {
		value := expr.Column(2*n+i, c.Func.Ret)
		if c.Func.Name == "count" {
			value = orZero(value)
		}
		project = append(project, value)
	}
	return &Map{Input: &Join{Kind: LeftJoin, Left: u.domain, Right: right, On: on}, Project: project}, nil
}

// join carries the domain on the left side, and on the right one where that is
// correlated as well.
func (u *unnester) join(j *Join) (Node, error) {
	if j.Kind == FullJoin || j.Kind.lookup() {
		return nil, notSupported(-1, "FULL JOIN and FOR SYSTEM_TIME in a subquery that reads columns around it are not supported yet")
	}
	left, err := u.apply(j.Left)
	if err != nil {
		return nil, err
	}
	n, nl := len(u.refs), len(j.Left.Types())
	if !correlated(j.Right) {
		right, err := u.lower(j.Right)
		if err != nil {
			return nil, err
		}
		return &Join{Kind: j.Kind, Left: left, Right: right, On: u.over(j.On)}, nil
	}
	right, err := u.apply(j.Right)
	if err != nil {
		return nil, err
	}
	on := u.over(j.On)
	if on != nil {
		on = expr.RemapColumns(on, func(col int) int {
			if col >= n+nl && !isOuter(col) {
				return col + n // behind the right side's domain
			}
			return col
		})
	}
	for i, c := range u.columns() {
		same, err := sameValue(c, expr.Column(n+nl+i, c.Type))
		if err != nil {
			return nil, err
		}
		on = and(on, same)
	}
	joined := &Join{Kind: j.Kind, Left: left, Right: right, On: on}
	project := identityOr(nil, joined)
	return &Map{Input: joined, Project: append(project[:n+nl:n+nl], project[n+nl+n:]...)}, nil
}

// values makes rows of outer columns a union of projections.
func (u *unnester) values(v *Values) (Node, error) {
	out := &Union{}
	for _, row := range v.Rows {
		out.Sides = append(out.Sides, &Map{Input: u.domain, Project: append(u.columns(), u.all(row)...)})
	}
	if len(out.Sides) == 1 {
		return out.Sides[0], nil
	}
	return out, nil
}

// sameValue is a IS NOT DISTINCT FROM b as equalities, which a join can use as
// its key.
func sameValue(a, b *expr.Expr) (*expr.Expr, error) {
	z, err := zeroOf(a.Type)
	if err != nil {
		return nil, err
	}
	or := func(e *expr.Expr) *expr.Expr {
		return &expr.Expr{Op: expr.OpCoalesce, Type: e.Type, Args: []*expr.Expr{e, z}}
	}
	equal, err := expr.Comparable("=", or(a), or(b))
	if err != nil {
		return nil, err
	}
	null, err := expr.Comparable("=", isNull(a), isNull(b))
	if err != nil {
		return nil, err
	}
	return and(equal, null), nil
}

// zeroOf returns some value of a type.
func zeroOf(t types.Type) (*expr.Expr, error) {
	d := types.Datum{Bytes: []byte{}}
	if text := zeroText(t); text != "" {
		var err error
		if d, err = types.ParseText(t.Base(), []byte(text), nil); err != nil {
			return nil, err
		}
	}
	return expr.Constant(t, d), nil
}

// zeroText is the text of some value of a type whose zero datum is none.
func zeroText(t types.Type) string {
	switch {
	case t.IsArray():
		return "{}"
	case t.Base() == types.Numeric:
		return "0"
	case t.Base() == types.UUID:
		return "00000000-0000-0000-0000-000000000000"
	case t.Base() == types.JSONB:
		return "null"
	case t.Base() == types.TimeTZ:
		return "00:00+00"
	case t.Base() == types.Bytea:
		return `\x`
	case t.Base() == types.Char:
		return "x"
	}
	return ""
}
