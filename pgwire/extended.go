package pgwire

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/engine"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// maxStatements bounds the prepared statements and portals of a connection.
const maxStatements = 10_000

// keptRows bounds the bytes of a result that a portal keeps for later Executes.
const keptRows = 256 << 20

// portal is a bound statement. Executed with a row limit, it keeps the rows
// that are left for the next Execute.
type portal struct {
	prepared *engine.Prepared // nil: an empty query
	params   []types.Datum
	formats  []int16

	rows    *zset.List // DataRow bodies, nil before the first Execute with a limit
	next    int
	command string // first word of the tag
	done    bool   // was executed to its end
}

// parse handles Parse. An empty query makes a nil statement.
func (c *conn) parse(ctx context.Context, m *pgproto3.Parse) error {
	if m.Name != "" && c.has(m.Name) {
		return sqlerr.New(sqlerr.DuplicatePreparedStatement, "prepared statement %q already exists", m.Name)
	}
	if m.Name == "" {
		delete(c.statements, "") // also if the new one fails
	}
	if len(c.statements) >= maxStatements {
		return sqlerr.New(sqlerr.ProgramLimitExceeded, "too many prepared statements")
	}
	p, err := c.prepareText(ctx, m.Query, m.ParameterOIDs)
	if err != nil {
		// The position counts in this text, which later messages do not repeat.
		c.failed = true
		c.session.Fail()
		c.sendError(err, m.Query)
		return nil
	}
	c.statements[m.Name] = p
	c.send(&pgproto3.ParseComplete{})
	return nil
}

func (c *conn) has(name string) bool {
	_, ok := c.statements[name]
	return ok
}

func (c *conn) prepareText(ctx context.Context, text string, oids []uint32) (*engine.Prepared, error) {
	statements, err := c.session.Parse(text)
	if err != nil {
		return nil, err
	}
	switch len(statements) {
	case 0:
		return nil, nil
	case 1:
	default:
		return nil, sqlerr.New(sqlerr.SyntaxError, "cannot insert multiple commands into a prepared statement")
	}
	params := make([]types.Type, len(oids))
	for i, oid := range oids {
		params[i] = types.Type(oid)
	}
	return c.session.Prepare(ctx, statements[0], params)
}

// bind handles Bind: it decodes the parameters.
func (c *conn) bind(m *pgproto3.Bind) error {
	p, ok := c.statements[m.PreparedStatement]
	if !ok {
		return sqlerr.New(sqlerr.InvalidSQLStatementName, "prepared statement %q does not exist", m.PreparedStatement)
	}
	if _, taken := c.portals[m.DestinationPortal]; taken && m.DestinationPortal != "" {
		return sqlerr.New(sqlerr.DuplicateCursor, "cursor %q already exists", m.DestinationPortal)
	}
	if len(c.portals) >= maxStatements {
		return sqlerr.New(sqlerr.ProgramLimitExceeded, "too many portals")
	}
	pt := &portal{prepared: p, formats: slices.Clone(m.ResultFormatCodes)}
	if err := checkFormats(p, m); err != nil {
		return err
	}
	if p != nil {
		var err error
		if pt.params, err = c.decodeParams(p, m); err != nil {
			return err
		}
	}
	c.portals[m.DestinationPortal] = pt
	c.send(&pgproto3.BindComplete{})
	return nil
}

func checkFormats(p *engine.Prepared, m *pgproto3.Bind) error {
	params, columns := 0, 0
	if p != nil {
		params, columns = len(p.ParamTypes), len(p.Columns)
	}
	if len(m.Parameters) != params {
		return sqlerr.New(sqlerr.ProtocolViolation, "bind message supplies %d parameters, but prepared statement %q requires %d", len(m.Parameters), m.PreparedStatement, params)
	}
	if n := len(m.ParameterFormatCodes); n > 1 && n != params {
		return sqlerr.New(sqlerr.ProtocolViolation, "bind message has %d parameter formats but %d parameters", n, params)
	}
	if n := len(m.ResultFormatCodes); n > 1 && n != columns {
		return sqlerr.New(sqlerr.ProtocolViolation, "bind message has %d result formats but query has %d columns", n, columns)
	}
	for _, f := range append(slices.Clone(m.ParameterFormatCodes), m.ResultFormatCodes...) {
		if f != textFormat && f != binaryFormat {
			return sqlerr.New(sqlerr.ProtocolViolation, "unsupported format code: %d", f)
		}
	}
	return nil
}

func (c *conn) decodeParams(p *engine.Prepared, m *pgproto3.Bind) ([]types.Datum, error) {
	env := c.session.Env()
	out := make([]types.Datum, len(m.Parameters))
	for i, raw := range m.Parameters {
		if raw == nil {
			out[i] = types.NullDatum()
			continue
		}
		var err error
		if formatOf(m.ParameterFormatCodes, i) == binaryFormat {
			out[i], err = types.ParseBinary(p.ParamTypes[i], raw)
		} else {
			out[i], err = types.ParseText(p.ParamTypes[i], raw, env)
		}
		if err != nil {
			return nil, err
		}
		out[i].Bytes = slices.Clone(out[i].Bytes) // the message's memory is used again
	}
	return out, nil
}

func (c *conn) describe(m *pgproto3.Describe) error {
	switch m.ObjectType {
	case 'S':
		p, ok := c.statements[m.Name]
		if !ok {
			return sqlerr.New(sqlerr.InvalidSQLStatementName, "prepared statement %q does not exist", m.Name)
		}
		d := &pgproto3.ParameterDescription{}
		if p != nil {
			for _, t := range p.ParamTypes {
				d.ParameterOIDs = append(d.ParameterOIDs, uint32(t.OID()))
			}
		}
		c.send(d)
		c.describeColumns(p, nil)
	case 'P':
		pt, ok := c.portals[m.Name]
		if !ok {
			return sqlerr.New(sqlerr.InvalidCursorName, "portal %q does not exist", m.Name)
		}
		c.describeColumns(pt.prepared, pt.formats)
	default:
		return sqlerr.New(sqlerr.ProtocolViolation, "invalid DESCRIBE message subtype %d", m.ObjectType)
	}
	return nil
}

func (c *conn) describeColumns(p *engine.Prepared, formats []int16) {
	if p == nil || p.Columns == nil {
		c.send(&pgproto3.NoData{})
		return
	}
	c.send(rowDescription(p.Columns, formats))
}

// portalText is the text in which the positions of the portal's errors count.
func (c *conn) portalText(name string) string {
	if pt := c.portals[name]; pt != nil && pt.prepared != nil {
		return pt.prepared.Statement.Source()
	}
	return ""
}

func (c *conn) execute(ctx context.Context, m *pgproto3.Execute) error {
	pt, ok := c.portals[m.Portal]
	switch {
	case !ok:
		return sqlerr.New(sqlerr.InvalidCursorName, "portal %q does not exist", m.Portal)
	case pt.prepared == nil:
		c.send(&pgproto3.EmptyQueryResponse{})
		return nil
	case pt.rows != nil && c.session.TxStatus() == 'E':
		return sqlerr.New(sqlerr.InFailedSQLTransaction, "current transaction is aborted, commands ignored until end of transaction block")
	case pt.rows != nil:
		c.sendKept(pt, int(m.MaxRows))
		return nil
	case pt.done:
		return sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "portal %q cannot be run", m.Portal)
	}
	pt.done = true
	if m.MaxRows > 0 && pt.prepared.Endless() {
		return sqlerr.New(sqlerr.FeatureNotSupported, "a subscription cannot be fetched in pieces").
			WithHint("Execute it without a row limit: its rows come as they happen.")
	}
	if c.session.TxStatus() == 'I' && !c.syncFollows() {
		c.session.BeginImplicit() // what comes before Sync is one transaction
	}
	w := newRowWriter(c, pt.prepared.Columns, pt.formats)
	if m.MaxRows > 0 && pt.prepared.Columns != nil {
		pt.rows = &zset.List{}
		w.keep, w.limit = pt.rows, keptRows
	}
	stop := c.watch()
	tag, err := c.session.Execute(ctx, pt.prepared, pt.params, w)
	stop()
	if err != nil {
		return err
	}
	if pt.rows != nil {
		pt.command, _, _ = strings.Cut(tag, " ")
		c.sendKept(pt, int(m.MaxRows))
		return nil
	}
	c.send(&pgproto3.CommandComplete{CommandTag: []byte(tag)})
	return nil
}

// sendKept sends the next rows of a portal that keeps them; limit 0 is all. A
// portal counts as suspended when the limit was reached, even at its last row,
// and the tag counts the rows of this Execute, both as in PostgreSQL.
func (c *conn) sendKept(pt *portal, limit int) {
	n := 0
	for ; pt.next < pt.rows.Len() && (limit <= 0 || n < limit); n++ {
		c.send(&rowMessage{body: pt.rows.At(pt.next)})
		pt.next++
		if len(c.out) > flushSize && !c.flush() {
			return
		}
	}
	if limit > 0 && n == limit {
		c.send(&pgproto3.PortalSuspended{})
		return
	}
	tag := pt.command
	if tag == "SELECT" {
		tag += " " + strconv.Itoa(n)
	}
	c.send(&pgproto3.CommandComplete{CommandTag: []byte(tag)})
}

// deallocate drops a prepared statement, all of them if name is "".
func (c *conn) deallocate(name string) bool {
	if name == "" {
		clear(c.statements)
		return true
	}
	_, ok := c.statements[name]
	delete(c.statements, name)
	return ok
}

// closeObject handles Close; closing what does not exist is no error.
func (c *conn) closeObject(m *pgproto3.Close) error {
	switch m.ObjectType {
	case 'S':
		delete(c.statements, m.Name)
	case 'P':
		delete(c.portals, m.Name)
	default:
		return sqlerr.New(sqlerr.ProtocolViolation, "invalid CLOSE message subtype %d", m.ObjectType)
	}
	c.send(&pgproto3.CloseComplete{})
	return nil
}
