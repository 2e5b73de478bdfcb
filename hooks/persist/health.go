package persist

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/telemetry"
)

const complainEvery = time.Minute

// health is how the store and the disk do. The hook's mutex guards it.
type health struct {
	lastWrite time.Time
	failing   outcome // "" while the store takes what it is given
	since     time.Time
	err       string
	diskErr   string

	misconfigured rate.Sometimes
	letters       rate.Sometimes
}

// Status tells how the hook does. It may be called at any time.
func (h *Hook) Status() wattline.HookStatus {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	status := wattline.HookStatus{
		Hook: h.options.Name, Failing: string(h.health.failing), Error: h.health.err, DiskError: h.health.diskErr,
		Pending: h.pending.len(), Streams: h.book.status(now),
	}
	if !h.health.lastWrite.IsZero() {
		status.LastWrite = wattline.At(h.health.lastWrite)
	}
	if h.health.failing != "" {
		status.Since = wattline.At(h.health.since)
	}
	return status
}

// Ready is nil while the store takes what it is given and the hook's own files
// can be written.
func (h *Hook) Ready(context.Context) error {
	status := h.Status()
	switch {
	case status.Failing != "":
		return fmt.Errorf("the store is %s since %v: %s", status.Failing, status.Since, status.Error)
	case status.DiskError != "":
		return fmt.Errorf("the hook's files cannot be written: %s", status.DiskError)
	}
	return nil
}

// note keeps the outcome of a write and logs each change of state; a
// misconfigured store is named once a minute.
func (h *Hook) note(what outcome, err error, readings int) {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.health.failing
	if what == outcomeKept || what == outcomeRefused {
		h.health.lastWrite, h.health.failing, h.health.err = now, "", ""
		if before != "" {
			h.log.Info("store takes readings again", "after", now.Sub(h.health.since).Round(time.Millisecond))
		}
		return
	}
	h.metrics.failures.WithLabelValues(h.options.Name, string(what)).Inc()
	if before == "" {
		h.health.since = now
	}
	h.health.failing, h.health.err = what, err.Error()
	switch {
	case what == outcomeMisconfigured:
		h.health.misconfigured.Interval = complainEvery
		h.health.misconfigured.Do(func() {
			h.log.Error("store is misconfigured; readings are kept until it is mended", "error", err)
		})
	case before != what:
		h.log.Warn("store does not take readings; they are kept and tried again", "readings", readings, "error", err)
	}
}

// noteDisk logs when the hook's own files can no longer be written, and when
// they can again.
func (h *Hook) noteDisk(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.health.diskErr
	h.health.diskErr = ""
	if err != nil {
		h.health.diskErr = err.Error()
	}
	switch {
	case before == "" && err != nil:
		h.log.Error("hook's files cannot be written; nothing is told to be stored meanwhile", "error", err)
	case before != "" && err == nil:
		h.log.Info("hook's files can be written again")
	}
}

func (h *Hook) complainOfLetters(first refusal) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.health.letters.Interval = complainEvery
	h.health.letters.Do(func() {
		h.log.Error("store refuses readings for good; they are with the dead letters", "file", h.letters.path,
			"device", first.reading.Device, "time", first.reading.Time, "reason", first.reason)
	})
}

type metrics struct {
	written, replayed, repeats, overflow, lost, letters, asks, askFailures telemetry.Counter

	failures                *telemetry.CounterVec
	writes                  interface{ Observe(seconds float64) }
	pending, age            telemetry.Gauge
	lagReadings, lagSeconds *telemetry.GaugeVec
	byHook                  map[string]string
}

func newMetrics(r *telemetry.Registry, hook string) metrics {
	counter := func(name, help string) telemetry.Counter {
		return r.CounterVec("wattline_persist_"+name, help, "hook").WithLabelValues(hook)
	}
	gauge := func(name, help string) telemetry.Gauge {
		return r.GaugeVec("wattline_persist_"+name, help, "hook").WithLabelValues(hook)
	}
	return metrics{
		written:     counter("written_total", "Readings that the store has confirmed."),
		replayed:    counter("replayed_total", "Readings among them that were asked of a collector."),
		repeats:     counter("repeats_total", "Live readings that had come before."),
		overflow:    counter("overflow_total", "Live readings for which memory was full; they are asked for later."),
		lost:        counter("lost_total", "Readings that are nowhere any more."),
		letters:     counter("dead_letters_total", "Readings that the store refused for good."),
		asks:        counter("asks_total", "Pages asked of collectors."),
		askFailures: counter("ask_failures_total", "Pages that were not had."),
		failures: r.CounterVec("wattline_persist_write_failures_total", "Writes that the store did not take.",
			"hook", "outcome"),
		writes: r.HistogramVec("wattline_persist_write_seconds", "Time that a write took.",
			[]float64{.001, .005, .01, .05, .1, .5, 1, 5, 30}, "hook").WithLabelValues(hook),
		pending:     gauge("pending_readings", "Live readings that wait in memory."),
		age:         gauge("last_write_age_seconds", "Time since the store last took something."),
		lagReadings: r.GaugeVec("wattline_persist_lag_readings", "Readings of a stream that are not stored.", "hook", "stream"),
		lagSeconds: r.GaugeVec("wattline_persist_lag_seconds",
			"Age of the newest reading up to which all of a stream is stored, if some are not.", "hook", "stream"),
		byHook: map[string]string{"hook": hook},
	}
}

func (h *Hook) showMetrics(now time.Time) {
	status := h.Status()
	h.metrics.pending.Set(float64(status.Pending))
	if !status.LastWrite.IsZero() {
		h.metrics.age.Set(now.Sub(status.LastWrite.Time).Seconds())
	}
	h.metrics.lagReadings.DeletePartialMatch(h.metrics.byHook)
	h.metrics.lagSeconds.DeletePartialMatch(h.metrics.byHook)
	for _, s := range status.Streams {
		h.metrics.lagReadings.WithLabelValues(h.options.Name, s.Stream).Set(float64(s.Behind))
		h.metrics.lagSeconds.WithLabelValues(h.options.Name, s.Stream).Set(s.BehindS.Float())
	}
}

// status is the streams by name.
func (b *book) status(now time.Time) []wattline.HookStream {
	list := make([]wattline.HookStream, 0, len(b.streams))
	for _, s := range b.streams {
		one := wattline.HookStream{
			Stream: s.name, Instance: s.instance, Online: s.online, Stored: s.stored, Known: s.known, Gone: s.gone,
		}
		if !s.gone {
			one.Behind = s.behind()
		}
		if one.Behind > 0 && s.storedAt > 0 {
			one.BehindS = wattline.Milli(max(0, now.UnixMilli()-s.storedAt))
		}
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b wattline.HookStream) int { return cmp.Compare(a.Stream, b.Stream) })
	return list
}
