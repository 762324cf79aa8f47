package json

import "github.com/streamdb/streamdb/sql/types"

// DecodeBare appends a record that may be an object or, where the decoder has
// one column, that column's value alone: as JSON, or as plain text where the
// type's values are strings in JSON. Plain text of a text column is taken as it
// is, 1 and null included, since that is what clients with string keys write;
// what begins with a quote or a brace is JSON. Errors are those of Decode.
func (d *Decoder) DecodeBare(record []byte) error {
	start := skipSpace(record, 0)
	if len(d.cols) != 1 || start < len(record) && record[start] == '{' {
		return d.Decode(record)
	}
	c := &d.cols[0]
	quoted := start < len(record) && record[start] == '"'
	if c.op != opText || quoted {
		err := d.bareValue(record, start, c)
		if err == nil || quoted || c.op != opTime && c.op != opString {
			return err
		}
	}
	d.bare = types.AppendJSONString(d.bare[:0], record)
	return d.bareValue(d.bare, 0, c)
}

// bareValue appends a JSON value as a row of the only column.
func (d *Decoder) bareValue(b []byte, start int, c *column) error {
	d.begin()
	c.gen = d.gen
	d.left--
	end, err := d.value(b, start, 0, c)
	return d.end(b, end, err)
}
