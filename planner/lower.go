package planner

import (
	"slices"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// lowerer turns a plan into a dataflow graph.
type lowerer struct {
	graph dataflow.Graph
	// newArr gives out arrangements for operator state.
	newArr func() storage.Arrangement
	env    *expr.Env
	view   bool   // the graph stays: joins may read what other relations store
	late   *Query // the view whose late rows may be left out; nil: none
	// lookups: rows depend on when they were computed.
	lookups bool
}

// columnSet says which columns of a node are read above it.
type columnSet []bool

func allColumns(n int) columnSet {
	s := make(columnSet, n)
	for i := range s {
		s[i] = true
	}
	return s
}

// read marks the columns that an expression reads.
func (s columnSet) read(e *expr.Expr) {
	if e == nil {
		return
	}
	expr.Walk(e, func(n *expr.Expr) bool {
		if n.Op == expr.OpColumn {
			s[n.Col] = true
		}
		return true
	})
}

func (l *lowerer) add(n dataflow.Node) int {
	l.graph.Nodes = append(l.graph.Nodes, n)
	return len(l.graph.Nodes) - 1
}

// lower adds the nodes of a plan and returns the index of its output, whose
// columns in need are valid.
func (l *lowerer) lower(n Node, need columnSet) (int, error) {
	switch n := n.(type) {
	case *Scan:
		return l.scan(n, need), nil
	case *Values:
		return l.values(n)
	case *Map:
		return l.mapNode(n, need)
	case *Aggregate:
		return l.aggregate(n, nil)
	case *Union:
		return l.union(n)
	case *Join:
		return l.join(n)
	case *TableFunction:
		return l.tableFunction(n)
	case *TopK:
		return l.topK(n)
	case *Temporal, *Window, *Session:
		return l.restored(n, need)
	}
	return 0, sqlerr.New(sqlerr.InternalError, "plan node %T cannot be lowered", n)
}

func (l *lowerer) scan(s *Scan, need columnSet) int {
	ts := s.Relation.Types()
	input := &dataflow.RelationInput{Relation: dataflow.RelationID(s.Relation.ID), Types: ts}
	need = l.judged(input, s.Relation, need)
	if slices.Contains(need, false) || len(need) < len(ts) {
		input.Need = []int{}
		for i, used := range need {
			if used {
				input.Need = append(input.Need, i)
			}
		}
	}
	at := l.add(dataflow.Node{Relation: input})
	if len(s.Columns) == len(ts) {
		return at
	}
	spec := &operator.MapSpec{Input: ts, Project: []*expr.Expr{}} // without the hidden column
	for _, c := range s.Columns {
		spec.Project = append(spec.Project, expr.Column(c, ts[c]))
	}
	return l.add(dataflow.Node{Inputs: []int{at}, Map: spec})
}

// values evaluates constant rows; an expression that fails is the statement's
// error.
func (l *lowerer) values(v *Values) (int, error) {
	out := &dataflow.ValuesInput{Types: v.Columns, Rows: make([][]byte, 0, len(v.Rows))}
	for _, row := range v.Rows {
		datums := make([]types.Datum, len(row))
		for i, e := range row {
			var err error
			if datums[i], err = expr.EvalConst(e, l.env); err != nil {
				return 0, err
			}
		}
		out.Rows = append(out.Rows, zset.AppendRowDatums(nil, v.Columns, datums))
	}
	return l.add(dataflow.Node{Values: out}), nil
}

// mapNode lowers a filter and projection; above an aggregate it becomes part
// of it.
func (l *lowerer) mapNode(m *Map, above columnSet) (int, error) {
	m = withoutUnread(m, above)
	if a, ok := m.Input.(*Aggregate); ok {
		return l.aggregate(a, m)
	}
	input := m.Input.Types()
	need := make(columnSet, len(input))
	need.read(m.Filter)
	for i, e := range m.Project {
		if above[i] {
			need.read(e)
		}
	}
	for c := range input {
		need[c] = need[c] || m.Project == nil && above[c]
	}
	if isPruned(m.Input) && m.Project != nil {
		return l.mapPruned(m, need)
	}
	below, err := l.lower(m.Input, need)
	if err != nil {
		return 0, err
	}
	spec := &operator.MapSpec{Input: input, Filter: m.Filter, Project: m.Project}
	return l.add(dataflow.Node{Inputs: []int{below}, Map: spec}), nil
}

// withoutUnread puts NULL in place of computed columns that nothing above reads:
// they cost nothing then and cannot fail.
func withoutUnread(m *Map, above columnSet) *Map {
	out := m
	for i, e := range m.Project {
		if above[i] || e.Op == expr.OpColumn || e.Op == expr.OpConst {
			continue
		}
		if out == m {
			out = &Map{Input: m.Input, Filter: m.Filter, Project: slices.Clone(m.Project)}
		}
		out.Project[i] = expr.Constant(e.Type, types.NullDatum())
	}
	return out
}

func (l *lowerer) union(u *Union) (int, error) {
	node := dataflow.Node{Union: &operator.UnionSpec{Input: u.Types(), Sides: len(u.Sides)}}
	for _, side := range u.Sides {
		at, err := l.lower(side, allColumns(len(side.Types())))
		if err != nil {
			return 0, err
		}
		node.Inputs = append(node.Inputs, at)
	}
	return l.add(node), nil
}

// topK lowers ORDER BY ... LIMIT inside a query; its bounds are constants.
func (l *lowerer) topK(t *TopK) (int, error) {
	spec := &operator.TopKSpec{Input: t.Types(), AppendOnly: appendOnly(t.Input), Arr: l.newArr()}
	var err error
	if spec.Limit, err = limitValue(t.Limit, l.env, -1, sqlerr.InvalidRowCountInLimit, "LIMIT"); err != nil {
		return 0, err
	}
	if spec.Offset, err = limitValue(t.Offset, l.env, 0, sqlerr.InvalidRowCountInOffset, "OFFSET"); err != nil {
		return 0, err
	}
	for _, o := range t.Order {
		spec.Order = append(spec.Order, operator.OrderKey{Column: o.Column, Desc: o.Desc, NullsFirst: o.NullsFirst})
	}
	below, err := l.lower(t.Input, allColumns(len(t.Types())))
	if err != nil {
		return 0, err
	}
	return l.add(dataflow.Node{Inputs: []int{below}, TopK: spec}), nil
}

// aggregate lowers a group-by. Its input is projected to keys and arguments
// unless they are plain columns already; tail (may be nil) is the map above.
func (l *lowerer) aggregate(a *Aggregate, tail *Map) (int, error) {
	exprs, index := aggregateInputs(a)
	input := a.Input
	column := func(e *expr.Expr) int { return index[e] }
	if plain(exprs) && !prunes(a.Input) {
		column = func(e *expr.Expr) int { return e.Col }
	} else {
		input = Optimize(&Map{Input: input, Project: exprs})
	}
	spec := &operator.AggregateSpec{
		Input:      input.Types(),
		Keys:       []int{},
		AppendOnly: appendOnly(input),
		Closes:     a.Closes,
		Arr:        l.newArr(),
		Multisets:  l.newArr(),
	}
	need := make(columnSet, len(spec.Input))
	use := func(e *expr.Expr) int {
		c := column(e)
		need[c] = true
		return c
	}
	for _, k := range a.Keys {
		spec.Keys = append(spec.Keys, use(k))
	}
	for _, c := range a.Calls {
		call := operator.AggregateCall{Func: c.Func.Signature(), Distinct: c.Distinct, Filter: -1, Type: c.Func.Ret, ArgTypes: typesOf(c.Args[:len(c.Func.Args)])}
		for i, arg := range c.Args {
			if i < len(c.Func.Args) {
				call.Args = append(call.Args, use(arg))
			}
		}
		for _, o := range c.Order {
			call.Order = append(call.Order, operator.OrderKey{Column: use(c.Args[o.Column]), Desc: o.Desc, NullsFirst: o.NullsFirst})
		}
		if c.Filter != nil {
			call.Filter = use(c.Filter)
		}
		spec.Calls = append(spec.Calls, call)
	}
	if tail != nil {
		spec.Tail = &operator.MapSpec{Input: a.Types(), Filter: tail.Filter, Project: tail.Project}
	}
	below, err := l.lower(input, need)
	if err != nil {
		return 0, err
	}
	return l.add(dataflow.Node{Inputs: []int{below}, Aggregate: spec}), nil
}

// aggregateInputs lists the distinct expressions that an aggregate reads, and
// the place of each.
func aggregateInputs(a *Aggregate) ([]*expr.Expr, map[*expr.Expr]int) {
	exprs := []*expr.Expr{}
	index := map[*expr.Expr]int{}
	add := func(e *expr.Expr) {
		for i, known := range exprs {
			if expr.Equal(known, e) {
				index[e] = i
				return
			}
		}
		index[e] = len(exprs)
		exprs = append(exprs, e)
	}
	for _, k := range a.Keys {
		add(k)
	}
	for _, c := range a.Calls {
		for _, arg := range c.Args {
			add(arg)
		}
		if c.Filter != nil {
			add(c.Filter)
		}
	}
	return exprs, index
}

// prunes says whether a node keeps fewer columns when a projection is above it.
func prunes(n Node) bool {
	switch n := n.(type) {
	case *Join, *Temporal, *Window, *Session:
		return true
	case *Map:
		return prunes(n.Input)
	}
	return false
}

func plain(es []*expr.Expr) bool {
	for _, e := range es {
		if e.Op != expr.OpColumn {
			return false
		}
	}
	return true
}

// appendOnly says whether a plan never retracts a row.
func appendOnly(n Node) bool {
	switch n := n.(type) {
	case *Scan:
		return n.Relation.AppendOnly
	case *Values:
		return true
	case *Map, *Union, *TableFunction, *Window:
		for _, in := range n.Inputs() {
			if !appendOnly(in) {
				return false
			}
		}
		return true
	case *Temporal:
		return !n.leaves() && appendOnly(n.Input)
	case *Join:
		return appendOnly(n.Left) && (n.Kind.lookup() || n.Kind == InnerJoin && appendOnly(n.Right))
	}
	return false
}
