package pgwire

import (
	"log/slog"
	"strings"
	"sync"
)

// panicLog collects the log lines that tell of a panic.
type panicLog struct {
	mu   sync.Mutex
	text string
}

func (l *panicLog) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelError}))
}

// Write implements io.Writer.
func (l *panicLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if strings.Contains(string(p), "panic") {
		l.text += string(p)
	}
	return len(p), nil
}

func (l *panicLog) seen() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text
}
