package engine

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/planner"
	"github.com/streamdb/streamdb/sql"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/storage"
)

// The connectors of sinks.
const blackhole = "blackhole" // folds all rows into a checksum

// createSink registers a sink and starts it.
func (s *Session) createSink(ctx context.Context, st *ast.CreateSink) (string, error) {
	const tag = "CREATE SINK"
	switch {
	case st.OrReplace:
		return "", sqlerr.New(sqlerr.FeatureNotSupported, "CREATE OR REPLACE SINK is not supported yet").At(st.Position())
	case st.Into != nil:
		return "", sqlerr.New(sqlerr.FeatureNotSupported, "CREATE SINK INTO a table is not supported yet").At(st.Into.Position())
	}
	schema, err := s.targetSchema(st.Name)
	if err != nil {
		return "", err
	}
	if exists, err := s.existing(schema, st.Name, st.IfNotExists); exists || err != nil {
		return tag, err
	}
	query, err := s.sinkQuery(st)
	if err != nil {
		return "", err
	}
	q, err := planner.Bind(query, s.planEnv(true))
	if err != nil {
		return "", err
	}
	if st.Query != nil {
		s.noticeOrder(q)
	}
	in, err := planner.DescribeSink(q)
	if err != nil {
		return "", err
	}
	if err := refuseSystem(s.engine.catalog.Load(), in.DependsOn); err != nil {
		return "", err
	}
	canonical := *st
	canonical.IfNotExists = false
	o := &catalog.Object{Schema: schema, Name: st.Name.Name, Kind: catalog.Sink, Columns: in.Columns, DependsOn: in.DependsOn,
		Definition: ast.String(&canonical), Query: ast.String(query), Settings: s.frozenSettings(), AppendOnly: in.AppendOnly}
	name, options, err := sinkConnector(st)
	if err != nil {
		return "", err
	}
	o.Connector = name
	return tag, s.installSink(ctx, o, in, options)
}

// sinkQuery is the query whose rows the sink writes: for FROM all columns of
// the relation.
func (s *Session) sinkQuery(st *ast.CreateSink) (*ast.SelectStmt, error) {
	if st.Query != nil {
		return st.Query, nil
	}
	o, err := s.namedRelation(st.From, st.Position())
	if err != nil {
		return nil, err
	}
	if !o.IsRelation() {
		return nil, sqlerr.New(sqlerr.WrongObjectType, "%q is not a stream, table or view", o.Name).At(st.From.Position())
	}
	parsed, err := sql.ParseOne("SELECT * FROM " + ast.QuoteIdent(o.Schema) + "." + ast.QuoteIdent(o.Name))
	if err != nil {
		return nil, err
	}
	query, ok := parsed.Stmt.(*ast.SelectStmt)
	if !ok {
		return nil, sqlerr.New(sqlerr.InternalError, "the query of a sink is no SELECT")
	}
	return query, nil
}

// sinkConnector returns the option connector and the options besides it.
func sinkConnector(st *ast.CreateSink) (name string, rest []connector.Option, err error) {
	for _, o := range st.Options {
		value, err := optionText(o)
		if err != nil {
			return "", nil, err
		}
		switch {
		case o.Name != "connector":
			rest = append(rest, connector.Option{Name: o.Name, Value: value, Pos: o.Position()})
		case name != "":
			return "", nil, sqlerr.New(sqlerr.SyntaxError, "option \"connector\" is given twice").At(o.Position())
		case value != blackhole:
			return "", nil, sqlerr.New(sqlerr.FeatureNotSupported, "connector %q is not supported", value).At(o.Position()).
				WithHint("The connectors of sinks are 'kafka' and 'blackhole'.")
		default:
			name = value
		}
	}
	if name == "" {
		return "", nil, sqlerr.New(sqlerr.InvalidTableDefinition, "a sink needs the option connector").At(st.Position()).
			WithHint("For example: WITH (connector = 'kafka', brokers = 'localhost:9092', topic = 'out', format = 'json', envelope = 'upsert', key = 'id')")
	}
	return name, rest, nil
}

// installSink lowers the sink's dataflow, commits its catalog entry and starts
// it.
func (s *Session) installSink(ctx context.Context, o *catalog.Object, in *planner.SinkInput, options []connector.Option) error {
	draft := s.engine.catalog.Load().Draft()
	o.ID = draft.NewID()
	plan, err := s.lowerSink(o, in, options, draft.NewArrangement)
	if err != nil {
		return err
	}
	o.Stored = plan.Stored
	if o.Graph, err = json.Marshal(plan.Graph); err != nil {
		return fmt.Errorf("encode the graph of sink %q: %w", o.Name, err)
	}
	if err := draft.Add(o); err != nil {
		return err
	}
	next, meta, err := draft.Finish()
	if err != nil {
		return err
	}
	spec, err := viewSpec(o)
	if err != nil {
		return err
	}
	cmd := dataflow.Command{Meta: meta, AddViews: []dataflow.ViewSpec{spec}}
	for _, arr := range append([]storage.Arrangement{plan.Stored.Arr}, plan.Stored.Others...) {
		cmd.Create = append(cmd.Create, storage.NewArrangement{Arr: arr, Placement: storage.State})
	}
	if _, err := s.engine.runtime.Do(ctx, cmd); err != nil {
		return err
	}
	s.engine.catalog.Store(next)
	return nil
}

// lowerSink checks the connector's options and makes the sink's dataflow.
func (s *Session) lowerSink(o *catalog.Object, in *planner.SinkInput, options []connector.Option, newArr func() storage.Arrangement) (*planner.SinkPlan, error) {
	if len(options) > 0 {
		return nil, sqlerr.New(sqlerr.UndefinedObject, "unrecognized option %q of connector \"blackhole\"", options[0].Name).
			At(options[0].Pos).WithHint("This connector has no options.")
	}
	return in.Checksum(s.exprEnv(), newArr)
}
