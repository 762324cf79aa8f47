package planner

import (
	"slices"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// SinkInput is what a sink is to write.
type SinkInput struct {
	Columns    []catalog.Column
	DependsOn  []catalog.ID
	AppendOnly bool    // no row is ever retracted
	Keys       [][]int // sets of columns, each unique among the rows; an empty set: there is one row

	root Node
}

// SinkPlan is a sink ready to be stored and started.
type SinkPlan struct {
	Graph  *dataflow.Graph
	Stored *catalog.Stored // of the sink's own state
}

// DescribeSink says what the rows of a sink's query are like.
func DescribeSink(q *Query) (*SinkInput, error) {
	if len(q.Params) > 0 {
		return nil, sqlerr.New(sqlerr.UndefinedParameter, "a sink cannot have parameters")
	}
	if q.Late != catalog.LateCorrect {
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "GRACE PERIOD in the query of a sink is not supported").
			WithHint("Make a materialized view of the query, and a sink of the view.")
	}
	columns, err := viewColumns(q)
	if err != nil {
		return nil, err
	}
	root, err := Maintained(q.viewRoot())
	if err != nil {
		return nil, err
	}
	return &SinkInput{Columns: columns, DependsOn: readsOf(root), AppendOnly: appendOnly(root), Keys: uniqueKeys(root), root: root}, nil
}

// Unique says whether a set of columns is unique among the rows.
func (s *SinkInput) Unique(columns []int) bool {
	return covers(columns, s.Keys)
}

// Checksum makes the dataflow of a sink that folds its rows.
func (s *SinkInput) Checksum(env *expr.Env, newArr func() storage.Arrangement) (*SinkPlan, error) {
	l, last, err := s.lower(env, newArr)
	if err != nil {
		return nil, err
	}
	spec := &operator.ChecksumSpec{Input: s.root.Types(), Arr: newArr()}
	l.add(dataflow.Node{Inputs: []int{last}, Checksum: spec})
	return l.sinkPlan(spec.Arr), nil
}

// Outbox makes the dataflow of a sink whose changes are kept until they are
// written outside. The second input is the sink itself: commands tell it what
// was written. With upsert, key must be unique.
func (s *SinkInput) Outbox(id catalog.ID, upsert bool, key []int, env *expr.Env, newArr func() storage.Arrangement) (*SinkPlan, error) {
	l, last, err := s.lower(env, newArr)
	if err != nil {
		return nil, err
	}
	acks := l.add(dataflow.Node{Relation: &dataflow.RelationInput{Relation: dataflow.RelationID(id), Types: operator.AckTypes()}})
	spec := &operator.OutboxSpec{Input: s.root.Types(), Upsert: upsert, Key: key, Arr: newArr()}
	l.add(dataflow.Node{Inputs: []int{last, acks}, Outbox: spec})
	return l.sinkPlan(spec.Arr), nil
}

func (s *SinkInput) lower(env *expr.Env, newArr func() storage.Arrangement) (*lowerer, int, error) {
	l := &lowerer{graph: dataflow.Graph{Version: dataflow.GraphVersion}, newArr: newArr, env: env, view: true}
	last, err := l.lower(s.root, allColumns(len(s.root.Types())))
	return l, last, err
}

func (l *lowerer) sinkPlan(arr storage.Arrangement) *SinkPlan {
	return &SinkPlan{Graph: &l.graph, Stored: &catalog.Stored{Arr: arr, Others: l.otherArrangements(arr)}}
}

// uniqueKeys returns sets of columns of which each is unique among a plan's
// rows, as far as that can be proved.
func uniqueKeys(n Node) [][]int {
	switch n := n.(type) {
	case *Scan:
		if s := n.Relation.Stored; s != nil && s.Key != nil && n.Relation.Kind != catalog.Sink {
			return keysAt([][]int{s.Key}, n.Columns)
		}
	case *Values:
		if len(n.Rows) <= 1 {
			return [][]int{{}}
		}
	case *Aggregate:
		key := make([]int, len(n.Keys))
		for i := range key {
			key[i] = i
		}
		return [][]int{key}
	case *Map:
		keys := uniqueKeys(n.Input)
		if n.Project == nil {
			return keys
		}
		from := make([]int, len(n.Project))
		for i, e := range n.Project {
			if from[i] = -1; e.Op == expr.OpColumn {
				from[i] = e.Col
			}
		}
		return keysAt(keys, from)
	case *TopK:
		return uniqueKeys(n.Input)
	case *Temporal:
		return uniqueKeys(n.Input)
	case *Window:
		return windowKeys(n)
	case *Session:
		return uniqueKeys(n.Input)
	case *Join:
		return joinedKeys(n)
	}
	return nil
}

// joinedKeys returns the unique keys of a join. A key of one side stays unique
// where a row of that side has one partner at most: where the join's equalities
// cover a key of the other side. A key of both sides together is unique always. In a full
// join the rows of one side alone have NULLs in the key of the other.
func joinedKeys(j *Join) [][]int {
	if j.Kind == FullJoin {
		return nil
	}
	left := uniqueKeys(j.Left)
	if j.Kind == SemiJoin || j.Kind == AntiJoin {
		return left
	}
	nl := len(j.Left.Types())
	right := uniqueKeys(j.Right)
	pairs, _ := splitJoinCondition(j)
	var onLeft, onRight []int
	for _, p := range pairs {
		if p.left.Op == expr.OpColumn {
			onLeft = append(onLeft, p.left.Col)
		}
		if p.right.Op == expr.OpColumn {
			onRight = append(onRight, p.right.Col)
		}
	}
	var out, moved [][]int
	for _, key := range right {
		shifted := make([]int, len(key))
		for i, c := range key {
			shifted[i] = c + nl
		}
		moved = append(moved, shifted)
	}
	if covers(onRight, right) {
		out = append(out, left...)
	}
	if j.Kind == InnerJoin && covers(onLeft, left) {
		out = append(out, moved...)
	}
	for _, l := range left {
		for _, r := range moved {
			out = append(out, slices.Concat(l, r))
		}
	}
	return out
}

// covers says whether all columns of one of the keys are among the given ones.
func covers(columns []int, keys [][]int) bool {
	return slices.ContainsFunc(keys, func(key []int) bool {
		return !slices.ContainsFunc(key, func(c int) bool { return !slices.Contains(columns, c) })
	})
}

// keysAt renames the columns of keys to where they are put out (from: which
// column each output column is); a key of which a column is missing is lost.
func keysAt(keys [][]int, from []int) [][]int {
	var out [][]int
	for _, key := range keys {
		moved := make([]int, 0, len(key))
		for _, c := range key {
			if at := slices.Index(from, c); c >= 0 && at >= 0 {
				moved = append(moved, at)
			}
		}
		if len(moved) == len(key) {
			out = append(out, moved)
		}
	}
	return out
}

// ColumnIndexes finds columns by name; 42703 for one that does not exist.
func (s *SinkInput) ColumnIndexes(names []string, pos int) ([]int, error) {
	out := make([]int, len(names))
	for i, name := range names {
		out[i] = slices.IndexFunc(s.Columns, func(c catalog.Column) bool { return c.Name == name })
		if out[i] < 0 {
			return nil, sqlerr.New(sqlerr.UndefinedColumn, "column %q named in option \"key\" does not exist", name).At(pos)
		}
	}
	return out, nil
}

// Types returns the types of the rows.
func (s *SinkInput) Types() []types.Type { return s.root.Types() }
