package dataflow

import (
	"context"
	"testing"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/storage"
)

// BenchmarkTableJoin joins a stream with a table of 1M rows by its key, without
// fsync: with a copy of the table in the join's state, and over the table's own
// arrangement. ready-ms is from CREATE to ready, state-MB what it has written
// by then.
func BenchmarkTableJoin(b *testing.B) {
	const n = 1_000_000
	for _, own := range []bool{true, false} {
		b.Run(map[bool]string{true: "copy", false: "shared"}[own], func(b *testing.B) {
			store, err := storage.Open(context.Background(), storage.Options{Dir: b.TempDir(), Sync: storage.SyncOff, MinFree: -1})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { store.Close() })
			rt, src := benchRuntime(b, Options{}, OverStorage(store), tableByKey(10, 50))
			ctx := context.Background()
			for at := 0; at < n; at += 50_000 {
				rows := zset.NewBatch(topicTypes(), 50_000)
				for k := at; k < at+50_000; k++ {
					rows.Cols[0].AppendInt(int64(k))
					rows.Cols[1].AppendInt(int64(k))
					rows.AddRow(1)
				}
				if _, err := rt.Do(ctx, Command{Rows: []TableDelta{{Relation: 10, Delta: operator.Delta{rows}}}}); err != nil {
					b.Fatal(err)
				}
			}
			v := lookupView(20, 1, 10, 0, &operator.SharedSide{Arr: 50, Types: topicTypes()}, 60)
			if own {
				v.Graph.Nodes[1].Relation.Shared = false
				join := v.Graph.Nodes[2].Join
				join.RightShared, join.RightArr = nil, 70
			}
			before := store.Stats().LogBytes
			start := b.Elapsed()
			if _, err := rt.Do(ctx, Command{AddViews: []ViewSpec{v}, Create: createAll(v.Graph)}); err != nil {
				b.Fatal(err)
			}
			if err := rt.WaitReady(ctx, 20, nil); err != nil {
				b.Fatal(err)
			}
			ready, added := b.Elapsed()-start, store.Stats().LogBytes-before
			const rows = 2048
			at := int64(0)
			computed := rt.Stats().ComputeNS
			b.ReportAllocs()
			for b.Loop() {
				src.batches <- &connector.Batch{First: at, Next: at + rows, Rows: pushBatch(rows, n, uint64(at)), Bytes: 16 * rows}
				at += rows
			}
			if err := rt.WaitPositions(ctx, 1, connector.Positions{at}); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(rt.Stats().ComputeNS-computed)/float64(at), "compute-ns/row")
			b.ReportMetric(float64(ready.Milliseconds()), "ready-ms")
			b.ReportMetric(float64(added)/1e6, "state-MB")
		})
	}
}
