package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/connector/kafka"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/planner"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/types"
)

// sampleTimeout bounds how long CREATE STREAM waits for the broker.
const sampleTimeout = 10 * time.Second

// createStream registers a stream. A topic or broker that cannot be reached is
// a NOTICE, not an error: the source connects when it can.
func (s *Session) createStream(ctx context.Context, st *ast.CreateStream) (string, error) {
	tag := "CREATE STREAM"
	if st.Source {
		tag = "CREATE SOURCE"
	}
	if err := refuseStreamClauses(st); err != nil {
		return "", err
	}
	if err := refuseRetention(st.Options, "A stream stores nothing; how long records are kept is the topic's matter."); err != nil {
		return "", err
	}
	schema, err := s.targetSchema(st.Name)
	if err != nil {
		return "", err
	}
	if exists, err := s.existing(schema, st.Name, st.IfNotExists); exists || err != nil {
		return tag, err
	}
	columns, err := streamColumns(st)
	if err != nil {
		return "", err
	}
	o := &catalog.Object{Schema: schema, Name: st.Name.Name, Kind: catalog.Stream, Columns: columns,
		Connector: "kafka", AppendOnly: true, Definition: ast.String(canonicalStream(st))}
	var options []*ast.Option
	if o.Watermark, options, err = s.watermark(st.Watermarks, columns, st.Options); err != nil {
		return "", err
	}
	if o.Options, err = sourceOptions("stream", options, st.Position(), columns); err != nil {
		return "", err
	}
	return tag, s.installStream(ctx, o)
}

func refuseStreamClauses(st *ast.CreateStream) error {
	switch {
	case st.OrReplace:
		return sqlerr.New(sqlerr.FeatureNotSupported, "CREATE OR REPLACE STREAM is not supported yet").At(st.Position())
	case st.Query != nil:
		return sqlerr.New(sqlerr.FeatureNotSupported, "CREATE STREAM AS is not supported yet").At(st.Position()).
			WithHint("Use CREATE MATERIALIZED VIEW.")
	case len(st.Constraints) > 0:
		return sqlerr.New(sqlerr.FeatureNotSupported, "table constraints are not supported on a stream").At(st.Constraints[0].Position()).
			WithHint("A stream holds events, not current rows by key.")
	}
	return nil
}

// streamColumns resolves the declared columns and the INCLUDE clauses.
func streamColumns(st *ast.CreateStream) ([]catalog.Column, error) {
	var out []catalog.Column
	seen := map[string]bool{}
	add := func(c catalog.Column, pos int) error {
		if seen[c.Name] {
			return sqlerr.New(sqlerr.DuplicateColumn, "column %q specified more than once", c.Name).At(pos)
		}
		seen[c.Name] = true
		out = append(out, c)
		return nil
	}
	for _, def := range st.Columns {
		t, err := planner.BindType(def.Type)
		if err != nil {
			return nil, err
		}
		if len(def.Constraints) > 0 {
			return nil, sqlerr.New(sqlerr.FeatureNotSupported, "column constraints are not supported on a stream").At(def.Constraints[0].Position())
		}
		if err := add(catalog.Column{Name: def.Name, Type: t}, def.Position()); err != nil {
			return nil, err
		}
	}
	for _, inc := range st.Includes {
		c, err := includedColumn(inc)
		if err != nil {
			return nil, err
		}
		if err := add(c, inc.Position()); err != nil {
			return nil, err
		}
	}
	if len(out) == 0 {
		return nil, sqlerr.New(sqlerr.InvalidTableDefinition, "a stream needs at least one column").At(st.Position())
	}
	return out, nil
}

// includedColumn is the column of an INCLUDE clause.
func includedColumn(inc *ast.Include) (catalog.Column, error) {
	kinds := map[string]struct {
		t    types.Type
		meta connector.Meta
	}{
		"key":       {types.Bytea, connector.FromKey},
		"partition": {types.Int4, connector.FromPartition},
		"offset":    {types.Int8, connector.FromOffset},
		"timestamp": {types.Timestamptz, connector.FromTimestamp},
		"topic":     {types.Text, connector.FromTopic},
		"payload":   {types.Bytea, connector.FromPayload},
		"headers":   {types.JSONB, connector.FromHeaders},
	}
	kind, ok := kinds[inc.Kind]
	if !ok {
		return catalog.Column{}, sqlerr.New(sqlerr.FeatureNotSupported, "INCLUDE %s is not supported yet", strings.ToUpper(inc.Kind)).At(inc.Position())
	}
	name := inc.Alias
	if name == "" {
		name = inc.Kind
	}
	return catalog.Column{Name: name, Type: kind.t, Meta: uint8(kind.meta)}, nil
}

// sourceOptions checks the WITH list of a stream or table.
func sourceOptions(what string, options []*ast.Option, pos int, columns []catalog.Column) (json.RawMessage, error) {
	var list []connector.Option
	found := false
	for _, o := range options {
		value, err := optionText(o)
		if err != nil {
			return nil, err
		}
		if o.Name == "connector" {
			if found = true; value != "kafka" {
				return nil, sqlerr.New(sqlerr.FeatureNotSupported, "connector %q is not supported", value).At(o.Position()).
					WithHint("The connector of a %s is 'kafka'.", what)
			}
			continue
		}
		list = append(list, connector.Option{Name: o.Name, Value: value, Pos: o.Position()})
	}
	if !found {
		return nil, sqlerr.New(sqlerr.InvalidTableDefinition, "a %s needs the option connector", what).At(pos).
			WithHint("For example: WITH (connector = 'kafka', brokers = 'localhost:9092', topic = 'events', format = 'json')")
	}
	cols := make([]connector.Column, len(columns))
	for i, c := range columns {
		cols[i] = connector.Column{Name: c.Name, Type: c.Type, Meta: connector.Meta(c.Meta), NotNull: c.NotNull}
	}
	opts, err := kafka.ParseOptions(list, cols)
	if err != nil {
		return nil, err
	}
	return json.Marshal(opts)
}

// optionText returns the value of a WITH option as text.
func optionText(o *ast.Option) (string, error) {
	switch v := o.Value.(type) {
	case *ast.StringLit:
		return v.Value, nil
	case *ast.NumberLit:
		return v.Text, nil
	case *ast.BoolLit:
		if v.Value {
			return "true", nil
		}
		return "false", nil
	}
	return "", sqlerr.New(sqlerr.InvalidParameterValue, "option %q needs a constant", o.Name).At(o.Position())
}

// canonicalStream spells CREATE SOURCE as CREATE STREAM.
func canonicalStream(st *ast.CreateStream) *ast.CreateStream {
	c := *st
	c.Source, c.IfNotExists = false, false
	return &c
}

// installStream opens the source and reads a sample for the NOTICE.
func (s *Session) installStream(ctx context.Context, o *catalog.Object) error {
	draft := s.catalog().Draft()
	o.ID = draft.NewID()
	source, err := s.engine.openSource(ctx, o)
	if err != nil {
		return err
	}
	s.sampleSource(ctx, source, o)
	return s.add(draft, &addition{object: o, source: source})
}

// sampleSource tells the client what the topic holds and fixes the start
// positions. A topic that cannot be read begins at its first record.
func (s *Session) sampleSource(ctx context.Context, source connector.Source, o *catalog.Object) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	o.Starts = []int64{}
	sample, err := source.Sample(ctx, sampleRecords)
	if err != nil {
		s.notice(Notice{Severity: "NOTICE", Code: "00000",
			Message: fmt.Sprintf("the topic of %s %q cannot be read yet: %s", o.Kind, o.Name, sqlerr.From(err).Message),
			Hint:    "It is read as soon as it can be; SELECT * FROM streamdb.sources shows its state."})
		return
	}
	o.Starts, o.Identity = sample.Starts, sample.Incarnation
	records := int64(0)
	for i, end := range sample.Ends {
		records += end - max(0, sample.Starts.At(int32(i)))
	}
	n := Notice{Severity: "NOTICE", Code: "00000", Message: fmt.Sprintf("%s, %s from the start position on",
		count(int64(len(sample.Ends)), "partition"), count(records, "record"))}
	n.Detail = sampleText(sample)
	s.notice(n)
	if len(sample.Missing) > 0 {
		s.notice(missingColumns(sample))
	}
}

// sampleRecords is how many records of a topic CREATE STREAM looks at.
const sampleRecords = 1000

// sampleText says what the first records are.
func sampleText(sample *connector.Sample) string {
	var first, bad string
	if sample.Record != "" {
		first = "First record: " + sample.Record
	}
	switch {
	case sample.Err == nil:
		return first
	case first == "" && sample.Bad <= 1:
		return "The first record does not decode: " + sqlerr.From(sample.Err).Message
	case sample.Bad == 1:
		bad = "One of the first %s does not decode: %s"
	default:
		bad = strconv.Itoa(sample.Bad) + " of the first %s do not decode, for example: %s"
	}
	bad = fmt.Sprintf(bad, count(int64(sample.Good+sample.Bad), "record"), sqlerr.From(sample.Err).Message)
	return strings.TrimPrefix(first+"\n"+bad, "\n")
}

// missingColumns warns of columns without a field: most are misspelt.
func missingColumns(sample *connector.Sample) Notice {
	return Notice{Severity: "WARNING", Code: "01000",
		Message: fmt.Sprintf("none of the first %s has %s \"%s\"", count(int64(sample.Without), "record"),
			plural(int64(len(sample.Missing)), "column"), strings.Join(sample.Missing, "\", \"")),
		Hint: "A column has the name of its field; a column without field is NULL."}
}
