package dataflow

import (
	"fmt"
	"runtime/debug"

	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/storage"
)

// view is a view or table at runtime. All fields belong to the loop.
type view struct {
	spec       ViewSpec
	nodes      []node
	inputs     []*input
	dependents []*view // views that read it
	subs       []*Subscription

	state  string // StateRunning (which includes backfilling and detached), StateQuarantined
	reason string
	since  uint64 // the epoch of quarantine or detachment
	ready  bool   // has processed what its inputs held when it was created, and is at the moment of the rest
	done   int64  // progress as last published

	held     bool  // is quarantined until it is built again
	detached bool  // was ready, and itself or what it reads is behind
	behind   bool  // has a backlog
	left     int64 // entries of the backlog
	worked   int64 // of them were worked off since it was detached
	late     int64 // rows that were left out
	slow     int   // epochs in a row
	lookups  bool  // it looks rows up in stored relations as they are when its own come
	pace     pace  // of what it works off by itself
	budget   budget

	// Of the epoch under way.
	fresh   bool // first epoch: constant rows are emitted, groups without keys begin
	marked  bool // has input
	share   int  // rows or keys that it may work off
	fed     int  // rows that it got
	piece   *piece
	ran     bool
	out     operator.Delta
	changes []storage.ChangeSet
}

// node is one operator with its place in the graph.
type node struct {
	spec *Node
	op   operator.Operator // nil: a leaf
	rows operator.Delta    // of the epoch under way
	in   []operator.Delta
	feed *input         // of a relation leaf
	init operator.Delta // of a leaf with constants
	// timer is set for operators with timers.
	timer *timer
}

// newView builds the operators of a view. It runs in the caller's goroutine
// and knows nothing of the running relations.
func newView(spec *ViewSpec, build func(*Node) (operator.Operator, error)) (*view, error) {
	v := &view{spec: *spec, state: StateRunning}
	g := spec.Graph
	if g == nil || len(g.Nodes) == 0 {
		return nil, sqlerr.New(sqlerr.InternalError, "view %q has no graph", spec.Name)
	}
	if g.Version != GraphVersion {
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "the dataflow graph of %q has version %d, this program knows version %d", spec.Name, g.Version, GraphVersion)
	}
	v.nodes = make([]node, len(g.Nodes))
	for i := range g.Nodes {
		if err := v.buildNode(i, build); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (v *view) buildNode(i int, build func(*Node) (operator.Operator, error)) (err error) {
	n := &v.nodes[i]
	n.spec = &v.spec.Graph.Nodes[i]
	for _, in := range n.spec.Inputs {
		if in < 0 || in >= i {
			return sqlerr.New(sqlerr.InternalError, "node %d of %q reads node %d", i, v.spec.Name, in)
		}
	}
	switch {
	case n.spec.Values != nil:
		n.init, err = n.spec.Values.Delta()
	case n.spec.Relation != nil:
		n.feed = v.input(n.spec.Relation)
		n.feed.lateness, err = newLateness(n.spec.Relation.Lateness)
	default:
		n.in = make([]operator.Delta, len(n.spec.Inputs))
		n.op, err = build(n.spec)
		n.timer = v.newTimer(n.spec)
		v.lookups = v.lookups || n.spec.Join != nil && n.spec.Join.Kind.Lookup()
	}
	return err
}

// rebuild makes the operators anew; they have no state but the arrangements.
func (v *view) rebuild(build func(*Node) (operator.Operator, error)) (err error) {
	for i := range v.nodes {
		if n := &v.nodes[i]; n.op != nil && err == nil {
			n.op, err = build(n.spec)
		}
	}
	return err
}

// input returns the view's input for a relation; leaves that read the same
// relation share it and the union of their columns. Those that bring changes
// only have one of their own.
func (v *view) input(leaf *RelationInput) *input {
	var need []bool
	if leaf.Need != nil {
		need = make([]bool, len(leaf.Types))
		for _, c := range leaf.Need {
			need[c] = true
		}
	}
	for _, in := range v.inputs {
		if in.rel != leaf.Relation || in.changesOnly != leaf.Shared || in.lateOnly != leaf.Late {
			continue
		}
		if need == nil {
			in.need = nil
		}
		for i := range in.need {
			in.need[i] = in.need[i] || need[i]
		}
		return in
	}
	in := &input{view: v, rel: leaf.Relation, types: leaf.Types, need: need, changesOnly: leaf.Shared, lateOnly: leaf.Late, horizon: noTime}
	v.inputs = append(v.inputs, in)
	return in
}

// live says whether the view takes part in epochs.
func (v *view) live() bool { return v.state == StateRunning }

// attached says whether all inputs take part in every epoch's deltas.
func (v *view) attached() bool {
	for _, in := range v.inputs {
		if in.phase != phaseAttached {
			return false
		}
	}
	return true
}

// arrangements returns the ids of all arrangements that the view writes.
func (v *view) arrangements() []storage.Arrangement {
	var out []storage.Arrangement
	for i := range v.nodes {
		out = append(out, v.nodes[i].spec.Arrangements()...)
	}
	return out
}

// run computes the view's part of the epoch. Whatever goes wrong in it, a panic
// included, concerns this view only: operators write nothing that is shared.
func (v *view) run(st *viewState, epoch uint64) (errs operator.Delta, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	for i := range v.nodes {
		n := &v.nodes[i]
		n.rows = nil
		switch {
		case n.feed != nil:
			n.rows = n.feed.delta
		case n.spec.Values != nil:
			if v.fresh {
				n.rows = n.init
			}
		default:
			out := operator.Output{Spend: v.budget.spend, Discard: i == len(v.nodes)-1 && len(v.dependents)+len(v.subs) == 0}
			failed, err := v.apply(n, st, epoch, &out)
			if err != nil {
				return nil, err
			}
			errs = append(errs, failed...)
		}
	}
	v.out = v.nodes[len(v.nodes)-1].rows
	v.changes = st.changes
	return errs, nil
}

// apply runs one operator if any of its inputs has a delta or a timer of it is
// due.
func (v *view) apply(n *node, st *viewState, epoch uint64, out *operator.Output) (errs operator.Delta, err error) {
	idle := true
	for j, in := range n.spec.Inputs {
		n.in[j] = v.nodes[in].rows
		idle = idle && n.in[j] == nil
	}
	st.timer = n.timer
	if idle && !v.fresh && (n.timer == nil || n.timer.due > st.clock(n.timer)) {
		return nil, nil
	}
	if err := n.op.Apply(n.in, st, epoch, out); err != nil {
		return nil, err
	}
	if n.timer != nil {
		n.timer.at, n.timer.next, n.timer.set = st.clock(n.timer), out.Due, true
	}
	if err := v.budget.spend(st.takeWritten()); err != nil {
		return nil, err
	}
	if len(out.Rows) > 0 {
		n.rows = out.Rows
	}
	return out.Errors, nil
}

// release drops the references to the epoch's deltas.
func (v *view) release() {
	for i := range v.nodes {
		v.nodes[i].rows = nil
		clear(v.nodes[i].in)
	}
	v.out, v.changes, v.marked, v.ran, v.fresh = nil, nil, false, false, false
	v.forgetTimers()
	v.share, v.fed, v.piece = 0, 0, nil
	v.clearInputs()
}

// viewState is the operator.State of one view in one epoch.
type viewState struct {
	Store
	view    *view
	clock   func(*timer) int64 // of a node's timers
	timer   *timer             // of the operator that runs
	changes []storage.ChangeSet
	written int // bytes of changes since takeWritten
}

func (s *viewState) takeWritten() int {
	n := s.written
	s.written = 0
	return n
}

// Clock returns the clock of the operator that runs, which has timers, and what is
// known of these.
func (s *viewState) Clock() operator.Clock {
	return operator.Clock{Now: s.clock(s.timer), Fired: s.timer.fired, Due: s.timer.due}
}

// Change keeps the set for the epoch's commit.
func (s *viewState) Change(set storage.ChangeSet) {
	if set.Keys.Len() > 0 {
		s.changes = append(s.changes, set)
		s.written += len(set.Keys.Data) + len(set.Vals.Data)
	}
}
