package dataflow

import (
	"context"
	"fmt"
	"testing"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// pushSource hands out what the benchmark pushes.
type pushSource struct {
	fakeTopic
	batches chan *connector.Batch
}

func (p *pushSource) CaughtUp() []connector.CaughtUp { return nil }

func (p *pushSource) NewReader([]bool, func(connector.State)) (connector.Reader, error) {
	return p, nil
}
func (p *pushSource) Starts(context.Context) (connector.Positions, error) {
	return connector.Positions{0}, nil
}
func (p *pushSource) Ends(context.Context) (connector.Positions, error) {
	return connector.Positions{0}, nil
}

func (p *pushSource) Run(ctx context.Context, _, _ connector.Positions, push func(context.Context, *connector.Batch) error) error {
	for {
		select {
		case b := <-p.batches:
			if err := push(ctx, b); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// pushBatch makes a batch of n rows (k, v) with keys in [0, keys).
func pushBatch(n int, keys int64, seed uint64) *zset.Batch {
	b := &zset.Batch{Cols: make([]zset.Vector, 2), N: n}
	for c := range b.Cols {
		b.Cols[c] = zset.Vector{Type: types.Int8, Int: make([]int64, n)}
	}
	x := seed*2654435761 + 1
	for i := range n {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b.Cols[0].Int[i], b.Cols[1].Int[i] = int64(x>>1)%keys, int64(i)
	}
	return b
}

func benchRuntime(b *testing.B, opts Options, store Store, views ...ViewSpec) (*Runtime, *pushSource) {
	b.Helper()
	rt, err := New(store, opts)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- rt.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	src := &pushSource{batches: make(chan *connector.Batch)}
	cmd := Command{AddStreams: []StreamSpec{{ID: 1, Name: "s", Types: topicTypes(), Source: src}}, AddViews: views}
	for i := range views {
		cmd.Create = append(cmd.Create, createAll(views[i].Graph)...)
	}
	if _, err := rt.Do(ctx, cmd); err != nil {
		b.Fatal(err)
	}
	return rt, src
}

// nullStore takes everything and keeps nothing: what is left is the loop.
type nullStore struct{ epoch uint64 }

func (s *nullStore) Epoch() uint64     { return s.epoch }
func (s *nullStore) Clock() int64      { return 0 }
func (s *nullStore) Positions() []byte { return nil }
func (s *nullStore) Fetch(_ storage.Arrangement, keys *zset.List, vals *storage.Values) error {
	*vals = make(storage.Values, keys.Len())
	return nil
}
func (s *nullStore) Scan(storage.Arrangement, []byte, []byte, func(key, val []byte) bool) error {
	return nil
}
func (s *nullStore) Commit(e *storage.Epoch) error { s.epoch = e.Number; return nil }
func (s *nullStore) Pin() StoreSnapshot            { return nil }

// BenchmarkTinyEpoch is one record through the whole loop: push, cut, compute,
// commit without fsync, publish, wake. The views without input show what an
// idle dataflow costs.
func BenchmarkTinyEpoch(b *testing.B) {
	for _, idle := range []int{0, 1000} {
		b.Run(fmt.Sprintf("idle=%d", idle), func(b *testing.B) {
			views := []ViewSpec{groupView(2, 1, 0, 20)}
			for i := range idle {
				id := RelationID(10 + i)
				views = append(views, passView(id, id, storage.Arrangement(100+i))) // tables
			}
			rt, src := benchRuntime(b, Options{}, &nullStore{}, views...)
			ctx := context.Background()
			rows := pushBatch(1, 10, 1)
			b.ReportAllocs()
			at := int64(0)
			for b.Loop() {
				src.batches <- &connector.Batch{First: at, Next: at + 1, Rows: rows, Bytes: 100}
				at++
				if err := rt.WaitPositions(ctx, 1, connector.Positions{at}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// discard is an operator that costs nothing.
type discard struct{}

func (discard) Apply([]operator.Delta, operator.State, uint64, *operator.Output) error { return nil }

// BenchmarkSaturated pushes batches of 2048 rows as fast as the loop takes
// them. "loop" computes nothing; "group" counts 10,000 keys in the real store
// without fsync.
func BenchmarkSaturated(b *testing.B) {
	b.Run("loop", func(b *testing.B) {
		build := func(*Node) (operator.Operator, error) { return discard{}, nil }
		rt, src := benchRuntime(b, Options{Build: build}, &nullStore{}, groupView(2, 1, 0, 20))
		saturate(b, rt, src)
	})
	b.Run("group", func(b *testing.B) {
		store, err := storage.Open(context.Background(), storage.Options{Dir: b.TempDir(), Sync: storage.SyncOff, MinFree: -1})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { store.Close() })
		rt, src := benchRuntime(b, Options{}, OverStorage(store), groupView(2, 1, 0, 20))
		saturate(b, rt, src)
	})
}

func saturate(b *testing.B, rt *Runtime, src *pushSource) {
	const rows = 2048
	var batches [64]*zset.Batch
	for i := range batches {
		batches[i] = pushBatch(rows, 10_000, uint64(i))
	}
	b.ReportAllocs()
	at := int64(0)
	for b.Loop() {
		src.batches <- &connector.Batch{First: at, Next: at + rows, Rows: batches[at/rows%64], Bytes: 16 * rows}
		at += rows
	}
	if err := rt.WaitPositions(context.Background(), 1, connector.Positions{at}); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(at), "ns/row")
	st := rt.Stats()
	b.ReportMetric(float64(at)/float64(st.Epochs), "rows/epoch")
	b.ReportMetric(float64(st.CommitNS)/float64(at), "commit-ns/row")
	b.ReportMetric(float64(st.ComputeNS)/float64(at), "compute-ns/row")
}

// BenchmarkBackfillScan is a view over a table of 200,000 rows in the real
// store, from its creation until it is ready.
func BenchmarkBackfillScan(b *testing.B) {
	const n = 200_000
	store, err := storage.Open(context.Background(), storage.Options{Dir: b.TempDir(), Sync: storage.SyncOff, MinFree: -1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { store.Close() })
	rt, _ := benchRuntime(b, Options{}, OverStorage(store), passView(2, 2, 20))
	ctx := context.Background()
	if _, err := rt.Do(ctx, Command{Rows: []TableDelta{{Relation: 2, Delta: operator.Delta{pushBatch(n, 10_000, 1)}}}}); err != nil {
		b.Fatal(err)
	}
	id := RelationID(10)
	b.ReportAllocs()
	for b.Loop() {
		v := groupView(id, 2, 0, storage.Arrangement(id)+20)
		if _, err := rt.Do(ctx, Command{AddViews: []ViewSpec{v}, Create: createAll(v.Graph)}); err != nil {
			b.Fatal(err)
		}
		if err := rt.WaitReady(ctx, id, nil); err != nil {
			b.Fatal(err)
		}
		if _, err := rt.Do(ctx, Command{Drop: []RelationID{id}}); err != nil {
			b.Fatal(err)
		}
		id++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
}
