// Package testserver serves a fresh database in this process, for tests that
// look at the whole from outside.
package testserver

import (
	"context"
	"net"
	"testing"

	"github.com/streamdb/streamdb/engine"
	"github.com/streamdb/streamdb/pgwire"
)

// Server is a database behind its wire protocol, on a free port.
type Server struct {
	Engine *engine.Engine
	Addr   *net.TCPAddr
}

// Start serves a database in a new directory, without waiting for disks, until
// the test is over.
func Start(t testing.TB) *Server {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	e, err := engine.Open(ctx, engine.Options{DataDir: t.TempDir(), MemoryLimit: 256 << 20,
		Version: "v0", Database: "streamdb", User: "streamdb"})
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
	return &Server{Engine: e, Addr: l.Addr().(*net.TCPAddr)}
}

// URL is the connection string of a client.
func (s *Server) URL() string {
	return "postgres://streamdb@" + s.Addr.String() + "/streamdb?sslmode=disable"
}
