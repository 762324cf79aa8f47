package sqllogictest

import (
	"fmt"
	"strings"
	"testing"
)

const planned = `statement ok
CREATE TABLE t (a int)

statement ok
INSERT INTO t VALUES (1)

query I rowsort
SELECT a FROM t

query I rowsort
SELECT a + 1 FROM t

# view: no:differs-as-view
query I rowsort
UPDATE t SET a = 2 RETURNING a

query I rowsort
SELECT a + 2 FROM t

statement ok
BEGIN

query I rowsort
SELECT a + 3 FROM t

statement ok
COMMIT

skipif streamdb
query I rowsort
SELECT a + 4 FROM t

# view: no:volatile
query R rowsort
SELECT random()

query I rowsort
SELECT a + 5 FROM t

halt

query I rowsort
SELECT a + 6 FROM t
`

func TestCompile(t *testing.T) {
	f, err := Parse(planned)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		mode   Mode
		group  int
		wanted func(int) bool
		want   string
	}{
		{Direct, 0, nil, "run 0, run 1, ask 2, ask 3, ask 4, ask 5, run 6, ask 7, run 8, ask 10, ask 11"},
		{Views, 0, nil, "run 0, make 2, make 3, make 5, run 1, read 2, read 3, drop 2-3, do 4, read 5, drop 5, run 6, do 7, run 8, make 11, do 10, read 11, drop 11"},
		{Views, 2, nil, "run 0, make 2, make 3, run 1, read 2, read 3, drop 2-3, do 4, run 6, do 7, run 8, make 11, do 10, read 11, drop 11" +
			" | run 0, make 5, run 1, do 4, read 5"},
		{AfterData, 0, nil, "run 0, run 1, make 2, make 3, read 2, read 3, drop 2-3, do 4, make 5, read 5, drop 5, run 6, do 7, run 8, do 10, make 11, read 11, drop 11"},
		{AfterData, 1, nil, "run 0, run 1, make 2, read 2, drop 2, make 3, read 3, drop 3, do 4, make 5, read 5, drop 5, run 6, do 7, run 8, do 10, make 11, read 11, drop 11"},
		{Direct, 0, func(record int) bool { return record == 5 }, "run 0, run 1, do 4, ask 5, run 6, run 8, do 10"},
		{Views, 0, func(record int) bool { return record == 5 }, "run 0, make 5, run 1, do 4, read 5, drop 5, run 6, run 8, do 10"},
	} {
		t.Run(fmt.Sprintf("%s %d", c.mode, c.group), func(t *testing.T) {
			var passes []string
			for _, p := range compile(f, c.mode, c.group, []string{"streamdb"}, c.wanted) {
				var steps []string
				for _, s := range p {
					steps = append(steps, s.String())
				}
				passes = append(passes, strings.Join(steps, ", "))
			}
			if got := strings.Join(passes, " | "); got != c.want {
				t.Errorf("steps\n%s\nexpected\n%s", got, c.want)
			}
		})
	}
}
