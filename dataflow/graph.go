package dataflow

import (
	"slices"

	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/sql/types"
)

// RelationID is the catalog's id of a stream, table or view.
type RelationID uint32

// GraphVersion is the format of graphs that this program writes. Stored graphs
// of other versions are refused at start.
const GraphVersion = 1

// Graph is the dataflow of one view or one query: operators in topological
// order. It is plain data; the catalog stores it as JSON, so a restart runs the
// same graph over the same state.
type Graph struct {
	Version int    `json:"version"`
	Nodes   []Node `json:"nodes"`
}

// Node is one operator of a graph; exactly one of the pointers is set. Inputs
// are indexes of earlier nodes. The last node is the graph's output.
type Node struct {
	Inputs        []int                       `json:"inputs,omitempty"`
	Relation      *RelationInput              `json:"relation,omitempty"`
	Map           *operator.MapSpec           `json:"map,omitempty"`
	Aggregate     *operator.AggregateSpec     `json:"aggregate,omitempty"`
	Materialize   *operator.MaterializeSpec   `json:"materialize,omitempty"`
	Values        *ValuesInput                `json:"values,omitempty"`
	Union         *operator.UnionSpec         `json:"union,omitempty"`
	Join          *operator.JoinSpec          `json:"join,omitempty"`
	TopK          *operator.TopKSpec          `json:"topK,omitempty"`
	Upsert        *operator.UpsertSpec        `json:"upsert,omitempty"`
	Session       *operator.SessionSpec       `json:"session,omitempty"`
	Window        *operator.WindowSpec        `json:"window,omitempty"`
	TableFunction *operator.TableFunctionSpec `json:"tableFunction,omitempty"`
	Temporal      *operator.TemporalSpec      `json:"temporal,omitempty"`
	// Watermarks, of a node with timers: its clock is the least watermark of these
	// streams, and not the epoch's.
	Watermarks []RelationID           `json:"watermarks,omitempty"`
	Checksum   *operator.ChecksumSpec `json:"checksum,omitempty"` // the end of a sink's graph
	Outbox     *operator.OutboxSpec   `json:"outbox,omitempty"`   // the end of a sink's graph
}

// Timed says whether the graph has operators with timers.
func (g *Graph) Timed() bool {
	return slices.ContainsFunc(g.Nodes, func(n Node) bool { return n.Temporal != nil })
}

// RelationInput is a leaf: the deltas of a relation. Need lists the columns
// that are read (nil: all); the others arrive without data.
type RelationInput struct {
	Relation RelationID   `json:"relation"`
	Types    []types.Type `json:"types"`
	Need     []int        `json:"need,omitzero"`
	// Shared: the rows are read from the relation's arrangement by a join
	// (operator.SharedSide); the leaf brings what changes, never what was there.
	Shared bool `json:"shared,omitempty"`
	// Lateness, of a stream with event time: late rows are left out and counted.
	Lateness *Lateness `json:"lateness,omitempty"`
	// Late: not the relation's rows, but those that it leaves out since they are late.
	Late bool `json:"late,omitempty"`
}

// Lateness says which rows of a stream are late: those from before the watermark,
// less a time of grace; where there are windows, only those that belong to one that
// is closed by then.
type Lateness struct {
	Grace   int64               `json:"grace,omitempty"` // microseconds
	Windows []operator.StepSpec `json:"windows,omitempty"`
}

// ValuesInput is a leaf with constant rows (row bytes of zset.AppendRow),
// emitted once when the graph starts. SELECT without FROM has one row of no
// columns.
type ValuesInput struct {
	Types []types.Type `json:"types"`
	Rows  [][]byte     `json:"rows"`
}
