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
	Project []*expr.Expr `json:"project,omitempty"`
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
// Without keys there is always one group, also over no input.
type AggregateSpec struct {
	Input      []types.Type        `json:"input"`
	Keys       []int               `json:"keys"`
	Calls      []AggregateCall     `json:"calls"`
	Tail       *MapSpec            `json:"tail,omitempty"`
	AppendOnly bool                `json:"appendOnly,omitempty"` // the input never retracts
	Arr        storage.Arrangement `json:"arr"`
	Multisets  storage.Arrangement `json:"multisets,omitempty"`
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
