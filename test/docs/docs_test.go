// Package docs holds the documentation to what the code does: every SQL block of
// README.md and docs/ is executed in order, in one fresh database a page, and
// the reference pages are printed from the tables in the code. With -rewrite the
// tests write the pages instead of comparing them.
//
// A block succeeds unless the text block after it begins with ERROR. A text block
// right after an SQL block is what psql prints for it. Comments steer the test:
//
//	<!-- test:topic bids 2        a topic of two partitions, a record a line,
//	{"auction":1}                 the partitions in turn; "key => value" has a key,
//	-->                           "key => (no value)" is a tombstone
//	<!-- test:produce bids        more records
//	<!-- test:varies epoch, time -->   columns of the next block shown as a dot
//	<!-- test:watch -->           the next block runs beside the page
//	<!-- test:watched 3 -->       the next text block is its first three rows
//	<!-- test:records out 2 -->   the next text block is the topic's first records
//	<!-- test:skip why -->        the next block is not run
package docs

import (
	"context"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/streamdb/streamdb/sql"
)

var rewrite = flag.Bool("rewrite", false, "write the pages instead of comparing them")

const root = "../.."

// patience bounds a page.
const patience = 2 * time.Minute

func TestPages(t *testing.T) {
	for _, path := range pages(t) {
		p, err := readPage(path)
		if err != nil {
			t.Fatal(err)
		}
		if !p.has("sql") {
			continue
		}
		name, _ := filepath.Rel(root, path)
		t.Run(name, func(t *testing.T) { runPage(t, p) })
	}
}

// pages lists README.md and all of docs.
func pages(t *testing.T) []string {
	t.Helper()
	out := []string{filepath.Join(root, "README.md")}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".md" {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (p *page) has(lang string) bool {
	for i := range p.items {
		if p.items[i].lang == lang {
			return true
		}
	}
	return false
}

// TestStatementsHaveExamples: a page of a statement without an executed example
// is not documentation.
func TestStatementsHaveExamples(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "docs/statements/*.md"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no pages of statements: %v", err)
	}
	for _, path := range files {
		p, err := readPage(path)
		if err != nil {
			t.Fatal(err)
		}
		executed := 0
		for i := range p.items {
			if p.items[i].lang == "sql" && (i == 0 || p.items[i-1].verb != "skip") {
				executed++
			}
		}
		if executed == 0 {
			t.Errorf("%s has no executed example", path)
		}
	}
}

// TestLinks: what pages point to exists.
func TestLinks(t *testing.T) {
	for _, path := range append(pages(t), filepath.Join(root, "ARCHITECTURE.md"), filepath.Join(root, "CONTRIBUTING.md")) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(string(text), "](")[1:] {
			link, _, _ := strings.Cut(part, ")")
			link, _, _ = strings.Cut(link, "#")
			if link == "" || strings.Contains(link, "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), link)); err != nil {
				t.Errorf("%s: the link %s leads nowhere", path, link)
			}
		}
	}
}

// runner executes one page.
type runner struct {
	t       *testing.T
	page    *page
	db      *database
	session *session
	watch   *watch
	bodies  map[int][]string // by opening line, with -rewrite
}

func runPage(t *testing.T, p *page) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r := &runner{t: t, page: p, db: startDatabase(t), bodies: map[int][]string{}}
	var err error
	if r.session, err = r.db.connect(ctx); err != nil {
		t.Fatal(err)
	}
	defer r.session.conn.Close(ctx)
	defer func() { r.watch.stop() }()
	for i := range p.items {
		if it := &p.items[i]; it.lang == "sql" {
			r.block(ctx, i)
		} else if it.lang == "" {
			r.directive(ctx, i)
		}
	}
	if *rewrite {
		if err := p.replace(r.bodies); err != nil {
			t.Fatal(err)
		}
	}
}

// before returns the directive of that verb right before item i, nil if there
// is none.
func (r *runner) before(i int, verb string) *item {
	for i--; i >= 0 && r.page.items[i].lang == ""; i-- {
		if r.page.items[i].verb == verb {
			return &r.page.items[i]
		}
	}
	return nil
}

func (r *runner) block(ctx context.Context, i int) {
	it, text := &r.page.items[i], strings.Join(r.page.body(&r.page.items[i]), "\n")
	if skip := r.before(i, "skip"); skip != nil {
		if skip.args == "" {
			r.t.Errorf("%s:%d: a block that is not run needs a reason", r.page.path, skip.open+1)
		}
		return
	}
	if r.before(i, "watch") != nil {
		r.watch = startWatch(ctx, r.t, r.db, text)
		return
	}
	varies := map[string]bool{}
	if v := r.before(i, "varies"); v != nil {
		for name := range strings.SplitSeq(v.args, ",") {
			varies[strings.TrimSpace(name)] = true
		}
	}
	answer := r.page.answer(i)
	mayFail := answer != nil && answer.to > answer.from && strings.HasPrefix(r.page.lines[answer.from], "ERROR")
	out, ok := r.statements(ctx, it, text, varies, mayFail)
	if ok && answer != nil {
		r.compare(answer, out)
	}
}

// statements runs the statements of a block one by one, as psql does.
func (r *runner) statements(ctx context.Context, it *item, text string, varies map[string]bool, mayFail bool) (out []string, ok bool) {
	parsed, err := sql.Parse(text)
	if err != nil {
		r.t.Errorf("%s:%d: %v", r.page.path, it.open+1, err)
		return nil, false
	}
	for _, statement := range parsed {
		lines, failed, err := r.session.run(ctx, statement.Text, varies)
		if err != nil {
			r.t.Fatalf("%s:%d: %s: %v", r.page.path, it.open+1, statement.Text, err)
		}
		if failed != nil && !mayFail {
			r.t.Errorf("%s:%d: %s\n%s", r.page.path, it.open+1, statement.Text, strings.Join(lines, "\n"))
			return nil, false
		}
		if len(out) > 0 && len(lines) > 0 {
			out = append(out, "")
		}
		out = append(out, lines...)
	}
	return out, true
}

// compare holds a text block to what was printed.
func (r *runner) compare(answer *item, got []string) {
	for i := range got {
		got[i] = strings.TrimRight(got[i], " ")
	}
	if *rewrite {
		r.bodies[answer.open] = got
		return
	}
	want := make([]string, 0, answer.to-answer.from)
	for _, line := range r.page.body(answer) {
		want = append(want, strings.TrimRight(line, " "))
	}
	if strings.Join(want, "\n") != strings.Join(got, "\n") {
		r.t.Errorf("%s:%d: the answer is\n%s\nand the page says\n%s", r.page.path, answer.open+1, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func (r *runner) directive(ctx context.Context, i int) {
	it := &r.page.items[i]
	args := strings.Fields(it.args)
	switch it.verb {
	case "skip", "varies", "watch":
	case "topic":
		partitions := 1
		if len(args) > 1 {
			partitions = r.number(it, args[1])
		}
		r.db.kafka.CreateTopic(r.t, args[0], partitions)
		r.produce(args[0], partitions, r.page.body(it))
	case "produce":
		r.produce(args[0], 1, r.page.body(it))
	case "watched":
		r.compareNext(i, r.watch.first(ctx, r.t, r.number(it, args[0])))
	case "records":
		r.compareNext(i, r.records(ctx, args[0], r.number(it, args[1])))
	default:
		r.t.Errorf("%s:%d: unknown directive %q", r.page.path, it.open+1, it.verb)
	}
}

func (r *runner) number(it *item, text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		r.t.Fatalf("%s:%d: %v", r.page.path, it.open+1, err)
	}
	return n
}

func (r *runner) compareNext(i int, got []string) {
	if i+1 >= len(r.page.items) || r.page.items[i+1].lang != "text" {
		r.t.Fatalf("%s:%d: no text block follows", r.page.path, r.page.items[i].open+1)
	}
	r.compare(&r.page.items[i+1], got)
}
