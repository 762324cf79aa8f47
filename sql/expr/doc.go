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
//
// # How it is built
//
// compile.go folds constants (fold.go), shares equal subexpressions and makes a
// tree of nodes (exec.go, node_*.go); a node returns a vector for the rows of a
// scope. Calls run kernels: kernel.go lifts functions of one row, the files
// compare.go, fn_int.go, fn_float.go and kernel_numeric.go have loops of their
// own for what is hot. The tables are filled by the add functions of fn_*.go
// from signatures in the notation of pg_proc (table.go). resolve.go, coerce.go
// and build.go are the binder's side.
//
// Invariants:
//
//	I1  A node that evaluates arguments under a narrower scope than its own
//	    copies what it needs of one before it evaluates the next.
//	I2  Strict calls never fail at rows where an argument is NULL: kernels look
//	    at the result's NULL bitmap, which is set before they run.
//	I3  What a frozen expression means depends on nothing but its input.
package expr
