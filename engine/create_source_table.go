package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/planner"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
)

// createSourceTable registers a table whose rows are the last record of each
// key of a topic: CREATE TABLE with a connector.
func (s *Session) createSourceTable(ctx context.Context, st *ast.CreateTable) error {
	if err := refuseTableClauses(st); err != nil {
		return err
	}
	if err := refuseRetention(st.Options, "The rows of this table are those of the topic."); err != nil {
		return err
	}
	schema, err := s.targetSchema(st.Name)
	if err != nil {
		return err
	}
	if exists, err := s.existing(schema, st.Name, st.IfNotExists); exists || err != nil {
		return err
	}
	columns, key, err := s.sourceTableColumns(st)
	if err != nil {
		return err
	}
	canonical := *st
	canonical.IfNotExists = false
	o := &catalog.Object{Schema: schema, Name: st.Name.Name, Kind: catalog.Table, Columns: columns,
		Connector: "kafka", Definition: ast.String(&canonical)}
	var options []*ast.Option
	if o.Watermark, options, err = s.watermark(st.Watermarks, columns, st.Options); err != nil {
		return err
	}
	if o.Options, err = sourceOptions("table", options, st.Position(), columns); err != nil {
		return err
	}
	return s.installSourceTable(ctx, o, key)
}

// sourceTableColumns resolves the columns, of which the primary key's come from
// the record's key, and the INCLUDE clauses.
func (s *Session) sourceTableColumns(st *ast.CreateTable) ([]catalog.Column, []int, error) {
	columns, key, err := s.tableColumns(st)
	if err != nil {
		return nil, nil, err
	}
	if columns[key[0]].Hidden {
		return nil, nil, sqlerr.New(sqlerr.InvalidTableDefinition, "a table over a topic needs a primary key").At(st.Position()).
			WithHint("The primary key is the record's key. Use CREATE STREAM for records that are events.")
	}
	for i, c := range columns {
		if c.Default != "" {
			return nil, nil, sqlerr.New(sqlerr.FeatureNotSupported, "DEFAULT is not supported in a table over a topic").At(st.Columns[i].Position()).
				WithHint("A field that a record lacks is NULL.")
		}
	}
	for _, i := range key {
		columns[i].Meta = uint8(connector.FromKeyField)
	}
	for _, inc := range st.Includes {
		c, err := includedColumn(inc)
		if err != nil {
			return nil, nil, err
		}
		if slices.ContainsFunc(columns, func(other catalog.Column) bool { return other.Name == c.Name }) {
			return nil, nil, sqlerr.New(sqlerr.DuplicateColumn, "column %q specified more than once", c.Name).At(inc.Position())
		}
		columns = append(columns, c)
	}
	return columns, key, nil
}

// installSourceTable opens the topic and starts the table: a source of its own
// and the dataflow that keeps the last row of each key.
func (s *Session) installSourceTable(ctx context.Context, o *catalog.Object, key []int) error {
	draft := s.catalog().Draft()
	o.Source, o.ID = draft.NewID(), draft.NewID()
	spec := &operator.UpsertSpec{Columns: o.Types(), Key: key, Arr: draft.NewArrangement(), Counts: draft.NewArrangement()}
	o.Stored = &catalog.Stored{Arr: spec.Arr, Others: spec.Arrangements()[1:], Grouped: true, Key: key}
	for _, i := range key {
		o.Stored.KeyTypes = append(o.Stored.KeyTypes, o.Columns[i].Type)
	}
	var err error
	if o.Graph, err = json.Marshal(planner.UpsertGraph(o.Source, spec)); err != nil {
		return fmt.Errorf("encode the graph of table %q: %w", o.Name, err)
	}
	source, err := s.engine.openSource(ctx, o)
	if err != nil {
		return err
	}
	s.sampleSource(ctx, source, o)
	return s.add(draft, &addition{object: o, create: newArrangements(o.Stored), source: source})
}
