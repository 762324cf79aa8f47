package main

import (
	"context"
	"fmt"
	"io"
	"os/signal"
	"syscall"

	"github.com/streamdb/streamdb/engine"
)

// check verifies the data directory that these options name, while no server
// uses it, and fails if something is damaged.
func check(args []string, stdout, stderr io.Writer) error {
	o, err := parseOptions("check", args, stderr)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	damages := 0
	sum, err := engine.Check(ctx, o.dataDir, newLogger(o, stderr), func(f engine.Finding) {
		damages++
		printFinding(stdout, f)
	})
	switch {
	case err != nil:
		return fmt.Errorf("check %s: %w", o.dataDir, err)
	case damages > 0:
		return fmt.Errorf("%s is damaged in %d places", o.dataDir, damages)
	}
	_, err = fmt.Fprintf(stdout, "%s is whole: %d objects, %d rows in %d runs, %d records in the log, epoch %d\n",
		o.dataDir, sum.Objects, sum.Rows, sum.Runs, sum.Records, sum.Epoch)
	return err
}

// printFinding prints a damage, and below it what it affects and what to do.
func printFinding(w io.Writer, f engine.Finding) {
	fmt.Fprintln(w, f.What)
	for i, remedy := range f.Remedies {
		if i < len(f.Affected) {
			remedy = f.Affected[i] + ": " + remedy
		}
		fmt.Fprintln(w, "  "+remedy)
	}
}
