package sqllogictest

import (
	"crypto/md5"
	"encoding/hex"
	"io"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// floatTolerance is the relative difference up to which floats are equal: the
// order of a sum may show in the last digits.
const floatTolerance = 1e-9

// escaper writes the characters that would break a line or a column.
var escaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\t", `\t`, "\r", `\r`)

// format prints a value as files show it; nil is NULL.
func format(value []byte) string {
	switch {
	case value == nil:
		return "NULL"
	case len(value) == 0:
		return "(empty)"
	}
	return escaper.Replace(string(value))
}

// The object identifiers of the types that have a letter of their own.
const (
	oidBool    = 16
	oidInt8    = 20
	oidInt2    = 21
	oidInt4    = 23
	oidOID     = 26
	oidFloat4  = 700
	oidFloat8  = 701
	oidNumeric = 1700
)

// letter returns the letter of a column's type.
func letter(oid uint32) byte {
	switch oid {
	case oidInt2, oidInt4, oidInt8, oidOID:
		return 'I'
	case oidNumeric:
		return 'R'
	case oidFloat4, oidFloat8:
		return 'F'
	case oidBool:
		return 'B'
	}
	return 'T'
}

// arrange returns the lines in the order of a sort mode.
func arrange(lines []string, mode Sort) []string {
	switch mode {
	case RowSort:
		lines = slices.Clone(lines)
		sort.Strings(lines)
	case ValueSort:
		var values []string
		for _, line := range lines {
			values = append(values, strings.Split(line, "\t")...)
		}
		sort.Strings(values)
		lines = values
	}
	return lines
}

// hashOf is the hash of an answer's lines in their order.
func hashOf(lines []string) Hash {
	sum := md5.New()
	values := 0
	for _, line := range lines {
		for _, value := range strings.Split(line, "\t") {
			_, _ = io.WriteString(sum, value+"\n") // never fails
			values++
		}
	}
	return Hash{Values: values, MD5: hex.EncodeToString(sum.Sum(nil))}
}

// equal compares two answers in the order of a sort mode; types are the letters
// of the columns.
func equal(want, got []string, types string, mode Sort) bool {
	want, got = arrange(want, mode), arrange(got, mode)
	if len(want) != len(got) || slices.Equal(want, got) {
		return len(want) == len(got)
	}
	return strings.Contains(types, "F") && mode != ValueSort && equalFloats(want, got, types, mode)
}

// equalFloats compares answers with floats. Rows that are to be sorted are
// sorted by what is exact first: floats that are all but equal might sort either
// way.
func equalFloats(want, got []string, types string, mode Sort) bool {
	a, b := splitRows(want), splitRows(got)
	if mode == RowSort {
		sortByExact(a, types)
		sortByExact(b, types)
	}
	for i := range a {
		if len(a[i]) != len(types) || len(b[i]) != len(types) {
			return false
		}
		for c := range types {
			if a[i][c] != b[i][c] && (types[c] != 'F' || !nearly(a[i][c], b[i][c])) {
				return false
			}
		}
	}
	return true
}

func splitRows(lines []string) [][]string {
	rows := make([][]string, len(lines))
	for i, line := range lines {
		rows[i] = strings.Split(line, "\t")
	}
	return rows
}

func sortByExact(rows [][]string, types string) {
	slices.SortStableFunc(rows, func(a, b []string) int {
		for _, floats := range []bool{false, true} {
			for c := range min(len(types), len(a), len(b)) {
				if a[c] == b[c] || (types[c] == 'F') != floats {
					continue
				}
				if x, y := parseFloat(a[c]), parseFloat(b[c]); floats && x != y {
					if x < y {
						return -1
					}
					return 1
				}
				if !floats {
					return strings.Compare(a[c], b[c])
				}
			}
		}
		return 0
	})
}

// parseFloat is for sorting: what is no number goes to an end.
func parseFloat(s string) float64 {
	x, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(x) {
		return math.Inf(1)
	}
	return x
}

// nearly says whether two floats differ by no more than the tolerance.
func nearly(a, b string) bool {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	if errX != nil || errY != nil {
		return false
	}
	if x == y {
		return true // infinities, too; NaN was equal as text
	}
	return math.Abs(x-y) <= floatTolerance*math.Max(math.Abs(x), math.Abs(y))
}
