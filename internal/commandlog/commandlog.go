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

const (
	queueLength = 4096
	batchLength = 256
	pruneEvery  = time.Minute
	// writeInterval lies between two transactions while one change follows another and
	// nobody waits for them.
	writeInterval = 50 * time.Millisecond
	// writeTimeout bounds a transaction: a disk that hangs must not hang the end.
	writeTimeout = 10 * time.Second
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
	options  Options
	log      *slog.Logger
	db       *sqlite.DB
	work     chan job
	ended    chan struct{}
	dropped  *telemetry.CounterVec
	complain rate.Sometimes
}

// job is a change; done, if there is one, gets its error when it is on disk.
type job struct {
	do   func(context.Context, *sql.Tx) error
	done chan<- error
}

// ErrEnded says that the log does not write any more, or not yet.
var ErrEnded = errors.New("the log of commands is not being written")

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

// Run writes until the context ends, and then what is waiting. It is called once.
func (l *Log) Run(ctx context.Context) error {
	defer l.refuseRest()
	prune := time.NewTicker(pruneEvery)
	defer prune.Stop()
	batches := sqlite.Gatherer[job]{Queue: l.work, Most: batchLength, Every: writeInterval, Urgent: job.isAwaited}
	for {
		select {
		case first := <-l.work:
			l.write(batches.Next(ctx, first))
		case <-prune.C:
			l.write([]job{{do: l.prune}})
		case <-ctx.Done():
			for jobs := sqlite.Gather(nil, l.work, batchLength); len(jobs) > 0; jobs = sqlite.Gather(nil, l.work, batchLength) {
				l.write(jobs)
			}
			return nil
		}
	}
}

// refuseRest ends those that still come.
func (l *Log) refuseRest() {
	close(l.ended)
	for {
		select {
		case late := <-l.work:
			late.finish(ErrEnded)
		default:
			return
		}
	}
}

func (j job) isAwaited() bool { return j.done != nil }

func (j job) finish(err error) {
	if j.done != nil {
		j.done <- err
	}
}

// write puts jobs on disk, all or none.
func (l *Log) write(jobs []job) {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	err := l.db.Write(ctx, func(tx *sql.Tx) error {
		for _, j := range jobs {
			if err := j.do(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		l.dropped.WithLabelValues("disk").Add(float64(len(jobs)))
		l.complain.Do(func() { l.log.Error("the log of commands cannot be written", "changes", len(jobs), "error", err) })
	}
	for _, j := range jobs {
		j.finish(err)
	}
}

// later has something written soon. It never blocks: what finds no room is counted.
func (l *Log) later(do func(context.Context, *sql.Tx) error) {
	select {
	case l.work <- job{do: do}:
	default:
		l.dropped.WithLabelValues("full").Inc()
	}
}

// now has something written and waits until it is on disk. What is queued is not
// taken back when the context ends: whoever asked learns whether it was written. Only
// of a disk that hangs they do not; it may be written after the error then.
func (l *Log) now(ctx context.Context, do func(context.Context, *sql.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	done := make(chan error, 1)
	select {
	case l.work <- job{do, done}:
	case <-l.ended:
		return ErrEnded
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	select {
	case err := <-done:
		return err
	case <-l.ended:
		select {
		case err := <-done:
			return err
		default:
			return ErrEnded
		}
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settle waits until all that was noted before is on disk, so that whoever asks
// finds it.
func (l *Log) settle(ctx context.Context) error {
	return l.now(ctx, func(context.Context, *sql.Tx) error { return nil })
}

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
