package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamdb/streamdb/engine"
	"github.com/streamdb/streamdb/pgwire"
)

// TestTestCommand runs streamdb test against a server of this process: what is
// right, what is not, and the files that it writes.
func TestTestCommand(t *testing.T) {
	url, root := serveForTest(t), t.TempDir()
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const table = "statement ok\nCREATE TABLE t (a int)\n\nstatement ok\nINSERT INTO t VALUES (1)\n\n"
	put("right.slt", table+"query I rowsort\nSELECT a FROM t\n----\n1\n")
	put("wrong.slt", table+"query I rowsort\nSELECT a FROM t\n----\n2\n")
	file := func(name string) string { return filepath.Join(root, name) }
	for _, c := range []struct {
		args   string
		status int
		out    string
	}{
		{"--url " + url + " --root " + root + " --mode direct,views,after-data right.slt", 0, "100.00"},
		{"--url " + url + " --root " + root + " wrong.slt", 1, "wrong.slt:7 (direct): wrong"},
		{"--url " + url + " --root " + root + " --ratchet " + file("ratchet") + " --rewrite wrong.slt", 0, ""},
		{"--url " + url + " --root " + root + " --ratchet " + file("ratchet") + " --junit " + file("junit.xml") + " --report " + file("report"), 0, ""},
		{"--root " + root + " --mode sideways", 2, ""},
		{"--root " + root + " nowhere.slt", 2, ""},
		{"--rewrite --postgres --parallel 0 --protocol odd", 2, ""},
	} {
		var out, errs bytes.Buffer
		if status := run(append([]string{testCommand}, strings.Fields(c.args)...), &out, &errs); status != c.status || !strings.Contains(out.String(), c.out) {
			t.Errorf("%s: status %d\n%s%s", c.args, status, out.String(), errs.String())
		}
	}
	for name, want := range map[string]string{"ratchet": "direct wrong.slt 3 wrong=3", "junit.xml": `name="right.slt"`, "report": "another answer"} {
		if text, err := os.ReadFile(file(name)); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %v %s", name, err, text)
		}
	}
}

// serveForTest runs a database in this process and returns its URL.
func serveForTest(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	db, err := engine.Open(ctx, engine.Options{DataDir: t.TempDir(), MemoryLimit: 256 << 20, Version: "v0", Database: "streamdb", User: "streamdb"})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- pgwire.New(db, pgwire.Options{}).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return "postgres://streamdb@" + l.Addr().String() + "/streamdb?sslmode=disable"
}
