package engine

import (
	"encoding/json"
	"fmt"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/planner"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/storage"
)

// createMaterializedView registers a view, whose dataflow starts with the commit.
// The first read waits until the view has processed what its inputs held.
func (s *Session) createMaterializedView(st *ast.CreateMaterializedView) (string, error) {
	const tag = "CREATE MATERIALIZED VIEW"
	switch {
	case st.OrReplace:
		return "", sqlerr.New(sqlerr.FeatureNotSupported, "CREATE OR REPLACE MATERIALIZED VIEW is not supported yet").At(st.Position())
	}
	schema, err := s.targetSchema(st.Name)
	if err != nil {
		return "", err
	}
	if exists, err := s.existing(schema, st.Name, st.IfNotExists); exists || err != nil {
		return tag, err
	}
	given, options, err := settingOptions(st.Options)
	if err != nil {
		return "", err
	}
	restore, err := s.withSettings(given)
	if err != nil {
		return "", err
	}
	defer restore()
	if err := noParameters(st.Query); err != nil {
		return "", err
	}
	q, err := s.bindView(st.Query, st.Columns, st.Name)
	if err != nil {
		return "", err
	}
	if err := s.viewOptions(q, options); err != nil {
		return "", err
	}
	s.noticeOrder(q)
	canonical := *st
	canonical.IfNotExists, canonical.WithNoData = false, false
	canonical.Options = append(options, s.frozenOptions()...)
	o := &catalog.Object{Schema: schema, Name: st.Name.Name, Kind: catalog.MaterializedView,
		Definition: ast.String(&canonical), Query: ast.String(st.Query), Settings: s.frozenSettings(), Late: q.Late}
	if err := s.installView(o, q); err != nil {
		return "", err
	}
	return tag, s.installLate(o, q, st.Name.Position())
}

// viewOptions reads the options of a materialized view that are no settings.
func (s *Session) viewOptions(q *planner.Query, options []*ast.Option) (err error) {
	retention, left := takeOption(options, "retention")
	late, left := takeOption(left, "late")
	if len(left) > 0 {
		return sqlerr.New(sqlerr.FeatureNotSupported, "option %q of a materialized view is not supported", left[0].Name).At(left[0].Position())
	}
	if retention != nil {
		if q.Retention, err = s.viewRetention(q, retention); err != nil {
			return err
		}
	}
	if late != nil {
		q.Late, err = latePolicy(q, late)
	}
	return err
}

// bindView binds the query of a view and gives its columns the names asked for.
func (s *Session) bindView(query *ast.SelectStmt, columns []string, name *ast.ObjectName) (*planner.Query, error) {
	q, err := planner.Bind(query, s.planEnv(true))
	if err != nil {
		return nil, err
	}
	if len(columns) > len(q.Names) {
		return nil, sqlerr.New(sqlerr.SyntaxError, "too many column names were specified").At(name.Position())
	}
	q.Names = append(append([]string(nil), columns...), q.Names[len(columns):]...)
	return q, nil
}

// noticeOrder says that an order without limit means nothing in a view.
func (s *Session) noticeOrder(q *planner.Query) {
	if len(q.Order) > 0 && q.Limit == nil && q.Offset == nil {
		s.notice(Notice{Severity: "NOTICE", Code: "00000", Message: "ORDER BY without LIMIT has no effect in a materialized view",
			Hint: "Order the rows when you read the view."})
	}
}

func (s *Session) installView(o *catalog.Object, q *planner.Query) error {
	draft := s.catalog().Draft()
	o.ID = draft.NewID()
	plan, err := planner.LowerView(q, s.exprEnv(), draft.NewArrangement)
	if err != nil {
		return err
	}
	if err := refuseSystem(s.catalog(), plan.DependsOn); err != nil {
		return err
	}
	o.Columns, o.Stored, o.DependsOn, o.AppendOnly, o.Lookups = plan.Columns, plan.Stored, plan.DependsOn, plan.AppendOnly, plan.Lookups
	if o.Graph, err = json.Marshal(plan.Graph); err != nil {
		return fmt.Errorf("encode the graph of %q: %w", o.Name, err)
	}
	return s.add(draft, &addition{object: o, create: newArrangements(plan.Stored), retained: q.Retention != nil})
}

// refuseSystem refuses views over relations that do not tell of their changes.
func refuseSystem(cat *catalog.Catalog, ids []catalog.ID) error {
	for _, id := range ids {
		if o := cat.Object(id); o.Kind == catalog.System {
			return sqlerr.New(sqlerr.FeatureNotSupported, "a materialized view cannot read the system relation %q", o.Name)
		}
	}
	return nil
}

// newArrangements places a view's arrangements: what clients read with the
// results, the rest with operator state.
func newArrangements(s *catalog.Stored) []storage.NewArrangement {
	out := []storage.NewArrangement{{Arr: s.Arr, Placement: storage.Result}}
	for _, arr := range s.Others {
		out = append(out, storage.NewArrangement{Arr: arr, Placement: storage.State})
	}
	return out
}

// createView registers a plain view: a query under a name.
func (s *Session) createView(st *ast.CreateView) (string, error) {
	const tag = "CREATE VIEW"
	switch {
	case st.OrReplace:
		return "", sqlerr.New(sqlerr.FeatureNotSupported, "CREATE OR REPLACE VIEW is not supported yet").At(st.Position())
	case st.Temp, st.Recursive, st.CheckOption != "":
		return "", sqlerr.New(sqlerr.FeatureNotSupported, "this form of CREATE VIEW is not supported yet").At(st.Position())
	}
	schema, err := s.targetSchema(st.Name)
	if err != nil {
		return "", err
	}
	if exists, err := s.existing(schema, st.Name, st.IfNotExists); exists || err != nil {
		return tag, err
	}
	if err := noParameters(st.Query); err != nil {
		return "", err
	}
	given, options, err := settingOptions(st.Options)
	if err != nil {
		return "", err
	}
	if len(options) > 0 {
		return "", sqlerr.New(sqlerr.FeatureNotSupported, "option %q of a view is not supported", options[0].Name).At(options[0].Position())
	}
	restore, err := s.withSettings(given)
	if err != nil {
		return "", err
	}
	defer restore()
	q, err := planner.Bind(st.Query, s.planEnv(false))
	if err != nil {
		return "", err
	}
	canonical := *st
	canonical.IfNotExists, canonical.Options = false, s.frozenOptions()
	o := &catalog.Object{Schema: schema, Name: st.Name.Name, Kind: catalog.View,
		Definition: ast.String(&canonical), Query: ast.String(st.Query), Settings: s.frozenSettings()}
	if o.Columns, o.DependsOn, err = planner.DescribeView(q, st.Columns, st.Name.Position()); err != nil {
		return "", err
	}
	draft := s.catalog().Draft()
	o.ID = draft.NewID()
	return tag, s.add(draft, &addition{object: o})
}

// targetSchema is the schema in which a new object goes.
func (s *Session) targetSchema(name *ast.ObjectName) (string, error) {
	schema := name.Schema()
	if schema == "" {
		for _, candidate := range s.settings.searchPath() {
			if candidate == catalog.PublicSchema {
				return candidate, nil
			}
		}
		return "", sqlerr.New(sqlerr.InvalidSchemaName, "no schema has been selected to create in").At(name.Position())
	}
	switch {
	case !s.catalog().HasSchema(schema):
		return "", sqlerr.New(sqlerr.InvalidSchemaName, "schema %q does not exist", schema).At(name.Position())
	case schema != catalog.PublicSchema:
		return "", sqlerr.New("42501", "permission denied to create in schema %q", schema).At(name.Position())
	}
	return schema, nil
}

// existing says whether the name is taken; without IF NOT EXISTS that is 42P07.
func (s *Session) existing(schema string, name *ast.ObjectName, ifNotExists bool) (bool, error) {
	if s.catalog().Lookup(schema, name.Name) == nil {
		return false, nil
	}
	if !ifNotExists {
		return true, sqlerr.New(sqlerr.DuplicateTable, "relation %q already exists", name.Name).At(name.Position())
	}
	s.notice(Notice{Severity: "NOTICE", Code: sqlerr.DuplicateTable,
		Message: fmt.Sprintf("relation %q already exists, skipping", name.Name)})
	return true, nil
}
