package transfer

import (
	"context"
	"slices"

	"github.com/wattline/wattline/internal/store"
)

// Adopter is a store that takes quarter-hours of which the readings are nowhere to
// be had any more.
type Adopter interface {
	// Adopt keeps the quarter-hours of each device, whole and with their Values, as
	// what its readings said. A nil error means that all are on disk. A
	// quarter-hour of which the store itself has as many readings or more stays as
	// it is.
	Adopt(ctx context.Context, series []store.Series) error
}

// moveQuarters moves the quarter-hours of which the source no longer has all
// readings. A target that cannot take them differs then.
func (p *part) moveQuarters(ctx context.Context) error {
	wanted, err := p.bare(ctx)
	if err != nil || len(wanted) == 0 {
		return err
	}
	if !p.task.VerifyOnly {
		if err := p.target.Adopt(ctx, wanted); err != nil {
			return err
		}
	}
	there, err := p.target.Summaries(ctx, p.quarters(wanted))
	if err != nil {
		return err
	}
	for i, series := range wanted {
		p.found.quarters(series, p.heldOf(series.Device).raw)
		if m := compareQuarters(series, there[i]); m.Missing+m.Different > 0 {
			m.Day = p.date()
			p.found.differs(m)
		}
	}
	return nil
}

// bare are the source's quarter-hours of which readings have gone.
func (p *part) bare(ctx context.Context) ([]store.Series, error) {
	var bare []store.Series
	for _, h := range p.held {
		if h.raw.After(h.first) && h.raw.After(p.from) {
			bare = append(bare, store.Series{Device: h.device})
		}
	}
	if len(bare) == 0 {
		return nil, nil
	}
	all, err := p.source.Summaries(ctx, p.quarters(bare))
	if err != nil {
		return nil, err
	}
	for i := range all {
		raw := p.heldOf(all[i].Device).raw
		all[i].Spans = slices.DeleteFunc(all[i].Spans, func(s store.Span) bool { return !s.Summary.First.Time.Before(raw) })
	}
	return slices.DeleteFunc(all, func(s store.Series) bool { return len(s.Spans) == 0 }), nil
}

// quarters asks for the whole quarter-hours that the part touches.
func (p *part) quarters(of []store.Series) store.SummaryQuery {
	q := store.SummaryQuery{
		From: p.from.Truncate(store.QuarterHour), To: p.to.Add(store.QuarterHour - 1).Truncate(store.QuarterHour),
		Every: store.QuarterHour, Values: true,
	}
	for _, series := range of {
		q.Devices = append(q.Devices, series.Device)
	}
	return q
}

// compareQuarters counts quarter-hours.
func compareQuarters(wanted, there store.Series) Mismatch {
	m := Mismatch{Device: wanted.Device, Quarters: true, Source: int64(len(wanted.Spans))}
	for _, span := range wanted.Spans {
		i := slices.IndexFunc(there.Spans, func(s store.Span) bool { return s.Start.Equal(span.Start) })
		switch {
		case i < 0:
			m.Missing++
			continue
		case !equalQuarters(span, there.Spans[i]):
			m.Different++
		}
		m.Target++
	}
	return m
}

// equalQuarters is true for instants that are equal, however they are written.
func equalQuarters(a, b store.Span) bool {
	for _, s := range []*store.Span{&a, &b} {
		s.Start = s.Start.UTC()
		s.Summary.First.Time.Time = s.Summary.First.Time.UTC()
		s.Summary.Last.Time.Time = s.Summary.Last.Time.UTC()
	}
	return a == b
}
