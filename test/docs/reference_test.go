package docs

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/engine"
	"github.com/streamdb/streamdb/httpapi"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// TestReference holds the reference pages to the tables in the code.
func TestReference(t *testing.T) {
	for _, p := range []struct {
		name string
		text func(*testing.T) string
	}{
		{"functions", functionsPage},
		{"operators", operatorsPage},
		{"casts", castsPage},
		{"aggregates", aggregatesPage},
		{"settings", settingsPage},
		{"sqlstates", sqlstatesPage},
		{"metrics", metricsPage},
		{"system-relations", systemPage},
	} {
		t.Run(p.name, func(t *testing.T) {
			holdPage(t, filepath.Join(root, "docs/reference", p.name+".md"), p.text(t))
		})
	}
}

// holdPage compares a page, or writes it.
func holdPage(t *testing.T, path, text string) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) == text {
		return
	}
	old, now := strings.Split(string(have), "\n"), strings.Split(text, "\n")
	for i := range max(len(old), len(now)) {
		if i >= len(old) || i >= len(now) || old[i] != now[i] {
			t.Fatalf("%s differs from the code from line %d on: write it with 'make docs'", path, i+1)
		}
	}
}

// table prints a Markdown table.
func table(b *strings.Builder, head []string, rows [][]string) {
	fmt.Fprintf(b, "| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat("---|", len(head)))
	for _, row := range rows {
		for i := range row {
			row[i] = strings.ReplaceAll(row[i], "|", "\\|")
		}
		fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
	}
}

const printed = "\nPrinted from the code by `make docs`.\n\n"

// pseudoTypes are the types of arguments that no value has.
func pseudoTypes() map[types.Type]string {
	return map[types.Type]string{expr.Any: "any", expr.AnyArray: "anyarray", expr.AnyElement: "anyelement",
		expr.AnyNonArray: "anynonarray", expr.AnyCompatible: "anycompatible", expr.AnyCompatibleArray: "anycompatiblearray"}
}

func typeName(t types.Type) string {
	if name, ok := pseudoTypes()[t]; ok {
		return name
	}
	return t.String()
}

func argumentList(f *expr.Function) string {
	names := make([]string, len(f.Args))
	for i, a := range f.Args {
		names[i] = typeName(a)
	}
	if f.Variadic {
		names[len(names)-1] = "VARIADIC " + names[len(names)-1]
	}
	return strings.Join(names, ", ")
}

func functionsPage(*testing.T) string {
	var rows [][]string
	for f := range expr.Functions() {
		if !f.Internal {
			rows = append(rows, []string{"`" + f.Name + "(" + argumentList(f) + ")`", typeName(f.Ret), f.Volatility.String()})
		}
	}
	sort.SliceStable(rows, func(i, j int) bool { return rows[i][0] < rows[j][0] })
	var b strings.Builder
	b.WriteString("# Functions\n" + printed +
		"Their meaning is that of the PostgreSQL 15 function of the same signature. Views may\n" +
		"call immutable functions, and stable ones that depend on the view's own settings\n" +
		"only; volatile ones are refused there. Several, such as `int4pl`, are what\n" +
		"[operators](operators.md) call.\n\n")
	table(&b, []string{"function", "result", "volatility"}, rows)
	return b.String()
}

func operatorsPage(*testing.T) string {
	var rows [][]string
	for o := range expr.Operators() {
		left := ""
		if o.Left != 0 {
			left = typeName(o.Left)
		}
		rows = append(rows, []string{"`" + o.Name + "`", left, typeName(o.Right), typeName(o.Ret())})
	}
	sort.SliceStable(rows, func(i, j int) bool { return rows[i][0] < rows[j][0] })
	var b strings.Builder
	b.WriteString("# Operators\n" + printed + "An operator without left type is a prefix.\n\n")
	table(&b, []string{"operator", "left", "right", "result"}, rows)
	return b.String()
}

func castsPage(*testing.T) string {
	contexts := map[expr.CoercionContext]string{expr.Implicit: "by itself", expr.Assignment: "in assignments", expr.Explicit: "when written"}
	var rows [][]string
	for c := range expr.Casts() {
		rows = append(rows, []string{typeName(c.From), typeName(c.To), contexts[c.Context]})
	}
	sort.SliceStable(rows, func(i, j int) bool { return rows[i][0]+rows[i][1] < rows[j][0]+rows[j][1] })
	var b strings.Builder
	b.WriteString("# Casts\n" + printed +
		"Every type can besides be cast from and to text: to text in assignments, from text when written.\n\n")
	table(&b, []string{"from", "to", "happens"}, rows)
	return b.String()
}

func aggregatesPage(*testing.T) string {
	var rows [][]string
	for f := range operator.Aggregates() {
		args := make([]string, len(f.Args))
		for i, a := range f.Args {
			args[i] = typeName(a)
		}
		list := strings.Join(args, ", ")
		if len(args) == 0 {
			list = "*"
		}
		rows = append(rows, []string{"`" + f.Name + "(" + list + ")`", typeName(f.Ret), f.Doc})
	}
	sort.SliceStable(rows, func(i, j int) bool { return rows[i][0] < rows[j][0] })
	var b strings.Builder
	b.WriteString("# Aggregates\n" + printed + "Each takes `FILTER (WHERE condition)`.\n\n")
	table(&b, []string{"aggregate", "result", "what"}, rows)
	return b.String()
}

func settingsPage(*testing.T) string {
	var rows [][]string
	for _, s := range engine.Settings() {
		doc := s.Doc
		if s.ReadOnly {
			doc += " Cannot be set."
		}
		rows = append(rows, []string{"`" + s.Name + "`", s.Initial, doc})
	}
	var b strings.Builder
	b.WriteString("# Settings\n" + printed +
		"Set for a session with [SET](../statements/set.md). The flags of the server are on\n" +
		"another page: [command line](command-line.md).\n\n")
	table(&b, []string{"setting", "initially", "what"}, rows)
	return b.String()
}

// sqlstatesPage lists the constants of internal/sqlerr.
func sqlstatesPage(t *testing.T) string {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "internal/sqlerr/codes.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		lit, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			return true
		}
		code, err := strconv.Unquote(lit.Value)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, []string{"`" + code + "`", words(spec.Names[0].Name)})
		return true
	})
	slices.SortFunc(rows, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	var b strings.Builder
	b.WriteString("# SQLSTATEs\n" + printed + "The codes of errors, with PostgreSQL's meaning.\n\n")
	table(&b, []string{"code", "what"}, rows)
	return b.String()
}

// words spells a Go name as words: InvalidJSONText is "invalid JSON text".
func words(name string) string {
	var out []string
	start, runes := 0, []rune(name)
	for i := 1; i <= len(runes); i++ {
		if i < len(runes) && (!unicode.IsUpper(runes[i]) || unicode.IsUpper(runes[i-1]) && (i+1 == len(runes) || unicode.IsUpper(runes[i+1]))) {
			continue
		}
		word := string(runes[start:i])
		if strings.ToUpper(word) != word {
			word = strings.ToLower(word)
		}
		out = append(out, word)
		start = i
	}
	return strings.Join(out, " ")
}

// metricsPage asks a running server. A database with a stream, a view and a
// sink has all metrics there are.
func metricsPage(t *testing.T) string {
	db := startDatabase(t)
	s, err := db.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.conn.Close(t.Context())
	db.kafka.CreateTopic(t, "metrics", 1)
	for _, statement := range []string{
		"CREATE STREAM s (a int) WITH (connector = 'kafka', brokers = 'localhost:9092', topic = 'metrics')",
		"CREATE MATERIALIZED VIEW v AS SELECT a, count(*) AS n FROM s GROUP BY a",
		"CREATE SINK k FROM v WITH (connector = 'blackhole')",
		"SELECT * FROM v",
	} {
		if out, failed, err := s.run(t.Context(), statement, nil); err != nil || failed != nil {
			t.Fatalf("%s: %v %v", statement, out, err)
		}
	}
	var b strings.Builder
	b.WriteString("# Metrics\n" + printed + "`GET /metrics` on `--http-listen` answers in Prometheus' text format.\n\n")
	table(&b, []string{"metric", "kind", "labels", "what"}, metricRows(scrape(t, db)))
	return b.String()
}

func scrape(t *testing.T, db *database) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- httpapi.New(db.Engine, func() int { return 1 }).Serve(ctx, l) }()
	defer func() { cancel(); <-served }()
	response, err := http.Get("http://" + l.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// metricRows reads Prometheus' text format: name, kind, labels, help.
func metricRows(text string) [][]string {
	var rows [][]string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "# HELP "):
			name, help, _ := strings.Cut(strings.TrimPrefix(line, "# HELP "), " ")
			rows = append(rows, []string{"`" + name + "`", "", "", help})
		case strings.HasPrefix(line, "# TYPE "):
			rows[len(rows)-1][1] = line[strings.LastIndexByte(line, ' ')+1:]
		case strings.Contains(line, "{"):
			row := rows[len(rows)-1]
			_, labels, _ := strings.Cut(line, "{")
			for pair := range strings.SplitSeq(labels[:strings.LastIndexByte(labels, '}')], ",") {
				name, _, _ := strings.Cut(pair, "=")
				if name != "le" && !strings.Contains(row[2], name) {
					row[2] = strings.TrimPrefix(row[2]+", "+name, ", ")
				}
			}
		}
	}
	return rows
}

// systemPage lists the relations of the schema streamdb as a client sees them.
func systemPage(t *testing.T) string {
	db := startDatabase(t)
	s, err := db.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.conn.Close(t.Context())
	var b strings.Builder
	b.WriteString("# System relations\n" + printed +
		"Relations of the schema `streamdb`, computed when they are read. Views cannot read them.\n")
	for _, r := range []struct{ name, doc string }{
		{"sources", "A row for each partition of each stream and each table over a topic: how far it is read, and what is wrong. rows_in, errors and newest tell what was read of the partition since the server started, without what views read to catch up. The errors of a table are those that stand at the epoch that is read; they and unknown_tombstones count for the whole table and stand in the row of its partition 0."},
		{"watermarks", "A row for each stream and table over a topic with event time ([Time](../time.md)): its watermark, the partition that holds it back with the newest event time of that partition, and how many rows came too late."},
		{"views", "A row for each materialized view. `late_rows` counts the rows of streams that it has left out since they came late (`late` = `drop` or `redirect`), NULL where they correct it."},
		{"sinks", "A row for each sink. For the blackhole, rows and checksum are those of the epoch that is read; for others rows counts what was written since the server started. lag is how many epochs the sink is behind."},
		{"errors", "Error rows: records that did not decode, under the stream's or table's name, and rows for which an expression failed, under the view's."},
		{"dependencies", "What reads what."},
		{"epochs", "One row: the epoch that is read, and the counters of the epoch loop since the server started."},
	} {
		result := s.conn.ExecParams(t.Context(), "SHOW COLUMNS FROM streamdb."+r.name, nil, nil, nil, nil).Read()
		if result.Err != nil {
			t.Fatal(result.Err)
		}
		var rows [][]string
		for _, row := range result.Rows {
			rows = append(rows, []string{"`" + string(row[0]) + "`", string(row[2])})
		}
		fmt.Fprintf(&b, "\n## streamdb.%s\n\n%s\n\n", r.name, r.doc)
		table(&b, []string{"column", "type"}, rows)
	}
	return b.String()
}

// TestDependencies: docs/dependencies.md has a line for each direct dependency
// and for nothing else.
func TestDependencies(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs/dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	var want, have []string
	for line := range strings.Lines(string(mod)) {
		if strings.HasPrefix(line, "\t") && !strings.Contains(line, "// indirect") {
			want = append(want, strings.Fields(line)[0])
		}
	}
	for line := range strings.Lines(string(page)) {
		if name, ok := strings.CutPrefix(line, "| `"); ok {
			have = append(have, name[:strings.IndexByte(name, '`')])
		}
	}
	slices.Sort(want)
	slices.Sort(have)
	if !slices.Equal(want, have) {
		t.Errorf("go.mod requires\n%s\nand the page has\n%s", strings.Join(want, "\n"), strings.Join(have, "\n"))
	}
}
