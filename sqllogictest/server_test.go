package sqllogictest

import (
	"context"
	"flag"
	"net"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/streamdb/streamdb/engine"
	"github.com/streamdb/streamdb/pgwire"
)

var rewrite = flag.Bool("rewrite", false, "write the ratchets and the expected output of testdata")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startServers runs n databases in this process, without waiting for disks.
func startServers(t *testing.T, n int) *Emptied {
	t.Helper()
	var urls []string
	for range n {
		urls = append(urls, startServer(t))
	}
	return NewEmptied(urls, nil)
}

func startServer(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	e, err := engine.Open(ctx, engine.Options{DataDir: t.TempDir(), MemoryLimit: 256 << 20, Version: "v0", Database: "streamdb", User: "streamdb"})
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
	go func() { served <- pgwire.New(e, pgwire.Options{}).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return "postgres://streamdb@" + l.Addr().String() + "/streamdb?sslmode=disable"
}

// golden compares text with a file of testdata, or writes it.
func golden(t *testing.T, path, text string) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != text {
		t.Errorf("%s differs (write it with -rewrite):\n%s", path, text)
	}
}
