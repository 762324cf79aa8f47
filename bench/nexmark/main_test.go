package main

import (
	"strings"
	"testing"

	"github.com/streamdb/streamdb/connector/datagen"
)

// TestCount: the partitions of the three topics hold all events.
func TestCount(t *testing.T) {
	for _, events := range []int64{0, 1, 49, 50, 51, 1000, 12345} {
		o := &options{events: events, partitions: 3}
		total := int64(0)
		for k := range datagen.Kinds {
			for p := range int32(o.partitions) {
				total += o.count(datagen.Kind(k), p)
			}
		}
		if total != events {
			t.Errorf("%d events, %d counted", events, total)
		}
	}
}

// TestQueries: every query has a name of its own and says where its rows go.
func TestQueries(t *testing.T) {
	seen := map[string]bool{}
	for _, q := range queries() {
		if seen[q.name] || !strings.HasPrefix(q.text, "SELECT") || !q.sink && q.record != "" {
			t.Errorf("query %+v", q)
		}
		seen[q.name] = true
	}
}
