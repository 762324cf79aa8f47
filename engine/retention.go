package engine

import (
	"slices"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/planner"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// retentionOption takes RETENTION out of a list of options; nil if it is not
// there.
func retentionOption(options []*ast.Option) (retention *ast.Option, left []*ast.Option) {
	for _, o := range options {
		if o.Name == "retention" {
			retention = o
		} else {
			left = append(left, o)
		}
	}
	return retention, left
}

// refuseRetention refuses RETENTION where rows cannot expire.
func refuseRetention(options []*ast.Option, why string) error {
	if o, _ := retentionOption(options); o != nil {
		return sqlerr.New(sqlerr.FeatureNotSupported, "RETENTION is not supported here").At(o.Position()).WithDetail("%s", why).
			WithHint("Make a materialized view WITH (RETENTION = ...).")
	}
	return nil
}

// retention reads RETENTION = 'interval' ON column.
func (s *Session) retention(o *ast.Option, columns []catalog.Column) (*expr.ClockBound, error) {
	if o.On == "" {
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "RETENTION needs the column that rows are kept from").At(o.Position()).
			WithHint("For example: WITH (RETENTION = '7 days' ON created)")
	}
	length, err := lengthOption(o)
	if err != nil {
		return nil, err
	}
	if length == 0 {
		return nil, sqlerr.New(sqlerr.InvalidParameterValue, "RETENTION must be longer than nothing").At(o.Position())
	}
	at := slices.IndexFunc(columns, func(c catalog.Column) bool { return c.Name == o.On && !c.Hidden })
	if at < 0 {
		return nil, sqlerr.New(sqlerr.UndefinedColumn, "column %q does not exist", o.On).At(o.Position())
	}
	switch t := columns[at].Type.Base(); t {
	case types.Date, types.Timestamp, types.Timestamptz:
		return planner.Retention(at, columns[at].Type, length, s.exprEnv())
	default:
		return nil, sqlerr.New(sqlerr.DatatypeMismatch, "the column %q of RETENTION has type %s", o.On, t).At(o.Position()).
			WithHint("It must be a date or a timestamp with or without time zone.")
	}
}

// viewRetention reads the options of a materialized view.
func (s *Session) viewRetention(q *planner.Query, options []*ast.Option) error {
	o, left := retentionOption(options)
	if len(left) > 0 {
		return sqlerr.New(sqlerr.FeatureNotSupported, "option %q of a materialized view is not supported", left[0].Name).At(left[0].Position())
	}
	if o == nil {
		return nil
	}
	var columns []catalog.Column
	for i, t := range q.Types() {
		columns = append(columns, catalog.Column{Name: q.Names[i], Type: t})
	}
	var err error
	q.Retention, err = s.retention(o, columns)
	return err
}
