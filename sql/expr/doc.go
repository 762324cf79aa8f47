// Package expr holds typed scalar expressions and evaluates them over batches,
// a vector at a time.
//
// An expression never fails a batch: a row for which it fails (division by
// zero, overflow, bad cast) is marked in an error vector and its value is
// unspecified. AND, OR, CASE, COALESCE and their kin evaluate their arms under
// the selection of the rows that reach them, so 1/x behind x <> 0 is no error.
//
// The table of functions, operators and casts is the one that the binder,
// pg_proc and the docs read. The package knows vectors, but no statement, no
// plan, no catalog. Programs are not safe for concurrent use; an Expr is
// immutable data.
package expr
