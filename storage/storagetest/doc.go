// Package storagetest holds memory twins and faulty twins of storage's three
// seams (Log, Meta, BlockStore) and one test-suite for each, which every
// implementation has to pass.
//
// The memory twins keep what a disk would keep: Crash ends a twin as kill -9
// would and returns its successor over what was durable. The faulty twins wrap
// any implementation and fail the n-th call, before or after its effect.
//
// It must not know the Store: only the seams.
// Start reading at mem.go, then fault.go.
package storagetest
