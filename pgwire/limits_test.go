package pgwire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

func connect(t testing.TB, address, parameters string) (*pgconn.PgConn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := pgconn.Connect(ctx, "postgres://streamdb@"+address+"/streamdb?sslmode=disable"+parameters)
	if err == nil {
		t.Cleanup(func() { c.Close(context.Background()) })
	}
	return c, err
}

func mustConnect(t testing.TB, address, parameters string) *pgconn.PgConn {
	t.Helper()
	c, err := connect(t, address, parameters)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func code(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return fmt.Sprint(err)
}

func TestMaxConnections(t *testing.T) {
	address := startServer(t, Options{MaxConnections: 2})
	first := mustConnect(t, address, "")
	mustConnect(t, address, "")
	if _, err := connect(t, address, ""); code(err) != "53300" {
		t.Fatalf("third connection: %v", err)
	}
	first.Close(context.Background())
	for range 200 { // the server notices the end soon
		if _, err := connect(t, address, ""); err == nil {
			return
		} else if code(err) != "53300" {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the place of a closed connection stays taken")
}

// A crowd of clients that send nothing does not keep a good one out: the oldest
// are dropped.
func TestSilentCrowd(t *testing.T) {
	address := startServer(t, Options{MaxConnections: 4})
	var crowd []net.Conn
	defer func() {
		for _, c := range crowd {
			c.Close()
		}
	}()
	for range maxStarting + 20 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		c.Write([]byte{0, 0}) //nolint:errcheck // may be dropped already
		crowd = append(crowd, c)
	}
	c := mustConnect(t, address, "")
	if _, err := c.Exec(context.Background(), "SELECT 1").ReadAll(); err != nil {
		t.Fatal(err)
	}
	crowd[0].SetReadDeadline(time.Now().Add(10 * time.Second)) //nolint:errcheck // a hang becomes a failure
	if _, err := crowd[0].Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !isReset(err) {
		t.Fatalf("the oldest silent connection is still there: %v", err)
	}
}

func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && !op.Timeout()
}

// A client that goes away ends the statement that it waits for.
func TestDisconnectEndsStatement(t *testing.T) {
	e := openEngine(t, t.TempDir())
	s := New(e, Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	c := mustConnect(t, l.Addr().String(), "")
	if _, err := c.Exec(ctx, "CREATE TABLE t (a int PRIMARY KEY)").ReadAll(); err != nil {
		t.Fatal(err)
	}
	c.Frontend().SendQuery(&pgproto3.Query{String: "SUBSCRIBE TO t"})
	if err := c.Frontend().Flush(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond) // so that it waits; shorter is right, too
	c.Conn().Close()
	for range 500 {
		if s.Connections() == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the statement of a client that is gone goes on")
}

// Serve ends although a client does not read its rows.
func TestShutdownBesideFullPipe(t *testing.T) {
	e := openEngine(t, t.TempDir())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- New(e, Options{}).Serve(ctx, l) }()
	c := mustConnect(t, l.Addr().String(), "")
	c.Frontend().SendQuery(&pgproto3.Query{String: "SELECT repeat('x', 1000), a, b FROM generate_series(1, 300) a, generate_series(1, 300) b"})
	if err := c.Frontend().Flush(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // so that the pipe is full; if it is not, the test shows less
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("a client that does not read keeps the server from ending")
	}
}

func TestAnswersAtShutdown(t *testing.T) {
	e := openEngine(t, t.TempDir())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- New(e, Options{}).Serve(ctx, l) }()
	c := mustConnect(t, l.Addr().String(), "")
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := c.ReceiveMessage(context.Background()); code(err) != "57P01" {
		t.Fatalf("an idle client is told %v", err)
	}
}

// A statement under way ends with the server, and its client is told so, once.
func TestStatementAtShutdown(t *testing.T) {
	e := openEngine(t, t.TempDir())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- New(e, Options{}).Serve(ctx, l) }()
	c := mustConnect(t, l.Addr().String(), "")
	c.Frontend().SendQuery(&pgproto3.Query{String: "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b"})
	if err := c.Frontend().Flush(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // so that it runs; if it does not, the test shows less
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	var errs []*pgproto3.ErrorResponse
	for {
		msg, err := c.Frontend().Receive()
		if err != nil {
			break // the connection has ended
		}
		if e, ok := msg.(*pgproto3.ErrorResponse); ok {
			errs = append(errs, &pgproto3.ErrorResponse{Severity: e.Severity, Code: e.Code})
		}
	}
	if len(errs) != 1 || errs[0].Code != "57P01" || errs[0].Severity != "FATAL" {
		t.Fatalf("the client is told %v", errs)
	}
}

// A wrong key cancels nothing.
func TestWrongCancelKey(t *testing.T) {
	address := startServer(t, Options{})
	c := mustConnect(t, address, "")
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	m := pgproto3.CancelRequest{ProcessID: c.PID(), SecretKey: []byte{1, 2, 3, 4}}
	b, err := m.Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Write(b); err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, nc) //nolint:errcheck // until the server closes it
	if _, err := c.Exec(context.Background(), "SELECT 1").ReadAll(); err != nil {
		t.Fatal(err)
	}
}
