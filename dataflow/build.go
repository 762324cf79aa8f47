package dataflow

import (
	"fmt"
	"slices"

	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// BuildOperator makes the operator of a node. Leaves (Relation, Values) have
// none: the runtime feeds them.
func BuildOperator(n *Node) (operator.Operator, error) {
	switch {
	case n.Map != nil:
		return operator.NewMap(n.Map)
	case n.Aggregate != nil:
		return operator.NewAggregate(n.Aggregate)
	case n.Materialize != nil:
		return operator.NewMaterialize(n.Materialize)
	case n.Union != nil:
		return operator.NewUnion(n.Union)
	case n.Join != nil:
		return operator.NewJoin(n.Join)
	case n.TopK != nil:
		return operator.NewTopK(n.TopK)
	case n.Upsert != nil:
		return operator.NewUpsert(n.Upsert)
	case n.TableFunction != nil:
		return operator.NewTableFunction(n.TableFunction)
	case n.Temporal != nil:
		return operator.NewTemporal(n.Temporal)
	case n.Window != nil:
		return operator.NewWindow(n.Window)
	case n.Session != nil:
		return operator.NewSession(n.Session)
	case n.Checksum != nil:
		return operator.NewChecksum(n.Checksum)
	case n.Outbox != nil:
		return operator.NewOutbox(n.Outbox)
	}
	return nil, sqlerr.New(sqlerr.InternalError, "graph node has no operator")
}

// Leaf says whether the node is fed by the runtime.
func (n *Node) Leaf() bool { return n.Relation != nil || n.Values != nil }

// Output returns the types of the rows that the node emits.
func (n *Node) Output() []types.Type {
	switch {
	case n.Relation != nil:
		return n.Relation.Types
	case n.Values != nil:
		return n.Values.Types
	case n.Map != nil:
		return n.Map.Output()
	case n.Aggregate != nil:
		return n.Aggregate.Output()
	case n.Materialize != nil:
		return n.Materialize.Input
	case n.Union != nil:
		return n.Union.Input
	case n.Join != nil:
		return n.Join.Output()
	case n.TopK != nil:
		return n.TopK.Input
	case n.Upsert != nil:
		return n.Upsert.Columns
	case n.TableFunction != nil:
		return n.TableFunction.Output()
	case n.Temporal != nil:
		return n.Temporal.Input
	case n.Window != nil:
		return n.Window.Output()
	case n.Session != nil:
		return n.Session.Output()
	}
	return nil
}

// inputTypes returns what the node expects of each input.
func (n *Node) inputTypes() [][]types.Type {
	switch {
	case n.Map != nil:
		return [][]types.Type{n.Map.Input}
	case n.Aggregate != nil:
		return [][]types.Type{n.Aggregate.Input}
	case n.Materialize != nil:
		return [][]types.Type{n.Materialize.Input}
	case n.Union != nil:
		return slices.Repeat([][]types.Type{n.Union.Input}, max(n.Union.Sides, 0))
	case n.Join != nil:
		return [][]types.Type{n.Join.Left, n.Join.Right}
	case n.TopK != nil:
		return [][]types.Type{n.TopK.Input}
	case n.Upsert != nil:
		return [][]types.Type{n.Upsert.Input()}
	case n.TableFunction != nil:
		return [][]types.Type{n.TableFunction.Input}
	case n.Temporal != nil:
		return [][]types.Type{n.Temporal.Input}
	case n.Window != nil:
		return [][]types.Type{n.Window.Input}
	case n.Session != nil:
		return [][]types.Type{n.Session.Input}
	case n.Checksum != nil:
		return [][]types.Type{n.Checksum.Input}
	case n.Outbox != nil:
		return [][]types.Type{n.Outbox.Input, operator.AckTypes()}
	}
	return nil
}

// Arrangements returns what the node's operator writes; nil if it has no state.
func (n *Node) Arrangements() []storage.Arrangement {
	switch {
	case n.Aggregate != nil:
		return n.Aggregate.Arrangements()
	case n.Materialize != nil:
		return n.Materialize.Arrangements()
	case n.Join != nil:
		return n.Join.Arrangements()
	case n.TopK != nil:
		return n.TopK.Arrangements()
	case n.Upsert != nil:
		return n.Upsert.Arrangements()
	case n.Temporal != nil:
		return n.Temporal.Arrangements()
	case n.Session != nil:
		return n.Session.Arrangements()
	case n.Checksum != nil:
		return []storage.Arrangement{n.Checksum.Arr}
	case n.Outbox != nil:
		return []storage.Arrangement{n.Outbox.Arr}
	}
	return nil
}

// kinds counts the pointers that are set.
func (n *Node) kinds() int {
	k := 0
	for _, set := range []bool{
		n.Relation != nil, n.Map != nil, n.Aggregate != nil, n.Materialize != nil, n.Values != nil, n.Checksum != nil, n.Outbox != nil,
		n.Union != nil, n.Join != nil, n.TopK != nil, n.Upsert != nil, n.TableFunction != nil, n.Temporal != nil, n.Window != nil, n.Session != nil,
	} {
		if set {
			k++
		}
	}
	return k
}

// Output returns the types of the graph's rows.
func (g *Graph) Output() []types.Type { return g.Nodes[len(g.Nodes)-1].Output() }

// Validate checks what every stored or lowered graph must hold: a version that
// this program knows, topological order, inputs of the expected types, columns
// within range. Every operator is built once, so expressions are checked, too.
func (g *Graph) Validate() error {
	if g.Version != GraphVersion {
		return sqlerr.New(sqlerr.FeatureNotSupported, "dataflow graph has version %d, this program knows version %d", g.Version, GraphVersion)
	}
	if len(g.Nodes) == 0 {
		return sqlerr.New(sqlerr.InternalError, "dataflow graph is empty")
	}
	for i := range g.Nodes {
		if err := g.validateNode(i); err != nil {
			return sqlerr.Wrap(err, sqlerr.InternalError, "dataflow graph, node %d: %v", i, err)
		}
	}
	return nil
}

func (g *Graph) validateNode(i int) error {
	n := &g.Nodes[i]
	if k := n.kinds(); k != 1 {
		return fmt.Errorf("%d kinds are set, want 1", k)
	}
	want := n.inputTypes()
	if len(n.Inputs) != len(want) {
		return fmt.Errorf("%d inputs, want %d", len(n.Inputs), len(want))
	}
	for j, in := range n.Inputs {
		if in < 0 || in >= i {
			return fmt.Errorf("input %d is not an earlier node", in)
		}
		if err := sameTypes(g.Nodes[in].Output(), want[j]); err != nil {
			return fmt.Errorf("input %d: %w", in, err)
		}
	}
	if err := g.checkShared(n); err != nil {
		return err
	}
	for _, arr := range n.Arrangements() { // or a rebuilt view would write to the damaged one
		if !slices.ContainsFunc(n.references(), func(at *storage.Arrangement) bool { return *at == arr }) {
			return fmt.Errorf("arrangement %d cannot be given another number", arr)
		}
	}
	if n.Relation != nil {
		if _, err := newLateness(n.Relation.Lateness); err != nil {
			return err
		}
		return checkColumns(n.Relation.Need, len(n.Relation.Types))
	}
	if n.Values != nil {
		_, err := n.Values.Delta()
		return err
	}
	_, err := BuildOperator(n)
	return err
}

// checkShared checks where a leaf that brings changes only, or a map of it, is
// read: by the shared side of a join, which has the other rows, and by nothing
// else; and that such a side reads one.
func (g *Graph) checkShared(n *Node) error {
	for j, in := range n.Inputs {
		want := n.Map != nil && g.changesOnly(in)
		if n.Join != nil {
			side := n.Join.LeftShared
			if j == 1 {
				side = n.Join.RightShared
			}
			want = side != nil
		}
		if g.changesOnly(in) != want {
			return fmt.Errorf("input %d brings changes only, or the join's side is not shared", j)
		}
	}
	return nil
}

// changesOnly says whether a node puts out changes of rows that it never had.
func (g *Graph) changesOnly(i int) bool {
	n := &g.Nodes[i]
	switch {
	case n.Relation != nil:
		return n.Relation.Shared
	case n.Map != nil && len(n.Inputs) == 1:
		return g.changesOnly(n.Inputs[0])
	}
	return false
}

// sameTypes compares without type modifiers, which say nothing of the values'
// shape.
func sameTypes(got, want []types.Type) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d columns, want %d", len(got), len(want))
	}
	for c := range got {
		if got[c].Base() != want[c].Base() {
			return fmt.Errorf("column %d has type %d, want %d", c, got[c], want[c])
		}
	}
	return nil
}

func checkColumns(cols []int, n int) error {
	for _, c := range cols {
		if c < 0 || c >= n {
			return fmt.Errorf("column %d is out of range", c)
		}
	}
	return nil
}

// Delta returns the constant rows, which the runtime emits once, in the epoch
// in which the graph starts (not again after a restart).
func (v *ValuesInput) Delta() (operator.Delta, error) {
	b := zset.NewBatch(v.Types, len(v.Rows))
	for _, row := range v.Rows {
		if err := zset.DecodeRow(row, b.Cols); err != nil {
			return nil, sqlerr.Wrap(err, sqlerr.DataCorrupted, "constant row is damaged")
		}
		b.AddRow(1)
	}
	if b.N == 0 {
		return nil, nil
	}
	return operator.Delta{b}, nil
}
