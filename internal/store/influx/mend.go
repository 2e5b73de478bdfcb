package influx

import (
	"context"
	"maps"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/pause"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/quarters"
)

// A point that is being written just now comes to light field by field; it is
// asked for again, so many times, before it is taken for torn.
const (
	tornTries = 10
	tornPause = 20 * time.Millisecond
)

// mend asks again for the windows and ends that came in part, and reads those that
// stay so: somebody else's points among ours are never whole.
func (s *Store) mend(ctx context.Context, f *findings) error {
	for range tornTries {
		torn, within := f.torn()
		if torn == nil {
			return nil
		}
		if err := pause.For(ctx, tornPause); err != nil {
			return err
		}
		if err := s.askAgain(ctx, f, torn, within); err != nil {
			return err
		}
	}
	for device, spans := range f.spans {
		for start, w := range spans {
			if f.isWhole(w) {
				continue
			}
			summary, err := s.read(ctx, device, f.stretchOf(start))
			if err != nil {
				return err
			}
			spans[start] = &window{Summary: summary}
			if summary.Count == 0 {
				delete(spans, start)
			}
		}
	}
	for _, ends := range []map[string]*end{f.before, f.after} {
		for device, end := range ends {
			if end == nil || end.energyAt.IsZero() {
				delete(ends, device)
			}
		}
	}
	return nil
}

// torn names the devices of which something came in part, and the hull of their
// windows that did.
func (f *findings) torn() (devices []string, within stretch) {
	for _, device := range f.query.Devices {
		is := !f.before[device].isWhole() || !f.after[device].isWhole()
		for start, w := range f.spans[device] {
			if f.isWhole(w) {
				continue
			}
			is = true
			one := f.stretchOf(start)
			if within == (stretch{}) {
				within = one
			}
			within = stretch{min(within.from, one.from), max(within.to, one.to)}
		}
		if is {
			devices = append(devices, device)
		}
	}
	return devices, within
}

// askAgain puts new answers in the place of the torn ones.
func (s *Store) askAgain(ctx context.Context, f *findings, devices []string, within stretch) error {
	q := f.query
	at := func(from, to time.Time) quarters.RawQuery {
		return quarters.RawQuery{SummaryQuery: store.SummaryQuery{Devices: devices, From: from, To: to, Every: q.Every, Values: q.Values}}
	}
	before, after := at(q.From, q.From), at(q.To, q.To)
	before.Earliest, after.Latest = q.Earliest, q.Latest
	found, err := s.ask(ctx, []quarters.RawQuery{within.part(devices, q.Every, q.Values), before, after})
	if err != nil {
		return err
	}
	for _, device := range devices {
		maps.DeleteFunc(f.spans[device], func(start int64, _ *window) bool { return start >= within.from && start < within.to })
		maps.Copy(f.spans[device], found[0].spans[device])
		f.before[device], f.after[device] = found[1].before[device], found[2].after[device]
	}
	return nil
}

// read makes the summary of a stretch from its readings.
func (s *Store) read(ctx context.Context, device string, within stretch) (summary wattline.Summary, err error) {
	q := store.Query{From: time.UnixMilli(within.from), To: time.UnixMilli(within.to), Limit: store.MaxLimit}
	for {
		page, err := s.page(ctx, []string{device}, q)
		if err != nil {
			return summary, err
		}
		for _, reading := range page {
			summary = summary.Merge(wattline.Summarize(reading))
		}
		if len(page) < q.Limit {
			return summary, nil
		}
		q.From = page[len(page)-1].Time.Add(precision)
	}
}
