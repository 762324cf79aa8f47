package operator

import (
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// errorRows collects the rows that fail in an operator as rows of ErrorSchema.
type errorRows struct {
	input []types.Type
	batch *zset.Batch // nil: none
}

func newErrorRows(input []types.Type) *errorRows { return &errorRows{input: input} }

// addAll adds the failed rows of a batch, in the order of the rows.
func (e *errorRows) addAll(b *zset.Batch, failed *expr.Errors) {
	if failed.Len() == 0 {
		return
	}
	byRow := make(map[int]*sqlerr.Error, failed.Len())
	for i := range failed.Len() {
		row, err := failed.Row(i)
		byRow[row] = err
	}
	for i := range b.Len() {
		r := b.Row(i)
		if err := byRow[r]; err != nil {
			e.add(b, r, err, b.WeightAt(r))
		}
	}
}

// add adds one failed row.
func (e *errorRows) add(b *zset.Batch, row int, err *sqlerr.Error, weight int64) {
	if weight == 0 {
		return
	}
	if e.batch == nil {
		e.batch = zset.NewBatch(ErrorSchema(), 0)
	}
	AppendErrorRow(e.batch, AppendRowText(nil, b.Cols, row), err, weight)
}

func (e *errorRows) appendTo(d Delta) Delta {
	if e.batch == nil {
		return d
	}
	return append(d, e.batch)
}

// moveTo is appendTo for an operator that goes on collecting.
func (e *errorRows) moveTo(d Delta) Delta {
	d = e.appendTo(d)
	e.batch = nil
	return d
}

// AppendErrorRow appends a row of ErrorSchema for an input row that failed
// inside of a view.
func AppendErrorRow(b *zset.Batch, value []byte, err *sqlerr.Error, weight int64) {
	for c := range errorValue {
		b.Cols[c].AppendNull()
	}
	b.Cols[errorValue].AppendBytes(value)
	b.Cols[errorValue+1].AppendString(err.Code)
	b.Cols[errorValue+2].AppendString(err.Message)
	b.AddRow(weight)
}

// errorValue is the index of the column value in ErrorSchema.
const errorValue = 4

// AppendRowText appends a row as PostgreSQL prints a record, in UTC and the
// default styles: deterministic, whatever the session. Columns without data,
// which the view does not read, are empty like NULL.
func AppendRowText(dst []byte, cols []zset.Vector, row int) []byte {
	dst = append(dst, '(')
	for i := range cols {
		if i > 0 {
			dst = append(dst, ',')
		}
		v := &cols[i]
		if v.Null.Get(row) || row >= v.Len() {
			continue
		}
		start := len(dst)
		dst = types.AppendText(dst, v.Type, v.Datum(row), nil)
		dst = quoteField(dst, start)
	}
	return append(dst, ')')
}

// quoteField quotes the field that begins at start where a record's text needs
// it.
func quoteField(dst []byte, start int) []byte {
	field := dst[start:]
	quote := len(field) == 0
	for _, c := range field {
		switch c {
		case '"', '\\', '(', ')', ',', ' ', '\t', '\n', '\r', '\v', '\f':
			quote = true
		}
	}
	if !quote {
		return dst
	}
	text := string(field)
	dst = append(dst[:start], '"')
	for i := range len(text) {
		if text[i] == '"' || text[i] == '\\' {
			dst = append(dst, text[i])
		}
		dst = append(dst, text[i])
	}
	return append(dst, '"')
}
