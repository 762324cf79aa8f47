package main

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// killAt kills the process, as kill -9 does, the n-th time the named point is
// reached; spec is name:n.
func killAt(spec string) func(string) {
	name, count, _ := strings.Cut(spec, ":")
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil || n < 1 {
		n = 1
	}
	var reached atomic.Int64
	return func(point string) {
		if point == name && reached.Add(1) == n {
			syscall.Kill(os.Getpid(), syscall.SIGKILL) //nolint:errcheck // nothing is left to report to
			select {}
		}
	}
}
