package json

import (
	"fmt"
	"testing"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
)

// bidColumns are those of Nexmark's bids.
func bidColumns() []connector.Column {
	return []connector.Column{
		{Name: "auction", Type: types.Int8}, {Name: "bidder", Type: types.Int8}, {Name: "price", Type: types.Int8},
		{Name: "channel", Type: types.Text}, {Name: "url", Type: types.Text},
		{Name: "datetime", Type: types.Timestamp}, {Name: "extra", Type: types.Text},
	}
}

func bids(n int) [][]byte {
	records := make([][]byte, n)
	for i := range records {
		records[i] = fmt.Appendf(nil, `{"auction":%d,"bidder":%d,"price":%d,"channel":"%s","url":"https://www.nexmark.com/%s/item.htm?query=1&channel_id=%d","dateTime":"2026-01-01 00:%02d:%02d.%03d","extra":"%s"}`,
			1000+i*7%9999, 1000+i*13%9999, 100+i*7919%10000000, [4]string{"Google", "Facebook", "Baidu", "Apple"}[i%4], "abc", i%4,
			i/60%60, i%60, i%1000, "ghijklmnopqrstuvwx"[:8+i%10])
	}
	return records
}

func benchmarkBids(b *testing.B, need []bool) {
	records := bids(4096)
	size := 0
	for _, r := range records {
		size += len(r)
	}
	d, err := New(bidColumns(), need, Options{})
	if err != nil {
		b.Fatal(err)
	}
	cols := make([]zset.Vector, 7)
	b.ReportAllocs()
	b.SetBytes(int64(size / len(records)))
	i := 0
	for b.Loop() {
		if i&4095 == 0 {
			d.Take(cols)
			d.Grow(4096, 4096)
		}
		if err := d.Decode(records[i&4095]); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkDecodeAll(b *testing.B) { benchmarkBids(b, nil) }

func BenchmarkDecodeTwoOfSeven(b *testing.B) {
	benchmarkBids(b, []bool{true, false, true, false, false, false, false})
}
