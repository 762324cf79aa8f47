package planner

import (
	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// Retention is the bound of rows that are kept for so many microseconds from the
// time in a column on: a date, or a timestamp with or without time zone, in the
// zone of env. Rows without a time are kept for ever.
func Retention(column int, t types.Type, length int64, env *expr.Env) (*expr.ClockBound, error) {
	at, err := expr.CoerceIn(env, expr.Column(column, t), types.Timestamptz, expr.Implicit)
	if err != nil {
		return nil, err
	}
	never := expr.Constant(types.Timestamptz, types.Datum{Int: types.TimestampPosInf})
	value := &expr.Expr{Op: expr.OpCoalesce, Type: types.Timestamptz, Args: []*expr.Expr{at, never}}
	if value, err = expr.Freeze(value, env, false); err != nil {
		return nil, err
	}
	return &expr.ClockBound{Value: value, Shift: length, Until: true}, nil
}

// RetainedTableGraph is the dataflow of a table whose rows leave by the clock: its
// own changes, those that are still kept stored by key. timers is the arrangement
// of the times at which rows leave.
func RetainedTableGraph(id catalog.ID, ts []types.Type, key []int, bound *expr.ClockBound, arr, timers storage.Arrangement) *dataflow.Graph {
	timed := append(ts[:len(ts):len(ts)], types.Timestamptz)
	columns := make([]*expr.Expr, len(ts))
	for i, t := range ts {
		columns[i] = expr.Column(i, t)
	}
	return &dataflow.Graph{Version: dataflow.GraphVersion, Nodes: []dataflow.Node{
		{Relation: &dataflow.RelationInput{Relation: dataflow.RelationID(id), Types: ts}},
		{Inputs: []int{0}, Map: &operator.MapSpec{Input: ts, Project: append(columns[:len(ts):len(ts)], bound.Value)}},
		{Inputs: []int{1}, Temporal: &operator.TemporalSpec{Input: timed, Until: []operator.TimeBound{{Column: len(ts), Shift: bound.Shift}}, Arr: timers}},
		{Inputs: []int{2}, Map: &operator.MapSpec{Input: timed, Project: columns}},
		{Inputs: []int{3}, Materialize: &operator.MaterializeSpec{Input: ts, Key: key, Arr: arr}},
	}}
}
