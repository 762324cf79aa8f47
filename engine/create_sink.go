package engine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/connector/kafka"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/planner"
	"github.com/streamdb/streamdb/sql"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/storage"
)

// The connectors of sinks.
const (
	blackhole      = "blackhole" // folds all rows into a checksum
	kafkaConnector = "kafka"
)

// createSink registers a sink, which starts with the commit.
func (s *Session) createSink(st *ast.CreateSink) (string, error) {
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
	n, err := s.describeSink(st)
	if err != nil {
		return "", err
	}
	canonical := *st
	canonical.IfNotExists = false
	o := n.object
	o.Schema, o.Name, o.Definition, o.Settings = schema, st.Name.Name, ast.String(&canonical), s.frozenSettings()
	return tag, s.installSink(n)
}

// newSink is a sink on its way into the catalog.
type newSink struct {
	object   *catalog.Object
	input    *planner.SinkInput
	options  []connector.Option
	replaces *catalog.Object // the sink whose place it takes, nil: none
}

// describeSink binds the query of a sink and reads its options.
func (s *Session) describeSink(st *ast.CreateSink) (*newSink, error) {
	query, err := s.sinkQuery(st)
	if err != nil {
		return nil, err
	}
	q, err := planner.Bind(query, s.planEnv(true))
	if err != nil {
		return nil, err
	}
	if st.Query != nil {
		s.noticeOrder(q)
	}
	in, err := planner.DescribeSink(q)
	if err != nil {
		return nil, err
	}
	if err := refuseSystem(s.catalog(), in.DependsOn); err != nil {
		return nil, err
	}
	name, options, err := sinkConnector(st)
	if err != nil {
		return nil, err
	}
	return &newSink{input: in, options: options, object: &catalog.Object{Kind: catalog.Sink, Columns: in.Columns, DependsOn: in.DependsOn,
		Query: ast.String(query), AppendOnly: in.AppendOnly, Connector: name}}, nil
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
		case value != blackhole && value != kafkaConnector:
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

// installSink lowers the sink's dataflow, in place of another sink if there is one.
func (s *Session) installSink(n *newSink) error {
	o := n.object
	draft := s.catalog().Draft()
	o.ID = draft.NewID()
	plan, err := s.lowerSink(n, draft.NewArrangement)
	if err != nil {
		return err
	}
	o.Stored = plan.Stored
	if o.Graph, err = json.Marshal(plan.Graph); err != nil {
		return fmt.Errorf("encode the graph of sink %q: %w", o.Name, err)
	}
	if n.replaces != nil {
		s.remove(draft, n.replaces)
	}
	return s.add(draft, &addition{object: o, create: stateArrangements(plan.Stored)})
}

// stateArrangements are those of a dataflow that no client reads.
func stateArrangements(stored *catalog.Stored) []storage.NewArrangement {
	var out []storage.NewArrangement
	for _, arr := range append([]storage.Arrangement{stored.Arr}, stored.Others...) {
		out = append(out, storage.NewArrangement{Arr: arr, Placement: storage.State})
	}
	return out
}

// prepareSink makes the topic if there is none. A broker that cannot be reached
// is a NOTICE, not an error: the sink connects when it can.
func (s *Session) prepareSink(ctx context.Context, o *catalog.Object, w *runningSink) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	partitions, created, err := w.kafka.Prepare(ctx)
	n := Notice{Severity: "NOTICE", Code: "00000"}
	switch {
	case err != nil:
		n.Message = fmt.Sprintf("the topic of sink %q cannot be written yet: %s", o.Name, sqlerr.From(err).Message)
		n.Hint = "The sink connects by itself as soon as it can; SELECT * FROM streamdb.sinks shows its state."
	case created:
		n.Message = fmt.Sprintf("the topic of sink %q was created with %d partitions", o.Name, partitions)
		if partitions == 1 {
			n.Message = fmt.Sprintf("the topic of sink %q was created with one partition", o.Name)
			n.Hint = "The option partitions asks for more."
		}
	default:
		return
	}
	s.notice(n)
}

// lowerSink checks the connector's options and makes the sink's dataflow.
func (s *Session) lowerSink(n *newSink, newArr func() storage.Arrangement) (*planner.SinkPlan, error) {
	if n.object.Connector == kafkaConnector {
		return s.lowerKafkaSink(n, newArr)
	}
	if len(n.options) > 0 {
		return nil, sqlerr.New(sqlerr.UndefinedObject, "unrecognized option %q of connector \"blackhole\"", n.options[0].Name).
			At(n.options[0].Pos).WithHint("This connector has no options.")
	}
	return n.input.Checksum(s.exprEnv(), newArr)
}

// lowerKafkaSink checks the options against what the rows are like, chooses the
// envelope where none is given, and gives the sink its name in the cluster.
func (s *Session) lowerKafkaSink(n *newSink, newArr func() storage.Arrangement) (*planner.SinkPlan, error) {
	o, in := n.object, n.input
	columns := make([]connector.Column, len(in.Columns))
	for i, c := range in.Columns {
		columns[i] = connector.Column{Name: c.Name, Type: c.Type}
	}
	opts, err := kafka.ParseSinkOptions(n.options, columns)
	if err != nil {
		return nil, err
	}
	at := map[string]int{"key": -1, "envelope": -1}
	for _, option := range n.options {
		at[option.Name] = option.Pos
	}
	key, err := in.ColumnIndexes(opts.Key, at["key"])
	if err != nil {
		return nil, err
	}
	if opts.Envelope == "" {
		if opts.Envelope = kafka.EnvelopeUpsert; in.AppendOnly {
			opts.Envelope = kafka.EnvelopeAppend
		}
	}
	switch {
	case opts.Envelope == kafka.EnvelopeAppend && !in.AppendOnly:
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "envelope \"append\" needs rows that are never changed or deleted").At(at["envelope"]).
			WithHint("Use envelope = 'upsert' with a key, or write the rows of a stream without aggregates.")
	case opts.Envelope == kafka.EnvelopeUpsert && len(key) == 0:
		return nil, errNoSinkKey(in, at["envelope"])
	case opts.Envelope == kafka.EnvelopeUpsert && !in.Unique(key):
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "the key (%s) cannot be proved to be unique", strings.Join(opts.Key, ", ")).At(at["key"]).
			WithDetail("Two rows with one key would overwrite each other.").
			WithHint("Use the columns of GROUP BY or of the table's primary key; they must be among the sink's columns.")
	}
	opts.TransactionalID = transactionalID(o)
	if n.replaces != nil {
		former, err := kafkaSinkOptions(n.replaces)
		if err != nil {
			return nil, err
		}
		opts.Replaces = former.TransactionalID
	}
	if o.Options, err = json.Marshal(opts); err != nil {
		return nil, fmt.Errorf("encode the options of sink %q: %w", o.Name, err)
	}
	return in.Outbox(o.ID, opts.Envelope == kafka.EnvelopeUpsert, key, s.exprEnv(), newArr)
}

// errNoSinkKey says which key would do.
func errNoSinkKey(in *planner.SinkInput, pos int) error {
	err := sqlerr.New(sqlerr.InvalidParameterValue, "envelope \"upsert\" needs the option \"key\"").At(pos)
	if len(in.Keys) == 0 {
		return err.WithHint("The key must be provably unique: the columns of GROUP BY, or the primary key of a table.")
	}
	names := make([]string, 0, len(in.Keys[0]))
	for _, c := range in.Keys[0] {
		names = append(names, in.Columns[c].Name)
	}
	return err.WithHint("For example: key = '%s'.", strings.Join(names, ","))
}

// transactionalID names a sink in its cluster. The random part makes it another
// one than that of any sink of the same name before it or elsewhere.
func transactionalID(o *catalog.Object) string {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	return "streamdb-" + o.Schema + "." + o.Name + "-" + hex.EncodeToString(random[:])
}
