package docs

import (
	"fmt"
	"os"
	"strings"
)

// page is a Markdown file cut into what is of interest here: fenced blocks and
// comments that begin with "test:". Lines are kept as they are, so that a page
// can be written back with other contents of its blocks.
type page struct {
	path  string
	lines []string
	items []item
}

// item is a fenced block or a directive. from and to are the lines of its body,
// to exclusive.
type item struct {
	lang     string // of a block; "" for a directive
	verb     string // of a directive
	args     string
	from, to int
	open     int // line of the opening fence or comment
}

// body returns the lines of an item.
func (p *page) body(it *item) []string { return p.lines[it.from:it.to] }

func readPage(path string) (*page, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p := &page{path: path, lines: strings.Split(string(text), "\n")}
	for i := 0; i < len(p.lines); i++ {
		line := p.lines[i]
		switch {
		case strings.HasPrefix(line, "```"):
			end := p.find(i+1, func(s string) bool { return s == "```" })
			if end < 0 {
				return nil, fmt.Errorf("%s:%d: the block does not end", path, i+1)
			}
			p.items = append(p.items, item{lang: language(line), from: i + 1, to: end, open: i})
			i = end
		case strings.HasPrefix(line, "<!-- test:"):
			end := p.find(i, func(s string) bool { return strings.HasSuffix(s, "-->") })
			if end < 0 {
				return nil, fmt.Errorf("%s:%d: the comment does not end", path, i+1)
			}
			p.items = append(p.items, directive(line, i, end))
			i = end
		}
	}
	return p, nil
}

// language is what a fence says of its block; a block that says nothing is plain.
func language(fence string) string {
	if lang := strings.TrimPrefix(fence, "```"); lang != "" {
		return lang
	}
	return "plain"
}

func directive(line string, open, end int) item {
	head := strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(line, "<!-- test:"), "-->"))
	verb, args, _ := strings.Cut(head, " ")
	it := item{verb: verb, args: strings.TrimSpace(args), open: open, from: open + 1, to: max(end, open+1)}
	if open == end {
		it.to = it.from
	}
	return it
}

func (p *page) find(from int, match func(string) bool) int {
	for i := from; i < len(p.lines); i++ {
		if match(p.lines[i]) {
			return i
		}
	}
	return -1
}

// answer returns the text block that shows what item i printed: the next one,
// if only blank lines lie between, else nil.
func (p *page) answer(i int) *item {
	if i+1 >= len(p.items) || p.items[i+1].lang != "text" {
		return nil
	}
	for _, line := range p.lines[p.items[i].to+1 : p.items[i+1].open] {
		if strings.TrimSpace(line) != "" {
			return nil
		}
	}
	return &p.items[i+1]
}

// replace gives blocks other bodies and writes the page. The blocks are given
// by their opening lines.
func (p *page) replace(bodies map[int][]string) error {
	var out []string
	next := 0
	for i := range p.items {
		it := &p.items[i]
		body, ok := bodies[it.open]
		if !ok {
			continue
		}
		out = append(append(out, p.lines[next:it.from]...), body...)
		next = it.to
	}
	out = append(out, p.lines[next:]...)
	return os.WriteFile(p.path, []byte(strings.Join(out, "\n")), 0o644)
}
