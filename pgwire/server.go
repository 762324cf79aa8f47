package pgwire

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net"
	"sync"

	"github.com/streamdb/streamdb/engine"
)

// Options configure a server; zero values are defaults.
type Options struct {
	MaxConnections int // 1000
	Log            *slog.Logger
}

// maxStarting bounds the connections that have not sent their start-up packet
// yet; a crowd of slow ones must not keep a good client out.
const maxStarting = 128

// Server accepts connections for one engine.
type Server struct {
	engine *engine.Engine
	opts   Options

	mu       sync.Mutex
	conns    map[*conn]struct{}
	starting []*conn // in order of arrival
	active   int     // connections that have started up; those dropped before never count
	keys     map[int32]*conn
	closed   bool
	wait     sync.WaitGroup
}

// New returns a server for an engine.
func New(e *engine.Engine, opts Options) *Server {
	if opts.MaxConnections == 0 {
		opts.MaxConnections = 1000
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{engine: e, opts: opts, conns: map[*conn]struct{}{}, keys: map[int32]*conn{}}
}

// Serve accepts connections until ctx ends, then ends them (57P01) and returns
// when they are gone. The listener is closed.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() {
		l.Close()
		s.shutdown()
	})
	defer stop()
	defer s.wait.Wait()
	for {
		nc, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() {
				continue
			}
			s.shutdown()
			return err
		}
		s.accept(ctx, nc)
	}
}

// accept starts a connection, dropping the oldest unfinished start-up when
// there are too many.
func (s *Server) accept(ctx context.Context, nc net.Conn) {
	c := newConn(s, nc)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		nc.Close()
		return
	}
	s.conns[c] = struct{}{}
	s.starting = append(s.starting, c)
	if len(s.starting) > maxStarting {
		s.starting[0].net.Close()
		s.starting = s.starting[1:]
	}
	s.wait.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.wait.Done()
		defer s.forget(c)
		c.serve(ctx)
	}()
}

// started takes a connection out of those that are starting up and says
// whether there is room for it.
func (s *Server) started(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removeStarting(c)
	if s.active >= s.opts.MaxConnections {
		return false
	}
	s.active++
	c.counted = true
	return true
}

func (s *Server) removeStarting(c *conn) {
	for i := range s.starting {
		if s.starting[i] == c {
			s.starting = append(s.starting[:i], s.starting[i+1:]...)
			return
		}
	}
}

// register makes a connection known to cancel requests and returns its secret.
func (s *Server) register(c *conn, pid int32) ([]byte, error) {
	secret := make([]byte, 4)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.pid, c.secret = pid, secret
	s.keys[pid] = c
	return secret, nil
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if c.counted {
		s.active--
	}
	if s.keys[c.pid] == c {
		delete(s.keys, c.pid)
	}
	s.removeStarting(c)
}

// cancel ends the statement of the connection that the key belongs to. A wrong
// key is ignored, as the protocol demands.
func (s *Server) cancel(pid int32, secret []byte) {
	s.mu.Lock()
	c := s.keys[pid]
	s.mu.Unlock()
	if c != nil && subtle.ConstantTimeCompare(c.secret, secret) == 1 {
		c.session.Cancel()
	}
}

// shutdown ends all connections.
func (s *Server) shutdown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.conns {
		c.interrupt()
	}
}

// Connections returns how many connections are open.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}
