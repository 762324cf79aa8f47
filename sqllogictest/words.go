package sqllogictest

import "strings"

// words splits SQL into what its effects are judged by: names and keywords in
// lower case, quoted names as they stand, punctuation by the character. Comments,
// literals and numbers are left out. It never fails: what the server will refuse
// is cut somehow.
func words(sql string) []string {
	var out []string
	for i := 0; i < len(sql); {
		c := sql[i]
		switch {
		case strings.HasPrefix(sql[i:], "--"):
			i += until(sql[i:], "\n", 0)
		case strings.HasPrefix(sql[i:], "/*"):
			i += until(sql[i:], "*/", 2)
		case c == '\'':
			i += until(sql[i:], "'", 1)
		case c == '"':
			n := until(sql[i:], `"`, 1)
			out = append(out, strings.Trim(sql[i:i+n], `"`))
			i += n
		case c == '$':
			i += dollar(sql[i:])
		case isLetter(c):
			n := 1
			for i+n < len(sql) && (isLetter(sql[i+n]) || isDigit(sql[i+n])) {
				n++
			}
			out = append(out, strings.ToLower(sql[i:i+n]))
			i += n
		case c <= ' ' || isDigit(c):
			i++
		default:
			out = append(out, string(c))
			i++
		}
	}
	return out
}

// until returns the length of s up to and including the first end at or after
// from, or all of s.
func until(s, end string, from int) int {
	if i := strings.Index(s[min(from, len(s)):], end); i >= 0 {
		return from + i + len(end)
	}
	return len(s)
}

// dollar returns the length of a string $tag$...$tag$, or 1 for another '$'.
func dollar(s string) int {
	n := 1
	for n < len(s) && (isLetter(s[n]) || isDigit(s[n])) {
		n++
	}
	if n == len(s) || s[n] != '$' || n > 1 && isDigit(s[1]) {
		return 1
	}
	return until(s, s[:n+1], n+1)
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c >= 0x80 }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
