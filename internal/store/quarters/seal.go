package quarters

import (
	"context"
	"slices"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// sealAtOnce is how many records are made together, of many devices or of many
// days: what a late reading may have to wait for.
const sealAtOnce = 16

// daysAtOnce is how many days of so many devices are sealed together.
func daysAtOnce(devices int) Day { return Day(max(1, sealAtOnce/max(1, devices))) }

// job is some days of some devices, to be sealed up to an instant.
type job struct {
	devices  []string
	from, to Day // both included
	limit    int64
	// anew: what is sealed is looked at again.
	anew bool
}

// ended are the quarter-hours of a day that end by an instant.
func ended(day Day, limit int64) Set {
	var set Set
	for q := range PerDay {
		if day.milli()+int64(q+1)*quartMS <= limit {
			set.Add(q)
		}
	}
	return set
}

// draft is a record in the making.
type draft struct {
	Record
	due   Set          // what is to be sealed
	anew  bool         // it is to be kept even if nothing changes
	spans []store.Span // what the readings say
}

// seal brings the records of a job up to date. It holds the devices meanwhile.
func (k *Keeper) seal(ctx context.Context, j job) (store.Rebuilt, error) {
	release, err := k.gate.hold(ctx, j.devices)
	if err != nil {
		return store.Rebuilt{}, err
	}
	defer release()
	drafts, err := k.load(ctx, j)
	if err != nil {
		return store.Rebuilt{}, err
	}
	for within, devices := range j.asked(drafts) {
		series, err := k.options.Raw.Summaries(ctx, RawQuery{SummaryQuery: store.SummaryQuery{
			Devices: devices, From: timeAt(within.from), To: timeAt(within.to), Every: store.QuarterHour, Values: true,
		}})
		if err != nil {
			return store.Rebuilt{}, err
		}
		for _, s := range series {
			for _, span := range s.Spans {
				one := drafts[deviceDay{s.Device, DayOf(span.Start)}]
				one.spans = append(one.spans, span)
			}
		}
	}
	rebuilt, err := k.keep(ctx, drafts)
	if err != nil {
		return store.Rebuilt{}, err
	}
	for day := j.from; day <= j.to; day++ {
		// Where the clock was set back, tend believes to have been further than this.
		k.gate.tended(j.devices, day, ended(day, k.sealedTo()).Without(ended(day, j.limit)))
	}
	return rebuilt, nil
}

// load is the records of a job as they are, empty where there is none that can be
// read, and what is due of them.
func (k *Keeper) load(ctx context.Context, j job) (map[deviceDay]*draft, error) {
	drafts := make(map[deviceDay]*draft)
	for _, device := range j.devices {
		for day := j.from; day <= j.to; day++ {
			drafts[deviceDay{device, day}] = &draft{Record: Record{Device: device, Day: day}}
		}
	}
	query := Query{Devices: j.devices, From: j.from, To: j.to, Level: Quarters}
	err := k.options.Kept.Records(ctx, query, func(p *Packed) error {
		one := drafts[deviceDay{p.Device, p.Day}]
		record, err := Unpack(p)
		if err != nil {
			one.anew = true
			return nil //nolint:nilerr // it is made anew
		}
		one.Record = *record
		return nil
	})
	for name, one := range drafts {
		one.anew = one.anew || k.gate.isAnew(name)
		one.due = ended(name.day, j.limit)
		if !j.anew && !one.anew {
			one.due = one.due.Without(one.Sealed)
		}
	}
	return drafts, err
}

// asked is what the readings are asked, and of which devices: those that lack the
// same share a stretch.
func (j job) asked(drafts map[deviceDay]*draft) map[span][]string {
	asked := map[span][]string{}
	for _, device := range j.devices {
		within := span{j.from.milli(), (j.to + 1).milli()}
		if !j.anew {
			within.to = within.from
			for day := j.from; day <= j.to; day++ {
				first, end := drafts[deviceDay{device, day}].due.span()
				if first == end {
					continue
				}
				if within.from == within.to {
					within.from = day.milli() + int64(first)*quartMS
				}
				within.to = day.milli() + int64(end)*quartMS
			}
		}
		if within.from < within.to {
			asked[within] = append(asked[within], device)
		}
	}
	return asked
}

// keep keeps the records that changed.
func (k *Keeper) keep(ctx context.Context, drafts map[deviceDay]*draft) (store.Rebuilt, error) {
	var rebuilt store.Rebuilt
	var changed []Packed
	sealed := 0
	for _, one := range drafts {
		made, mended := one.amend(one.spans, one.due)
		if made+mended > 0 || one.anew {
			changed = append(changed, one.Pack())
			sealed += made + mended
		}
		if len(one.spans) == 0 {
			continue
		}
		rebuilt.Days++
		switch {
		case mended > 0 || one.anew && made > 0:
			rebuilt.Changed++
		case made > 0:
			rebuilt.Made++
		}
	}
	if changed == nil {
		return rebuilt, nil
	}
	if err := k.options.Kept.Put(ctx, changed); err != nil {
		return rebuilt, err
	}
	k.metrics.sealed.Add(float64(sealed))
	return rebuilt, nil
}

// amend seals the quarter-hours that are due with what the readings say of them,
// and counts those that were not sealed, and those that were sealed otherwise. See
// renewed for what is known of readings that are gone.
func (r *Record) amend(spans []store.Span, due Set) (made, mended int) {
	for q := range PerDay {
		if !due.Has(q) {
			continue
		}
		var said wattline.Summary
		start := timeAt(r.Day.milli() + int64(q)*quartMS)
		if i, ok := slices.BinarySearchFunc(spans, start, func(s store.Span, at time.Time) int { return s.Start.Compare(at) }); ok {
			said = spans[i].Summary
		}
		said = renewed(r.Quarters[q], said)
		switch {
		case !r.Sealed.Has(q):
			made++
		case r.Quarters[q] != said:
			mended++
		}
		r.Quarters[q] = said
		r.Sealed.Add(q)
	}
	return made, mended
}

// renewed is what is to be known of a quarter-hour of which a record knows something
// and the readings, as far as they are still kept, say something. Where some are gone
// the record stays, and what came late is added if it lies outside of what the record
// knows; within, it may be one that was counted.
func renewed(known, said wattline.Summary) wattline.Summary {
	switch {
	case said.Count == 0:
		return known
	case known.Count == 0, holds(said, known):
		return said
	case said.First.Time.After(known.Last.Time.Time):
		return known.Merge(said)
	case said.Last.Time.Before(known.First.Time.Time):
		return said.Merge(known)
	}
	return known
}

// holds tells whether a summary may be of all the readings of another, and more.
func holds(s, other wattline.Summary) bool {
	return s.Count >= other.Count && !s.First.Time.After(other.First.Time.Time) && !s.Last.Time.Before(other.Last.Time.Time)
}
