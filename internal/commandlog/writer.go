package commandlog

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/sqlite"
)

const (
	queueLength = 4096
	batchLength = 256
	pruneEvery  = time.Minute
	// roomEvery is how often a full disk is tried again.
	roomEvery = time.Second
	// writeInterval lies between two transactions while one change follows another and
	// nobody waits for them.
	writeInterval = 50 * time.Millisecond
	// writeTimeout bounds a transaction: a disk that hangs must not hang the end.
	writeTimeout = 10 * time.Second
)

// job is a change; done, if there is one, gets its error when it is on disk.
type job struct {
	do   func(context.Context, *sql.Tx) error
	done chan<- error
}

// ErrEnded says that the log does not write any more, or not yet.
var ErrEnded = errors.New("the log of commands is not being written")

// Run writes until the context ends, and then what is waiting. It is called once.
func (l *Log) Run(ctx context.Context) error {
	defer l.refuseRest()
	prune, room := time.NewTicker(pruneEvery), time.NewTicker(roomEvery)
	defer prune.Stop()
	defer room.Stop()
	batches := sqlite.Gatherer[job]{Queue: l.work, Most: batchLength, Every: writeInterval, Urgent: job.isAwaited}
	for {
		select {
		case first := <-l.work:
			l.write(batches.Next(ctx, first))
		case <-room.C:
			if len(l.unwritten) > 0 {
				l.write(nil)
			}
		case <-prune.C:
			if err := l.transact([]job{{do: l.prune}}); err != nil {
				l.lost(1, err)
			}
		case <-ctx.Done():
			l.writeRest()
			return nil
		}
	}
}

// writeRest writes what waits, and counts what finds no room to the last.
func (l *Log) writeRest() {
	for jobs := sqlite.Gather(nil, l.work, batchLength); len(jobs) > 0; jobs = sqlite.Gather(nil, l.work, batchLength) {
		l.write(jobs)
	}
	if len(l.unwritten) > 0 {
		l.write(nil)
	}
	l.dropped.WithLabelValues("disk").Add(float64(len(l.unwritten)))
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

// write puts jobs on disk behind those that wait for room there, all or none. For
// want of room those that nobody waits for are kept for the next time.
func (l *Log) write(jobs []job) {
	all := slices.Concat(l.unwritten, jobs)
	err := l.transact(all)
	l.unwritten = nil
	if err != nil {
		kept := slices.DeleteFunc(all, job.isAwaited)
		if sqlite.IsFull(err) {
			l.unwritten = kept[:min(len(kept), queueLength)]
		}
		l.lost(len(kept)-len(l.unwritten), err)
	}
	for _, j := range jobs {
		j.finish(err)
	}
}

func (l *Log) transact(jobs []job) error {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	return l.db.Write(ctx, func(tx *sql.Tx) error {
		for _, j := range jobs {
			if err := j.do(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
}

// lost counts what the disk did not take, and tells why the log cannot be written.
func (l *Log) lost(changes int, err error) {
	l.dropped.WithLabelValues("disk").Add(float64(changes))
	l.complain.Do(func() {
		l.log.Error("the log of commands cannot be written", "lost", changes, "waiting", len(l.unwritten), "error", err)
	})
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
	err := l.now(ctx, func(context.Context, *sql.Tx) error { return nil })
	if sqlite.IsFull(err) {
		return wattline.Errorf(wattline.CodeBusy, "what became of the last commands waits for room on the gateway's disk; ask again")
	}
	return err
}
