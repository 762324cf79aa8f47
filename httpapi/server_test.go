package httpapi

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/streamdb/streamdb/engine"
)

func TestServer(t *testing.T) {
	e, err := engine.Open(context.Background(), engine.Options{DataDir: t.TempDir(), MemoryLimit: 256 << 20})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- New(e, func() int { return 7 }).Serve(ctx, l) }()
	get := func(path string) (int, string) {
		t.Helper()
		r, err := http.Get("http://" + l.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, string(body)
	}
	for _, path := range []string{"/health", "/ready"} {
		if status, body := get(path); status != 200 || body != "ok\n" {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
	status, body := get("/metrics")
	for _, want := range []string{"streamdb_connections 7\n", "# TYPE streamdb_epochs_total counter", "streamdb_quarantines_total 0\n"} {
		if status != 200 || !strings.Contains(body, want) {
			t.Errorf("/metrics: %d, without %q", status, want)
		}
	}
	if status, _ := get("/debug/pprof/"); status != 404 {
		t.Errorf("the profiler is public: %d", status)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if status, _ := get("/ready"); status != 503 {
		t.Errorf("ready after the epoch loop has ended: %d", status)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
