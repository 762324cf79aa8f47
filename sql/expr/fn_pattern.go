package expr

import (
	"bytes"
	"unicode/utf8"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

func (t *tables) addPattern() {
	for _, typ := range []string{"text", "name", "bpchar", "bytea"} {
		args := "(" + typ + ",text) bool"
		if typ == "bytea" {
			args = "(bytea,bytea) bool"
		}
		t.op("~~", t.fn(typ+"like"+args, likeMaker(false)))
		t.op("!~~", t.fn(typ+"nlike"+args, likeMaker(true)))
		if typ == "bytea" {
			continue
		}
		t.op("~~*", t.fn(typ+"iclike"+args, ilikeMaker(false)))
		t.op("!~~*", t.fn(typ+"icnlike"+args, ilikeMaker(true)))
		t.op("~", t.fn(typ+"regexeq"+args, matchMaker("", false)))
		t.op("!~", t.fn(typ+"regexne"+args, matchMaker("", true)))
		t.op("~*", t.fn(typ+"icregexeq"+args, matchMaker("i", false)))
		t.op("!~*", t.fn(typ+"icregexne"+args, matchMaker("i", true)))
	}
	t.fn("like(text,text) bool", likeMaker(false))
	t.fn("notlike(text,text) bool", likeMaker(true))
	t.fn("like_escape(text,text) text", app2e(likeEscape))
	t.fn("similar_to_escape(text,text) text", app2e(similarToRegex))
	t.fn("similar_to_escape(text) text", app1e(func(dst, p []byte) ([]byte, error) { return similarToRegex(dst, p, []byte(`\`)) }))
	t.addRegexFunctions()
}

// matchMaker makes the kernel of ~ and its kin.
func matchMaker(flags string, not bool) maker {
	return func(s *site) (kernel, error) {
		if d, ok := s.constant(1); ok {
			p, err := compilePattern(string(d.Bytes), flags)
			if err != nil {
				return nil, err
			}
			return fn2(func(a, _ []byte) bool { return p.re.Match(a) != not })(s)
		}
		cache := patternCache{}
		f := []byte(flags)
		return fn2e(func(a, src []byte) (bool, error) {
			p, err := cache.get(src, f)
			if err != nil {
				return false, err
			}
			return p.re.Match(a) != not, nil
		})(s)
	}
}

// spans checks that what a pattern matches is the same in every engine.
func (c *patternCache) spans(src, flags []byte) (*pattern, error) {
	p, err := c.get(src, flags)
	if err == nil && p.mixed {
		return nil, errPatternUnsupported("the mixture of greedy and non-greedy quantifiers")
	}
	return p, err
}

func (t *tables) addRegexFunctions() {
	t.fn("regexp_like(text,text) bool", matchMaker("", false))
	t.fn("regexp_like(text,text,text) bool", func(s *site) (kernel, error) {
		cache := &patternCache{}
		return fn3e(func(a, src, flags []byte) (bool, error) {
			if bytes.IndexByte(flags, 'g') >= 0 {
				return false, sqlerr.New(sqlerr.InvalidParameterValue, "regexp_like() does not support the \"global\" option")
			}
			p, err := cache.get(src, flags)
			if err != nil {
				return false, err
			}
			return p.re.Match(a), nil
		})(s)
	})
	t.fn("substring(text,text) text", func(s *site) (kernel, error) {
		cache := &patternCache{}
		return app2e(func(dst, a, src []byte) ([]byte, error) {
			p, err := cache.spans(src, nil)
			if err != nil {
				return dst, err
			}
			m := p.re.FindSubmatchIndex(a)
			at := min(2, len(m)-2) // the first group, or else the whole match
			if m == nil || m[at] < 0 {
				return dst, errNull
			}
			return append(dst, a[m[at]:m[at+1]]...), nil
		})(s)
	}, nullable)
	t.fn("regexp_count(text,text) int4", func(s *site) (kernel, error) {
		cache := &patternCache{}
		return fn2e(func(a, src []byte) (int64, error) {
			p, err := cache.spans(src, nil)
			if err != nil {
				return 0, err
			}
			all, err := p.all(a)
			return int64(len(all)), err
		})(s)
	})
	t.fn("regexp_substr(text,text) text", func(s *site) (kernel, error) {
		cache := &patternCache{}
		return app2e(func(dst, a, src []byte) ([]byte, error) {
			p, err := cache.spans(src, nil)
			if err != nil {
				return dst, err
			}
			m := p.re.FindIndex(a)
			if m == nil {
				return dst, errNull
			}
			return append(dst, a[m[0]:m[1]]...), nil
		})(s)
	}, nullable)
	t.fn("regexp_match(text,text) _text", regexpMatch, nullable)
	t.fn("regexp_match(text,text,text) _text", regexpMatch, nullable)
	t.fn("regexp_split_to_array(text,text) _text", regexpSplit)
	t.fn("regexp_split_to_array(text,text,text) _text", regexpSplit)
	t.fn("regexp_replace(text,text,text) text", regexpReplace)
	t.fn("regexp_replace(text,text,text,text) text", regexpReplace)
}

// regexpMatch returns the groups of the first match, or the match if there are
// none.
func regexpMatch(s *site) (kernel, error) {
	cache := &patternCache{}
	return appending(func(c *call) func([]byte, int) ([]byte, error) {
		a, src, flags := bound[[]byte](c, 0), bound[[]byte](c, 1), optional(c, 2)
		return func(dst []byte, row int) ([]byte, error) {
			f := flags(row)
			if bytes.IndexByte(f, 'g') >= 0 {
				return dst, sqlerr.New(sqlerr.InvalidParameterValue, "regexp_match() does not support the \"global\" option").
					WithHint("Use the regexp_matches function instead.")
			}
			p, err := cache.spans(src.at(row), f)
			if err != nil {
				return dst, err
			}
			text := a.at(row)
			m := p.re.FindSubmatchIndex(text)
			if m == nil {
				return dst, errNull
			}
			if len(m) > 2 {
				m = m[2:]
			}
			elems := make([]types.Datum, 0, len(m)/2)
			for i := 0; i < len(m); i += 2 {
				if m[i] < 0 {
					elems = append(elems, types.NullDatum())
				} else {
					elems = append(elems, types.Datum{Bytes: text[m[i]:m[i+1]]})
				}
			}
			return types.AppendArray(dst, types.Text, nil, elems), nil
		}
	})(s)
}

// regexpSplit returns what lies between the matches. Empty matches at the start, at
// the end and right behind another match do not count.
func regexpSplit(s *site) (kernel, error) {
	cache := &patternCache{}
	return appending(func(c *call) func([]byte, int) ([]byte, error) {
		a, src, flags := bound[[]byte](c, 0), bound[[]byte](c, 1), optional(c, 2)
		return func(dst []byte, row int) ([]byte, error) {
			f := flags(row)
			if bytes.IndexByte(f, 'g') >= 0 {
				return dst, sqlerr.New(sqlerr.InvalidParameterValue, "regexp_split_to_array() does not support the \"global\" option")
			}
			p, err := cache.spans(src.at(row), f)
			if err != nil {
				return dst, err
			}
			text := a.at(row)
			matches, err := p.all(text)
			if err != nil {
				return dst, err
			}
			var parts []types.Datum
			start, end := 0, 0 // of the part, of the match before
			for _, m := range matches {
				if m[0] < len(text) && m[1] > end {
					parts = append(parts, types.Datum{Bytes: text[start:m[0]]})
					start = m[1]
				}
				end = m[1]
			}
			parts = append(parts, types.Datum{Bytes: text[start:]})
			return types.AppendArray(dst, types.Text, nil, parts), nil
		}
	})(s)
}

// optional reads an argument that may be left out.
func optional(c *call, i int) func(row int) []byte {
	if i >= len(c.args) {
		return func(int) []byte { return nil }
	}
	return bound[[]byte](c, i).at
}

// regexpReplace replaces the first match, or all with the flag g. In the
// replacement \1 to \9 stand for groups and \& for the match.
func regexpReplace(s *site) (kernel, error) {
	cache := &patternCache{}
	return appending(func(c *call) func([]byte, int) ([]byte, error) {
		a, src, repl, flags := bound[[]byte](c, 0), bound[[]byte](c, 1), bound[[]byte](c, 2), optional(c, 3)
		return func(dst []byte, row int) ([]byte, error) {
			f := flags(row)
			if len(f) > 0 && f[0] >= '0' && f[0] <= '9' {
				return dst, sqlerr.New(sqlerr.InvalidParameterValue, "invalid regular expression option: \"%c\"", f[0]).
					WithHint("If you meant to use regexp_replace() with a start parameter, cast the fourth argument to integer explicitly.")
			}
			all := false
			if bytes.IndexByte(f, 'g') >= 0 {
				all, f = true, bytes.ReplaceAll(f, []byte("g"), nil)
			}
			p, err := cache.spans(src.at(row), f)
			if err != nil {
				return dst, err
			}
			text, end, start := a.at(row), 0, len(dst)
			matches := p.re.FindAllSubmatchIndex(text, 1)
			if all {
				if matches, err = p.all(text); err != nil {
					return dst, err
				}
			}
			for _, m := range matches {
				dst = append(dst, text[end:m[0]]...)
				dst = expandReplacement(dst, repl.at(row), text, m)
				if end = m[1]; len(dst)-start > maxTextBytes {
					return dst, errTooLong()
				}
			}
			return append(dst, text[end:]...), nil
		}
	})(s)
}

func expandReplacement(dst, repl, text []byte, m []int) []byte {
	for i := 0; i < len(repl); i++ {
		if repl[i] != '\\' || i+1 == len(repl) {
			dst = append(dst, repl[i])
			continue
		}
		i++
		var group int
		switch c := repl[i]; {
		case c == '&':
			group = 0
		case c >= '1' && c <= '9':
			group = int(c - '0')
		case c == '\\':
			dst = append(dst, '\\')
			continue
		default:
			dst = append(dst, '\\', c)
			continue
		}
		if 2*group+1 < len(m) && m[2*group] >= 0 {
			dst = append(dst, text[m[2*group]:m[2*group+1]]...)
		}
	}
	return dst
}

// similarToRegex translates the pattern of SIMILAR TO to a regular expression.
func similarToRegex(dst, p, esc []byte) ([]byte, error) {
	if len(esc) > 0 && runeOffset(esc, 1) != len(esc) {
		return dst, sqlerr.New(sqlerr.InvalidEscapeSequence, "invalid escape string").WithHint("Escape string must be empty or one character.")
	}
	dst = append(dst, "^(?:"...)
	inBracket := false
	for len(p) > 0 {
		_, n := utf8.DecodeRune(p)
		c := p[:n]
		p = p[n:]
		switch {
		case len(esc) > 0 && bytes.Equal(c, esc):
			if len(p) == 0 {
				return append(dst, ")$"...), nil
			}
			n := runeOffset(p, 1)
			if p[0] == '"' {
				return dst, sqlerr.New(sqlerr.FeatureNotSupported, "SIMILAR TO patterns with separators are not supported")
			}
			dst = append(append(dst, '\\'), p[:n]...)
			p = p[n:]
		case inBracket:
			if c[0] == '\\' {
				dst = append(dst, '\\')
			}
			dst = append(dst, c...)
			inBracket = c[0] != ']'
		case c[0] == '[':
			dst = append(dst, '[')
			inBracket = true
		case c[0] == '%':
			dst = append(dst, ".*"...)
		case c[0] == '_':
			dst = append(dst, '.')
		case c[0] == '(':
			dst = append(dst, "(?:"...)
		case c[0] == '\\' || c[0] == '.' || c[0] == '^' || c[0] == '$':
			dst = append(append(dst, '\\'), c...)
		default:
			dst = append(dst, c...)
		}
	}
	return append(dst, ")$"...), nil
}
