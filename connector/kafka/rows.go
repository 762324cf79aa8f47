package kafka

import (
	"encoding/hex"
	"unicode/utf8"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/connector/format/json"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// Limits of one pushed batch.
const (
	maxRows  = 4096
	maxBytes = 4 << 20
)

// maxErrorValue is how much of a bad record's value an error row keeps.
const maxErrorValue = 1 << 20

// epoch2000 is 2000-01-01 in milliseconds since 1970.
const epoch2000 = 946684800000

// rows builds the batches of one partition.
type rows struct {
	partition int32
	topic     string
	columns   []connector.Column
	types     []types.Type
	meta      []metaColumn
	decoder   *json.Decoder
	changes   *changes // of an upsert table

	first    int64 // First of the batch being built
	n        int   // rows in it
	newest   int64 // ms
	bytes    int   // of values, to know when a batch is full
	errors   *zset.Batch
	expected int // rows still to come from the response, to size vectors
	lastRows int
	started  bool
	scratch  []byte
}

// metaColumn is a column that does not come from the value.
type metaColumn struct {
	index int
	from  connector.Meta
	name  string
	vec   zset.Vector
	store bool
}

func newRows(o *Options, need []bool, partition int32, absent func([]string)) (*rows, error) {
	decoder, err := json.New(o.Columns, need, o.jsonOptions(absent))
	if err != nil {
		return nil, err
	}
	r := &rows{partition: partition, topic: o.Topic, columns: o.Columns, decoder: decoder}
	for i, c := range o.Columns {
		r.types = append(r.types, c.Type)
		if !decoded(c.Meta) {
			r.meta = append(r.meta, metaColumn{index: i, from: c.Meta, name: c.Name, store: need == nil || need[i], vec: zset.Vector{Type: c.Type}})
		}
	}
	if o.Envelope == envelopeUpsert {
		r.types = append(r.types, operator.ChangeTypes()...)
		r.changes, err = newChanges(o)
	}
	return r, err
}

// start prepares vectors for a new batch.
func (r *rows) start() {
	r.started = true
	n := min(r.expected, maxRows)
	r.decoder.Grow(n, r.lastRows)
	for i := range r.meta {
		if m := &r.meta[i]; m.store {
			m.vec.Grow(n)
		}
	}
}

// add decodes one record: a row or an error row.
func (r *rows) add(rec *record) {
	if !r.started {
		r.start()
	}
	r.newest = max(r.newest, rec.time)
	r.bytes += len(rec.value)
	if r.changes != nil {
		r.addChange(rec)
	} else if err := r.addEvent(rec); err != nil {
		r.reject(rec, sqlerr.From(err))
		return
	}
	r.n++
	for i := range r.meta {
		if m := &r.meta[i]; m.store {
			r.appendMeta(m, rec)
		}
	}
}

// addEvent decodes a record that is a row for itself.
func (r *rows) addEvent(rec *record) error {
	if rec.value == nil {
		return sqlerr.New(sqlerr.NullValueNotAllowed, "the record's value is NULL")
	}
	if err := r.checkMeta(rec); err != nil {
		return err
	}
	return r.decoder.Decode(rec.value)
}

// full says whether the batch should be pushed before the next record.
func (r *rows) full() bool {
	return r.n >= maxRows || r.bytes >= maxBytes || (r.errors != nil && r.n+r.errors.N >= maxRows)
}

// checkMeta refuses what a meta column of type text cannot hold. Like the
// decoder it looks at all columns, needed or not.
func (r *rows) checkMeta(rec *record) error {
	for i := range r.meta {
		m := &r.meta[i]
		var s []byte
		switch {
		case m.vec.Type.Base() == types.Bytea:
			continue
		case m.from == connector.FromKey:
			s = rec.key
		case m.from == connector.FromPayload:
			s = rec.value
		case m.from == connector.FromHeaders:
			if _, ok := r.headers(rec); !ok {
				return sqlerr.New(sqlerr.CharacterNotInRepertoire, "column %q: a header's key is not text", m.name)
			}
			continue
		}
		if !textual(s) {
			return sqlerr.New(sqlerr.CharacterNotInRepertoire, "column %q: invalid byte sequence for encoding \"UTF8\"", m.name)
		}
	}
	return nil
}

// textual says whether bytes are a value of type text.
func textual(s []byte) bool {
	for _, c := range s {
		if c == 0 {
			return false
		}
	}
	return utf8.Valid(s)
}

func (r *rows) appendMeta(m *metaColumn, rec *record) {
	switch m.from {
	case connector.FromPartition:
		m.vec.AppendInt(int64(r.partition))
	case connector.FromOffset:
		m.vec.AppendInt(rec.offset)
	case connector.FromTimestamp:
		m.vec.AppendInt(timestamp(rec.time))
	case connector.FromTopic:
		m.vec.AppendString(r.topic)
	case connector.FromPayload:
		appendNullable(&m.vec, rec.value)
	case connector.FromKey:
		if rec.key == nil {
			m.vec.AppendNull()
		} else {
			m.vec.AppendBytes(rec.key)
		}
	case connector.FromHeaders:
		b, _ := r.headers(rec)
		m.vec.AppendBytes(b)
	}
}

// timestamp converts Kafka's milliseconds to a timestamptz; -1 (no timestamp)
// and moments out of range become the nearest that there is.
func timestamp(ms int64) int64 {
	const low, high = -211813488000000, 9223371331199999
	return min(max(ms-epoch2000, low), high) * 1000
}

// headers returns a record's headers as jsonb: an array of one object for each,
// {"key": k, "value": v}, or {"hex": h, "key": k} where the value is not text.
func (r *rows) headers(rec *record) ([]byte, bool) {
	b, in := append(r.scratch[:0], '['), rec.headers
	for i := range rec.nhead {
		key, rest, ok := varbytes(in)
		if !ok || key == nil || !textual(key) {
			return nil, false
		}
		value, rest, ok := varbytes(rest)
		if !ok {
			return nil, false
		}
		in = rest
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"key":`...)
		b = types.AppendJSONString(b, key)
		switch {
		case value == nil:
			b = append(b, `,"value":null}`...)
		case textual(value):
			b = append(types.AppendJSONString(append(b, `,"value":`...), value), '}')
		default:
			b = append(hex.AppendEncode(append(b, `,"hex":"`...), value), `"}`...)
		}
	}
	r.scratch = append(b, ']')
	canonical, err := types.AppendJSONB(nil, r.scratch)
	return canonical, err == nil
}

// reject appends an error row.
func (r *rows) reject(rec *record, err *sqlerr.Error) {
	if r.errors == nil {
		r.errors = zset.NewBatch(operator.ErrorSchema(), 16)
	}
	appendError(r.errors, r.partition, rec, err)
}

// appendError appends the error row of a record.
func appendError(b *zset.Batch, partition int32, rec *record, err *sqlerr.Error) {
	c := b.Cols
	c[0].AppendInt(int64(partition))
	c[1].AppendInt(rec.offset)
	c[2].AppendInt(timestamp(rec.time))
	appendNullable(&c[3], rec.key)
	appendNullable(&c[4], rec.value[:min(len(rec.value), maxErrorValue)])
	c[5].AppendString(err.Code)
	c[6].AppendString(err.Message)
	b.AddRow(1)
}

func appendNullable(v *zset.Vector, b []byte) {
	if b == nil {
		v.AppendNull()
		return
	}
	v.AppendBytes(b)
}

// take returns the batch that ends before the position next.
func (r *rows) take(next int64) *connector.Batch {
	b := &connector.Batch{Partition: r.partition, First: r.first, Next: next, Errors: r.errors}
	b.Rows = &zset.Batch{Cols: make([]zset.Vector, len(r.types)), N: r.n}
	for i, t := range r.types {
		b.Rows.Cols[i].Type = t
	}
	r.decoder.Take(b.Rows.Cols)
	if r.changes != nil {
		r.changes.take(b.Rows.Cols)
	}
	for i := range r.meta {
		if m := &r.meta[i]; m.store {
			b.Rows.Cols[m.index] = m.vec
			m.vec = zset.Vector{Type: m.vec.Type}
		}
	}
	if r.newest > 0 {
		b.Produced = r.newest * 1000
	}
	b.Bytes = b.Rows.ByteSize()
	if b.Errors != nil {
		b.Bytes += b.Errors.ByteSize()
	}
	if r.n > 0 {
		r.lastRows = r.n
	}
	r.expected = max(r.expected-r.n, 0)
	r.first, r.n, r.newest, r.bytes, r.errors, r.started = next, 0, 0, 0, nil, false
	return b
}

// discard forgets the batch being built and begins at the position first.
func (r *rows) discard(first int64) {
	if r.started || r.n > 0 || r.errors != nil {
		r.take(first)
	}
	r.first = first
}
