package sqllogictest

import (
	"fmt"
	"time"
)

// Outcome is what became of a record.
type Outcome uint8

// The outcomes. Wrong and Failed are defects of the server; Refused is not
// supported and says so.
const (
	Unjudged  Outcome = iota // not run, or nothing to judge
	Right                    // what the file says
	Refused                  // 0A000
	Wrong                    // another answer
	Failed                   // an error where the file has none, or none where it has one
	OtherCode                // an error with another SQLSTATE
	Tainted                  // not right, but a statement before it had failed
	Skipped                  // not possible in this mode
	outcomes                 // how many there are
)

var outcomeNames = [outcomes]string{"unjudged", "right", "refused", "wrong", "failed", "other code", "tainted", "skipped"}

func (o Outcome) String() string { return outcomeNames[o] }

// Finding is a record that is not right.
type Finding struct {
	Record  int // from 1
	Line    int
	Outcome Outcome
	SQL     string
	Reason  string // the server's error, or what differs
	Want    []string
	Got     []string
}

// class is what a record is counted as.
type class uint8

const (
	notCounted class = iota
	statements       // statement ok and count
	errorsOf         // statement error
	queries
	classes
)

var classNames = [classes]string{"", "statements", "errors", "queries"}

// Result is what a file gave in a mode.
type Result struct {
	File     string
	Mode     Mode
	Outcomes []Outcome // per record
	Findings []Finding
	Passes   int
	Time     time.Duration
	Timings  [timings]Timing
	Err      error // why the file could not be run to its end

	classes []class // per record
}

// timing is what kinds of steps are timed by.
type timing uint8

const (
	timeChange timing = iota
	timeOther
	timeQuery
	timeMake
	timeRead
	timeDrop
	timings
)

var timingNames = [timings]string{"INSERT, UPDATE, DELETE", "other statements", "queries", "CREATE VIEW", "read of a view", "DROP VIEW"}

// Timing sums up how long steps of a kind took.
type Timing struct {
	Count int
	Total time.Duration
	Max   time.Duration
}

func (t *Timing) add(d time.Duration) {
	t.Count++
	t.Total += d
	t.Max = max(t.Max, d)
}

func (t *Timing) merge(o Timing) {
	t.Count += o.Count
	t.Total += o.Total
	t.Max = max(t.Max, o.Max)
}

// Tally counts the records of a class by outcome.
type Tally [outcomes]int

// Judged is how many records could have been right.
func (t Tally) Judged() int {
	n := 0
	for o := Right; o < Skipped; o++ {
		n += t[o]
	}
	return n
}

// tally counts a result's records.
func (r *Result) tally() (t [classes]Tally) {
	for i, o := range r.Outcomes {
		if r.classes[i] != notCounted {
			t[r.classes[i]][o]++
		}
	}
	return t
}

func classOf(c Command) class {
	switch c := c.(type) {
	case *Query:
		return queries
	case *Statement:
		if c.Fails {
			return errorsOf
		}
		return statements
	}
	return notCounted
}

// String is the line of a file's progress.
func (r *Result) String() string {
	if r.Err != nil {
		return fmt.Sprintf("%s (%s): %v", r.File, r.Mode, r.Err)
	}
	var sum Tally
	for _, t := range r.tally() {
		for o := Right; o < outcomes; o++ {
			sum[o] += t[o]
		}
	}
	text := fmt.Sprintf("%s (%s) %.1fs: %d right", r.File, r.Mode, r.Time.Seconds(), sum[Right])
	for o := Refused; o < outcomes; o++ {
		if sum[o] > 0 {
			text += fmt.Sprintf(", %d %s", sum[o], o)
		}
	}
	return text
}
