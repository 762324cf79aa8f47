package engine

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/planner"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// rowIDColumn is the hidden key of a table without primary key.
const rowIDColumn = "streamdb_row_id"

// createTable registers a table whose rows come from INSERT, UPDATE and DELETE.
func (s *Session) createTable(ctx context.Context, st *ast.CreateTable) (string, error) {
	const tag = "CREATE TABLE"
	if overTopic(st) {
		return tag, s.createSourceTable(ctx, st)
	}
	if err := refuseTableClauses(st); err != nil {
		return "", err
	}
	schema, err := s.targetSchema(st.Name)
	if err != nil {
		return "", err
	}
	if exists, err := s.existing(schema, st.Name, st.IfNotExists); exists || err != nil {
		return tag, err
	}
	columns, key, err := s.tableColumns(st)
	if err != nil {
		return "", err
	}
	canonical := *st
	canonical.IfNotExists = false
	o := &catalog.Object{Schema: schema, Name: st.Name.Name, Kind: catalog.Table, Columns: columns, Definition: ast.String(&canonical)}
	var bound *expr.ClockBound
	if retention, _ := takeOption(st.Options, "retention"); retention != nil {
		if bound, err = s.retention(retention, columns); err != nil {
			return "", err
		}
	}
	return tag, s.installTable(o, key, bound)
}

// overTopic says whether the rows of the table come from outside.
func overTopic(st *ast.CreateTable) bool {
	_, options := takeOption(st.Options, "retention")
	return len(options)+len(st.Includes) > 0
}

func refuseTableClauses(st *ast.CreateTable) error {
	unsupported := func(what string) error {
		return sqlerr.New(sqlerr.FeatureNotSupported, "%s is not supported yet", what).At(st.Position())
	}
	switch {
	case st.Query != nil:
		return unsupported("CREATE TABLE AS")
	case st.Temp:
		return unsupported("CREATE TEMPORARY TABLE")
	case st.OrReplace:
		return unsupported("CREATE OR REPLACE TABLE")
	case len(st.Likes) > 0 || len(st.Inherits) > 0:
		return unsupported("LIKE or INHERITS")
	case len(st.Watermarks) > 0 && !overTopic(st):
		return sqlerr.New(sqlerr.FeatureNotSupported, "WATERMARK FOR is supported on streams and on tables over a topic only").At(st.Watermarks[0].Position())
	case st.AppendOnly:
		return unsupported("APPEND ONLY on a table")
	}
	return nil
}

// tableColumns resolves columns and constraints. The key is the primary key's
// columns, else the hidden row id.
func (s *Session) tableColumns(st *ast.CreateTable) (columns []catalog.Column, key []int, err error) {
	for _, def := range st.Columns {
		c, primary, err := s.tableColumn(def)
		if err != nil {
			return nil, nil, err
		}
		for _, other := range columns {
			if other.Name == c.Name {
				return nil, nil, sqlerr.New(sqlerr.DuplicateColumn, "column %q specified more than once", c.Name).At(def.Position())
			}
		}
		if primary != nil {
			if key != nil {
				return nil, nil, errSecondKey(st, primary)
			}
			key = []int{len(columns)}
		}
		columns = append(columns, c)
	}
	for _, c := range st.Constraints {
		if c.Kind != ast.ConstraintPrimaryKey {
			return nil, nil, errConstraint(c)
		}
		if key != nil {
			return nil, nil, errSecondKey(st, c)
		}
		if key, err = keyColumns(c, columns); err != nil {
			return nil, nil, err
		}
	}
	for _, i := range key {
		columns[i].NotNull = true
	}
	if key == nil {
		key = []int{len(columns)}
		columns = append(columns, catalog.Column{Name: rowIDColumn, Type: types.Int8, Hidden: true})
	}
	return columns, key, nil
}

func errSecondKey(st *ast.CreateTable, c *ast.Constraint) error {
	return sqlerr.New(sqlerr.InvalidTableDefinition, "multiple primary keys for table %q are not allowed", st.Name.Name).At(c.Position())
}

func errConstraint(c *ast.Constraint) error {
	what := map[ast.ConstraintKind]string{ast.ConstraintUnique: "UNIQUE", ast.ConstraintCheck: "CHECK",
		ast.ConstraintReferences: "REFERENCES", ast.ConstraintGenerated: "GENERATED", ast.ConstraintIdentity: "GENERATED AS IDENTITY"}[c.Kind]
	return sqlerr.New(sqlerr.FeatureNotSupported, "%s is not supported yet", what).At(c.Position()).
		WithHint("PRIMARY KEY, NOT NULL and DEFAULT are supported.")
}

func (s *Session) tableColumn(def *ast.ColumnDef) (c catalog.Column, primary *ast.Constraint, err error) {
	if c.Type, err = planner.BindType(def.Type); err != nil {
		return c, nil, err
	}
	c.Name = def.Name
	for _, con := range def.Constraints {
		switch con.Kind {
		case ast.ConstraintNotNull:
			c.NotNull = true
		case ast.ConstraintNull:
		case ast.ConstraintPrimaryKey:
			primary = con
		case ast.ConstraintDefault:
			if err := planner.BindDefault(con.Expr, &c, s.planEnv(false)); err != nil {
				return c, nil, err
			}
			c.Default = ast.String(con.Expr)
		default:
			return c, nil, errConstraint(con)
		}
	}
	return c, primary, nil
}

func keyColumns(c *ast.Constraint, columns []catalog.Column) ([]int, error) {
	var key []int
	for _, name := range c.Columns {
		found := -1
		for i := range columns {
			if columns[i].Name == name {
				found = i
			}
		}
		if found < 0 {
			return nil, sqlerr.New(sqlerr.UndefinedColumn, "column %q named in key does not exist", name).At(c.Position())
		}
		key = append(key, found)
	}
	return key, nil
}

// installTable starts a table; its rows leave by the clock if retention is given.
func (s *Session) installTable(o *catalog.Object, key []int, retention *expr.ClockBound) error {
	draft := s.catalog().Draft()
	o.ID = draft.NewID()
	o.Stored = &catalog.Stored{Arr: draft.NewArrangement(), Key: key}
	for _, i := range key {
		o.Stored.KeyTypes = append(o.Stored.KeyTypes, o.Columns[i].Type)
	}
	graph := planner.TableGraph(o.ID, o.Types(), key, o.Stored.Arr)
	if retention != nil {
		timers := draft.NewArrangement()
		o.Stored.Others = []storage.Arrangement{timers}
		graph = planner.RetainedTableGraph(o.ID, o.Types(), key, retention, o.Stored.Arr, timers)
	}
	var err error
	if o.Graph, err = json.Marshal(graph); err != nil {
		return fmt.Errorf("encode the graph of table %q: %w", o.Name, err)
	}
	return s.add(draft, &addition{object: o, create: newArrangements(o.Stored)})
}
