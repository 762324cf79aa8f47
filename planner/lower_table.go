package planner

import (
	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// UpsertGraph is the dataflow of a table over a topic: the changes that its
// source delivers, the last of each key stored.
func UpsertGraph(source catalog.ID, spec *operator.UpsertSpec) *dataflow.Graph {
	return &dataflow.Graph{Version: dataflow.GraphVersion, Nodes: []dataflow.Node{
		{Relation: &dataflow.RelationInput{Relation: dataflow.RelationID(source), Types: spec.Input()}},
		{Inputs: []int{0}, Upsert: spec},
	}}
}

// TableGraph is the dataflow of a table: its own changes, stored by key.
func TableGraph(id catalog.ID, ts []types.Type, key []int, arr storage.Arrangement) *dataflow.Graph {
	return &dataflow.Graph{Version: dataflow.GraphVersion, Nodes: []dataflow.Node{
		{Relation: &dataflow.RelationInput{Relation: dataflow.RelationID(id), Types: ts}},
		{Inputs: []int{0}, Materialize: &operator.MaterializeSpec{Input: ts, Key: key, Arr: arr}},
	}}
}
