package expr

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

func (t *tables) addText() {
	t.compare("text_*", "text", "text", bytesCompare, rawBytes)
	t.compare("name*", "name", "name", bytesCompare, rawBytes)
	t.compare("name*text", "name", "text", bytesCompare, rawBytes)
	t.compare("text*name", "text", "name", bytesCompare, rawBytes)
	t.compare("char*", "char", "char", bytesCompare, rawBytes)
	t.compare("bpchar*", "bpchar", "bpchar", threeWay(func(a, b []byte) int { return bytes.Compare(trimBlanks(a), trimBlanks(b)) }))
	t.op("||", t.fn("textcat(text,text) text", app2(func(dst, a, b []byte) []byte { return append(append(dst, a...), b...) })))
	t.op("||", t.fn("textanycat(text,anynonarray) text", concatTwo, usesSettings))
	t.op("||", t.fn("anytextcat(anynonarray,text) text", concatTwo, usesSettings))
	t.addLengths()
	t.addTrims()
	t.addSubstrings()
	t.addTextBuilders()
	t.addConcat()
	t.addEncodings()
}

func (t *tables) addLengths() {
	characters := fn1(func(a []byte) int64 { return int64(utf8.RuneCount(a)) })
	trimmed := fn1(func(a []byte) int64 { return int64(utf8.RuneCount(trimBlanks(a))) })
	for _, name := range []string{"length", "char_length", "character_length"} {
		t.fn(name+"(text) int4", characters)
		t.fn(name+"(bpchar) int4", trimmed)
	}
	size := fn1(func(a []byte) int64 { return int64(len(a)) })
	for _, typ := range []string{"text", "bpchar", "bytea"} {
		t.fn("octet_length("+typ+") int4", size)
	}
	for _, typ := range []string{"text", "bytea"} {
		t.fn("bit_length("+typ+") int4", fn1(func(a []byte) int64 { return 8 * int64(len(a)) }))
	}
	t.fn("length(bytea) int4", size)
	t.fn("ascii(text) int4", fn1(func(a []byte) int64 {
		if len(a) == 0 {
			return 0
		}
		r, _ := utf8.DecodeRune(a)
		return int64(r)
	}))
}

// mapRunes applies a mapping of characters, with a fast path for ASCII.
func mapRunes(ascii func(byte) byte, other func(rune) rune) maker {
	return app1(func(dst, a []byte) []byte {
		for i := 0; i < len(a); {
			if c := a[i]; c < utf8.RuneSelf {
				dst = append(dst, ascii(c))
				i++
				continue
			}
			r, size := utf8.DecodeRune(a[i:])
			dst = utf8.AppendRune(dst, other(r))
			i += size
		}
		return dst
	})
}

func lowerByte(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

func upperByte(c byte) byte {
	if c >= 'a' && c <= 'z' {
		c -= 'a' - 'A'
	}
	return c
}

func (t *tables) addTrims() {
	t.fn("lower(text) text", mapRunes(lowerByte, unicode.ToLower))
	t.fn("upper(text) text", mapRunes(upperByte, unicode.ToUpper))
	t.fn("initcap(text) text", app1(initcap))
	both := func(name string, left, right bool) {
		t.fn(name+"(text,text) text", app2(func(dst, a, set []byte) []byte { return append(dst, trimSet(a, set, left, right)...) }))
		t.fn(name+"(text) text", app1(func(dst, a []byte) []byte { return append(dst, trimSet(a, []byte(" "), left, right)...) }))
		t.fn(name+"(bytea,bytea) bytea", app2(func(dst, a, set []byte) []byte { return append(dst, trimBytes(a, set, left, right)...) }))
	}
	both("btrim", true, true)
	both("ltrim", true, false)
	both("rtrim", false, true)
}

func initcap(dst, a []byte) []byte {
	inWord := false
	for i := 0; i < len(a); {
		r, size := utf8.DecodeRune(a[i:])
		if inWord {
			dst = utf8.AppendRune(dst, unicode.ToLower(r))
		} else {
			dst = utf8.AppendRune(dst, unicode.ToUpper(r))
		}
		inWord = unicode.IsLetter(r) || unicode.IsDigit(r)
		i += size
	}
	return dst
}

// trimSet removes characters of set from the ends.
func trimSet(a, set []byte, left, right bool) []byte {
	for left && len(a) > 0 {
		r, size := utf8.DecodeRune(a)
		if !bytes.ContainsRune(set, r) {
			break
		}
		a = a[size:]
	}
	for right && len(a) > 0 {
		r, size := utf8.DecodeLastRune(a)
		if !bytes.ContainsRune(set, r) {
			break
		}
		a = a[:len(a)-size]
	}
	return a
}

func trimBytes(a, set []byte, left, right bool) []byte {
	for left && len(a) > 0 && bytes.IndexByte(set, a[0]) >= 0 {
		a = a[1:]
	}
	for right && len(a) > 0 && bytes.IndexByte(set, a[len(a)-1]) >= 0 {
		a = a[:len(a)-1]
	}
	return a
}

func (t *tables) addSubstrings() {
	from := app2(func(dst, a []byte, start int64) []byte {
		return append(dst, a[runeOffset(a, int(max(start-1, 0))):]...)
	})
	count := app3e(substring)
	for _, name := range []string{"substr", "substring"} {
		t.fn(name+"(text,int4) text", from)
		t.fn(name+"(text,int4,int4) text", count)
		t.fn(name+"(bytea,int4) bytea", app2(func(dst, a []byte, start int64) []byte {
			return append(dst, a[min(max(start-1, 0), int64(len(a))):]...)
		}))
		t.fn(name+"(bytea,int4,int4) bytea", app3e(substringBytes))
	}
	t.fn("strpos(text,text) int4", fn2(position))
	t.fn("position(text,text) int4", fn2(position))
	t.fn("position(bytea,bytea) int4", fn2(func(a, b []byte) int64 { return int64(bytes.Index(a, b)) + 1 }))
	t.fn("left(text,int4) text", app2(func(dst, a []byte, n int64) []byte {
		if n < 0 {
			n += int64(utf8.RuneCount(a))
		}
		return append(dst, a[:runeOffset(a, int(n))]...)
	}))
	t.fn("right(text,int4) text", app2(func(dst, a []byte, n int64) []byte {
		skip := -n
		if n > 0 {
			skip = max(int64(utf8.RuneCount(a))-n, 0)
		} else if n == 0 {
			return dst
		}
		return append(dst, a[runeOffset(a, int(skip)):]...)
	}))
	t.fn("split_part(text,text,int4) text", app3e(splitPart))
	t.op("^@", t.fn("starts_with(text,text) bool", fn2(bytes.HasPrefix)))
	t.fn("overlay(text,text,int4,int4) text", appending(func(c *call) func([]byte, int) ([]byte, error) {
		a, b, from, n := bound[[]byte](c, 0), bound[[]byte](c, 1), bound[int64](c, 2), bound[int64](c, 3)
		return func(dst []byte, row int) ([]byte, error) {
			return overlay(dst, a.at(row), b.at(row), from.at(row), n.at(row))
		}
	}))
	t.fn("overlay(text,text,int4) text", app3e(func(dst, a, b []byte, from int64) ([]byte, error) {
		return overlay(dst, a, b, from, int64(utf8.RuneCount(b)))
	}))
}

func errNegativeSubstring() error {
	return sqlerr.New(sqlerr.SubstringError, "negative substring length not allowed")
}

// window cuts [start, start+n) of 1-based positions to those from 1 on.
func window(start, n int64) (skip, count int64, err error) {
	if n < 0 {
		return 0, 0, errNegativeSubstring()
	}
	end := start + n
	return max(start-1, 0), max(end-max(start, 1), 0), nil
}

func substring(dst, a []byte, start, n int64) ([]byte, error) {
	skip, count, err := window(start, n)
	if err != nil {
		return dst, err
	}
	a = a[runeOffset(a, int(skip)):]
	return append(dst, a[:runeOffset(a, int(count))]...), nil
}

func substringBytes(dst, a []byte, start, n int64) ([]byte, error) {
	skip, count, err := window(start, n)
	if err != nil {
		return dst, err
	}
	a = a[min(skip, int64(len(a))):]
	return append(dst, a[:min(count, int64(len(a)))]...), nil
}

func position(a, b []byte) int64 {
	i := bytes.Index(a, b)
	if i < 0 {
		return 0
	}
	return int64(utf8.RuneCount(a[:i])) + 1
}

func splitPart(dst, a, sep []byte, n int64) ([]byte, error) {
	if n == 0 {
		return dst, sqlerr.New(sqlerr.InvalidParameterValue, "field position must not be zero")
	}
	if len(a) == 0 {
		return dst, nil
	}
	if len(sep) == 0 {
		if n == 1 || n == -1 {
			return append(dst, a...), nil
		}
		return dst, nil
	}
	if n < 0 {
		n += int64(bytes.Count(a, sep)) + 2
		if n <= 0 {
			return dst, nil
		}
	}
	for ; n > 1; n-- {
		i := bytes.Index(a, sep)
		if i < 0 {
			return dst, nil
		}
		a = a[i+len(sep):]
	}
	if i := bytes.Index(a, sep); i >= 0 {
		a = a[:i]
	}
	return append(dst, a...), nil
}

func overlay(dst, a, b []byte, from, n int64) ([]byte, error) {
	if from <= 0 {
		return dst, errNegativeSubstring()
	}
	dst = append(dst, a[:runeOffset(a, int(from-1))]...)
	dst = append(dst, b...)
	return append(dst, a[runeOffset(a, int(max(from-1+n, 0))):]...), nil
}

// maxTextBytes bounds what functions that multiply text make of it: one value
// must fit a message to a client.
const maxTextBytes = 64 << 20

func errTooLong() error {
	return sqlerr.New(sqlerr.ProgramLimitExceeded, "requested length too large")
}

func (t *tables) addTextBuilders() {
	t.fn("replace(text,text,text) text", app3e(func(dst, a, from, to []byte) ([]byte, error) {
		start := len(dst)
		for len(from) > 0 {
			i := bytes.Index(a, from)
			if i < 0 {
				break
			}
			dst = append(append(dst, a[:i]...), to...)
			a = a[i+len(from):]
			if len(dst)-start > maxTextBytes {
				return dst, errTooLong()
			}
		}
		return append(dst, a...), nil
	}))
	t.fn("translate(text,text,text) text", app3(translate))
	t.fn("repeat(text,int4) text", app2e(func(dst, a []byte, n int64) ([]byte, error) {
		if n <= 0 || len(a) == 0 {
			return dst, nil
		}
		if int64(len(a)) > maxTextBytes/n {
			return dst, errTooLong()
		}
		dst = slices.Grow(dst, len(a)*int(n))
		for ; n > 0; n-- {
			dst = append(dst, a...)
		}
		return dst, nil
	}))
	t.fn("reverse(text) text", app1(func(dst, a []byte) []byte {
		for len(a) > 0 {
			_, size := utf8.DecodeLastRune(a)
			dst = append(dst, a[len(a)-size:]...)
			a = a[:len(a)-size]
		}
		return dst
	}))
	t.fn("lpad(text,int4,text) text", app3e(func(dst, a []byte, n int64, fill []byte) ([]byte, error) {
		return pad(dst, a, n, fill, true)
	}))
	t.fn("rpad(text,int4,text) text", app3e(func(dst, a []byte, n int64, fill []byte) ([]byte, error) {
		return pad(dst, a, n, fill, false)
	}))
	t.fn("lpad(text,int4) text", app2e(func(dst, a []byte, n int64) ([]byte, error) { return pad(dst, a, n, []byte(" "), true) }))
	t.fn("rpad(text,int4) text", app2e(func(dst, a []byte, n int64) ([]byte, error) { return pad(dst, a, n, []byte(" "), false) }))
	t.fn("chr(int4) text", app1e(func(dst []byte, n int64) ([]byte, error) {
		switch {
		case n < 0:
			return dst, sqlerr.New(sqlerr.InvalidParameterValue, "character number must be positive")
		case n == 0:
			return dst, sqlerr.New(sqlerr.ProgramLimitExceeded, "null character not permitted")
		case n > unicode.MaxRune:
			return dst, sqlerr.New(sqlerr.ProgramLimitExceeded, "requested character too large for encoding: %d", n)
		case n >= 0xd800 && n <= 0xdfff:
			return dst, sqlerr.New(sqlerr.ProgramLimitExceeded, "requested character not valid for encoding: %d", n)
		}
		return utf8.AppendRune(dst, rune(n)), nil
	}))
}

func translate(dst, a, from, to []byte) []byte {
	source, target := []rune(string(from)), []rune(string(to))
	for _, r := range string(a) {
		switch i := slices.Index(source, r); {
		case i < 0:
			dst = utf8.AppendRune(dst, r)
		case i < len(target):
			dst = utf8.AppendRune(dst, target[i])
		}
	}
	return dst
}

func pad(dst, a []byte, n int64, fill []byte, left bool) ([]byte, error) {
	n = max(n, 0)
	if n > maxTextBytes/utf8.UTFMax {
		return dst, errTooLong()
	}
	count := int64(utf8.RuneCount(a))
	if count >= n || len(fill) == 0 {
		return append(dst, a[:runeOffset(a, int(n))]...), nil
	}
	if !left {
		dst = append(dst, a...)
	}
	rest := fill
	for missing := n - count; missing > 0; missing-- {
		if len(rest) == 0 {
			rest = fill
		}
		size := runeOffset(rest, 1)
		dst = append(dst, rest[:size]...)
		rest = rest[size:]
	}
	if left {
		dst = append(dst, a...)
	}
	return dst, nil
}

// appendValue appends the text of a value by its type's output function.
func appendValue(dst []byte, a *arg, row int, env *types.Env) []byte {
	return types.AppendText(dst, a.Type, a.Datum(row&a.mask), env)
}

// appendCast appends the text of a value as the cast to text gives it, which
// differs from the output function for booleans and padded characters.
func appendCast(dst []byte, a *arg, row int, env *types.Env) []byte {
	switch a.Type.Base() {
	case types.Bool:
		if a.Bool[row&a.mask] {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case types.BPChar:
		return append(dst, trimBlanks(a.Bytes(row&a.mask))...)
	}
	return appendValue(dst, a, row, env)
}

// concatTwo is || of text and a value of any type.
func concatTwo(s *site) (kernel, error) {
	env := s.env.settings()
	return appending(func(c *call) func([]byte, int) ([]byte, error) {
		return func(dst []byte, row int) ([]byte, error) {
			return appendCast(appendCast(dst, &c.args[0], row, env), &c.args[1], row, env), nil
		}
	})(s)
}

func (t *tables) addConcat() {
	t.fn("concat(any...) text", func(s *site) (kernel, error) {
		env := s.env.settings()
		return appending(func(c *call) func([]byte, int) ([]byte, error) {
			return func(dst []byte, row int) ([]byte, error) { return joinValues(dst, nil, c.args, row, env), nil }
		})(s)
	}, alwaysNotNull, usesSettings)
	t.fn("concat_ws(text,any...) text", func(s *site) (kernel, error) {
		env := s.env.settings()
		return appending(func(c *call) func([]byte, int) ([]byte, error) {
			sep := bound[[]byte](c, 0)
			return func(dst []byte, row int) ([]byte, error) {
				if c.args[0].isNull(row) {
					return dst, errNull
				}
				return joinValues(dst, sep.at(row), c.args[1:], row, env), nil
			}
		})(s)
	}, notStrict, nullable, usesSettings)
	t.fn("format(text,any...) text", formatText, notStrict, nullable, usesSettings).emptyVariadic = true
}

// joinValues appends the arguments that are not NULL.
func joinValues(dst, sep []byte, args []arg, row int, env *types.Env) []byte {
	first := true
	for i := range args {
		if args[i].isNull(row) {
			continue
		}
		if !first {
			dst = append(dst, sep...)
		}
		first = false
		dst = appendValue(dst, &args[i], row, env)
	}
	return dst
}

func (t *tables) addEncodings() {
	sum := app1(func(dst, a []byte) []byte {
		s := md5.Sum(a)
		return hex.AppendEncode(dst, s[:])
	})
	t.fn("md5(text) text", sum)
	t.fn("md5(bytea) text", sum)
	t.fn("sha256(bytea) bytea", app1(func(dst, a []byte) []byte {
		s := sha256.Sum256(a)
		return append(dst, s[:]...)
	}))
	t.fn("sha224(bytea) bytea", app1(func(dst, a []byte) []byte {
		s := sha256.Sum224(a)
		return append(dst, s[:]...)
	}))
	t.fn("quote_ident(text) text", app1(appendIdent))
	t.fn("quote_literal(text) text", app1(appendLiteral))
	t.fn("quote_literal(anyelement) text", quoteAny(false), usesSettings)
	t.fn("quote_nullable(text) text", quoteAny(true), alwaysNotNull)
	t.fn("quote_nullable(anyelement) text", quoteAny(true), alwaysNotNull, usesSettings)
	t.fn("encode(bytea,text) text", app2e(encodeBytes))
	t.fn("decode(text,text) bytea", app2e(decodeBytes))
}

func quoteAny(nullText bool) maker {
	return func(s *site) (kernel, error) {
		env := s.env.settings()
		return appending(func(c *call) func([]byte, int) ([]byte, error) {
			var buf []byte
			return func(dst []byte, row int) ([]byte, error) {
				if nullText && c.args[0].isNull(row) {
					return append(dst, "NULL"...), nil
				}
				buf = appendCast(buf[:0], &c.args[0], row, env)
				return appendLiteral(dst, buf), nil
			}
		})(s)
	}
}

func appendLiteral(dst, a []byte) []byte {
	if bytes.IndexByte(a, '\\') >= 0 {
		dst = append(dst, 'E')
	}
	dst = append(dst, '\'')
	for _, c := range a {
		if c == '\'' || c == '\\' {
			dst = append(dst, c)
		}
		dst = append(dst, c)
	}
	return append(dst, '\'')
}

// appendIdent quotes an identifier unless it is one as it stands.
func appendIdent(dst, a []byte) []byte {
	safe := len(a) > 0 && (a[0] == '_' || a[0] >= 'a' && a[0] <= 'z')
	for _, c := range a {
		safe = safe && (c == '_' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9')
	}
	if safe && !isReservedWord(string(a)) {
		return append(dst, a...)
	}
	dst = append(dst, '"')
	for _, c := range a {
		if c == '"' {
			dst = append(dst, c)
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

// isReservedWord knows the key words of PostgreSQL 15 that quote_ident quotes:
// all that are not unreserved.
func isReservedWord(s string) bool {
	const words = ` all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case cast char character
 check coalesce collate collation column concurrently constraint create cross current_catalog current_date current_role current_schema
 current_time current_timestamp current_user dec decimal default deferrable desc distinct do else end except exists extract false fetch float
 for foreign freeze from full grant greatest group grouping having ilike in initially inner inout int integer intersect interval into is
 isnull join lateral leading least left like limit localtime localtimestamp national natural nchar none normalize not notnull null nullif
 numeric offset on only or order out outer overlaps overlay placing position precision primary real references returning right row select
 session_user setof similar smallint some substring symmetric table tablesample then time timestamp to trailing treat trim true union
 unique user using values varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest
 xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable `
	return strings.Contains(strings.ReplaceAll(words, "\n", ""), " "+s+" ")
}
