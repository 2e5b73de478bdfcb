package influx

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/influxdata/influxdb-client-go/v2/api/query"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// rawAtOnce bounds a page of the raw readings of a span.
const rawAtOnce = store.MaxLimit

// Summaries asks the storage engine for windows, which it reads without handing
// out the readings. See store.Store.
func (s *Store) Summaries(ctx context.Context, q store.SummaryQuery) ([]store.Series, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	all := make([]store.Series, 0, len(q.Devices))
	for devices := range slices.Chunk(q.Devices, devicesAtOnce) {
		part := q
		part.Devices = devices
		series, err := s.summaries(ctx, part)
		if err != nil {
			return nil, err
		}
		all = append(all, series...)
	}
	return all, nil
}

func (s *Store) summaries(ctx context.Context, q store.SummaryQuery) ([]store.Series, error) {
	found := findings{query: q, spans: map[string]map[time.Time]*wattline.Summary{}, before: map[string]wattline.Point{}, after: map[string]wattline.Point{}}
	if err := s.query(ctx, s.windows(q), found.take); err != nil {
		return nil, err
	}
	series := make([]store.Series, len(q.Devices))
	for i, device := range q.Devices {
		series[i] = found.series(device)
		for j := range series[i].Spans {
			span := &series[i].Spans[j]
			if !hasInnerGap(span.Summary) {
				continue
			}
			var err error
			if span.Summary, err = s.reread(ctx, device, span.Start, q); err != nil {
				return nil, err
			}
		}
	}
	return series, nil
}

// The answers to one summary query are told apart by their names.
const (
	yieldFirst  = "first"
	yieldLast   = "last"
	yieldMin    = "min"
	yieldMax    = "max"
	yieldSum    = "sum"
	yieldCount  = "count"
	yieldGaps   = "gaps"
	yieldBefore = "before"
	yieldAfter  = "after"
)

// windows is the query: each line of it is a window with one selector or
// aggregate on it, the form that is pushed down to storage.
func (s *Store) windows(q store.SummaryQuery) string {
	var flux strings.Builder
	within := s.source(q.Devices, q.From, q.To)
	ask := func(name, from, fields, do string) {
		fmt.Fprintf(&flux, "%s%s%s |> yield(name: %s)\n", from, fields, do, quote(name))
	}
	window := fmt.Sprintf(" |> window(every: %ds)", int64(q.Every.Seconds()))
	ends := ofFields(fieldEnergy, fieldCovers)
	ask(yieldFirst, within, ends, window+" |> first()")
	ask(yieldLast, within, ends, window+" |> last()")
	ask(yieldMin, within, ofFields(fieldPower), window+" |> min()")
	ask(yieldMax, within, ofFields(fieldPower), window+" |> max()")
	ask(yieldSum, within, ofFields(fieldCovers), window+" |> sum()")
	ask(yieldCount, within, ofFields(fieldCovers), window+" |> count()")
	ask(yieldGaps, within, ofFields(fieldGap), window+" |> count()")
	if earliest().Before(q.From) {
		ask(yieldBefore, s.source(q.Devices, earliest(), q.From), ends, " |> last()")
	}
	ask(yieldAfter, s.source(q.Devices, q.To, q.To.Add(store.AfterWithin)), ends, " |> first()")
	return flux.String()
}

// findings are the answers, as they come.
type findings struct {
	query  store.SummaryQuery
	spans  map[string]map[time.Time]*wattline.Summary
	before map[string]wattline.Point
	after  map[string]wattline.Point
}

func (f *findings) take(record *query.FluxRecord) error {
	device, _ := record.ValueByKey("device").(string)
	switch record.Result() {
	case yieldBefore:
		return takePoint(f.before, device, record)
	case yieldAfter:
		return takePoint(f.after, device, record)
	}
	summary := f.span(device, record.Start())
	var err error
	switch record.Result() {
	case yieldFirst:
		err = takeEnd(&summary.First, record)
	case yieldLast:
		err = takeEnd(&summary.Last, record)
	case yieldMin:
		summary.MinW, err = milli(record.Value())
	case yieldMax:
		summary.MaxW, err = milli(record.Value())
	case yieldSum:
		summary.CoveredS, err = milli(record.Value())
	case yieldCount:
		summary.Count, err = count(record.Value())
	case yieldGaps:
		summary.Gaps, err = count(record.Value())
	}
	if err != nil {
		return fmt.Errorf("%s of %s: %w", record.Result(), device, err)
	}
	return nil
}

func (f *findings) span(device string, start time.Time) *wattline.Summary {
	spans := f.spans[device]
	if spans == nil {
		spans = map[time.Time]*wattline.Summary{}
		f.spans[device] = spans
	}
	start = f.query.SpanStart(start)
	if spans[start] == nil {
		spans[start] = &wattline.Summary{}
	}
	return spans[start]
}

func takePoint(points map[string]wattline.Point, device string, record *query.FluxRecord) error {
	point := points[device]
	err := takeEnd(&point, record)
	points[device] = point
	return err
}

func takeEnd(point *wattline.Point, record *query.FluxRecord) (err error) {
	if record.Field() == fieldCovers {
		point.CoversS, err = milli(record.Value())
		return err
	}
	point.Time = wattline.At(record.Time())
	point.EnergyWh, err = milli(record.Value())
	return err
}

func count(value any) (int64, error) {
	number, ok := value.(int64)
	if !ok {
		return 0, fmt.Errorf("the count is %T", value)
	}
	return number, nil
}

func (f *findings) series(device string) store.Series {
	series := store.Series{Device: device}
	if point, ok := f.before[device]; ok {
		series.Before = &point
	}
	if point, ok := f.after[device]; ok && store.CoversEdge(point, f.query.To) {
		series.After = &point
	}
	spans := f.spans[device]
	for _, start := range slices.SortedFunc(maps.Keys(spans), time.Time.Compare) {
		series.Spans = append(series.Spans, store.Span{Start: start, Summary: *spans[start]})
	}
	return series
}

// hasInnerGap tells whether a reading other than a span's first covers nothing:
// what was used in that gap is in no window's first or last.
func hasInnerGap(s wattline.Summary) bool {
	inner := s.Gaps
	if s.First.CoversS == 0 {
		inner--
	}
	return inner > 0
}

// reread makes the summary of one span from its readings.
func (s *Store) reread(ctx context.Context, device string, start time.Time, q store.SummaryQuery) (summary wattline.Summary, err error) {
	every := q.Every.Milliseconds()
	end := time.UnixMilli(start.UnixMilli()/every*every + every)
	if q.To.Before(end) {
		end = q.To
	}
	for from := start; ; {
		page, err := s.page(ctx, []string{device}, store.Query{From: from, To: end, Limit: rawAtOnce})
		if err != nil {
			return summary, err
		}
		for _, reading := range page {
			summary = summary.Merge(wattline.Summarize(reading))
		}
		if len(page) < rawAtOnce {
			return summary, nil
		}
		from = page[len(page)-1].Time.Add(precision)
	}
}
