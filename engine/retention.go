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

// takeOption takes an option out of a list of options; nil if it is not there.
func takeOption(options []*ast.Option, name string) (taken *ast.Option, left []*ast.Option) {
	for _, o := range options {
		if o.Name == name {
			taken = o
		} else {
			left = append(left, o)
		}
	}
	return taken, left
}

// refuseRetention refuses RETENTION where rows cannot expire.
func refuseRetention(options []*ast.Option, why string) error {
	if o, _ := takeOption(options, "retention"); o != nil {
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

// viewRetention reads RETENTION of a materialized view.
func (s *Session) viewRetention(q *planner.Query, o *ast.Option) (*expr.ClockBound, error) {
	var columns []catalog.Column
	for i, t := range q.Types() {
		columns = append(columns, catalog.Column{Name: q.Names[i], Type: t})
	}
	return s.retention(o, columns)
}
