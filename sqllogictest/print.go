package sqllogictest

import (
	"fmt"
	"strings"
)

// String prints the file in the canonical form: what Parse reads from it is the
// same file, but for the numbers of lines.
func (f *File) String() string {
	var b strings.Builder
	for i, r := range f.Records {
		if i > 0 {
			b.WriteByte('\n')
		}
		r.print(&b)
	}
	return b.String()
}

func (r *Record) print(b *strings.Builder) {
	for _, line := range r.Comments {
		fmt.Fprintln(b, line)
	}
	switch c := r.Command.(type) {
	case *Statement:
		if c.SQLState != "" {
			fmt.Fprintln(b, "# sqlstate", c.SQLState)
		}
	case *Query:
		if c.View != "" {
			b.WriteString("# view: " + c.View)
			if c.Feat != "" {
				b.WriteString("  feat: " + c.Feat)
			}
			b.WriteByte('\n')
		}
	}
	for _, c := range r.Conditions {
		word := "skipif"
		if c.Only {
			word = "onlyif"
		}
		fmt.Fprintln(b, word, c.Label)
	}
	if r.Connection != "" {
		fmt.Fprintln(b, "connection", r.Connection)
	}
	printCommand(b, r.Command)
}

func printCommand(b *strings.Builder, command Command) {
	switch c := command.(type) {
	case *Statement:
		switch {
		case c.Fails:
			b.WriteString("statement error\n")
		case c.Count >= 0:
			fmt.Fprintf(b, "statement count %d\n", c.Count)
		default:
			b.WriteString("statement ok\n")
		}
		b.WriteString(c.SQL + "\n")
	case *Query:
		printQuery(b, c)
	case *Remark:
		for _, line := range c.Lines {
			fmt.Fprintln(b, line)
		}
	case *HashThreshold:
		fmt.Fprintf(b, "hash-threshold %d\n", c.Values)
	case *Halt:
		b.WriteString("halt\n")
	}
}

func printQuery(b *strings.Builder, q *Query) {
	b.WriteString("query")
	if q.Types != "" {
		fmt.Fprintf(b, " %s %s", q.Types, q.Sort)
		if q.Label != "" {
			b.WriteString(" " + q.Label)
		}
	}
	b.WriteString("\n" + q.SQL + "\n----\n")
	q.Answer.print(b)
}

func (a Answer) print(b *strings.Builder) {
	if a.Hash != nil {
		fmt.Fprintf(b, "%d values hashing to %s\n", a.Hash.Values, a.Hash.MD5)
		return
	}
	for _, row := range a.Rows {
		b.WriteString(row + "\n")
	}
}
