package sqllogictest

import (
	"cmp"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestCorpora asks a part of the queries of the corpora: about fastSample of
// each file, in files that are quick. All of them are in make slt.
func TestCorpora(t *testing.T) {
	root := cmp.Or(os.Getenv("STREAMDB_CORPORA"), "../../shared/corpora")
	if _, err := os.Stat(root); err != nil {
		t.Skipf("SKIP: no corpora of SQL in %s (STREAMDB_CORPORA)", root)
	}
	if testing.Short() {
		t.Skip("SKIP: the corpora are left out of -short")
	}
	files, err := ListFiles(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(file string) bool {
		return slices.ContainsFunc(slowFiles(), func(slow string) bool { return strings.HasPrefix(file, slow) })
	})
	runWithRatchet(t, Options{Root: root, Files: files, Modes: []Mode{Direct, Views}, Sample: fastSample, Budget: fastTime}, "testdata/ratchet/corpora.txt")
}

// fastSample is about how many queries of a file TestCorpora asks, fastTime how
// long it begins files: on a loaded machine it asks fewer.
const (
	fastSample = 20
	fastTime   = 150 * time.Second
)

// slowFiles are the beginnings of files that take long: large data, or joins of
// dozens of relations.
func slowFiles() []string {
	return []string{"datafusion/nested_loop_join_spill", "datafusion/options", "risingwave/backfill/snapshot_backfill/failed_tests", "sqlite/index/between/1000",
		"sqlite/index/commute/1000", "sqlite/index/delete/1000", "sqlite/index/in/1000", "sqlite/index/orderby/1000", "sqlite/index/random/1000",
		"sqlite/index/view/1000", "sqlite/select5", "tpc"}
}
