// Package json decodes JSON records straight into columns.
//
// A Decoder is compiled from a source's columns and the set of those that are
// needed. It reads a record once, from left to right, and appends values to
// zset vectors without an allocation per record. It must not know where
// records come from; connector/kafka feeds it.
//
// What holds:
//
//	I1. A record is checked as a whole: syntax, UTF-8, escapes, nesting (at
//	    most 512 deep) and the types of all declared columns, also of those
//	    that are not needed. Whether a record is good does therefore not
//	    depend on the projection, and two readers of one topic agree.
//	I2. A record that fails leaves nothing in the columns.
//	I3. A field belongs to the column of exactly its name, else to the only
//	    column that differs in case alone. Of fields with one spelling the last
//	    counts, as in PostgreSQL's jsonb; fields whose spellings differ and that
//	    mean one column are an error (22030).
//	I4. A missing field and null are NULL, which is an error (23502) in a
//	    column that must have a value. Values are never rounded, cut or
//	    converted from another JSON type: that is an error (22P02, 22003).
//
// The speed comes from three things. The order of fields is learned: after a
// field the decoder expects the one that followed it last time, with the same
// bytes between, and one comparison replaces the parsing of the name. Strings
// are scanned eight bytes at a time for the bytes that end or change them.
// Integers, short decimals and ISO timestamps are parsed in place.
//
// A Decoder belongs to one goroutine. Start reading at decoder.go.
package json
