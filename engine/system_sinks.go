package engine

import (
	"context"
	"strconv"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/types"
)

// sinksColumns describe streamdb.sinks: rows and checksum are those of a
// blackhole at the epoch that is read (operator.ChecksumSpec says how to have
// PostgreSQL compute the same); for others rows counts the changes written since
// the server started. Everything up to epoch is written, lag is by how many
// epochs that is behind.
func sinksColumns() []catalog.Column {
	return columns("schema", types.Text, "name", types.Text, "state", types.Text, "reason", types.Text, "connector", types.Text,
		"rows", types.Int8, "checksum", types.Numeric, "epoch", types.Int8, "lag", types.Int8, "definition", types.Text)
}

func sinksRows(_ context.Context, r *reading, emit func(*zset.Batch) error) error {
	b := zset.NewBatch(columnTypes(sinksColumns()), 0)
	for _, o := range r.session.catalog().Objects() {
		if o.Kind != catalog.Sink {
			continue
		}
		s, ok := r.snapshot.View(dataflow.RelationID(o.ID))
		if !ok {
			continue // created after the epoch that is read
		}
		row, err := sinkStatus(r, o, s)
		if err != nil {
			return err
		}
		head := []types.Datum{textDatum(o.Schema), textDatum(o.Name)}
		b.AppendDatums(append(append(head, row...), textDatum(o.Definition)), 1)
	}
	return emit(b)
}

// sinkStatus is a sink's row from state to lag. What is wrong with its dataflow
// comes before what is wrong with its writing.
func sinkStatus(r *reading, o *catalog.Object, s dataflow.ViewStatus) ([]types.Datum, error) {
	if o.Connector == blackhole {
		return checksumStatus(r, o, s)
	}
	w, ok := r.session.engine.sinks.status(o.ID)
	if !ok { // dropped since
		w = dataflow.SinkStatus{State: dataflow.StateStalled}
	}
	state, reason := w.State, w.Reason
	if s.State != dataflow.StateRunning && (w.State == dataflow.StateRunning || s.State != dataflow.StateBackfilling) {
		state, reason = s.State, s.Reason
	}
	return []types.Datum{textDatum(state), orNull(reason), textDatum(o.Connector), intDatum(w.Rows), types.NullDatum(),
		intDatum(int64(w.Epoch)), intDatum(int64(w.Lag))}, nil
}

// checksumStatus is a blackhole's row from state to lag.
func checksumStatus(r *reading, o *catalog.Object, s dataflow.ViewStatus) ([]types.Datum, error) {
	image, ok, err := r.snapshot.Get(o.Stored.Arr, operator.ChecksumKey(), nil)
	if err != nil {
		return nil, err
	}
	var rows int64
	var sum uint64
	if ok {
		if rows, sum, err = operator.DecodeChecksum(image); err != nil {
			return nil, err
		}
	}
	checksum, err := types.ParseDecimal(strconv.AppendUint(nil, sum, 10))
	if err != nil {
		return nil, err
	}
	lag := int64(r.snapshot.Epoch()) - int64(s.Epoch)
	return []types.Datum{textDatum(s.State), orNull(s.Reason), textDatum(o.Connector), intDatum(rows), {Dec: checksum},
		intDatum(int64(s.Epoch)), intDatum(lag)}, nil
}
