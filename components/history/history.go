// Package history is the component that answers questions about the past: raw
// readings, and per calendar window energy and power or what an operation makes
// of the readings. It is written once over the contract of the stores; the
// calendar, the grouping, the interpolation and the operations are pure functions
// here.
package history

import (
	"cmp"
	"log/slog"
	"sync"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/components"
	"github.com/wattline/wattline/internal/store"
)

const (
	defaultLimit = 500
	maxDevices   = 10_000
)

const (
	// defaultMaxReadings is of Options.MaxReadings.
	defaultMaxReadings = 1_000_000
	// defaultRawAtOnce is of Options.RawAtOnce.
	defaultRawAtOnce = 2
)

// Options make a History.
type Options struct {
	Store store.Store
	Log   *slog.Logger
	// MaxReadings is how many raw readings one row of an aggregate may take (median,
	// percentile and the like), and about how many a page of rows; 1,000,000.
	MaxReadings int
	// RawAtOnce is how many such aggregates run at once; 2. Each takes seconds of a
	// processor: more of them would all be late, and everybody else as well.
	RawAtOnce int
}

// History answers questions. It is safe for concurrent use.
type History struct {
	store       store.Store
	log         *slog.Logger
	maxReadings int
	raw         chan struct{} // a place for each aggregate of raw readings
	rooms       sync.Pool     // of *[]wattline.Reading, for packed pages
}

// New makes the component; components.Serve runs it.
func New(options Options) *History {
	return &History{
		store: options.Store, log: options.Log.With("role", wattline.RoleHistory),
		maxReadings: cmp.Or(options.MaxReadings, defaultMaxReadings), raw: make(chan struct{}, cmp.Or(options.RawAtOnce, defaultRawAtOnce)),
	}
}

// Name is history.
func (h *History) Name() string { return wattline.RoleHistory }

// Verbs are what it answers.
func (h *History) Verbs() map[string]components.Handler {
	return map[string]components.Handler{
		wattline.VerbReadings:    h.readings,
		wattline.VerbConsumption: h.consumption,
		wattline.VerbAggregate:   h.aggregate,
		wattline.VerbLast:        h.last,
		wattline.VerbRebuild:     h.rebuild,
	}
}
