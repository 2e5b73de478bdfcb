package influx

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/influxdata/influxdb-client-go/v2/api/query"

	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/quarters"
)

// Bounds of one request for windows, so that it ends in time.
const (
	devicesAtOnce    = 500
	windowsAtOnce    = 20_000 // of all devices
	deviceDaysAtOnce = 2_000
)

// rawReadings answers from the readings alone, by windows that the storage engine
// reads without handing out the readings.
type rawReadings struct{ *Store }

var _ quarters.Raw = rawReadings{}

// Summaries answers from the readings. See quarters.Raw.
func (r rawReadings) Summaries(ctx context.Context, q quarters.RawQuery) ([]store.Series, error) {
	all := make([]store.Series, 0, len(q.Devices))
	for devices := range slices.Chunk(q.Devices, devicesPerRequest(q)) {
		part := q
		part.Devices = devices
		series, err := r.summaries(ctx, part)
		if err != nil {
			return nil, err
		}
		all = append(all, series...)
	}
	return all, nil
}

func devicesPerRequest(q quarters.RawQuery) int {
	const day = 24 * time.Hour
	long := q.To.Sub(q.From)
	windows := int(long/q.Every) + 1
	return max(1, min(devicesAtOnce, windowsAtOnce/windows, deviceDaysAtOnce/(int(long/day)+1)))
}

func (s *Store) summaries(ctx context.Context, q quarters.RawQuery) ([]store.Series, error) {
	found, err := s.find(ctx, []quarters.RawQuery{q})
	if err != nil {
		return nil, err
	}
	series := make([]store.Series, len(q.Devices))
	for i, device := range q.Devices {
		series[i] = found[0].series(device)
	}
	return series, nil
}

// find answers some questions, with one request where that is enough.
func (s *Store) find(ctx context.Context, questions []quarters.RawQuery) ([]*findings, error) {
	found, err := s.ask(ctx, questions)
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		if err := s.mend(ctx, f); err != nil {
			return nil, err
		}
		if err := s.refine(ctx, f); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// ask puts some questions into one request.
func (s *Store) ask(ctx context.Context, questions []quarters.RawQuery) ([]*findings, error) {
	found := make([]*findings, len(questions))
	var flux strings.Builder
	for i, q := range questions {
		found[i] = newFindings(q)
		s.windows(&flux, q, i)
	}
	if flux.Len() == 0 {
		return found, nil
	}
	return found, s.query(ctx, flux.String(), func(record *query.FluxRecord) error {
		name, number, _ := strings.Cut(record.Result(), separator)
		i, err := strconv.Atoi(number)
		if err != nil || i >= len(found) {
			return errNotAsked
		}
		return found[i].take(name, record)
	})
}

// The answers to one query are told apart by their names.
const (
	yieldFirst   = "first"    // the energy of a window's first reading, with its time
	yieldLast    = "last"     // of its last
	yieldFirstOf = "first_of" // what else was measured first
	yieldLastOf  = "last_of"  // and last
	yieldMin     = "min"
	yieldMax     = "max"
	yieldSum     = "sum"
	yieldCount   = "count"
	yieldGaps    = "gaps"   // how many readings cover nothing
	yieldOn      = "on"     // how many found the relay on
	yieldBefore  = "before" // the last reading before the range
	yieldAfter   = "after"  // the first one after it

	separator = "#" // stands between a name and the number of a question
)

// windows adds a question to a query: each line is a window with one selector or
// aggregate on it, the form that is pushed down to storage. An aggregate that does
// not tell times takes a third of the time of one that does.
func (s *Store) windows(flux *strings.Builder, q quarters.RawQuery, number int) {
	ask := func(name, from string, pipes ...string) {
		name = fmt.Sprint(name, separator, number)
		fmt.Fprintf(flux, "%s%s%s |> yield(name: %s)\n", from, strings.Join(pipes, ""), kept, quote(name))
	}
	if q.From.Before(q.To) {
		within := s.raw(q.Devices, q.From, q.To)
		every := int64(q.Every.Seconds())
		window := fmt.Sprintf(" |> window(every: %ds)", every)
		aggregate := func(name, what, of string) {
			ask(name, of, fmt.Sprintf(` |> aggregateWindow(every: %ds, fn: %s, createEmpty: false, timeSrc: "_start")`, every, what))
		}
		measured, ends := []string{fieldPower}, []string{fieldCovers}
		sums := []string{fieldCovers}
		if q.Values {
			measured = append(measured, fieldVoltage, fieldCurrent)
			ends, sums = append(ends, measured...), append(sums, measured...)
			aggregate(yieldOn, "count", within.fields(fieldRelay)+" |> filter(fn: (r) => r._value == true)")
		}
		ask(yieldFirst, within.fields(fieldEnergy), window, " |> first()")
		ask(yieldLast, within.fields(fieldEnergy), window, " |> last()")
		aggregate(yieldFirstOf, "first", within.fields(ends...))
		aggregate(yieldLastOf, "last", within.fields(ends...))
		aggregate(yieldMin, "min", within.fields(measured...))
		aggregate(yieldMax, "max", within.fields(measured...))
		aggregate(yieldSum, "sum", within.fields(sums...))
		aggregate(yieldCount, "count", within.fields(fieldCovers))
		aggregate(yieldGaps, "count", within.fields(fieldGap))
	}
	if !q.Earliest.IsZero() && q.Earliest.Before(q.From) {
		ask(yieldBefore, s.raw(q.Devices, q.Earliest, q.From).fields(fieldEnergy, fieldCovers), " |> last()")
	}
	if !q.Latest.IsZero() && q.To.Before(q.Latest) {
		ask(yieldAfter, s.raw(q.Devices, q.To, q.Latest).fields(fieldEnergy, fieldCovers), " |> first()")
	}
}
