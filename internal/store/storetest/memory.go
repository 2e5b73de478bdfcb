package storetest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// Memory is a store that forgets everything when it is let go: the model that
// the others are held against, and a stand-in for them in the tests of other
// packages. The zero value is not ready; see NewMemory.
type Memory struct {
	mu      sync.Mutex
	devices map[string][]wattline.Reading // each in the order of time
	failure error
}

var _ store.Store = (*Memory)(nil)

// NewMemory makes an empty store.
func NewMemory() *Memory { return &Memory{devices: make(map[string][]wattline.Reading)} }

// Fail makes every call but Close return an error, until it is nil again.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failure = err
}

// begin is the error that a call ends with before it has begun.
func (m *Memory) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.failure
}

// Write keeps the readings. See store.Store.
func (m *Memory) Write(ctx context.Context, readings []wattline.Reading) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(ctx); err != nil {
		return err
	}
	var refused []store.RefusedReading
	for i, reading := range readings {
		if reason := store.Refusal(reading, time.Now(), 0); reason != "" {
			refused = append(refused, store.RefusedReading{Index: i, Reason: reason})
			continue
		}
		m.keep(reading)
	}
	if refused != nil {
		return &store.RefusedError{Readings: refused}
	}
	return nil
}

func (m *Memory) keep(reading wattline.Reading) {
	reading.Time = wattline.At(reading.Time.Time)
	reading.Stream, reading.Seq = "", 0
	kept := m.devices[reading.Device]
	place, found := slices.BinarySearchFunc(kept, reading.Time.Time, byTime)
	if !found {
		m.devices[reading.Device] = slices.Insert(kept, place, reading)
	}
}

// Forget drops the readings before an instant, as a store does whose retention has
// passed.
func (m *Memory) Forget(before time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for device, kept := range m.devices {
		first, _ := slices.BinarySearchFunc(kept, before, byTime)
		m.devices[device] = slices.Clone(kept[first:])
	}
	maps.DeleteFunc(m.devices, func(_ string, kept []wattline.Reading) bool { return len(kept) == 0 })
}

func byTime(reading wattline.Reading, at time.Time) int { return reading.Time.Compare(at) }

// Readings returns a page of raw readings. See store.Store.
func (m *Memory) Readings(ctx context.Context, query store.Query) ([]wattline.Reading, error) {
	if err := query.Validate(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(ctx); err != nil {
		return nil, err
	}
	page := []wattline.Reading{}
	for _, device := range query.Devices {
		for _, reading := range m.within(device, query.From, query.To) {
			after := cmp.Or(cmp.Compare(device, query.After.Device), reading.Time.Compare(query.After.Time)) > 0
			if after && len(page) < query.Limit {
				page = append(page, reading)
			}
		}
	}
	return page, nil
}

// within is a device's readings from one instant on and before another.
func (m *Memory) within(device string, from, to time.Time) []wattline.Reading {
	kept := m.devices[device]
	first, _ := slices.BinarySearchFunc(kept, from, byTime)
	end, _ := slices.BinarySearchFunc(kept, to, byTime)
	return kept[first:max(first, end)]
}

// Summaries merges the summaries of single readings. See store.Store.
func (m *Memory) Summaries(ctx context.Context, query store.SummaryQuery) ([]store.Series, error) {
	if err := query.Validate(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(ctx); err != nil {
		return nil, err
	}
	all := make([]store.Series, len(query.Devices))
	for i, device := range query.Devices {
		all[i] = m.series(device, query)
	}
	return all, nil
}

func (m *Memory) series(device string, query store.SummaryQuery) store.Series {
	series := store.Series{Device: device}
	kept := m.devices[device]
	first, _ := slices.BinarySearchFunc(kept, query.From, byTime)
	if first > 0 {
		before := wattline.Summarize(kept[first-1]).Last
		series.Before = &before
	}
	for _, reading := range m.within(device, query.From, query.To) {
		start := query.SpanStart(reading.Time.Time)
		if n := len(series.Spans); n == 0 || !series.Spans[n-1].Start.Equal(start) {
			series.Spans = append(series.Spans, store.Span{Start: start})
		}
		last := &series.Spans[len(series.Spans)-1]
		one := wattline.Summarize(reading)
		if !query.Values {
			one.Values = wattline.Values{}
		}
		last.Summary = last.Summary.Merge(one)
	}
	if later := m.within(device, query.To, query.To.Add(store.AfterWithin)); len(later) > 0 {
		if after := wattline.Summarize(later[0]).First; store.CoversEdge(after, query.To) {
			series.After = &after
		}
	}
	return series
}

// Devices names those with readings.
func (m *Memory) Devices(ctx context.Context) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.devices)), m.begin(ctx)
}

// Upkeep has nothing to do.
func (m *Memory) Upkeep(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Rebuild has nothing to do: summaries are always made of the readings.
func (m *Memory) Rebuild(ctx context.Context, query store.RebuildQuery) (store.Rebuilt, error) {
	if err := query.Validate(); err != nil {
		return store.Rebuilt{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	days := map[identity]bool{}
	for _, device := range query.Devices {
		for _, r := range m.devices[device] {
			if at := dayOf(r.Time.Time); at >= dayOf(query.From) && at <= dayOf(query.To.Add(-1)) {
				days[identity{device, at}] = true
			}
		}
	}
	return store.Rebuilt{Days: len(days)}, m.begin(ctx)
}

// dayOf is an instant's UTC day.
func dayOf(at time.Time) int64 { return at.Unix() / int64(day/time.Second) }

// identity is a device's UTC day.
type identity struct {
	device string
	day    int64
}

// Ping is nil unless Fail says otherwise.
func (m *Memory) Ping(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.begin(ctx)
}

// Close does nothing.
func (m *Memory) Close() error { return nil }
