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
	"github.com/wattline/wattline/internal/store/quarters"
)

// Bounds of one request for what the windows do not tell.
const (
	stretchesAtOnce = 16
	devicesRead     = 32 // of each stretch
)

// stretch is a window in time, in milliseconds.
type stretch struct{ from, to int64 }

// stretchOf is that of a window, which may be cut by the ends of the range.
func (f *findings) stretchOf(start int64) stretch {
	every := f.query.Every.Milliseconds()
	return stretch{start, min(start-start%every+every, f.query.To.UnixMilli())}
}

// part is a question for some devices of a stretch.
func (s stretch) part(devices []string, every time.Duration, values bool) quarters.RawQuery {
	slices.Sort(devices)
	return quarters.RawQuery{SummaryQuery: store.SummaryQuery{
		Devices: devices, From: time.UnixMilli(s.from).UTC(), To: time.UnixMilli(s.to).UTC(), Every: every, Values: values,
	}}
}

// refine finds out what first and last do not tell of a window: what was used in
// gaps within it, and how long the relay was on where it was switched. Longer
// windows are looked at by quarter-hours, so that only those in which something
// happened are read in full.
func (s *Store) refine(ctx context.Context, f *findings) error {
	due := map[stretch][]string{}
	for device, spans := range f.spans {
		for start, w := range spans {
			if w.on == w.Count {
				w.Values.OnS = w.CoveredS
			}
			if hasInnerGap(w.Summary) || f.query.Values && w.on > 0 && w.on < w.Count {
				one := f.stretchOf(start)
				due[one] = append(due[one], device)
			}
		}
	}
	if f.query.Every > store.QuarterHour {
		return s.byQuarters(ctx, f, due)
	}
	return s.byReadings(ctx, f, due)
}

// hasInnerGap tells whether a reading other than a window's first covers nothing:
// what was used in that gap is in no window's first or last.
func hasInnerGap(s wattline.Summary) bool {
	inner := s.Gaps
	if s.First.CoversS == 0 {
		inner--
	}
	return inner > 0
}

// byQuarters makes windows anew of their quarter-hours.
func (s *Store) byQuarters(ctx context.Context, f *findings, due map[stretch][]string) error {
	var questions []quarters.RawQuery
	for one, devices := range due {
		perStretch := int((one.to-one.from)/store.QuarterHour.Milliseconds()) + 1
		for some := range slices.Chunk(devices, max(1, windowsAtOnce/stretchesAtOnce/perStretch)) {
			questions = append(questions, one.part(some, store.QuarterHour, f.query.Values))
		}
	}
	for some := range slices.Chunk(questions, stretchesAtOnce) {
		found, err := s.find(ctx, some)
		if err != nil {
			return err
		}
		for _, finer := range found {
			start := finer.query.From.UnixMilli()
			for device, spans := range finer.spans {
				var whole wattline.Summary
				for _, quarter := range slices.Sorted(maps.Keys(spans)) {
					whole = whole.Merge(spans[quarter].Summary)
				}
				f.spans[device][start] = &window{Summary: whole}
			}
		}
	}
	return nil
}

// byReadings adds up what happened in windows from their readings.
func (s *Store) byReadings(ctx context.Context, f *findings, due map[stretch][]string) error {
	var questions []quarters.RawQuery
	for one, devices := range due {
		for some := range slices.Chunk(devices, devicesRead) {
			questions = append(questions, one.part(some, store.QuarterHour, f.query.Values))
		}
	}
	for some := range slices.Chunk(questions, stretchesAtOnce) {
		found, err := s.moments(ctx, some)
		if err != nil {
			return err
		}
		for _, q := range some {
			for _, device := range q.Devices {
				found[device].between(q.From, q.To, &f.spans[device][q.From.UnixMilli()].Summary)
			}
		}
	}
	return nil
}

// moment is what is needed of a reading.
type moment struct {
	energy, covers wattline.Milli
	on             bool
	pieces         int
}

// moments are those of a device, by time in milliseconds.
type moments map[int64]*moment

// moments asks for the readings of some stretches.
func (s *Store) moments(ctx context.Context, questions []quarters.RawQuery) (map[string]moments, error) {
	var flux strings.Builder
	found := map[string]moments{}
	for i, q := range questions {
		needed := []string{fieldEnergy, fieldCovers, fieldRelay}
		fmt.Fprintf(&flux, "%s%s |> yield(name: %s)\n", s.raw(q.Devices, q.From, q.To).fields(needed...), kept, quote(fmt.Sprint(i)))
	}
	err := s.query(ctx, flux.String(), func(record *query.FluxRecord) error {
		device, _ := record.ValueByKey("device").(string)
		of := found[device]
		if of == nil {
			of = moments{}
			found[device] = of
		}
		at := record.Time().UnixMilli()
		if of[at] == nil {
			of[at] = &moment{}
		}
		return of[at].take(record.Field(), record.Value())
	})
	return found, err
}

func (m *moment) take(field string, value any) (err error) {
	m.pieces++
	switch field {
	case fieldEnergy:
		m.energy, err = milli(value)
	case fieldCovers:
		m.covers, err = milli(value)
	case fieldRelay:
		m.on, _ = value.(bool)
	}
	return err
}

// between adds up what happened in a stretch, into its summary.
func (m moments) between(from, to time.Time, s *wattline.Summary) {
	const all = 3
	s.GapWh, s.FellWh, s.GapS, s.Values.OnS = 0, 0, 0, 0
	var before int64
	for _, at := range slices.Sorted(maps.Keys(m)) {
		one := m[at]
		if one.pieces < all || at < from.UnixMilli() || at >= to.UnixMilli() {
			continue
		}
		if before > 0 && one.covers == 0 {
			s.AddGap(one.energy-m[before].energy, wattline.Milli(at-before))
		}
		if one.on {
			s.Values.OnS += one.covers
		}
		before = at
	}
}
