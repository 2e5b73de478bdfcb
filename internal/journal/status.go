package journal

import (
	"context"
	"slices"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/telemetry"
)

// Status tells how the journal stands.
func (j *Journal) Status() wattline.JournalStatus { return j.status(time.Now()) }

func (j *Journal) status(now time.Time) wattline.JournalStatus {
	j.mu.RLock()
	s := j.state
	status := wattline.JournalStatus{
		Stream: s.stream, First: s.first, Last: s.last, Readings: s.last + 1 - s.first,
		Bytes: s.bytes, MaxBytes: j.options.MaxBytes, MaxAgeS: wattline.Milli(j.options.MaxAge.Milliseconds()),
		Dropped: s.drops.readings, DroppedFrom: s.drops.from, DroppedTo: s.drops.to, Dropping: s.drops.episode,
		SetAside: s.aside, Error: s.failing,
		Hooks: []wattline.JournalHook{},
	}
	for _, name := range awaited(j.options.WaitFor, s.hooks) {
		stored := s.hooks[name].seq
		status.Hooks = append(status.Hooks, wattline.JournalHook{Hook: name, Stored: stored, Behind: s.last - stored})
	}
	j.mu.RUnlock()

	for i := range status.Hooks {
		hook := &status.Hooks[i]
		hook.Configured = slices.Contains(j.options.WaitFor, hook.Hook)
		if hook.Behind > 0 {
			hook.BehindS = j.age(hook.Stored+1, now)
		}
	}
	if age := j.age(status.First, now); status.Readings > 0 {
		status.Oldest = wattline.At(now.Add(-time.Duration(age) * time.Millisecond))
	}
	return status
}

// age is how long ago the oldest reading from a number on was taken; 0 where it
// is not known.
func (j *Journal) age(seq uint64, now time.Time) wattline.Milli {
	j.fileMu.RLock()
	defer j.fileMu.RUnlock()
	if j.file == nil {
		return 0
	}
	at, held, err := j.timeOf(context.Background(), seq)
	if err != nil || !held {
		return 0
	}
	return wattline.Milli(max(0, now.Sub(at).Milliseconds()))
}

// Why readings were dropped that not every hook had stored.
const (
	dropBytes  = "bytes"
	dropAge    = "age"
	dropDamage = "damage"
)

type metrics struct {
	appended, busy, failures     telemetry.Counter
	dropped                      *telemetry.CounterVec
	commits                      telemetry.Histogram
	readings, bytes              telemetry.Gauge
	behindReadings, behindSecond *telemetry.GaugeVec
}

func newMetrics(r *telemetry.Registry) metrics {
	m := metrics{
		appended: r.Counter("wattline_journal_appended_total", "Readings numbered and synced to disk."),
		busy:     r.Counter("wattline_journal_busy_total", "Calls refused because too many waited."),
		failures: r.Counter("wattline_journal_failed_commits_total", "Commits that the disk refused."),
		dropped: r.CounterVec("wattline_journal_dropped_total",
			"Readings lost before every hook had stored them.", "reason"),
		commits: r.Histogram("wattline_journal_commit_seconds", "Time that a commit took.",
			[]float64{.0005, .001, .002, .005, .01, .02, .05, .1, .5, 2}),
		readings: r.Gauge("wattline_journal_readings", "Readings held."),
		bytes:    r.Gauge("wattline_journal_bytes", "Bytes in use in the file."),
		behindReadings: r.GaugeVec("wattline_journal_hook_behind_readings",
			"Readings that a hook has not stored yet.", "hook"),
		behindSecond: r.GaugeVec("wattline_journal_hook_behind_seconds",
			"Age of the oldest reading that a hook has not stored yet.", "hook"),
	}
	for _, reason := range []string{dropBytes, dropAge, dropDamage} {
		m.dropped.WithLabelValues(reason) // there at 0, so that the first rise is seen
	}
	return m
}

// showMetrics brings the gauges up to date. Only the writer calls it.
func (j *Journal) showMetrics(now time.Time) {
	status := j.status(now)
	j.metrics.readings.Set(float64(status.Readings))
	j.metrics.bytes.Set(float64(status.Bytes))
	gone := j.shown
	j.shown = map[string]bool{}
	for _, hook := range status.Hooks {
		j.metrics.behindReadings.WithLabelValues(hook.Hook).Set(float64(hook.Behind))
		j.metrics.behindSecond.WithLabelValues(hook.Hook).Set(hook.BehindS.Float())
		j.shown[hook.Hook] = true
		delete(gone, hook.Hook)
	}
	for hook := range gone {
		j.metrics.behindReadings.DeleteLabelValues(hook)
		j.metrics.behindSecond.DeleteLabelValues(hook)
	}
}
