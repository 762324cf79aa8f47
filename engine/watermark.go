package engine

import (
	"context"
	"slices"
	"time"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/planner"
	"github.com/streamdb/streamdb/sql"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/types"
)

// What a watermark does unless it is told otherwise.
const (
	defaultIdle      = 30 * time.Second
	defaultMaxFuture = time.Hour
)

// watermark reads WATERMARK FOR and the options idle_timeout and max_future, and
// returns the options that are left.
func (s *Session) watermark(marks []*ast.Watermark, columns []catalog.Column, options []*ast.Option) (*catalog.Watermark, []*ast.Option, error) {
	w := &catalog.Watermark{Idle: defaultIdle.Microseconds(), MaxFuture: defaultMaxFuture.Microseconds()}
	var left []*ast.Option
	for _, o := range options {
		into := map[string]*int64{"idle_timeout": &w.Idle, "max_future": &w.MaxFuture}[o.Name]
		if into == nil {
			left = append(left, o)
			continue
		}
		if len(marks) == 0 {
			return nil, nil, sqlerr.New(sqlerr.InvalidParameterValue, "option %q needs a WATERMARK FOR clause", o.Name).At(o.Position())
		}
		var err error
		if *into, err = lengthOption(o); err != nil {
			return nil, nil, err
		}
	}
	if len(marks) == 0 {
		return nil, left, nil
	}
	if len(marks) > 1 {
		return nil, nil, sqlerr.New(sqlerr.FeatureNotSupported, "more than one WATERMARK FOR is not supported").At(marks[1].Position())
	}
	mark := marks[0]
	w.Column = slices.IndexFunc(columns, func(c catalog.Column) bool { return c.Name == mark.Column })
	if w.Column < 0 {
		return nil, nil, sqlerr.New(sqlerr.UndefinedColumn, "column %q does not exist", mark.Column).At(mark.Position())
	}
	switch t := columns[w.Column].Type.Base(); t {
	case types.Timestamptz:
	case types.Timestamp:
		w.Zone = s.settings.values["timezone"]
	default:
		return nil, nil, sqlerr.New(sqlerr.DatatypeMismatch, "the event time %q has type %s", mark.Column, t).At(mark.Position()).
			WithHint("WATERMARK FOR needs a column of type timestamp with or without time zone.")
	}
	var err error
	w.Delay, err = planner.BindWatermark(mark, s.planEnv(false))
	return w, left, err
}

// lengthOption reads an interval of days and time, not negative; 'off' is 0.
func lengthOption(o *ast.Option) (int64, error) {
	text, err := optionText(o)
	if err != nil || text == "off" {
		return 0, err
	}
	iv, err := types.ParseInterval([]byte(text), -1, nil)
	if err != nil {
		return 0, sqlerr.From(err).At(o.Position())
	}
	n, err := iv.FixedMicros()
	if err != nil || n < 0 {
		return 0, sqlerr.New(sqlerr.InvalidParameterValue, "invalid value for option %q: %q", o.Name, text).At(o.Position()).
			WithHint("It is an interval of one length, such as '30 s', or 'off'.")
	}
	return n, nil
}

// watermarkSpec is what the dataflow is told of a watermark. The zone was known
// when it was declared.
func watermarkSpec(w *catalog.Watermark) *dataflow.WatermarkSpec {
	if w == nil {
		return nil
	}
	spec := &dataflow.WatermarkSpec{Column: w.Column, Delay: w.Delay, Idle: w.Idle, MaxFuture: w.MaxFuture}
	if w.Zone != "" {
		if zone, err := types.LoadZone(w.Zone); err == nil {
			spec.Zone = zone
		}
	}
	return spec
}

// prepareShowWatermarks answers SHOW WATERMARKS.
func (s *Session) prepareShowWatermarks(p *Prepared) error {
	parsed, err := sql.ParseOne("SELECT * FROM streamdb.watermarks ORDER BY schema, name")
	if err != nil {
		return err
	}
	query, ok := parsed.Stmt.(*ast.SelectStmt)
	if !ok {
		return sqlerr.New(sqlerr.InternalError, "the query of SHOW WATERMARKS is a %T", parsed.Stmt)
	}
	return s.prepareSelect(p, query)
}

func watermarksColumns() []catalog.Column {
	return columns("schema", types.Text, "name", types.Text, "column", types.Text, "watermark", types.Timestamptz,
		"held_back_by", types.Int4, "newest", types.Timestamptz, "late_rows", types.Int8)
}

// watermarksRows has the watermarks of the epoch that is read, and the partition
// that holds each of them back with its newest event time.
func watermarksRows(_ context.Context, r *reading, emit func(*zset.Batch) error) error {
	b := zset.NewBatch(columnTypes(watermarksColumns()), 0)
	known := func(ok bool, n int64) types.Datum {
		if !ok {
			return types.NullDatum()
		}
		return intDatum(n)
	}
	for _, w := range r.snapshot.Watermarks() {
		o := r.session.catalog().Owner(catalog.ID(w.ID))
		if o == nil {
			continue
		}
		b.AppendDatums([]types.Datum{textDatum(o.Schema), textDatum(o.Name), textDatum(o.Columns[w.Column].Name),
			known(w.Known, w.Watermark), known(w.Behind >= 0, int64(w.Behind)), known(w.NewestOK, w.Newest), intDatum(w.Late)}, 1)
	}
	return emit(b)
}
