// Package harness starts the built streamdb binary as a user does and talks to
// it: what crash, Kafka and documentation tests share.
package harness

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a running streamdb process.
type Server struct {
	Addr  string // host:port for PostgreSQL clients
	HTTP  string
	Kafka string // of the embedded broker
	PID   int

	cmd    *exec.Cmd
	exited chan error
}

// readyTimeout bounds the time from the start of the process to its ready line.
const readyTimeout = 60 * time.Second

// Start runs "binary serve" on free loopback ports over a data directory and
// returns when it is ready. env are further variables; args further flags.
func Start(ctx context.Context, binary, dataDir string, env []string, args ...string) (*Server, error) {
	return StartCommand(ctx, binary, "serve", dataDir, env, args...)
}

// StartCommand is Start for another command that serves.
func StartCommand(ctx context.Context, binary, command, dataDir string, env []string, args ...string) (*Server, error) {
	flags := append([]string{command, "--data-dir", dataDir, "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"}, args...)
	cmd := exec.Command(binary, flags...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	s := &Server{cmd: cmd, PID: cmd.Process.Pid, exited: make(chan error, 1)}
	ready := make(chan error, 1)
	go func() {
		lines := bufio.NewReader(out)
		ready <- s.readReady(lines)
		_, _ = io.Copy(io.Discard, lines) // what it prints later must find a reader
		s.exited <- cmd.Wait()
	}()
	select {
	case err = <-ready:
	case <-ctx.Done():
		err = ctx.Err()
	case <-time.After(readyTimeout):
		err = fmt.Errorf("the server was not ready after %s", readyTimeout)
	}
	if err != nil {
		s.Kill()
		return nil, err
	}
	return s, nil
}

// readReady reads the line that names the bound addresses.
func (s *Server) readReady(r *bufio.Reader) error {
	line, err := r.ReadString('\n')
	if err != nil {
		return fmt.Errorf("the server ended before it was ready: %w", err)
	}
	m := regexp.MustCompile(`ready: postgres (\S+?)(?:, http (\S+?))?(?:, kafka (\S+))?\n`).FindStringSubmatch(line)
	if m == nil {
		return fmt.Errorf("unexpected first line of the server: %q", line)
	}
	s.Addr, s.HTTP, s.Kafka = m[1], m[2], m[3]
	return nil
}

// Kill ends the process as kill -9 does and waits for it.
func (s *Server) Kill() {
	s.cmd.Process.Kill() //nolint:errcheck // it may have ended by itself
	<-s.exited           //nolint:errcheck // it was killed and has nothing to say
	s.exited <- nil
}

// Stop ends the process by SIGTERM and returns how it ended.
func (s *Server) Stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-s.exited:
		s.exited <- err
		return err
	case <-time.After(readyTimeout):
		s.Kill()
		return fmt.Errorf("the server did not stop within %s", readyTimeout)
	}
}

// Exited waits until the process has ended by itself, at most for d.
func (s *Server) Exited(d time.Duration) bool {
	select {
	case err := <-s.exited:
		s.exited <- err
		return true
	case <-time.After(d):
		return false
	}
}

// Connect opens a connection as the superuser.
func (s *Server) Connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, "postgres://streamdb@"+s.Addr+"/streamdb?sslmode=disable")
}
