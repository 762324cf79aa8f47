package expr

import (
	"fmt"
	"testing"

	"github.com/streamdb/streamdb/sql/types"
)

func TestTimeBounds(t *testing.T) {
	cols := []types.Type{types.Timestamptz, types.Timestamptz, types.Timestamp, types.Timestamp, types.Int8}
	for src, want := range map[string]string{
		"c0 <= c1":                    "[{0 1 0}]",
		"c0 < c1":                     "[{0 1 0}]",
		"c0 > c1":                     "[{1 0 0}]",
		"c0 >= c1 - interval '1 min'": "[{1 0 60000000}]",
		"c0 + interval '1 s' <= c1 + interval '3 s'": "[{0 1 2000000}]",
		"c2 = c3":                                      "[{2 3 0} {3 2 0}]",
		"c2 - interval '1 day' <= c3":                  "[{2 3 86400000000}]",
		"c0 - interval '1 day' <= c1":                  "[{0 1 172800000000}]", // a day may have 25 hours
		"interval '2 s' + (c0 - interval '1 s') >= c1": "[{1 0 1000000}]",
		"c0 + interval '1 month' >= c1":                "[]",
		"c0 <> c1":                                     "[]",
		"c0 <= c0":                                     "[]",
		"c0 <= c2":                                     "[]",
		"c4 <= 3":                                      "[]",
		"c0 <= c1 + c4 * interval '1 s'":               "[]",
	} {
		e := must(Freeze(must(parseSQL(src, cols, nil)), nil, true))
		if got := fmt.Sprint(TimeBounds(e)); got != want {
			t.Errorf("%s: %s, want %s", src, got, want)
		}
	}
}
