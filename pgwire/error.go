package pgwire

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// sendError queues an ErrorResponse. Positions count characters of the text.
// The end of a statement by the server's is also that of the connection.
func (c *conn) sendError(err error, text string) {
	e := c.clientError(err)
	severity := "ERROR"
	if e.Code == sqlerr.AdminShutdown {
		severity, c.over = "FATAL", true
	}
	c.send(errorResponse(severity, e, text))
}

// fatal tells the client why the connection ends.
func (c *conn) fatal(err error) {
	c.send(errorResponse("FATAL", c.clientError(err), ""))
	c.flush()
}

// clientError is what the client may see of an error; an error that nobody
// meant for it is logged under an id.
func (c *conn) clientError(err error) *sqlerr.Error {
	var e *sqlerr.Error
	if errors.As(err, &e) {
		return e
	}
	var id [6]byte
	rand.Read(id[:]) //nolint:errcheck // never fails (crypto/rand)
	name := hex.EncodeToString(id[:])
	c.server.opts.Log.Error("internal error", "id", name, "error", err)
	return sqlerr.New(sqlerr.InternalError, "internal error %s: %v", name, err)
}

func errorResponse(severity string, e *sqlerr.Error, text string) *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{
		Severity: severity, SeverityUnlocalized: severity, Code: e.Code, Message: e.Message, Detail: e.Detail, Hint: e.Hint,
		Position: characterPosition(e.Position, text), SchemaName: e.Schema, TableName: e.Table, ColumnName: e.Column,
		ConstraintName: e.Constraint,
	}
}

// characterPosition turns a byte position (1-based, 0: none) into one of
// characters.
func characterPosition(position int, text string) int32 {
	if position <= 0 || position-1 > len(text) {
		return 0
	}
	return int32(utf8.RuneCountInString(text[:position-1])) + 1
}
