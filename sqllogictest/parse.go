package sqllogictest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// maxFile bounds what a compressed file unpacks to.
const maxFile = 256 << 20

// ReadFile parses a file; one whose name ends in .gz is unpacked first.
func ReadFile(path string) (*File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(path, ".gz") {
		if text, err = unpack(text); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	f, err := Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}
	return f, nil
}

func unpack(packed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("it unpacks to more than %d bytes", maxFile)
	}
	return text, err
}

// Parse reads the text of a file. Its errors begin with the line.
func Parse(text string) (*File, error) {
	p := &parser{lines: splitLines(text)}
	f := &File{}
	for {
		r, err := p.record()
		if err != nil {
			return nil, fmt.Errorf("%d: %w", p.at, err)
		}
		if r == nil {
			return f, nil
		}
		f.Records = append(f.Records, r)
	}
}

// splitLines cuts a text into lines. Carriage returns at the end of a line belong
// to its end, in the last line, too: printed before a line feed they would.
func splitLines(text string) []string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, "\r")
	}
	return lines
}

type parser struct {
	lines []string
	at    int // lines read
}

// next returns the next line, "" at the end.
func (p *parser) next() string {
	if p.at == len(p.lines) {
		return ""
	}
	p.at++
	return p.lines[p.at-1]
}

// block returns the lines up to the next empty one, which it takes, too.
func (p *parser) block() []string {
	from := p.at
	for p.at < len(p.lines) && p.lines[p.at] != "" {
		p.at++
	}
	lines := p.lines[from:p.at]
	p.next()
	return lines
}

// record returns the next record, nil at the end.
func (p *parser) record() (*Record, error) {
	for p.at < len(p.lines) && p.lines[p.at] == "" {
		p.at++
	}
	if p.at == len(p.lines) {
		return nil, nil
	}
	r := &Record{}
	var notes notes
	for {
		line := p.next()
		r.Line = p.at
		switch word, rest, _ := strings.Cut(line, " "); {
		case strings.HasPrefix(line, "#"):
			if !notes.take(line) {
				r.Comments = append(r.Comments, line)
			}
		case line == "":
			return r.remark(notes)
		case word == "skipif", word == "onlyif":
			r.Conditions = append(r.Conditions, Condition{Only: word == "onlyif", Label: rest})
			if err := single(rest); err != nil {
				return nil, err
			}
		case word == "connection":
			if r.Connection = rest; single(rest) != nil {
				return nil, single(rest)
			}
		default:
			return r, p.command(r, word, rest, notes)
		}
	}
}

// single checks that a line's argument is one word.
func single(argument string) error {
	if argument == "" || strings.ContainsAny(argument, " \t") {
		return fmt.Errorf("expected one word, not %q", argument)
	}
	return nil
}

// notes are the comments that mean something to the command below them.
type notes struct {
	sqlstate, view, feat string
	lines                []string
}

func (n *notes) take(line string) bool {
	if code, ok := strings.CutPrefix(line, "# sqlstate "); ok && len(code) == 5 {
		n.sqlstate = code
	} else if tag, ok := strings.CutPrefix(line, "# view: "); ok && tag != "" && tag[0] != ' ' {
		n.view, n.feat, _ = strings.Cut(tag, "  feat: ")
	} else {
		return false
	}
	n.lines = append(n.lines, line)
	return true
}

// remark makes a record of comments that no command follows.
func (r *Record) remark(n notes) (*Record, error) {
	if len(r.Conditions) > 0 || r.Connection != "" {
		return nil, fmt.Errorf("a condition or connection without a command")
	}
	r.Command = &Remark{Lines: append(r.Comments, n.lines...)}
	r.Comments = nil
	return r, nil
}

func (p *parser) command(r *Record, word, rest string, n notes) error {
	switch word {
	case "statement":
		return p.statement(r, rest, n)
	case "query":
		return p.query(r, rest, n)
	case "hash-threshold":
		values, err := strconv.Atoi(rest)
		if err != nil || values < 0 {
			return fmt.Errorf("hash-threshold needs a number of values, not %q", rest)
		}
		r.Command = &HashThreshold{Values: values}
	case "halt":
		r.Command = &Halt{}
	default:
		return fmt.Errorf("unknown command %q", word)
	}
	r.Comments = append(r.Comments, n.lines...)
	if p.next() != "" {
		return fmt.Errorf("%s takes no further lines", word)
	}
	return nil
}

func (p *parser) statement(r *Record, rest string, n notes) error {
	s := &Statement{Count: -1}
	word, argument, _ := strings.Cut(rest, " ")
	switch {
	case rest == "ok":
	case rest == "error":
		s.Fails, s.SQLState = true, n.sqlstate
		n.sqlstate = ""
	case word == "count":
		count, err := strconv.ParseInt(argument, 10, 64)
		if err != nil || count < 0 {
			return fmt.Errorf("statement count needs a number of rows, not %q", argument)
		}
		s.Count = count
	default:
		return fmt.Errorf("expected statement ok, error or count, not %q", rest)
	}
	if n.sqlstate != "" || n.view != "" {
		return fmt.Errorf("the comment %q does not fit its command", n.lines[0])
	}
	sql := p.block()
	if len(sql) == 0 {
		return fmt.Errorf("a statement without SQL")
	}
	s.SQL = strings.Join(sql, "\n")
	r.Command = s
	return nil
}

func (p *parser) query(r *Record, rest string, n notes) error {
	q := &Query{Sort: RowSort, View: n.view, Feat: n.feat}
	words := strings.Fields(rest)
	if len(words) > 3 || n.sqlstate != "" {
		return fmt.Errorf("expected query <types> <sort> <label> without a sqlstate, not %q", rest)
	}
	if len(words) > 0 {
		if q.Types = words[0]; strings.Trim(q.Types, "IRFBT") != "" {
			return fmt.Errorf("the types of a query are letters of IRFBT, not %q", q.Types)
		}
	}
	if len(words) > 1 {
		var ok bool
		if q.Sort, ok = parseSort(words[1]); !ok {
			return fmt.Errorf("unknown sort mode %q", words[1])
		}
	}
	if len(words) > 2 {
		q.Label = words[2]
	}
	lines := p.block()
	answer := len(lines)
	for i, line := range lines {
		if line == "----" {
			answer = i
			break
		}
	}
	if answer == 0 {
		return fmt.Errorf("a query without SQL")
	}
	q.SQL = strings.Join(lines[:answer], "\n")
	if answer < len(lines) {
		q.Answer = parseAnswer(lines[answer+1:])
	}
	r.Command = q
	return nil
}

func parseAnswer(rows []string) Answer {
	if len(rows) == 1 {
		if h, ok := parseHash(rows[0]); ok {
			return Answer{Hash: &h}
		}
	}
	return Answer{Rows: rows}
}

// parseHash reads "N values hashing to MD5".
func parseHash(line string) (h Hash, ok bool) {
	count, sum, ok := strings.Cut(line, " values hashing to ")
	if !ok || len(sum) != 32 || strings.Trim(sum, "0123456789abcdef") != "" {
		return Hash{}, false
	}
	values, err := strconv.Atoi(count)
	if err != nil || values < 0 || strconv.Itoa(values) != count {
		return Hash{}, false
	}
	return Hash{Values: values, MD5: sum}, true
}
