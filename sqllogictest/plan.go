package sqllogictest

import (
	"fmt"
	"strings"
)

// Mode is how queries are asked.
type Mode int

// The modes; the package comment explains them.
const (
	Direct Mode = iota
	Views
	AfterData
)

var modeNames = [...]string{"direct", "views", "after-data"}

func (m Mode) String() string { return modeNames[m] }

// ParseMode reads the name of a mode.
func ParseMode(name string) (Mode, error) {
	for i, n := range modeNames {
		if n == name {
			return Mode(i), nil
		}
	}
	return 0, fmt.Errorf("unknown mode %q: expected one of %s", name, strings.Join(modeNames[:], ", "))
}

// action is what a step does with its record.
type action int

const (
	runStatement action = iota
	askQuery            // as it stands, and judged
	doQuery             // as it stands, for its effects only
	makeView
	readView
	dropViews // of all records from record to last
	setThreshold
)

var actionNames = [...]string{"run", "ask", "do", "make", "read", "drop", "threshold"}

// step is one thing that a pass does.
type step struct {
	action action
	record int // index in File.Records
	last   int // of dropViews
}

func (s step) String() string {
	if s.action == dropViews && s.last != s.record {
		return fmt.Sprintf("drop %d-%d", s.record, s.last)
	}
	return fmt.Sprintf("%s %d", actionNames[s.action], s.record)
}

// pass is a run over an empty database. The first one judges the statements.
type pass []step

// compile turns records into passes. labels are what skipif and onlyif compare
// with; wanted says which queries are of interest, nil is all.
func compile(f *File, mode Mode, group int, labels []string, wanted func(record int) bool) []pass {
	c := &compiler{file: f, labels: labels, wanted: wanted, open: map[string]bool{}, group: group}
	if group <= 0 {
		c.group = len(f.Records) + 1
	}
	c.scan()
	switch mode {
	case Views:
		return c.viewPasses()
	case AfterData:
		return []pass{c.afterData()}
	}
	return []pass{c.direct()}
}

// item is a record that is run, with what the compiler found out about it.
type item struct {
	record  int
	kind    kind
	query   *Query // nil: a statement
	isView  bool   // the query may be a view
	segment int    // counts barriers
	place   int    // of a view in its segment
}

type compiler struct {
	file   *File
	labels []string
	wanted func(int) bool
	group  int
	items  []item
	open   map[string]bool // connections in a transaction
	// viewsIn counts the queries of each segment that may be views.
	viewsIn []int
}

// scan finds the records that are run and their segments: the parts between two
// statements that are more than changes of rows.
func (c *compiler) scan() {
	c.viewsIn = []int{0}
	for i, r := range c.file.Records {
		if !applies(r.Conditions, c.labels) {
			continue
		}
		it := item{record: i, segment: len(c.viewsIn) - 1}
		switch command := r.Command.(type) {
		case *Halt:
			return
		case *Statement:
			it.kind = kindOf(words(command.SQL))
			c.transaction(r, command, it.kind)
			if it.kind != isChange {
				c.viewsIn = append(c.viewsIn, 0)
			}
		case *Query:
			_, no := command.noView()
			it.query, it.isView = command, !no && !c.open[r.Connection] && command.Types != ""
			if it.isView && c.wants(i) {
				it.place = c.viewsIn[it.segment]
				c.viewsIn[it.segment]++
			}
		case *HashThreshold:
		default:
			continue
		}
		c.items = append(c.items, it)
	}
}

func (c *compiler) wants(record int) bool { return c.wanted == nil || c.wanted(record) }

func (c *compiler) transaction(r *Record, s *Statement, k kind) {
	switch {
	case s.Fails:
	case k == isBegin:
		c.open[r.Connection] = true
	case k == isEnd:
		delete(c.open, r.Connection)
	}
}

func applies(conditions []Condition, labels []string) bool {
	for _, c := range conditions {
		has := false
		for _, l := range labels {
			has = has || l == c.Label
		}
		if has != c.Only {
			return false
		}
	}
	return true
}

func (c *compiler) direct() pass {
	var p pass
	for _, it := range c.items {
		switch {
		case it.query == nil:
			p = append(p, c.other(it))
		case c.wants(it.record):
			p = append(p, step{action: askQuery, record: it.record})
		case c.effective(it):
			p = append(p, step{action: doQuery, record: it.record})
		}
	}
	return p
}

// effective says whether a query that is of no interest runs all the same: it
// may change something.
func (c *compiler) effective(it item) bool {
	if it.isView {
		return false
	}
	_, no := it.query.noView()
	return no && it.query.View != orderDependent
}

// other is the step of a record that is no query.
func (c *compiler) other(it item) step {
	if _, ok := c.file.Records[it.record].Command.(*HashThreshold); ok {
		return step{action: setThreshold, record: it.record}
	}
	return step{action: runStatement, record: it.record}
}

// viewPasses makes as many passes as the fullest segment has groups.
func (c *compiler) viewPasses() []pass {
	passes := 1
	for _, n := range c.viewsIn {
		passes = max(passes, (n+c.group-1)/c.group)
	}
	out := make([]pass, passes)
	for n := range out {
		out[n] = c.viewPass(n)
	}
	return out
}

// viewPass makes the n-th group of views of each segment at its beginning and
// reads each where its query stands. It ends with the last view.
func (c *compiler) viewPass(n int) pass {
	var p pass
	segment, useful := -1, 0
	drop := pendingDrops{}
	for i, it := range c.items {
		if it.segment != segment {
			segment = it.segment
			p = append(p, c.makeViews(i, n)...)
		}
		switch {
		case it.query == nil:
			p = append(drop.flush(p), c.other(it))
		case it.isView && c.wants(it.record) && it.place/c.group == n:
			p = append(p, step{action: readView, record: it.record})
			drop.add(it.record)
			useful = len(p)
		case c.effective(it) || !it.isView && n == 0 && c.wants(it.record):
			p = append(drop.flush(p), step{action: doQuery, record: it.record})
		}
	}
	if n > 0 {
		return p[:useful] // the database is emptied anyway
	}
	return drop.flush(p)
}

// makeViews makes the n-th group of views of the segment that begins at item i.
func (c *compiler) makeViews(i, n int) pass {
	var p pass
	for _, it := range c.items[i:] {
		if it.segment != c.items[i].segment {
			break
		}
		if it.isView && c.wants(it.record) && it.place/c.group == n {
			p = append(p, step{action: makeView, record: it.record})
		}
	}
	return p
}

// afterData makes the views of up to a group of queries that no statement parts,
// reads them and drops them.
func (c *compiler) afterData() pass {
	var p, reads pass
	drop := pendingDrops{}
	flush := func() {
		p = drop.flush(append(p, reads...))
		reads = nil
	}
	for _, it := range c.items {
		switch {
		case it.isView && c.wants(it.record):
			p = append(p, step{action: makeView, record: it.record})
			reads = append(reads, step{action: readView, record: it.record})
			drop.add(it.record)
			if len(reads) >= c.group {
				flush()
			}
		case it.query == nil:
			flush()
			p = append(p, c.other(it))
		case c.effective(it) || !it.isView && c.wants(it.record):
			flush()
			p = append(p, step{action: doQuery, record: it.record})
		}
	}
	flush()
	return p
}

// pendingDrops are views that were read and are dropped together before the next
// statement.
type pendingDrops struct{ records []int }

func (d *pendingDrops) add(record int) { d.records = append(d.records, record) }

func (d *pendingDrops) flush(p pass) pass {
	if len(d.records) > 0 {
		p = append(p, step{action: dropViews, record: d.records[0], last: d.records[len(d.records)-1]})
		d.records = nil
	}
	return p
}
