package pgwire

import (
	"bufio"
	"context"
	"errors"
	"net"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamdb/streamdb/engine"
	"github.com/streamdb/streamdb/internal/sqlerr"
)

// maxMessageLen bounds one message of a client.
const maxMessageLen = 64 << 20

// flushSize is how many bytes of rows are collected before they are written.
const flushSize = 32 << 10

// conn is one client. Everything but interrupt belongs to its goroutine.
type conn struct {
	server  *Server
	net     net.Conn
	reader  *bufio.Reader
	session *engine.Session
	pid     int32
	secret  []byte
	counted bool // among the server's active ones; guarded by its mutex

	statements map[string]*engine.Prepared
	portals    map[string]*portal
	messages   messages
	body       []byte      // of the message under way
	out        []byte      // messages that are not written yet
	broken     bool        // writing failed
	failed     bool        // an extended-protocol error: skip to Sync
	over       bool        // the client has been told that the connection ends
	stopping   atomic.Bool // the server shuts down
	ready      atomic.Bool // session is set
}

func newConn(s *Server, nc net.Conn) *conn {
	return &conn{server: s, net: nc, reader: bufio.NewReaderSize(nc, 16<<10),
		statements: map[string]*engine.Prepared{}, portals: map[string]*portal{}}
}

// farewell is how long a client that does not read may delay its end.
const farewell = 2 * time.Second

// interrupt ends the connection from another goroutine: the statement under
// way is cancelled, the next read fails, and so does a write that waits.
func (c *conn) interrupt() {
	c.stopping.Store(true)
	if c.ready.Load() {
		c.session.End(errShutdown())
	}
	c.net.SetReadDeadline(time.Now())                //nolint:errcheck // the connection may be gone, which is as well
	c.net.SetWriteDeadline(time.Now().Add(farewell)) //nolint:errcheck // likewise
}

// serve runs the connection to its end.
func (c *conn) serve(ctx context.Context) {
	defer c.net.Close()
	defer func() {
		if r := recover(); r != nil {
			c.server.opts.Log.Error("connection ended by a panic", "panic", r, "stack", string(debug.Stack()))
			c.fatal(sqlerr.New(sqlerr.InternalError, "internal error: the connection is closed"))
		}
	}()
	c.net.SetDeadline(time.Now().Add(startupTimeout)) //nolint:errcheck // the read that follows reports it
	st, err := c.readStartup()
	if err != nil {
		c.refuse(err)
		return
	}
	if !c.server.started(c) {
		c.fatal(sqlerr.New(sqlerr.TooManyConnections, "sorry, too many clients already"))
		return
	}
	if err := c.begin(st); err != nil {
		c.fatal(err)
		return
	}
	defer c.session.Close()
	c.ready.Store(true)
	c.net.SetDeadline(time.Time{}) //nolint:errcheck // the read that follows reports it
	if c.stopping.Load() {
		c.interrupt()
	}
	c.readyForQuery()
	c.loop(ctx)
}

// refuse answers a start-up that failed, if there is somebody to answer.
func (c *conn) refuse(err error) {
	var e *sqlerr.Error
	if errors.As(err, &e) {
		c.fatal(e)
	}
}

// loop reads messages until the client leaves or the server stops.
func (c *conn) loop(ctx context.Context) {
	for {
		msg, err := c.receive()
		if err != nil {
			c.endOfMessages(err)
			return
		}
		if !c.handle(ctx, msg) {
			return
		}
	}
}

func errShutdown() *sqlerr.Error {
	return sqlerr.New(sqlerr.AdminShutdown, "terminating connection due to administrator command")
}

func (c *conn) endOfMessages(err error) {
	var wrong *sqlerr.Error
	switch {
	case c.over:
	case c.stopping.Load():
		c.fatal(errShutdown())
	case errors.As(err, &wrong):
		c.fatal(wrong)
	}
}

// handle answers one message and says whether the connection goes on.
func (c *conn) handle(ctx context.Context, msg pgproto3.FrontendMessage) bool {
	if c.failed {
		switch msg.(type) {
		case *pgproto3.Sync, *pgproto3.Terminate:
		default:
			return true // discarded until Sync
		}
	}
	switch m := msg.(type) {
	case *pgproto3.Query:
		c.simpleQuery(ctx, m.String)
	case *pgproto3.Parse:
		c.extended("", c.parse(ctx, m))
	case *pgproto3.Bind:
		c.extended("", c.bind(m))
	case *pgproto3.Describe:
		c.extended("", c.describe(m))
	case *pgproto3.Execute:
		c.extended(c.portalText(m.Portal), c.execute(ctx, m))
	case *pgproto3.Close:
		c.extended("", c.closeObject(m))
	case *pgproto3.Flush:
		return c.flush()
	case *pgproto3.Sync:
		c.failed = false
		if err := c.session.EndImplicit(ctx); err != nil {
			c.sendError(err, "")
		}
		return c.readyForQuery()
	case *pgproto3.Terminate:
		return false
	case *pgproto3.CopyData, *pgproto3.CopyDone, *pgproto3.CopyFail:
		// What is left of a COPY that failed is ignored, as the protocol demands.
	case *pgproto3.FunctionCall:
		c.extended("", sqlerr.New(sqlerr.FeatureNotSupported, "the function call protocol is not supported"))
		c.failed = false
		if err := c.session.EndImplicit(ctx); err != nil {
			c.sendError(err, "")
		}
		return c.readyForQuery()
	default:
		c.fatal(sqlerr.New(sqlerr.ProtocolViolation, "invalid frontend message type"))
		return false
	}
	return true
}

// extended reports the error of an extended-protocol message, if there is one;
// what follows up to Sync is skipped.
func (c *conn) extended(text string, err error) {
	if err == nil {
		return
	}
	c.failed = true
	c.session.Fail()
	c.sendError(err, text)
}

func (c *conn) readyForQuery() bool {
	if c.over {
		c.flush()
		return false
	}
	if c.session.TxStatus() == 'I' {
		clear(c.portals) // portals end with their transaction
	}
	c.send(&pgproto3.ReadyForQuery{TxStatus: c.session.TxStatus()})
	return c.flush()
}

// notice sends a notice at once: it may be about a wait.
func (c *conn) notice(n engine.Notice) {
	c.send(&pgproto3.NoticeResponse{Severity: n.Severity, SeverityUnlocalized: n.Severity, Code: n.Code,
		Message: n.Message, Detail: n.Detail, Hint: n.Hint})
	c.flush()
}

func (c *conn) report(name, value string) {
	c.send(&pgproto3.ParameterStatus{Name: name, Value: value})
}

// watch cancels the statement under way when the client goes away. It looks
// only after a while, so that short statements cost nothing; stop must be
// called before the connection is read again.
func (c *conn) watch() (stop func()) {
	done := make(chan struct{})
	timer := time.AfterFunc(100*time.Millisecond, func() {
		defer close(done)
		if _, err := c.reader.Peek(1); err != nil && !isTimeout(err) {
			c.session.Cancel()
		}
	})
	return func() {
		if timer.Stop() {
			return
		}
		c.net.SetReadDeadline(time.Now()) //nolint:errcheck // ends the Peek; a closed connection ends it, too
		<-done
		if !c.stopping.Load() {
			c.net.SetReadDeadline(time.Time{}) //nolint:errcheck // the next read reports it
		}
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}
