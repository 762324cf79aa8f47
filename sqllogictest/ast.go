package sqllogictest

// File is a parsed file.
type File struct {
	Records []*Record
}

// Record is one command of a file with what stands before it.
type Record struct {
	Line       int      // of the command, from 1
	Comments   []string // lines directly before the command, with their '#'
	Conditions []Condition
	Connection string // the session that runs it; "" is the file's first
	Command    Command
}

// Condition limits a record to servers with a label (onlyif) or without it
// (skipif).
type Condition struct {
	Only  bool
	Label string
}

// Command is what a record does: *Statement, *Query, *Remark, *HashThreshold or
// *Halt.
type Command interface{ command() }

// Statement must succeed or fail.
type Statement struct {
	SQL      string
	Fails    bool   // statement error
	SQLState string // that it fails with; "" is any
	Count    int64  // rows that it reports (statement count N); -1 is not compared
}

// Query must give an answer.
type Query struct {
	SQL    string
	Types  string // a letter per column
	Sort   Sort
	Label  string
	View   string // the tag of its comment "# view:", "" where there is none
	Feat   string // the features that the comment names, as written
	Answer Answer
}

// Answer is what a query returns: rows, columns parted by TAB, or their hash.
type Answer struct {
	Rows []string
	Hash *Hash
}

// Hash stands for a large answer: the MD5 of every value followed by a newline,
// row by row, after the sort.
type Hash struct {
	Values int
	MD5    string
}

// Remark is a block of comments that belongs to no command.
type Remark struct{ Lines []string }

// HashThreshold bounds the values that are recorded as rows from here on; 0 is
// no bound.
type HashThreshold struct{ Values int }

// Halt ends the file.
type Halt struct{}

func (*Statement) command()     {}
func (*Query) command()         {}
func (*Remark) command()        {}
func (*HashThreshold) command() {}
func (*Halt) command()          {}

// Sort is how both sides are ordered before they are compared.
type Sort int

// The sort modes.
const (
	NoSort    Sort = iota // the query asks for its order
	RowSort               // by the whole line
	ValueSort             // every value by itself
)

var sortNames = [...]string{"nosort", "rowsort", "valuesort"}

func (s Sort) String() string { return sortNames[s] }

func parseSort(word string) (Sort, bool) {
	for i, name := range sortNames {
		if name == word {
			return Sort(i), true
		}
	}
	return 0, false
}

// noView says whether the tag keeps a query from being a view, and why.
func (q *Query) noView() (why string, no bool) {
	const prefix = "no:"
	if len(q.View) >= len(prefix) && q.View[:len(prefix)] == prefix {
		return q.View[len(prefix):], true
	}
	return "", false
}
