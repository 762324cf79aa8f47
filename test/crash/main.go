// Command crash kills a streamdb server again and again, at random moments and
// at named points of the epoch loop, while records flow in, and compares every
// view, the topic of every sink and what transactions with DDL have left with a
// model after each restart. It exits 1 at the first deviation. The broker dies now
// and then, too: the one in this process, or a real one,
//
//	scripts/kafka.sh start DIR 9092
//	go run ./test/crash -kafka 127.0.0.1:9092 -kill-broker "scripts/kafka.sh kill DIR" -start-broker "scripts/kafka.sh restart DIR"
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamdb/streamdb/test/harness"
)

// options of one run.
type options struct {
	binary string
	kills  int
	kafka  string
	seed   uint64
	rate   int
	sync   string
	steps  bool // print what each kill took

	// A real broker is killed and started again by commands, which are given
	// together or not at all.
	killBroker, startBroker string
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/streamdb", "the server's binary")
	flag.IntVar(&o.kills, "kills", 20, "how often the server is killed")
	flag.StringVar(&o.kafka, "kafka", "", "address of a broker; empty: one in this process")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "seed of all choices")
	flag.IntVar(&o.rate, "rate", 4000, "records per second")
	flag.StringVar(&o.sync, "sync", "on", "--sync of the server")
	flag.BoolVar(&o.steps, "v", false, "print how long each kill and the comparison after it took")
	flag.StringVar(&o.killBroker, "kill-broker", "", "command that kills the broker of -kafka, such as \"scripts/kafka.sh kill DIR\"; empty: it is left alone")
	flag.StringVar(&o.startBroker, "start-broker", "", "command that starts it again and returns when it listens")
	flag.Parse()
	if err := run(context.Background(), o); err != nil {
		fmt.Fprintf(os.Stderr, "crash: FAIL (seed %d): %v\n", o.seed, err)
		os.Exit(1)
	}
}

// run is the whole test.
func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "streamdb-crash-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	t := &test{options: o, dir: filepath.Join(dir, "data"), rnd: rand.New(rand.NewPCG(o.seed, 1)), start: time.Now()}
	if t.broker, err = newBroker(o, dir); err != nil {
		return err
	}
	defer t.broker.close()
	if t.feed, err = newFeed(ctx, o, t.broker.address); err != nil {
		return err
	}
	defer t.feed.close()
	t.inserts, t.migrations, t.sinks = newInserts(o.seed), newMigrations(o.seed), sinkReaders(t.feed.topic)
	defer func() {
		if t.server != nil { // a deviation leaves it running
			t.server.Kill()
		}
	}()
	if err := t.first(ctx); err != nil {
		return err
	}
	for i := range o.kills {
		if err := t.killAndCheck(ctx, i); err != nil {
			return fmt.Errorf("after kill %d: %w", i+1, err)
		}
	}
	fmt.Printf("%d passed, 0 failed\n", o.kills)
	written := 0
	for _, s := range t.sinks {
		written += s.seen
	}
	fmt.Printf("crash: %d kills (%d at named points), %d of the broker, %d records, %d INSERTs, %d migrations, %d records of sinks, %d late rows, 0 deviations in %s, seed %d\n",
		o.kills, t.named, t.broker.deaths, t.feed.records(), len(t.inserts.acked), t.migrations.acked, written, t.late, time.Since(t.start).Round(time.Second), o.seed)
	return nil
}

type test struct {
	options
	dir        string
	rnd        *rand.Rand
	broker     *broker
	feed       *feed
	inserts    *inserts
	sinks      []*sinkReader
	migrations *migrations
	server     *harness.Server
	named      int
	last       string // how the server died last
	slow       string // what took longest in the last comparison
	slowest    time.Duration
	late       int // rows that were late for the view of final windows
	start      time.Time
}

// first starts the server and makes the stream and the first views.
func (t *test) first(ctx context.Context) error {
	if err := t.startServer(ctx, ""); err != nil {
		return err
	}
	return t.query(ctx, func(conn *pgx.Conn) error {
		statements := append(setup(t.feed.brokers, t.feed.topic), t.feed.users.statements(t.feed.brokers)...)
		statements = append(statements, t.migrations.setup()...)
		for _, s := range t.sinks {
			statements = append(statements, s.statement(t.feed.brokers))
			if err := s.open(t.feed.brokers); err != nil {
				return err
			}
		}
		for _, sql := range statements {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		return nil
	})
}

func (t *test) startServer(ctx context.Context, failPoint string) error {
	var env []string
	if failPoint != "" {
		env = append(env, "STREAMDB_FAILPOINT="+failPoint)
	}
	var err error
	t.server, err = harness.Start(ctx, t.binary, t.dir, env, "--sync", t.sync, "--log-level", t.logLevel(), "--memory-limit", "256MiB")
	return err
}

// logLevel is warn where each step is of interest.
func (t *test) logLevel() string {
	if t.steps {
		return "warn"
	}
	return "error"
}

// failPoints are the named moments of the epoch loop and of the sinks' writers.
func failPoints() []string {
	return []string{"cut", "computed", "before-commit", "after-commit", "published", "sink-begun", "sink-written", "sink-acknowledged"}
}

// killAndCheck lets records flow, kills the server, restarts it and compares.
// Every second kill happens at a named point, and at every third of the others
// the broker dies as well.
func (t *test) killAndCheck(ctx context.Context, i int) error {
	began := time.Now()
	if i%5 == 1 {
		if err := t.resnapshot(ctx); err != nil {
			return err
		}
	}
	var err error
	switch {
	case i%2 == 1:
		err = t.dieAtPoint(ctx)
	case i%6 == 4 && t.broker.mortal():
		err = t.dieWithBroker(ctx)
	default:
		err = t.die(ctx)
	}
	if err != nil {
		return err
	}
	if i%5 == 2 { // a view that begins in the middle of everything
		if err := t.newView(ctx, i); err != nil {
			return err
		}
	}
	if err := t.feed.run(time.Duration(t.rnd.IntN(100)) * time.Millisecond); err != nil {
		return err
	}
	died := time.Now()
	if err := t.compare(ctx); err != nil {
		return err
	}
	if t.steps {
		fmt.Printf("%d: %s to %s, %s until all is equal (%s for %s)\n", i+1, died.Sub(began).Round(time.Millisecond), t.last,
			time.Since(died).Round(time.Millisecond), t.slowest.Round(time.Millisecond), t.slow)
	}
	return nil
}

// die kills the server under load and restarts it.
func (t *test) die(ctx context.Context) error {
	t.last = "die"
	t.startClients(ctx)
	err := t.feed.run(time.Duration(20+t.rnd.IntN(400)) * time.Millisecond)
	if err := errors.Join(err, t.killServer()); err != nil {
		return err
	}
	return t.restart(ctx)
}

// restart starts the server again, after some records that nobody read.
func (t *test) restart(ctx context.Context) error {
	if err := t.feed.run(time.Duration(t.rnd.IntN(100)) * time.Millisecond); err != nil {
		return err
	}
	return t.startServer(ctx, "")
}

// dieWithBroker kills the broker under load, and the server after its return,
// while it is away, or so that the server has to start without it.
func (t *test) dieWithBroker(ctx context.Context) error {
	t.startClients(ctx)
	fed := make(chan error, 1)
	duration := time.Duration(100+t.rnd.IntN(400)) * time.Millisecond
	go func() { fed <- t.feed.run(duration) }() // it waits for the broker's return
	pause := func() { time.Sleep(time.Duration(t.rnd.IntN(500)) * time.Millisecond) }
	pause()
	start := func() error { return t.startServer(ctx, "") }
	orders := []struct {
		name  string
		steps []func() error
	}{
		{"die after the broker's return", []func() error{t.broker.down, t.broker.up, t.killServer, start}},
		{"die while the broker is away", []func() error{t.broker.down, t.killServer, t.broker.up, start}},
		{"die and start while the broker is away", []func() error{t.broker.down, t.killServer, start, t.broker.up}},
	}
	order := orders[t.rnd.IntN(len(orders))]
	t.last = order.name
	for _, step := range order.steps {
		if err := step(); err != nil {
			return err
		}
		pause()
	}
	return <-fed
}

// startClients lets clients send INSERTs and migrations.
func (t *test) startClients(ctx context.Context) {
	t.inserts.start(ctx, t.server.Connect)
	t.migrations.start(ctx, t.server.Connect)
}

// stopClients ends that.
func (t *test) stopClients() error {
	return errors.Join(t.inserts.stop(), t.migrations.stop())
}

// killServer kills the server and ends the clients.
func (t *test) killServer() error {
	t.server.Kill()
	return t.stopClients()
}

// dieAtPoint restarts the server so that it kills itself in one of its next
// epochs, and once more after that.
func (t *test) dieAtPoint(ctx context.Context) error {
	t.server.Kill()
	points := failPoints()
	name := points[t.rnd.IntN(len(points))]
	last := 40
	if strings.HasPrefix(name, "sink-") { // a sink comes by ten times a second, or less often
		last = len(t.sinks)
	}
	point := fmt.Sprintf("%s:%d", name, 1+t.rnd.IntN(last))
	t.last = "die at " + point
	err := t.startServer(ctx, point)
	if err != nil { // it died before it was ready, which is one of the moments
		t.named++
		return t.restart(ctx)
	}
	t.startClients(ctx)
	for range 200 {
		if err := t.feed.run(20 * time.Millisecond); err != nil {
			return err
		}
		if t.server.Exited(0) {
			t.named++
			if err := t.stopClients(); err != nil {
				return err
			}
			return t.restart(ctx)
		}
	}
	if err := t.stopClients(); err != nil {
		return err
	}
	return errors.New("the server did not reach fail point " + point)
}

// resnapshot has an upserting sink write everything again: what is known of each
// key afterwards must be the same.
func (t *test) resnapshot(ctx context.Context) error {
	s := t.sinks[t.rnd.IntN(len(t.sinks))]
	if !s.upsert {
		return nil
	}
	return t.query(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "ALTER SINK "+s.name+" RESNAPSHOT")
		return err
	})
}

// lateSinks is how many sinks are made on the way.
const lateSinks = 3

// newView makes a view, and perhaps a sink over one that has rows already.
func (t *test) newView(ctx context.Context, i int) error {
	return t.query(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, fmt.Sprintf("CREATE MATERIALIZED VIEW late%d AS SELECT k, count(*) AS n, sum(v) AS s, max(v) AS m FROM events GROUP BY k", i))
		if err != nil {
			return err
		}
		t.feed.late = append(t.feed.late, fmt.Sprintf("late%d", i))
		if len(t.feed.late) > lateSinks {
			return nil
		}
		s := lateSink(t.feed.topic, i)
		if err := s.open(t.feed.brokers); err != nil {
			return err
		}
		t.sinks = append(t.sinks, s)
		_, err = conn.Exec(ctx, s.statement(t.feed.brokers))
		return err
	})
}

func (t *test) query(ctx context.Context, fn func(*pgx.Conn) error) error {
	conn, err := t.server.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return fn(conn)
}
