// Package dataflow runs dataflow graphs in epochs: cut -> compute -> commit ->
// apply -> publish (docs/design/0002).
//
// Guarantees:
//
//	I1 Every relation is at the same epoch at every published moment.
//	I2 An epoch takes the inputs in the order (source, partition, offset),
//	   commands in the order of Do; the same inputs cut the same way give the
//	   same bytes.
//	I3 What Do returned without error is durable and visible.
//	I4 A view's content is its query over the prefix of its inputs that its
//	   committed positions name: exactly once through any crash.
//	I5 Others never wait for the backfill of a view.
//
// It knows no SQL and no client. Runtime owns all goroutines: the epoch loop,
// one per source reader. Start reading at runtime.go, then epoch.go.
package dataflow
