// Package operator holds the incremental operators, one file each: map,
// aggregate, materialize, upsert, union, join, topk, tablefunction, temporal, window,
// session, and the ends of a sink's graph.
//
// Law: the sum of an operator's outputs is its query over the sum of its
// inputs, however the inputs are cut into epochs and batches; a property test
// (harness_test.go) holds each operator to it, retractions included. Further:
//
//	I1 The state depends on the sum of the inputs alone, not on their order or
//	   cuts; when everything has been retracted, it is empty.
//	I2 An operator that is made anew over the state goes on where the former
//	   one was: what it keeps between epochs is memory, never knowledge.
//	I3 Apply may be called again for an epoch that was not committed.
//	I4 What an input cannot have delivered (more retractions than insertions) is
//	   XX000, never an answer.
//
// Operators are pure: no clock but the epoch's (State.Clock), no I/O, no goroutine, no map order, no
// randomness; state comes in as an argument and changes go out as data, so the
// same epochs give the same bytes. They know no catalog, no source, no client.
//
// Where to start: operator.go and spec.go are the agreement with the runtime and
// the planner. aggregate.go is the largest operator; its parts are grouptable.go
// (groups to numbers), accumulator.go and acc_*.go (the functions), multiset.go
// (what min, max and DISTINCT need under retractions), groupimage.go (the stored
// bytes). A new operator is a spec, a file, its law and testdata, and its line in
// dataflow's Node, BuildOperator and, with state, references.
package operator
