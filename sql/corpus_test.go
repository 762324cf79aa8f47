package sql

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// sharedFolder returns a folder outside the project, or skips the test.
func sharedFolder(t *testing.T, variable string, fallback ...string) string {
	dir := os.Getenv(variable)
	if dir == "" {
		dir = filepath.Join(append([]string{"..", "..", "shared"}, fallback...)...)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("SKIP: no test corpora in %s (set %s)", dir, variable)
	}
	return dir
}

// record is one statement of a sqllogictest file.
type record struct {
	text string
	// fails says that PostgreSQL refuses the statement.
	fails bool
}

// readRecords returns the statements of a sqllogictest file.
func readRecords(t *testing.T, path string) []record {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	var list []record
	for _, block := range bytes.Split(text, []byte("\n\n")) {
		if rec, ok := parseRecord(string(block)); ok {
			list = append(list, rec)
		}
	}
	return list
}

func parseRecord(block string) (record, bool) {
	var rec record
	lines := strings.Split(strings.Trim(block, "\n"), "\n")
	for len(lines) > 0 && (strings.HasPrefix(lines[0], "#") || lines[0] == "") {
		lines = lines[1:]
	}
	if len(lines) == 0 {
		return rec, false
	}
	switch head := lines[0]; {
	case strings.HasPrefix(head, "statement error"):
		rec.fails = true
	case strings.HasPrefix(head, "statement ok"), strings.HasPrefix(head, "query"):
	default:
		return rec, false
	}
	lines = lines[1:]
	for i, l := range lines {
		if l == "----" {
			lines = lines[:i]
			break
		}
	}
	rec.text = strings.Join(lines, "\n")
	return rec, rec.text != ""
}

// slts returns the sqllogictest files under a folder.
func slts(t *testing.T, dir string) []string {
	var list []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && (strings.HasSuffix(path, ".slt") || strings.HasSuffix(path, ".slt.gz")) {
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// roundTrip parses a text and checks the printer on each statement.
func roundTrip(text string) error {
	list, err := Parse(text)
	if err != nil {
		return err
	}
	for _, s := range list {
		if err := checkRoundTrip(s); err != nil {
			return err
		}
	}
	return nil
}

func parseOnly(text string) error {
	_, err := Parse(text)
	return err
}

// TestCorpora parses and prints every statement of the corpora that
// PostgreSQL accepts. What is refused as unsupported is listed by cause; any
// other error fails the test.
func TestCorpora(t *testing.T) {
	dir := sharedFolder(t, "STREAMDB_CORPORA", "corpora")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && e.Name() != "LICENCES" && e.Name() != "realdata" {
			t.Run(e.Name(), func(t *testing.T) { corpus(t, filepath.Join(dir, e.Name())) })
		}
	}
}

func corpus(t *testing.T, dir string) {
	accepted, total := 0, 0
	causes := map[string]int{}
	for _, path := range slts(t, dir) {
		for i, rec := range readRecords(t, path) {
			if rec.fails {
				continue
			}
			total++
			// The large generated files say the same over and over.
			check := roundTrip
			if i > 300 && i%31 != 0 {
				check = parseOnly
			}
			err := check(rec.text)
			switch {
			case err == nil:
				accepted++
			case sqlerr.Code(err) == sqlerr.FeatureNotSupported:
				causes[sqlerr.From(err).Message]++
			default:
				t.Errorf("%s: %v\n%s", path, err, rec.text)
			}
		}
	}
	t.Logf("accepted %d of %d statements", accepted, total)
	for cause, n := range causes {
		t.Logf("%d: %s", n, cause)
	}
}

// TestClientTraces parses what real drivers and tools sent.
func TestClientTraces(t *testing.T) {
	dir := sharedFolder(t, "STREAMDB_TRACES", "clients", "traces")
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	counts := map[string][2]int{}
	for _, path := range files {
		client := strings.SplitN(filepath.Base(path), ".", 2)[0]
		for _, text := range traceTexts(t, path) {
			if seen[text] {
				continue
			}
			seen[text] = true
			c := counts[client]
			c[1]++
			if err := roundTrip(text); err != nil {
				t.Errorf("%s: %v\n%s", client, err, text)
			} else {
				c[0]++
			}
			counts[client] = c
		}
	}
	clients := make([]string, 0, len(counts))
	for c := range counts {
		clients = append(clients, c)
	}
	sort.Strings(clients)
	for _, c := range clients {
		t.Logf("%s: accepted %d of %d texts", c, counts[c][0], counts[c][1])
	}
}

// traceTexts returns the statements of a trace that the server accepted.
func traceTexts(t *testing.T, path string) []string {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var list []string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var line struct {
			SQL   string          `json:"sql"`
			Error json.RawMessage `json:"error"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			continue
		}
		if line.SQL != "" && (len(line.Error) == 0 || string(line.Error) == "null") {
			list = append(list, line.SQL)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}
