package operator

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
)

// bidSpec is SELECT auction, count(*), sum(price), max(price) ... GROUP BY auction.
func bidSpec() *AggregateSpec {
	return &AggregateSpec{
		Input: []types.Type{types.Int8, types.Int8},
		Keys:  []int{0},
		Calls: []AggregateCall{
			{Func: "count(*)", Filter: -1, Type: types.Int8},
			{Func: "sum(int8)", Args: []int{1}, Filter: -1, Type: types.Numeric},
			{Func: "max(int8)", Args: []int{1}, Filter: -1, Type: types.Int8},
		},
		AppendOnly: true, Arr: 1, Multisets: 2,
	}
}

// bids makes batches of 2048 rows over some keys.
func bids(r *rand.Rand, rows, keys int) Delta {
	var d Delta
	for rows > 0 {
		n := min(rows, 2048)
		b := zset.NewBatch([]types.Type{types.Int8, types.Int8}, n)
		for range n {
			b.Cols[0].AppendInt(r.Int64N(int64(keys)))
			b.Cols[1].AppendInt(r.Int64N(10_000_000))
		}
		b.N = n
		d = append(d, b)
		rows -= n
	}
	return d
}

func BenchmarkAggregate(b *testing.B) {
	for _, keys := range []int{10_000, 1_000_000} {
		for _, epoch := range []int{2048, 32768} {
			for _, discard := range []bool{true, false} {
				name := fmt.Sprintf("keys=%d/epoch=%d/output=%v", keys, epoch, !discard)
				b.Run(name, func(b *testing.B) { benchmarkAggregate(b, keys, epoch, discard) })
			}
		}
	}
}

func benchmarkAggregate(b *testing.B, keys, epoch int, discard bool) {
	st := NewMemState()
	op, err := NewAggregate(bidSpec())
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	apply := func(d Delta) {
		out := Output{Discard: discard}
		if err := op.Apply([]Delta{d}, st, 1, &out); err != nil {
			b.Fatal(err)
		}
		st.Commit()
	}
	for range 2 * keys / 32768 {
		apply(bids(r, 32768, keys))
	}
	deltas := make([]Delta, 64)
	for i := range deltas {
		deltas[i] = bids(r, epoch, keys)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		apply(deltas[i%len(deltas)])
		i++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*epoch), "ns/row")
	b.ReportMetric(float64(st.Memory())/float64(st.Len(1)), "B/key")
}

// BenchmarkAbsorb is an ad hoc query: one epoch over all rows.
func BenchmarkAbsorb(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, keys := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			d := bids(r, 2_000_000, keys)
			b.ReportAllocs()
			for b.Loop() {
				op, err := NewAggregate(bidSpec())
				if err != nil {
					b.Fatal(err)
				}
				for _, batch := range d {
					if err := op.Absorb(batch); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(op.Memory())/float64(op.table.n), "B/key")
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*2_000_000), "ns/row")
		})
	}
}
