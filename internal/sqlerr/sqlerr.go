// Package sqlerr defines the error that clients see: a SQLSTATE, a message in
// PostgreSQL's style, and optionally detail, hint and a position in the text.
//
// Any layer may return a *Error; whatever else reaches a session is reported
// as XX000 with an id in the log. The package knows nothing of the others.
package sqlerr

import (
	"errors"
	"fmt"
)

// Error is an error with a SQLSTATE. The zero values of the optional fields
// mean "absent".
type Error struct {
	Code       string // SQLSTATE, five characters
	Message    string // primary message, lower case, no full stop
	Detail     string
	Hint       string
	Position   int // byte offset in the statement text plus one; 0 is none
	Schema     string
	Table      string
	Column     string
	Constraint string
	cause      error
}

// New returns an error with the given SQLSTATE and formatted message.
func New(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap returns an error with the given SQLSTATE that keeps cause for
// errors.Is and the log.
func Wrap(cause error, code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), cause: cause}
}

// Error returns the message and its SQLSTATE.
func (e *Error) Error() string { return e.Message + " (SQLSTATE " + e.Code + ")" }

// Unwrap returns the cause, if there is one.
func (e *Error) Unwrap() error { return e.cause }

// WithHint sets the hint and returns e.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// WithDetail sets the detail and returns e.
func (e *Error) WithDetail(format string, args ...any) *Error {
	e.Detail = fmt.Sprintf(format, args...)
	return e
}

// At sets the position from a byte offset (0-based) unless one is set already,
// and returns e. A negative offset is ignored.
func (e *Error) At(offset int) *Error {
	if e.Position == 0 && offset >= 0 {
		e.Position = offset + 1
	}
	return e
}

// From returns err as an *Error; an error that is none becomes XX000.
func From(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return Wrap(err, InternalError, "internal error: %v", err)
}

// Code returns the SQLSTATE of err, XX000 if it has none, "" for nil.
func Code(err error) string {
	if err == nil {
		return ""
	}
	return From(err).Code
}
