package pgwire

import (
	"context"
	"net"
	"testing"

	"go.uber.org/goleak"

	"github.com/streamdb/streamdb/engine"
)

func TestMain(m *testing.M) {
	// Badger's metrics and glog start these at import.
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"),
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}

// startServer serves a new engine over a temporary directory until the test
// ends and returns the address.
func startServer(t testing.TB, opts Options) string {
	t.Helper()
	return serveEngine(t, openEngine(t, t.TempDir()), opts)
}

func openEngine(t testing.TB, dir string) *engine.Engine {
	t.Helper()
	e, err := engine.Open(context.Background(), engine.Options{DataDir: dir, MemoryLimit: 256 << 20, Version: "v-test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("close the engine: %v", err)
		}
	})
	return e
}

// serveEngine serves until the test ends; the end must be clean.
func serveEngine(t testing.TB, e *engine.Engine, opts Options) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- New(e, opts).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return l.Addr().String()
}
