package persist

import (
	"sync/atomic"
	"time"

	"github.com/wattline/wattline/internal/telemetry"
)

// tally is a counter that can be read.
type tally struct {
	telemetry.Counter
	n *atomic.Uint64
}

func tallyOf(counter telemetry.Counter) tally { return tally{counter, new(atomic.Uint64)} }

func (t tally) Add(n float64) {
	t.n.Add(uint64(n))
	t.Counter.Add(n)
}

func (t tally) Inc() { t.Add(1) }

func (t tally) count() uint64 { return t.n.Load() }

type metrics struct {
	invalid, written, replayed, repeats, letters, lettersDropped, asks, askFailures telemetry.Counter
	overflow, lost                                                                  tally

	failures                *telemetry.CounterVec
	writes                  interface{ Observe(seconds float64) }
	pending, age, keptBack  telemetry.Gauge
	lagReadings, lagSeconds *telemetry.GaugeVec
}

func newMetrics(r *telemetry.Registry, hook string) metrics {
	counter := func(name, help string) telemetry.Counter {
		return r.CounterVec("wattline_persist_"+name, help, "hook").WithLabelValues(hook)
	}
	gauge := func(name, help string) telemetry.Gauge {
		return r.GaugeVec("wattline_persist_"+name, help, "hook").WithLabelValues(hook)
	}
	return metrics{
		invalid:        counter("invalid_packs_total", "Messages on pack topics that are not valid."),
		written:        counter("written_total", "Readings that the store has confirmed."),
		replayed:       counter("replayed_total", "Readings among them that were asked of a collector."),
		repeats:        counter("repeats_total", "Live readings that had come before."),
		overflow:       tallyOf(counter("overflow_total", "Live readings for which memory was full; they are asked for later.")),
		lost:           tallyOf(counter("lost_total", "Readings that are nowhere any more.")),
		letters:        counter("dead_letters_total", "Readings that the store refused for good."),
		lettersDropped: counter("dead_letters_dropped_total", "Dead letters that had to go for want of room."),
		asks:           counter("asks_total", "Pages asked of collectors."),
		askFailures:    counter("ask_failures_total", "Pages that were not had."),
		failures: r.CounterVec("wattline_persist_write_failures_total", "Writes that the store did not take.",
			"hook", "outcome"),
		writes: r.HistogramVec("wattline_persist_write_seconds", "Time that a write took.",
			[]float64{.001, .005, .01, .05, .1, .5, 1, 5, 30}, "hook").WithLabelValues(hook),
		pending:     gauge("pending_readings", "Live readings that wait in memory."),
		keptBack:    gauge("dead_letters_kept", "Dead letters that are kept."),
		age:         gauge("last_write_age_seconds", "Time since the store last took something, or since the start."),
		lagReadings: r.GaugeVec("wattline_persist_lag_readings", "Readings of a stream that are not stored.", "hook", "stream"),
		lagSeconds: r.GaugeVec("wattline_persist_lag_seconds",
			"Age of the newest reading up to which all of a stream is stored, if some are not.", "hook", "stream"),
	}
}

// showMetrics brings the gauges up to date. It is called by one goroutine.
func (h *Hook) showMetrics(now time.Time) {
	status := h.Status()
	h.metrics.pending.Set(float64(status.Pending))
	h.metrics.keptBack.Set(float64(status.DeadLetters))
	last := h.began
	if !status.LastWrite.IsZero() {
		last = status.LastWrite.Time
	}
	h.metrics.age.Set(now.Sub(last).Seconds())
	gone := h.shown
	h.shown = map[string]bool{}
	for _, s := range status.Streams {
		h.metrics.lagReadings.WithLabelValues(h.options.Name, s.Stream).Set(float64(s.Behind))
		h.metrics.lagSeconds.WithLabelValues(h.options.Name, s.Stream).Set(s.BehindS.Float())
		h.shown[s.Stream] = true
		delete(gone, s.Stream)
	}
	for stream := range gone {
		h.metrics.lagReadings.DeleteLabelValues(h.options.Name, stream)
		h.metrics.lagSeconds.DeleteLabelValues(h.options.Name, stream)
	}
}
