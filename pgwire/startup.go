package pgwire

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamdb/streamdb/engine"
	"github.com/streamdb/streamdb/internal/sqlerr"
)

// The codes that may stand in place of a protocol version.
const (
	protocolMajor  = 3
	cancelRequest  = 80877102
	sslRequest     = 80877103
	gssEncRequest  = 80877104
	maxStartupLen  = 10 << 10
	maxEncRequests = 2
	startupTimeout = 30 * time.Second
)

// errCancel says that the connection was a cancel request and is done.
var errCancel = errors.New("cancel request")

// startup is what a client sends first.
type startup struct {
	minor      uint32
	parameters map[string]string
	unknown    []string // protocol options (_pq_.*), none of which is known
}

// readStartup reads packets until one is a start-up packet, answering N to
// requests for encryption. pgproto3 refuses minor versions, so this is ours.
func (c *conn) readStartup() (*startup, error) {
	for range maxEncRequests + 1 {
		code, body, err := c.readStartupPacket()
		if err != nil {
			return nil, err
		}
		switch {
		case code == sslRequest || code == gssEncRequest:
			if _, err := c.net.Write([]byte{'N'}); err != nil {
				return nil, err
			}
		case code == cancelRequest:
			if len(body) >= 8 {
				c.server.cancel(int32(binary.BigEndian.Uint32(body)), body[4:])
			}
			return nil, errCancel
		case code>>16 == protocolMajor:
			return parseStartup(code&0xffff, body)
		default:
			return nil, sqlerr.New(sqlerr.FeatureNotSupported, "unsupported frontend protocol %d.%d: server supports 3.0 to 3.0", code>>16, code&0xffff)
		}
	}
	return nil, sqlerr.New(sqlerr.ProtocolViolation, "too many requests for encryption")
}

func (c *conn) readStartupPacket() (code uint32, body []byte, err error) {
	var head [8]byte
	if _, err := io.ReadFull(c.reader, head[:]); err != nil {
		return 0, nil, err
	}
	length := binary.BigEndian.Uint32(head[:])
	if length < 8 || length > maxStartupLen {
		return 0, nil, sqlerr.New(sqlerr.ProtocolViolation, "invalid length of startup packet")
	}
	body = make([]byte, length-8)
	_, err = io.ReadFull(c.reader, body)
	return binary.BigEndian.Uint32(head[4:]), body, err
}

// parseStartup reads the pairs of names and values, each ended by a zero byte.
func parseStartup(minor uint32, body []byte) (*startup, error) {
	s := &startup{minor: minor, parameters: map[string]string{}}
	bad := sqlerr.New(sqlerr.ProtocolViolation, "invalid startup packet layout: expected terminator as last byte")
	if len(body) == 0 || body[len(body)-1] != 0 {
		return nil, bad
	}
	parts := strings.Split(string(body[:len(body)-1]), "\x00")
	for i := 0; i+1 < len(parts) && parts[i] != ""; i += 2 {
		if strings.HasPrefix(parts[i], "_pq_.") {
			s.unknown = append(s.unknown, parts[i])
		} else {
			s.parameters[parts[i]] = parts[i+1]
		}
	}
	return s, nil
}

// begin starts the session and greets the client.
func (c *conn) begin(st *startup) error {
	// The field is PostgreSQL's whole version number, despite its name.
	if st.minor > 0 || len(st.unknown) > 0 {
		c.send(&pgproto3.NegotiateProtocolVersion{NewestMinorProtocol: protocolMajor << 16, UnrecognizedOptions: st.unknown})
	}
	opts, err := c.sessionOptions(st)
	if err != nil {
		return err
	}
	if c.session, err = c.server.engine.NewSession(opts); err != nil {
		return err
	}
	secret, err := c.server.register(c, c.session.PID())
	if err != nil {
		return err
	}
	c.send(&pgproto3.AuthenticationOk{})
	c.session.Parameters(func(name, value string) {
		c.send(&pgproto3.ParameterStatus{Name: name, Value: value})
	})
	c.send(&pgproto3.BackendKeyData{ProcessID: uint32(c.session.PID()), SecretKey: secret})
	return nil
}

// sessionOptions splits the start-up parameters into who connects and settings.
func (c *conn) sessionOptions(st *startup) (engine.SessionOptions, error) {
	opts := engine.SessionOptions{Settings: map[string]string{}, Notice: c.notice, Report: c.report, Deallocate: c.deallocate}
	for name, value := range st.parameters {
		switch name {
		case "user":
			opts.User = value
		case "database":
			opts.Database = value
		case "options":
			if err := parseCommandLine(value, opts.Settings); err != nil {
				return opts, err
			}
		case "replication":
			if value != "false" && value != "off" && value != "0" {
				return opts, sqlerr.New(sqlerr.FeatureNotSupported, "replication connections are not supported").
					WithHint("SUBSCRIBE sends the changes of a view.")
			}
		default:
			opts.Settings[name] = value
		}
	}
	if opts.User == "" {
		return opts, sqlerr.New(sqlerr.InvalidAuthorization, "no PostgreSQL user name specified in startup packet")
	}
	if opts.Database == "" {
		opts.Database = opts.User
	}
	return opts, nil
}

// parseCommandLine reads -c name=value and --name=value; a backslash quotes the
// next character.
func parseCommandLine(line string, into map[string]string) error {
	args := splitCommandLine(line)
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "-c" && i+1 < len(args):
			i++
			arg = args[i]
		case strings.HasPrefix(arg, "-c"):
			arg = arg[2:]
		case strings.HasPrefix(arg, "--"):
			arg = arg[2:]
		default:
			return sqlerr.New(sqlerr.InvalidParameterValue, "invalid command-line argument for server process: %s", arg)
		}
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return sqlerr.New(sqlerr.InvalidParameterValue, "-c %s requires a value", arg)
		}
		into[strings.ReplaceAll(name, "-", "_")] = value
	}
	return nil
}

func splitCommandLine(line string) []string {
	var args []string
	var word strings.Builder
	in := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
			in = true
		case c == ' ' || c == '\t' || c == '\n':
			if in {
				args = append(args, word.String())
				word.Reset()
				in = false
			}
		default:
			word.WriteByte(c)
			in = true
		}
	}
	if in {
		args = append(args, word.String())
	}
	return args
}
