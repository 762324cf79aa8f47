package sqllogictest

import (
	"strings"
	"testing"
)

func TestFormat(t *testing.T) {
	for want, value := range map[string][]byte{"NULL": nil, "(empty)": {}, `a\tb\nc\rd\\`: []byte("a\tb\nc\rd\\"), "é": []byte("é")} {
		if got := format(value); got != want {
			t.Errorf("%q: %s; expected %s", value, got, want)
		}
	}
}

func TestHash(t *testing.T) {
	// printf 'a\nb\nc\nd\n' | md5sum
	want := Hash{Values: 4, MD5: "47ece2e49e5c0333677fc34e044d8257"}
	for _, lines := range [][]string{{"a\tb", "c\td"}, {"a", "b", "c", "d"}} {
		if got := hashOf(lines); got != want {
			t.Errorf("%q: %v", lines, got)
		}
	}
}

func TestEqual(t *testing.T) {
	for _, c := range []struct {
		want, got, types string
		mode             Sort
		equal            bool
	}{
		{"1|2", "2|1", "I", RowSort, true},
		{"1|2", "2|1", "I", NoSort, false},
		{"1|1|2", "1|2|2", "I", RowSort, false},
		{"1", "1|1", "I", RowSort, false},
		{"1,x|2,y", "1,y|2,x", "IT", RowSort, false},
		{"1|2|x|y", "1,y|2,x", "IT", ValueSort, true},
		{"0.1", "0.10", "R", RowSort, false},
		{"0.30000000000000004", "0.3", "F", NoSort, true},
		{"0.31", "0.3", "F", NoSort, false},
		{"Infinity", "Infinity", "F", NoSort, true},
		{"Infinity", "NaN", "F", NoSort, false},
		{"NULL", "0", "F", NoSort, false},
		{"0.9999999999999999,a|1,b", "1,a|1.0000000000000002,b", "FT", RowSort, true},
		{"9.999999999999999|10", "10|10.000000000000001", "F", RowSort, true},
	} {
		rows := func(s string) []string { return strings.Split(strings.ReplaceAll(s, ",", "\t"), "|") }
		if got := equal(rows(c.want), rows(c.got), c.types, c.mode); got != c.equal {
			t.Errorf("%s and %s as %s, %s: %v", c.want, c.got, c.types, c.mode, got)
		}
	}
}
