package kafka

import (
	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/connector/format/json"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
)

// The envelopes of topics.
const (
	envelopeNone   = "none"   // each record is an event
	envelopeUpsert = "upsert" // each record is the new row of its key, or a tombstone
)

// changes decodes the records of an upsert table. Every record becomes a row:
// the columns of the table, then those of operator.ChangeTypes, so that bad
// records keep their place in the order of their key's.
type changes struct {
	key  *json.Decoder
	cols []zset.Vector // of operator.ChangeTypes
}

func newChanges(o *Options) (*changes, error) {
	columns := make([]connector.Column, len(o.Columns))
	for i, c := range o.Columns {
		columns[i] = c
		columns[i].Meta = connector.FromKeyField // not of the decoded document
		if c.Meta == connector.FromKeyField {
			columns[i].Meta, columns[i].NotNull = connector.FromValue, true
		}
	}
	key, err := json.New(columns, nil, o.jsonOptions(nil))
	return &changes{key: key, cols: zset.NewVectors(operator.ChangeTypes(), 0)}, err
}

// addChange appends one record's row.
func (r *rows) addChange(rec *record) {
	kind := int64(operator.ChangePut)
	err := r.decodeKey(rec)
	switch {
	case err != nil:
		kind = operator.ChangeBadKey
		r.changes.key.AppendNulls()
	case rec.value == nil:
		kind = operator.ChangeDelete
	default:
		if err = r.checkMeta(rec); err == nil {
			err = r.decoder.Decode(rec.value)
		}
		if err != nil {
			kind = operator.ChangeBadValue
		}
	}
	if kind != operator.ChangePut {
		r.decoder.AppendNulls()
	}
	c := r.changes.cols
	c[0].AppendInt(kind)
	c[1].AppendInt(int64(r.partition))
	if err == nil {
		c[2].AppendNull()
		return
	}
	bad := zset.NewBatch(operator.ErrorSchema(), 1)
	appendError(bad, r.partition, rec, sqlerr.From(err))
	c[2].AppendBytes(zset.AppendRow(nil, bad.Cols, 0))
}

// decodeKey appends the key columns.
func (r *rows) decodeKey(rec *record) error {
	if rec.key == nil {
		return sqlerr.New(sqlerr.NotNullViolation, "the record's key is NULL")
	}
	if err := r.changes.key.DecodeBare(rec.key); err != nil {
		e := *sqlerr.From(err)
		e.Message = "the record's key: " + e.Message
		return &e
	}
	return nil
}

// take moves the columns behind the table's own, and the key's among them.
func (c *changes) take(cols []zset.Vector) {
	c.key.Take(cols)
	n := len(cols) - len(c.cols)
	copy(cols[n:], c.cols)
	c.cols = zset.NewVectors(operator.ChangeTypes(), 0)
}

// changeError returns the error of a row of an upsert table, nil if it is good.
func changeError(b *zset.Batch, row int) error {
	v := &b.Cols[len(b.Cols)-1]
	if v.IsNull(row) {
		return nil
	}
	bad := zset.NewBatch(operator.ErrorSchema(), 1)
	if err := zset.DecodeRow(v.Bytes(row), bad.Cols); err != nil {
		return err
	}
	return sqlerr.New(string(bad.Cols[5].Bytes(0)), "%s", bad.Cols[6].Bytes(0))
}
