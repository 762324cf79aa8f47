// Package httpapi serves health and metrics over HTTP. It knows the engine's
// counters and nothing of SQL or the wire protocol.
package httpapi

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/streamdb/streamdb/engine"
)

// Server answers GET /health, /ready and /metrics.
type Server struct {
	http http.Server
}

// New returns a server for an engine; connections tells how many clients are
// connected.
func New(e *engine.Engine, connections func() int) *Server {
	registry := prometheus.NewRegistry()
	registry.MustRegister(&collector{engine: e, connections: connections})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { writeHealth(w, e) })
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) { writeHealth(w, e) })
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return &Server{http: http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}}
}

// Serve answers until ctx ends. The listener is closed.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if s.http.Shutdown(limit) != nil {
			s.http.Close()
		}
	})
	err := s.http.Serve(l)
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// writeHealth says ok while the epoch loop runs.
func writeHealth(w http.ResponseWriter, e *engine.Engine) {
	select {
	case <-e.Done():
		http.Error(w, "the epoch loop has ended", http.StatusServiceUnavailable)
	default:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write([]byte("ok\n")) //nolint:errcheck // the client may be gone
	}
}
