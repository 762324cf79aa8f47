package planner

import (
	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// TableGraph is the dataflow of a table: its own changes, stored by key.
func TableGraph(id catalog.ID, ts []types.Type, key []int, arr storage.Arrangement) *dataflow.Graph {
	return &dataflow.Graph{Version: dataflow.GraphVersion, Nodes: []dataflow.Node{
		{Relation: &dataflow.RelationInput{Relation: dataflow.RelationID(id), Types: ts}},
		{Inputs: []int{0}, Materialize: &operator.MaterializeSpec{Input: ts, Key: key, Arr: arr}},
	}}
}
