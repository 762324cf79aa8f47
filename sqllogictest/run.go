package sqllogictest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options say what is run and how. The zero value asks every query directly.
type Options struct {
	Root     string        // what Files are relative to; "" is the working directory
	Files    []string      // as ListFiles returns them
	Modes    []Mode        // none is Direct
	Labels   []string      // what skipif and onlyif mean
	Group    int           // views that live at once; 0 is no limit
	Sample   int           // about how many queries of a file are asked; 0 is all
	Parallel int           // files at once; 0 is 1
	Timeout  time.Duration // of a record; 0 is a minute
	// Budget is how long files are begun; those that are left out have no result.
	// 0 is no limit.
	Budget   time.Duration
	Extended bool // the extended protocol in place of simple queries
	// Settings are set in each session. A server that leaves out rows of a view
	// whose expressions failed must be told to fail instead.
	Settings map[string]string
	// PlainViews is for a server whose materialized views do not follow their
	// tables, such as PostgreSQL: its views are plain ones.
	PlainViews bool
	// Record writes the server's answers into the files, in mode Direct only.
	Record bool
	// Progress is told each result as it comes, one at a time.
	Progress func(done, total int, r *Result)
}

// Run runs the files in all modes and returns their results in this order. Its
// error is one that ends the whole run; what goes wrong in a file is in its
// result.
func Run(ctx context.Context, p Provider, o Options) ([]*Result, error) {
	if len(o.Modes) == 0 {
		o.Modes = []Mode{Direct}
	}
	if o.Timeout <= 0 {
		o.Timeout = time.Minute
	}
	if o.Record && (len(o.Modes) != 1 || o.Modes[0] != Direct || o.Sample > 0) {
		return nil, errors.New("answers are recorded in mode direct, without a sample")
	}
	results := make([]*Result, len(o.Files)*len(o.Modes))
	group, running := errgroup.WithContext(ctx)
	group.SetLimit(max(o.Parallel, 1))
	var mu sync.Mutex
	done, start := 0, time.Now()
	for i := range results {
		r := &Result{File: o.Files[i/len(o.Modes)], Mode: o.Modes[i%len(o.Modes)]}
		group.Go(func() error {
			if o.Budget > 0 && time.Since(start) > o.Budget {
				return nil
			}
			results[i] = r
			err := runFile(running, p, &o, r)
			mu.Lock()
			defer mu.Unlock()
			if done++; err == nil && o.Progress != nil {
				o.Progress(done, len(results), r)
			}
			return err
		})
	}
	err := group.Wait()
	return slices.DeleteFunc(results, func(r *Result) bool { return r == nil }), err
}

// runFile runs one file in one mode. Its error is one of the databases.
func runFile(ctx context.Context, p Provider, o *Options, result *Result) error {
	path := filepath.Join(o.Root, result.File)
	f, err := ReadFile(path)
	if err != nil {
		result.Err = err
		return nil
	}
	start := time.Now()
	result.Outcomes, result.classes = make([]Outcome, len(f.Records)), make([]class, len(f.Records))
	for i, r := range f.Records {
		result.classes[i] = classOf(r.Command)
	}
	passes := compile(f, result.Mode, o.Group, append([]string{protocol(o.Extended)}, o.Labels...), sample(f, o.Sample))
	for n, steps := range passes {
		if err := runPass(ctx, p, o, f, result, steps, n); err != nil {
			return fmt.Errorf("%s, %s: %w", result.File, result.Mode, err)
		}
	}
	result.Passes, result.Time = len(passes), time.Since(start)
	slices.SortFunc(result.Findings, func(a, b Finding) int { return a.Record - b.Record })
	if o.Record {
		result.Err = errors.Join(result.Err, write(path, f))
	}
	return nil
}

// protocol is the label of the kind of messages that SQL is sent by.
func protocol(extended bool) string {
	if extended {
		return "extended"
	}
	return "simple"
}

// sample chooses about n queries of a file, evenly; nil is all.
func sample(f *File, n int) func(int) bool {
	total := 0
	place := make([]int, len(f.Records))
	for i, r := range f.Records {
		if _, ok := r.Command.(*Query); ok {
			place[i] = total
			total++
		}
	}
	if n <= 0 || total <= n {
		return nil
	}
	every := (total + n - 1) / n
	return func(record int) bool { return place[record]%every == 0 }
}

// runPass runs the steps over an empty database.
func runPass(ctx context.Context, p Provider, o *Options, f *File, result *Result, steps pass, n int) (err error) {
	database, err := p.Acquire(ctx)
	if err != nil {
		return err
	}
	run := &running{options: o, file: f, result: result, database: database.URL, again: n > 0, sessions: map[string]*client{}, live: map[int]bool{}}
	defer func() {
		run.close()
		// What was interrupted is cleaned up all the same.
		err = errors.Join(err, database.Release(context.WithoutCancel(ctx)))
	}()
	for _, s := range steps {
		if err := run.step(ctx, s); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			result.Err = err
			return nil
		}
	}
	return nil
}

// running is a pass under way.
type running struct {
	options   *Options
	file      *File
	result    *Result
	database  string
	again     bool // not the first pass: its statements were judged
	sessions  map[string]*client
	taint     taint
	live      map[int]bool // records whose views exist
	threshold int
}

func (r *running) close() {
	for _, c := range r.sessions {
		c.close()
	}
}

// session returns the session of a record, which it opens where needed.
func (r *running) session(ctx context.Context, name string) (*client, error) {
	if c := r.sessions[name]; c != nil {
		return c, nil
	}
	c, err := connect(ctx, r.database, r.options.Timeout, r.options.Settings)
	if err != nil {
		return nil, err
	}
	c.extended = r.options.Extended
	r.sessions[name] = c
	return c, nil
}

// step does one step. Its error ends the file.
func (r *running) step(ctx context.Context, s step) error {
	record := r.file.Records[s.record]
	switch s.action {
	case setThreshold:
		r.threshold = record.Command.(*HashThreshold).Values
		return nil
	case runStatement:
		return r.statement(ctx, s.record, record, record.Command.(*Statement))
	case dropViews:
		return r.drop(ctx, s, record)
	}
	return r.query(ctx, s, record, record.Command.(*Query))
}

// exec runs SQL in a record's session and times it. A session that is lost is
// replaced at the next record.
func (r *running) exec(ctx context.Context, record *Record, kind timing, sql string) (*reply, error) {
	c, err := r.session(ctx, record.Connection)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	answer, err := c.exec(ctx, sql)
	r.result.Timings[kind].add(time.Since(start))
	if errors.Is(err, errLost) {
		c.close()
		delete(r.sessions, record.Connection)
		r.taint.all = true // its settings and its transaction are gone
	}
	return answer, err
}

func (r *running) statement(ctx context.Context, index int, record *Record, s *Statement) error {
	w := words(s.SQL)
	kind := timeOther
	if kindOf(w) == isChange {
		kind = timeChange
	}
	reached := r.taint.reaches(w)
	answer, err := r.exec(ctx, record, kind, r.plain(s.SQL))
	if err := fatal(err); err != nil {
		return err
	}
	if r.options.Record {
		recordStatement(s, answer, err)
	}
	outcome, reason := judgeStatement(s, answer, err)
	done := (err == nil) != s.Fails
	if !s.Fails || !done {
		c := r.sessions[record.Connection]
		r.taint.note(w, !done, c != nil && c.aborted())
	}
	r.judge(index, outcome, reason, reached, nil, nil, err)
	return nil
}

// fatal returns the errors that end the file: those of a server that cannot be
// reached, not those of a statement.
func fatal(err error) error {
	var refused *serverError
	if err == nil || errors.As(err, &refused) || errors.Is(err, errLost) {
		return nil
	}
	return err
}

func (r *running) query(ctx context.Context, s step, record *Record, q *Query) error {
	sql, kind := q.SQL, timeQuery
	switch s.action {
	case makeView:
		sql, kind = r.createView(s.record, q), timeMake
	case readView:
		if !r.live[s.record] {
			return nil // it was judged when it was made
		}
		sql, kind = "SELECT * FROM "+viewName(s.record), timeRead
	}
	w := words(q.SQL)
	reached := r.taint.reaches(w)
	answer, err := r.exec(ctx, record, kind, sql)
	if err := fatal(err); err != nil {
		return err
	}
	switch s.action {
	case makeView:
		if r.live[s.record] = err == nil; err == nil {
			return nil
		}
	case askQuery, doQuery:
		if kindOf(w) == isChange {
			c := r.sessions[record.Connection]
			r.taint.note(w, err != nil, c != nil && c.aborted())
		}
	}
	switch {
	case s.action == doQuery:
		r.judge(s.record, Skipped, whySkipped(q), false, nil, nil, nil)
		return nil
	case r.options.Record:
		return recordQuery(q, answer, err, r.threshold)
	}
	outcome, reason := judgeQuery(q, answer, err, s.action == readView)
	var got []string
	if answer != nil {
		got = answer.lines
	}
	r.judge(s.record, outcome, reason, reached, q.Answer.lines(), got, err)
	return nil
}

func whySkipped(q *Query) string {
	if why, no := q.noView(); no {
		return "no view: " + why
	}
	return "no view: in a transaction"
}

// judge notes an outcome. A record that is not right because of what failed
// before is tainted; reached says that it depends on that.
func (r *running) judge(index int, o Outcome, reason string, reached bool, want, got []string, err error) {
	if r.again && r.result.Outcomes[index] != Unjudged {
		return
	}
	var refused *serverError
	inFailed := errors.As(err, &refused) && refused.code == "25P02"
	if o != Right && o != Skipped && (reached || inFailed) {
		o = Tainted
	}
	r.result.Outcomes[index] = o
	if o == Right {
		return
	}
	record := r.file.Records[index]
	r.result.Findings = append(r.result.Findings, Finding{
		Record: index + 1, Line: record.Line, Outcome: o, SQL: sqlOf(record.Command), Reason: reason, Want: cut(want), Got: cut(got),
	})
}

// shownRows bounds the rows of an answer that a finding keeps.
const shownRows = 20

func cut(lines []string) []string {
	if len(lines) <= shownRows {
		return lines
	}
	return append(append([]string(nil), lines[:shownRows]...), fmt.Sprintf("... %d rows", len(lines)))
}

func sqlOf(c Command) string {
	switch c := c.(type) {
	case *Statement:
		return c.SQL
	case *Query:
		return c.SQL
	}
	return ""
}

func viewName(record int) string { return fmt.Sprintf("slt_v%d", record+1) }

// viewKind is what a view that follows its tables is called.
func (r *running) viewKind() string {
	if r.options.PlainViews {
		return "VIEW"
	}
	return "MATERIALIZED VIEW"
}

// createView makes a query a view. Names of its columns are given, as a query's
// may be missing or there twice.
func (r *running) createView(record int, q *Query) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE %s %s (", r.viewKind(), viewName(record))
	for i := range q.Types {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "c%d", i+1)
	}
	b.WriteString(") AS\n" + strings.TrimRight(q.SQL, " \t\n;"))
	return b.String()
}

// drop drops the views of the step's records.
func (r *running) drop(ctx context.Context, s step, record *Record) error {
	var names []string
	for i := s.record; i <= s.last; i++ {
		if r.live[i] {
			names = append(names, viewName(i))
			delete(r.live, i)
		}
	}
	if len(names) == 0 {
		return nil
	}
	_, err := r.exec(ctx, record, timeDrop, "DROP "+r.viewKind()+" IF EXISTS "+strings.Join(names, ", "))
	if refused := (*serverError)(nil); errors.As(err, &refused) {
		return fmt.Errorf("drop views: %w", err)
	}
	return fatal(err)
}

var materialized = regexp.MustCompile(`(?i)^(\s*(?:create|drop)\s+)materialized\s+(view)`)

// plain makes the files' own materialized views plain ones where that is asked.
func (r *running) plain(sql string) string {
	if !r.options.PlainViews {
		return sql
	}
	return materialized.ReplaceAllString(sql, "$1$2")
}
