package pgwire

import (
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamdb/streamdb/internal/casefile"
	"github.com/streamdb/streamdb/sql/types"
)

var rewrite = flag.Bool("rewrite", false, "write the answers into testdata")

// TestTranscripts plays testdata/*.txt. A file is a list of blocks against one
// server: what the client sends, ----, what the server answers. The words:
//
//	startup k=v ...          opens a connection (startup/2 asks for version 3.2)
//	ssl, gss                 opens a connection with a request for encryption
//	raw HEX                  opens a connection, if there is none, and sends bytes
//	query TEXT               TEXT with "\n" for a line end
//	parse NAME OIDS TEXT     "-" is the unnamed one, or no OIDs
//	bind PORTAL NAME p=.. r=..   parameters parted by "|": text, \xHEX binary, NULL; result formats
//	describe S|P NAME, execute PORTAL [MAX], close S|P NAME, flush, sync, terminate
//	cancel [idle]            sends the connection's key over another connection
//	use NAME                 the connection that the lines speak of from here on
//	expect N                 read N messages only, where no ready is to come
func TestTranscripts(t *testing.T) {
	casefile.Run(t, "testdata/*.txt", *rewrite, func(t *testing.T) func(string) string {
		p := &player{t: t, address: startServer(t, Options{}), clients: map[string]*wireClient{}, current: "main"}
		t.Cleanup(p.close)
		return p.play
	})
}

// player plays the blocks of one file.
type player struct {
	t       *testing.T
	address string
	clients map[string]*wireClient
	current string
}

// wireClient is one connection of a transcript.
type wireClient struct {
	net      net.Conn
	frontend *pgproto3.Frontend
	key      pgproto3.BackendKeyData
	columns  []pgproto3.FieldDescription
	plain    bool // an answer of one byte is to come
}

func (p *player) close() {
	for _, c := range p.clients {
		c.net.Close()
	}
}

func (p *player) open() *wireClient {
	p.t.Helper()
	nc, err := net.Dial("tcp", p.address)
	if err != nil {
		p.t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(30 * time.Second)) //nolint:errcheck // a hang becomes a failure
	if old := p.clients[p.current]; old != nil {
		old.net.Close()
	}
	c := &wireClient{net: nc, frontend: pgproto3.NewFrontend(nc, nc)}
	p.clients[p.current] = c
	return c
}

// play sends the lines of a block and returns the answers.
func (p *player) play(input string) string {
	ready, limit := 0, -1
	for _, line := range strings.Split(input, "\n") {
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case strings.HasPrefix(line, "#"):
		case word == "expect":
			limit, _ = strconv.Atoi(rest)
		case word == "use":
			p.current = rest
		case word == "cancel":
			p.cancel()
			if rest == "" {
				ready++ // of the statement that it ends
			}
		default:
			ready += p.send(word, rest)
		}
	}
	if limit == 0 {
		return ""
	}
	return p.clients[p.current].read(p.t, ready, limit)
}

// send sends one line and returns how many ready messages it brings.
func (p *player) send(word, rest string) int {
	c := p.clients[p.current]
	switch word {
	case "startup", "startup/2", "startup/9":
		if c == nil || !c.plain {
			c = p.open()
		}
		c.plain = false
		c.write(p.t, startupPacket(word, rest))
		return 1
	case "ssl", "gss":
		if c == nil || !c.plain {
			c = p.open()
		}
		code := map[string]uint32{"ssl": sslRequest, "gss": gssEncRequest}[word]
		c.write(p.t, binary.BigEndian.AppendUint32([]byte{0, 0, 0, 8}, code))
		c.plain = true
		return 1
	case "raw":
		if c == nil {
			c = p.open()
		}
		b, err := hex.DecodeString(strings.ReplaceAll(rest, " ", ""))
		if err != nil {
			p.t.Fatal(err)
		}
		c.write(p.t, b)
		return 1
	}
	msg, ready := frontendMessage(p.t, word, rest)
	b, err := msg.Encode(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	c.write(p.t, b)
	return ready
}

func (c *wireClient) write(t *testing.T, b []byte) {
	if _, err := c.net.Write(b); err != nil {
		t.Logf("write: %v", err)
	}
}

func startupPacket(word, rest string) []byte {
	version := map[string]uint32{"startup": 3 << 16, "startup/2": 3<<16 | 2, "startup/9": 9 << 16}[word]
	body := binary.BigEndian.AppendUint32(nil, version)
	for _, pair := range strings.Fields(rest) {
		name, value, _ := strings.Cut(pair, "=")
		body = append(append(append(append(body, name...), 0), strings.ReplaceAll(value, "_", " ")...), 0)
	}
	body = append(body, 0)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)
}

func frontendMessage(t *testing.T, word, rest string) (pgproto3.FrontendMessage, int) {
	f := strings.SplitN(rest, " ", 3)
	for len(f) < 3 {
		f = append(f, "")
	}
	name := func(s string) string { return strings.Trim(s, "-") }
	switch word {
	case "query":
		return &pgproto3.Query{String: strings.ReplaceAll(rest, `\n`, "\n")}, 1
	case "parse":
		m := &pgproto3.Parse{Name: name(f[0]), Query: strings.ReplaceAll(f[2], `\n`, "\n")}
		for _, o := range strings.Split(name(f[1]), ",") {
			if n, err := strconv.Atoi(o); err == nil {
				m.ParameterOIDs = append(m.ParameterOIDs, uint32(n))
			}
		}
		return m, 0
	case "bind":
		return bindMessage(t, name(f[0]), name(f[1]), f[2]), 0
	case "describe":
		return &pgproto3.Describe{ObjectType: f[0][0], Name: name(f[1])}, 0
	case "execute":
		limit, _ := strconv.Atoi(f[1])
		return &pgproto3.Execute{Portal: name(f[0]), MaxRows: uint32(limit)}, 0
	case "close":
		return &pgproto3.Close{ObjectType: f[0][0], Name: name(f[1])}, 0
	case "flush":
		return &pgproto3.Flush{}, 0
	case "sync":
		return &pgproto3.Sync{}, 1
	case "terminate":
		return &pgproto3.Terminate{}, 1
	case "call":
		return &pgproto3.FunctionCall{}, 1
	}
	t.Fatalf("unknown word %q", word)
	return nil, 0
}

func bindMessage(t *testing.T, portal, statement, rest string) *pgproto3.Bind {
	m := &pgproto3.Bind{DestinationPortal: portal, PreparedStatement: statement}
	for _, part := range strings.Fields(rest) {
		kind, list, _ := strings.Cut(part, "=")
		for _, v := range strings.Split(list, "|") {
			switch {
			case kind == "r":
				n, _ := strconv.Atoi(v)
				m.ResultFormatCodes = append(m.ResultFormatCodes, int16(n))
				continue
			case v == "NULL":
				m.Parameters = append(m.Parameters, nil)
				m.ParameterFormatCodes = append(m.ParameterFormatCodes, 0)
			case strings.HasPrefix(v, `\x`):
				b, err := hex.DecodeString(v[2:])
				if err != nil {
					t.Fatal(err)
				}
				m.Parameters = append(m.Parameters, b)
				m.ParameterFormatCodes = append(m.ParameterFormatCodes, 1)
			default:
				m.Parameters = append(m.Parameters, []byte(v))
				m.ParameterFormatCodes = append(m.ParameterFormatCodes, 0)
			}
		}
	}
	return m
}

// cancel sends a cancel request for the current connection and waits until the
// server has dealt with it.
func (p *player) cancel() {
	c := p.clients[p.current]
	nc, err := net.Dial("tcp", p.address)
	if err != nil {
		p.t.Fatal(err)
	}
	defer nc.Close()
	m := pgproto3.CancelRequest{ProcessID: c.key.ProcessID, SecretKey: c.key.SecretKey}
	b, err := m.Encode(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := nc.Write(b); err != nil {
		p.t.Fatal(err)
	}
	io.Copy(io.Discard, nc) //nolint:errcheck // until the server closes it
}

// read prints messages until ready of them are ReadyForQuery, limit (-1: none)
// have come, or the connection ends.
func (c *wireClient) read(t *testing.T, ready, limit int) string {
	var lines []string
	if c.plain {
		var b [1]byte
		if _, err := io.ReadFull(c.net, b[:]); err != nil {
			return "closed"
		}
		return "byte " + string(b[:])
	}
	for len(lines) != limit && (ready > 0 || limit > 0) {
		msg, err := c.frontend.Receive()
		if err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Errorf("the server is silent after %q", lines)
			}
			lines = append(lines, "closed")
			break
		}
		if _, ok := msg.(*pgproto3.ReadyForQuery); ok {
			ready--
		}
		if line := c.print(msg); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// print returns a message as a line, "" for those that differ from run to run.
func (c *wireClient) print(msg pgproto3.BackendMessage) string {
	switch m := msg.(type) {
	case *pgproto3.AuthenticationOk:
		return "authentication ok"
	case *pgproto3.ParameterStatus:
		if c.key.ProcessID == 0 && m.Name != "TimeZone" && m.Name != "application_name" {
			return "" // told in full by the test of all parameters
		}
		return "parameter " + m.Name + "=" + m.Value
	case *pgproto3.BackendKeyData:
		c.key = pgproto3.BackendKeyData{ProcessID: m.ProcessID, SecretKey: append([]byte(nil), m.SecretKey...)}
		return fmt.Sprintf("key of %d bytes", len(m.SecretKey))
	case *pgproto3.NegotiateProtocolVersion:
		return fmt.Sprintf("negotiate %d.%d unknown %q", m.NewestMinorProtocol>>16, m.NewestMinorProtocol&0xffff, m.UnrecognizedOptions)
	case *pgproto3.ReadyForQuery:
		return "ready " + string(m.TxStatus)
	case *pgproto3.CommandComplete:
		return "complete " + string(m.CommandTag)
	case *pgproto3.RowDescription:
		return c.printColumns(m)
	case *pgproto3.DataRow:
		return c.printRow(m)
	case *pgproto3.ParameterDescription:
		names := make([]string, len(m.ParameterOIDs))
		for i, oid := range m.ParameterOIDs {
			names[i] = types.Type(oid).String()
		}
		return "parameters (" + strings.Join(names, ", ") + ")"
	case *pgproto3.ErrorResponse:
		return "error " + printError(m)
	case *pgproto3.NoticeResponse:
		return "notice " + printError((*pgproto3.ErrorResponse)(m))
	}
	return strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", msg), "*pgproto3."))
}

func (c *wireClient) printColumns(m *pgproto3.RowDescription) string {
	c.columns = nil
	parts := make([]string, len(m.Fields))
	for i, f := range m.Fields {
		f.Name = append([]byte(nil), f.Name...)
		c.columns = append(c.columns, f)
		parts[i] = fmt.Sprintf("%s %s", f.Name, types.Type(f.DataTypeOID))
		if f.TypeModifier >= 0 {
			parts[i] += fmt.Sprintf(" mod %d", f.TypeModifier)
		}
		if f.Format == 1 {
			parts[i] += " binary"
		}
	}
	return "columns (" + strings.Join(parts, ", ") + ")"
}

func (c *wireClient) printRow(m *pgproto3.DataRow) string {
	parts := make([]string, len(m.Values))
	for i, v := range m.Values {
		known := i < len(c.columns)
		switch {
		case v == nil:
			parts[i] = "NULL"
		case known && string(c.columns[i].Name) == "epoch":
			parts[i] = "E"
		case known && c.columns[i].Format == 1:
			parts[i] = `\x` + hex.EncodeToString(v)
		default:
			parts[i] = strings.ToValidUTF8(string(v), "?")
		}
	}
	return "row " + strings.Join(parts, "|")
}

func printError(e *pgproto3.ErrorResponse) string {
	text := e.Severity + " " + e.Code + " " + e.Message
	add := func(name, value string) {
		if value != "" && value != "0" {
			text += "; " + name + " " + value
		}
	}
	add("detail", e.Detail)
	add("hint", e.Hint)
	add("position", strconv.Itoa(int(e.Position)))
	add("constraint", e.ConstraintName)
	add("column", e.ColumnName)
	return text
}
