package archive

import (
	"context"
	"log/slog"
)

// quietHandler takes the TSDB's log one level down: what it says at every start
// and every two hours is for who looks for it.
type quietHandler struct{ slog.Handler }

const oneLevel = slog.LevelInfo - slog.LevelDebug

// Enabled tells whether the lowered level is wanted.
func (h quietHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.Handler.Enabled(ctx, lowered(level))
}

// Handle passes a record on, lowered.
func (h quietHandler) Handle(ctx context.Context, record slog.Record) error {
	record.Level = lowered(record.Level)
	return h.Handler.Handle(ctx, record)
}

// WithAttrs keeps lowering.
func (h quietHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quietHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps lowering.
func (h quietHandler) WithGroup(name string) slog.Handler {
	return quietHandler{h.Handler.WithGroup(name)}
}

func lowered(level slog.Level) slog.Level {
	if level >= slog.LevelError {
		return level
	}
	return level - oneLevel
}
