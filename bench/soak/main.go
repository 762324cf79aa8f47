// Command soak updates a store for a long time at a part of its full speed and
// says how long its epochs took: whether merges and flushes disturb commits. It
// fills a store with rows of 40 bytes, eight times its memory limit, finds the
// speed at which epochs follow each other without a pause, and then starts them
// at a fixed rate. In the end every row's counter is read: their sum must be the
// number of updates, or no figures are printed. Of an epoch over 250 ms it says at
// once what the machine did beside it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

type config struct {
	dir       string
	rows      int
	limit     int64
	epochRows int
	hot       bool
	results   bool
	calibrate time.Duration
	duration  time.Duration
	load      float64
}

func main() {
	var c config
	flag.StringVar(&c.dir, "dir", "", "an empty or new directory for the store")
	flag.IntVar(&c.rows, "rows", 20_000_000, "rows of 40 bytes")
	flag.Int64Var(&c.limit, "limit", 0, "memory limit in bytes; 0: an eighth of the rows' bytes")
	flag.IntVar(&c.epochRows, "epoch-rows", 10_000, "updated rows of an epoch")
	flag.BoolVar(&c.hot, "hot", false, "9 of 10 updates on 1 row of 100, else uniform")
	flag.BoolVar(&c.results, "results", false, "rows in Badger as results are, else in files as operator state is")
	flag.DurationVar(&c.calibrate, "calibrate", time.Minute, "time at full speed")
	flag.DurationVar(&c.duration, "duration", time.Hour, "time at the load")
	flag.Float64Var(&c.load, "load", 0.7, "the load as a part of full speed")
	flag.Parse()
	if c.limit == 0 {
		c.limit = int64(c.rows) * rowBytes / 8
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, c config) error {
	if c.dir == "" {
		return fmt.Errorf("-dir is missing")
	}
	l, err := open(ctx, c)
	if err != nil {
		return err
	}
	return errors.Join(soak(ctx, c, l), l.store.Close())
}

func soak(ctx context.Context, c config, l *load) error {
	m, err := watch(c.dir)
	if err != nil {
		return err
	}
	if err := l.fill(ctx); err != nil {
		return err
	}
	full, err := pace(ctx, l, m, c.calibrate, 0)
	if err != nil {
		return err
	}
	every := time.Duration(float64(full.elapsed) / float64(full.epochs) / c.load)
	fmt.Fprintf(os.Stderr, "soak: full speed %.0f rows/s, now an epoch every %v\n", full.rowsPerSecond(c.epochRows), every)
	part, err := pace(ctx, l, m, c.duration, every)
	if err != nil {
		return err
	}
	if err := l.verify(); err != nil {
		return err
	}
	return print(c, map[string]*figures{"full": full, "load": part})
}

func print(c config, phases map[string]*figures) error {
	out := json.NewEncoder(os.Stdout)
	for _, name := range []string{"full", "load"} {
		if err := out.Encode(phases[name].report(name, c.epochRows)); err != nil {
			return err
		}
	}
	return nil
}
