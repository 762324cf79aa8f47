package operator

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// cpuTime returns what the process has used so far: on a machine with other work
// it is the figure to look at.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// reportRows reports wall and CPU time per row.
func reportRows(b *testing.B, rows int, before time.Duration) {
	n := float64(b.N) * float64(rows)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/n, "ns/row")
	b.ReportMetric(float64((cpuTime()-before).Nanoseconds())/n, "cpu-ns/row")
}

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
	before := cpuTime()
	for b.Loop() {
		apply(deltas[i%len(deltas)])
		i++
	}
	reportRows(b, epoch, before)
	b.ReportMetric(float64(st.Memory())/float64(st.Len(1)), "B/key")
}

// BenchmarkAbsorb is an ad hoc query: one epoch over all rows.
func BenchmarkAbsorb(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, keys := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			d := bids(r, 2_000_000, keys)
			b.ReportAllocs()
			before := cpuTime()
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
			reportRows(b, 2_000_000, before)
		})
	}
}

// BenchmarkMap is Nexmark's q1 (a projection with arithmetic) and q2 (a filter
// that lets few rows pass).
func BenchmarkMap(b *testing.B) {
	d := bids(rand.New(rand.NewPCG(1, 1)), 64*2048, 100_000)
	auction, price := expr.Column(0, types.Int8), expr.Column(1, types.Int8)
	for _, test := range []struct {
		name string
		spec *MapSpec
	}{
		{"q1", &MapSpec{Project: []*expr.Expr{auction, call(b, "int8div(int8,int8)", call(b, "int8mul(int8,int8)", price, int8(908)), int8(1000))}}},
		{"q2", &MapSpec{Filter: call(b, "int8eq(int8,int8)", call(b, "int8mod(int8,int8)", auction, int8(123)), int8(0)), Project: []*expr.Expr{auction, price}}},
	} {
		b.Run(test.name, func(b *testing.B) {
			test.spec.Input = []types.Type{types.Int8, types.Int8}
			op, err := NewMap(test.spec)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			before := cpuTime()
			for b.Loop() {
				var out Output
				if err := op.Apply([]Delta{d}, nil, 1, &out); err != nil {
					b.Fatal(err)
				}
			}
			reportRows(b, 64*2048, before)
		})
	}
}

// BenchmarkJoin is a stream of bids that meets a table by its key.
func BenchmarkJoin(b *testing.B) {
	ts := []types.Type{types.Int8, types.Int8}
	op, err := NewJoin(&JoinSpec{Kind: InnerJoin, Left: ts, Right: ts, LeftKey: []int{0}, RightKey: []int{0}, LeftArr: 1, RightArr: 2})
	if err != nil {
		b.Fatal(err)
	}
	st := NewMemState()
	r := rand.New(rand.NewPCG(1, 1))
	table := zset.NewBatch(ts, 0)
	const keys = 20_000
	for k := range keys {
		table.AppendDatums([]types.Datum{{Int: int64(k)}, {Int: 1}}, 1)
	}
	apply := func(left, right Delta) {
		var out Output
		if err := op.Apply([]Delta{left, right}, st, 1, &out); err != nil {
			b.Fatal(err)
		}
		st.Commit()
	}
	apply(nil, Delta{table})
	d := bids(r, 4096, keys)
	negative := Delta{d[0].Negate(), d[1].Negate()}
	b.ReportAllocs()
	before := cpuTime()
	for b.Loop() {
		apply(d, nil)
		apply(negative, nil)
	}
	reportRows(b, 8192, before)
}
