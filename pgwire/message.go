package pgwire

import (
	"encoding/binary"
	"io"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// keptBody is the largest message whose memory is used again for the next.
const keptBody = 64 << 10

// bodyChunk is how much is allocated ahead of the bytes of a large message: a
// length alone must not cost its sender's claim in memory.
const bodyChunk = 1 << 20

// messages are the decoded messages, one of each type: a message is valid
// until the next one of its type is read.
type messages struct {
	bind      pgproto3.Bind
	close     pgproto3.Close
	describe  pgproto3.Describe
	execute   pgproto3.Execute
	parse     pgproto3.Parse
	query     pgproto3.Query
	flush     pgproto3.Flush
	sync      pgproto3.Sync
	terminate pgproto3.Terminate
	call      pgproto3.FunctionCall
	copyData  pgproto3.CopyData
	copyDone  pgproto3.CopyDone
	copyFail  pgproto3.CopyFail
}

// of returns the message of a type byte, nil for a type that clients do not
// send after start-up.
func (m *messages) of(kind byte) pgproto3.FrontendMessage {
	switch kind {
	case 'B':
		return &m.bind
	case 'C':
		return &m.close
	case 'D':
		return &m.describe
	case 'E':
		return &m.execute
	case 'P':
		return &m.parse
	case 'Q':
		return &m.query
	case 'H':
		return &m.flush
	case 'S':
		return &m.sync
	case 'X':
		return &m.terminate
	case 'F':
		return &m.call
	case 'd':
		return &m.copyData
	case 'c':
		return &m.copyDone
	case 'f':
		return &m.copyFail
	}
	return nil
}

// receive reads the next message. It and what it points to are valid until the
// next call.
func (c *conn) receive() (pgproto3.FrontendMessage, error) {
	head, err := c.reader.Peek(5)
	if err != nil {
		return nil, err
	}
	kind, length := head[0], binary.BigEndian.Uint32(head[1:])
	msg := c.messages.of(kind)
	switch {
	case msg == nil:
		return nil, sqlerr.New(sqlerr.ProtocolViolation, "invalid frontend message type %d", kind)
	case length < 4 || length-4 > maxMessageLen:
		return nil, sqlerr.New(sqlerr.ProtocolViolation, "invalid message length").
			WithDetail("A message may have %d bytes.", maxMessageLen)
	}
	c.reader.Discard(5) //nolint:errcheck // was peeked
	body, err := c.readBody(int(length) - 4)
	if err != nil {
		return nil, err
	}
	if err := msg.Decode(body); err != nil {
		return nil, sqlerr.Wrap(err, sqlerr.ProtocolViolation, "invalid message format")
	}
	return msg, nil
}

func (c *conn) readBody(n int) ([]byte, error) {
	if cap(c.body) > keptBody {
		c.body = nil
	}
	c.body = c.body[:0]
	for len(c.body) < n {
		step := min(n-len(c.body), bodyChunk)
		start := len(c.body)
		c.body = append(c.body, make([]byte, step)...)
		if _, err := io.ReadFull(c.reader, c.body[start:]); err != nil {
			return nil, err
		}
	}
	return c.body, nil
}

// syncFollows waits for the next message and says whether it is Sync.
func (c *conn) syncFollows() bool {
	b, err := c.reader.Peek(1)
	return err == nil && b[0] == 'S'
}

// send queues a message.
func (c *conn) send(m pgproto3.BackendMessage) {
	out, err := m.Encode(c.out)
	if err != nil {
		c.server.opts.Log.Error("a message could not be encoded", "error", err)
		c.broken = true
		return
	}
	c.out = out
}

// flush writes what is queued; false means that the client is gone or what it
// got is not whole.
func (c *conn) flush() bool {
	if c.broken {
		return false
	}
	if len(c.out) == 0 {
		return true
	}
	if c.stopping.Load() { // the statement may have taken longer to end than a write may wait
		c.net.SetWriteDeadline(time.Now().Add(farewell)) //nolint:errcheck // the write reports it
	}
	_, err := c.net.Write(c.out)
	if cap(c.out) > 2*flushSize {
		c.out = nil
	}
	c.out = c.out[:0]
	c.broken = err != nil
	return err == nil
}
