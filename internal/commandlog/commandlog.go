// Package commandlog keeps on disk which commands were given and what became of
// each, and under which idempotency keys: for whoever asks later, for a while.
//
// A command is noted before it is sent and its outcome when that is known, by one
// writer that puts many changes into a transaction: nobody waits for the disk who
// need not. Once an outcome says what happened it stays; one that was unknown may
// become known later. A command without an outcome past its deadline is one whose
// outcome is unknown, also if this process ended meanwhile: nothing is ever sent
// because it is in here.
package commandlog

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/sqlite"
	"github.com/wattline/wattline/internal/telemetry"
)

// The bounds of what is kept, unless Options say otherwise.
const (
	defaultMaxCommands = 200_000
	defaultMaxAge      = 90 * 24 * time.Hour
	defaultMaxKeys     = 10_000
	defaultMaxAnswers  = 64 << 20
	// KeyAge is for how long an idempotency key is remembered.
	KeyAge = 24 * time.Hour
)

// Options say where the log is and what bounds it. Zero bounds take the defaults.
type Options struct {
	// Path is the SQLite file.
	Path string
	// MaxCommands is how many are kept, the newest; 200,000. MaxAge is how old they
	// may become; 90 days.
	MaxCommands int
	MaxAge      time.Duration
	// MaxKeys is how many idempotency keys are remembered for one principal; 10,000.
	// MaxAnswerBytes is how large their answers may be together before no further key
	// is taken; 64 MiB.
	MaxKeys        int
	MaxAnswerBytes int64
	Log            *slog.Logger
	Metrics        *telemetry.Registry
}

// Log is the open log. Make it with Open; it writes while Run runs. All methods
// may be called concurrently.
type Log struct {
	options   Options
	log       *slog.Logger
	db        *sqlite.DB
	work      chan job
	ended     chan struct{}
	unwritten []job // what waits for room on the disk; Run's own
	dropped   *telemetry.CounterVec
	complain  rate.Sometimes
}

// Open opens or makes the file. A damaged one is set aside.
func Open(ctx context.Context, options Options) (*Log, error) {
	options.MaxCommands = cmp.Or(options.MaxCommands, defaultMaxCommands)
	options.MaxAge = cmp.Or(options.MaxAge, defaultMaxAge)
	options.MaxKeys = cmp.Or(options.MaxKeys, defaultMaxKeys)
	options.MaxAnswerBytes = cmp.Or(options.MaxAnswerBytes, defaultMaxAnswers)
	options.Log = cmp.Or(options.Log, slog.New(slog.DiscardHandler))
	db, err := sqlite.Open(ctx, options.Path, sqlite.Options{Migrations: migrations(), SetAside: true, Log: options.Log})
	if err != nil {
		return nil, err
	}
	l := &Log{
		options: options, log: options.Log, db: db, work: make(chan job, queueLength), ended: make(chan struct{}),
		dropped: options.Metrics.CounterVec("wattline_commandlog_dropped_total",
			"Changes to the log of commands that were not kept, by reason.", "reason"),
		complain: rate.Sometimes{First: 1, Interval: time.Minute},
	}
	if err := l.interrupt(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return l, nil
}

// Close closes the file; Run must have returned.
func (l *Log) Close() error { return l.db.Close() }

// prune keeps the log within its bounds.
func (l *Log) prune(ctx context.Context, tx *sql.Tx) error {
	now := time.Now()
	for _, statement := range []struct {
		text string
		args []any
	}{
		{"DELETE FROM commands WHERE asked_ms < ?", []any{now.Add(-l.options.MaxAge).UnixMilli()}},
		{"DELETE FROM commands WHERE seq <= (SELECT max(seq) FROM commands) - ?", []any{l.options.MaxCommands}},
		{"DELETE FROM keys WHERE at_ms < ?", []any{now.Add(-KeyAge).UnixMilli()}},
	} {
		if _, err := tx.ExecContext(ctx, statement.text, statement.args...); err != nil {
			return err
		}
	}
	return nil
}

// Command is one that is about to be given to a device.
type Command struct {
	ID     string
	Device string
	Action wattline.Action
}

// Batch is the commands of one request, which share who asks and until when.
type Batch struct {
	ID       string
	Actor    string
	Asked    time.Time
	Deadline time.Time
	Commands []Command
}
