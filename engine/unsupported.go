package engine

import (
	"strings"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// unsupportedStatement refuses a statement that is parsed but not run, and says
// what to use instead.
func unsupportedStatement(st *Statement) error {
	first := firstWords(st.parsed.Text, 1)
	name := first
	switch first {
	case "CREATE", "ALTER", "DROP", "REFRESH":
		name = firstWords(st.parsed.Text, 2)
	}
	err := sqlerr.New(sqlerr.FeatureNotSupported, "%s is not supported yet", name).At(st.parsed.Start)
	if hint := instead(first); hint != "" {
		err = err.WithHint("%s", hint)
	}
	return err
}

// instead is the hint for a statement, by its first word.
func instead(word string) string {
	switch word {
	case "COPY":
		return "Use INSERT ... VALUES with many rows."
	case "REFRESH":
		return "A materialized view is always up to date."
	case "VACUUM", "ANALYZE", "CLUSTER", "REINDEX", "CHECKPOINT":
		return "There is nothing to do: the server keeps its storage and plans in order by itself."
	case "SAVEPOINT", "RELEASE":
		return "ROLLBACK undoes the whole transaction."
	case "DECLARE", "FETCH", "MOVE":
		return "The rows of a SELECT are sent as they are read: let the driver take them row by row."
	case "PREPARE", "EXECUTE":
		return "Use the prepared statements of the protocol, as drivers do."
	case "LISTEN", "NOTIFY":
		return "SUBSCRIBE tells of changes."
	case "TRUNCATE":
		return "Use DELETE without WHERE."
	case "ALTER":
		return "DROP the object and CREATE it anew."
	case "LOCK":
		return "No locks are needed: every transaction is serializable."
	case "GRANT", "REVOKE":
		return "There is one role, the superuser."
	}
	return ""
}

// firstWords returns the first n words of a statement in upper case.
func firstWords(text string, n int) string {
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n\f\v();", r) })
	return strings.ToUpper(strings.Join(words[:min(n, len(words))], " "))
}
