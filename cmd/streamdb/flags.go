package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// options are the settings of a server, from flags, STREAMDB_* variables and
// the config file, in this order of precedence.
type options struct {
	config       string
	dataDir      string
	listen       string
	httpListen   string
	kafkaListen  string
	memoryLimit  string
	sync         string
	resultStore  string
	logLevel     string
	logFormat    string
	initDatabase string
	initUser     string

	demo bool
	rate float64 // of the demo

	memoryBytes int64
	// kafkaMayMove allows another port of the embedded broker when the default
	// one is taken; nobody asked for that one.
	kafkaMayMove bool
}

func (o *options) register(f *pflag.FlagSet) {
	f.StringVar(&o.config, "config", "", "file of lines 'flag = value'")
	f.StringVar(&o.dataDir, "data-dir", "./streamdb-data", "directory of the database")
	f.StringVar(&o.listen, "listen", "127.0.0.1:6565", "address for PostgreSQL clients")
	f.StringVar(&o.httpListen, "http-listen", "127.0.0.1:6566", "address for health and metrics; empty is off")
	f.StringVar(&o.kafkaListen, "kafka-listen", "", "address of the embedded Kafka broker; empty is off")
	f.StringVar(&o.memoryLimit, "memory-limit", "1GiB", "memory for state, queues and queries")
	f.StringVar(&o.sync, "sync", "on", "on: commits wait for the disk; off: a crash of the machine may lose the last second")
	f.StringVar(&o.resultStore, "result-store", "badger", "where tables and views are stored: badger or files")
	f.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&o.logFormat, "log-format", "text", "text or json")
	f.StringVar(&o.initDatabase, "init-database", "streamdb", "name of the database in an empty directory")
	f.StringVar(&o.initUser, "init-user", "streamdb", "superuser in an empty directory")
}

// registerDemo adds what the demo has besides.
func (o *options) registerDemo(f *pflag.FlagSet) {
	f.Float64Var(&o.rate, "rate", 1000, "events a second that the demo generates; 0 is none")
	kafka := f.Lookup("kafka-listen")
	kafka.DefValue, kafka.Usage = demoKafkaListen, "address of the embedded Kafka broker"
	o.kafkaListen = demoKafkaListen
}

// demoKafkaListen is where the demo's broker listens unless that is taken.
const demoKafkaListen = "127.0.0.1:9092"

// parseOptions reads flags, variables and the config file of a command, serve
// or demo, and checks all.
func parseOptions(command string, args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	f := pflag.NewFlagSet("streamdb "+command, pflag.ContinueOnError)
	f.SetOutput(stderr)
	o.register(f)
	if o.demo = command == demoCommand; o.demo {
		o.registerDemo(f)
	}
	if err := f.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return nil, err
		}
		return nil, &usageError{err}
	}
	if f.NArg() > 0 {
		return nil, &usageError{fmt.Errorf("unexpected argument %q", f.Arg(0))}
	}
	if err := applyEnvironment(f); err != nil {
		return nil, &usageError{err}
	}
	if o.config != "" {
		if err := applyConfig(f, o.config); err != nil {
			return nil, &usageError{err}
		}
	}
	o.kafkaMayMove = o.demo && !f.Changed("kafka-listen")
	if o.demo && o.kafkaListen == "" {
		return nil, &usageError{errors.New("the demo needs its Kafka broker: --kafka-listen must not be empty")}
	}
	if err := o.check(); err != nil {
		return nil, &usageError{err}
	}
	return o, nil
}

// applyEnvironment sets flags that the command line does not from STREAMDB_*.
func applyEnvironment(f *pflag.FlagSet) error {
	var errs []error
	f.VisitAll(func(flag *pflag.Flag) {
		name := "STREAMDB_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
		if value, ok := os.LookupEnv(name); ok && !flag.Changed {
			if err := f.Set(flag.Name, value); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
		}
	})
	return errors.Join(errs...)
}

// applyConfig sets flags that nothing else sets from lines 'name = value'.
func applyConfig(f *pflag.FlagSet, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read config file: %w", err)
	}
	var errs []error
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name, value = strings.TrimSpace(name), strings.Trim(strings.TrimSpace(value), `"'`)
		flag := f.Lookup(name)
		switch {
		case !ok || flag == nil || name == "config":
			errs = append(errs, fmt.Errorf("%s:%d: unknown setting %q", path, i+1, name))
		case !flag.Changed:
			if err := f.Set(name, value); err != nil {
				errs = append(errs, fmt.Errorf("%s:%d: %w", path, i+1, err))
			}
		}
	}
	return errors.Join(errs...)
}

// maxRate is more than one generator makes.
const maxRate = 1_000_000

// check reports everything that is wrong with the options at once.
func (o *options) check() error {
	var errs []error
	oneOf := func(name, value string, allowed ...string) {
		for _, a := range allowed {
			if value == a {
				return
			}
		}
		errs = append(errs, fmt.Errorf("--%s must be one of %s, not %q", name, strings.Join(allowed, ", "), value))
	}
	oneOf("sync", o.sync, "on", "off")
	oneOf("result-store", o.resultStore, "badger", "files")
	oneOf("log-level", o.logLevel, "debug", "info", "warn", "error")
	oneOf("log-format", o.logFormat, "text", "json")
	var err error
	if o.memoryBytes, err = parseBytes(o.memoryLimit); err != nil {
		errs = append(errs, fmt.Errorf("--memory-limit: %w", err))
	} else if o.memoryBytes < 128<<20 {
		errs = append(errs, errors.New("--memory-limit must be at least 128MiB"))
	}
	if !(o.rate >= 0 && o.rate <= maxRate) { // not a number, too
		errs = append(errs, fmt.Errorf("--rate must be from 0 to %d events a second", maxRate))
	}
	for _, l := range []struct{ name, address string }{{"listen", o.listen}, {"http-listen", o.httpListen}, {"kafka-listen", o.kafkaListen}} {
		if l.address == "" && l.name != "listen" {
			continue
		}
		if err := checkLoopback(l.address); err != nil {
			errs = append(errs, fmt.Errorf("--%s: %w", l.name, err))
		}
	}
	return errors.Join(errs...)
}

// checkLoopback refuses addresses that others can reach: there is no
// authentication yet.
func checkLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	ip := net.ParseIP(host)
	if host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("refusing to listen on %q without authentication: use a loopback address", address)
}

// parseBytes reads sizes such as 512MiB, 2GB or 1073741824.
func parseBytes(s string) (int64, error) {
	units := []struct {
		suffix string
		factor int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}}
	number, factor := s, int64(1)
	for _, u := range units {
		if strings.HasSuffix(s, u.suffix) {
			number, factor = strings.TrimSuffix(s, u.suffix), u.factor
			break
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil || n < 0 || n > (1<<62)/factor {
		return 0, fmt.Errorf("%q is not a size such as 512MiB", s)
	}
	return n * factor, nil
}
