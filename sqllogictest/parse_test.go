package sqllogictest

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// everyKind has each kind of record in its canonical form.
const everyKind = `# a remark
# of two lines

hash-threshold 8

# why this table
statement ok
CREATE TABLE t (a int,
  b text)

statement count 2
INSERT INTO t VALUES (1, 'x'), (2, NULL)

# a comment of the statement
# sqlstate 22012
onlyif streamdb
statement error
SELECT 1 / 0

skipif mysql
onlyif postgresql
connection other
query IT nosort by_a
SELECT a, b FROM t ORDER BY a
----
1	x
2	NULL

# view: plain  feat: agg,groupby
query R valuesort
SELECT sum(a) FROM t GROUP BY b
----
1
2

# view: no:volatile
query T rowsort
SELECT repeat('x', 99)
----
99 values hashing to 0123456789abcdef0123456789abcdef

query I rowsort
SELECT a FROM t WHERE false
----

halt
`

func TestParsePrintsTheSame(t *testing.T) {
	f, err := Parse(everyKind)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.String(); got != everyKind {
		t.Errorf("printed:\n%s", got)
	}
	q := f.Records[5].Command.(*Query)
	if f.Records[5].Line != 23 || f.Records[5].Connection != "other" || q.Label != "by_a" || q.Sort != NoSort || len(q.Answer.Rows) != 2 {
		t.Errorf("record %+v of line %d", q, f.Records[5].Line)
	}
}

func TestParseTakesOtherForms(t *testing.T) {
	const text = "\r\n\nquery\nSELECT 1\n\n\n\nonlyif x\n# view: plain\nquery I\nSELECT 1\n----\n1\n"
	const want = "query\nSELECT 1\n----\n\n# view: plain\nonlyif x\nquery I rowsort\nSELECT 1\n----\n1\n"
	f, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.String(); got != want {
		t.Errorf("printed:\n%s", got)
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"bogus":                                  "1: unknown command \"bogus\"",
		"\nstatement maybe\nSELECT":              "2: expected statement ok, error or count, not \"maybe\"",
		"statement count -1\nSELECT":             "1: statement count needs a number of rows, not \"-1\"",
		"statement ok":                           "1: a statement without SQL",
		"query I\n----\n1":                       "3: a query without SQL",
		"query X\nSELECT":                        "1: the types of a query are letters of IRFBT, not \"X\"",
		"query I any\nSELECT":                    "1: unknown sort mode \"any\"",
		"skipif a b\nhalt":                       "1: expected one word, not \"a b\"",
		"skipif a":                               "1: a condition or connection without a command",
		"halt\nnow":                              "2: halt takes no further lines",
		"hash-threshold x":                       "1: hash-threshold needs a number of values, not \"x\"",
		"# sqlstate 22012\nstatement ok\nSELECT": "2: the comment \"# sqlstate 22012\" does not fit its command",
	} {
		if _, err := Parse(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v; expected %s", text, err, want)
		}
	}
}

func TestReadFileUnpacks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.slt.gz")
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(everyKind))
	_ = w.Close()
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := ReadFile(path)
	if err != nil || f.String() != everyKind {
		t.Errorf("%v", err)
	}
}

// FuzzParse: no text panics, and what is printed reads the same.
func FuzzParse(f *testing.F) {
	f.Add(everyKind)
	f.Add("query I\nSELECT 1\n")
	f.Add("# view: a  feat: \nquery\nx\n----\n\n# sqlstate 00000\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse(text)
		if err != nil {
			return
		}
		once := file.String()
		again, err := Parse(once)
		if err != nil {
			t.Fatalf("%v in what was printed:\n%s", err, once)
		}
		if twice := again.String(); twice != once {
			t.Errorf("printed\n%s\nthen\n%s", once, twice)
		}
		for _, r := range file.Records {
			if s, ok := r.Command.(*Statement); ok {
				effects(words(s.SQL))
				_ = strings.Join(words(s.SQL), " ")
			}
		}
	})
}
