package journal

import (
	"context"
	"database/sql"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/sqlite"
)

const (
	// chunk bounds the readings that one transaction drops: a few milliseconds.
	chunk = 1000
	// patience is how long dropping may hold up callers that wait, unless the
	// bound is exceeded by far.
	patience = 50 * time.Millisecond
	// relief is the share of a bound below which the danger is over.
	relief = 0.9
)

// keepBounds drops what every hook has stored and then, by bytes and by age,
// what they have not, chunk by chunk.
func (j *Journal) keepBounds(now time.Time) {
	defer j.showMetrics(now) // whatever becomes of the rest
	if j.file == nil {
		return
	}
	for {
		to, reason, err := j.due(now)
		if err == nil && to != 0 {
			err = j.drop(to, reason)
		}
		if sqlite.IsDamaged(err) {
			j.replaceFile(err)
		}
		if err != nil {
			j.noteFailure(err)
			return
		}
		if to == 0 {
			break
		}
		far := j.state.bytes > j.options.MaxBytes+j.options.MaxBytes/16
		if time.Since(now) > patience && len(j.queue) > 0 && !far {
			break
		}
	}
	j.noteRelief(now)
}

// due is the number up to which to drop next, and why; 0 for nothing.
func (j *Journal) due(now time.Time) (to uint64, reason string, err error) {
	bytes, err := j.file.db.UsedBytes(context.Background())
	if err != nil {
		return 0, "", err
	}
	j.mu.Lock()
	j.state.bytes = bytes
	j.mu.Unlock()
	s := &j.state
	if s.first > s.last {
		return 0, "", nil
	}
	if stored := storedByAll(j.options.WaitFor, s.hooks); stored >= s.first {
		return min(stored, s.first+chunk-1), "", nil
	}
	if n := excess(bytes, j.options.MaxBytes, s.last+1-s.first); n > 0 {
		return s.first + n - 1, dropBytes, nil
	}
	to, err = j.tooOld(j.ageClock(now).Add(-j.options.MaxAge))
	return to, dropAge, err
}

// ageClock is the time by which readings age: the wall clock, as long as that goes
// no faster than time since the journal was opened. One that leaps ahead by a month
// must not empty it.
func (j *Journal) ageClock(now time.Time) time.Time {
	if steady := j.since.Add(time.Since(j.opened)); steady.Before(now) {
		return steady
	}
	return now
}

// tooOld is the last of the oldest readings, at most a chunk of them, that were
// all taken before an instant; 0 for none.
func (j *Journal) tooOld(before time.Time) (uint64, error) {
	oldest, held, err := j.timeOf(context.Background(), j.state.first)
	if err != nil || !held || !oldest.Before(before) {
		return 0, err
	}
	var to sql.Null[uint64]
	err = j.file.db.Writer().QueryRowContext(context.Background(), selectOlder, wattline.QualityEstimated, chunk, before.UnixMilli()).Scan(&to)
	return to.V, err
}

// drop deletes up to a number; with a reason it is a loss, except for what
// every hook had stored.
func (j *Journal) drop(to uint64, reason string) error {
	if _, err := j.file.db.Writer().ExecContext(context.Background(), deleteUpTo, to); err != nil {
		return err
	}
	from := j.state.first
	j.mu.Lock()
	j.state.first = to + 1
	j.mu.Unlock()
	if reason != "" {
		j.noteDrop(from, to, reason)
	}
	return nil
}

// noteDrop counts a loss, tells it, and logs the first of an episode.
func (j *Journal) noteDrop(from, to uint64, reason string) {
	d := j.state.drops
	first := !d.episode
	if d.readings == 0 {
		d.from = from
	}
	d.readings, d.to, d.episode = d.readings+to+1-from, to, true
	j.mu.Lock()
	j.state.drops = d
	j.mu.Unlock()
	j.metrics.dropped.WithLabelValues(reason).Add(float64(to + 1 - from))
	if first {
		j.options.Log.Error("journal drops readings that not every hook has stored",
			"reason", reason, "stream", j.state.stream, "from", from, "to", to,
			"waits_for", awaited(j.options.WaitFor, j.state.hooks))
	}
	j.options.OnDrop(from, to)
}

// noteRelief ends an episode of dropping when both bounds are far again.
func (j *Journal) noteRelief(now time.Time) {
	s := &j.state
	if !s.drops.episode || float64(s.bytes) > relief*float64(j.options.MaxBytes) {
		return
	}
	oldest, held, err := j.timeOf(context.Background(), s.first)
	if err != nil || held && float64(j.ageClock(now).Sub(oldest)) > relief*float64(j.options.MaxAge) {
		return
	}
	j.options.Log.Info("journal no longer drops readings", "dropped_since_start", s.drops.readings)
	j.mu.Lock()
	j.state.drops.episode = false
	j.mu.Unlock()
}
