package archive

import (
	"context"
	"errors"
	"log/slog"
)

// quietHandler takes the TSDB's log one level down: what it says at every start
// and every two hours is for who looks for it. A compaction that closing has cancelled
// is done at the next start, and is no error.
type quietHandler struct{ slog.Handler }

const oneLevel = slog.LevelInfo - slog.LevelDebug

// Enabled tells whether the lowered level is wanted.
func (h quietHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.Handler.Enabled(ctx, lowered(level))
}

// Handle passes a record on, lowered.
func (h quietHandler) Handle(ctx context.Context, record slog.Record) error {
	record.Level = lowered(record.Level)
	if isCancelled(record) {
		record.Level = slog.LevelDebug
	}
	if !h.Handler.Enabled(ctx, record.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, record)
}

func isCancelled(record slog.Record) (is bool) {
	record.Attrs(func(attr slog.Attr) bool {
		err, ok := attr.Value.Any().(error)
		is = ok && errors.Is(err, context.Canceled)
		return !is
	})
	return is
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
