package storage

import (
	"github.com/streamdb/streamdb/dataflow/zset"
)

// Arrangement identifies an ordered map. Ids are given by the catalog and are
// never used again.
type Arrangement uint32

// Placement says where the runs of an arrangement live.
type Placement uint8

const (
	// State is operator state: runs in files.
	State Placement = iota
	// Result is what clients read (tables, views, indexes): runs in Badger,
	// or in files with Options.ResultStore = "files".
	Result
)

// ChangeSet is what one epoch changes in one arrangement. Keys are unique
// within the set (in any order); Vals[i] is the new image of Keys[i], unless
// bit i of Dead is set: then the key is deleted and Vals[i] is empty.
type ChangeSet struct {
	Arr  Arrangement
	Keys zset.List
	Vals zset.List
	Dead zset.Bitmap // may be shorter than Keys: missing bits are not set
}

// NewArrangement announces an arrangement that is first written in this epoch.
type NewArrangement struct {
	Arr       Arrangement
	Placement Placement
}

// Epoch is the unit of commit: everything in it becomes durable and visible
// together.
type Epoch struct {
	Number    uint64 // last committed epoch + 1
	Clock     int64  // microseconds since 1970, never decreasing
	Changes   []ChangeSet
	Positions []byte       // positions and watermarks of all inputs, opaque, absolute; nil: as before
	Meta      []MetaChange // catalog changes
	Create    []NewArrangement
	Drop      []Arrangement
}

// Values receives what Fetch found: nil for an absent key, else the image.
// The images are valid until the next Commit.
type Values [][]byte

// What Store offers (store.go):
//
//	Open(ctx, Options) (*Store, error)           recovery included
//	OpenWith(ctx, Options, Seams) (*Store, error)  the same over given seams, for tests
//	(*Store).Epoch() uint64                      last committed epoch (0: fresh directory)
//	(*Store).Clock() int64                       its clock
//	(*Store).Positions() []byte                  its positions
//	(*Store).MetaGet, MetaScan                   catalog as of the last committed epoch; prefix "c/" and below is the caller's
//	(*Store).Fetch(arr, *zset.List, *Values) error        newest images, many keys at once; only for the goroutine that commits
//	(*Store).Scan(arr, lo, hi []byte, fn func(key, val []byte) bool) error   newest images in key order, lo <= key < hi (nil: open); same goroutine
//	(*Store).Commit(*Epoch) error                durable, applied and visible when it returns; errors.Is(err, ErrBroken): perhaps durable, open again; other errors: nothing happened
//	(*Store).Snapshot() *Snapshot                pinned at the last committed epoch, for any goroutine
//	(*Snapshot).Epoch() uint64
//	(*Snapshot).Get(arr, key, buf []byte) (val []byte, ok bool, err error)
//	(*Snapshot).Scan(arr, lo, hi, fn) error
//	(*Snapshot).Release()
//	(*Store).Check(ctx, func(Damage)) error      verifies all runs
//	(*Store).Damages() []Damage                  what reads and the verification in the background have found
//	Inspect(Options) (*Inspection, error)        opens a directory to check it, while no server runs
//	(*Store).SetMergeRate(bytesPerSecond int64)  fuel of merges while they are not behind
//	(*Store).Stats() Stats                       counters and sizes for metrics and streamdb.state
//	(*Store).Close() error                       idempotent
