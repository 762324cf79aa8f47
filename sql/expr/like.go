package expr

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

func errLikeEscape() error {
	return sqlerr.New(sqlerr.InvalidEscapeSequence, "LIKE pattern must not end with escape character")
}

// MatchLike is LIKE over two strings, for what is matched outside of a batch.
// A pattern that ends with the escape character is 22025.
func MatchLike(s, pattern string) (bool, error) { return matchLike([]byte(s), []byte(pattern)) }

// matchLike says whether s matches the pattern of LIKE, in which % stands for
// any text, _ for one character and \ takes the next character literally. It
// goes back to the last % only, so its cost is bounded by the product of both
// lengths.
func matchLike(s, p []byte) (bool, error) {
	i, j := 0, 0
	star, mark := -1, 0 // behind the last %, and where in s it was tried last
	for i < len(s) {
		if j < len(p) {
			switch c := p[j]; {
			case c == '%':
				j++
				star, mark = j, i
				continue
			case c == '_':
				i += runeOffset(s[i:], 1)
				j++
				continue
			case c == '\\':
				if j+1 >= len(p) {
					return false, errLikeEscape()
				}
				if p[j+1] == s[i] {
					i++
					j += 2
					continue
				}
			case c == s[i]:
				i++
				j++
				continue
			}
		}
		if star < 0 {
			return false, nil
		}
		mark += runeOffset(s[mark:], 1)
		i, j = mark, star
	}
	for j < len(p) && p[j] == '%' {
		j++
	}
	return j == len(p), nil
}

// constantLike finds patterns that need no matcher: text without wildcards but
// for a % at either end. It returns nil for others.
func constantLike(p []byte) func(s []byte) bool {
	head, tail := bytes.HasPrefix(p, []byte("%")), bytes.HasSuffix(p, []byte("%"))
	middle := bytes.Clone(bytes.TrimPrefix(bytes.TrimSuffix(p, []byte("%")), []byte("%")))
	if bytes.ContainsAny(middle, `%_\`) {
		return nil
	}
	switch {
	case len(p) == 1 && head:
		return func([]byte) bool { return true }
	case head && tail:
		return func(s []byte) bool { return bytes.Contains(s, middle) }
	case head:
		return func(s []byte) bool { return bytes.HasSuffix(s, middle) }
	case tail:
		return func(s []byte) bool { return bytes.HasPrefix(s, middle) }
	}
	return func(s []byte) bool { return bytes.Equal(s, middle) }
}

// likeMaker makes the kernel of LIKE or NOT LIKE.
func likeMaker(not bool) maker {
	general := fn2e(func(s, p []byte) (bool, error) {
		ok, err := matchLike(s, p)
		return ok != not, err
	})
	return func(site *site) (kernel, error) {
		if d, ok := site.constant(1); ok {
			if match := constantLike(d.Bytes); match != nil {
				return fn2(func(s, _ []byte) bool { return match(s) != not })(site)
			}
		}
		return general(site)
	}
}

// appendLower folds case as ILIKE does.
func appendLower(dst, a []byte) []byte {
	for i := 0; i < len(a); {
		if c := a[i]; c < utf8.RuneSelf {
			dst = append(dst, lowerByte(c))
			i++
			continue
		}
		r, size := utf8.DecodeRune(a[i:])
		dst = utf8.AppendRune(dst, unicode.ToLower(r))
		i += size
	}
	return dst
}

func ilikeMaker(not bool) maker {
	return func(site *site) (kernel, error) {
		var s, p []byte
		return fn2e(func(text, pattern []byte) (bool, error) {
			s, p = appendLower(s[:0], text), appendLower(p[:0], pattern)
			ok, err := matchLike(s, p)
			return ok != not, err
		})(site)
	}
}

// likeEscape rewrites a pattern with another escape character to one with \.
func likeEscape(dst, p, esc []byte) ([]byte, error) {
	if len(esc) == 0 {
		for _, c := range p {
			if c == '\\' {
				dst = append(dst, c)
			}
			dst = append(dst, c)
		}
		return dst, nil
	}
	if runeOffset(esc, 1) != len(esc) {
		return dst, sqlerr.New(sqlerr.InvalidEscapeSequence, "invalid escape string").WithHint("Escape string must be empty or one character.")
	}
	if esc[0] == '\\' {
		return append(dst, p...), nil
	}
	escaped := false
	for len(p) > 0 {
		n := runeOffset(p, 1)
		switch c := p[:n]; {
		case !escaped && bytes.Equal(c, esc):
			dst = append(dst, '\\')
			escaped = true
		case !escaped && c[0] == '\\':
			dst = append(dst, '\\', '\\')
		default:
			dst = append(dst, c...)
			escaped = false
		}
		p = p[n:]
	}
	return dst, nil
}
