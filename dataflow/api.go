package dataflow

// What the package offers:
//
//	New(store *storage.Store, opts Options) (*Runtime, error)
//	    // reads the positions of the last committed epoch from the store
//	(*Runtime).Run(ctx) error
//	    // the epoch loop; returns when ctx ends (nil) or when apply or commit broke (the process must end and recover)
//	(*Runtime).Do(ctx, Command) (epoch uint64, err error)
//	    // between two epochs; durable and visible when it returns; also used at start to install what the catalog holds (Restore: true: nothing is written)
//
//	type Command struct {
//	    Meta    []storage.MetaChange      // catalog changes, committed with the epoch
//	    Create  []storage.NewArrangement
//	    AddStreams []StreamSpec           // {ID, Name, Types []types.Type, Source connector.Source}
//	    AddViews   []ViewSpec             // {ID, Name, Graph, Result ResultSpec}
//	    Drop    []RelationID              // stops readers, drops arrangements
//	    Check   func(epoch uint64) error  // validated against the state after the former epoch, inside the loop; an error refuses the command
//	    Restore bool
//	}
//	type ResultSpec struct { Arr storage.Arrangement; Grouped, Keyed bool; Types []types.Type; Key []types.Type }
//	    // how readers decode the view's arrangement
//
//	(*Runtime).Epoch() uint64                    last published epoch
//	(*Runtime).Snapshot() *Snapshot              storage snapshot + positions and view states of the same epoch
//	(*Runtime).WaitReady(ctx, RelationID, progress func(Progress)) error
//	    // until the view has processed what its inputs held when it was created
//	(*Runtime).WaitPositions(ctx, RelationID, connector.Positions) error   // real_time_recency
//	(*Runtime).Sources() []SourceStatus, Views() []ViewStatus              // streamdb.sources, streamdb.views
//	(*Runtime).ErrorRows(snapshot, RelationID, fn)                         // streamdb.errors; error rows live in one arrangement, key (relation, error row), image = weight
//
//	Query execution by the same operators over memory state:
//	Execute(ctx, g *Graph, feed func(ctx, RelationInput, emit func(*zset.Batch) error) error, opts ExecuteOptions) (rows operator.Delta, errs operator.Delta, err error)
//	    // opts: memory limit (53200), batch callback for streaming results of graphs without aggregates
//	ScanResult(snapshot, ResultSpec, lo, hi, need, emit func(*zset.Batch) error) error   // rows of a stored relation in batches
//	LookupResult(snapshot, ResultSpec, key []byte, emit) error                           // one key
