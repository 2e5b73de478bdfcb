package testserver

import (
	"bytes"
	"log/slog"
	"sync"
)

// Text is what was written so far: a log, or what a process prints. Its zero value is
// empty. It is safe for concurrent use.
type Text struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write adds a part.
func (t *Text) Write(part []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(part)
}

// String is all of it.
func (t *Text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// Logger writes what is of a level or above.
func (t *Text) Logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(t, &slog.HandlerOptions{Level: level}))
}
