package expr

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// likeToGo is LIKE by way of Go's regular expressions, to compare with; ok is
// false for a pattern that ends with the escape character.
func likeToGo(p string) (re *regexp.Regexp, ok bool) {
	var b strings.Builder
	b.WriteString("(?s)^")
	escaped := false
	for _, r := range p {
		switch {
		case escaped:
			b.WriteString(regexp.QuoteMeta(string(r)))
			escaped = false
		case r == '\\':
			escaped = true
		case r == '%':
			b.WriteString(".*")
		case r == '_':
			b.WriteString(".")
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	b.WriteString("$")
	return regexp.MustCompile(b.String()), !escaped
}

func FuzzLike(f *testing.F) {
	for _, s := range [][2]string{{"hello", "h%o"}, {"größe", "gr__e"}, {"a%b", `a\%b`}, {"aaab", "%a_b"}, {"", "%"}, {"mississippi", "%iss%ip%"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, s, p string) {
		if !utf8.ValidString(s) || !utf8.ValidString(p) || len(s)+len(p) > 2000 {
			t.Skip()
		}
		re, ok := likeToGo(p)
		got, err := matchLike([]byte(s), []byte(p))
		if !ok {
			return // whether it fails depends on how far it gets
		}
		if err != nil || got != re.MatchString(s) {
			t.Fatalf("%q LIKE %q: %v %v", s, p, got, err)
		}
		if fast := constantLike([]byte(p)); fast != nil && fast([]byte(s)) != got {
			t.Fatalf("%q LIKE %q: the fast path differs", s, p)
		}
	})
}

// FuzzRegex holds that every pattern is either refused with an error for
// clients or compiles, and that plain text matches itself.
func FuzzRegex(f *testing.F) {
	for _, s := range []string{"a+b*", `\d{3}`, "[[:alpha:]-]", "(a|b)c?", `\y\m\M`, "a{2,3}?", "(?i)x", "***=a.b", `[^\s\]]`, "a**", `\u00e4\x{1}`, "[a", "x{"} {
		f.Add(s, "text")
	}
	f.Fuzz(func(t *testing.T, p, s string) {
		if !utf8.ValidString(p) || !utf8.ValidString(s) || len(p) > 300 {
			t.Skip()
		}
		c, err := compilePattern(p, "")
		if err != nil {
			if sqlerr.Code(err) == sqlerr.InternalError {
				t.Fatalf("%q: %v", p, err)
			}
			return
		}
		c.re.MatchString(s)
		if strings.IndexFunc(p, func(r rune) bool { return r < 'a' || r > 'z' }) < 0 && !c.re.MatchString("x"+p+"y") {
			t.Fatalf("%q does not match itself", p)
		}
	})
}

// FuzzFunctions calls every function of text arguments with arbitrary text: it
// must return a value or an error for clients.
func FuzzFunctions(f *testing.F) {
	f.Add("hello", "YYYY-MM-DD", int32(3))
	f.Add("{\"a\": [1, null]}", "999.99", int32(-1))
	f.Fuzz(func(t *testing.T, a, b string, n int32) {
		if !utf8.ValidString(a) || !utf8.ValidString(b) || len(a)+len(b) > 1000 || strings.ContainsRune(a+b, 0) {
			t.Skip()
		}
		n %= 1000
		for fn := range Functions() {
			args := make([]*Expr, len(fn.Args))
			for i, at := range fn.Args {
				switch at {
				case types.Text, types.Bytea:
					args[i] = Constant(at, types.Datum{Bytes: []byte([]string{a, b}[i%2])})
				case types.Int4, types.Int8, types.Int2, types.Timestamp, types.Date, types.Time:
					args[i] = Constant(at, types.Datum{Int: int64(n)})
				case types.Numeric:
					args[i] = Constant(at, types.Datum{Dec: types.NewDecimal(int64(n)>>63, uint64(int64(n)), 1)})
				case types.Float8:
					args[i] = Constant(at, types.Datum{Float: float64(n) / 8})
				case types.Interval:
					args[i] = Constant(at, types.Datum{Ival: types.IntervalValue{Days: n, Micros: int64(n)}})
				default:
					args = nil
				}
				if args == nil {
					break
				}
			}
			if args == nil || isPseudo(fn.Ret) || strings.HasPrefix(fn.Name, "factorial") {
				continue
			}
			_, err := EvalConst(newCall(fn, fn.Ret, 0, args...), testEnv())
			if err != nil && sqlerr.Code(err) == sqlerr.InternalError {
				t.Fatalf("%s(%q, %q, %d): %v", fn.Signature(), a, b, n, err)
			}
		}
	})
}
