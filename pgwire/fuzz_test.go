package pgwire

import (
	"bufio"
	"context"
	"encoding/hex"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// fuzzLimit is how long a conversation may take before it counts as hanging.
const fuzzLimit = 20 * time.Second

// converse runs a connection of the server over a pipe: it sends input, closes,
// and waits until the connection has ended.
func converse(t *testing.T, s *Server, input []byte) []byte {
	t.Helper()
	client, side := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c := newConn(s, side)
		s.mu.Lock()
		s.conns[c] = struct{}{}
		s.mu.Unlock()
		defer s.forget(c)
		c.serve(context.Background())
	}()
	answer := make(chan []byte, 1)
	go func() {
		var out []byte
		buf := make([]byte, 4096)
		for {
			n, err := client.Read(buf)
			if out = append(out, buf[:n]...); err != nil {
				answer <- out
				return
			}
		}
	}()
	client.SetWriteDeadline(time.Now().Add(fuzzLimit)) //nolint:errcheck // a pipe has deadlines
	client.Write(input)                                //nolint:errcheck // the server may have closed it
	client.Close()
	select {
	case <-done:
	case <-time.After(fuzzLimit):
		buf := make([]byte, 1<<20)
		t.Fatalf("the connection hangs after %x\n%s", input, buf[:runtime.Stack(buf, true)])
	}
	return <-answer
}

func fuzzServer(f *testing.F) *Server {
	log := &panicLog{}
	s := New(openEngine(f, f.TempDir()), Options{Log: log.logger()})
	f.Cleanup(func() {
		if log.seen() != "" {
			f.Errorf("a connection panicked: %s", log.seen())
		}
	})
	return s
}

func FuzzStartup(f *testing.F) {
	s := fuzzServer(f)
	for _, seed := range []string{
		"00000008 04d2162f", "00000008 04d21630", "00000010 04d2162e 00000001 00000002",
		"00000008 00030000", "00000009 00030000 00", "0000000a 00030002 0000",
		hex.EncodeToString(startupPacket("startup", "user=streamdb database=streamdb")),
		"00000008 04d2162f" + hex.EncodeToString(startupPacket("startup", "user=streamdb database=streamdb options=-c_x=y")),
	} {
		b, err := hex.DecodeString(strings.ReplaceAll(seed, " ", ""))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { converse(t, s, b) })
}

func FuzzMessages(f *testing.F) {
	s := fuzzServer(f)
	login := startupPacket("startup", "user=streamdb database=streamdb statement_timeout=1000")
	for _, messages := range [][]pgproto3.FrontendMessage{
		{&pgproto3.Query{String: "SELECT 1; SELECT 'x'::int"}, &pgproto3.Terminate{}},
		{&pgproto3.Parse{Name: "s", Query: "SELECT $1::int, $2", ParameterOIDs: []uint32{23, 25}},
			&pgproto3.Bind{DestinationPortal: "p", PreparedStatement: "s", Parameters: [][]byte{{0, 0, 0, 1}, []byte("x")},
				ParameterFormatCodes: []int16{1, 0}, ResultFormatCodes: []int16{1}},
			&pgproto3.Describe{ObjectType: 'P', Name: "p"}, &pgproto3.Execute{Portal: "p", MaxRows: 1}, &pgproto3.Sync{}},
		{&pgproto3.Parse{Query: "SELECT $1::numeric, $2::jsonb, $3::timestamptz, $4::int[]"}, &pgproto3.Describe{ObjectType: 'S'},
			&pgproto3.Bind{Parameters: [][]byte{{0, 1}, {1}, {0}, {0}}, ParameterFormatCodes: []int16{1}}, &pgproto3.Execute{}, &pgproto3.Sync{}},
		{&pgproto3.Close{ObjectType: 'S', Name: "s"}, &pgproto3.Flush{}, &pgproto3.Sync{}, &pgproto3.FunctionCall{}},
		{&pgproto3.CopyData{Data: []byte("x")}, &pgproto3.CopyDone{}, &pgproto3.CopyFail{}, &pgproto3.Sync{}},
	} {
		var b []byte
		for _, m := range messages {
			var err error
			if b, err = m.Encode(b); err != nil {
				f.Fatal(err)
			}
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { converse(t, s, append(append([]byte(nil), login...), b...)) })
}

// A length alone, without the bytes, costs no memory.
func TestLengthAloneCostsNothing(t *testing.T) {
	c := &conn{reader: bufio.NewReader(io.MultiReader(strings.NewReader("Q\x03\xff\xff\xff"), strings.NewReader("SELECT")))}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := c.receive(); err == nil {
		t.Fatal("a message that is cut short was read")
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 4*bodyChunk {
		t.Fatalf("%d bytes were allocated for a message of 6 bytes that claims 64 MiB", grown)
	}
}
