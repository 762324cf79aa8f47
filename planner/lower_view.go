package planner

import (
	"slices"
	"sort"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// ViewPlan is a materialized view ready to be stored and started.
type ViewPlan struct {
	Graph      *dataflow.Graph
	Stored     *catalog.Stored
	Columns    []catalog.Column
	DependsOn  []catalog.ID
	AppendOnly bool
	Lookups    bool // rows depend on when they were computed
}

// LowerView makes the dataflow of a materialized view. The last operator keeps
// the view's rows: an aggregate its groups, anything else a materialize.
func LowerView(q *Query, env *expr.Env, newArr func() storage.Arrangement) (*ViewPlan, error) {
	if len(q.Params) > 0 {
		return nil, sqlerr.New(sqlerr.UndefinedParameter, "a view cannot have parameters")
	}
	columns, err := viewColumns(q)
	if err != nil {
		return nil, err
	}
	bound := q.viewRoot()
	root, err := Maintained(bound)
	if err != nil {
		return nil, err
	}
	l := &lowerer{graph: dataflow.Graph{Version: dataflow.GraphVersion}, newArr: newArr, env: env, view: true, late: q}
	last, err := l.lower(root, allColumns(len(root.Types())))
	if err != nil {
		return nil, err
	}
	plan := &ViewPlan{Graph: &l.graph, Columns: columns, AppendOnly: appendOnly(root)}
	if spec := l.graph.Nodes[last].Aggregate; spec != nil {
		plan.Stored = groupedStorage(spec)
	} else {
		spec := &operator.MaterializeSpec{Input: root.Types(), Arr: newArr()}
		l.add(dataflow.Node{Inputs: []int{last}, Materialize: spec})
		plan.Stored = &catalog.Stored{Arr: spec.Arr}
	}
	plan.Stored.Others = l.otherArrangements(plan.Stored.Arr)
	plan.Lookups = l.lookups
	plan.DependsOn = dependencies(bound, q.Views) // also on what needs no reading
	return plan, nil
}

// viewRoot is the plan whose rows the view keeps: a limit chooses rows, an
// order without limit means nothing.
func (q *Query) viewRoot() Node {
	root := q.visible()
	if q.Limit != nil || q.Offset != nil {
		top := &TopK{Input: q.Root, Order: q.Order, Limit: q.Limit, Offset: q.Offset}
		root = (&Query{Root: top, Names: q.Names}).visible()
	}
	if q.Retention != nil {
		root = &Temporal{Input: root, Bounds: []expr.ClockBound{*q.Retention}}
	}
	return root
}

func viewColumns(q *Query) ([]catalog.Column, error) {
	seen := map[string]bool{}
	var out []catalog.Column
	for i, t := range q.Types() {
		name := q.Names[i]
		if seen[name] {
			return nil, sqlerr.New(sqlerr.DuplicateColumn, "column %q specified more than once", name).
				WithHint("Give the columns different names with AS.")
		}
		seen[name] = true
		out = append(out, catalog.Column{Name: name, Type: t})
	}
	return out, nil
}

// groupedStorage says how an aggregate's arrangement is read: which output
// column each part of the group's key is.
func groupedStorage(spec *operator.AggregateSpec) *catalog.Stored {
	s := &catalog.Stored{Arr: spec.Arr, Grouped: true, Key: []int{}, KeyTypes: []types.Type{}}
	for part, column := range spec.Keys {
		s.Key = append(s.Key, outputOfKey(spec, part))
		s.KeyTypes = append(s.KeyTypes, spec.Input[column])
	}
	return s
}

// outputOfKey returns the output column that shows a key part unchanged, -1 if
// there is none.
func outputOfKey(spec *operator.AggregateSpec, part int) int {
	if spec.Tail == nil || spec.Tail.Project == nil {
		return part
	}
	for i, e := range spec.Tail.Project {
		if e.Op == expr.OpColumn && e.Col == part {
			return i
		}
	}
	return -1
}

// otherArrangements lists the arrangements of the graph but the result's.
func (l *lowerer) otherArrangements(result storage.Arrangement) []storage.Arrangement {
	var out []storage.Arrangement
	for i := range l.graph.Nodes {
		for _, arr := range l.graph.Nodes[i].Arrangements() {
			if arr != result {
				out = append(out, arr)
			}
		}
	}
	return out
}

// DescribeView returns the columns of a plain view, named as asked for, and the
// relations that it reads.
func DescribeView(q *Query, names []string, pos int) ([]catalog.Column, []catalog.ID, error) {
	q, err := renameColumns(q, names, "view", pos)
	if err != nil {
		return nil, nil, err
	}
	columns, err := viewColumns(q)
	if err != nil {
		return nil, nil, err
	}
	return columns, dependencies(q.Root, q.Views), nil
}

// readsOf lists the relations that a plan scans, ascending. A plain view's
// relations are those of its query.
func readsOf(n Node) []catalog.ID {
	seen := map[catalog.ID]bool{}
	bottomUp(n, func(n Node) Node {
		if s, ok := n.(*Scan); ok {
			seen[s.Relation.ID] = true
		}
		return n
	})
	out := make([]catalog.ID, 0, len(seen))
	for id := range seen {
		out = append(out, id)
	}
	sort.Slice(out, func(i, j int) bool { return out[i] < out[j] })
	return out
}

// dependencies lists what a view reads, ascending: the relations it scans and
// the plain views it names.
func dependencies(n Node, views []catalog.ID) []catalog.ID {
	out := append(readsOf(n), views...)
	slices.Sort(out)
	return slices.Compact(out)
}
