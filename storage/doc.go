// Package storage keeps arrangements (ordered maps from key bytes to row
// bytes), positions and the catalog durably, one epoch at a time. It is the
// only home of Badger and of files under the data directory.
//
// Invariants:
//
//	I1 The log record is the only commit point: an epoch whose record is not
//	   whole did not happen; one whose record is whole is never undone.
//	I2 Memory = durable = visible: an epoch is readable only after its record
//	   is on disk.
//	I3 A run exists if and only if the manifest in Badger lists it; files that
//	   it does not list are deleted at open.
//	I4 A block is verified by its checksum whenever it is read.
//	I5 The log is cut only behind epochs whose rows are in listed runs.
//	I6 A snapshot at epoch E sees, of every row, the newest image with epoch
//	   <= E until it is released.
//
// It must not know SQL, operators or sources: keys, values, positions and meta
// values are opaque bytes. Owner of goroutines: Store (flush, merge,
// verification).
// Start reading at store.go (Open, Commit, Snapshot), then seams.go.
package storage
