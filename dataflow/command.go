package dataflow

import (
	"cmp"
	"context"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// Command is one atomic change from outside: DDL, DML or the installation of
// what the catalog holds. Everything in it becomes durable and visible with
// one epoch, or nothing does. Its functions run inside the loop: they must not
// call Do.
type Command struct {
	Meta       []storage.MetaChange     // catalog changes, committed with the epoch
	Create     []storage.NewArrangement // arrangements of the new relations
	AddStreams []StreamSpec
	AddViews   []ViewSpec
	Drop       []RelationID // readers stop, arrangements are dropped, positions forgotten
	// Rebuild is a view over new arrangements that takes the place of the one with
	// its id, which must be held (Hold). The error is ErrNotYet or ErrIncomplete where
	// that says what to do.
	Rebuild *ViewSpec
	// Begins says where the streams that new views read begin for them, of those where
	// that is not at StreamSpec.Starts. Do sets it before Prepare; of a view that is
	// rebuilt it is given, as it was when the view was created.
	Begins map[RelationID]connector.Positions
	// Rows are changes of tables: relations whose graph reads the relation
	// itself (a leaf with its own id). They enter this epoch before the inputs
	// from streams do, in the order given.
	Rows []TableDelta
	// Check validates the command inside the loop, against the state after the
	// former epoch; an error refuses the command and is what Do returns.
	Check func(epoch uint64) error
	// Prepare, when set, runs after Check and completes Rows and Meta where they
	// depend on that state. It must not add relations.
	Prepare func(epoch uint64, c *Command) error
	// Shares says that the command carries nothing but Rows and may share its epoch
	// with other such commands. Follows tells its Prepare that the commands before
	// it, since the last one for which it was not set, are in the same epoch: the
	// state that it comes upon is that after the former epoch and their rows. It
	// may be prepared again, in an epoch of its own, when one of them was refused.
	Shares  bool
	Follows bool
	// Restore installs streams and views that the store's last epoch already
	// knows: nothing is written. All of the catalog must come in one command,
	// before any other, or the positions of what is missing would be lost.
	Restore bool
}

// TableDelta is what one command changes in one table.
type TableDelta struct {
	Relation RelationID
	Delta    operator.Delta
}

// StreamSpec is a stream: an external source that views read.
type StreamSpec struct {
	ID     RelationID
	Name   string // for logs and errors
	Types  []types.Type
	Source connector.Source
	// Starts are the positions at which every view of the stream begins, or
	// where the oldest record is that the source still holds when the view is
	// created. Nil: Do asks the source, in the caller's goroutine.
	Starts connector.Positions
	// Identity names the external object (a topic id), "" if the source has
	// none or it is not known yet: then a reader's State.Incarnation is taken and
	// committed with the positions (Runtime.Identity). A restored stream whose identity is another one than the committed
	// positions belong to is failed, never read.
	Identity string
	// Watermark declares the event time of the rows; nil: they have none.
	Watermark *WatermarkSpec
}

// ViewSpec is a materialized relation: a view, or a table (a graph with a leaf
// that reads ID itself, fed by Command.Rows).
type ViewSpec struct {
	ID     RelationID
	Name   string
	Graph  *Graph
	Result ResultSpec
	// Derived: the view is a function of its inputs alone and can be built again from
	// them when its rows are damaged.
	Derived bool
	// Committed, when set, is told after each epoch that is durable and in which
	// the view computed. It runs in the loop and must not wait.
	Committed func(epoch uint64)
}

// topology says whether the command changes which relations exist. Such
// commands take an epoch of their own.
func (c *Command) topology() bool {
	return len(c.AddStreams)+len(c.AddViews)+len(c.Drop)+len(c.Create) > 0 || c.Rebuild != nil
}

// request is a command, or any other work for the loop's goroutine, on its way.
type request struct {
	cmd   Command
	built []*view // of cmd.AddViews
	// rebuilt is cmd.Rebuild's view; undo takes back what it changes in others.
	rebuilt *view
	undo    []func()
	// targets are the ends of the streams that new views read, as of now; one
	// that could not be asked is missing.
	targets map[RelationID]connector.Positions
	// oldest are the positions of the oldest records that those streams still
	// hold; one that could not be asked is missing.
	oldest map[RelationID]connector.Positions
	// unasked says why a stream could not be asked.
	unasked map[RelationID]error
	// compacts says which streams that a rebuilt view reads may lack records.
	compacts map[RelationID]bool
	// inspect, when set, runs between two epochs instead of a command.
	inspect func() error

	epoch uint64
	err   error
	done  chan struct{}
}

// shares says whether the request may share an epoch.
func (q *request) shares() bool {
	return q.inspect == nil && q.cmd.Shares && q.cmd.Check == nil && len(q.cmd.Meta) == 0 && !q.cmd.Restore && !q.cmd.topology()
}

func (q *request) finish(epoch uint64, err error) {
	if err != nil {
		epoch = 0
	}
	q.epoch, q.err = epoch, err
	close(q.done)
}

// finishAll answers requests: those that have no error of their own with err.
func finishAll(group []*request, epoch uint64, err error) {
	for _, q := range group {
		q.finish(epoch, cmp.Or(q.err, err))
	}
}

// Do runs a command between two epochs and returns the epoch that made it
// durable and visible. It gives up waiting (ctx) only as long as the loop has not
// taken the command, which then does not happen; after that it knows the outcome. Errors: what Check said; 57P01 when the runtime has ended; 42P07
// and 42P01 for relations that exist or do not; what the new views' operators
// or the store said.
func (r *Runtime) Do(ctx context.Context, cmd Command) (uint64, error) {
	q := &request{cmd: cmd, done: make(chan struct{})}
	if err := r.prepare(ctx, q); err != nil {
		return 0, err
	}
	return r.submit(ctx, q)
}

func (r *Runtime) submit(ctx context.Context, q *request) (uint64, error) {
	r.waiting.Add(1)
	defer r.waiting.Add(-1)
	select {
	case r.requests <- q:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-r.ended:
		return 0, errEnded()
	}
	select {
	case <-q.done:
		return q.epoch, q.err
	case <-r.ended:
		select { // the loop may have answered it with its last breath
		case <-q.done:
			return q.epoch, q.err
		default:
			return 0, errEnded()
		}
	}
}

func errEnded() error {
	return sqlerr.New(sqlerr.AdminShutdown, "terminating connection due to administrator command")
}

// prepare does what needs no loop: it builds operators and asks new streams
// for their start positions, so that a slow broker holds up nobody else.
func (r *Runtime) prepare(ctx context.Context, q *request) error {
	for i := range q.cmd.AddViews {
		v, err := r.newView(&q.cmd.AddViews[i])
		if err != nil {
			return err
		}
		q.built = append(q.built, v)
	}
	if q.cmd.Rebuild != nil {
		v, err := r.newView(q.cmd.Rebuild)
		if err != nil {
			return err
		}
		q.rebuilt = v
	}
	if q.cmd.Restore {
		return nil
	}
	// The caller's specs are not written to.
	q.cmd.AddStreams = append([]StreamSpec(nil), q.cmd.AddStreams...)
	for i := range q.cmd.AddStreams {
		s := &q.cmd.AddStreams[i]
		if s.Starts != nil {
			continue
		}
		ask, cancel := context.WithTimeout(ctx, r.opts.AskTimeout)
		starts, err := s.Source.Starts(ask)
		cancel()
		if err != nil {
			return sqlerr.Wrap(err, sqlerr.ExternalConnectionFailure,
				"could not read the start positions of stream %q: %v", s.Name, err)
		}
		s.Starts = starts
	}
	r.askExtents(ctx, q)
	return nil
}

func (r *Runtime) newView(spec *ViewSpec) (*view, error) {
	v, err := newView(spec, r.opts.Build)
	if err != nil {
		return nil, err
	}
	v.pace = newPace(r.opts.EpochTarget, 2*r.opts.CutRows)
	v.pace.least, v.pace.longest = 1, r.opts.ViewTime/2
	return v, nil
}

// news lists the views that the request starts.
func (q *request) news() []*view {
	if q.rebuilt == nil {
		return q.built
	}
	return append(q.built[:len(q.built):len(q.built)], q.rebuilt)
}

// askExtents asks the streams that new views read for their ends, what a reader
// of the view has to wait for, and for the oldest records they still hold,
// where the view begins. A broker that does not answer now does not refuse the
// view: it is asked for the ends again in the background, and the view begins
// at the stream's start.
func (r *Runtime) askExtents(ctx context.Context, q *request) {
	q.targets, q.oldest = map[RelationID]connector.Positions{}, map[RelationID]connector.Positions{}
	q.unasked, q.compacts = map[RelationID]error{}, map[RelationID]bool{}
	for _, v := range q.news() {
		for _, in := range v.inputs {
			src := r.sourceOf(in.rel, q)
			if src == nil || q.targets[in.rel] != nil {
				continue
			}
			ask, cancel := context.WithTimeout(ctx, r.opts.AskTimeout)
			ends, err := src.Ends(ask)
			if err == nil {
				q.targets[in.rel] = append(connector.Positions{}, ends...)
				var oldest connector.Positions
				if oldest, err = src.Oldest(ask); err == nil {
					q.oldest[in.rel] = oldest
				}
			}
			if err == nil && v == q.rebuilt {
				q.compacts[in.rel], err = src.Compacts(ask)
			}
			if err != nil {
				q.unasked[in.rel] = err
			}
			cancel()
		}
	}
}

// sourceOf returns the source of a stream that exists or that the command adds.
func (r *Runtime) sourceOf(id RelationID, q *request) connector.Source {
	for i := range q.cmd.AddStreams {
		if q.cmd.AddStreams[i].ID == id {
			return q.cmd.AddStreams[i].Source
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.known[id]; s != nil {
		return s.spec.Source
	}
	return nil
}
