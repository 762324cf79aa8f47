// Package dataflow runs dataflow graphs in epochs: cut -> compute -> commit ->
// publish (docs/design/0002). It also runs one graph over given input, for
// queries (Execute), and decodes stored relations (ScanResult).
//
// Guarantees:
//
//	I1 Every relation is at the same epoch at every published moment. Nothing
//	   is visible before it is durable.
//	I2 An epoch takes the inputs in the order (source, partition, offset),
//	   commands in the order of Do; the same inputs cut the same way give the
//	   same bytes.
//	I3 What Do returned without error is durable and visible.
//	I4 A view's content is its query over the prefix of its inputs that its
//	   committed positions name: exactly once through any crash.
//	I5 Others never wait for the backfill of a view, nor longer than its share of
//	   an epoch for a view that overruns it: it is detached.
//	I6 At every published epoch the views are at its clock: all timers that are
//	   due have fired (timers.go).
//
// A view whose operators fail or panic is quarantined, with all that read it:
// it stays as it was after the epoch before, through restarts, and everything
// else goes on. One whose stored rows are damaged is held and built again
// (rebuild.go). A commit that the store refuses is tried again; one that broke it,
// and any other broken invariant, ends Run: the process must end and recover.
//
// Not guaranteed: that a view which is backfilling or detached is at the epoch's
// moment (its state says so), nor that two partitions of a stream are cut at the
// same time.
//
// The package knows no SQL and no client. Runtime owns all goroutines: the
// epoch loop, which alone changes state and so needs no locks, and one per
// source reader, which meet in bounded queues. Everybody else sees immutable
// data that the loop publishes. Start reading at runtime.go (the loop), then
// epoch.go, backfill.go (how a view catches up), detach.go (how it leaves the
// epochs), positions.go (what a restart finds), command_epoch.go (DDL and DML).
package dataflow
