package sqllogictest

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Ratchet lists, per file and mode, the records that are expected not to be
// right. All others must be right, and a wrong answer must be listed as one: so
// what was right once stays right, and what was refused is not answered wrongly.
//
// Its text has a line per file and mode: the mode, the file, the number of its
// records and the exceptions as letters of outcomes with records and ranges:
//
//	views sub/select.slt 120 refused=4,7-9 wrong=17
type Ratchet struct {
	path    string
	entries map[string]*exceptions // by mode and file
}

type exceptions struct {
	records int
	by      map[int]Outcome // by record, from 1
}

// excused are the outcomes that the ratchet lists, in its order.
var excused = []Outcome{Wrong, Failed, Refused, OtherCode, Tainted}

// ReadRatchet reads a file; one that does not exist expects everything to be
// right.
func ReadRatchet(path string) (*Ratchet, error) {
	t := &Ratchet{path: path, entries: map[string]*exceptions{}}
	file, err := os.Open(path)
	if os.IsNotExist(err) {
		return t, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<24)
	for n := 1; lines.Scan(); n++ {
		if line := lines.Text(); line != "" && line[0] != '#' {
			if err := t.parse(line); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", path, n, err)
			}
		}
	}
	return t, lines.Err()
}

func (t *Ratchet) parse(line string) error {
	words := strings.Fields(line)
	if len(words) < 3 {
		return fmt.Errorf("expected mode, file and number of records")
	}
	records, err := strconv.Atoi(words[2])
	if err != nil {
		return fmt.Errorf("number of records: %w", err)
	}
	e := &exceptions{records: records, by: map[int]Outcome{}}
	for _, w := range words[3:] {
		name, list, _ := strings.Cut(w, "=")
		i := slices.IndexFunc(excused, func(o Outcome) bool { return strings.ReplaceAll(o.String(), " ", "-") == name })
		if i < 0 {
			return fmt.Errorf("unknown outcome %q", name)
		}
		for _, part := range strings.Split(list, ",") {
			from, to, err := parseRange(part)
			if err != nil || from < 1 || to > records {
				return fmt.Errorf("%q is no range of records", part)
			}
			for n := from; n <= to; n++ {
				e.by[n] = excused[i]
			}
		}
	}
	t.entries[words[0]+" "+words[1]] = e
	return nil
}

func parseRange(s string) (from, to int, err error) {
	first, last, isRange := strings.Cut(s, "-")
	if from, err = strconv.Atoi(first); err != nil || !isRange {
		return from, from, err
	}
	to, err = strconv.Atoi(last)
	return from, to, err
}

func key(r *Result) string { return r.Mode.String() + " " + r.File }

// of returns what is expected of a result's records.
func (t *Ratchet) of(r *Result) *exceptions {
	if e := t.entries[key(r)]; e != nil && e.records == len(r.Outcomes) {
		return e
	}
	return &exceptions{}
}

// worse says whether a record's outcome is one that its exception does not allow.
func worse(o, expected Outcome) bool {
	switch o {
	case Unjudged, Right, Skipped:
		return false
	case Wrong:
		return expected != Wrong
	}
	return expected == Unjudged
}

// faults returns the records of a result that must not be as they are: with a
// ratchet those that are worse than it says, else wrong answers and failures.
func (r *Result) faults(t *Ratchet) []Finding {
	var out []Finding
	var e *exceptions
	if t != nil {
		e = t.of(r)
	}
	for _, f := range r.Findings {
		if e != nil && worse(f.Outcome, e.by[f.Record]) || e == nil && (f.Outcome == Wrong || f.Outcome == Failed) {
			out = append(out, f)
		}
	}
	return out
}

// Faults is what makes a run fail: results with only their findings that must
// not be, or with an error.
func Faults(results []*Result, t *Ratchet) []*Result {
	var out []*Result
	for _, r := range results {
		if bad := r.faults(t); len(bad) > 0 || r.Err != nil {
			only := *r
			only.Findings = bad
			out = append(out, &only)
		}
	}
	return out
}

// Gains counts the records that the ratchet lists and that are right now.
func (t *Ratchet) Gains(results []*Result) int {
	n := 0
	for _, r := range results {
		for record := range t.of(r).by {
			if r.Outcomes[record-1] == Right {
				n++
			}
		}
	}
	return n
}

// Update takes the results over. Records that did not run keep what was said of
// them.
func (t *Ratchet) Update(results []*Result) {
	for _, r := range results {
		if r.Err != nil {
			continue
		}
		e := &exceptions{records: len(r.Outcomes), by: map[int]Outcome{}}
		before := t.of(r)
		for i, o := range r.Outcomes {
			if o == Unjudged {
				o = before.by[i+1]
			}
			if slices.Contains(excused, o) {
				e.by[i+1] = o
			}
		}
		t.entries[key(r)] = e
	}
}

// Write replaces the ratchet's file.
func (t *Ratchet) Write() error {
	var b strings.Builder
	b.WriteString("# Records that are not right: mode, file, number of records, exceptions by outcome.\n# Written by streamdb test --rewrite; review the diff: it should only shrink.\n")
	keys := make([]string, 0, len(t.entries))
	for k := range t.entries {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		if e := t.entries[k]; len(e.by) > 0 {
			fmt.Fprintf(&b, "%s %d%s\n", k, e.records, e)
		}
	}
	return os.WriteFile(t.path, []byte(b.String()), 0o644)
}

// String prints the exceptions by outcome, with records in ranges.
func (e *exceptions) String() string {
	var b strings.Builder
	for _, o := range excused {
		var records []int
		for n, have := range e.by {
			if have == o {
				records = append(records, n)
			}
		}
		sort.Ints(records)
		for i := 0; i < len(records); {
			j := i
			for j+1 < len(records) && records[j+1] == records[j]+1 {
				j++
			}
			switch {
			case i == 0:
				b.WriteString(" " + strings.ReplaceAll(o.String(), " ", "-") + "=")
			default:
				b.WriteByte(',')
			}
			b.WriteString(strconv.Itoa(records[i]))
			if j > i {
				b.WriteString("-" + strconv.Itoa(records[j]))
			}
			i = j + 1
		}
	}
	return b.String()
}
