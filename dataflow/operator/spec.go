package operator

import (
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// The specs below are the operators as data: the planner writes them, the
// catalog stores them as JSON inside a dataflow graph, New... makes an operator
// of them. Columns are named by index, so that graphs do not depend on names.

// MapSpec filters, then projects. Filter may be nil (all rows), Project may be
// nil (all columns).
type MapSpec struct {
	Input   []types.Type `json:"input"`
	Filter  *expr.Expr   `json:"filter,omitempty"`
	Project []*expr.Expr `json:"project,omitzero"` // nil: all columns; empty: none
}

// Output returns the types of the output columns.
func (m *MapSpec) Output() []types.Type {
	if m.Project == nil {
		return m.Input
	}
	out := make([]types.Type, len(m.Project))
	for i, e := range m.Project {
		out[i] = e.Type
	}
	return out
}

// AggregateCall is one aggregate. Args and Filter are input columns (the
// planner projects expressions below the aggregate first).
type AggregateCall struct {
	Func     string       `json:"func"` // signature in Aggregates, e.g. "sum(int8)", "count(*)"
	Args     []int        `json:"args,omitempty"`
	Distinct bool         `json:"distinct,omitempty"`
	Filter   int          `json:"filter"` // boolean input column, -1: none
	Type     types.Type   `json:"type"`
	ArgTypes []types.Type `json:"argTypes,omitempty"`
	Order    []OrderKey   `json:"order,omitempty"` // of the elements of array_agg, by input column
}

// AggregateSpec groups by key columns. The relation before the tail has the
// key columns first, then one column a call. The tail (HAVING and the select
// list) is part of the operator, so that its stored image is the row that
// clients read.
//
// State: one row a group in Arr, key bytes -> stored image: the output row
// bytes first where the group has one (readers decode it with
// DecodeGroupImage and ignore the rest), then what is needed to retract and to
// continue. Values that need a multiset (min/max unless AppendOnly, DISTINCT)
// live in Multisets, ordered.
//
// Without keys there is always one group, also over no input. With Closes groups are
// freed when no row can come to them any more.
type AggregateSpec struct {
	Input      []types.Type        `json:"input"`
	Keys       []int               `json:"keys"`
	Calls      []AggregateCall     `json:"calls"`
	Tail       *MapSpec            `json:"tail,omitempty"`
	AppendOnly bool                `json:"appendOnly,omitempty"` // the input never retracts
	Arr        storage.Arrangement `json:"arr"`
	Multisets  storage.Arrangement `json:"multisets,omitempty"`
	Closes     *GroupClosing       `json:"closes,omitempty"`
}

// Output returns the types of the output columns.
func (a *AggregateSpec) Output() []types.Type {
	if a.Tail != nil {
		return a.Tail.Output()
	}
	var out []types.Type
	for _, k := range a.Keys {
		out = append(out, a.Input[k])
	}
	for _, c := range a.Calls {
		out = append(out, c.Type)
	}
	return out
}

// MaterializeSpec stores its input as an arrangement that readers scan and
// passes the delta on. With Key it is keyed by these columns (unique among
// the rows); without, the key is the row and the image holds the multiplicity.
type MaterializeSpec struct {
	Input []types.Type        `json:"input"`
	Key   []int               `json:"key,omitempty"`
	Arr   storage.Arrangement `json:"arr"`
}

// Arrangements returns what the operator writes, the result first.
func (a *AggregateSpec) Arrangements() []storage.Arrangement {
	if a.Multisets == 0 {
		return []storage.Arrangement{a.Arr}
	}
	return []storage.Arrangement{a.Arr, a.Multisets}
}

// Arrangements returns what the operator writes.
func (m *MaterializeSpec) Arrangements() []storage.Arrangement {
	return []storage.Arrangement{m.Arr}
}

// UnionSpec adds up its inputs (UNION ALL); all have the same types.
type UnionSpec struct {
	Input []types.Type `json:"input"`
	Sides int          `json:"sides"`
}

// JoinKind says which rows without a partner a join keeps.
type JoinKind string

// The joins. A right join is a left join with swapped sides.
const (
	InnerJoin JoinKind = "inner"
	LeftJoin  JoinKind = "left" // NULLs beside left rows without partner
	FullJoin  JoinKind = "full" // NULLs beside rows of both sides without partner
	SemiJoin  JoinKind = "semi" // left rows with a partner, alone (EXISTS)
	AntiJoin  JoinKind = "anti" // left rows without a partner, alone (NOT EXISTS)
	// The joins of rows that only come with what the shared right side has at that moment,
	// after the epoch's changes: neither is remembered, and changes of the right side
	// alone put out nothing.
	LookupJoin     JoinKind = "lookup"
	LeftLookupJoin JoinKind = "left lookup"
)

// Lookup says whether the join only looks its right side up.
func (k JoinKind) Lookup() bool { return k == LookupJoin || k == LeftLookupJoin }

// pairsOnly says whether rows without a partner do not show.
func (k JoinKind) pairsOnly() bool { return k == InnerJoin || k == LookupJoin }

// JoinSpec joins two inputs: pairs of rows with equal keys (by SQL equality;
// NULL equals nothing) for which On, over the columns of both, is true. No key
// columns: all pairs. Semi and anti joins put out the left columns only.
//
// The key columns of both sides must have the same types, since they are
// compared by key bytes.
//
// State: each side's rows by key, in LeftArr and RightArr (see index). A side
// that is a stored relation under the same key has none (SharedSide); of the
// left sides only that of an inner join may be one, and only one of the two.
type JoinSpec struct {
	Kind     JoinKind            `json:"kind"`
	Left     []types.Type        `json:"left"`
	Right    []types.Type        `json:"right"`
	LeftKey  []int               `json:"leftKey,omitempty"`
	RightKey []int               `json:"rightKey,omitempty"`
	On       *expr.Expr          `json:"on,omitempty"`
	LeftArr  storage.Arrangement `json:"leftArr"`
	RightArr storage.Arrangement `json:"rightArr"`

	LeftShared  *SharedSide `json:"leftShared,omitempty"`
	RightShared *SharedSide `json:"rightShared,omitempty"`

	// LeftForgets: the left input only appends, and what it takes out are rows that will have
	// no partner any more. They leave the state; what they have put out stays.
	LeftForgets  bool `json:"leftForgets,omitempty"`
	RightForgets bool `json:"rightForgets,omitempty"`
}

// SharedSide is a side of a join whose rows are read from the arrangement of the
// relation that they come from. Its key is the join's, column by column, so that
// a key has one row at most. The input brings the epoch's changes; it must not
// bring the rows that were there before the join began, which is right because
// the other side has no rows then.
//
// What turns the stored rows into those of the side, Map, stands in the graph
// once more, for the changes. It must not fail for any row, because the stored
// rows are only looked at when another row asks for them.
type SharedSide struct {
	Arr     storage.Arrangement `json:"arr"`
	Grouped bool                `json:"grouped,omitempty"` // images as of an aggregate, else row bytes
	Types   []types.Type        `json:"types"`             // of the stored rows
	Map     *MapSpec            `json:"map,omitempty"`     // nil: the side's rows are the stored ones
}

// Output returns the types of the output columns.
func (j *JoinSpec) Output() []types.Type {
	if j.Kind == SemiJoin || j.Kind == AntiJoin {
		return j.Left
	}
	return j.both()
}

// both returns the columns of left and right.
func (j *JoinSpec) both() []types.Type {
	return append(j.Left[:len(j.Left):len(j.Left)], j.Right...)
}

// Arrangements returns what the operator writes.
func (j *JoinSpec) Arrangements() (own []storage.Arrangement) {
	if j.LeftShared == nil && !j.Kind.Lookup() {
		own = append(own, j.LeftArr)
	}
	if j.RightShared == nil {
		own = append(own, j.RightArr)
	}
	return own
}

// OrderKey is one column of an order.
type OrderKey struct {
	Column     int  `json:"column"`
	Desc       bool `json:"desc,omitempty"`
	NullsFirst bool `json:"nullsFirst,omitempty"`
}

// TopKSpec keeps the rows at the positions from Offset (inclusive) to Offset +
// Limit (exclusive; Limit -1: to the end) in an order. Rows that are equal in it
// are ordered by their bytes.
//
// State: order key and row bytes -> multiplicity. An input that only appends
// leaves no more rows than the last position needs.
type TopKSpec struct {
	Input      []types.Type        `json:"input"`
	Order      []OrderKey          `json:"order,omitempty"`
	Limit      int64               `json:"limit"`
	Offset     int64               `json:"offset,omitempty"`
	AppendOnly bool                `json:"appendOnly,omitempty"`
	Arr        storage.Arrangement `json:"arr"`
}

// Arrangements returns what the operator writes.
func (t *TopKSpec) Arrangements() []storage.Arrangement {
	return []storage.Arrangement{t.Arr}
}

// UpsertSpec keeps the current rows of a table by key. Its input has the table's
// columns and behind them those of ChangeTypes.
type UpsertSpec struct {
	Columns []types.Type        `json:"columns"`
	Key     []int               `json:"key"`
	Arr     storage.Arrangement `json:"arr"`
	Counts  storage.Arrangement `json:"counts"`
}

// Input returns the types of the input columns.
func (u *UpsertSpec) Input() []types.Type {
	return append(u.Columns[:len(u.Columns):len(u.Columns)], ChangeTypes()...)
}

// Arrangements returns what the operator writes, the rows first.
func (u *UpsertSpec) Arrangements() []storage.Arrangement {
	return []storage.Arrangement{u.Arr, u.Counts}
}
