package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/streamdb/streamdb/sqllogictest"
)

const testCommand = "test"

// testOptions are the flags of streamdb test.
type testOptions struct {
	root     string
	url      string
	postgres bool
	modes    []string
	group    int
	sample   int
	parallel int
	timeout  time.Duration
	labels   []string
	protocol string
	memory   string
	record   bool
	ratchet  string
	rewrite  bool
	junit    string
	report   string
	show     int
	verbose  bool
}

func (o *testOptions) register(f *pflag.FlagSet) {
	f.StringVar(&o.root, "root", ".", "folder that the files are relative to")
	f.StringVar(&o.url, "url", "", "server to test, e.g. postgres://user@host:5432/database; empty starts servers of this binary for the run")
	f.BoolVar(&o.postgres, "postgres", false, "the server is PostgreSQL: plain views, a database for each file")
	f.StringSliceVar(&o.modes, "mode", []string{"direct"}, "direct, views (made before the data), after-data (made after them)")
	f.IntVar(&o.group, "group", 100, "views that live at once; 0 is no limit")
	f.IntVar(&o.sample, "sample", 0, "about how many queries of a file to ask; 0 is all")
	f.IntVar(&o.parallel, "parallel", runtime.NumCPU(), "files at once, each on a server or in a database of its own")
	f.DurationVar(&o.timeout, "timeout", time.Minute, "of a statement or query")
	f.StringSliceVar(&o.labels, "label", nil, "what skipif and onlyif compare with, beside streamdb or postgresql")
	f.StringVar(&o.protocol, "protocol", "simple", "simple or extended queries")
	f.StringVar(&o.memory, "memory-limit", "1GiB", "of each server that is started")
	f.BoolVar(&o.record, "record", false, "write the server's answers into the files")
	f.StringVar(&o.ratchet, "ratchet", "", "file of the records that need not be right")
	f.BoolVar(&o.rewrite, "rewrite", false, "write the ratchet's file from this run")
	f.StringVar(&o.junit, "junit", "", "file for a report in JUnit's format")
	f.StringVar(&o.report, "report", "", "file for every record that is not right")
	f.IntVar(&o.show, "show", 10, "records to show of those that must not be as they are; 0 is all")
	f.BoolVar(&o.verbose, "verbose", false, "a line for each file")
}

// parseTest reads the flags of streamdb test; the rest are files and folders.
func parseTest(args []string, stderr io.Writer) (*testOptions, []string, error) {
	o := &testOptions{}
	f := pflag.NewFlagSet("streamdb "+testCommand, pflag.ContinueOnError)
	f.SetOutput(stderr)
	o.register(f)
	if err := f.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return nil, nil, err
		}
		return nil, nil, &usageError{err}
	}
	var errs []error
	if o.protocol != "simple" && o.protocol != "extended" {
		errs = append(errs, fmt.Errorf("--protocol must be simple or extended, not %q", o.protocol))
	}
	if o.postgres && o.url == "" {
		errs = append(errs, errors.New("--postgres needs the server's --url"))
	}
	if o.rewrite && o.ratchet == "" {
		errs = append(errs, errors.New("--rewrite needs the file of --ratchet"))
	}
	if o.parallel < 1 {
		errs = append(errs, errors.New("--parallel must be at least 1"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, nil, &usageError{err}
	}
	return o, f.Args(), nil
}

// errNotRight makes the exit status 1; what is not right was printed.
var errNotRight = errors.New("not everything is right")

// test runs files of SQL with recorded answers.
func test(args []string, stdout, stderr io.Writer) error {
	o, arguments, err := parseTest(args, stderr)
	if err != nil {
		return err
	}
	run, err := o.runOptions(arguments)
	if err != nil {
		return &usageError{err}
	}
	var ratchet *sqllogictest.Ratchet
	if o.ratchet != "" {
		if ratchet, err = sqllogictest.ReadRatchet(o.ratchet); err != nil {
			return err
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	databases, closeServers, err := o.databases(ctx, run)
	if err != nil {
		return err
	}
	run.Progress = progress(stderr, o.verbose)
	results, err := sqllogictest.Run(ctx, databases, *run)
	if err = errors.Join(err, closeServers()); err != nil {
		return err
	}
	return o.finish(stdout, results, ratchet)
}

func (o *testOptions) runOptions(arguments []string) (*sqllogictest.Options, error) {
	run := &sqllogictest.Options{
		Root: o.root, Labels: append(o.labels, "streamdb"), Group: o.group, Sample: o.sample, Parallel: o.parallel, Timeout: o.timeout,
		Extended: o.protocol == "extended", PlainViews: o.postgres, Record: o.record, Settings: map[string]string{"on_error": "fail"},
	}
	if o.postgres {
		run.Labels, run.Settings = append(o.labels, "postgresql"), nil
	}
	var err error
	if run.Files, err = sqllogictest.ListFiles(o.root, arguments); err != nil {
		return nil, err
	}
	for _, name := range o.modes {
		mode, err := sqllogictest.ParseMode(name)
		if err != nil {
			return nil, err
		}
		run.Modes = append(run.Modes, mode)
	}
	return run, nil
}

// databases returns where the files run: in databases made on a PostgreSQL
// server, in the one database of a streamdb server, or in servers of our own.
func (o *testOptions) databases(ctx context.Context, run *sqllogictest.Options) (p sqllogictest.Provider, close func() error, err error) {
	nothing := func() error { return nil }
	switch {
	case o.postgres:
		created, err := sqllogictest.Create(ctx, o.url, min(o.parallel, len(run.Files)*len(run.Modes)))
		if err != nil {
			return nil, nil, err
		}
		return created, created.Close, nil
	case o.url != "":
		run.Parallel = 1
		if err := sqllogictest.CheckEmpty(ctx, o.url); err != nil {
			return nil, nil, err
		}
		return sqllogictest.NewEmptied([]string{o.url}, nil), nothing, nil
	}
	servers, err := startTestServers(ctx, min(o.parallel, len(run.Files)*len(run.Modes)), o.memory)
	if err != nil {
		return nil, nil, err
	}
	return sqllogictest.NewEmptied(servers.urls(), servers.renew), servers.close, nil
}

// progressEvery is how often a run without --verbose says how far it is.
const progressEvery = 10 * time.Second

func progress(w io.Writer, verbose bool) func(done, total int, r *sqllogictest.Result) {
	last := time.Now()
	return func(done, total int, r *sqllogictest.Result) {
		if verbose {
			fmt.Fprintf(w, "[%d/%d] %s\n", done, total, r)
		} else if now := time.Now(); now.Sub(last) >= progressEvery {
			last = now
			fmt.Fprintf(w, "%d of %d done, last %s (%s)\n", done, total, r.File, r.Mode)
		}
	}
}

// finish prints and writes what the run gave.
func (o *testOptions) finish(stdout io.Writer, results []*sqllogictest.Result, ratchet *sqllogictest.Ratchet) error {
	var errs []error
	if o.report != "" {
		errs = append(errs, toFile(o.report, func(w io.Writer) error {
			sqllogictest.PrintFindings(w, results, 0, sqllogictest.Wrong, sqllogictest.Failed, sqllogictest.Refused, sqllogictest.OtherCode, sqllogictest.Tainted)
			return nil
		}))
	}
	if o.rewrite {
		ratchet.Update(results)
		errs = append(errs, ratchet.Write())
	}
	if o.junit != "" {
		errs = append(errs, toFile(o.junit, func(w io.Writer) error { return sqllogictest.PrintJUnit(w, results, ratchet) }))
	}
	sqllogictest.PrintSummary(stdout, results)
	faults := sqllogictest.Faults(results, ratchet)
	if ratchet != nil {
		if n := ratchet.Gains(results); n > 0 {
			fmt.Fprintf(stdout, "%d records are right that need not be: keep them with --rewrite\n", n)
		}
	}
	if len(faults) > 0 {
		fmt.Fprintln(stdout)
		sqllogictest.PrintFindings(stdout, faults, o.show, sqllogictest.Wrong, sqllogictest.Failed, sqllogictest.Refused, sqllogictest.OtherCode, sqllogictest.Tainted)
		errs = append(errs, errNotRight)
	}
	return errors.Join(errs...)
}

func toFile(path string, print func(io.Writer) error) error {
	var b strings.Builder
	if err := print(&b); err != nil {
		return err
	}
	return os.WriteFile(filepath.Clean(path), []byte(b.String()), 0o644)
}
