package sqllogictest

import (
	"slices"
	"strings"
)

// kind is what a statement does to the database, as far as views and later
// records are concerned.
type kind int

const (
	isOther  kind = iota // DDL, SET and what else may change the meaning of queries
	isChange             // changes rows: live views must follow
	isBegin              // opens a transaction
	isEnd                // ends one
)

// kindOf classifies a statement by its words.
func kindOf(w []string) kind {
	switch first(w) {
	case "insert", "update", "delete", "merge", "truncate":
		return isChange
	case "with":
		if slices.ContainsFunc(w, func(s string) bool { return s == "insert" || s == "update" || s == "delete" || s == "merge" }) {
			return isChange
		}
	case "begin", "start":
		return isBegin
	case "commit", "end", "abort":
		return isEnd
	case "rollback":
		if !slices.Contains(w, "to") {
			return isEnd
		}
	case "prepare":
		if len(w) > 1 && w[1] == "transaction" {
			return isEnd
		}
	}
	return isOther
}

// first returns the first word that is no parenthesis.
func first(w []string) string {
	for _, s := range w {
		if s != "(" {
			return s
		}
	}
	return ""
}

// effects returns the names of what a statement creates or changes. all: it may
// change the meaning of everything after it, as SET does.
func effects(w []string) (names []string, all bool) {
	switch head := first(w); head {
	case "create", "alter", "drop", "comment":
		return objects(w[1:], head == "drop"), false
	case "insert", "merge", "with":
		return after(w, "into", "update"), false
	case "update", "truncate", "copy":
		return nameAt(w, 1), false
	case "delete":
		return nameAt(w, 2), false
	case "select", "values":
		return after(w, "into"), false
	case "declare", "prepare":
		return w[1:min(2, len(w))], false
	case "set", "reset":
		return nil, !isPlannerSetting(w)
	case "explain", "lock", "analyze", "vacuum", "show", "deallocate", "close", "grant", "revoke", "reindex", "cluster", "checkpoint", "discard":
		return nil, false
	}
	return nil, true
}

// fillers stand between a keyword and the name that it announces.
var fillers = []string{"if", "not", "exists", "only", "table", "concurrently"}

// noNames may stand where a name could.
var noNames = []string{"select", "values", "lateral", "with", "rows", "set", "default"}

// after returns the names behind the given keywords.
func after(w []string, keywords ...string) []string {
	var names []string
	for i, s := range w {
		if slices.Contains(keywords, s) {
			names = append(names, nameAt(w, i+1)...)
		}
	}
	return names
}

// nameAt returns the name at i without its schema; none where there is no name.
func nameAt(w []string, i int) []string {
	for i < len(w) && (slices.Contains(fillers, w[i]) || w[i] == "(") {
		i++
	}
	for i+2 < len(w) && w[i+1] == "." {
		i += 2
	}
	if i >= len(w) || len(w[i]) == 1 && !isLetter(w[i][0]) || slices.Contains(noNames, w[i]) {
		return nil
	}
	return w[i : i+1]
}

// objectKinds are the words that announce the object of a DDL statement, and
// those that announce the table that it hangs on.
var (
	objectKinds = []string{"table", "view", "index", "type", "domain", "function", "procedure", "aggregate", "sequence",
		"schema", "operator", "cast", "collation", "extension", "stream", "source", "sink", "role", "user", "statistics"}
	hangOn = []string{"index", "trigger", "rule", "policy"}
)

// objects returns what a CREATE, ALTER or DROP is about. A DROP may have a list.
func objects(w []string, list bool) []string {
	for i, s := range w {
		if slices.Contains(hangOn, s) {
			if on := after(w[i:], "on", "to"); !list {
				return append(nameAt(w, i+1), on...)
			}
		}
		if !slices.Contains(objectKinds, s) {
			continue
		}
		names := nameAt(w, i+1)
		for j := i + 1; list && j < len(w); j++ {
			if w[j] == "," {
				names = append(names, nameAt(w, j+1)...)
			}
		}
		return names
	}
	return nil
}

// isPlannerSetting says whether a SET or RESET concerns plans or messages only,
// so that no answer depends on it.
func isPlannerSetting(w []string) bool {
	for _, s := range w[1:] {
		switch s {
		case "local", "session":
			continue
		case "work_mem", "random_page_cost", "seq_page_cost", "client_min_messages", "plan_cache_mode", "constraint_exclusion", "maintenance_work_mem":
			return true
		}
		for _, prefix := range []string{"enable_", "parallel_", "min_parallel_", "max_parallel_", "force_parallel", "cpu_", "jit", "geqo", "debug_", "from_collapse", "join_collapse", "cursor_tuple"} {
			if strings.HasPrefix(s, prefix) {
				return true
			}
		}
		return false
	}
	return false
}
