package influx

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/influxdata/influxdb-client-go/v2/api/query"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/quarters"
)

// findings are the answers to a question for windows, as they come.
type findings struct {
	query  quarters.RawQuery
	spans  map[string]map[int64]*window // by device and start in milliseconds
	before map[string]*end
	after  map[string]*end
}

// window is what came of one window of a device. Each piece is an answer of its
// own, so a reading that is being written may be in some and not in others.
type window struct {
	wattline.Summary
	pieces int
	on     int64 // how many readings found the relay on
}

// The pieces of a window that are always there, without and with Values.
const (
	corePieces = 8
	allPieces  = corePieces + 13
)

// end is the reading before or after the range: its energy and what it covers
// come apart.
type end struct {
	wattline.Point
	energyAt, coversAt time.Time
}

var errNotAsked = errors.New("the answer holds what nobody asked for")

func newFindings(q quarters.RawQuery) *findings {
	return &findings{query: q, spans: map[string]map[int64]*window{}, before: map[string]*end{}, after: map[string]*end{}}
}

// isWhole tells whether all pieces of a window have come.
func (f *findings) isWhole(w *window) bool {
	if f.query.Values {
		return w.pieces == allPieces
	}
	return w.pieces == corePieces
}

// isWhole is true for what is not there as well.
func (e *end) isWhole() bool { return e == nil || e.energyAt.Equal(e.coversAt) }

// take takes a row of the answer of a name.
func (f *findings) take(name string, record *query.FluxRecord) error {
	device, _ := record.ValueByKey("device").(string)
	at, field := record.Time(), record.Field()
	var err error
	switch name {
	case yieldBefore:
		err = takeEnd(f.before, device, record)
	case yieldAfter:
		err = takeEnd(f.after, device, record)
	default:
		err = f.window(device, at).take(name, field, at, record.Value())
	}
	if err != nil {
		return fmt.Errorf("%s of %s of %s: %w", name, field, device, err)
	}
	return nil
}

func (f *findings) window(device string, at time.Time) *window {
	spans := f.spans[device]
	if spans == nil {
		spans = map[int64]*window{}
		f.spans[device] = spans
	}
	start := f.query.SpanStart(at).UnixMilli()
	if spans[start] == nil {
		spans[start] = &window{}
	}
	return spans[start]
}

// take takes a piece.
func (w *window) take(result, field string, at time.Time, value any) (err error) {
	w.pieces++
	switch result {
	case yieldCount:
		w.Count, err = count(value)
		return err
	case yieldGaps:
		w.pieces-- // it need not be there
		w.Gaps, err = count(value)
		return err
	case yieldOn:
		w.pieces--
		w.on, err = count(value)
		return err
	case yieldFirst:
		w.First.Time = wattline.At(at)
	case yieldLast:
		w.Last.Time = wattline.At(at)
	}
	to, err := w.place(result, field)
	if err == nil {
		*to, err = sum(value)
	}
	return err
}

// place is where the value of a piece belongs.
func (w *window) place(result, field string) (*wattline.Milli, error) {
	stats := w.stats(field)
	switch {
	case result == yieldFirst:
		return &w.First.EnergyWh, nil
	case result == yieldLast:
		return &w.Last.EnergyWh, nil
	case field == fieldCovers && result == yieldFirstOf:
		return &w.First.CoversS, nil
	case field == fieldCovers && result == yieldLastOf:
		return &w.Last.CoversS, nil
	case field == fieldCovers && result == yieldSum:
		return &w.CoveredS, nil
	case stats == nil:
		return nil, errNotAsked
	}
	switch result {
	case yieldFirstOf:
		return &stats.First, nil
	case yieldLastOf:
		return &stats.Last, nil
	case yieldMin:
		return &stats.Min, nil
	case yieldMax:
		return &stats.Max, nil
	case yieldSum:
		return &stats.Sum, nil
	}
	return nil, errNotAsked
}

func (w *window) stats(field string) *wattline.Stats {
	switch field {
	case fieldPower:
		return &w.Values.Power
	case fieldVoltage:
		return &w.Values.Voltage
	case fieldCurrent:
		return &w.Values.Current
	}
	return nil
}

func takeEnd(ends map[string]*end, device string, record *query.FluxRecord) (err error) {
	if ends[device] == nil {
		ends[device] = &end{}
	}
	found := ends[device]
	if record.Field() == fieldCovers {
		found.coversAt = record.Time()
		found.CoversS, err = milli(record.Value())
		return err
	}
	found.energyAt, found.Time = record.Time(), wattline.At(record.Time())
	found.EnergyWh, err = milli(record.Value())
	return err
}

// summary is what a window says, once it is whole.
func (f *findings) summary(w *window) wattline.Summary {
	s := w.Summary
	s.MinW, s.MaxW = s.Values.Power.Min, s.Values.Power.Max
	if !f.query.Values {
		s.Values = wattline.Values{}
	}
	return s
}

func (f *findings) series(device string) store.Series {
	series := store.Series{Device: device}
	if found := f.before[device]; found != nil {
		series.Before = &found.Point
	}
	if found := f.after[device]; found != nil {
		series.After = &found.Point
	}
	spans := f.spans[device]
	for _, start := range slices.Sorted(maps.Keys(spans)) {
		series.Spans = append(series.Spans, store.Span{Start: time.UnixMilli(start).UTC(), Summary: f.summary(spans[start])})
	}
	return series
}

// sum is like milli for what may be beyond the bounds of a single reading.
func sum(value any) (wattline.Milli, error) {
	number, ok := value.(float64)
	scaled := math.Round(number * 1000)
	if !ok || !(math.Abs(scaled) < math.MaxInt64) {
		return 0, fmt.Errorf("the value is %T %v, not a number that makes sense", value, value)
	}
	return wattline.Milli(scaled), nil
}

func count(value any) (int64, error) {
	number, ok := value.(int64)
	if !ok {
		return 0, fmt.Errorf("the count is %T", value)
	}
	return number, nil
}
