package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// testServers are servers of this binary for the time of a test run, each a
// process of its own: one that crashes takes neither the runner nor the others
// with it.
type testServers struct {
	dir    string
	memory string

	mu      sync.Mutex
	servers map[string]*exec.Cmd // by URL
	started int
}

func startTestServers(ctx context.Context, n int, memory string) (*testServers, error) {
	dir, err := os.MkdirTemp("", "streamdb-test-")
	if err != nil {
		return nil, err
	}
	s := &testServers{dir: dir, memory: memory, servers: map[string]*exec.Cmd{}}
	for range n {
		if _, err := s.start(ctx); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return s, nil
}

func (s *testServers) urls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for url := range s.servers {
		out = append(out, url)
	}
	return out
}

// start runs a server over a new directory and returns the URL of its database.
func (s *testServers) start(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	binary, err := os.Executable()
	if err != nil {
		return "", err
	}
	s.started++
	cmd := exec.Command(binary, "serve", "--data-dir", filepath.Join(s.dir, strconv.Itoa(s.started)), "--listen", "127.0.0.1:0", "--http-listen", "",
		"--sync", "off", "--memory-limit", s.memory, "--log-level", "error")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	address := make(chan string, 1)
	go func() {
		defer close(address)
		lines := bufio.NewReader(out)
		line, _ := lines.ReadString('\n') // an end of the process is told below
		if m := regexp.MustCompile(`ready: postgres (\S+)`).FindStringSubmatch(line); m != nil {
			address <- m[1]
		}
		_, _ = io.Copy(io.Discard, lines)
	}()
	select {
	case a, ok := <-address:
		if !ok {
			return "", fmt.Errorf("a test server did not start: %w", cmd.Wait())
		}
		url := "postgres://streamdb@" + a + "/streamdb?sslmode=disable"
		s.servers[url] = cmd
		return url, nil
	case <-ctx.Done():
		return "", errors.Join(ctx.Err(), end(cmd))
	}
}

// renew ends a server and starts another.
func (s *testServers) renew(ctx context.Context, url string) (string, error) {
	s.mu.Lock()
	cmd := s.servers[url]
	delete(s.servers, url)
	s.mu.Unlock()
	if cmd != nil {
		_ = end(cmd) // it may have crashed, which its log says
	}
	return s.start(ctx)
}

// close ends the servers and removes their directories.
func (s *testServers) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for url, cmd := range s.servers {
		delete(s.servers, url)
		if err := end(cmd); err != nil {
			errs = append(errs, fmt.Errorf("a test server: %w", err))
		}
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}

// endTimeout is what a server gets to stop by itself.
const endTimeout = 10 * time.Second

func end(cmd *exec.Cmd) error {
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	kill := time.AfterFunc(endTimeout, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	return cmd.Wait()
}
