package sqllogictest

import (
	"errors"
	"fmt"
)

// notSupported is the SQLSTATE of what a server refuses.
const notSupported = "0A000"

// orderDependent tags queries with several right answers of equally many rows,
// such as LIMIT without ORDER BY.
const orderDependent = "no:order-dependent"

// judgeStatement compares what became of a statement with what the file says.
func judgeStatement(s *Statement, answer *reply, err error) (Outcome, string) {
	if err == nil {
		switch {
		case s.Fails:
			return Failed, "it succeeded; expected SQLSTATE " + s.SQLState
		case s.Count >= 0 && s.Count != answer.count:
			return Wrong, fmt.Sprintf("%d rows; expected %d", answer.count, s.Count)
		}
		return Right, ""
	}
	var refused *serverError
	switch {
	case !errors.As(err, &refused):
		return Failed, err.Error()
	case s.Fails && (s.SQLState == "" || s.SQLState == refused.code):
		return Right, ""
	case refused.code == notSupported:
		return Refused, err.Error()
	case s.Fails:
		return OtherCode, err.Error() + "; expected SQLSTATE " + s.SQLState
	}
	return Failed, err.Error()
}

// judgeQuery compares an answer with the file's. sorted: it comes from a view,
// which keeps no order.
func judgeQuery(q *Query, answer *reply, err error, sorted bool) (Outcome, string) {
	var refused *serverError
	if err != nil {
		if errors.As(err, &refused) && refused.code == notSupported {
			return Refused, err.Error()
		}
		return Failed, err.Error()
	}
	if q.Types != answer.types {
		return Wrong, fmt.Sprintf("column types %s; expected %s", answer.types, q.Types)
	}
	mode := q.Sort
	if sorted && mode == NoSort {
		if q.Answer.Hash != nil {
			return Skipped, "no view: the hash depends on the order"
		}
		mode = RowSort
	}
	if h := q.Answer.Hash; h != nil {
		if got := hashOf(arrange(answer.lines, mode)); got != *h {
			return Wrong, fmt.Sprintf("%d values hashing to %s", got.Values, got.MD5)
		}
		return Right, ""
	}
	want := q.Answer.Rows
	if q.View == orderDependent && len(want) == len(answer.lines) && mode != ValueSort && !equal(want, answer.lines, q.Types, mode) {
		return Skipped, "the answer depends on the order in which rows are met"
	}
	if !equal(want, answer.lines, q.Types, mode) {
		return Wrong, fmt.Sprintf("another answer: %d rows; expected %d", len(answer.lines), len(want))
	}
	return Right, ""
}

// lines are the answer as it is shown.
func (a Answer) lines() []string {
	if a.Hash != nil {
		return []string{fmt.Sprintf("%d values hashing to %s", a.Hash.Values, a.Hash.MD5)}
	}
	return a.Rows
}
