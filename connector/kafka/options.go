package kafka

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/connector/format/json"
	"github.com/streamdb/streamdb/internal/spelling"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// Options are a Kafka source as it stands in the catalog: it can be marshalled
// to JSON and back.
type Options struct {
	Brokers         []string           `json:"brokers"` // host:port, or EmbeddedBroker alone
	Embedded        string             `json:"-"`       // where the embedded broker listens now, "" if it is off
	Topic           string             `json:"topic"`
	Start           Start              `json:"start"`
	Format          string             `json:"format"`
	Envelope        string             `json:"envelope"`
	ReadUncommitted bool               `json:"read_uncommitted,omitempty"`
	TimeUnit        string             `json:"timestamp_unit,omitempty"` // of integers in time columns
	ColumnUnits     map[string]string  `json:"column_units,omitempty"`   // the same for single columns
	Columns         []connector.Column `json:"columns"`
	// TopicID is the topic's id as it was when the stored positions were
	// written, "" before it is known. A topic of the same name and another id is
	// not read.
	TopicID string `json:"topic_id,omitempty"`
}

// Start is where reading begins in partitions without a position.
type Start struct {
	At      StartAt         `json:"at"`
	Offsets map[int32]int64 `json:"offsets,omitempty"` // StartOffsets; other partitions: earliest
	Millis  int64           `json:"millis,omitempty"`  // StartTimestamp: the first record at or after it
}

// StartAt is the kind of a Start.
type StartAt string

// The kinds of starts; the zero value is the earliest record.
const (
	StartEarliest  StartAt = ""
	StartLatest    StartAt = "latest"
	StartOffsets   StartAt = "offsets"
	StartTimestamp StartAt = "timestamp"
)

const defaultPort = "9092"

// EmbeddedBroker is the value of the option brokers that stands for the broker
// in the server's own process, whatever its address.
const EmbeddedBroker = "embedded"

// optionNames are the keys of the WITH list, in the order in which they are
// documented. connector and store are the engine's.
func optionNames() []string {
	return []string{"connector", "brokers", "topic", "format", "envelope", "start", "on_error", "isolation", "timestamp_unit", "store"}
}

// optionParser collects all mistakes of a WITH list.
type optionParser struct {
	opts   Options
	errs   []*sqlerr.Error
	seen   map[string]bool
	cols   []connector.Column
	posErr int
}

// ParseOptions reads a WITH list for the given columns. Its error lists all
// mistakes and has the code and the position of the first: 42704 for unknown
// keys, 22023 for wrong values, 0A000 for what is not supported yet.
func ParseOptions(list []connector.Option, columns []connector.Column) (Options, error) {
	p := &optionParser{seen: map[string]bool{}, cols: columns}
	p.opts = Options{Format: "json", Envelope: "none", Columns: columns}
	for _, o := range list {
		p.posErr = o.Pos
		if p.seen[o.Name] {
			p.fail(sqlerr.SyntaxError, "option \"%s\" is given twice", o.Name)
			continue
		}
		p.seen[o.Name] = true
		p.option(o.Name, strings.TrimSpace(o.Value))
	}
	p.posErr = -1
	required := []string{"brokers", "topic"}
	if p.upsert() {
		required = append(required, "envelope")
	}
	for _, name := range required {
		if !p.seen[name] {
			e := p.fail(sqlerr.InvalidParameterValue, "option \"%s\" is required by connector \"kafka\"", name)
			if name == "envelope" {
				_ = e.WithHint("Available values: %s.", envelopeUpsert)
			}
		}
	}
	p.checkColumns()
	if len(p.errs) > 0 {
		return Options{}, joinErrors(p.errs)
	}
	return p.opts, nil
}

func (p *optionParser) fail(code, format string, args ...any) *sqlerr.Error {
	e := sqlerr.New(code, format, args...).At(p.posErr)
	p.errs = append(p.errs, e)
	return e
}

// joinErrors makes one error of several.
func joinErrors(errs []*sqlerr.Error) *sqlerr.Error {
	if len(errs) == 1 {
		return errs[0]
	}
	first := errs[0]
	e := sqlerr.New(first.Code, "%d options of connector \"kafka\" are wrong: %s", len(errs), first.Message)
	e.Position = first.Position
	var lines, hints []string
	for _, x := range errs {
		lines = append(lines, x.Message)
		if x.Hint != "" {
			hints = append(hints, x.Hint)
		}
	}
	e.Detail = strings.Join(lines, "\n")
	e.Hint = strings.Join(hints, "\n")
	return e
}

func (p *optionParser) option(name, value string) {
	switch name {
	case "connector":
		p.oneOf(name, value, "kafka")
	case "store":
	case "brokers":
		p.brokers(value)
	case "topic":
		p.topic(value)
	case "format":
		p.supported(name, value, []string{"json"}, []string{"avro", "protobuf", "csv", "text", "bytes"})
	case "envelope":
		p.envelope(value)
	case "on_error":
		p.supported(name, value, []string{"redirect"}, []string{"fail", "skip", "null"})
	case "isolation":
		p.opts.ReadUncommitted = p.oneOf(name, value, "read_committed", "read_uncommitted") == "read_uncommitted"
	case "start":
		p.start(value)
	case "timestamp_unit":
		p.timeUnit(value)
	default:
		e := p.fail(sqlerr.UndefinedObject, "unrecognized option \"%s\" of connector \"kafka\"", name)
		if near := nearest(name, optionNames()); near != "" {
			_ = e.WithHint("Perhaps you meant the option \"%s\".", near)
		} else {
			_ = e.WithHint("The options are %s.", strings.Join(optionNames(), ", "))
		}
	}
}

func (p *optionParser) oneOf(name, value string, allowed ...string) string {
	low := strings.ToLower(value)
	if !slices.Contains(allowed, low) {
		p.fail(sqlerr.InvalidParameterValue, "invalid value for option \"%s\": \"%s\"", name, value).
			Hint = "Available values: " + strings.Join(allowed, ", ") + "."
	}
	return low
}

func (p *optionParser) supported(name, value string, now, later []string) {
	if low := strings.ToLower(value); slices.Contains(later, low) {
		p.fail(sqlerr.FeatureNotSupported, "%s \"%s\" is not supported yet", name, low).
			Hint = "Available values: " + strings.Join(now, ", ") + "."
		return
	}
	p.oneOf(name, value, now...)
}

// upsert says whether the columns are those of a table with a primary key.
func (p *optionParser) upsert() bool {
	return slices.ContainsFunc(p.cols, func(c connector.Column) bool { return c.Meta == connector.FromKeyField })
}

// envelope checks what the records mean: events in a stream, rows by key in a
// table.
func (p *optionParser) envelope(value string) {
	mine, other, hint := envelopeNone, envelopeUpsert, "Use CREATE TABLE with a PRIMARY KEY for rows that records replace by key."
	if p.upsert() {
		mine, other, hint = envelopeUpsert, envelopeNone, "Use CREATE STREAM for records that are events."
	}
	p.opts.Envelope = mine
	if strings.EqualFold(value, other) {
		p.fail(sqlerr.InvalidParameterValue, "envelope \"%s\" cannot be used here", other).Hint = hint
		return
	}
	p.supported("envelope", value, []string{mine}, []string{"debezium"})
}

// brokers splits the list: given as one string the client would take it for one
// host and retry for ever.
func (p *optionParser) brokers(value string) {
	if value == EmbeddedBroker {
		p.opts.Brokers = []string{EmbeddedBroker}
		return
	}
	for b := range strings.SplitSeq(value, ",") {
		b = strings.TrimSpace(b)
		host, port, err := net.SplitHostPort(b)
		if err != nil {
			if host, port, err = net.SplitHostPort(b + ":" + defaultPort); err == nil {
				b += ":" + defaultPort
			}
		}
		n, perr := strconv.ParseUint(port, 10, 16)
		if err != nil || host == "" || perr != nil || n == 0 || strings.ContainsAny(b, " /\t\n\"'") {
			p.fail(sqlerr.InvalidParameterValue, "invalid value for option \"brokers\": \"%s\" is not host:port", b)
			continue
		}
		p.opts.Brokers = append(p.opts.Brokers, b)
	}
}

// topic checks Kafka's rules for names.
func (p *optionParser) topic(value string) {
	ok := value != "" && value != "." && value != ".." && len(value) <= 249
	for _, c := range value {
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-')
	}
	if !ok {
		p.fail(sqlerr.InvalidParameterValue, "invalid value for option \"topic\": \"%s\"", value).
			Hint = "A topic's name has 1 to 249 letters, digits, dots, underscores and hyphens."
	}
	p.opts.Topic = value
}

func (p *optionParser) start(value string) {
	switch low := strings.ToLower(value); low {
	case "earliest":
		return
	case "latest":
		p.opts.Start.At = StartLatest
		return
	}
	if offsets, ok := parseOffsets(value); ok {
		p.opts.Start = Start{At: StartOffsets, Offsets: offsets}
		return
	}
	const start2000 = epoch2000 * 1000
	if ts, err := types.ParseTimestamptz([]byte(value), nil); err == nil && !types.TimestampIsInf(ts) && ts > -start2000 {
		p.opts.Start = Start{At: StartTimestamp, Millis: (ts + start2000 + 999) / 1000}
		return
	}
	p.fail(sqlerr.InvalidParameterValue, "invalid value for option \"start\": \"%s\"", value).
		Hint = "Available values: earliest, latest, partition:offset pairs such as '0:100,1:250', a timestamp such as '2026-01-01 00:00:00+00'."
}

// parseOffsets reads "partition:offset,...".
func parseOffsets(value string) (map[int32]int64, bool) {
	offsets := map[int32]int64{}
	for pair := range strings.SplitSeq(value, ",") {
		part, offset, ok := strings.Cut(strings.TrimSpace(pair), ":")
		n, err1 := strconv.ParseUint(part, 10, 31)
		at, err2 := strconv.ParseUint(offset, 10, 63)
		_, dup := offsets[int32(n)]
		if !ok || err1 != nil || err2 != nil || dup || n >= maxPartitions {
			return nil, false
		}
		offsets[int32(n)] = int64(at)
	}
	return offsets, true
}

// timeUnit reads one unit for all columns, or column:unit pairs, or both.
func (p *optionParser) timeUnit(value string) {
	for item := range strings.SplitSeq(value, ",") {
		item = strings.TrimSpace(item)
		column, unit, single := strings.Cut(item, ":")
		if !single {
			column, unit = "", item
		}
		column, unit = strings.TrimSpace(column), strings.ToLower(strings.TrimSpace(unit))
		if _, ok := json.ParseUnit(unit); !ok {
			p.fail(sqlerr.InvalidParameterValue, "invalid value for option \"timestamp_unit\": \"%s\"", item).
				Hint = "Available values: s, ms, us, ns, d, for all columns or as column:unit pairs."
			continue
		}
		if !single {
			p.opts.TimeUnit = unit
			continue
		}
		if !slices.ContainsFunc(p.cols, func(c connector.Column) bool { return c.Name == column && decoded(c.Meta) }) {
			p.fail(sqlerr.UndefinedColumn, "column \"%s\" named in option \"timestamp_unit\" does not exist", column)
			continue
		}
		if p.opts.ColumnUnits == nil {
			p.opts.ColumnUnits = map[string]string{}
		}
		p.opts.ColumnUnits[column] = unit
	}
}

// checkColumns checks the columns' types.
func (p *optionParser) checkColumns() {
	for _, c := range p.cols {
		if decoded(c.Meta) {
			c.Meta = connector.FromValue
			if _, err := json.New([]connector.Column{c}, nil, json.Options{}); err != nil {
				p.errs = append(p.errs, sqlerr.From(err))
			}
			continue
		}
		if what, ok := metaTypes(c.Meta); !slices.Contains(ok, c.Type.Base()) || c.Type.Typmod() >= 0 {
			p.fail(sqlerr.DatatypeMismatch, "column \"%s\" includes the record's %s and cannot be of type %s", c.Name, what, c.Type)
		}
	}
}

// decoded says whether a column is a field of the record's value or key.
func decoded(m connector.Meta) bool { return m == connector.FromValue || m == connector.FromKeyField }

// metaTypes returns the types that a meta column may have, the default first.
func metaTypes(m connector.Meta) (what string, ok []types.Type) {
	switch m {
	case connector.FromKey:
		return "key", []types.Type{types.Bytea, types.Text}
	case connector.FromPartition:
		return "partition", []types.Type{types.Int4, types.Int8}
	case connector.FromOffset:
		return "offset", []types.Type{types.Int8}
	case connector.FromTimestamp:
		return "timestamp", []types.Type{types.Timestamptz}
	case connector.FromHeaders:
		return "headers", []types.Type{types.JSONB}
	case connector.FromTopic:
		return "topic", []types.Type{types.Text}
	default:
		return "payload", []types.Type{types.Bytea, types.Text}
	}
}

// MetaType returns the type of an INCLUDE column that names none.
func MetaType(m connector.Meta) types.Type {
	_, ok := metaTypes(m)
	return ok[0]
}

func (o *Options) jsonOptions(absent func([]string)) json.Options {
	j := json.Options{Absent: absent}
	j.TimeUnit, _ = json.ParseUnit(o.TimeUnit)
	for column, unit := range o.ColumnUnits {
		if j.ColumnUnit == nil {
			j.ColumnUnit = map[string]json.Unit{}
		}
		j.ColumnUnit[column], _ = json.ParseUnit(unit)
	}
	return j
}

// check refuses options that did not come from ParseOptions whole.
func (o *Options) check() error {
	if len(o.Brokers) == 0 || o.Topic == "" {
		return fmt.Errorf("kafka: options without brokers or topic")
	}
	return nil
}

// nearest returns the name with the least edit distance, "" if none is near.
func nearest(name string, names []string) string {
	best, at := "", 4
	for _, n := range names {
		if d := spelling.Distance(name, n); d < at && d <= (len(name)+1)/2 {
			best, at = n, d
		}
	}
	return best
}
