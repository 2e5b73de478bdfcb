package audit

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/sqlite"
)

const (
	// group is how many records are written in one transaction at most.
	group = 512
	// writeInterval lies between two transactions while one record follows another.
	writeInterval = 50 * time.Millisecond
	// writeTimeout bounds one of them, and lastWrites all that is left at the end.
	writeTimeout = 10 * time.Second
	lastWrites   = 5 * time.Second
	pruneEvery   = time.Hour
)

// patience is for how long Append waits for room.
const patience = time.Second

// Append has entries written soon: it returns when they are queued, which takes no
// time unless the queue is full. It is CodeBusy when there is no room until ctx ends
// or a second has passed; then none or some of them are queued, and what is not is
// counted as lost. What is to be done only if it is in the audit is not to be done then.
func (l *Log) Append(ctx context.Context, entries ...Entry) error {
	l.ending.RLock()
	defer l.ending.RUnlock()
	if l.ended {
		return l.lose(entries)
	}
	now := wattline.At(time.Now())
	var full <-chan time.Time
	for i, entry := range entries {
		if entry.Time.IsZero() {
			entry.Time = now
		}
		select {
		case l.queue <- entry:
			continue
		default:
		}
		if full == nil {
			full = time.After(patience)
		}
		select {
		case l.queue <- entry:
		case <-full:
			return l.lose(entries[i:])
		case <-ctx.Done():
			return l.lose(entries[i:])
		}
	}
	return nil
}

func (l *Log) lose(entries []Entry) error {
	l.meters.lost.Add(float64(len(entries)))
	for _, entry := range entries {
		l.log.Error("a record of the audit is lost: it cannot be written fast enough, or at all",
			"who", entry.Who, "action", entry.Action, "device", entry.Device, "outcome", string(entry.Outcome), "request_id", entry.RequestID)
	}
	return wattline.Errorf(wattline.CodeBusy, "the audit cannot be written, and nothing is done without it; try again, or look at the disk")
}

// Run writes what is queued, as many records at once as have come meanwhile, and
// removes what is older than the retention. When ctx ends it writes what is left.
func (l *Log) Run(ctx context.Context) error {
	l.logHead(ctx, "it goes on")
	prune := time.NewTicker(pruneEvery)
	defer prune.Stop()
	var left []Entry
	batches := sqlite.Gatherer[Entry]{Queue: l.queue, Most: group, Every: writeInterval}
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case first := <-l.queue:
			entries := batches.Next(ctx, first)
			if err := l.write(ctx, entries); err != nil {
				left = entries
			}
		case <-prune.C:
			if err := l.Prune(ctx, time.Now()); err != nil && ctx.Err() == nil {
				l.log.Warn("old records of the audit stay for now", "error", err)
			}
			l.logHead(ctx, "so far")
		}
	}
	l.finish(ctx, left)
	return nil
}

// finish writes what is left when Run is to end, and lets nothing more in.
func (l *Log) finish(ctx context.Context, left []Entry) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrites)
	defer cancel()
	l.drain(ctx, left)
	l.ending.Lock() // whoever waits for room gets it first
	l.ended = true
	l.ending.Unlock()
	l.drain(ctx, nil)
	l.logHead(ctx, "it ends here for now")
}

// drain writes entries and what is queued behind them.
func (l *Log) drain(ctx context.Context, entries []Entry) {
	for entries = sqlite.Gather(entries, l.queue, group); len(entries) > 0; entries = sqlite.Gather(nil, l.queue, group) {
		if err := l.write(ctx, entries); err != nil {
			_ = l.lose(entries) // the process ends, and the disk does not take it
		}
	}
}

// write tries until it succeeds or ctx ends, while the queue fills up behind it.
func (l *Log) write(ctx context.Context, entries []Entry) error {
	attempt := func() (struct{}, error) {
		// What has begun is not broken off: the end of the process leaves it time.
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
		defer cancel()
		return struct{}{}, l.Write(limited, entries...)
	}
	complain := func(err error, _ time.Duration) {
		l.meters.failures.Inc()
		l.log.Error("the audit cannot be written; it is tried again", "records", len(entries), "error", err)
	}
	policy := backoff.NewExponentialBackOff()
	policy.InitialInterval, policy.MaxInterval = 100*time.Millisecond, 10*time.Second
	_, err := backoff.Retry(ctx, attempt, backoff.WithBackOff(policy), backoff.WithMaxElapsedTime(0), backoff.WithNotify(complain))
	return err
}

// logHead says in the log how far the audit is, so that there is a head outside of
// the file to hold it against.
func (l *Log) logHead(ctx context.Context, message string) {
	head, err := l.Head(ctx)
	if err != nil {
		l.log.Warn("the head of the audit cannot be read", "error", err)
		return
	}
	l.log.InfoContext(ctx, "audit", "what", message, "head", head.String())
}
