package engine

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/streamdb/streamdb/sql/types"
)

type memoryUnit struct {
	name  string
	bytes int64
}

// memoryUnits are PostgreSQL's, the largest first.
func memoryUnits() []memoryUnit {
	return []memoryUnit{{"TB", 1 << 40}, {"GB", 1 << 30}, {"MB", 1 << 20}, {"kB", 1 << 10}, {"B", 1}}
}

// checkMemory takes a size in bytes or with one of PostgreSQL's units and returns
// bytes.
func checkMemory(lo, hi int64) func(string) (string, error) {
	return func(v string) (string, error) {
		number, scale := strings.TrimSpace(v), 1.0
		for _, u := range memoryUnits() {
			if rest, ok := strings.CutSuffix(number, u.name); ok {
				number, scale = strings.TrimSpace(rest), float64(u.bytes)
				break
			}
		}
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || math.IsNaN(n) {
			return v, fmt.Errorf("valid units for this parameter are \"B\", \"kB\", \"MB\", \"GB\", and \"TB\"")
		}
		if n *= scale; n < float64(lo) || n > float64(hi) {
			return v, fmt.Errorf("the valid range is %s to %s", memoryText(strconv.FormatInt(lo, 10)), memoryText(strconv.FormatInt(hi, 10)))
		}
		return strconv.FormatInt(int64(n), 10), nil
	}
}

// memoryText prints bytes in the largest unit without a fraction, as SHOW does.
func memoryText(bytes string) string {
	n, err := strconv.ParseInt(bytes, 10, 64)
	if err != nil || n == 0 {
		return bytes
	}
	for _, u := range memoryUnits() {
		if n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return bytes
}

// checkTimeZone returns a name that types.LoadZone reads as the same zone. A
// number is hours east of UTC, as in PostgreSQL; with any other text of an offset
// POSIX counts to the west.
func checkTimeZone(v string) (string, error) {
	if hours, err := strconv.ParseFloat(strings.TrimSpace(v), 64); err == nil {
		return offsetZone(hours * 3600)
	}
	zone, err := types.LoadZone(v)
	if err != nil {
		return v, fmt.Errorf("the name of a time zone is needed")
	}
	if again, err := types.LoadZone(zone.String()); err == nil && again == zone {
		return zone.String(), nil
	}
	return v, nil
}

// offsetZone is the POSIX name of a zone so many seconds east of UTC.
func offsetZone(seconds float64) (string, error) {
	if !(math.Abs(seconds) <= 167*3600) {
		return fmt.Sprint(seconds / 3600), fmt.Errorf("the offset from UTC is out of range")
	}
	name, posix := "+", "-"
	n := int(math.Round(seconds))
	if n < 0 {
		name, posix, n = "-", "+", -n
	}
	text := fmt.Sprintf("%02d", n/3600)
	if n%3600 != 0 {
		text += fmt.Sprintf(":%02d", n/60%60)
	}
	if n%60 != 0 {
		text += fmt.Sprintf(":%02d", n%60)
	}
	return "<" + name + text + ">" + posix + text, nil
}
