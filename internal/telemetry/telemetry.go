// Package telemetry counts what the rest of Wattline does and shows it to
// Prometheus. It is the only package that imports the Prometheus client.
//
// A nil *Registry works everywhere: its instruments count and nothing shows
// them. All types are safe for concurrent use.
package telemetry

import (
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Registry holds a process's instruments.
type Registry struct{ registry *prometheus.Registry }

// Instruments, as the rest of the code sees them. Names follow Prometheus:
// wattline_<package>_<what>_<unit>, counters end in _total, in base units.
type (
	// Counter only goes up.
	Counter = prometheus.Counter
	// CounterVec is counters by labels.
	CounterVec = prometheus.CounterVec
	// Gauge goes up and down.
	Gauge = prometheus.Gauge
	// GaugeVec is gauges by labels.
	GaugeVec = prometheus.GaugeVec
	// Histogram counts observations into buckets.
	Histogram = prometheus.Histogram
	// HistogramVec is histograms by labels.
	HistogramVec = prometheus.HistogramVec
)

// New makes a registry that also shows the process and the Go runtime.
func New() *Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return &Registry{registry: registry}
}

// Handler serves the registry in the Prometheus text format.
func (r *Registry) Handler() http.Handler {
	if r == nil {
		return http.NotFoundHandler()
	}
	return promhttp.HandlerFor(r.registry, promhttp.HandlerOpts{Registry: r.registry})
}

// register adds an instrument, or returns the one that has its name already, so
// that two hooks or two stores in one process share what they count.
func register[T prometheus.Collector](r *Registry, instrument T) T {
	if r == nil {
		return instrument
	}
	err := r.registry.Register(instrument)
	if twice, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if existing, ok := twice.ExistingCollector.(T); ok {
			return existing
		}
	}
	if err != nil {
		panic(err) // a name that means two things: a mistake in the program
	}
	return instrument
}

// Counter makes or finds a counter.
func (r *Registry) Counter(name, help string) Counter {
	return register(r, prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help}))
}

// CounterVec makes or finds counters by labels.
func (r *Registry) CounterVec(name, help string, labels ...string) *CounterVec {
	return register(r, prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels))
}

// Gauge makes or finds a gauge.
func (r *Registry) Gauge(name, help string) Gauge {
	return register(r, prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help}))
}

// GaugeVec makes or finds gauges by labels.
func (r *Registry) GaugeVec(name, help string, labels ...string) *GaugeVec {
	return register(r, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels))
}

// GaugeFunc shows what a function returns at the moment of asking. Where the
// name is taken already, the first function stays.
func (r *Registry) GaugeFunc(name, help string, value func() float64) {
	register[prometheus.Collector](r, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// Histogram makes or finds a histogram.
func (r *Registry) Histogram(name, help string, buckets []float64) Histogram {
	return register(r, prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}))
}

// HistogramVec makes or finds histograms by labels.
func (r *Registry) HistogramVec(name, help string, buckets []float64, labels ...string) *HistogramVec {
	return register(r, prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels))
}
