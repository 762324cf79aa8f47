// Command streamdb is the streaming SQL database: one binary, one data
// directory. It holds flags and wiring; nothing else knows all parts.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/spf13/pflag"
)

// version is set at release builds by -ldflags "-X main.version=v1.2.3".
var version = "" //nolint:gochecknoglobals // the linker writes it

const usage = `streamdb is a streaming SQL database that speaks PostgreSQL's protocol.

Usage:
  streamdb serve [flags]     run the server
  streamdb demo [flags]      run it with a Kafka broker, generated events and views to look at
  streamdb health [flags]    ask the server at --http-listen whether it is well
  streamdb check [flags]     verify --data-dir while no server uses it
  streamdb test [flags] [file or folder...]
                             run files of SQL with recorded answers against this or another server
  streamdb version           print the version

Flags of serve, demo, health and check may also be set as STREAMDB_* variables, e.g. STREAMDB_DATA_DIR.
'streamdb serve --help', 'streamdb demo --help' and 'streamdb test --help' list them.
`

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run executes a command line and returns the exit status: 0 success, 1 a
// failure, 2 a wrong command line.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return 2
	}
	var err error
	switch args[0] {
	case "serve":
		err = serve("serve", args[1:], stdout, stderr)
	case demoCommand:
		err = serve(demoCommand, args[1:], stdout, stderr)
	case "health":
		err = health(args[1:], stdout, stderr)
	case "check":
		err = check(args[1:], stdout, stderr)
	case testCommand:
		err = test(args[1:], stdout, stderr)
	case "version", "--version":
		_, err = fmt.Fprintf(stdout, "streamdb %s %s %s/%s\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	case "help", "-h", "--help":
		_, err = fmt.Fprint(stdout, usage)
	default:
		fmt.Fprintf(stderr, "streamdb: unknown command %q\n\n%s", args[0], usage)
		return 2
	}
	var wrong *usageError
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintf(stderr, "streamdb: %v\n", err)
		return 2
	case err != nil:
		fmt.Fprintf(stderr, "streamdb: %v\n", err)
		return 1
	}
	return 0
}

// usageError is a wrong command line.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// buildVersion is the release's version, else the commit that was built.
func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				return "v0.0.0-" + s.Value[:12]
			}
		}
	}
	return "v0.0.0-dev"
}
