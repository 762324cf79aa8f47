package expr

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
)

const benchRows = 4096

// bidTypes are auction, bidder, price, channel and date_time.
func bidTypes() []types.Type {
	return []types.Type{types.Int8, types.Int8, types.Int8, types.Text, types.Timestamp}
}

func bids(nulls bool) *zset.Batch {
	b := zset.NewBatch(bidTypes(), benchRows)
	for i := range int64(benchRows) {
		price := types.Datum{Int: i * 7919 % 100000}
		if nulls && i%10 == 3 {
			price = types.NullDatum()
		}
		b.AppendDatums([]types.Datum{{Int: i * 31 % 10000}, {Int: i % 500}, price,
			{Bytes: fmt.Appendf(nil, "channel-%d", i%10)}, {Int: i * 1_000_000}}, 1)
	}
	return b
}

func benchmarkProgram(b *testing.B, batch *zset.Batch, sources ...string) {
	var es []*Expr
	for _, src := range sources {
		e, err := parseSQL(src, bidTypes(), nil)
		if err != nil {
			b.Fatal(err)
		}
		es = append(es, e)
	}
	p, err := Compile(es, bidTypes())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	start := cpuTime()
	for b.Loop() {
		r, err := p.Eval(batch)
		if err != nil || r.Err != nil {
			b.Fatal(err, r.Err)
		}
	}
	reportRows(b, start, batch.Len())
}

// cpuTime is the process's CPU time, which other work on the machine changes
// less than elapsed time.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func reportRows(b *testing.B, start time.Duration, rows int) {
	b.ReportMetric(float64((cpuTime()-start).Nanoseconds())/float64(b.N)/float64(rows), "cpu-ns/row")
}

func half(b *zset.Batch) *zset.Batch {
	for i := range b.N {
		if i%5 == 0 {
			b.Sel = append(b.Sel, int32(i))
		}
	}
	return b
}

func BenchmarkMap(b *testing.B) {
	cases := []struct {
		name  string
		batch *zset.Batch
		exprs []string
	}{
		{"q1 numeric", bids(false), []string{"c0", "c1", "0.908 * c2::numeric", "c4"}},
		{"q1 float", bids(false), []string{"c2 * 0.908::float8"}},
		{"int constant", bids(false), []string{"c2 * 908 / 1000"}},
		{"int columns", bids(false), []string{"c0 + c1"}},
		{"int mul columns", bids(false), []string{"c2 * c1"}},
		{"int columns nulls", bids(true), []string{"c2 + c1"}},
		{"int columns selection", half(bids(false)), []string{"c0 + c1"}},
		{"compare", bids(false), []string{"c0 > 500"}},
		{"text equal", bids(false), []string{"c3 = 'channel-3'"}},
		{"case", bids(false), []string{"case when c2 < 10000 then 'low' when c2 < 50000 then 'mid' else 'high' end"}},
		{"like", bids(false), []string{"c3 like '%nel-3%'"}},
		{"regex", bids(false), []string{"c3 ~ 'nel-[35]$'"}},
		{"extract hour", bids(false), []string{"extract(hour from c4)"}},
		{"date_bin", bids(false), []string{"date_bin(interval '10 seconds', c4, timestamp '2000-01-01')"}},
		{"timestamp minus interval", bids(false), []string{"c4 - interval '4 seconds'"}},
		{"cast text", bids(false), []string{"c2::text"}},
		{"shared", bids(false), []string{"c2 * 2 + 1", "(c2 * 2 + 1) % 10", "c2 * 2 + 1 > 100"}},
	}
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) { benchmarkProgram(b, c.batch, c.exprs...) })
	}
}

func BenchmarkFilter(b *testing.B) {
	cases := []struct{ name, src string }{
		{"q2", "c0 % 123 = 0"},
		{"constant", "c2 > 50000"},
		{"conjunction", "c2 > 50000 and c0 < 100 and c3 = 'channel-3'"},
		{"or", "c0 = 1007 or c0 = 1020 or c0 = 2001 or c0 = 2019 or c0 = 2087"},
		{"in", "c0 in (1007, 1020, 2001, 2019, 2087)"},
		{"text", "c3 = 'channel-3'"},
	}
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			e, err := parseSQL(c.src, bidTypes(), nil)
			if err != nil {
				b.Fatal(err)
			}
			f, err := CompileFilter(e, bidTypes())
			if err != nil {
				b.Fatal(err)
			}
			batch := bids(false)
			b.ReportAllocs()
			start := cpuTime()
			for b.Loop() {
				if _, errs, err := f.Select(batch); err != nil || errs != nil {
					b.Fatal(err)
				}
			}
			reportRows(b, start, batch.Len())
		})
	}
}
