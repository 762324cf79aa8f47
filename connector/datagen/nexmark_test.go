package datagen

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"
)

// TestPlace walks the events in order: the offsets of each partition are
// 0, 1, 2, ..., and At finds the event back.
func TestPlace(t *testing.T) {
	for _, partitions := range []int32{1, 2, 3, 7} {
		next := map[[2]int32]int64{}
		for n := range int64(2000) {
			k := KindOf(n)
			p, offset := Place(n, partitions)
			at := [2]int32{int32(k), p}
			if offset != next[at] {
				t.Fatalf("event %d of %d partitions: %s %d at offset %d, want %d", n, partitions, k, p, offset, next[at])
			}
			next[at]++
			if back := At(k, p, partitions, offset); back != n {
				t.Fatalf("%s partition %d offset %d is event %d, want %d", k, p, offset, back, n)
			}
		}
	}
}

// TestEvents decodes events: fields, references and the mix.
func TestEvents(t *testing.T) {
	g := NewNexmark(1, 1000)
	var count [Kinds]int
	people, auctions := map[int64]bool{}, map[int64]bool{}
	hot, dangling := 0, 0
	last := int64(0)
	for n := range int64(20_000) {
		var e struct {
			ID, Auction, Bidder, Price, Seller, InitialBid, Reserve, Category int64
			Name, DateTime, Expires, Channel, URL, Extra                      string
		}
		b := g.Append(nil, n, g.Time(n))
		if err := json.Unmarshal(b, &e); err != nil {
			t.Fatalf("event %d: %v: %s", n, err, b)
		}
		if at, err := time.Parse("2006-01-02 15:04:05.000", e.DateTime); err != nil || at.UnixMilli() != g.Time(n) {
			t.Fatalf("event %d at %q", n, e.DateTime)
		}
		count[KindOf(n)]++
		switch KindOf(n) {
		case Person:
			people[e.ID] = true
		case Auction:
			auctions[e.ID] = true
			if e.Reserve <= e.InitialBid || e.Expires <= e.DateTime || e.Category < 10 || e.Category > 14 {
				t.Fatalf("auction %s", b)
			}
		case Bid:
			if e.Price < 100 || e.Price > 100_000_000 || e.Channel == "" || e.URL == "" {
				t.Fatalf("bid %s", b)
			}
			if !auctions[e.Auction] || !people[e.Bidder] {
				dangling++
			}
			if e.Auction == last {
				hot++
			}
			last = e.Auction
		}
	}
	if count != [Kinds]int{400, 1200, 18400} {
		t.Errorf("mix %v", count)
	}
	if dangling > 18400/5 {
		t.Errorf("%d of 18,400 bids name auctions or people that do not exist yet", dangling)
	}
	if hot < 18400/6 {
		t.Errorf("%d repetitions of the hot auction", hot)
	}
}

// TestDeterministic holds that an event depends on seed and number alone.
func TestDeterministic(t *testing.T) {
	a, b := NewNexmark(7, 0), NewNexmark(7, 0)
	other := NewNexmark(8, 0)
	same := 0
	for n := int64(999); n >= 0; n-- {
		x := a.Append(nil, n, 5)
		for range n % 3 {
			b.Append(nil, n+17, 6)
		}
		if y := b.Append([]byte("kept"), n, 5); string(y) != "kept"+string(x) {
			t.Fatalf("event %d: %s and %s", n, x, y)
		}
		if bytes.Equal(x, other.Append(nil, n, 5)) {
			same++
		}
	}
	if same > 0 {
		t.Errorf("%d events do not depend on the seed", same)
	}
}

func BenchmarkNexmark(b *testing.B) {
	g := NewNexmark(1, 10_000)
	var buf []byte
	n, size := int64(0), int64(0)
	b.ReportAllocs()
	for b.Loop() {
		buf = g.Append(buf[:0], n, g.Time(n))
		size += int64(len(buf))
		n++
	}
	b.SetBytes(size / n)
}
