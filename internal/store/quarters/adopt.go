package quarters

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/wattline/wattline/internal/store"
)

// Adopt keeps quarter-hours of which the readings are elsewhere past their
// retention: of each device the spans of its series, which are whole quarter-hours
// with their Values. One of which as many readings are known here stays as it is.
func (k *Keeper) Adopt(ctx context.Context, series []store.Series) error {
	byDay := map[Day]map[string][]store.Span{}
	for _, s := range series {
		for _, span := range s.Spans {
			day := DayOf(span.Start)
			if byDay[day] == nil {
				byDay[day] = map[string][]store.Span{}
			}
			byDay[day][s.Device] = append(byDay[day][s.Device], span)
		}
	}
	for _, day := range slices.Sorted(maps.Keys(byDay)) {
		if err := k.adopt(ctx, day, byDay[day]); err != nil {
			return err
		}
	}
	return nil
}

// adopt takes a day's. It holds the devices meanwhile.
func (k *Keeper) adopt(ctx context.Context, day Day, spans map[string][]store.Span) error {
	devices := slices.Sorted(maps.Keys(spans))
	release, err := k.gate.hold(ctx, devices)
	if err != nil {
		return err
	}
	defer release()
	drafts, err := k.load(ctx, job{devices: devices, from: day, to: day})
	if err != nil {
		return err
	}
	known, err := k.options.Raw.Summaries(ctx, RawQuery{SummaryQuery: store.SummaryQuery{
		Devices: devices, From: day.Start(), To: (day + 1).Start(), Every: store.QuarterHour, Values: true,
	}})
	if err != nil {
		return err
	}
	adopted := map[deviceDay]Set{}
	var changed []Packed
	for _, s := range known {
		one := deviceDay{s.Device, day}
		set := drafts[one].adopt(spans[s.Device], s.Spans)
		if set == (Set{}) {
			continue
		}
		packed := drafts[one].Pack()
		if _, err := Unpack(&packed); err != nil {
			return fmt.Errorf("what is to be adopted makes no sense: %w", err)
		}
		adopted[one] = set
		changed = append(changed, packed)
	}
	if changed == nil {
		return nil
	}
	if err := k.lowerSince(ctx, adopted); err != nil {
		return err
	}
	if err := k.options.Kept.Put(ctx, changed); err != nil {
		return err
	}
	whole := ended(day, (day + 1).milli())
	for one, set := range adopted {
		k.gate.tended([]string{one.device}, day, whole.Without(set))
	}
	return nil
}

// adopt takes those of which more readings were summarized than the record and the
// readings that are known here account for, and seals those of which as many were as the
// record has.
func (r *Record) adopt(spans, known []store.Span) Set {
	counts := map[int]int64{}
	for _, span := range known {
		counts[quarterOf(span.Start.UnixMilli())] = span.Summary.Count
	}
	var adopted Set
	for _, span := range spans {
		q := quarterOf(span.Start.UnixMilli())
		n, has := span.Summary.Count, r.Quarters[q].Count
		if n > max(counts[q], has) || n > counts[q] && n == has && !r.Sealed.Has(q) {
			r.Quarters[q] = span.Summary
			r.Sealed.Add(q)
			adopted.Add(q)
		}
	}
	return adopted
}
