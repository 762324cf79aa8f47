// Command nexmark measures queries over generated auction events that lie in
// three flat topics of a real Kafka broker: it starts the built server, creates
// streams and the query, waits until everything is read, compares the answer
// with PostgreSQL's over the same events, and prints one line of JSON a run.
// Where the answer is wrong it prints no figures and fails.
//
//	nexmark fill -events N    writes the topics, unless they hold the events already
//	nexmark run -query q1     measures
//	nexmark queries           lists the queries
//
// PostgreSQL (14 or later) is found by PGHOST, PGPORT, PGUSER and so on.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/streamdb/streamdb/connector/datagen"
)

// options are the flags of all subcommands.
type options struct {
	brokers, binary, dir, query string
	events                      int64
	seed                        uint64
	partitions, runs            int
	rate                        float64
	memory, sync                string
}

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "nexmark:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("which of fill, run, queries?")
	}
	var o options
	f := flag.NewFlagSet("nexmark "+args[0], flag.ContinueOnError)
	f.StringVar(&o.brokers, "brokers", "127.0.0.1:9092", "a broker")
	f.Int64Var(&o.events, "events", 2_000_000, "events in all three topics")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the events")
	f.IntVar(&o.partitions, "partitions", 2, "partitions of each topic")
	f.Float64Var(&o.rate, "rate", 10_000, "events a second of event time")
	f.StringVar(&o.binary, "binary", "bin/streamdb", "the server's binary")
	f.StringVar(&o.dir, "dir", os.TempDir(), "where data directories are made")
	f.StringVar(&o.query, "query", "q0", "the query")
	f.IntVar(&o.runs, "runs", 1, "how often")
	f.StringVar(&o.memory, "memory-limit", "1GiB", "the server's")
	f.StringVar(&o.sync, "sync", "on", "the server's")
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	switch args[0] {
	case "fill":
		return fill(ctx, &o)
	case "run":
		return runQuery(ctx, &o)
	case "queries":
		for _, q := range queries() {
			fmt.Println(q.name)
		}
		return nil
	}
	return fmt.Errorf("unknown subcommand %q", args[0])
}

// prefix names the topics: other events are other topics.
func (o *options) prefix() string { return fmt.Sprintf("nx%d-%d", o.seed, o.events) }

func (o *options) topic(k datagen.Kind) string { return o.prefix() + "-" + k.String() }

func (o *options) generator() *datagen.Nexmark { return datagen.NewNexmark(o.seed, o.rate) }

// count is how many of the events are of a kind and in a partition.
func (o *options) count(k datagen.Kind, partition int32) (n int64) {
	for datagen.At(k, partition, int32(o.partitions), n) < o.events {
		n++
	}
	return n
}

func printJSON(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Println(strings.TrimSpace(string(b)))
	return err
}
