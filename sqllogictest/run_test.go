package sqllogictest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/streamdb/streamdb/test/testserver"
)

// TestOutcomes runs files in which not everything is right and compares what is
// told of them.
func TestOutcomes(t *testing.T) {
	p := startServers(t, 1)
	files, err := ListFiles("testdata/outcomes", nil)
	if err != nil {
		t.Fatal(err)
	}
	results, err := Run(context.Background(), p, Options{
		Root: "testdata/outcomes", Files: files, Modes: []Mode{Direct, Views, AfterData}, Labels: []string{"streamdb"}, Group: 2, Timeout: 10 * time.Second,
		Settings: map[string]string{"on_error": "fail"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	printTable(&b, results)
	printReasons(&b, results)
	b.WriteByte('\n')
	PrintFindings(&b, results, 0, Wrong, Failed, Refused, OtherCode, Tainted, Skipped)
	golden(t, "testdata/outcomes/expected.txt", b.String())

	for _, r := range results {
		r.Time = 0
	}
	b.Reset()
	if err := PrintJUnit(&b, results, nil); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/outcomes/expected.xml", b.String())
}

// TestRecord: recorded answers are right afterwards.
func TestRecord(t *testing.T) {
	p := startServers(t, 1)
	root := t.TempDir()
	const text = "hash-threshold 4\n\nstatement ok\nCREATE TABLE t (a int, b text)\n\nstatement count 0\nINSERT INTO t VALUES (2, 'x'), (1, NULL), (3, '')\n\n" +
		"statement ok\nSELECT 1/0\n\nquery\nSELECT * FROM t WHERE a < 3\n\nquery I nosort\nSELECT a, b FROM t ORDER BY a DESC\n"
	const want = "hash-threshold 4\n\nstatement ok\nCREATE TABLE t (a int, b text)\n\nstatement count 3\nINSERT INTO t VALUES (2, 'x'), (1, NULL), (3, '')\n\n" +
		"# sqlstate 22012\nstatement error\nSELECT 1/0\n\nquery IT rowsort\nSELECT * FROM t WHERE a < 3\n----\n1\tNULL\n2\tx\n\n" +
		"query IT nosort\nSELECT a, b FROM t ORDER BY a DESC\n----\n6 values hashing to b111593debf2d3742d16e236049c9b76\n"
	path := filepath.Join(root, "x.slt")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	o := Options{Root: root, Files: []string{"x.slt"}, Record: true}
	if _, err := Run(context.Background(), p, o); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("recorded:\n%s", got)
	}
	o.Record, o.Modes = false, []Mode{Direct, Views, AfterData}
	for _, extended := range []bool{false, true} {
		o.Extended = extended
		results, err := Run(context.Background(), p, o)
		if err != nil || len(Faults(results, nil)) > 0 {
			t.Errorf("extended %v: %v %v", extended, err, results)
		}
	}
}

// TestCheckEmpty: nothing of a user's is dropped.
func TestCheckEmpty(t *testing.T) {
	ctx := context.Background()
	url := testserver.Start(t).URL()
	if err := CheckEmpty(ctx, url); err != nil {
		t.Fatal(err)
	}
	c, err := connect(ctx, url, time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if _, err := c.exec(ctx, "CREATE TABLE t (a int); CREATE MATERIALIZED VIEW v AS SELECT a FROM t; CREATE VIEW w AS SELECT * FROM v"); err != nil {
		t.Fatal(err)
	}
	if err := CheckEmpty(ctx, url); err == nil {
		t.Error("the database passes for empty")
	}
	if err := empty(ctx, url); err != nil {
		t.Error(err)
	}
	if err := CheckEmpty(ctx, url); err != nil {
		t.Error(err)
	}
}
