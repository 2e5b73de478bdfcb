package archive

import (
	"context"
	"runtime"
	"time"

	"github.com/prometheus/prometheus/tsdb"
	"golang.org/x/sync/errgroup"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/quarters"
)

// readings is a quarters.Raw: what the TSDB says, several devices at a time.
type readings struct{ *Archive }

// Summaries reads the series that summaries need. See quarters.Raw.
func (a readings) Summaries(ctx context.Context, query quarters.RawQuery) ([]store.Series, error) {
	all := make([]store.Series, len(query.Devices))
	err := a.use(func(db *tsdb.DB) error {
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(runtime.GOMAXPROCS(0))
		for i, device := range query.Devices {
			group.Go(func() error {
				var err error
				all[i], err = a.summarize(ctx, db, query, device)
				return err
			})
		}
		return group.Wait()
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

func (a *Archive) summarize(ctx context.Context, db *tsdb.DB, query quarters.RawQuery, device string) (store.Series, error) {
	series := store.Series{Device: device}
	from, to := query.From.UnixMilli(), query.To.UnixMilli()
	within := span{from, to}
	if !query.Latest.IsZero() {
		within.to = max(to, query.Latest.UnixMilli())
	}
	fields := summaryFields
	if query.Values {
		fields = valueFields
	}
	total := tally{query: query.SummaryQuery, cut: from}
	err := a.walk(ctx, db, stretch{device, within, fields}, func(r *reader) bool {
		if r.at < to {
			total.add(r)
			return true
		}
		after := r.point()
		series.After = &after
		return false
	})
	if err != nil {
		return store.Series{}, err
	}
	series.Spans = total.finish()
	if !query.Earliest.IsZero() {
		series.Before, err = a.before(ctx, db, device, span{query.Earliest.UnixMilli(), from})
	}
	return series, err
}

// tally sums readings up span by span. It does what wattline.Summarize and Merge
// do, without making a summary of each reading.
type tally struct {
	query store.SummaryQuery
	spans []store.Span
	now   wattline.Summary
	start time.Time
	cut   int64 // where the span in the making ends

	firstAt, lastAt     int64
	firstEnergy, energy wattline.Milli
	firstCovers, covers wattline.Milli
}

func (t *tally) add(r *reader) {
	energy, covers, power := r.milli(fieldEnergy), r.milli(fieldCovers), r.milli(fieldPower)
	if r.at >= t.cut {
		t.next(r.at)
	}
	if t.now.Count == 0 {
		t.firstAt, t.firstEnergy, t.firstCovers = r.at, energy, covers
		t.now.MinW, t.now.MaxW = power, power
	} else if covers == 0 {
		t.now.AddGap(energy-t.energy, wattline.Milli(r.at-t.lastAt))
	}
	if covers == 0 {
		t.now.Gaps++
	}
	if t.query.Values {
		t.addValues(r, power, covers)
	}
	t.now.Count++
	t.now.CoveredS += covers
	t.now.MinW, t.now.MaxW = min(t.now.MinW, power), max(t.now.MaxW, power)
	t.lastAt, t.energy, t.covers = r.at, energy, covers
}

// addValues comes before the reading is counted.
func (t *tally) addValues(r *reader, power, covers wattline.Milli) {
	v, first := &t.now.Values, t.now.Count == 0
	addTo(&v.Power, power, first)
	addTo(&v.Voltage, r.milli(fieldVoltage), first)
	addTo(&v.Current, r.milli(fieldCurrent), first)
	if r.value(fieldRelay) == 1 {
		v.OnS += covers
	}
}

func addTo(s *wattline.Stats, value wattline.Milli, first bool) {
	if first {
		s.Min, s.Max, s.First = value, value, value
	}
	s.Sum += value
	s.Min, s.Max, s.Last = min(s.Min, value), max(s.Max, value), value
}

// next ends a span and begins the one that holds an instant.
func (t *tally) next(at int64) {
	t.end()
	t.start = t.query.SpanStart(time.UnixMilli(at))
	every := t.query.Every.Milliseconds()
	t.cut = at - at%every + every
}

func (t *tally) end() {
	if t.now.Count == 0 {
		return
	}
	t.now.First = wattline.Point{Time: wattline.AtMilli(t.firstAt), EnergyWh: t.firstEnergy, CoversS: t.firstCovers}
	t.now.Last = wattline.Point{Time: wattline.AtMilli(t.lastAt), EnergyWh: t.energy, CoversS: t.covers}
	t.spans = append(t.spans, store.Span{Start: t.start, Summary: t.now})
	t.now = wattline.Summary{}
}

func (t *tally) finish() []store.Span {
	t.end()
	return t.spans
}

// lastReach is how far back the last reading before a range is looked for at
// first, and lastGrowth by how much further each time it is not found.
const (
	lastReach  = 3 * time.Hour
	lastGrowth = 8
)

// before is the last reading in a span that may reach back for years.
func (a *Archive) before(ctx context.Context, db *tsdb.DB, device string, within span) (*wattline.Point, error) {
	at, oldest := within.to, max(within.from, oldestIn(db))
	for reach := lastReach.Milliseconds(); at > oldest; reach *= lastGrowth {
		from := max(at-reach, oldest)
		last, err := a.lastIn(ctx, db, device, span{from, at})
		if last != nil || err != nil {
			return last, err
		}
		at = from
	}
	return nil, nil
}

// lastIn is the last reading in a span. A long one is halved until only a little
// of it need be read.
func (a *Archive) lastIn(ctx context.Context, db *tsdb.DB, device string, within span) (*wattline.Point, error) {
	var last *wattline.Point
	long := within.to-within.from > lastReach.Milliseconds()
	err := a.walk(ctx, db, stretch{device, within, summaryFields}, func(r *reader) bool {
		point := r.point()
		last = &point
		return !long // whether there is one at all
	})
	if err != nil || last == nil || !long {
		return last, err
	}
	middle := within.from + (within.to-within.from)/2
	later, err := a.lastIn(ctx, db, device, span{middle, within.to})
	if later != nil || err != nil {
		return later, err
	}
	return a.lastIn(ctx, db, device, span{within.from, middle})
}
