package sqllogictest

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"
)

// servers is how many databases the tests use at once.
const servers = 2

// ownFiles are the project's files, whose answers are PostgreSQL's.
const ownFiles = "testdata/slt"

func modes() []Mode { return []Mode{Direct, Views, AfterData} }

// TestOwnFiles: the project's files are right in every mode, but for what the
// ratchet lists.
func TestOwnFiles(t *testing.T) {
	runWithRatchet(t, Options{Root: ownFiles, Modes: modes()}, "testdata/ratchet/own.txt")
}

// TestExtended: they are right through the extended protocol, too.
func TestExtended(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: the simple protocol is enough for -short")
	}
	runWithRatchet(t, Options{Root: ownFiles, Extended: true}, "testdata/ratchet/own.txt")
}

// TestPostgres: PostgreSQL answers the project's files as they say. It needs
// STREAMDB_POSTGRES, the URL of a server of version 15.
func TestPostgres(t *testing.T) {
	server := os.Getenv("STREAMDB_POSTGRES")
	if server == "" {
		t.Skip("SKIP: STREAMDB_POSTGRES names no server")
	}
	files, err := ListFiles(ownFiles, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	p, err := Create(ctx, server, servers)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	results, err := Run(ctx, p, Options{Root: ownFiles, Files: files, Modes: modes(), Labels: []string{"postgresql"}, Parallel: servers, PlainViews: true})
	report(t, results, err, nil)
}

// runWithRatchet runs files against databases of this process and fails where
// something is worse than the ratchet says.
func runWithRatchet(t *testing.T, o Options, path string) {
	t.Helper()
	if o.Files == nil {
		var err error
		if o.Files, err = ListFiles(o.Root, nil); err != nil {
			t.Fatal(err)
		}
	}
	ratchet, err := ReadRatchet(path)
	if err != nil {
		t.Fatal(err)
	}
	o.Labels, o.Settings = []string{"streamdb"}, map[string]string{"on_error": "fail"}
	o.Parallel, o.Group = servers, 100
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Minute // a loaded machine is no failure
	}
	results, err := Run(context.Background(), startServers(t, servers), o)
	if *rewrite && err == nil {
		ratchet.Update(results)
		err = ratchet.Write()
	}
	if left := len(o.Files)*len(o.Modes) - len(results); err == nil && o.Budget > 0 && left > 0 {
		t.Logf("SKIP: %d of %d files and modes were not begun within %s", left, len(o.Files)*len(o.Modes), o.Budget)
	}
	report(t, results, err, ratchet)
}

// report fails the test by what must not be and logs the summary.
func report(t *testing.T, results []*Result, err error, ratchet *Ratchet) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	PrintSummary(&b, results)
	t.Log("\n" + b.String())
	if faults := Faults(results, ratchet); len(faults) > 0 {
		b.Reset()
		PrintFindings(&b, faults, 20, Wrong, Failed, Refused, OtherCode, Tainted)
		t.Errorf("not as it must be:\n%s", b.String())
	}
}
