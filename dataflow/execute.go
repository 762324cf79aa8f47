package dataflow

import (
	"context"
	"errors"

	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/expr"
)

// ExecuteOptions are the choices of one execution; the zero value is usable.
type ExecuteOptions struct {
	// MemoryLimit bounds the bytes that state, waiting rows and the collected
	// result may take together; 0: none. Above it the error is 53200.
	MemoryLimit int64
	// Emit receives the rows as they come instead of Execute's result: at once
	// for graphs without state, else at the end. Its error ends the execution and
	// is returned as it is.
	Emit func(*zset.Batch) error
	// Env is the session's environment for expressions that were not frozen.
	Env *expr.Env
}

// Feed emits the rows of a relation, in batches that are Execute's from then on.
type Feed func(ctx context.Context, in RelationInput, emit func(*zset.Batch) error) error

// Execute runs a graph once over what feed delivers: the same operators as in a
// view, with an empty state and one epoch. Rows flow through maps and into the
// tables of aggregations as they come; what has state is finished in topological
// order when all inputs have ended, and what it emits flows on likewise, so that
// a join's result is never held as a whole. Execute ends early at the first rows
// that fail: errs has them, rows of operator.ErrorSchema.
//
// It ends at the first error of feed or Emit, and between two batches when ctx
// ends, with its cause.
func Execute(ctx context.Context, g *Graph, feed Feed, opts ExecuteOptions) (rows, errs operator.Delta, err error) {
	x := &execution{ctx: ctx, graph: g, opts: opts, state: operator.NewMemState()}
	if err := x.build(); err != nil {
		return nil, nil, err
	}
	err = x.feed(feed)
	if err == nil {
		err = x.finish()
	}
	if err != nil && !errors.Is(err, errFailed) {
		return nil, nil, err
	}
	return x.rows, x.errs, nil
}

// errFailed ends an execution of which rows have failed.
var errFailed = errors.New("rows have failed")

// execution is one run of a graph.
type execution struct {
	ctx    context.Context
	graph  *Graph
	opts   ExecuteOptions
	stages []stage
	state  *operator.MemState

	rows operator.Delta
	errs operator.Delta
	held int64 // bytes of rows that wait or were collected
}

// stage is a node under way. At most one of the operators is set; a leaf has
// none.
type stage struct {
	consumers []consumer
	mapping   *operator.Map
	union     bool // rows pass
	aggregate *operator.Aggregate
	other     operator.Operator // is applied when all inputs have ended
	waiting   []operator.Delta  // of other, by input
}

// consumer is an input of a later node.
type consumer struct{ node, input int }

func (x *execution) build() error {
	x.stages = make([]stage, len(x.graph.Nodes))
	for i := range x.graph.Nodes {
		n := &x.graph.Nodes[i]
		s := &x.stages[i]
		var err error
		switch {
		case n.Leaf():
		case n.Map != nil:
			s.mapping, err = operator.NewMapIn(x.opts.Env, n.Map)
		case n.Aggregate != nil:
			spec := *n.Aggregate
			spec.AppendOnly = true // one epoch of insertions: no values need be kept for retraction
			s.aggregate, err = operator.NewAggregateIn(x.opts.Env, &spec)
		case n.Union != nil:
			s.union = true
		case n.Join != nil:
			s.other, err = operator.NewJoinIn(x.opts.Env, n.Join)
			s.waiting = make([]operator.Delta, 2)
		case n.TableFunction != nil:
			s.other, err = operator.NewTableFunctionIn(x.opts.Env, n.TableFunction)
			s.waiting = make([]operator.Delta, 1)
		default:
			s.other, err = BuildOperator(n)
			s.waiting = make([]operator.Delta, len(n.Inputs))
		}
		if err != nil {
			return err
		}
		for j, in := range n.Inputs {
			x.stages[in].consumers = append(x.stages[in].consumers, consumer{i, j})
		}
	}
	return nil
}

// feed pushes the rows of all leaves.
func (x *execution) feed(feed Feed) error {
	for i := range x.graph.Nodes {
		n := &x.graph.Nodes[i]
		switch {
		case n.Relation != nil:
			if err := feed(x.ctx, *n.Relation, func(b *zset.Batch) error { return x.emit(i, b) }); err != nil {
				return err
			}
		case n.Values != nil:
			d, err := n.Values.Delta()
			if err != nil {
				return err
			}
			for _, b := range d {
				if err := x.emit(i, b); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// emit hands a batch of a node's output on.
func (x *execution) emit(node int, b *zset.Batch) error {
	if x.ctx.Err() != nil {
		return context.Cause(x.ctx)
	}
	if b == nil || b.Len() == 0 {
		return nil
	}
	if node == len(x.stages)-1 {
		return x.output(b)
	}
	for _, c := range x.stages[node].consumers {
		if err := x.push(c, b); err != nil {
			return err
		}
	}
	return nil
}

func (x *execution) output(b *zset.Batch) error {
	if x.opts.Emit != nil {
		return x.opts.Emit(b)
	}
	x.rows = append(x.rows, b)
	return x.hold(b)
}

// hold counts a batch that is kept.
func (x *execution) hold(b *zset.Batch) error {
	x.held += int64(b.ByteSize())
	return x.checkMemory()
}

func (x *execution) checkMemory() error {
	if x.opts.MemoryLimit <= 0 {
		return nil
	}
	used := x.held + int64(x.state.Memory())
	for i := range x.stages {
		if a := x.stages[i].aggregate; a != nil {
			used += int64(a.Memory())
		}
	}
	if used > x.opts.MemoryLimit {
		return errMemory(x.opts.MemoryLimit)
	}
	return nil
}

func errMemory(limit int64) error {
	return sqlerr.New(sqlerr.OutOfMemory, "out of memory").
		WithDetail("The query needs more than its limit of %d bytes.", limit).
		WithHint("Restrict the query, or raise query_memory_limit.")
}

// push gives a batch to an input of a node.
func (x *execution) push(c consumer, b *zset.Batch) error {
	s := &x.stages[c.node]
	switch {
	case s.mapping != nil:
		rows, errs, err := s.mapping.Batch(b)
		if err != nil {
			return err
		}
		if err := x.emit(c.node, rows); err != nil {
			return err
		}
		return x.fail(errs)
	case s.union:
		return x.emit(c.node, b)
	case s.aggregate != nil:
		if err := s.aggregate.Absorb(b); err != nil {
			return err
		}
		return x.checkMemory()
	default:
		s.waiting[c.input] = append(s.waiting[c.input], b)
		return x.hold(b)
	}
}

// fail ends the execution if there are error rows.
func (x *execution) fail(errs *zset.Batch) error {
	if errs == nil {
		return nil
	}
	x.errs = append(x.errs, errs)
	return errFailed
}

// finish ends the operators with state, from the inputs to the output.
func (x *execution) finish() error {
	for i := range x.stages {
		if err := x.finishStage(i); err != nil {
			return err
		}
		x.state.Rollback() // nothing reads the state of an only epoch
	}
	return nil
}

func (x *execution) finishStage(i int) error {
	s := &x.stages[i]
	var out operator.Output
	out.Take = func(b *zset.Batch) error {
		if len(out.Errors) > 0 {
			return errFailed
		}
		if err := x.checkMemory(); err != nil {
			return err
		}
		return x.emit(i, b)
	}
	var err error
	switch {
	case s.aggregate != nil:
		err = s.aggregate.Finish(x.state, 1, &out)
		s.aggregate = nil
	case s.other != nil:
		err = s.other.Apply(s.waiting, x.state, 1, &out)
		x.release(s)
	}
	for _, b := range out.Errors {
		if err := x.fail(b); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	for _, b := range out.Rows {
		if err := x.emit(i, b); err != nil {
			return err
		}
	}
	return nil
}

// release gives up the rows that waited for a stage.
func (x *execution) release(s *stage) {
	for _, d := range s.waiting {
		for _, b := range d {
			x.held -= int64(b.ByteSize())
		}
	}
	s.waiting = nil
}
