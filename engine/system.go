package engine

import (
	"context"
	"fmt"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/types"
)

// firstSystemID is above every id of a user's object.
const firstSystemID catalog.ID = 1 << 30

// systemRelation is a relation that is computed when it is read.
type systemRelation struct {
	schema, name string
	columns      []catalog.Column
	rows         func(ctx context.Context, r *reading, emit func(*zset.Batch) error) error
}

// systemRelations lists the relations that are computed when they are read, in
// a fixed order: it gives them their ids.
func systemRelations() []systemRelation {
	out := ownRelations()
	for _, p := range pgRelations() {
		out = append(out, p.system())
	}
	return out
}

// ownRelations lists the relations of the schema streamdb.
func ownRelations() []systemRelation {
	return []systemRelation{
		{catalog.SystemSchema, "sources", sourcesColumns(), sourcesRows},
		{catalog.SystemSchema, "watermarks", watermarksColumns(), watermarksRows},
		{catalog.SystemSchema, "views", viewsColumns(), viewsRows},
		{catalog.SystemSchema, "errors", errorsColumns(), errorsRows},
		{catalog.SystemSchema, "dependencies", dependenciesColumns(), dependenciesRows},
		{catalog.SystemSchema, "epochs", epochsColumns(), epochsRows},
		{catalog.SystemSchema, "sinks", sinksColumns(), sinksRows},
	}
}

// systemObjects are the catalog entries of the system relations.
func systemObjects() []*catalog.Object {
	var out []*catalog.Object
	for i, r := range systemRelations() {
		out = append(out, &catalog.Object{ID: firstSystemID + catalog.ID(i), Schema: r.schema, Name: r.name,
			Kind: catalog.System, Columns: r.columns})
	}
	return out
}

// feedSystem computes a system relation at the snapshot's epoch.
func (r *reading) feedSystem(ctx context.Context, o *catalog.Object, emit func(*zset.Batch) error) error {
	return systemRelations()[o.ID-firstSystemID].rows(ctx, r, emit)
}

func columns(list ...any) []catalog.Column {
	var out []catalog.Column
	for i := 0; i < len(list); i += 2 {
		out = append(out, catalog.Column{Name: list[i].(string), Type: list[i+1].(types.Type)})
	}
	return out
}

func columnTypes(cols []catalog.Column) []types.Type {
	o := catalog.Object{Columns: cols}
	return o.Types()
}

// row builders: a datum of each kind that system relations show.
func textDatum(s string) types.Datum { return types.Datum{Bytes: []byte(s)} }
func intDatum(n int64) types.Datum   { return types.Datum{Int: n} }
func boolDatum(b bool) types.Datum   { return types.Datum{Bool: b} }

// orNull is NULL for the empty string.
func orNull(s string) types.Datum {
	if s == "" {
		return types.NullDatum()
	}
	return textDatum(s)
}

// microsDatum is a timestamptz of microseconds since 1970, NULL for 0.
func microsDatum(us int64) types.Datum {
	if us == 0 {
		return types.NullDatum()
	}
	const epoch2000 = 946_684_800_000_000 // microseconds from 1970 to 2000
	return intDatum(us - epoch2000)
}

func sourcesColumns() []catalog.Column {
	return columns("schema", types.Text, "name", types.Text, "state", types.Text, "reason", types.Text,
		"partition", types.Int4, "position", types.Int8, "end", types.Int8, "lag", types.Int8,
		"rows_in", types.Int8, "errors", types.Int8, "newest", types.Timestamptz, "unknown_tombstones", types.Int8)
}

// sourcesRows has a row for each partition of each stream and each table over a
// topic, and one without partition where none is known. Sums over the rows of a
// source are right: what counts for a table as a whole is in its first row.
func sourcesRows(ctx context.Context, r *reading, emit func(*zset.Batch) error) error {
	e := r.session.engine
	e.runtime.RefreshEnds(ctx)
	b := zset.NewBatch(columnTypes(sourcesColumns()), 0)
	for _, s := range e.runtime.Sources() {
		o := r.session.catalog().Owner(catalog.ID(s.ID))
		if o == nil {
			continue
		}
		table, err := upsertStatus(r, o, &s)
		if err != nil {
			return err
		}
		head := []types.Datum{textDatum(o.Schema), textDatum(o.Name), textDatum(s.State), orNull(s.Reason)}
		partitions := max(len(s.Positions), len(s.Ends), len(s.Counts))
		if partitions == 0 {
			none := []types.Datum{types.NullDatum(), types.NullDatum(), types.NullDatum(), types.NullDatum()}
			b.AppendDatums(append(append(head, none...), countDatums(s.Counts, 0, table)...), 1)
		}
		for p := range int32(partitions) {
			row := append(append([]types.Datum(nil), head...), positionDatums(s.Positions, s.Ends, p)...)
			b.AppendDatums(append(row, countDatums(s.Counts, p, table)...), 1)
		}
	}
	return emit(b)
}

// tableCounts are the counts of a table over a topic as a whole.
type tableCounts struct {
	errors            int64 // error rows at the epoch that is read
	unknownTombstones int64 // that met no row
}

// upsertStatus completes the status of a source that feeds a table with its
// trouble and with what was odd in its records, and counts the table's errors. It
// returns nil for a stream.
func upsertStatus(r *reading, o *catalog.Object, s *dataflow.SourceStatus) (*tableCounts, error) {
	if o.Source == 0 {
		return nil, nil
	}
	out := &tableCounts{errors: r.snapshot.CountErrors(dataflow.RelationID(o.ID))}
	if v, ok := r.snapshot.View(dataflow.RelationID(o.ID)); ok && v.State == dataflow.StateQuarantined {
		s.State, s.Reason = v.State, v.Reason
	}
	image, ok, err := r.snapshot.Get(o.Stored.Others[0], operator.UpsertCountsKey(), nil)
	if err != nil || !ok {
		return out, err
	}
	counts, err := operator.DecodeUpsertCounts(image)
	if counts.Moved > 0 && s.Reason == "" {
		s.Reason = fmt.Sprintf("%d records came from another partition than the record of their key before: between partitions there is no order", counts.Moved)
	}
	out.unknownTombstones = counts.UnknownTombstones
	return out, err
}

// countDatums are rows_in, errors, newest and unknown_tombstones.
func countDatums(counts []dataflow.PartitionCounts, p int32, table *tableCounts) []types.Datum {
	var c dataflow.PartitionCounts
	if int(p) < len(counts) {
		c = counts[p]
	}
	errors, unknown := intDatum(c.Errors), types.NullDatum()
	switch {
	case table != nil && p == 0:
		errors, unknown = intDatum(table.errors), intDatum(table.unknownTombstones)
	case table != nil:
		errors = types.NullDatum()
	}
	return []types.Datum{intDatum(c.Rows), errors, microsDatum(c.Produced), unknown}
}

// positionDatums are partition, position, end and lag.
func positionDatums(positions, ends connector.Positions, p int32) []types.Datum {
	out := []types.Datum{intDatum(int64(p)), types.NullDatum(), types.NullDatum(), types.NullDatum()}
	at, end := positions.At(p), ends.At(p)
	if at >= 0 {
		out[1] = intDatum(at)
	}
	if end >= 0 {
		out[2] = intDatum(end)
	}
	if at >= 0 && end >= 0 {
		out[3] = intDatum(max(0, end-at))
	}
	return out
}

func viewsColumns() []catalog.Column {
	return columns("schema", types.Text, "name", types.Text, "state", types.Text, "reason", types.Text,
		"ready", types.Bool, "records_done", types.Int8, "records_total", types.Int8, "epoch", types.Int8, "definition", types.Text,
		"late_rows", types.Int8)
}

func viewsRows(_ context.Context, r *reading, emit func(*zset.Batch) error) error {
	b := zset.NewBatch(columnTypes(viewsColumns()), 0)
	for _, o := range r.session.catalog().Objects() {
		if o.Kind != catalog.MaterializedView {
			continue
		}
		s, ok := r.snapshot.View(dataflow.RelationID(o.ID))
		if !ok {
			continue // created after the epoch that is read
		}
		total := types.NullDatum()
		if s.Progress.Total > 0 {
			total = intDatum(s.Progress.Total)
		}
		late := types.NullDatum()
		if o.Late != catalog.LateCorrect {
			late = intDatum(s.Late)
		}
		b.AppendDatums([]types.Datum{textDatum(o.Schema), textDatum(o.Name), textDatum(s.State), orNull(s.Reason),
			boolDatum(s.Ready), intDatum(s.Progress.Done), total, intDatum(int64(s.Epoch)), textDatum(o.Definition), late}, 1)
	}
	return emit(b)
}

func errorsColumns() []catalog.Column {
	return columns("schema", types.Text, "name", types.Text, "partition", types.Int4, "offset", types.Int8,
		"timestamp", types.Timestamptz, "key", types.Bytea, "value", types.Bytea, "sqlstate", types.Text, "message", types.Text)
}

// errorsRows has the error rows of all objects at the epoch that is read.
func errorsRows(ctx context.Context, r *reading, emit func(*zset.Batch) error) error {
	e := r.session.engine
	for _, o := range r.session.catalog().Objects() {
		err := e.runtime.ErrorRows(r.snapshot, dataflow.RelationID(o.ID), func(in *zset.Batch) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			b := zset.NewBatch([]types.Type{types.Text, types.Text}, in.N)
			for range in.N {
				b.Cols[0].AppendString(o.Schema)
				b.Cols[1].AppendString(o.Name)
			}
			return emit(&zset.Batch{Cols: append(b.Cols, in.Cols...), N: in.N, Sel: in.Sel, Weight: in.Weight})
		})
		if err != nil {
			return fmt.Errorf("read the error rows of %s: %w", o.Name, err)
		}
	}
	return nil
}

func dependenciesColumns() []catalog.Column {
	return columns("schema", types.Text, "name", types.Text, "depends_on_schema", types.Text, "depends_on_name", types.Text)
}

func dependenciesRows(_ context.Context, r *reading, emit func(*zset.Batch) error) error {
	cat := r.session.catalog()
	b := zset.NewBatch(columnTypes(dependenciesColumns()), 0)
	for _, o := range cat.Objects() {
		for _, id := range o.DependsOn {
			if d := cat.Object(id); d != nil {
				b.AppendDatums([]types.Datum{textDatum(o.Schema), textDatum(o.Name), textDatum(d.Schema), textDatum(d.Name)}, 1)
			}
		}
	}
	return emit(b)
}

func epochsColumns() []catalog.Column {
	return columns("epoch", types.Int8, "time", types.Timestamptz, "epochs", types.Int8, "rows", types.Int8,
		"cut_us", types.Int8, "compute_us", types.Int8, "commit_us", types.Int8)
}

// epochsRows has one row: the epoch that is read, and the counters of the loop
// since the start of the process.
func epochsRows(_ context.Context, r *reading, emit func(*zset.Batch) error) error {
	s := r.session.engine.runtime.Stats()
	b := zset.NewBatch(columnTypes(epochsColumns()), 1)
	b.AppendDatums([]types.Datum{intDatum(int64(r.snapshot.Epoch())), microsDatum(r.snapshot.Clock()),
		intDatum(s.Epochs), intDatum(s.Rows), intDatum(s.CutNS / 1000), intDatum(s.ComputeNS / 1000), intDatum(s.CommitNS / 1000)}, 1)
	return emit(b)
}
