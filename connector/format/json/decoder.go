package json

import (
	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// maxDepth is how deep objects and arrays may nest, the record itself counted.
const maxDepth = 512

// absentAfter is the number of good records after which a column that none of
// them had is reported.
const absentAfter = 1000

// Options are the choices of a decoder; the zero value is strict.
type Options struct {
	// TimeUnit is the unit of integers in date and timestamp columns; UnitNone
	// refuses integers there.
	TimeUnit Unit
	// ColumnUnit overrides TimeUnit for single columns, by name.
	ColumnUnit map[string]Unit
	// Absent is called once, after the first 1,000 good records, with the
	// columns that none of them had. It may be nil.
	Absent func(columns []string)
}

// Decoder decodes records into columns.
type Decoder struct {
	cols    []column // all declared FromValue columns
	fields  fields
	notNull []int // those of cols that must have a value

	rows    int
	gen     uint32 // number of the record, to know which columns it has had
	left    int    // columns that the record has not had yet
	failed  []failure
	scratch []byte // unescaped text
	bare    []byte // plain text in quotes
	nested  int    // 1 inside of an array
	array   []byte // an array's image
	elems   []types.Datum
	name    []byte // unescaped field name
	day     dayCache

	good   int
	absent func([]string)
}

// column is a declared column while it is decoded.
type column struct {
	name  string
	typ   types.Type
	op    op
	unit  Unit
	lo    int64
	hi    int64 // range of integers
	limit int   // characters of varchar(n) and char(n); -1: none
	store bool
	vec   zset.Vector
	elem  *column // of an array; its vector has the elements of one value
	bytes int     // data bytes of the last batch, to size the next
	index int     // in the source's columns

	gen     uint32 // the last record that had the column
	field   int32  // the field entry that filled it
	exact   bool   // the field has exactly the column's name
	present bool   // some record had it
}

// failure is a column whose value did not convert. It is final at the end of
// the record only: a later field of the same name replaces the value.
type failure struct {
	col int32
	err *sqlerr.Error
}

// New compiles a decoder for the columns filled from the value; need says which
// of all columns are wanted (nil: all). 0A000 if a type cannot be read from JSON.
func New(columns []connector.Column, need []bool, opts Options) (*Decoder, error) {
	d := &Decoder{absent: opts.Absent}
	for i, c := range columns {
		if c.Meta != connector.FromValue {
			continue
		}
		col, err := newColumn(c.Name, c.Type, opts)
		if err != nil {
			return nil, err
		}
		col.index = i
		col.keep(need == nil || need[i] || c.NotNull)
		d.cols = append(d.cols, *col)
		if c.NotNull {
			d.notNull = append(d.notNull, len(d.cols)-1)
		}
	}
	d.fields.init(d.cols)
	return d, nil
}

// newColumn compiles how values of a type are read; 0A000 if they cannot be.
func newColumn(name string, t types.Type, opts Options) (*column, error) {
	o, ok := opOf(t)
	if !ok {
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "column %q: type %s cannot be read from JSON", name, t)
	}
	unit, ok := opts.ColumnUnit[name]
	if !ok {
		unit = opts.TimeUnit
	}
	limit, ok := t.CharLength()
	if !ok || o == opArray {
		limit = -1
	}
	c := &column{name: name, typ: t, op: o, unit: unit, limit: limit, vec: zset.Vector{Type: t}}
	c.lo, c.hi = intRange(t)
	if o == opArray {
		var err error
		if c.elem, err = newColumn(name, t.Elem().WithTypmod(t.Typmod()), opts); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// keep says whether values are kept or only checked.
func (c *column) keep(store bool) {
	c.store = store
	if c.elem != nil {
		c.elem.keep(store)
	}
}

// Rows returns the number of rows decoded since the last Take.
func (d *Decoder) Rows() int { return d.rows }

// Grow makes room for n more rows, judging the bytes by the last batch.
func (d *Decoder) Grow(n, lastRows int) {
	for i := range d.cols {
		c := &d.cols[i]
		if !c.store {
			continue
		}
		if c.typ.Kind() != types.KindBytes {
			c.vec.Grow(n)
			continue
		}
		want := 16 * n
		if lastRows > 0 {
			want = c.bytes*n/lastRows + c.bytes*n/lastRows/16 + 64
		}
		c.vec.Data = make([]byte, 0, want)
		c.vec.Off = append(make([]uint32, 0, n+1), 0)
	}
}

// ByteSize returns the bytes that variable-length columns hold now.
func (d *Decoder) ByteSize() int {
	n := 0
	for i := range d.cols {
		n += len(d.cols[i].vec.Data)
	}
	return n
}

// Take moves the decoded columns to their places in cols, which has all columns
// of the source, and begins anew with empty ones.
func (d *Decoder) Take(cols []zset.Vector) {
	for i := range d.cols {
		c := &d.cols[i]
		if c.store {
			if d.rows > 0 {
				c.bytes = len(c.vec.Data)
			}
			cols[c.index] = c.vec
		}
		c.vec = zset.Vector{Type: c.typ}
	}
	d.rows = 0
}

// Decode appends one record as a row. An error is a *sqlerr.Error and depends
// on the record alone; the columns are then as before.
func (d *Decoder) Decode(record []byte) error {
	d.begin()
	end, err := d.record(record)
	return d.end(record, end, err)
}

// AppendNulls appends a row of which nothing is known.
func (d *Decoder) AppendNulls() {
	for i := range d.cols {
		if c := &d.cols[i]; c.store {
			c.vec.AppendNull()
		}
	}
	d.rows++
}

// begin starts a record.
func (d *Decoder) begin() {
	d.gen++
	if d.gen == 0 { // wrapped: forget which columns which record had
		d.gen = 1
		for i := range d.cols {
			d.cols[i].gen = 0
		}
	}
	d.left = len(d.cols)
}

// end ends a record of which everything before the index end was read.
func (d *Decoder) end(record []byte, end int, err *sqlerr.Error) error {
	if err == nil && end < len(record) {
		if end = skipSpace(record, end); end < len(record) {
			err = syntaxError(record, end)
		}
	}
	if err == nil {
		d.checkNulls()
	}
	if err != nil || len(d.failed) > 0 {
		return d.fail(err)
	}
	if d.left > 0 {
		d.fillNulls()
	}
	d.rows++
	if d.good < absentAfter {
		d.countGood()
	}
	return nil
}

// fail removes what the record has appended and chooses the error: syntax
// before types, then the first column.
func (d *Decoder) fail(syntax *sqlerr.Error) error {
	for i := range d.cols {
		if c := &d.cols[i]; c.store && c.gen == d.gen {
			c.vec.Truncate(min(c.vec.Len(), d.rows))
		}
	}
	err := syntax
	if err == nil {
		first := d.failed[0]
		for _, f := range d.failed[1:] {
			if f.col < first.col {
				first = f
			}
		}
		err = first.err
	}
	d.failed = d.failed[:0]
	return err
}

// checkNulls notes the columns that must have a value and have none.
func (d *Decoder) checkNulls() {
	for _, i := range d.notNull {
		if c := &d.cols[i]; c.gen != d.gen || c.vec.Len() > d.rows && c.vec.IsNull(d.rows) {
			d.failed = append(d.failed, failure{int32(i), sqlerr.New(sqlerr.NotNullViolation, "null value in column %q violates not-null constraint", c.name)})
		}
	}
}

func (d *Decoder) fillNulls() {
	for i := range d.cols {
		if c := &d.cols[i]; c.gen != d.gen && c.store {
			c.vec.AppendNull()
		}
	}
}

func (d *Decoder) countGood() {
	d.good++
	for i := range d.cols {
		if d.cols[i].gen == d.gen {
			d.cols[i].present = true
		}
	}
	if d.good < absentAfter || d.absent == nil {
		return
	}
	if missing, _ := d.Missing(); len(missing) > 0 {
		d.absent(missing)
	}
}

// Missing returns the columns that none of the good records has had so far, or
// none of the first 1,000, and how many records these are.
func (d *Decoder) Missing() (columns []string, records int) {
	for i := range d.cols {
		if !d.cols[i].present {
			columns = append(columns, d.cols[i].name)
		}
	}
	return columns, d.good
}

// record reads one object and returns the index behind it.
func (d *Decoder) record(b []byte) (int, *sqlerr.Error) {
	i := skipSpace(b, 0)
	if i == len(b) || b[i] != '{' {
		return i, notAnObject(b, i)
	}
	i++
	d.fields.trim()
	prev, next := int32(0), d.fields.list[0].next
	expect := &d.fields.list[0] // whose raw bytes should stand at i
	for {
		f := &d.fields.list[next]
		if prev != 0 {
			expect = f
		}
		if next != 0 && expect.stands(b, i) {
			if i += len(expect.raw); i < len(b) && b[i] <= ' ' {
				i = skipSpace(b, i) // more blanks than last time
			}
		} else {
			var err *sqlerr.Error
			if i, next, err = d.fieldName(b, i, prev); err != nil {
				return i, err
			}
			if next < 0 {
				return i, nil
			}
			f = &d.fields.list[next]
		}
		var err *sqlerr.Error
		if f.col < 0 {
			i, err = skipValue(b, i, 1)
		} else if c := &d.cols[f.col]; c.gen != d.gen {
			c.gen, c.field, c.exact = d.gen, next, f.exact
			d.left--
			i, err = d.value(b, i, f.col, c)
		} else {
			i, err = d.repeated(b, i, next, f.col, f.exact)
		}
		if err != nil {
			return i, err
		}
		if i < len(b) && b[i] == '}' {
			return i + 1, nil
		}
		prev, next = next, f.next
	}
}

// repeated reads a field for a column that the record has had already (I3).
func (d *Decoder) repeated(b []byte, i int, entry, col int32, exact bool) (int, *sqlerr.Error) {
	c := &d.cols[col]
	if c.exact && !exact {
		return skipValue(b, i, 1) // another spelling beside the exact one
	}
	if !exact && c.field != entry {
		end, err := skipValue(b, i, 1)
		if err == nil {
			d.failed = append(d.failed, failure{col, ambiguousField(c.name)})
		}
		return end, err
	}
	c.field, c.exact = entry, exact
	d.forgive(col)
	if c.store {
		c.vec.Truncate(min(c.vec.Len(), d.rows))
	}
	return d.value(b, i, col, c)
}

// forgive drops the failures of a column whose value is replaced. Ambiguous
// spellings stay: only the exact name settles them.
func (d *Decoder) forgive(col int32) {
	kept := d.failed[:0]
	for _, f := range d.failed {
		if f.col != col || (f.err.Code == codeAmbiguous && !d.cols[col].exact) {
			kept = append(kept, f)
		}
	}
	d.failed = kept
}

// reject notes that a value does not convert, after checking its syntax.
func (d *Decoder) reject(b []byte, i int, col int32, c *column, cause *sqlerr.Error) (int, *sqlerr.Error) {
	end, err := skipValue(b, i, 1+d.nested)
	if err != nil {
		return end, err
	}
	if cause == nil {
		cause = wrongType(c, b[i:end])
	}
	d.failed = append(d.failed, failure{col, cause})
	return end, nil
}
