package sqllogictest

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// recordStatement takes over what became of a statement. One that fails becomes
// a statement error: the diff of the file is to be reviewed.
func recordStatement(s *Statement, answer *reply, err error) {
	var refused *serverError
	switch {
	case errors.As(err, &refused):
		s.Fails, s.SQLState, s.Count = true, refused.code, -1
	case err == nil:
		s.Fails, s.SQLState = false, ""
		if s.Count >= 0 {
			s.Count = answer.count
		}
	}
}

// recordQuery takes over an answer. A query that fails is an error: it has to be
// written as a statement error.
func recordQuery(q *Query, answer *reply, err error, threshold int) error {
	if err != nil {
		return fmt.Errorf("%s: %w", q.SQL, err)
	}
	if answer.types == "" {
		return fmt.Errorf("%s: it returns no columns", q.SQL)
	}
	q.Types = answer.types
	rows := arrange(answer.lines, q.Sort)
	q.Answer = Answer{Rows: rows}
	if threshold > 0 && len(answer.lines)*len(q.Types) > threshold && !strings.Contains(q.Types, "F") {
		h := hashOf(rows)
		q.Answer = Answer{Hash: &h}
	}
	return nil
}

// write replaces a file.
func write(path string, f *File) error {
	if strings.HasSuffix(path, ".gz") {
		return fmt.Errorf("%s: answers are not recorded in a packed file", path)
	}
	return os.WriteFile(path, []byte(f.String()), 0o644)
}
