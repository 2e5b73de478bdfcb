package quarters

import (
	"context"
	"slices"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// job is a day of some devices, to be sealed up to an instant.
type job struct {
	devices []string
	day     Day
	limit   int64
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

// begun are the quarter-hours of a day that begin before an instant.
func begun(day Day, instant int64) Set {
	return ended(day, instant-1+quartMS)
}

// horizon is from when on readings are kept for certain.
func (k *Keeper) horizon() int64 {
	if k.options.Retention <= 0 {
		return oldest
	}
	return k.now() - k.options.Retention.Milliseconds()
}

// seal brings the records of a job up to date. It holds the devices meanwhile.
func (k *Keeper) seal(ctx context.Context, j job) (store.Rebuilt, error) {
	release, err := k.gate.hold(ctx, j.devices)
	if err != nil {
		return store.Rebuilt{}, err
	}
	defer release()
	records, err := k.load(ctx, j)
	if err != nil {
		return store.Rebuilt{}, err
	}
	// Devices that lack the same are asked for together.
	type stretch struct{ first, end int }
	asked := map[stretch][]string{}
	due := map[string]Set{}
	for _, device := range j.devices {
		due[device] = ended(j.day, j.limit)
		if !j.anew && !k.gate.isAnew(device, j.day) {
			due[device] = due[device].Without(records[device].Sealed)
		}
		one := stretch{0, PerDay}
		if !j.anew {
			one.first, one.end = due[device].span()
		}
		if one.first < one.end {
			asked[one] = append(asked[one], device)
		}
	}
	gone := begun(j.day, k.horizon())
	var rebuilt store.Rebuilt
	var changed []Packed
	for one, devices := range asked {
		start := j.day.milli()
		series, err := k.options.Raw.Summaries(ctx, RawQuery{SummaryQuery: store.SummaryQuery{
			Devices: devices, Every: store.QuarterHour, Values: true,
			From: timeAt(start + int64(one.first)*quartMS), To: timeAt(start + int64(one.end)*quartMS),
		}})
		if err != nil {
			return store.Rebuilt{}, err
		}
		for _, s := range series {
			record := records[s.Device]
			if len(s.Spans) > 0 {
				rebuilt.Days++
			}
			n := record.amend(s.Spans, due[s.Device].Without(gone.And(record.Sealed)))
			if n > 0 || k.gate.isAnew(s.Device, j.day) {
				changed = append(changed, record.Pack())
				k.metrics.sealed.Add(float64(n))
			}
			if n > 0 && len(s.Spans) > 0 {
				rebuilt.Changed++
			}
		}
	}
	if changed != nil {
		if err := k.options.Kept.Put(ctx, changed); err != nil {
			return store.Rebuilt{}, err
		}
	}
	k.gate.tended(j.devices, j.day, ended(j.day, j.limit))
	return rebuilt, nil
}

// load is the records of a job; an empty one where there is none that can be read.
func (k *Keeper) load(ctx context.Context, j job) (map[string]*Record, error) {
	records := make(map[string]*Record, len(j.devices))
	for _, device := range j.devices {
		records[device] = &Record{Device: device, Day: j.day}
	}
	query := Query{Devices: j.devices, From: j.day, To: j.day, Level: Quarters}
	err := k.options.Kept.Records(ctx, query, func(p *Packed) error {
		record, err := Unpack(p)
		if err != nil {
			k.gate.distrust(deviceDay{p.Device, p.Day})
			return nil //nolint:nilerr // it is made anew
		}
		records[p.Device] = record
		return nil
	})
	return records, err
}

// amend seals the quarter-hours that are due with what the readings say of them,
// and counts those that were not sealed so. What is known of a quarter-hour
// without readings stays: they are past their retention.
func (r *Record) amend(spans []store.Span, due Set) int {
	changed := 0
	for q := range PerDay {
		if !due.Has(q) {
			continue
		}
		var said wattline.Summary
		start := timeAt(r.Day.milli() + int64(q)*quartMS)
		if i, ok := slices.BinarySearchFunc(spans, start, func(s store.Span, at time.Time) int { return s.Start.Compare(at) }); ok {
			said = spans[i].Summary
		}
		if said.Count == 0 {
			said = r.Quarters[q]
		}
		if !r.Sealed.Has(q) || r.Quarters[q] != said {
			changed++
		}
		r.Quarters[q] = said
		r.Sealed.Add(q)
	}
	return changed
}
