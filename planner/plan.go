package planner

import (
	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// Node is one operator of a plan. A plan is a tree of immutable nodes; rules
// build new ones.
type Node interface {
	// Types returns the types of the output columns.
	Types() []types.Type
	// Inputs returns the nodes below.
	Inputs() []Node
}

// Scan reads a relation. Columns lists which of its columns are put out, in
// order.
type Scan struct {
	Relation *catalog.Object
	Columns  []int
}

// Types implements Node.
func (s *Scan) Types() []types.Type {
	out := make([]types.Type, len(s.Columns))
	for i, c := range s.Columns {
		out[i] = s.Relation.Columns[c].Type
	}
	return out
}

// Inputs implements Node.
func (s *Scan) Inputs() []Node { return nil }

// Values puts out constant rows.
type Values struct {
	Columns []types.Type
	Rows    [][]*expr.Expr // without column references
}

// Types implements Node.
func (v *Values) Types() []types.Type { return v.Columns }

// Inputs implements Node.
func (v *Values) Inputs() []Node { return nil }

// Map filters, then projects. A nil Filter keeps all rows, a nil Project all
// columns.
type Map struct {
	Input   Node
	Filter  *expr.Expr
	Project []*expr.Expr
}

// Types implements Node.
func (m *Map) Types() []types.Type {
	if m.Project == nil {
		return m.Input.Types()
	}
	out := make([]types.Type, len(m.Project))
	for i, e := range m.Project {
		out[i] = e.Type
	}
	return out
}

// Inputs implements Node.
func (m *Map) Inputs() []Node { return []Node{m.Input} }

// Aggregate groups by Keys and puts out the keys, then one column a call.
// Without keys it puts out one row, also over no input.
type Aggregate struct {
	Input Node
	Keys  []*expr.Expr
	Calls []Call
	// Closes: groups are freed by their first key, a timestamp; nil: they stay.
	Closes *operator.GroupClosing
}

// Call is one aggregate call over expressions of the input.
type Call struct {
	Func     operator.AggregateFunc
	Args     []*expr.Expr
	Distinct bool
	Filter   *expr.Expr // nil: all rows
	// Order orders the rows of array_agg by arguments, by their place in Args:
	// those behind the function's own.
	Order []Order
}

// Types implements Node.
func (a *Aggregate) Types() []types.Type {
	var out []types.Type
	for _, k := range a.Keys {
		out = append(out, k.Type)
	}
	for _, c := range a.Calls {
		out = append(out, c.Func.Ret)
	}
	return out
}

// Inputs implements Node.
func (a *Aggregate) Inputs() []Node { return []Node{a.Input} }

// Order is one ORDER BY key over the query's output and hidden columns.
type Order struct {
	Column     int
	Desc       bool
	NullsFirst bool
}

// Query is a bound query: a plan, the names of its visible columns, and the
// order and limits of its result. Columns behind len(Names) are hidden: they
// exist for ORDER BY alone.
type Query struct {
	Root   Node
	Names  []string
	Order  []Order
	Limit  *expr.Expr // nil: none; int8 constant or parameter
	Offset *expr.Expr
	Params []types.Type // types of $1, $2, ... as given or inferred
	Views  []catalog.ID // plain views whose queries took the place of their names
	// Retention, of a view: its rows leave by the clock; over the visible columns.
	Retention *expr.ClockBound
	// Late, of a view: what it does with rows that come late; Lateness, by stream, is
	// how they are judged, nil for those with neither windows nor grace.
	Late     catalog.LatePolicy
	Lateness map[catalog.ID]*dataflow.Lateness
}

// Types returns the types of the visible columns.
func (q *Query) Types() []types.Type { return q.Root.Types()[:len(q.Names)] }

// Union puts out the rows of all its sides (UNION ALL).
type Union struct {
	Sides []Node
}

// Types implements Node.
func (u *Union) Types() []types.Type { return u.Sides[0].Types() }

// Inputs implements Node.
func (u *Union) Inputs() []Node { return u.Sides }

// Temporal passes on the rows whose time it is: the clock is within all bounds,
// which are over the columns of the input.
type Temporal struct {
	Input  Node
	Bounds []expr.ClockBound
	// Streams, if there are any, have the clock: it is their least watermark.
	Streams []catalog.ID
	// Forgets: the clock is the view's horizon, and rows are taken out of the state of a
	// join, not out of its result. Those without time stay.
	Forgets bool
}

// Types implements Node.
func (t *Temporal) Types() []types.Type { return t.Input.Types() }

// Inputs implements Node.
func (t *Temporal) Inputs() []Node { return []Node{t.Input} }

// TopK keeps the first rows in an order; rows equal in it are ordered by their
// bytes. A nil Limit is none.
type TopK struct {
	Input  Node
	Order  []Order
	Limit  *expr.Expr
	Offset *expr.Expr
}

// Types implements Node.
func (t *TopK) Types() []types.Type { return t.Input.Types() }

// Inputs implements Node.
func (t *TopK) Inputs() []Node { return []Node{t.Input} }

// JoinKind says which rows without a partner a join keeps.
type JoinKind string

// The joins of plans; right joins are left joins with swapped sides.
const (
	InnerJoin JoinKind = "inner"
	LeftJoin  JoinKind = "left"
	FullJoin  JoinKind = "full"
	SemiJoin  JoinKind = "semi" // left rows with a partner, alone
	AntiJoin  JoinKind = "anti" // left rows without a partner, alone
	// FOR SYSTEM_TIME AS OF PROCTIME(): left rows, which only come, with the right row of
	// that moment.
	LookupJoin     JoinKind = "lookup"
	LeftLookupJoin JoinKind = "left lookup"
)

func (k JoinKind) lookup() bool { return k == LookupJoin || k == LeftLookupJoin }

// Join puts the columns of Left before those of Right, for the pairs of rows
// for which On is true (nil: all pairs).
type Join struct {
	Kind  JoinKind
	Left  Node
	Right Node
	On    *expr.Expr // over the columns of both
}

// Types implements Node.
func (j *Join) Types() []types.Type {
	if j.Kind == SemiJoin || j.Kind == AntiJoin {
		return j.Left.Types()
	}
	return append(append([]types.Type(nil), j.Left.Types()...), j.Right.Types()...)
}

// Inputs implements Node.
func (j *Join) Inputs() []Node { return []Node{j.Left, j.Right} }
