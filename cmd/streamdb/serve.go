package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/streamdb/streamdb/engine"
	"github.com/streamdb/streamdb/httpapi"
	"github.com/streamdb/streamdb/pgwire"
)

// serve runs the server until SIGTERM or SIGINT.
func serve(args []string, stdout, stderr io.Writer) error {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	log := newLogger(o, stderr)
	limitMemory(o)
	listeners, err := listen(o)
	if err != nil {
		return err
	}
	db, err := engine.Open(ctx, engine.Options{
		DataDir: o.dataDir, MemoryLimit: o.memoryBytes, Sync: o.sync == "on", ResultStore: o.resultStore,
		Version: buildVersion(), Database: o.initDatabase, User: o.initUser, Log: log, FailPoint: failPoint(),
	})
	if err != nil {
		return errors.Join(err, listeners.close())
	}
	fmt.Fprintf(stdout, "streamdb %s ready: postgres %s%s\n", buildVersion(), listeners.pg.Addr(), listeners.httpText())
	err = serveClients(ctx, db, listeners, log)
	return errors.Join(err, db.Close())
}

// serveClients answers clients until ctx ends or the epoch loop breaks.
func serveClients(ctx context.Context, db *engine.Engine, l *listeners, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	server := pgwire.New(db, pgwire.Options{Log: log})
	group.Go(func() error { return server.Serve(ctx, l.pg) })
	if l.http != nil {
		group.Go(func() error { return httpapi.New(db, server.Connections).Serve(ctx, l.http) })
	}
	group.Go(func() error {
		select {
		case <-db.Done():
			return fmt.Errorf("the epoch loop ended: %w", db.Err())
		case <-ctx.Done():
			return nil
		}
	})
	return group.Wait()
}

// listeners are the bound addresses. They are bound before recovery, so that a
// taken port is told at once.
type listeners struct {
	pg   net.Listener
	http net.Listener // nil: off
}

func listen(o *options) (*listeners, error) {
	l := &listeners{}
	var err error
	if l.pg, err = net.Listen("tcp", o.listen); err != nil {
		return nil, fmt.Errorf("listen for PostgreSQL clients: %w", err)
	}
	if o.httpListen == "" {
		return l, nil
	}
	if l.http, err = net.Listen("tcp", o.httpListen); err != nil {
		return nil, errors.Join(fmt.Errorf("listen for HTTP: %w", err), l.close())
	}
	return l, nil
}

func (l *listeners) httpText() string {
	if l.http == nil {
		return ""
	}
	return fmt.Sprintf(", http %s", l.http.Addr())
}

func (l *listeners) close() error {
	err := l.pg.Close()
	if l.http != nil {
		err = errors.Join(err, l.http.Close())
	}
	return err
}

func newLogger(o *options, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.logLevel)); err != nil {
		level = slog.LevelInfo
	}
	opts := &slog.HandlerOptions{Level: level}
	if o.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// gcPercent collects the Go heap early: state lies outside of it, so a
// collection is cheap, and a million groups take a third less memory.
const gcPercent = 50

// limitMemory gives the Go heap what the off-heap row table leaves of the
// limit, unless GOMEMLIMIT and GOGC say otherwise.
func limitMemory(o *options) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(o.memoryBytes / 2)
	}
}

// failPoint returns the hook of crash tests: STREAMDB_FAILPOINT=name:n kills
// the process the n-th time the epoch loop reaches the point.
func failPoint() func(string) {
	spec := os.Getenv("STREAMDB_FAILPOINT")
	if spec == "" {
		return nil
	}
	return killAt(spec)
}
