// Package types holds SQL's types and their values: identities (PostgreSQL's
// OIDs), physical kinds, exact decimals, dates and intervals, and the text and
// binary formats that PostgreSQL's clients read and write.
//
// It must not know vectors, expressions or statements. Everything here is a
// pure function; there are no goroutines.
package types
