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
	"path/filepath"
	"runtime/debug"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/streamdb/streamdb/connector/kafka"
	"github.com/streamdb/streamdb/engine"
	"github.com/streamdb/streamdb/httpapi"
	"github.com/streamdb/streamdb/pgwire"
)

// serve runs the server, and what the demo has besides, until SIGTERM or
// SIGINT.
func serve(command string, args []string, stdout, stderr io.Writer) error {
	o, err := parseOptions(command, args, stderr)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once: nothing is lost by that
	log := newLogger(o, stderr)
	limitMemory(o)
	listeners, err := listen(o, log)
	if err != nil {
		return err
	}
	db, err := engine.Open(ctx, engine.Options{
		DataDir: o.dataDir, MemoryLimit: o.memoryBytes, Sync: o.sync == "on", ResultStore: o.resultStore, EmbeddedBroker: listeners.kafkaAddress(),
		Version: buildVersion(), Database: o.initDatabase, User: o.initUser, Log: log, FailPoint: failPoint(),
	})
	if err != nil {
		return errors.Join(err, listeners.close())
	}
	// The engine has locked the directory: nobody else runs a broker in it.
	closeBroker, err := startBroker(o, listeners, log)
	if err != nil {
		return errors.Join(err, db.Close(), listeners.close())
	}
	feed, err := prepareDemo(ctx, o, db, listeners, log)
	if err != nil {
		return errors.Join(err, db.Close(), closeBroker(), listeners.close())
	}
	fmt.Fprintf(stdout, "streamdb %s ready: postgres %s%s\n", buildVersion(), listeners.pg.Addr(), listeners.othersText())
	group, ctx := errgroup.WithContext(ctx)
	serveClients(ctx, group, db, listeners, log)
	if feed != nil {
		fmt.Fprint(stdout, banner(o, listeners))
		group.Go(func() error { return runFeed(ctx, o, feed) })
	}
	return errors.Join(group.Wait(), db.Close(), closeBroker())
}

// startBroker starts the embedded broker if there is to be one.
func startBroker(o *options, l *listeners, log *slog.Logger) (stop func() error, err error) {
	if l.kafka == nil {
		return func() error { return nil }, nil
	}
	broker, err := kafka.StartEmbedded(kafka.EmbeddedOptions{
		Dir: filepath.Join(o.dataDir, "kafka"), Listener: l.kafka, Sync: o.sync == "on", Log: log,
	})
	if err != nil {
		return nil, err
	}
	return broker.Close, nil
}

// serveClients answers clients until ctx ends or the epoch loop breaks.
func serveClients(ctx context.Context, group *errgroup.Group, db *engine.Engine, l *listeners, log *slog.Logger) {
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
}

// listeners are the bound addresses. They are bound before recovery, so that a
// taken port is told at once.
type listeners struct {
	pg    net.Listener
	http  net.Listener // nil: off
	kafka net.Listener // nil: off
}

func listen(o *options, log *slog.Logger) (*listeners, error) {
	l := &listeners{}
	var err error
	if l.pg, err = net.Listen("tcp", o.listen); err != nil {
		return nil, fmt.Errorf("listen for PostgreSQL clients: %w", err)
	}
	if o.httpListen != "" {
		if l.http, err = net.Listen("tcp", o.httpListen); err != nil {
			return nil, errors.Join(fmt.Errorf("listen for HTTP: %w", err), l.close())
		}
	}
	if o.kafkaListen != "" {
		l.kafka, err = net.Listen("tcp", o.kafkaListen)
		if err != nil && o.kafkaMayMove {
			log.Warn("the embedded Kafka broker gets a free port", "taken", o.kafkaListen, "error", err)
			l.kafka, err = net.Listen("tcp", "127.0.0.1:0")
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listen for Kafka clients: %w", err), l.close())
		}
	}
	return l, nil
}

// othersText names the addresses besides PostgreSQL's.
func (l *listeners) othersText() string {
	text := ""
	if l.http != nil {
		text += fmt.Sprintf(", http %s", l.http.Addr())
	}
	if l.kafka != nil {
		text += fmt.Sprintf(", kafka %s", l.kafka.Addr())
	}
	return text
}

func (l *listeners) kafkaAddress() string {
	if l.kafka == nil {
		return ""
	}
	return l.kafka.Addr().String()
}

// close closes what is open; the broker may have closed its listener.
func (l *listeners) close() error {
	var errs []error
	for _, each := range []net.Listener{l.pg, l.http, l.kafka} {
		if each == nil {
			continue
		}
		if err := each.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
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
