package storage

import "testing"

// TestColdReads holds that pages read from the disk, and nothing else, decide how
// misses are read, and that few misses decide nothing.
func TestColdReads(t *testing.T) {
	var r missReader
	for i, step := range []struct {
		blocks, pages int64
		cold          bool
	}{
		{1000, 0, false},
		{1000, 250, false},
		{1000, 251, true},
		{15, 0, true},
		{1000, 63, true},
		{1000, 62, false},
		{15, 15, false},
	} {
		if r.judge(step.blocks, step.pages); r.cold != step.cold {
			t.Errorf("step %d: %d pages for %d blocks: cold is %v", i, step.pages, step.blocks, r.cold)
		}
	}
}
