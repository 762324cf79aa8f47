package dataflow

import (
	"context"
	"fmt"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/internal/sqlerr"
)

// StateDiverged is that of a sink that cannot go on: what it has written is not
// a former state of what it would write.
const StateDiverged = "diverged"

// known refuses to go on from a state that this database never had.
func (w *SinkWriter) known(at connector.Mark) error {
	// A snapshot may be of the epoch that is about to be published, and be written.
	snap := w.runtime.Snapshot()
	now := snap.Epoch()
	snap.Release()
	if at.Epoch > now {
		return fmt.Errorf("%w: it has been written up to epoch %d, but this database is at epoch %d", connector.ErrDiverged, at.Epoch, now)
	}
	if !w.spec.Timeline.Contains(at) {
		return fmt.Errorf("%w: it has been written up to epoch %d by a copy of this database that went another way", connector.ErrDiverged, at.Epoch)
	}
	return nil
}

// resume is a request to go on after having diverged.
type resume struct {
	ctx  context.Context //nolint:containedctx // of the one who waits for the answer
	done chan resumed
}

// resumed is the answer to one.
type resumed struct {
	epoch uint64
	err   error
}

// Resume lets a sink that has diverged go on with what the external system
// holds: changes of the epochs up to the one that it returns are not written any
// more, all later ones are. 55000 if the sink has not diverged.
func (w *SinkWriter) Resume(ctx context.Context) (epoch uint64, err error) {
	w.resuming.Lock()
	defer w.resuming.Unlock()
	if state := w.Status().State; state != StateDiverged {
		return 0, sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "sink %q has not diverged", w.spec.Name).WithDetail("It is %s.", state)
	}
	q := resume{ctx: ctx, done: make(chan resumed, 1)}
	select {
	case w.resumes <- q:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	out := <-q.done
	return out.epoch, out.err
}

// awaitResume waits for a Resume, does it and answers it. Whether it happened
// when there is an error, the next session will tell.
func (w *SinkWriter) awaitResume(ctx context.Context) {
	select {
	case <-ctx.Done():
	case q := <-w.resumes:
		both, cancel := context.WithCancel(q.ctx)
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		epoch := w.runtime.Epoch()
		err := w.spec.Sink.Rebase(both, w.spec.Timeline.Mark(epoch))
		w.setState(StateStalled, "connecting")
		q.done <- resumed{epoch, err}
	}
}
