package engine

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var rewrite = flag.Bool("rewrite", false, "write the answers into testdata")

// TestStatements runs testdata/*.txt. A case is lines of SQL, ----, what comes
// back: rows with | between the columns, notices, command tags, the error. A
// line belongs to the statement before it if it is indented; @name before a
// statement runs it in another session; restart closes and opens the database;
// clock T sets the engine's clock, stopped T does while it is closed.
func TestStatements(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { runFile(t, file) })
	}
}

func runFile(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	db := openTestDB(t)
	var out strings.Builder
	for i, block := range strings.Split(strings.TrimSpace(string(text)), "\n\n") {
		input, want, _ := strings.Cut(block, "\n----")
		got := strings.Join(db.runCase(input), "\n")
		if !*rewrite && got != strings.Trim(want, "\n") {
			t.Errorf("%s case %d:\n%s\ngot:\n%s\nwant:%s", file, i+1, input, got, want)
		}
		if i > 0 {
			out.WriteString("\n")
		}
		fmt.Fprintf(&out, "%s\n----\n%s\n", input, got)
	}
	if *rewrite {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func (db *testDB) runCase(input string) []string {
	var out []string
	for _, statement := range strings.Split(strings.ReplaceAll(input, "\n  ", " "), "\n") {
		session := "main"
		if strings.HasPrefix(statement, "@") {
			session, statement, _ = strings.Cut(statement[1:], " ")
		}
		switch {
		case strings.HasPrefix(statement, "#"):
		case statement == "restart":
			db.restart()
		case strings.HasPrefix(statement, "clock "):
			db.setClock(db.clockAt(statement))
		case strings.HasPrefix(statement, "stopped "):
			db.close()
			db.clock.Store(db.clockAt(statement).UnixMicro())
			db.open()
		default:
			out = append(out, db.session(session).run(statement)...)
		}
	}
	return out
}

func (db *testDB) clockAt(statement string) time.Time {
	db.t.Helper()
	_, text, _ := strings.Cut(statement, " ")
	at, err := time.Parse(time.DateTime, text)
	if err != nil {
		db.t.Fatal(err)
	}
	return at
}
