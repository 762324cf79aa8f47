package expr

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// TestScalars evaluates the expressions of testdata/*.txt. A line is
//
//	expression => type: text of the value
//	expression => NULL of a type as "type NULL"
//	expression => ERROR sqlstate: message
//
// The answers are PostgreSQL 15's (testdata/record.sh asks it), in UTC unless a
// line "set timezone = ..." came before.
func TestScalars(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { runScalars(t, file) })
	}
}

func testEnv() *Env {
	return &Env{Now: time.Date(2024, 2, 29, 12, 34, 56, 789000000, time.UTC)}
}

func runScalars(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	env := testEnv()
	for i, line := range strings.Split(string(text), "\n") {
		if zone, ok := strings.CutPrefix(line, "set timezone = "); ok {
			loc, err := time.LoadLocation(strings.Trim(zone, "'"))
			if err != nil {
				t.Fatal(err)
			}
			env.Settings.TimeZone = loc
			continue
		}
		src, want, ok := strings.Cut(line, " => ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		if got := answer(src, env); got != want {
			t.Errorf("%s:%d: %s\n got %s\nwant %s", file, i+1, src, got, want)
		}
	}
}

// answer evaluates an expression and prints its value or error.
func answer(src string, env *Env) string {
	e, err := parseSQL(src, nil, env)
	if err != nil {
		return errorText(err)
	}
	d, err := EvalConst(e, env)
	if err != nil {
		return errorText(err)
	}
	if e.Type.Base() == types.Bool && !d.Null {
		return "boolean: " + strconv.FormatBool(d.Bool) // as the cast to text
	}
	if d.Null {
		return e.Type.Base().String() + " NULL"
	}
	return e.Type.Base().String() + ": " + string(types.AppendText(nil, e.Type, d, &env.Settings))
}

func errorText(err error) string {
	e := sqlerr.From(err)
	return "ERROR " + e.Code + ": " + e.Message
}
