package engine

import "fmt"

// Notice is a message to the client beside the result.
type Notice struct {
	Severity string // NOTICE, WARNING, INFO
	Code     string // SQLSTATE, 00000 for plain notices, 01000 for warnings
	Message  string
	Detail   string
	Hint     string
}

// count is a number with its noun, "1 record" or "2 records".
func count(n int64, noun string) string { return fmt.Sprintf("%d %s", n, plural(n, noun)) }

// plural is the form of a noun that belongs to a number.
func plural(n int64, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}
