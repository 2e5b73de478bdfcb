package bus

import "github.com/wattline/wattline/internal/telemetry"

// metrics are the instruments of a bus.
type metrics struct {
	connections telemetry.Counter
	published   telemetry.Counter
	received    telemetry.Counter
	oversized   telemetry.Counter
	panics      telemetry.Counter
	skews       telemetry.Counter
	twins       telemetry.Counter
	askSeconds  telemetry.Histogram
	asks        counters // by outcome: ok, or the code of the error
	repeats     telemetry.Counter
	replies     counters // that no ask waited for: late, duplicate, stray
	requests    counters // by outcome: done, repeat, expired, …
	dropped     counters // by reason
}

// counters is a CounterVec of one label.
type counters struct{ vec *telemetry.CounterVec }

// With is the counter of one value of the label, which must be the program's own.
func (c counters) With(value string) telemetry.Counter { return c.vec.WithLabelValues(value) }

func newMetrics(r *telemetry.Registry, b *Bus) *metrics {
	gauge := func(name, help string, value func(Stats) int) {
		r.GaugeFunc(name, help, func() float64 { return float64(value(b.Stats())) })
	}
	gauge("wattline_bus_pending_asks", "Asks that wait for a reply.", func(s Stats) int { return s.Pending })
	gauge("wattline_bus_remembered_requests", "Request ids remembered until their deadline.", func(s Stats) int { return s.Remembered })
	gauge("wattline_bus_retained_topics", "Retained topics that this process owns.", func(s Stats) int { return s.Retained })
	gauge("wattline_bus_instances", "Instances that are alive by presence.", func(s Stats) int { return s.Instances })
	r.GaugeFunc("wattline_bus_clock_skew_seconds", "Largest difference between an instance's clock and ours.",
		func() float64 { return b.presence.worstSkew().Seconds() })
	r.GaugeFunc("wattline_bus_connected", "1 while connected to a broker.", func() float64 {
		if b.Connected() {
			return 1
		}
		return 0
	})
	return &metrics{
		connections: r.Counter("wattline_bus_connections_total", "Connections made to a broker."),
		published:   r.Counter("wattline_bus_published_total", "Messages handed to the broker."),
		received:    r.Counter("wattline_bus_received_total", "Messages received from the broker."),
		oversized:   r.Counter("wattline_bus_oversized_total", "Messages whose payload was passed over for its size."),
		panics:      r.Counter("wattline_bus_handler_panics_total", "Handlers that panicked."),
		skews:       r.Counter("wattline_bus_clock_skews_total", "Instances found with a clock over a second off."),
		twins:       r.Counter("wattline_bus_twins_total", "Announcements of another process under this instance's name."),
		askSeconds: r.Histogram("wattline_bus_ask_seconds", "Time from an ask to its reply.",
			[]float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}),
		asks:     counters{r.CounterVec("wattline_bus_asks_total", "Asks by outcome.", "outcome")},
		repeats:  r.Counter("wattline_bus_ask_repeats_total", "Asks sent again."),
		replies:  counters{r.CounterVec("wattline_bus_unexpected_replies_total", "Replies that nobody waited for.", "kind")},
		requests: counters{r.CounterVec("wattline_bus_requests_total", "Requests by outcome.", "outcome")},
		dropped:  counters{r.CounterVec("wattline_bus_dropped_total", "Messages that came to nothing, by reason.", "reason")},
	}
}
