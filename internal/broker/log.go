package broker

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Warnings and errors of the server are mostly about what some client sent, so
// that a hostile one could fill the log: beyond this pace they are counted.
const (
	logBurst = 20
	logEvery = 10 * time.Second
)

// serverLog is the server's logger. What the server calls a notice is of
// interest to who looks for a fault in the broker and goes to debug. A fatal
// message does not end the process but goes to onFatal.
type serverLog struct {
	log        *slog.Logger
	limit      *rate.Limiter
	suppressed atomic.Int64
	onFatal    func(error)
}

func newServerLog(log *slog.Logger, onFatal func(error)) *serverLog {
	return &serverLog{log: log, limit: rate.NewLimiter(rate.Every(logEvery), logBurst), onFatal: onFatal}
}

// debugging tells whether the server is to produce its debug messages at all.
func (l *serverLog) debugging() bool {
	return l.log.Enabled(context.Background(), slog.LevelDebug)
}

// Noticef takes what the server reports of its own life.
func (l *serverLog) Noticef(format string, v ...any) { write(l.log, slog.LevelDebug, format, v) }

// Debugf takes what the server reports for each connection.
func (l *serverLog) Debugf(format string, v ...any) { write(l.log, slog.LevelDebug, format, v) }

// Tracef takes nothing: traces hold payloads.
func (l *serverLog) Tracef(string, ...any) {}

// Warnf takes warnings, at a bounded pace.
func (l *serverLog) Warnf(format string, v ...any) { l.limited(slog.LevelWarn, format, v) }

// Errorf takes errors, at a bounded pace.
func (l *serverLog) Errorf(format string, v ...any) { l.limited(slog.LevelError, format, v) }

// Fatalf takes the message after which the server is of no use.
func (l *serverLog) Fatalf(format string, v ...any) {
	err := fmt.Errorf(format, v...)
	for _, arg := range v {
		if cause, ok := arg.(error); ok {
			err = &fatalError{message: err.Error(), cause: cause}
		}
	}
	l.onFatal(err)
}

func (l *serverLog) limited(level slog.Level, format string, v []any) {
	if !l.limit.Allow() {
		l.suppressed.Add(1)
		return
	}
	log := l.log
	if n := l.suppressed.Swap(0); n > 0 {
		log = log.With("suppressed", n)
	}
	write(log, level, format, v)
}

func write(log *slog.Logger, level slog.Level, format string, v []any) {
	log.Log(context.Background(), level, "broker's server", "said", fmt.Sprintf(format, v...))
}

// fatalError is a fatal message with the error that it was about, which the
// server formats away.
type fatalError struct {
	message string
	cause   error
}

func (e *fatalError) Error() string { return e.message }

func (e *fatalError) Unwrap() error { return e.cause }
