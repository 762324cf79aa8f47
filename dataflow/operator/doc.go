// Package operator holds the incremental operators, one file each: filter and
// projection, aggregation, materialisation, and later joins and their kin.
//
// Law: the sum of an operator's outputs is its query over the sum of its
// inputs, however the inputs are cut into epochs and batches; a property test
// holds each operator to it, retractions included.
//
// Operators are pure: no clock, no I/O, no goroutine, no map order, no
// randomness; state comes in as an argument and changes go out as data, so the
// same epochs give the same bytes. They know no catalog, no source, no client.
package operator
