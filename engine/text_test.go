package engine

import (
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/streamdb/streamdb/internal/casefile"
)

var rewrite = flag.Bool("rewrite", false, "write the answers into testdata")

// TestStatements runs testdata/*.txt. A case is lines of SQL, ----, what comes
// back: rows with | between the columns, notices, command tags, the error. A
// line belongs to the statement before it if it is indented; @name before a
// statement runs it in another session; restart closes and opens the database;
// clock T sets the engine's clock, stopped T does while it is closed; await ROW
// before a statement runs it until that row, without blanks, is what comes back.
func TestStatements(t *testing.T) {
	casefile.Run(t, "testdata/*.txt", *rewrite, func(t *testing.T) func(string) string {
		db := openTestDB(t)
		return func(input string) string { return strings.Join(db.runCase(input), "\n") }
	})
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
		case strings.HasPrefix(statement, "await "):
			out = append(out, db.await(statement)...)
		default:
			out = append(out, db.session(session).run(statement)...)
		}
	}
	return out
}

// await runs a statement until it returns the row, half a minute at most.
func (db *testDB) await(statement string) (got []string) {
	_, rest, _ := strings.Cut(statement, " ")
	row, statement, _ := strings.Cut(rest, " ")
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if got = db.session("main").run(statement); len(got) == 1 && got[0] == row {
			break
		}
	}
	return got
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
