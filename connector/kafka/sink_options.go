package kafka

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/internal/sqlerr"
)

// SinkOptions are a Kafka sink as it stands in the catalog: it can be
// marshalled to JSON and back.
type SinkOptions struct {
	Brokers    []string           `json:"brokers"` // host:port, or EmbeddedBroker alone
	Embedded   string             `json:"-"`       // where the embedded broker listens now, "" if it is off
	Topic      string             `json:"topic"`
	Format     string             `json:"format"`
	Envelope   string             `json:"envelope"` // upsert or append; "" until the engine has chosen
	Key        []string           `json:"key,omitempty"`
	Partitions int32              `json:"partitions"` // of the topic, if it has to be made
	Columns    []connector.Column `json:"columns"`
	// TransactionalID names the sink to the cluster and in the progress topic.
	// No other sink ever has it.
	TransactionalID string `json:"transactional_id"`
	// Replaces is the transactional id of the sink whose place this one has
	// taken: its sessions are shut out before the first write.
	Replaces string `json:"replaces,omitempty"`
}

// The envelopes of sinks.
const (
	EnvelopeUpsert = "upsert" // the last record of a key is its row, without value: it has none
	EnvelopeAppend = "append" // a record is a row; nothing is ever taken back
)

// sinkOptionParser collects all mistakes of the WITH list of a sink.
type sinkOptionParser struct {
	optionParser
	sink SinkOptions
}

func sinkOptionNames() []string {
	return []string{"connector", "brokers", "topic", "format", "envelope", "key", "partitions"}
}

// ParseSinkOptions reads the WITH list of a sink with the given columns. Its
// error is as that of ParseOptions. The envelope may stay open; the names of
// the key's columns are not looked up.
func ParseSinkOptions(list []connector.Option, columns []connector.Column) (SinkOptions, error) {
	p := &sinkOptionParser{optionParser: optionParser{seen: map[string]bool{}, cols: columns}}
	p.sink = SinkOptions{Format: "json", Partitions: 1, Columns: columns}
	for _, o := range list {
		p.posErr = o.Pos
		if p.seen[o.Name] {
			p.fail(sqlerr.SyntaxError, "option \"%s\" is given twice", o.Name)
			continue
		}
		p.seen[o.Name] = true
		p.sinkOption(o.Name, strings.TrimSpace(o.Value))
	}
	p.posErr = -1
	for _, name := range []string{"brokers", "topic"} {
		if !p.seen[name] {
			p.fail(sqlerr.InvalidParameterValue, "option \"%s\" is required by connector \"kafka\"", name)
		}
	}
	if len(p.errs) > 0 {
		return SinkOptions{}, joinErrors(p.errs)
	}
	p.sink.Brokers, p.sink.Topic = p.opts.Brokers, p.opts.Topic
	return p.sink, nil
}

func (p *sinkOptionParser) sinkOption(name, value string) {
	switch name {
	case "connector":
		p.oneOf(name, value, "kafka")
	case "brokers":
		p.brokers(value)
	case "topic":
		if p.topic(value); value == progressTopic {
			p.fail(sqlerr.InvalidParameterValue, "topic \"%s\" is reserved for the progress of sinks", value)
		}
	case "format":
		p.supported(name, value, []string{"json"}, []string{"avro", "protobuf", "csv", "text", "bytes"})
	case "envelope":
		p.supported(name, value, []string{EnvelopeUpsert, EnvelopeAppend}, []string{"debezium"})
		p.sink.Envelope = strings.ToLower(value)
	case "key":
		p.key(value)
	case "partitions":
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil || n < 1 || n > maxPartitions {
			p.fail(sqlerr.InvalidParameterValue, "invalid value for option \"partitions\": \"%s\"", value).
				Hint = fmt.Sprintf("It is a number from 1 to %d.", maxPartitions)
		}
		p.sink.Partitions = int32(n)
	default:
		e := p.fail(sqlerr.UndefinedObject, "unrecognized option \"%s\" of connector \"kafka\"", name)
		if near := nearest(name, sinkOptionNames()); near != "" {
			_ = e.WithHint("Perhaps you meant the option \"%s\".", near)
		} else {
			_ = e.WithHint("The options of a sink are %s.", strings.Join(sinkOptionNames(), ", "))
		}
	}
}

// key reads a list of column names.
func (p *sinkOptionParser) key(value string) {
	for name := range strings.SplitSeq(value, ",") {
		name = strings.TrimSpace(name)
		if name == "" || slices.Contains(p.sink.Key, name) {
			p.fail(sqlerr.InvalidParameterValue, "invalid value for option \"key\": \"%s\"", value).
				Hint = "It is a list of different columns, such as 'a,b'."
			return
		}
		p.sink.Key = append(p.sink.Key, name)
	}
}

// keyColumns returns the key's columns by index.
func (o *SinkOptions) keyColumns() ([]int, error) {
	var out []int
	for _, name := range o.Key {
		i := slices.IndexFunc(o.Columns, func(c connector.Column) bool { return c.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("kafka: key column %q of a sink does not exist", name)
		}
		out = append(out, i)
	}
	return out, nil
}

// check refuses options that did not come from ParseSinkOptions and the engine
// whole.
func (o *SinkOptions) check() error {
	if len(o.Brokers) == 0 || o.Topic == "" || o.TransactionalID == "" || o.Envelope == "" {
		return fmt.Errorf("kafka: options of a sink without brokers, topic, envelope or transactional id")
	}
	_, err := o.keyColumns()
	return err
}
