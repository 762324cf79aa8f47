package pgwire

import (
	"encoding/binary"
	"math"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/engine"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// The formats of values.
const (
	textFormat   = 0
	binaryFormat = 1
)

// formatOf returns the format of column i: none given means text, one is for
// all columns.
func formatOf(formats []int16, i int) int16 {
	switch len(formats) {
	case 0:
		return textFormat
	case 1:
		return formats[0]
	}
	return formats[i]
}

// wireType is the type that clients see: an untyped literal is text.
func wireType(t types.Type) types.Type {
	if t.Base() == types.Unknown {
		return types.Text
	}
	return t
}

func rowDescription(columns []engine.Column, formats []int16) *pgproto3.RowDescription {
	d := &pgproto3.RowDescription{Fields: make([]pgproto3.FieldDescription, len(columns))}
	for i, c := range columns {
		t := wireType(c.Type)
		d.Fields[i] = pgproto3.FieldDescription{Name: []byte(c.Name), TableOID: uint32(c.Relation),
			TableAttributeNumber: uint16(c.Attribute), DataTypeOID: uint32(t.OID()), DataTypeSize: t.Len(),
			TypeModifier: t.Typmod(), Format: formatOf(formats, i)}
	}
	return d
}

// rowWriter encodes batches as DataRow messages. With keep it collects them
// for a portal that is fetched in pieces, within limit bytes.
type rowWriter struct {
	conn    *conn
	columns []engine.Column
	formats []int16
	env     *types.Env
	row     rowMessage
	keep    *zset.List
	limit   int
}

func newRowWriter(c *conn, columns []engine.Column, formats []int16) *rowWriter {
	return &rowWriter{conn: c, columns: columns, formats: formats, env: c.session.Env()}
}

// Batch implements engine.Rows.
func (w *rowWriter) Batch(b *zset.Batch) error {
	for i := range b.Len() {
		r := b.Row(i)
		weight := b.WeightAt(r)
		if weight <= 0 {
			continue
		}
		w.encode(b, r)
		for range weight {
			if err := w.put(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Flush implements engine.Rows.
func (w *rowWriter) Flush() error {
	if w.keep == nil && !w.conn.flush() {
		return errClientGone()
	}
	return nil
}

// put sends or keeps the encoded row.
func (w *rowWriter) put() error {
	if w.keep != nil {
		if len(w.keep.Data)+len(w.row.body) > w.limit {
			return sqlerr.New(sqlerr.OutOfMemory, "the result of the cursor is larger than %d bytes", w.limit).
				WithHint("Fetch it without a row limit, or raise query_memory_limit.")
		}
		w.keep.Add(w.row.body)
		return nil
	}
	w.conn.send(&w.row)
	if len(w.conn.out) > flushSize && !w.conn.flush() {
		return errClientGone()
	}
	return nil
}

func errClientGone() error {
	return sqlerr.New("08006", "connection to client lost")
}

// encode writes row r of the batch into w.row.
func (w *rowWriter) encode(b *zset.Batch, r int) {
	dst := binary.BigEndian.AppendUint16(w.row.body[:0], uint16(len(w.columns)))
	for i := range w.columns {
		v := &b.Cols[i]
		if v.IsNull(r) {
			dst = binary.BigEndian.AppendUint32(dst, math.MaxUint32)
			continue
		}
		start := len(dst)
		dst = append(dst, 0, 0, 0, 0)
		t := wireType(w.columns[i].Type)
		if formatOf(w.formats, i) == binaryFormat {
			dst = types.AppendBinary(dst, t, v.Datum(r))
		} else {
			dst = types.AppendText(dst, t, v.Datum(r), w.env)
		}
		binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	}
	w.row.body = dst
}

// rowMessage is a DataRow whose body is encoded already.
type rowMessage struct{ body []byte }

// Backend implements pgproto3.BackendMessage.
func (*rowMessage) Backend() {}

// Decode implements pgproto3.Message; a server never receives rows.
func (*rowMessage) Decode([]byte) error {
	return sqlerr.New(sqlerr.ProtocolViolation, "unexpected DataRow")
}

// Encode implements pgproto3.Message.
func (m *rowMessage) Encode(dst []byte) ([]byte, error) {
	dst = append(dst, 'D')
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(m.body)+4))
	return append(dst, m.body...), nil
}
